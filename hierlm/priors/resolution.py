"""Which prior applies to what: what the user gave, most specific first, else the default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hierlm import names
from hierlm.errors import PriorError, did_you_mean
from hierlm.priors.parameters import Kind, Parameter
from hierlm.priors.spelling import find_names
from hierlm.priors.text import as_prior
from hierlm.priors.values import LKJ, Fixed, Prior

PriorLike = Prior | str | float

_SHOWN = 30

_SUPPORT: dict[Kind, tuple[float, float]] = {
    "coefficient": (-np.inf, np.inf),
    "sd": (0.0, np.inf),
    "shape": (0.0, np.inf),
}

_KINDS: dict[Kind, str] = {
    "coefficient": "a common effect",
    "sd": "an sd between groups",
    "correlation": "the correlations of a grouping factor",
    "shape": "a parameter of the family",
}


@dataclass(frozen=True)
class Assigned:
    """A parameter with the prior that it got.

    Parameters
    ----------
    name : str
    kind : str
    prior : Prior
    origin : str
        ``"default"``, or the name under which the user gave it.
    reason : str
        Why, for a default.
    """

    name: str
    kind: Kind
    prior: Prior
    origin: str
    reason: str

    @property
    def is_default(self) -> bool:
        """Whether the user left the choice to hierlm."""
        return self.origin == "default"


@dataclass(frozen=True)
class Priors:
    """The prior of every parameter of a model, in order.

    Iterating gives the `Assigned`; indexing by name gives the `Prior`.
    """

    by_name: Mapping[str, Assigned]

    def __iter__(self) -> Iterator[Assigned]:
        return iter(self.by_name.values())

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def __getitem__(self, name: str) -> Prior:
        return self.by_name[name].prior

    def group_sds(self, factor: str, coefs: tuple[str, ...]) -> tuple[Prior, ...]:
        """Return the priors of a factor's sds, one per coefficient."""
        return tuple(self[names.element(names.sd(factor), name)] for name in coefs)


def resolve(parameters: tuple[Parameter, ...], given: Mapping[str, PriorLike]) -> Priors:
    """Assign a prior to every parameter.

    Parameters
    ----------
    parameters : tuple of Parameter
    given : dict of str to Prior, str or float
        By the name of a parameter or of a class, calls spelled in any way that a formula reads; a
        number fixes a parameter.

    Returns
    -------
    Priors

    Raises
    ------
    PriorError
        If a name belongs to no parameter or to two, two spellings of one are given, or a prior's
        support is wrong for its parameter.
    """
    _check_distinct(parameters)
    if not isinstance(given, Mapping):
        raise PriorError(
            f"priors are a dict of parameter and prior; came {given!r}.\n"
            "  Write priors={'beta': hl.Normal(0, 20)}."
        )
    known = _known(parameters)
    found = find_names(given, known)
    _check_names(found, known)
    priors = {found[name]: _read(name, value) for name, value in given.items()}
    assigned = (_assign(parameter, priors) for parameter in parameters)
    return Priors({item.name: item for item in assigned})


def _read(name: str, value: PriorLike) -> Prior:
    try:
        return as_prior(value)
    except PriorError as error:
        raise PriorError(f"prior of {name!r}: {error}") from None


def _assign(parameter: Parameter, priors: Mapping[str, Prior]) -> Assigned:
    name, reason = parameter.name, parameter.reason
    if name == names.INTERCEPT_CENTERED and names.INTERCEPT in priors:
        name = names.INTERCEPT
    origin = next((key for key in (name, *parameter.classes) if key in priors), None)
    if origin is None:
        return Assigned(name, parameter.kind, parameter.default, "default", reason)
    prior = priors[origin]
    _check_support(prior, name, parameter.kind)
    return Assigned(name, parameter.kind, prior, origin, "")


def _check_distinct(parameters: tuple[Parameter, ...]) -> None:
    """Refuse columns that would give two parameters, or a parameter and a class, one name."""
    classes = {name for parameter in parameters for name in parameter.classes}
    kinds: dict[str, Kind] = {}
    for parameter in parameters:
        name, kind = parameter.name, parameter.kind
        if name in kinds or name in classes:
            other = "all parameters of a class" if name in classes else _KINDS[kinds[name]]
            raise PriorError(
                f"the name {name!r} would stand for {_KINDS[kind]} and for {other}.\n"
                "  Rename the column in the table."
            )
        kinds[name] = kind


def _known(parameters: tuple[Parameter, ...]) -> list[str]:
    """Return the names that a prior can be given for, classes last."""
    known: dict[str, None] = {}
    for parameter in parameters:
        if parameter.name == names.INTERCEPT_CENTERED:
            known[names.INTERCEPT] = None
        known[parameter.name] = None
    for parameter in parameters:
        known.update(dict.fromkeys(parameter.classes))
    return list(known)


def _check_names(found: Mapping[str, str], known: list[str]) -> None:
    for name, meant in found.items():
        if meant not in known:
            more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
            raise PriorError(
                f"no parameter is called {name!r}.{did_you_mean(name, known)}\n"
                f"  This model has: {', '.join(known[:_SHOWN])}{more}."
            )
    if {names.INTERCEPT, names.INTERCEPT_CENTERED} <= set(found.values()):
        raise PriorError(
            f"{names.INTERCEPT!r} (predictors at zero) and {names.INTERCEPT_CENTERED!r} (predictors"
            " at their means) are two spellings of one parameter.\n  Give one of them."
        )


def _check_support(prior: Prior, name: str, kind: Kind) -> None:
    if kind == "correlation":
        _check_correlation(prior, name)
        return
    if isinstance(prior, LKJ):
        raise PriorError(
            f"{prior} is a prior on correlations; {name!r} is not one.\n"
            "  Write it on cor or cor_<factor>."
        )
    lower, upper = _SUPPORT[kind]
    if isinstance(prior, Fixed) and prior.value <= lower:
        raise PriorError(f"{name!r} cannot be fixed at {prior.value:g}: it is positive.")
    if prior.support[0] < lower or prior.support[1] > upper:
        raise PriorError(
            f"{prior} allows negative values, and {name!r} is positive.\n"
            "  Allowed: HalfNormal, HalfStudentT, HalfCauchy, Exponential, Gamma, InverseGamma, "
            "LogNormal, or a Uniform from zero up."
        )


def _check_correlation(prior: Prior, name: str) -> None:
    if isinstance(prior, LKJ):
        return
    if isinstance(prior, Fixed) and -1 < prior.value < 1:
        return
    if isinstance(prior, Fixed):
        raise PriorError(f"{name!r} cannot be fixed at {prior.value:g}: it is within (-1, 1).")
    raise PriorError(
        f"{prior} cannot be the prior of {name!r}.\n"
        "  Correlations have an LKJ prior, as in LKJ(2), or a number in (-1, 1) that fixes them; "
        "for uncorrelated effects write (x || g)."
    )
