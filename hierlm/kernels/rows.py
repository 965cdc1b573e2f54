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
from hierlm.kernels.linear import dot, sum_up

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
    has_offset: int  # whether any is not zero
    X: Array  # (p, n)
    is_one: Index  # (p,) whether the column is all ones
    Z: Array  # (z, n) columns of all factors, the first factor's first
    factor: Index  # (z,) factor of each
    coef: Index  # (z,) its coefficient within the factor
    twin: Index  # (z,) column of X that is the same, or -1: memory is what takes time
    at: Index  # (factors, n) where in b the effects of the row's level begin
    has_runs: Index  # (factors,) whether neighbouring rows mostly share the level
    run_end: Index  # (factors, R) where each run of rows that share a level ends
    run_at: Index  # (factors, R) where in b the effects of its level begin
    first_run: Index  # (factors, chunks) which run the first row of each chunk is in
    beta_at: int  # where in b the coefficients begin
    table: Array  # (2, D) distinct responses and how many rows have them
    constant: float  # terms of the log density that no parameter changes


@kernel
def column(rows: Rows, c: int, start: int, end: int) -> tuple[Array, bool]:
    """Return a column of Z from `start` to `end`, and whether it is known to be all ones."""
    twin = rows.twin[c]
    if twin < 0:
        return rows.Z[c][start:end], False
    return rows.X[twin][start:end], rows.is_one[twin] > 0


@kernel
def predict(rows: Rows, b: Array, start: int, eta: Array) -> None:
    """Write the linear predictor of the rows from `start` on."""
    m, level = eta.shape[0], 0.0
    for c in range(rows.X.shape[0]):
        if rows.is_one[c]:
            level += b[rows.beta_at + c]
    for i in range(m):
        eta[i] = level + rows.offset[start + i] if rows.has_offset else level
    for c in range(rows.X.shape[0]):
        if not rows.is_one[c]:
            beta, x = b[rows.beta_at + c], rows.X[c][start : start + m]
            for i in range(m):
                eta[i] += beta * x[i]
    for c in range(rows.Z.shape[0]):
        k, shift, first = rows.factor[c], rows.coef[c], 0
        z, ones = column(rows, c, start, start + m)
        if not rows.has_runs[k]:
            at = rows.at[k][start : start + m]
            for i in range(m):
                eta[i] += b[at[i] + shift] if ones else z[i] * b[at[i] + shift]
            continue
        run = rows.first_run[k, start // CHUNK]
        while first < m:
            end, effect = min(rows.run_end[k, run] - start, m), b[rows.run_at[k, run] + shift]
            for i in range(first, end):
                eta[i] += effect if ones else z[i] * effect
            first, run = end, run + 1


@kernel
def pull_back(rows: Rows, slope: Array, start: int, b_bar: Array) -> None:
    """Add to b_bar what the slopes of the rows from `start` on make of it."""
    m = slope.shape[0]
    for c in range(rows.X.shape[0]):
        x = rows.X[c][start : start + m]
        b_bar[rows.beta_at + c] += sum_up(slope) if rows.is_one[c] else dot(x, slope)
    for c in range(rows.Z.shape[0]):
        k, shift, first = rows.factor[c], rows.coef[c], 0
        z, ones = column(rows, c, start, start + m)
        if not rows.has_runs[k]:
            at = rows.at[k][start : start + m]
            for i in range(m):
                b_bar[at[i] + shift] += slope[i] if ones else z[i] * slope[i]
            continue
        run = rows.first_run[k, start // CHUNK]
        while first < m:
            end = min(rows.run_end[k, run] - start, m)
            part = slope[first:end]
            value = sum_up(part) if ones else dot(z[first:end], part)
            b_bar[rows.run_at[k, run] + shift] += value
            first, run = end, run + 1


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
