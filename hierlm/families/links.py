r"""Link functions: :math:`\eta = g(\mu)`, its inverse, and :math:`d\mu/d\eta`.

Each inverse is written so that large ``|eta|`` neither overflows nor loses the small tail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hierlm.errors import FamilyError, did_you_mean

Array = NDArray[np.float64]

_LOG_OVERFLOW = 700.0  # exp(709.8) is the largest double


@dataclass(frozen=True, repr=False)
class Link:
    """A link function between the mean and the linear predictor.

    Parameters
    ----------
    name : str
        What formulas and reports call it.
    link : callable
        ``eta = link(mu)``, elementwise.
    inverse : callable
        ``mu = inverse(eta)``, elementwise.
    derivative : callable
        ``d mu / d eta`` as a function of ``eta``, elementwise.
    lower, upper : float
        The open interval of means that the link takes.
    relative : bool
        Whether a step of one in ``eta`` means the same whatever the unit of the response (a
        factor, an odds ratio). Default priors then have scale one and do not look at sd(y).

    Examples
    --------
    >>> logit = get_link("logit")
    >>> float(logit.link(0.75)), float(logit.inverse(0.0)), float(logit.derivative(0.0))
    (1.0986122886681098, 0.5, 0.25)
    """

    name: str
    link: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    lower: float = -np.inf
    upper: float = np.inf
    relative: bool = False

    def __repr__(self) -> str:
        return f"Link({self.name!r})"


def _identity(x: Array) -> Array:
    return np.asarray(x, dtype=float)


def _one(eta: Array) -> Array:
    return np.ones_like(eta, dtype=float)


def _logit_derivative(eta: Array) -> Array:
    # mu (1 - mu) would be zero for eta > 37, where 1 - mu rounds to zero
    return np.asarray(special.expit(eta) * special.expit(np.negative(eta)))


def _probit_derivative(eta: Array) -> Array:
    return np.asarray(np.exp(-0.5 * np.square(eta)) / np.sqrt(2 * np.pi))


def _cloglog(mu: Array) -> Array:
    return np.asarray(np.log(-np.log1p(np.negative(mu))))


def _cloglog_inverse(eta: Array) -> Array:
    return np.asarray(-np.expm1(-np.exp(np.minimum(eta, _LOG_OVERFLOW))))


def _cloglog_derivative(eta: Array) -> Array:
    return np.asarray(np.exp(eta - np.exp(np.minimum(eta, _LOG_OVERFLOW))))


def _reciprocal(x: Array) -> Array:
    return np.asarray(1.0 / np.asarray(x, dtype=float))


def _reciprocal_derivative(eta: Array) -> Array:
    return np.asarray(-1.0 / np.square(np.asarray(eta, dtype=float)))


def _double(eta: Array) -> Array:
    return np.asarray(2.0 * np.asarray(eta, dtype=float))


_ALL = (
    Link("identity", _identity, _identity, _one),
    Link("log", np.log, np.exp, np.exp, lower=0.0, relative=True),
    Link(
        "logit",
        special.logit,
        special.expit,
        _logit_derivative,
        lower=0.0,
        upper=1.0,
        relative=True,
    ),
    Link(
        "probit",
        special.ndtri,
        special.ndtr,
        _probit_derivative,
        lower=0.0,
        upper=1.0,
        relative=True,
    ),
    Link(
        "cloglog",
        _cloglog,
        _cloglog_inverse,
        _cloglog_derivative,
        lower=0.0,
        upper=1.0,
        relative=True,
    ),
    Link("inverse", _reciprocal, _reciprocal, _reciprocal_derivative, lower=0.0),
    Link("sqrt", np.sqrt, np.square, _double, lower=0.0),
)

LINKS: dict[str, Link] = {link.name: link for link in sorted(_ALL, key=lambda link: link.name)}


def get_link(name: str) -> Link:
    """Return the link called `name`.

    Parameters
    ----------
    name : str

    Returns
    -------
    Link

    Raises
    ------
    FamilyError
        When no link has this name.

    Examples
    --------
    >>> get_link("probit")
    Link('probit')
    """
    if name not in LINKS:
        raise FamilyError(
            f"no link is called {name!r}.{did_you_mean(str(name), LINKS)}\n"
            f"  There are: {', '.join(LINKS)}."
        )
    return LINKS[name]
