r"""Many ways to one y: every notation of a mixed model makes the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def block_design(X: ArrayLike, clusters: ArrayLike) -> Array:
    """Return Z: the columns of X for each cluster in turn, zero in the rows of the others.

    Parameters
    ----------
    X : array_like of shape (n, q)
    clusters : array_like of shape (n,)

    Returns
    -------
    ndarray of shape (n, J q)
        Those of the first cluster first, clusters in sorted order.

    Examples
    --------
    >>> block_design([[1, 5], [1, 6], [1, 7]], ["a", "a", "b"]).tolist()
    [[1.0, 5.0, 0.0, 0.0], [1.0, 6.0, 0.0, 0.0], [0.0, 0.0, 1.0, 7.0]]
    """
    X = np.asarray(X, dtype=float)
    levels, codes = np.unique(np.asarray(clusters), return_inverse=True)
    Z = np.zeros((len(X), len(levels), X.shape[1]))
    Z[np.arange(len(X)), codes] = X
    return Z.reshape(len(X), -1)


def many_ways(
    data: pd.DataFrame,
    *,
    beta: Sequence[float] = (3.0, 0.75),
    psi: ArrayLike = ((1.0, 0.25), (0.25, 1.0)),
    sigma: float = 1.0,
) -> pd.DataFrame:
    r"""Make the y of `random_slopes` seven times, in seven notations, from the same draws.

    .. math:: y = X\beta + Z\gamma + e = X\beta + A w, \qquad
              A = [Z (I \otimes \psi^{1/2}),\ \sigma I], \quad
              A A' = Z (I \otimes \psi) Z' + \sigma^2 I

    where w are the standard normals behind gamma and e. The last notation knows of no clusters: y
    is one draw of a multivariate normal with the covariance A A'.

    Parameters
    ----------
    data : pandas.DataFrame
        As `random_slopes` makes it: columns x, clus, gamma_Intercept, gamma_x and e.
    beta, psi, sigma
        What it was simulated with.

    Returns
    -------
    pandas.DataFrame
        A column per notation, named as in ``model.equations(notation)``.

    Examples
    --------
    >>> from hierlm.teaching import random_slopes
    >>> data = random_slopes(seed=1)
    >>> ways = many_ways(data)
    >>> bool(np.allclose(ways.to_numpy(), data[["y"]].to_numpy()))
    True
    """
    b = np.asarray(beta, dtype=float)
    x, e = data["x"].to_numpy(), data["e"].to_numpy()
    levels, codes = np.unique(data["clus"].to_numpy(), return_inverse=True)
    first = np.unique(codes, return_index=True)[1]
    gamma = data[["gamma_Intercept", "gamma_x"]].to_numpy()[first]
    X = np.column_stack([np.ones_like(x), x])
    members = [np.flatnonzero(codes == c) for c in range(len(levels))]

    coefficients = b + gamma  # level 2: a row of coefficients for every cluster
    local, own = np.empty_like(x), np.empty_like(x)
    for c, rows in enumerate(members):
        local[rows] = X[rows] @ coefficients[c] + e[rows]
        own[rows] = X[rows] @ b + X[rows] @ gamma[c] + e[rows]
    one = np.equal.outer(codes, np.arange(len(levels))).astype(float)  # all levels, no base
    Z = block_design(X, codes)
    root = np.linalg.cholesky(np.asarray(psi, dtype=float))
    A = np.hstack([Z @ np.kron(np.eye(len(levels)), root), sigma * np.eye(len(x))])
    w = np.concatenate([np.linalg.solve(root, gamma.T).T.ravel(), e / sigma])
    return pd.DataFrame(
        {
            "varying_coefficients": b[0] + gamma[codes, 0] + (b[1] + gamma[codes, 1]) * x + e,
            "multilevel": np.sum(X * coefficients[codes], axis=1) + e,
            "local_regressions": local,
            "matrix": X @ b + one @ gamma[:, 0] + (one * x[:, None]) @ gamma[:, 1] + e,
            "per_cluster": own,
            "block": X @ b + Z @ gamma.ravel() + e,
            "multivariate_normal": X @ b + A @ w,
        },
        index=data.index,
    )
