"""The families. To add one: a SciPy distribution of the mean and shapes, and a declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from hierlm.errors import FamilyError, did_you_mean
from hierlm.families.family import Family, Shape
from hierlm.families.links import Array
from hierlm.families.support import BINARY, COUNTS, OPEN_UNIT, POSITIVE, REALS, SUCCESSES

if TYPE_CHECKING:
    from hierlm.families.family import Frozen

_SCALE_REASON = "a residual spread as wide as the response itself is the most to expect"

_GAUSSIAN_SIGMA = Shape("sigma", "residual sd", "HalfStudentT(3, {scale})", _SCALE_REASON)
_STUDENT_SIGMA = Shape("sigma", "residual scale", "HalfStudentT(3, {scale})", _SCALE_REASON)
_LOG_SIGMA = Shape("sigma", "residual sd of log y", "HalfStudentT(3, {scale})", _SCALE_REASON)
_NU = Shape(
    "nu",
    "degrees of freedom",
    "Gamma(2, 0.1)",
    "from heavy tails to nearly normal, away from zero (Juarez and Steel 2010)",
)
_NEGBINOMIAL_ALPHA = Shape(
    "alpha",
    "overdispersion: variance mu + mu^2/alpha",
    "InverseGamma(0.4, 0.3)",
    "from strong overdispersion to nearly Poisson, and little mass at zero",
)
_GAMMA_ALPHA = Shape(
    "alpha",
    "shape: variance mu^2/alpha",
    "HalfStudentT(3, 10)",
    "from exponential (1) to a coefficient of variation of a few percent",
)
_KAPPA = Shape(
    "kappa",
    "precision: variance mu (1 - mu) / (1 + kappa)",
    "HalfStudentT(3, 50)",
    "from U-shaped (below 2) to tight around the mean",
)


def _gaussian(mu: Array, sigma: Array) -> Frozen:
    return stats.norm(mu, sigma)


def _student(mu: Array, sigma: Array, nu: Array) -> Frozen:
    return stats.t(nu, mu, sigma)


def _lognormal(mu: Array, sigma: Array) -> Frozen:
    return stats.lognorm(sigma, scale=np.exp(mu))


def _gamma(mu: Array, alpha: Array) -> Frozen:
    return stats.gamma(alpha, scale=mu / alpha)


def _beta(mu: Array, kappa: Array) -> Frozen:
    # logit(mu) > 37 rounds mu to one, where the density is gone
    inside = np.clip(mu, np.finfo(float).tiny, 1 - np.finfo(float).epsneg)
    return stats.beta(inside * kappa, (1 - inside) * kappa)


def _bernoulli(mu: Array) -> Frozen:
    return stats.bernoulli(mu)


def _binomial(mu: Array, trials: Array) -> Frozen:
    return stats.binom(trials, mu)


def _poisson(mu: Array) -> Frozen:
    return stats.poisson(mu)


def _negbinomial(mu: Array, alpha: Array) -> Frozen:
    return stats.nbinom(alpha, alpha / (alpha + mu))


GAUSSIAN = Family(
    name="gaussian",
    links=("identity", "log", "inverse"),
    shapes=(_GAUSSIAN_SIGMA,),
    response="continuous",
    support=REALS,
    distribution=_gaussian,
)

STUDENT = Family(
    name="student",
    links=("identity", "log", "inverse"),
    shapes=(_STUDENT_SIGMA, _NU),
    response="continuous",
    support=REALS,
    distribution=_student,
)

LOGNORMAL = Family(
    name="lognormal",
    links=("identity",),
    shapes=(_LOG_SIGMA,),
    response="continuous",
    support=POSITIVE,
    distribution=_lognormal,
    working=np.log,
    working_name="the log of the response",
)

GAMMA = Family(
    name="gamma",
    links=("log", "inverse", "identity"),
    shapes=(_GAMMA_ALPHA,),
    response="continuous",
    support=POSITIVE,
    distribution=_gamma,
)

BETA = Family(
    name="beta",
    links=("logit", "probit", "cloglog"),
    shapes=(_KAPPA,),
    response="continuous",
    support=OPEN_UNIT,
    distribution=_beta,
)

BERNOULLI = Family(
    name="bernoulli",
    links=("logit", "probit", "cloglog"),
    shapes=(),
    response="binary",
    support=BINARY,
    distribution=_bernoulli,
)

BINOMIAL = Family(
    name="binomial",
    links=("logit", "probit", "cloglog"),
    shapes=(),
    response="trials",
    support=SUCCESSES,
    distribution=_binomial,
)

POISSON = Family(
    name="poisson",
    links=("log", "identity", "sqrt"),
    shapes=(),
    response="count",
    support=COUNTS,
    distribution=_poisson,
)

NEGBINOMIAL = Family(
    name="negbinomial",
    links=("log", "identity", "sqrt"),
    shapes=(_NEGBINOMIAL_ALPHA,),
    response="count",
    support=COUNTS,
    distribution=_negbinomial,
)

_DECLARED = (
    BERNOULLI, BETA, BINOMIAL, GAMMA, GAUSSIAN, LOGNORMAL, NEGBINOMIAL, POISSON, STUDENT
)  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in _DECLARED}

# Written without case, spaces, '-' and '_'.
_ALIASES = {
    "normal": "gaussian",
    "t": "student",
    "studentt": "student",
    "negativebinomial": "negbinomial",
    "negbin": "negbinomial",
    "nbinom": "negbinomial",
}

_UNSUPPORTED = {
    "categorical": "With two categories use family='bernoulli'.",
    "multinomial": "With two categories use family='binomial'.",
    "cumulative": "Ordered categories have no family here.",
    "ordinal": "Ordered categories have no family here.",
    "zeroinflatedpoisson": "family='negbinomial' takes more zeros than a Poisson.",
    "zeroinflatednegbinomial": "family='negbinomial' takes more zeros than a Poisson.",
    "hurdlepoisson": "Model whether y is zero apart (family='bernoulli'), then the rest.",
    "betabinomial": "Add a group-specific intercept per row: (1 | row) with family='binomial'.",
    "inversegaussian": "For positive responses use family='gamma' or 'lognormal'.",
    "weibull": "For positive responses use family='gamma' or 'lognormal'.",
    "exponential": "family='gamma' with the prior {'alpha': 1} is the exponential.",
}


def family_names() -> list[str]:
    """Return the names of the families, sorted.

    Examples
    --------
    >>> family_names()[:4]
    ['bernoulli', 'beta', 'binomial', 'gamma']
    """
    return sorted(FAMILIES)


def get_family(family: str | Family, link: str | None = None) -> Family:
    """Return a family from its name.

    Parameters
    ----------
    family : str or Family
        A name in `FAMILIES`, or one that others give it: ``"normal"``, ``"t"``, ``"negbin"``.
        A `Family` is returned as it is.
    link : str, optional
        A link other than the family's default.

    Returns
    -------
    Family

    Raises
    ------
    FamilyError
        When the family is unknown or unsupported, or does not take the link.

    Examples
    --------
    >>> get_family("negative_binomial")
    Family('negbinomial', link='log')
    >>> get_family("bernoulli", link="probit")
    Family('bernoulli', link='probit')
    """
    found = family if isinstance(family, Family) else _named(family)
    return found if link is None else found.with_link(link)


def _named(name: str) -> Family:
    if not isinstance(name, str):
        raise FamilyError(
            f"a family is a name or a Family; came {name!r}.\n"
            f"  There are: {', '.join(family_names())}."
        )
    plain = name.casefold().translate(str.maketrans("", "", " -_"))
    plain = _ALIASES.get(plain, plain)
    if plain in FAMILIES:
        return FAMILIES[plain]
    if plain in _UNSUPPORTED:
        reason = f"family {name!r} is not supported. {_UNSUPPORTED[plain]}"
    else:
        reason = f"no family is called {name!r}.{did_you_mean(plain, [*FAMILIES, *_ALIASES])}"
    raise FamilyError(f"{reason}\n  There are: {', '.join(family_names())}.")
