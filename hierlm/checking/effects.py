r"""Whether the group-specific effects are normal, and which levels stand out.

.. math:: z_{jk} = b_{jk} / sd_k \sim N(0, 1), \qquad
          d_j^2 = b_j' \Sigma^{-1} b_j \sim \chi^2_q

hold for each posterior draw of effects and covariance, independently over the levels, if the model
is right (Yuan and Johnson 2012, doi:10.1111/j.1541-0420.2011.01668.x). Posterior means would not
do: they are shrunken, each level's by another factor. Shapiro and Wilk's test of the z of each draw
has the right size, and the draws' p-values are combined (`hierlm.checking.residual_tests`). The
test is one of the shape only: where levels have few rows the draws come from the assumed normal,
and it has little power.

A level stands out where twice the mean over draws of the chi-square tail, a valid p-value (Vovk and
Wang 2020, doi:10.1093/biomet/asaa027), is below 0.05 / J.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.linalg import solve_triangular

from hierlm import names
from hierlm.checking.draws import spread
from hierlm.checking.residual_tests import Tested, combine
from hierlm.design import GroupEncoding
from hierlm.simulation.responses import Values, correlation_factor
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

_MOST_DRAWS = 50
_MOST_LEVELS = 2_000  # Shapiro and Wilk's approximation is for up to 5,000
_LEAST_LEVELS = 8


def normality(spec: ModelSpec, values: Values) -> list[Tested]:
    """Test whether the effects of each factor and coefficient are normal.

    Parameters
    ----------
    spec : ModelSpec
    values : dict of str to ndarray of shape (S, ...)
        Posterior draws, of which some fifty are looked at.

    Returns
    -------
    list of Tested
        For each coefficient of a factor with eight levels or more. ``observed`` is the mean of
        Shapiro and Wilk's W.
    """
    found = []
    for group in spec.groups:
        J = len(group.levels.labels)
        if J < _LEAST_LEVELS:
            continue
        z = standardized(group, values)
        z = z[spread(len(z), _MOST_DRAWS)][:, spread(J, _MOST_LEVELS)]
        for k, coef in enumerate(group.coefs):
            results = [stats.shapiro(own) for own in z[..., k]]
            W = float(np.mean([result.statistic for result in results]))
            name = f"normality of {names.element(names.effects(group.factor), coef)}"
            expected = _expected_w(z.shape[1])
            p = combine(np.array([result.pvalue for result in results]))
            found.append(Tested(name, W, expected, p))
    return found


@functools.cache
def _expected_w(J: int) -> float:
    """Return the median of W for J normal numbers, from 200 samples with a seed of their own."""
    rng = np.random.default_rng(J)
    return float(np.median([stats.shapiro(rng.standard_normal(J)).statistic for _ in range(200)]))


def standardized(group: GroupEncoding, values: Values) -> Array:
    """Return effects over their sds, an array of shape (S, J, q)."""
    sd = values[names.sd(group.factor)][:, None, :]
    return np.asarray(values[names.effects(group.factor)] / np.where(sd > 0, sd, 1.0))


def outlying(group: GroupEncoding, values: Values) -> list[tuple[str, float]]:
    """Return the levels that stand out, with the median of their squared distance.

    Parameters
    ----------
    group : GroupEncoding
    values : dict of str to ndarray of shape (S, ...)

    Returns
    -------
    list of (str, float)
        Farthest first.
    """
    squared = distances(group, values)
    tail = 2 * stats.chi2.sf(squared, len(group.coefs)).mean(axis=0)
    far = np.flatnonzero(tail < 0.05 / squared.shape[1])
    far = far[np.argsort(tail[far], kind="stable")]
    return [(group.levels.labels[j], float(np.median(squared[:, j]))) for j in far]


def distances(group: GroupEncoding, values: Values) -> Array:
    """Return Mahalanobis' squared distance of every level's effects, of shape (S, J)."""
    z = standardized(group, values)
    z = z[spread(len(z), 4 * _MOST_DRAWS)]
    if group.covariance.pairs:
        cor = values[names.cor(group.factor)]
        C = correlation_factor(group.covariance, cor[spread(len(cor), 4 * _MOST_DRAWS)])
        solved = [solve_triangular(c, own.T, lower=True).T for c, own in zip(C, z, strict=True)]
        z = np.stack(solved)
    return np.asarray(np.square(z).sum(axis=-1))
