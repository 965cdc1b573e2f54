r"""Are ranks uniform? The exact test of an ECDF, Pearson's chi squared, and Holm's adjustment.

Of N values that should be uniform on [0, 1], :math:`c_i` lie below :math:`z_i = i/N`, and each
:math:`c_i` is binomial. The statistic is the least likely of them,

.. math:: \gamma = 2 \min_i \min\{P(X_i \le c_i), P(X_i \ge c_i)\},
          \qquad X_i \sim \mathrm{Bin}(N, z_i), \quad i = 1, \dots, N - 1,

after Säilynoja, Bürkner and Vehtari (2022), doi:10.1007/s11222-022-10090-6. Its distribution is
computed and not simulated: the counts between the :math:`z_i` are Poisson(1), given that they sum
to N, so the probability that the whole ECDF stays inside a band is N convolutions.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_SMALLEST = 1e-12  # what rounding leaves of 1 - P


def ecdf_statistic(pit: ArrayLike) -> float:
    r"""Return :math:`\gamma`, near zero where the ECDF strays from uniform.

    Parameters
    ----------
    pit : array_like of shape (N,)
        Values in [0, 1].
    """
    values = np.sort(np.asarray(pit, dtype=float))
    n = len(values)
    inner = np.arange(1, n)
    counts = np.searchsorted(values, inner / n, side="right")
    tails = _tails(n)[counts, inner - 1]
    return float(2 * tails.min(initial=1.0))


def ecdf_pvalue(pit: ArrayLike) -> float:
    """Return the probability that uniform values stray as far as these, somewhere.

    Parameters
    ----------
    pit : array_like of shape (N,)
        Values in [0, 1].

    Returns
    -------
    float
        Not below 1e-12, where rounding hides it.

    Examples
    --------
    >>> import numpy as np
    >>> even = (np.arange(100) + 0.5) / 100
    >>> round(ecdf_pvalue(even), 2), ecdf_pvalue(even**2) < 1e-6
    (1.0, True)
    """
    values = np.asarray(pit, dtype=float)
    return _pvalue(ecdf_statistic(values), len(values))


@functools.lru_cache(maxsize=32)
def ecdf_band(n: int, prob: float) -> tuple[Array, Array, Array]:
    """Return a band that the ECDF of n uniform values stays inside with probability `prob`.

    Parameters
    ----------
    n : int
    prob : float
        Of the whole ECDF, not of a point; reached or passed, for counts are discrete.

    Returns
    -------
    z, lower, upper : ndarray of shape (n - 1,)
        Where the ECDF is looked at, and the least and greatest that it may be there.
    """
    least, most = 0.0, 1.0 - prob  # a band for every point at once is wider than one for a point
    for _ in range(40):
        middle = 0.5 * (least + most)
        least, most = (middle, most) if _pvalue(middle, n) <= 1 - prob else (least, middle)
    lower, upper = _limits(least, n)
    return np.arange(1, n) / n, lower / n, upper / n


def chi_squared(ranks: ArrayLike, draws: int) -> tuple[float, int, float]:
    r"""Return Pearson's :math:`\chi^2`, its degrees of freedom and p-value, for binned ranks.

    Talts, Betancourt, Simpson, Vehtari and Gelman (2018), arXiv:1804.06788. Bins hold equally many
    of the ranks 0, ..., `draws`; there are 20 of them at most, and five values in each on average.

    Parameters
    ----------
    ranks : array_like of shape (N,), int
    draws : int
        Among how many draws, L.
    """
    values = np.asarray(ranks, dtype=np.int64)
    fitting = [b for b in range(2, 21) if (draws + 1) % b == 0 and len(values) >= 5 * b]
    bins = max(fitting, default=0)
    if not bins:
        return np.nan, 0, np.nan
    counts = np.bincount(values * bins // (draws + 1), minlength=bins)
    found = stats.chisquare(counts)
    return float(found.statistic), bins - 1, float(found.pvalue)


def holm(pvalues: ArrayLike) -> Array:
    """Return p-values adjusted for their number: none below a level means none is rejected at it.

    Holm (1979), https://www.jstor.org/stable/4615733: valid however the tests depend.

    Examples
    --------
    >>> holm([0.01, 0.5, 0.04])
    array([0.03, 0.5 , 0.08])
    """
    p = np.asarray(pvalues, dtype=float)
    order = np.argsort(p)
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


@functools.lru_cache(maxsize=8)
def _tails(n: int) -> Array:
    """Return the smaller tail of Bin(n, i / n) at each count, an array of shape (n + 1, n - 1)."""
    z = np.arange(1, n) / n
    c = np.arange(n + 1)[:, None]
    found = np.minimum(stats.binom.cdf(c, n, z), stats.binom.sf(c - 1, n, z))
    return np.asarray(found, dtype=float)


def _limits(gamma: float, n: int) -> tuple[Index, Index]:
    """Return the least and greatest counts that are likelier than `gamma`, for each i."""
    inside = 2 * _tails(n) > gamma * (1 + 1e-9)
    lower = inside.argmax(axis=0)
    upper = n - inside[::-1].argmax(axis=0)
    return lower, np.where(inside.any(axis=0), upper, -1)


def _pvalue(gamma: float, n: int) -> float:
    if n < 2:
        return 1.0
    lower, upper = (np.append(limit, n) for limit in _limits(gamma, n))
    if np.any(upper < lower):
        return 1.0
    step = stats.poisson.pmf(np.arange(n + 1), 1.0)
    step = step[: np.count_nonzero(step > 1e-30)]
    at, mass = 0, np.ones(1)  # P(count = at, at + 1, ...), and all earlier counts inside
    for low, high in zip(lower, upper, strict=True):
        moved = np.convolve(mass, step)
        found = np.zeros(high - low + 1)
        first, last = max(low, at), min(high, at + len(moved) - 1)
        found[first - low : last - low + 1] = moved[first - at : last - at + 1]
        at, mass = low, found
    inside = mass[0] / stats.poisson.pmf(n, n)
    return float(np.clip(1.0 - inside, _SMALLEST, 1.0))
