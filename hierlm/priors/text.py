"""Text to prior: ``"normal(0, 20)"`` to ``Normal(0, 20)``.

Grammar, without regard to case, spaces and underscores in the name::

    prior    = number | name "(" [argument {"," argument}] ")"
    argument = [parameter "="] number
"""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from numbers import Real

import numpy as np

from hierlm.errors import PriorError, did_you_mean
from hierlm.priors import values
from hierlm.priors.base import Prior, number_text

_CLASSES: tuple[type[Prior], ...] = (
    values.Beta,
    values.Cauchy,
    values.Exponential,
    values.Fixed,
    values.Flat,
    values.Gamma,
    values.HalfCauchy,
    values.HalfNormal,
    values.HalfStudentT,
    values.InverseGamma,
    values.LKJ,
    values.Laplace,
    values.LogNormal,
    values.Normal,
    values.StudentT,
    values.Uniform,
)

_NAMES = {cls.__name__: cls for cls in _CLASSES}

# Other spellings, of brms above all; without case and underscores.
_SPELLINGS = {name.casefold(): cls for name, cls in _NAMES.items()} | {
    "constant": values.Fixed,
    "doubleexponential": values.Laplace,
    "halft": values.HalfStudentT,
    "invgamma": values.InverseGamma,
    "lkjcorr": values.LKJ,
}

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_CALL = re.compile(r"\s*([A-Za-z_][A-Za-z_0-9]*)\s*\((.*)\)\s*", re.DOTALL)


def as_prior(value: object) -> Prior:
    """Return the prior that `value` stands for.

    Parameters
    ----------
    value : Prior, str, int or float
        A number fixes the parameter; text is read by `parse_prior`.

    Returns
    -------
    Prior

    Raises
    ------
    PriorError
        When it stands for no prior.

    Examples
    --------
    >>> as_prior("normal(0, 20)"), as_prior(4)
    (Normal(0, 20), Fixed(4))
    """
    if isinstance(value, Prior):
        return value
    if isinstance(value, str):
        return parse_prior(value)
    if isinstance(value, Real) and not isinstance(value, bool | np.bool_):
        try:
            number = float(value)
        except OverflowError:  # an int without bounds
            number = np.inf
        if not np.isfinite(number):
            raise PriorError(
                f"a number that fixes a parameter must be finite; came {str(value)[:20]}."
            )
        return values.Fixed(number)
    hint = ""
    if isinstance(value, type) and issubclass(value, Prior):
        hint = f"\n  Give it parameters: {_signature(value)}."
    raise PriorError(
        "a prior is a value such as hl.Normal(0, 20), its text 'normal(0, 20)', or a number that "
        f"fixes the parameter; came {value!r}.{hint}"
    )


def parse_prior(text: str) -> Prior:
    """Return the prior written as text.

    Parameters
    ----------
    text : str
        A name of PyMC or brms and its parameters, by position or by name; or a number, which
        fixes the parameter.

    Returns
    -------
    Prior

    Raises
    ------
    PriorError
        When the name, the number of parameters or a parameter is wrong.

    Examples
    --------
    >>> parse_prior("student_t(3, 0, 10)"), parse_prior("Normal(mu=0, sigma=20)")
    (StudentT(3, 0, 10), Normal(0, 20))
    >>> parse_prior("normal(0, wide)")
    Traceback (most recent call last):
    hierlm.errors.PriorError: 'normal(0, wide)': 'wide' is not a number.
      Write Normal(mu=0, sigma=1).
    """
    if _NUMBER.fullmatch(text.strip()):
        return values.Fixed(float(text))
    name, inside = _split_call(text)
    cls = _class_named(name, text)
    arguments = _arguments(cls, inside, text)
    try:
        return cls(**arguments)
    except PriorError as error:
        raise PriorError(f"{text!r}: {error}") from None


def _split_call(text: str) -> tuple[str, str]:
    """Return the name and what is between its parentheses."""
    if text.count("(") != text.count(")"):
        raise PriorError(
            f"{text!r}: the parentheses do not match.\n  Write it as in normal(0, 20)."
        )
    match = _CALL.fullmatch(text)
    if match is None:
        plain = text.strip()
        known = _SPELLINGS.get(_plain(plain))
        wanted = "normal(0, 20)" if known is None else _signature(known)
        raise PriorError(
            f"{text!r} is not a prior: wanted a name and its parameters in parentheses.\n"
            f"  Write it as in {wanted}."
        )
    return match[1], match[2]


def _plain(name: str) -> str:
    return name.casefold().replace("_", "")


def _class_named(name: str, text: str) -> type[Prior]:
    cls = _SPELLINGS.get(_plain(name))
    if cls is None:
        raise PriorError(
            f"{text!r}: no prior is called {name!r}.{did_you_mean(name, _NAMES)}\n"
            f"  There are: {', '.join(_NAMES)}."
        )
    return cls


def _arguments(cls: type[Prior], inside: str, text: str) -> dict[str, float]:
    """Return the parameters by name, and see that each is given once."""
    names = [field.name for field in fields(cls)]
    pieces = inside.split(",") if inside.strip() else []
    if len(pieces) > len(names):
        raise _wrong(cls, text, f"{_counted(len(names))}, and {len(pieces)} came")
    given: dict[str, float] = {}
    by_name = False
    for position, piece in enumerate(pieces):
        name, equals, number = piece.rpartition("=")
        by_name = by_name or bool(equals)
        if by_name and not equals:
            raise _wrong(cls, text, f"{piece.strip()!r} follows a named parameter and needs a name")
        key = name.strip() if equals else names[position]
        if key not in names:
            raise _wrong(cls, text, f"no parameter is called {key!r}.{did_you_mean(key, names)}")
        if key in given:
            raise _wrong(cls, text, f"{key} is given twice")
        given[key] = _number(cls, number.strip(), text)
    missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in given]
    if missing:
        raise _wrong(cls, text, f"{' and '.join(missing)} missing; it has {_counted(len(names))}")
    return given


def _number(cls: type[Prior], written: str, text: str) -> float:
    if not _NUMBER.fullmatch(written):
        raise _wrong(cls, text, f"{written!r} is not a number")
    return float(written)


def _counted(n: int) -> str:
    return f"{n} parameter" if n == 1 else f"{n or 'no'} parameters"


def _wrong(cls: type[Prior], text: str, reason: str) -> PriorError:
    end = "" if reason.endswith(("?", ".")) else "."
    return PriorError(f"{text!r}: {reason}{end}\n  Write {_signature(cls)}.")


def _signature(cls: type[Prior]) -> str:
    """Return how a class is written: ``StudentT(nu, mu=0, sigma=1)``."""
    inside = ", ".join(
        f.name if f.default is MISSING else f"{f.name}={number_text(float(f.default))}"
        for f in fields(cls)
    )
    return f"{cls.__name__}({inside})"
