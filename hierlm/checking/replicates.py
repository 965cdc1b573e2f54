r"""Tests of residuals with effects redrawn, against data sets that the model makes.

R data sets are drawn, one for each of R posterior draws, with new effects for all levels. Every
test compares a statistic of the data with the same statistic of the R data sets,

.. math:: p = \min\left(1,\; 2\min\left\{
    \frac{1 + \#\{T_r \ge T\}}{R + 1}, \frac{1 + \#\{T_r \le T\}}{R + 1} \right\}\right)

(one-sided for uniformity and outliers). With known parameters data and replicates are
exchangeable, so that p is uniform whatever the dependence between the rows of a level
(Besag and Clifford 1989, doi:10.1093/biomet/76.4.633); with a posterior that has seen the data it
is conservative (Bayarri and Berger 2000, doi:10.2307/2669749): a sum of squares, say, is one that
the sds have been fitted to. Tests given the effects find more.

===========  ====================================================================================
uniformity   Kolmogorov's distance from uniform of the ranks of each row among its replicates
dispersion   variance of y minus its mean prediction, relative to that of replicates, as DHARMa's
zeros        number of zeros
outliers     number of rows outside all replicates
===========  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.checking.draws import posterior_values
from hierlm.checking.residual_tests import Tested, tested_rows
from hierlm.design import Design
from hierlm.seeds import generator
from hierlm.simulation.responses import chunks, draw_responses, new_effects
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]


def with_new_effects(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    *,
    samples: int = 250,
    seed: int | np.random.Generator = 0,
) -> list[Tested]:
    """Test residuals with the effects of all levels drawn anew.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The fitted rows; of more than 100,000, evenly spaced ones are tested.
    idata : xarray.DataTree
    samples : int
        Number of replicates, R, at most.
    seed : int or numpy.random.Generator

    Returns
    -------
    list of Tested
    """
    rng = generator(seed)
    design = tested_rows(design)
    values = new_effects(spec, posterior_values(spec, idata, samples), rng)
    R = len(values[names.BETA])
    sums = _Sums(R + 1)
    for rows in chunks(design.n, 4 * R):  # ranks need a few arrays of that size
        part = design.take(rows)
        replicates = draw_responses(spec, part, values, rng)
        sums.add(np.vstack([part.response, replicates]), rng)
    return list(sums.tested(spec))


def p_value(values: Array, *, one_sided: bool) -> float:
    """Return how rare the first of exchangeable values is; never zero.

    Examples
    --------
    >>> p_value(np.array([9.0, 1.0, 2.0, 3.0]), one_sided=True)
    0.25
    """
    slack = 1e-9 * max(1.0, abs(float(values[0])))  # sums in another order are equal
    above = int(np.sum(values >= values[0] - slack))
    below = int(np.sum(values <= values[0] + slack))
    return above / len(values) if one_sided else min(1.0, 2 * min(above, below) / len(values))


class _Sums:
    """Statistics of the data (row 0) and of the replicates, added up over chunks of rows."""

    def __init__(self, size: int) -> None:
        self.n = 0
        self.squares = np.zeros(size)
        self.zeros = np.zeros(size)
        self.outside = np.zeros(size)
        self.ranks = np.zeros((size, size), dtype=np.int64)  # how often each has each rank

    def add(self, y: Array, rng: np.random.Generator) -> None:
        """Add the rows of `y`, an array of shape (1 + R, n): the data, then each replicate."""
        size, n = y.shape
        self.n += n
        # the mean of all, the data too: exchangeable
        self.squares += np.square(y - y.mean(axis=0)).sum(axis=1)
        self.zeros += np.sum(y == 0, axis=1)
        ends = np.sort(y, axis=0)[[0, 1, -2, -1]]
        self.outside += np.sum((y == ends[0]) & (ends[0] < ends[1]), axis=1)
        self.outside += np.sum((y == ends[3]) & (ends[2] < ends[3]), axis=1)
        order = np.lexsort((rng.uniform(size=y.shape), y), axis=0)  # ties in any order
        for rank, who in enumerate(order):
            self.ranks[:, rank] += np.bincount(who, minlength=size)

    def tested(self, spec: ModelSpec) -> Iterator[Tested]:
        """Yield the tests; a yes or no has neither dispersion nor zeros of its own."""
        size = len(self.squares)
        below = np.cumsum(self.ranks, axis=1) / self.n
        uniform = np.arange(1, size + 1) / size
        yield _test("uniformity", np.abs(below - uniform).max(axis=1), one_sided=True)
        if spec.family.response != "binary":
            yield _test("dispersion", self.squares / self.squares[1:].mean())
        if spec.family.response in ("count", "trials"):
            yield _test("zeros", self.zeros)
        if spec.family.response != "binary":
            yield _test("outliers", self.outside, one_sided=True)


def _test(name: str, values: Array, *, one_sided: bool = False) -> Tested:
    expected = float(values[1:].mean())
    return Tested(name, float(values[0]), expected, p_value(values, one_sided=one_sided))
