"""Priors of one number, with the names and parameters of PyMC."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from hierlm.errors import PriorError
from hierlm.priors.base import Array, Density, Prior, ScalarPrior, Size, number_text
from hierlm.priors.lkj import LKJ

if TYPE_CHECKING:
    from hierlm.priors.base import Frozen

__all__ = [
    "LKJ",
    "Beta",
    "Cauchy",
    "Density",
    "Exponential",
    "Fixed",
    "Flat",
    "Gamma",
    "HalfCauchy",
    "HalfNormal",
    "HalfStudentT",
    "InverseGamma",
    "Laplace",
    "LogNormal",
    "Normal",
    "Prior",
    "ScalarPrior",
    "StudentT",
    "Uniform",
]


@final
@dataclass(frozen=True, repr=False)
class Normal(Density):
    """Normal with mean `mu` and standard deviation `sigma`.

    Examples
    --------
    >>> Normal(0, 20)
    Normal(0, 20)
    >>> Normal(sigma=20).ppf([0.05, 0.95]).round(1)
    array([-32.9,  32.9])
    >>> Normal(0, -20)
    Traceback (most recent call last):
    hierlm.errors.PriorError: Normal: sigma must be positive; came -20.
    """

    mu: float = 0.0
    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("sigma",)

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.norm(self.mu, self.sigma)


@final
@dataclass(frozen=True, repr=False)
class StudentT(Density):
    """Student t with `nu` degrees of freedom, location `mu` and scale `sigma`."""

    nu: float
    mu: float = 0.0
    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("nu", "sigma")

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.t(self.nu, self.mu, self.sigma)


@final
@dataclass(frozen=True, repr=False)
class Cauchy(Density):
    """Cauchy with median `alpha` and scale `beta`."""

    alpha: float
    beta: float
    positive: ClassVar[tuple[str, ...]] = ("beta",)

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.cauchy(self.alpha, self.beta)


@final
@dataclass(frozen=True, repr=False)
class Laplace(Density):
    """Laplace (double exponential) with mean `mu` and scale `b`."""

    mu: float
    b: float
    positive: ClassVar[tuple[str, ...]] = ("b",)

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.laplace(self.mu, self.b)


@final
@dataclass(frozen=True, repr=False)
class HalfNormal(Density):
    """Absolute value of a normal with mean zero and standard deviation `sigma`."""

    sigma: float
    positive: ClassVar[tuple[str, ...]] = ("sigma",)

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.halfnorm(scale=self.sigma)


@final
@dataclass(frozen=True, repr=False)
class HalfStudentT(Density):
    """Absolute value of a Student t with `nu` degrees of freedom and scale `sigma`.

    Examples
    --------
    >>> HalfStudentT(3, 50).ppf(0.95).round(1)
    np.float64(159.1)
    """

    nu: float
    sigma: float
    positive: ClassVar[tuple[str, ...]] = ("nu", "sigma")

    @cached_property
    def distribution(self) -> Frozen:
        """The t distribution that is folded: SciPy has no half t."""
        return stats.t(self.nu, 0.0, self.sigma)

    @property
    def support(self) -> tuple[float, float]:
        """Lower and upper end of the values that have density."""
        return 0.0, np.inf

    def logpdf(self, x: ArrayLike) -> Array:
        """Return the log density at each `x`; see `ScalarPrior.logpdf`."""
        folded = super().logpdf(x) + np.log(2.0)
        return np.where(np.asarray(x) < 0, -np.inf, folded)

    def cdf(self, x: ArrayLike) -> Array:
        """Return the probability of a value of at most `x`: (x / sigma)^2 is F(1, nu)."""
        ratio = np.maximum(np.asarray(x, dtype=float), 0.0) / self.sigma
        return np.asarray(special.fdtr(1.0, self.nu, np.square(ratio)))

    def ppf(self, p: ArrayLike) -> Array:
        """Return the quantile of probability `p`."""
        return np.asarray(self.distribution.isf(0.5 * (1.0 - np.asarray(p, dtype=float))))

    def rvs(self, rng: np.random.Generator, size: Size = ()) -> Array:
        """Return independent draws; see `ScalarPrior.rvs`."""
        return np.abs(super().rvs(rng, size))


@final
@dataclass(frozen=True, repr=False)
class HalfCauchy(Density):
    """Absolute value of a Cauchy with median zero and scale `beta`."""

    beta: float
    positive: ClassVar[tuple[str, ...]] = ("beta",)

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.halfcauchy(scale=self.beta)


@final
@dataclass(frozen=True, repr=False)
class Exponential(Density):
    """Exponential with rate `lam`: the mean is ``1 / lam``."""

    lam: float
    positive: ClassVar[tuple[str, ...]] = ("lam",)

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.expon(scale=1.0 / self.lam)


@final
@dataclass(frozen=True, repr=False)
class Gamma(Density):
    """Gamma with shape `alpha` and rate `beta`: the mean is ``alpha / beta``."""

    alpha: float
    beta: float
    positive: ClassVar[tuple[str, ...]] = ("alpha", "beta")

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.gamma(self.alpha, scale=1.0 / self.beta)


@final
@dataclass(frozen=True, repr=False)
class InverseGamma(Density):
    """Inverse gamma with shape `alpha` and scale `beta`: the mode is ``beta / (alpha + 1)``."""

    alpha: float
    beta: float
    positive: ClassVar[tuple[str, ...]] = ("alpha", "beta")

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.invgamma(self.alpha, scale=self.beta)


@final
@dataclass(frozen=True, repr=False)
class LogNormal(Density):
    """Exponential of a normal with mean `mu` and standard deviation `sigma`."""

    mu: float
    sigma: float
    positive: ClassVar[tuple[str, ...]] = ("sigma",)

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.lognorm(self.sigma, scale=np.exp(self.mu))


@final
@dataclass(frozen=True, repr=False)
class Uniform(Density):
    """Uniform between `lower` and `upper`."""

    lower: float
    upper: float

    def __post_init__(self) -> None:
        """Check the parameters, and their order."""
        super().__post_init__()
        if not self.lower < self.upper:
            raise PriorError(
                "Uniform: lower must be less than upper; "
                f"came {number_text(self.lower)} and {number_text(self.upper)}."
            )

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.uniform(self.lower, self.upper - self.lower)


@final
@dataclass(frozen=True, repr=False)
class Beta(Density):
    """Beta on (0, 1) with mean ``alpha / (alpha + beta)``."""

    alpha: float
    beta: float
    positive: ClassVar[tuple[str, ...]] = ("alpha", "beta")

    @cached_property
    def distribution(self) -> Frozen:
        """The SciPy distribution."""
        return stats.beta(self.alpha, self.beta)


@final
@dataclass(frozen=True, repr=False)
class Flat(ScalarPrior):
    """The improper prior of constant density one; it cannot be drawn from.

    Examples
    --------
    >>> Flat().logpdf([-1.0, 1e9])
    array([0., 0.])
    """

    @property
    def support(self) -> tuple[float, float]:
        """Lower and upper end of the values that have density."""
        return -np.inf, np.inf

    def logpdf(self, x: ArrayLike) -> Array:
        """Return zero for each `x`."""
        return np.zeros(np.shape(x))

    def rvs(self, rng: np.random.Generator, size: Size = ()) -> Array:
        """Raise `PriorError`: an improper prior has no draws."""
        raise PriorError(
            "Flat() is improper and cannot be drawn from.\n"
            "  Prior predictive draws need a proper prior, such as Normal(0, 100)."
        )


@final
@dataclass(frozen=True, repr=False)
class Fixed(ScalarPrior):
    """All mass on `value`: the parameter is not estimated.

    Examples
    --------
    >>> Fixed(4).logpdf([4.0, 5.0])
    array([  0., -inf])
    """

    value: float

    @property
    def support(self) -> tuple[float, float]:
        """The value, twice."""
        return self.value, self.value

    def logpdf(self, x: ArrayLike) -> Array:
        """Return the log mass: zero at the value, minus infinity elsewhere."""
        return np.where(np.asarray(x, dtype=float) == self.value, 0.0, -np.inf)

    def rvs(self, rng: np.random.Generator, size: Size = ()) -> Array:
        """Return the value, repeated."""
        return np.full(size, self.value)
