"""What every prior is: a frozen value with parameters, a support and a density.

::

    Prior                   parameters, repr, validation
    ├── ScalarPrior         support, logpdf, rvs
    │   ├── Density         cdf, ppf; one SciPy distribution each: Normal, HalfNormal, Gamma, ...
    │   ├── Flat            improper: no draws
    │   └── Fixed           all mass on one value
    └── LKJ                 correlation matrices (hierlm.priors.lkj)
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, fields
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierlm.errors import PriorError

if TYPE_CHECKING:
    from scipy.stats.distributions import rv_frozen

    type Frozen = rv_frozen[Any, Any]

Array = NDArray[np.float64]
Size = int | tuple[int, ...]


def number_text(value: float) -> str:
    """Return the shorter of ``%g`` and ``repr`` that reads back as the same number.

    Examples
    --------
    >>> number_text(20.0), number_text(0.1234567891)
    ('20', '0.1234567891')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


@dataclass(frozen=True, repr=False)
class Prior(abc.ABC):
    """A prior distribution; its parameters are the fields of the class.

    Raises
    ------
    PriorError
        When a parameter is not a finite number, or is outside its domain.
    """

    positive: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Check the parameters, and keep them as floats."""
        for name, value in self.parameters.items():
            object.__setattr__(self, name, self._checked(name, value))

    def _checked(self, name: str, value: object) -> float:
        label = type(self).__name__
        if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
            raise PriorError(f"{label}: {name} must be a number; came {value!r}.")
        number = float(value)
        if not np.isfinite(number):
            raise PriorError(f"{label}: {name} must be finite; came {number}.")
        if name in self.positive and number <= 0:
            raise PriorError(f"{label}: {name} must be positive; came {number_text(number)}.")
        return number

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name, in order.

        Examples
        --------
        >>> from hierlm.priors import Normal
        >>> Normal(0, 20).parameters
        {'mu': 0.0, 'sigma': 20.0}
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    @abc.abstractmethod
    def support(self) -> tuple[float, float]:
        """Lower and upper end of the values that have density."""

    def __repr__(self) -> str:
        inside = ", ".join(number_text(value) for value in self.parameters.values())
        return f"{type(self).__name__}({inside})"


class ScalarPrior(Prior):
    """A prior of one number."""

    @abc.abstractmethod
    def logpdf(self, x: ArrayLike) -> Array:
        """Return the log density at each `x`, normalising constant included.

        Parameters
        ----------
        x : array_like

        Returns
        -------
        ndarray of the shape of `x`
            Minus infinity outside the support.
        """

    @abc.abstractmethod
    def rvs(self, rng: np.random.Generator, size: Size = ()) -> Array:
        """Return independent draws.

        Parameters
        ----------
        rng : numpy.random.Generator
        size : int or tuple of int, optional
            Shape of the result.

        Returns
        -------
        ndarray of shape `size`
        """


class Density(ScalarPrior):
    """A proper prior of one number, with the density of a SciPy distribution."""

    @property
    @abc.abstractmethod
    def distribution(self) -> Frozen:
        """The frozen SciPy distribution."""

    @property
    def support(self) -> tuple[float, float]:
        """Lower and upper end of the values that have density."""
        lower, upper = self.distribution.support()
        return float(lower), float(upper)

    def logpdf(self, x: ArrayLike) -> Array:
        """Return the log density at each `x`; see `ScalarPrior.logpdf`."""
        frozen: Any = self.distribution
        return np.asarray(frozen.logpdf(np.asarray(x, dtype=float)))

    def cdf(self, x: ArrayLike) -> Array:
        """Return the probability of a value of at most `x`."""
        return np.asarray(self.distribution.cdf(np.asarray(x, dtype=float)))

    def ppf(self, p: ArrayLike) -> Array:
        """Return the quantile of probability `p`."""
        return np.asarray(self.distribution.ppf(np.asarray(p, dtype=float)))

    def rvs(self, rng: np.random.Generator, size: Size = ()) -> Array:
        """Return independent draws; see `ScalarPrior.rvs`."""
        return np.asarray(self.distribution.rvs(size=size, random_state=rng))
