r"""The rows of a generalised model: log density and gradient in the effects, chunk by chunk.

.. math:: \eta_i = o_i + x_i'\beta + \sum_k z_{ki}' b_{k, j_k(i)}, \qquad
          \ell = \sum_i \ell_i(\eta_i, \phi), \qquad
          \bar\beta = X'\ell', \quad \bar b_{kj} = \sum_{i \in j} z_{ki} \ell_i'

A chunk stays in the cache of the processor from the linear predictor to the sums over levels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import entry_point, kernel
from hierlm.kernels.likelihood import chunk_density, shape_density
from hierlm.kernels.linear import dot

Array = NDArray[np.float64]
Index = NDArray[np.int64]

CHUNK = 512


class Rows(NamedTuple):
    """The rows, sorted by the levels of the factors, the first first.

    b is one vector: the effects of all factors, level by level, then the coefficients.
    """

    kind: int  # see `hierlm.kernels.likelihood`
    data: Array  # (3, n) what the likelihood needs of the response
    offset: Array  # (n,)
    X: Array  # (p, n)
    Z: Array  # (z, n) columns of all factors, the first factor's first
    factor: Index  # (z,) factor of each
    coef: Index  # (z,) its coefficient within the factor
    is_one: Index  # (z,) whether the column is all ones
    at: Index  # (factors, n) where in b the effects of the row's level begin
    has_runs: Index  # (factors,) whether neighbouring rows mostly share the level
    beta_at: int  # where in b the coefficients begin
    table: Array  # (2, D) distinct responses and how many rows have them
    constant: float  # terms of the log density that no parameter changes


@kernel
def predict(rows: Rows, b: Array, start: int, eta: Array) -> None:
    """Write the linear predictor of the rows from `start` on."""
    m = eta.shape[0]
    for i in range(m):
        eta[i] = rows.offset[start + i]
    for c in range(rows.X.shape[0]):
        beta, x = b[rows.beta_at + c], rows.X[c][start : start + m]
        for i in range(m):
            eta[i] += beta * x[i]
    for c in range(rows.Z.shape[0]):
        at, shift = rows.at[rows.factor[c]][start : start + m], rows.coef[c]
        if rows.is_one[c]:
            for i in range(m):
                eta[i] += b[at[i] + shift]
        else:
            z = rows.Z[c][start : start + m]
            for i in range(m):
                eta[i] += z[i] * b[at[i] + shift]


@kernel
def pull_back(rows: Rows, slope: Array, start: int, b_bar: Array) -> None:
    """Add to b_bar what the slopes of the rows from `start` on make of it."""
    m = slope.shape[0]
    for c in range(rows.X.shape[0]):
        b_bar[rows.beta_at + c] += dot(rows.X[c][start : start + m], slope)
    for c in range(rows.Z.shape[0]):
        k, shift = rows.factor[c], rows.coef[c]
        at, z = rows.at[k][start : start + m], rows.Z[c][start : start + m]
        if rows.has_runs[k]:  # summed in a register: the next row would wait for memory
            level, total = at[0], 0.0
            for i in range(m):
                if at[i] != level:
                    b_bar[level + shift] += total
                    level, total = at[i], 0.0
                total += z[i] * slope[i]
            b_bar[level + shift] += total
        else:
            for i in range(m):
                b_bar[at[i] + shift] += z[i] * slope[i]


@kernel
def log_likelihood(rows: Rows, b: Array, shapes: Array, b_bar: Array, dshapes: Array) -> float:
    """Return the log density of all rows; add its gradient to b_bar and dshapes."""
    n = rows.offset.shape[0]
    eta, slope = np.empty(CHUNK), np.empty(CHUNK)
    total = rows.constant + shape_density(rows.kind, rows.table, shapes, dshapes)
    for start in range(0, n, CHUNK):
        m = min(CHUNK, n - start)
        predict(rows, b, start, eta[:m])
        total += chunk_density(rows.kind, eta[:m], rows.data, start, shapes, slope[:m], dshapes)
        pull_back(rows, slope[:m], start, b_bar)
    return total


@entry_point
def row_slopes(rows: Rows, b: Array, shapes: Array, eta: Array, slope: Array) -> float:
    """Return the log density of all rows; write eta and d l / d eta, of shape (n,)."""
    dshapes, n = np.zeros(shapes.shape[0]), rows.offset.shape[0]
    total = rows.constant + shape_density(rows.kind, rows.table, shapes, dshapes)
    for start in range(0, n, CHUNK):
        end = min(start + CHUNK, n)
        predict(rows, b, start, eta[start:end])
        total += chunk_density(
            rows.kind, eta[start:end], rows.data, start, shapes, slope[start:end], dshapes
        )
    return total


@entry_point
def row_gradient(rows: Rows, b: Array, shapes: Array, b_bar: Array, dshapes: Array) -> float:
    """Return `log_likelihood`, for Python."""
    return log_likelihood(rows, b, shapes, b_bar, dshapes)
