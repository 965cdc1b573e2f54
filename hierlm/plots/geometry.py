r"""Ellipses of the normal distribution.

.. math:: (x - \mu)' \Sigma^{-1} (x - \mu) = \chi^2_k(p)

holds probability p of a k-dimensional normal. With :math:`\Sigma = V \Lambda V'` its axes are the
eigenvectors, of half length :math:`\sqrt{\lambda_i \chi^2_k(p)}`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]


def half_axes(cov: ArrayLike, prob: float) -> Array:
    """Return the half axes of the ellipsoid that holds a probability, as columns, shortest first.

    Parameters
    ----------
    cov : array_like of shape (k, k)
    prob : float

    Returns
    -------
    ndarray of shape (k, k)

    Examples
    --------
    >>> half_axes([[1, 0], [0, 4]], 0.5).round(2)
    array([[1.18, 0.  ],
           [0.  , 2.35]])
    """
    cov = np.asarray(cov, dtype=float)
    values, vectors = np.linalg.eigh(cov)
    radius = np.sqrt(np.clip(values, 0, None) * stats.chi2.ppf(prob, len(cov)))
    return np.asarray(vectors * radius)


def ellipse(mean: ArrayLike, cov: ArrayLike, prob: float, n: int = 73) -> Array:
    """Return points around the ellipse that holds a probability of a bivariate normal.

    Parameters
    ----------
    mean : array_like of shape (2,)
    cov : array_like of shape (2, 2)
    prob : float
    n : int
        Number of points; the last is the first again.

    Returns
    -------
    ndarray of shape (n, 2)
    """
    turn = np.linspace(0, 2 * np.pi, n)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    return np.asarray(np.asarray(mean, dtype=float) + (half_axes(cov, prob) @ circle).T)


def within(core: Array, others: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the ends of axes around `core`, and which of the others lie beyond them.

    Others belong to the picture up to the width of the core away from it: the estimate of a level
    with hardly a row may be anywhere, and would make everything else a speck.

    Parameters
    ----------
    core : ndarray of shape (m, k)
    others : ndarray of shape (n, k)

    Returns
    -------
    ndarray of shape (2, k)
        Least and greatest value of each axis, with a margin.
    ndarray of shape (n,) of bool

    Examples
    --------
    >>> ends, beyond = within(np.array([[0.0], [1.0]]), np.array([[1.5], [-40.0]]))
    >>> ends.ravel().round(3).tolist(), beyond.tolist()
    ([-0.075, 1.575], [False, True])
    """
    low, high = core.min(axis=0), core.max(axis=0)
    width = high - low
    beyond = ((others < low - width) | (others > high + width)).any(axis=1)
    shown = np.vstack([core, others[~beyond]])
    low, high = shown.min(axis=0), shown.max(axis=0)
    margin = 0.05 * (high - low)
    return np.stack([low - margin, high + margin]), beyond


def ellipses(means: Array, covs: Array, prob: float, n: int = 49) -> Array:
    """Return many ellipses as one path, separated by NaN, to be drawn as one line.

    Parameters
    ----------
    means : ndarray of shape (k, 2)
    covs : ndarray of shape (k, 2, 2)
    prob : float
    n : int
        Points per ellipse.

    Returns
    -------
    ndarray of shape (k * (n + 1), 2)
    """
    gap = np.full((1, 2), np.nan)
    paths = [np.vstack([ellipse(m, c, prob, n), gap]) for m, c in zip(means, covs, strict=True)]
    return np.vstack(paths)
