r"""Importance sampling with smoothed weights: from proposals to draws, and whether to believe them.

.. math:: r_s = \log p(x_s) - \log q(x_s), \qquad E[f] \approx \sum_s w_s f(x_s),
          \quad w \propto \exp(r)

The largest weights are replaced by quantiles of a Pareto distribution that is fitted to them; its
shape k says how far their sums can be trusted (Vehtari, Simpson, Gelman, Yao and Gabry 2024,
doi:10.48550/arXiv.1507.02646).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_ALIKE = 1e-8  # log weights that differ by rounding only


@dataclass(frozen=True, eq=False)
class Weights:
    """What importance ratios are worth.

    Parameters
    ----------
    values : ndarray of shape (M,)
        Smoothed, with sum 1.
    pareto_k : float
        The shape of their tail; 0 where all are alike, infinite where one has all the weight.
    ess : float
        The number of independent draws that they are worth.
    """

    values: Array
    pareto_k: float
    ess: float


def smooth(log_ratios: Array) -> Weights:
    """Return the Pareto-smoothed weights of log ratios of shape (M,), one of them finite."""
    smoothed, k = np.zeros(len(log_ratios)), 0.0
    if np.ptp(log_ratios) > _ALIKE:
        smoothed, found = array_stats.psislw(-log_ratios)
        k = float(found) if np.isfinite(found) else np.inf
    weights = np.exp(smoothed - smoothed.max())
    weights /= weights.sum()
    return Weights(weights, k, float(1.0 / np.square(weights).sum()))


def largest_k(size: int) -> float:
    """Return the largest k at which weights of so many draws can be trusted.

    Examples
    --------
    >>> round(largest_k(500), 2), largest_k(10_000)
    (0.63, 0.7)
    """
    return float(min(1.0 - 1.0 / np.log10(size), 0.7))


def resample(weights: Array, count: int, rng: np.random.Generator) -> Index:
    """Return the positions of `count` draws, increasing, by systematic resampling.

    Each is taken the whole part of its expected number of times, or once more (Kitagawa 1996,
    doi:10.2307/1390750).
    """
    points = (np.arange(count) + rng.uniform()) / count
    return np.searchsorted(np.cumsum(weights), points).clip(max=len(weights) - 1)
