r"""A response family: what is known of y given its mean.

.. math:: y_i \sim p(y \mid \mu_i, \theta), \qquad \mu_i = g^{-1}(\eta_i)

A family is data: one SciPy distribution as a function of the mean and of the constant
distributional parameters, the links it takes, the support, and the default priors. Log density,
random draws, mean and variance are those of the SciPy distribution. The entries are in
`hierlm.families.catalog`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierlm.errors import FamilyError, did_you_mean
from hierlm.families.links import Array, Link, get_link
from hierlm.families.response import ResponseKind, check_response
from hierlm.families.scale import moments, predictor_location_scale
from hierlm.families.support import Support

if TYPE_CHECKING:
    from scipy.stats.distributions import rv_frozen

    type Frozen = rv_frozen[Any, Any]


@dataclass(frozen=True)
class Shape:
    """A constant distributional parameter: a residual sd, degrees of freedom, a precision.

    Parameters
    ----------
    name : str
        ``"sigma"``, ``"nu"``, ``"alpha"`` or ``"kappa"``.
    meaning : str
        In words.
    default : str
        Text of the default prior; ``{scale}`` stands for `Family.shape_scale` of the response.
    reason : str
        Why that default, in one line.

    Examples
    --------
    >>> shape = Shape("sigma", "residual sd", "HalfStudentT(3, {scale})", "the sd of y")
    >>> shape.prior(12.5)
    'HalfStudentT(3, 12.5)'
    """

    name: str
    meaning: str
    default: str
    reason: str

    def prior(self, scale: float) -> str:
        """Return the text of the default prior for a response of this scale."""
        return self.default.format(scale=repr(float(scale)))


def _as_written(y: Array) -> Array:
    return y


@dataclass(frozen=True, repr=False)
class Family:
    """The distribution of a response around its mean.

    Parameters
    ----------
    name : str
        As formulas and reports call it.
    links : tuple of str
        The links allowed; the first is the default.
    shapes : tuple of Shape
        The constant distributional parameters, in order.
    response : {"continuous", "binary", "trials", "count"}
        The kind of the response; only ``"trials"`` takes a number of trials.
    support : Support
        The values that a response can take.
    distribution : callable
        ``distribution(mu, **shapes)``, with ``trials`` too where the response has them:
        the frozen SciPy distribution.
    working : callable, optional
        The response on the scale where `mu` lives: the logarithm for a lognormal.
    working_name : str
        What `working` returns, in words.
    selected : str, optional
        The name of the link; `with_link` sets it.

    Examples
    --------
    >>> from hierlm.families import get_family
    >>> poisson = get_family("poisson")
    >>> poisson.with_link("sqrt")
    Family('poisson', link='sqrt')
    >>> poisson.logpdf([0, 1], 2.0)
    array([-2.        , -1.30685282])
    >>> poisson.rvs(np.random.default_rng(1), [0.5, 50.0])
    array([ 0, 66])
    """

    name: str
    links: tuple[str, ...]
    shapes: tuple[Shape, ...]
    response: ResponseKind
    support: Support
    distribution: Callable[..., Frozen]
    working: Callable[[Array], Array] = _as_written
    working_name: str = "the response"
    selected: str | None = None

    def __repr__(self) -> str:
        return f"Family({self.name!r}, link={self.link.name!r})"

    @property
    def link(self) -> Link:
        """The link between the mean and the linear predictor."""
        return get_link(self.selected or self.links[0])

    @property
    def shape_names(self) -> tuple[str, ...]:
        """Names of the constant distributional parameters."""
        return tuple(shape.name for shape in self.shapes)

    @property
    def discrete(self) -> bool:
        """Whether the response is a whole number."""
        return self.response != "continuous"

    def with_link(self, name: str) -> Family:
        """Return a copy with another link.

        Parameters
        ----------
        name : str
            One of `links`.

        Raises
        ------
        FamilyError
            When the family does not take the link.
        """
        if name not in self.links:
            raise FamilyError(
                f"family {self.name} has no link {name!r}.{did_you_mean(str(name), self.links)}\n"
                f"  It takes: {', '.join(self.links)}."
            )
        return replace(self, selected=None if name == self.links[0] else name)

    def logpdf(
        self, y: ArrayLike, mu: ArrayLike, *, trials: ArrayLike | None = None, **shapes: ArrayLike
    ) -> Array:
        """Return the log density (or log mass) of each response, normalising constants included.

        Parameters
        ----------
        y : array_like of shape (..., n)
            Responses, on the scale of the data.
        mu : array_like of shape (..., n)
            Means; of log y for a lognormal, of one trial for a binomial.
        trials : array_like of shape (n,), optional
            Numbers of trials, where the response has them.
        **shapes : array_like
            Every parameter in `shape_names`; all arguments broadcast.

        Returns
        -------
        ndarray of shape (..., n)
            Minus infinity outside the support.

        Raises
        ------
        FamilyError
            When trials or a shape is missing, or a shape is unknown.
        """
        frozen = self._at(mu, trials, shapes)
        log_density = frozen.logpmf if self.discrete else frozen.logpdf
        return np.asarray(log_density(np.asarray(y, dtype=float)))

    def cdf(
        self, y: ArrayLike, mu: ArrayLike, *, trials: ArrayLike | None = None, **shapes: ArrayLike
    ) -> Array:
        """Return the probability of a response of at most `y`; arguments as in `logpdf`."""
        return np.asarray(self._at(mu, trials, shapes).cdf(np.asarray(y, dtype=float)))

    def rvs(
        self,
        rng: np.random.Generator,
        mu: ArrayLike,
        *,
        trials: ArrayLike | None = None,
        **shapes: ArrayLike,
    ) -> NDArray[np.float64 | np.int64]:
        """Draw one response for each mean.

        Parameters
        ----------
        rng : numpy.random.Generator
        mu, trials, **shapes
            As in `logpdf`.

        Returns
        -------
        ndarray of the shape to which the arguments broadcast
            Integers where the response is `discrete`.

        Raises
        ------
        FamilyError
            As in `logpdf`; and when a mean or a shape is outside its domain, or so large that
            no draw fits in an integer.
        """
        frozen = self._at(mu, trials, shapes)
        given = {"mu": mu, **shapes} | ({} if trials is None else {"trials": trials})
        size = np.broadcast_shapes(*map(np.shape, given.values()))
        try:
            return np.asarray(frozen.rvs(size=size, random_state=rng))
        except ValueError as error:
            raise FamilyError(
                f"family {self.name} cannot draw responses with {_ranges(given)}.\n"
                "  Draws from a prior? Make it narrower, above all for the slopes."
            ) from error

    def mean(self, mu: ArrayLike, *, trials: ArrayLike | None = None, **shapes: ArrayLike) -> Array:
        """Return the expected response: ``trials * mu`` for a binomial, not `mu` for a lognormal.

        Arguments as in `logpdf`.
        """
        return np.asarray(self._at(mu, trials, shapes).mean())

    def variance(
        self, mu: ArrayLike, *, trials: ArrayLike | None = None, **shapes: ArrayLike
    ) -> Array:
        """Return the variance of the response; arguments as in `logpdf`.

        Infinite for a student response with ``nu <= 2``, and not a number with ``nu <= 1``.
        """
        return np.asarray(self._at(mu, trials, shapes).var())

    def _at(self, mu: ArrayLike, trials: ArrayLike | None, shapes: Mapping[str, ArrayLike]) -> Any:
        """Return the frozen SciPy distribution at these parameters."""
        return self.distribution(np.asarray(mu, dtype=float), **_arguments(self, trials, shapes))

    def check_response(
        self,
        y: ArrayLike,
        trials: ArrayLike | None = None,
        name: str = "y",
        labels: Sequence[object] | None = None,
    ) -> None:
        """Raise unless the family can have produced each response.

        Parameters
        ----------
        y : array_like of shape (n,)
        trials : array_like of shape (n,), optional
        name : str, default "y"
            What the message calls the response.
        labels : sequence of length n, optional
            Labels of the rows; their positions, from zero, when not given.

        Raises
        ------
        FamilyError
            With the rows at fault and a remedy; see `hierlm.families.response`.
        """
        check_response(self.name, self.response, self.support, y, trials, name, labels)

    def location_scale(
        self,
        y: ArrayLike,
        trials: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> tuple[float, float]:
        """Return where the linear predictor lies, and its natural unit: for default priors.

        The mean of the response (of log y for a lognormal; the pooled proportion where there are
        trials) and its sd, taken to the link scale; see `hierlm.families.scale`.

        Parameters
        ----------
        y : array_like of shape (n,)
        trials : array_like of shape (n,), optional
        weights : array_like of shape (n,), optional
            Frequency weights: a row of weight k counts as k rows.
        offset : array_like of shape (n,), optional
            The known part of the linear predictor.

        Returns
        -------
        m, s : float
            Of the linear predictor without its offset.

        Examples
        --------
        >>> from hierlm.families import get_family
        >>> get_family("gaussian").location_scale([1.0, 2.0, 3.0])
        (2.0, 1.0)
        >>> get_family("bernoulli").location_scale([0, 1, 1, 0])
        (0.0, 1.0)
        """
        values, rows = _working(self, y, weights, offset)
        if trials is not None:
            rows = rows * np.asarray(trials, dtype=float)
            values = np.divide(values, trials, out=np.zeros_like(values), where=rows > 0)
        return predictor_location_scale(self.link, values, rows, offset, discrete=self.discrete)

    def shape_scale(
        self, y: ArrayLike, weights: ArrayLike | None = None, offset: ArrayLike | None = None
    ) -> float:
        """Return the sd of the response (of log y for a lognormal): ``{scale}`` in `Shape`."""
        return moments(*_working(self, y, weights, offset))[1]


def _working(
    family: Family, y: ArrayLike, weights: ArrayLike | None, offset: ArrayLike | None
) -> tuple[Array, Array]:
    """Return the response on the scale of the mean, and how many rows each stands for.

    With an identity link the offset is on that scale too, and is taken off.
    """
    values = family.working(np.asarray(y, dtype=float))
    if offset is not None and family.link.name == "identity":
        values = values - np.asarray(offset, dtype=float)
    return values, np.broadcast_to(1.0 if weights is None else weights, values.shape)


def _arguments(
    family: Family, trials: ArrayLike | None, shapes: Mapping[str, ArrayLike]
) -> dict[str, Array]:
    """Return what the distribution takes beside the mean, or say what is missing."""
    if set(shapes) != set(family.shape_names):
        raise FamilyError(
            f"family {family.name} needs the parameters: "
            f"{', '.join(family.shape_names) or 'none'}; came: {', '.join(shapes) or 'none'}."
        )
    arguments = {name: np.asarray(value, dtype=float) for name, value in shapes.items()}
    if family.response == "trials":
        if trials is None:
            raise FamilyError(f"family {family.name} needs the argument trials.")
        arguments["trials"] = np.asarray(trials, dtype=float)
    return arguments


def _ranges(given: Mapping[str, ArrayLike]) -> str:
    return ", ".join(
        f"{name} in [{np.min(array):g}, {np.max(array):g}]"
        for name, array in ((name, np.asarray(value)) for name, value in given.items())
    )
