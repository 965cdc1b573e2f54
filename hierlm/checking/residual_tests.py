r"""Tests of residuals: whether they are what the model says they are.

**Given the effects.** Let :math:`(\theta_s, b_s)` be a posterior draw. With y it has the same joint
distribution as the parameters that made y, so that

.. math:: u_i = F(y_i \mid \theta_s, b_s) \sim U(0, 1), \qquad z_i = \Phi^{-1}(u_i) \sim N(0, 1)

are independent over the rows if the model is right (randomised within jumps), although y shaped
the draw (Johnson 2007, doi:10.1214/07-BA229; Yuan and Johnson 2012,
doi:10.1111/j.1541-0420.2011.01668.x). The average of F over draws has no such property: it is too
near one half where levels have few rows. Each draw gives a p-value of the right size; the p-values
of several draws, which depend on each other, are combined by

.. math:: p = \tfrac12 - \tfrac1\pi \arctan\left(\tfrac1S \sum_s \tan(\pi(\tfrac12 - p_s))\right)

(Liu and Xie 2020, doi:10.1080/01621459.2018.1554485). It is exact where the draws agree and where
they are independent, and in between rejects at most 6.6% where it says 5%, 1.5% where it says 1%
(two-sided tests of normal statistics with equal correlations; at worst near 0.6). The mean of the
p-values would reject nearly never.

===========  ====================================================================================
uniformity   Kolmogorov's distance of the u from uniform
dispersion   mean square of the z, which is chi-square over n
zeros        number of zeros, against a binomial with the mean and variance that the rows give it
outliers     number of rows with \|z\| > 3, against a binomial
===========  ====================================================================================

**With effects redrawn** rows of a level depend on each other; `hierlm.checking.replicates` compares
with data sets that the model makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import special, stats

from hierlm import names
from hierlm.checking.draws import posterior_values
from hierlm.checking.residuals import Predicted, normal_scores
from hierlm.design import Design
from hierlm.seeds import generator
from hierlm.simulation.responses import chunks
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

_BINS = 4096  # of u: Kolmogorov's distance to within 1 / 4096
_FAR = 3.0
_MOST_ROWS = 100_000  # of more rows, evenly spaced ones are tested


@dataclass(frozen=True)
class Tested:
    """A statistic of the residuals, what the model expects of it, and how rare that is.

    Parameters
    ----------
    name : str
    observed, expected : float
    p_value : float
    """

    name: str
    observed: float
    expected: float
    p_value: float


def combine(p: Array) -> float:
    """Return one p-value from several of the same hypothesis, however dependent.

    Examples
    --------
    >>> round(combine(np.array([0.03, 0.03, 0.03])), 12)
    0.03
    """
    tame = np.clip(p, 1e-300, 1 - 1e-6)
    # 1 / (pi p) is the limit of the tangent, which overflows
    values = np.where(tame < 1e-12, 1 / (np.pi * tame), np.tan(np.pi * (0.5 - tame)))
    total = float(values.mean())
    return 1 / (np.pi * total) if total > 1e12 else float(0.5 - np.arctan(total) / np.pi)


def tested_rows(design: Design) -> Design:
    """Return the rows that tests look at: all, or evenly spaced ones of a large table."""
    step = -(-design.n // _MOST_ROWS)
    return design if step == 1 else design.take(slice(None, None, step))


def given_effects(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    *,
    samples: int = 100,
    seed: int | np.random.Generator = 0,
) -> list[Tested]:
    """Test residuals given the effects of the fitted levels.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The fitted rows; of more than 100,000, evenly spaced ones are tested.
    idata : xarray.DataTree
    samples : int
        Posterior draws to test with, at most.
    seed : int or numpy.random.Generator
        Of the places within the jumps of a discrete response.

    Returns
    -------
    list of Tested
        Uniformity, and dispersion, zeros and outliers where the family has them: a yes or no has
        no dispersion of its own.
    """
    rng = generator(seed)
    design = tested_rows(design)
    values = posterior_values(spec, idata, samples)
    sums = _Sums.zero(len(values[names.BETA]), design.n)
    for rows in chunks(design.n, 4 * len(values[names.BETA])):
        sums.add(Predicted.of(spec, design.take(rows), values), rng)
    return list(sums.tested(spec))


@dataclass
class _Sums:
    """Statistics of the residuals given each of S draws, added up over chunks of rows."""

    n: int
    counts: NDArray[np.int64]  # of u in each bin
    squares: Array
    far: Array
    zeros: int
    expected_zeros: Array
    variance_zeros: Array

    @classmethod
    def zero(cls, draws: int, n: int) -> _Sums:
        """Return the sums over no rows."""
        empty = [np.zeros(draws) for _ in range(4)]
        counts = np.zeros((draws, _BINS), dtype=np.int64)
        return cls(n, counts, empty[0], empty[1], 0, empty[2], empty[3])

    def add(self, predicted: Predicted, rng: np.random.Generator) -> None:
        """Add some rows."""
        y = predicted.design.response
        lower, upper = predicted.bounds(y)
        u = lower + rng.uniform(size=upper.shape) * (upper - lower)
        bins = np.minimum((u * _BINS).astype(np.int64), _BINS - 1)
        for s, own in enumerate(bins):
            self.counts[s] += np.bincount(own, minlength=_BINS)
        z = normal_scores(u)
        self.squares += np.square(z).sum(axis=1)
        self.far += np.sum(np.abs(z) > _FAR, axis=1)
        if predicted.spec.family.response in ("count", "trials"):
            none = predicted.spec.family.cdf(np.zeros(len(y)), predicted.mu, **predicted.shapes)
            self.zeros += int(np.sum(y == 0))
            self.expected_zeros += none.sum(axis=1)
            self.variance_zeros += (none * (1 - none)).sum(axis=1)

    def tested(self, spec: ModelSpec) -> Iterator[Tested]:
        """Yield the tests."""
        n = self.n
        below = np.cumsum(self.counts, axis=1) / n
        distance = np.abs(below - np.arange(1, _BINS + 1) / _BINS).max(axis=1)
        scale = np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n)  # Stephens 1970, J. R. Stat. Soc. B 32, 115
        expected = float(np.sqrt(np.pi / 2) * np.log(2) / scale)
        p = special.kolmogorov(distance * scale)
        yield Tested("uniformity", float(distance.mean()), expected, combine(p))
        if spec.family.response != "binary":
            chi2 = stats.chi2(n)
            p = 2 * np.minimum(chi2.cdf(self.squares), chi2.sf(self.squares))
            yield Tested("dispersion", float(self.squares.mean() / n), 1.0, combine(p))
        if spec.family.response in ("count", "trials"):
            mean, variance = self.expected_zeros, self.variance_zeros
            p = two_sided(np.full(mean.shape, float(self.zeros)), mean, variance)
            yield Tested("zeros", self.zeros, float(mean.mean()), combine(p))
        if spec.family.response != "binary":
            rare = 2 * float(special.ndtr(-_FAR))
            tail = stats.binom.sf(self.far, n, rare) + 0.5 * stats.binom.pmf(self.far, n, rare)
            yield Tested("outliers", float(self.far.mean()), n * rare, combine(tail))


def two_sided(count: Array, mean: Array, variance: Array) -> Array:
    r"""Return two-sided mid-p-values of counts that are sums of unequal yes-or-no's.

    .. math:: X \approx Bin(n', p'), \quad p' = 1 - v / m, \quad n' = m / p'

    A binomial with the count's own mean m and variance v < m.
    """
    p = np.clip(1 - variance / np.maximum(mean, 1e-300), 1e-12, 1 - 1e-12)
    n = mean / p

    def at_most(k: Array) -> Array:
        inside = special.betainc(np.maximum(n - k, 1e-9), k + 1, 1 - p)
        return np.where(k < 0, 0.0, np.where(k >= n, 1.0, inside))

    middle = 0.5 * (at_most(count) + at_most(count - 1))
    return np.asarray(2 * np.minimum(middle, 1 - middle))
