r"""The information of working rows as an operator, and its blocks: no matrix over all effects.

.. math:: I = D' W D, \qquad I_{kj} = \sum_{i \in j} W_i z_{ki} z_{ki}', \qquad
          J_{kj} = I_{kj} - \sum_l C_{lj}' Q_l C_{lj}

with D the columns of all effects and coefficients, C the couplings with the levels l of the first
factor, and Q what eliminates those (`hierlm.engines.freezing`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import entry_point
from hierlm.kernels.problem import Pattern
from hierlm.kernels.rows import CHUNK, Rows, predict, pull_back

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@entry_point
def apply_information(rows: Rows, W: Array, b: Array, out: Array) -> None:
    """Write D'W D b, for rows without offset.

    Parameters
    ----------
    W : ndarray of shape (n,)
    b, out : ndarray of shape (N,)
    """
    eta, n = np.empty(CHUNK), W.shape[0]
    for r in range(out.shape[0]):
        out[r] = 0.0
    for start in range(0, n, CHUNK):
        m = min(CHUNK, n - start)
        predict(rows, b, start, eta[:m])
        for i in range(m):
            eta[i] *= W[start + i]
        pull_back(rows, eta[:m], start, out)


@entry_point
def weigh_columns(rows: Rows, r: Array, out: Array) -> None:
    """Write D'r.

    Parameters
    ----------
    r : ndarray of shape (n,)
    out : ndarray of shape (N,)
    """
    for c in range(out.shape[0]):
        out[c] = 0.0
    for start in range(0, r.shape[0], CHUNK):
        pull_back(rows, r[start : start + CHUNK], start, out)


@entry_point
def add_blocks(
    rows: Rows, W: Array, sizes: Index, starts: Index, level_at: Index, blocks: Array
) -> None:
    """Add the information of every level of the first factors, by itself, to `blocks`.

    Parameters
    ----------
    level_at : ndarray of shape (chain + 1,)
        First level of each factor among all levels.
    blocks : ndarray of shape (G, q, q)
    """
    for c in range(rows.Z.shape[0]):
        k = rows.factor[c]
        if k >= level_at.shape[0] - 1:
            continue
        for d in range(rows.Z.shape[0]):
            if rows.factor[d] != k:
                continue
            row, column = rows.coef[c], rows.coef[d]
            for i in range(W.shape[0]):
                g = level_at[k] + (rows.at[k, i] - starts[k]) // sizes[k]
                blocks[g, row, column] += W[i] * rows.Z[c, i] * rows.Z[d, i]


@entry_point
def add_couplings(rows: Rows, W: Array, slots: Index, vals: Array, ZX: Array) -> None:
    """Add how levels of the first factor are coupled: with later factors, with coefficients.

    Parameters
    ----------
    slots : ndarray of shape (factors, n), int64
        Where in the pattern the columns of the row's level of each factor begin.
    vals : ndarray of shape (q, nnz)
    ZX : ndarray of shape (q, p, J)
    """
    q = ZX.shape[0]
    for a in range(q):
        for i in range(W.shape[0]):
            z, j = W[i] * rows.Z[a, i], rows.at[0, i] // q
            for s in range(rows.X.shape[0]):
                ZX[a, s, j] += z * rows.X[s, i]
            for c in range(q, rows.Z.shape[0]):
                vals[a, slots[rows.factor[c], i] + rows.coef[c]] += z * rows.Z[c, i]


@entry_point
def add_left(rows: Rows, W: Array, first: int, A: Array) -> None:
    """Add the information of the columns from `first` on, by themselves, to A; not the predictors'.

    Parameters
    ----------
    A : ndarray of shape (m, m)
    """
    coefs = rows.beta_at - first
    for c in range(rows.Z.shape[0]):
        k, shift = rows.factor[c], rows.coef[c] - first
        if rows.at[k, 0] + shift < 0:
            continue
        for d in range(rows.Z.shape[0]):
            other, along = rows.factor[d], rows.coef[d] - first
            if rows.at[other, 0] + along >= 0:
                for i in range(W.shape[0]):
                    z = W[i] * rows.Z[c, i] * rows.Z[d, i]
                    A[rows.at[k, i] + shift, rows.at[other, i] + along] += z
        for s in range(rows.X.shape[0]):
            for i in range(W.shape[0]):
                z = W[i] * rows.Z[c, i] * rows.X[s, i]
                A[rows.at[k, i] + shift, coefs + s] += z
                A[coefs + s, rows.at[k, i] + shift] += z


@entry_point
def eliminate_first(pattern: Pattern, Q: Array, block_of: Index, blocks: Array) -> None:
    """Take from the blocks of later factors what eliminating the first factor takes.

    Parameters
    ----------
    Q : ndarray of shape (J, q, q)
    block_of : ndarray of shape (m1,), int64
        Block of each column after the first factor; -1 where it has none.
    blocks : ndarray of shape (G, q, q)
    """
    q = Q.shape[1]
    half = np.empty(q)
    for j in range(Q.shape[0]):
        for t in range(pattern.ptr[j], pattern.ptr[j + 1]):
            column = pattern.cols[t]
            g, a = block_of[column], pattern.coef[column]
            if g < 0:
                continue
            for c in range(q):
                half[c] = 0.0
                for d in range(q):
                    half[c] += Q[j, c, d] * pattern.vals[d, t]
            for b in range(pattern.sizes[pattern.factor[column]]):
                total = 0.0
                for c in range(q):
                    total += half[c] * pattern.vals[c, t - a + b]
                blocks[g, a, b] -= total


@entry_point
def add_nested(
    rows: Rows, W: Array, k: int, other: int, sizes: Index, starts: Index, coupling: Array
) -> None:
    """Add how levels of factor k are coupled with the levels of another that they lie in.

    Parameters
    ----------
    coupling : ndarray of shape (J, q, q of the other)
    """
    for c in range(rows.Z.shape[0]):
        for d in range(rows.Z.shape[0]):
            if rows.factor[c] != k or rows.factor[d] != other:
                continue
            row, column = rows.coef[c], rows.coef[d]
            for i in range(W.shape[0]):
                j = (rows.at[k, i] - starts[k]) // sizes[k]
                coupling[j, row, column] += W[i] * rows.Z[c, i] * rows.Z[d, i]


@entry_point
def eliminate_nested(
    pattern: Pattern, Q: Array, k: int, other: int, first: Index, parent: Index, coupling: Array
) -> None:
    """Take from a coupling of nested factors what eliminating the first factor takes.

    Parameters
    ----------
    first : ndarray of shape (factors,), int64
        First column of each factor among those after the first factor.
    parent : ndarray of shape (J,), int64
        Level of the other factor that each level of factor k lies in.
    """
    q = Q.shape[1]
    half = np.empty(q)
    for i in range(Q.shape[0]):
        for t in range(pattern.ptr[i], pattern.ptr[i + 1]):
            column = pattern.cols[t]
            if pattern.factor[column] != k:
                continue
            j, a = (column - first[k]) // pattern.sizes[k], pattern.coef[column]
            for c in range(q):
                half[c] = 0.0
                for d in range(q):
                    half[c] += Q[i, c, d] * pattern.vals[d, t]
            begin = first[other] + parent[j] * pattern.sizes[other]
            for s in range(pattern.ptr[i], pattern.ptr[i + 1]):
                b = pattern.cols[s] - begin
                if 0 <= b < pattern.sizes[other]:
                    for c in range(q):
                        coupling[j, a, b] -= half[c] * pattern.vals[c, s]
