"""The designs that the lectures simulate, with everything that was drawn in the table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hierlm.errors import DataError
from hierlm.seeds import generator

Array = NDArray[np.float64]
Seed = int | np.random.Generator | None


def mvrnorm(
    n: int, mean: ArrayLike, cov: ArrayLike, *, empirical: bool = False, seed: Seed = None
) -> Array:
    r"""Draw from a multivariate normal; or draw a sample that has exactly this mean and covariance.

    .. math:: \gamma = \mu + u\, D^{1/2} Q', \qquad \psi = Q D Q'

    With `empirical` the rows of u are first centred and whitened, so that the sample's own mean is
    mu and its covariance (with n - 1) psi: ``MASS::mvrnorm(empirical=TRUE)``.

    Parameters
    ----------
    n : int
    mean : array_like of shape (q,)
    cov : array_like of shape (q, q)
    empirical : bool
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    ndarray of shape (n, q)

    Raises
    ------
    DataError
        If the matrix is not symmetric and positive semi-definite, or there are too few draws.

    Examples
    --------
    >>> draws = mvrnorm(100, [0, 0], [[1, 0.25], [0.25, 1]], empirical=True, seed=1)
    >>> np.cov(draws.T).round(12).tolist()
    [[1.0, 0.25], [0.25, 1.0]]
    """
    mu, psi = np.asarray(mean, dtype=float), np.asarray(cov, dtype=float)
    q = len(mu)
    if psi.shape != (q, q) or not np.allclose(psi, psi.T):
        raise DataError(f"cov is a symmetric matrix of shape ({q}, {q}); came {psi.tolist()}.")
    values, Q = np.linalg.eigh(psi)
    if values[0] < -1e-9 * abs(values[-1]):
        raise DataError(
            "cov is not positive definite: a covariance is larger than the product of its sds.\n"
            f"  Its smallest eigenvalue is {values[0]:.3g}; give weaker covariances."
        )
    u = generator(seed).normal(size=(n, q))
    if empirical:
        if n <= q:
            raise DataError(f"an exact covariance of {q} variables needs {q + 1} draws; came {n}.")
        u -= u.mean(axis=0)
        u = np.linalg.solve(np.linalg.cholesky(np.cov(u.T).reshape(q, q)), u.T).T
    return np.asarray(mu + (u * np.sqrt(np.maximum(values, 0))) @ Q.T)


def four_groups(
    groups: int = 4,
    repeats: int = 2,
    *,
    mean: float = 2.0,
    tau: float = 10.0,
    sigma: float = 1.0,
    seed: Seed = None,
) -> pd.DataFrame:
    r"""Simulate groups that are measured a few times: the smallest mixed model.

    .. math:: y_{gi} = \mu + z_g + e_{gi}, \qquad z_g \sim N(0, \tau^2),\ e \sim N(0, \sigma^2)

    The mean of y has the variance (n tau^2 + sigma^2) / (n m), m groups of n; least squares with
    z known, ``lm("y ~ z", ...)``, believes sigma^2 / (n m).

    Returns
    -------
    pandas.DataFrame
        Columns ``y``, ``groups``, and ``z``, the effect that was drawn.

    Examples
    --------
    >>> four_groups(seed=1).groupby("groups").size().tolist()
    [2, 2, 2, 2]
    """
    rng = generator(seed)
    codes = np.repeat(np.arange(groups), repeats)
    z = rng.normal(0, tau, groups)[codes]
    y = mean + z + rng.normal(0, sigma, len(codes))
    return pd.DataFrame({"y": y, "groups": codes + 1, "z": z})


def random_intercepts(
    clusters: int = 100,
    rows: int = 10,
    *,
    beta: Sequence[float] = (3.0, 0.75),
    tau: float = 0.5,
    sigma: float = 1.0,
    seed: Seed = None,
) -> pd.DataFrame:
    r"""Simulate Clark's first design: clusters whose intercepts vary.

    .. math:: y = \beta_0 + \gamma_c + \beta_1 x + e

    R's own draws, of ``set.seed(1234)``, are the data set ``clark_ri``.

    Returns
    -------
    pandas.DataFrame
        Columns ``y``, ``x``, ``clus``, and what was drawn: ``gamma_Intercept`` and ``e``.

    Examples
    --------
    >>> random_intercepts(seed=1).shape
    (1000, 5)
    """
    return _clustered(clusters, rows, beta, [[tau**2]], sigma, False, seed)


def random_slopes(
    clusters: int = 100,
    rows: int = 10,
    *,
    beta: Sequence[float] = (3.0, 0.75),
    psi: ArrayLike = ((1.0, 0.25), (0.25, 1.0)),
    sigma: float = 1.0,
    empirical: bool = True,
    seed: Seed = None,
) -> pd.DataFrame:
    r"""Simulate Clark's second design: intercepts and slopes that vary together.

    .. math:: y = (\beta_0 + \gamma_{0c}) + (\beta_1 + \gamma_{1c}) x + e, \qquad
              \gamma_c \sim N(0, \psi)

    R's own draws are the data set ``clark_ris``.

    Parameters
    ----------
    clusters, rows : int
        Clusters, and rows in each.
    beta : sequence of float
        Common intercept and slope.
    psi : array_like of shape (2, 2)
    sigma : float
    empirical : bool
        Whether the effects have the covariance `psi` exactly, as in the lecture.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    pandas.DataFrame
        Columns ``y``, ``x``, ``clus``, ``gamma_Intercept``, ``gamma_x`` and ``e``.

    Examples
    --------
    >>> drawn = random_slopes(seed=1).drop_duplicates("clus")
    >>> drawn[["gamma_Intercept", "gamma_x"]].cov().round(9).to_numpy().tolist()
    [[1.0, 0.25], [0.25, 1.0]]
    """
    return _clustered(clusters, rows, beta, psi, sigma, empirical, seed)


def _clustered(
    clusters: int,
    rows: int,
    beta: Sequence[float],
    psi: ArrayLike,
    sigma: float,
    empirical: bool,
    seed: Seed,
) -> pd.DataFrame:
    rng = generator(seed)
    psi = np.asarray(psi, dtype=float)
    gamma = mvrnorm(clusters, np.zeros(len(psi)), psi, empirical=empirical, seed=rng)
    codes = np.repeat(np.arange(clusters), rows)
    x, e = rng.normal(size=len(codes)), rng.normal(0, sigma, len(codes))
    X = np.column_stack([np.ones_like(x), x])
    y = X @ np.asarray(beta) + np.sum(X[:, : len(psi)] * gamma[codes], axis=1) + e
    drawn = {f"gamma_{c}": gamma[codes, k] for k, c in enumerate(("Intercept", "x")[: len(psi)])}
    return pd.DataFrame({"y": y, "x": x, "clus": codes + 1, **drawn, "e": e})
