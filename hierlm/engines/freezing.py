r"""The whitening of a working model: its information, factor after factor, at one point.

Eliminating the factor whose levels have information :math:`I_j`, right-hand side :math:`h_j` and
coupling :math:`C_j` with the columns after it leaves those with

.. math:: C \leftarrow C - \sum_j C_j' Q_j C_j, \quad h \leftarrow h - \sum_j C_j' Q_j h_j, \quad
          Q_j = T (I + T' I_j T)^{-1} T'

A factor whose levels do not couple, once those before it are gone (nested factors), is eliminated
level by level too. All others are whitened together, at each T. The posterior is exact in any case,
and only as nearly white as the approximation is good.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hierlm.kernels.lapack import addresses
from hierlm.kernels.problem import Pattern, Problem
from hierlm.kernels.whitening import Whitening

Array = NDArray[np.float64]
Index = NDArray[np.int64]

SMALL = 40  # columns: always dense
NANOSECONDS = 0.35  # of a dense gradient, for each of m^3


def freeze(problem: Problem, T: Array, sizes: Index, levels: Index, priors: Array) -> Whitening:
    """Return the whitening that a working model gives.

    Parameters
    ----------
    problem : Problem
        With the cross-products at the mode.
    T : ndarray of shape (factors, q, q)
    sizes, levels : ndarray of shape (factors,)
    priors : ndarray of shape (p, WIDTH)
    """
    K, q = len(sizes), T.shape[1]
    starts = np.concatenate([[0], np.cumsum(sizes * levels)]).astype(np.int64)
    p, N = len(priors), int(starts[-1]) + len(priors)
    h, blocks, couplings, chain = np.zeros(N), [np.zeros((0, q, q))], [], 0
    C, rest = problem.K.reshape(2 * (len(problem.Ke),)).copy(), problem.Ke.copy()
    if p:
        C[-p:, -p:] += problem.precision
        rest[-p:] += problem.h
    while chain < K:
        J, width = int(levels[chain]), int(sizes[chain])
        if chain == 0:
            own = np.moveaxis(problem.ZZ, -1, 0)
            right, B = problem.Ze.T.ravel(), _first_coupling(problem)
        else:
            if not _level_by_level(C, J, width):
                break
            m = J * width
            own, right, B = _diagonal(C, J, width), rest[:m], sparse.csr_matrix(C[:m, m:])
            C, rest = C[m:, m:], rest[m:]
        block = np.zeros((J, q, q))
        block[:, :width, :width] = own
        blocks.append(block)
        h[starts[chain] : starts[chain + 1]] = right
        couplings.append(_rows_of_levels(B, J, width, q, int(starts[chain + 1])))
        scale = T[chain, :width, :width]
        Q = _block_diagonal(eliminating(own, scale))
        QB = Q @ B
        C = C - (B.T @ QB).toarray()
        rest = rest - QB.T @ right
        chain += 1
    h[N - len(rest) :] = rest
    straight = np.zeros((0, 0)), np.zeros(0)
    return assemble(chain, sizes, levels, starts, blocks, couplings, h, C, priors, *straight)


def eliminating(own: Array, T: Array) -> Array:
    """Return Q of every level, from its information of shape (J, q, q)."""
    A = np.eye(len(T)) + T.T @ own @ T
    return np.asarray(T @ np.linalg.solve(A, np.broadcast_to(T.T, A.shape)))


def _level_by_level(C: Array, J: int, q: int) -> bool:
    """Return whether the next factor is eliminated level by level."""
    own = C[: J * q, : J * q]
    couples = np.count_nonzero(own) > np.count_nonzero(_diagonal(C, J, q))
    return len(C) > SMALL and not bool(couples)


def _diagonal(C: Array, J: int, q: int) -> Array:
    """Return the first J diagonal blocks, of shape (J, q, q)."""
    at = np.arange(J)
    return C[: J * q, : J * q].reshape(J, q, J, q)[at, :, at, :]


def _first_coupling(problem: Problem) -> sparse.csr_matrix:
    """Return the coupling of the first factor's effects with all columns after it."""
    q, p, J = problem.ZX.shape
    pattern, m = problem.pattern, len(problem.Ke)
    level = np.repeat(np.arange(J), np.diff(pattern.ptr)) if J else np.zeros(0, np.int64)
    rows = level * q + np.arange(q)[:, None]
    B = sparse.coo_matrix(
        (pattern.vals.ravel(), (rows.ravel(), np.tile(pattern.cols, q))), shape=(J * q, m)
    ).tocsr()
    dense = np.moveaxis(problem.ZX, -1, 0).reshape(J * q, p)
    right = sparse.hstack([sparse.csr_matrix((J * q, m - p)), sparse.csr_matrix(dense)])
    return sparse.csr_matrix(B + right)


def _block_diagonal(blocks: Array) -> sparse.bsr_matrix:
    J, q, _ = blocks.shape
    return sparse.bsr_matrix((blocks, np.arange(J), np.arange(J + 1)), shape=(J * q, J * q))


def _rows_of_levels(
    B: sparse.csr_matrix, J: int, width: int, q: int, shift: int
) -> tuple[Index, Index, Array]:
    """Return how many columns each level meets, which, and the values of shape (q, columns)."""
    coo = B.tocoo()
    level, coef = coo.row // width, coo.row % width
    keys, where = np.unique(level.astype(np.int64) * B.shape[1] + coo.col, return_inverse=True)
    vals = np.zeros((q, len(keys)))
    vals[coef, where] = coo.data
    counts = np.bincount(keys // max(B.shape[1], 1), minlength=J)
    return counts.astype(np.int64), keys % max(B.shape[1], 1) + shift, vals


def assemble(
    chain: int, sizes: Index, levels: Index, starts: Index, blocks: list[Array],
    couplings: list[tuple[Index, Index, Array]], h: Array, C: Array, priors: Array,
    directions: Array, stretch: Array,
) -> Whitening:  # fmt: skip
    """Return the whitening of the information, factor after factor; see `Whitening`."""
    K, q = len(sizes), blocks[0].shape[1]
    counts = np.concatenate([np.zeros(1, np.int64), *(c for c, _, _ in couplings)])
    later = range(chain, K)
    coef = [np.tile(np.arange(sizes[k]), levels[k]) for k in later]
    factor = [np.full(sizes[k] * levels[k], k) for k in later]
    dense = Pattern(
        ptr=np.zeros(1, np.int64),
        cols=np.zeros(0, np.int64),
        vals=np.zeros((q, 0)),
        factor=np.concatenate([np.zeros(0), *factor]).astype(np.int64),
        coef=np.concatenate([np.zeros(0), *coef]).astype(np.int64),
        sizes=np.asarray(sizes if K else [1], np.int64),
    )
    return Whitening(
        chain=chain,
        sizes=np.asarray(sizes, np.int64),
        starts=starts,
        level_at=np.concatenate([[0], np.cumsum(levels[:chain])]).astype(np.int64),
        information=np.ascontiguousarray(np.concatenate(blocks)),
        h=h,
        ptr=np.cumsum(counts).astype(np.int64),
        cols=np.concatenate([np.zeros(0), *(c for _, c, _ in couplings)]).astype(np.int64),
        vals=np.ascontiguousarray(
            np.concatenate([np.zeros((q, 0)), *(v for _, _, v in couplings)], axis=1)
        ),
        dense=dense,
        C=np.ascontiguousarray(C),
        directions=np.ascontiguousarray(directions),
        stretch=np.ascontiguousarray(stretch),
        priors=priors,
        lapack=addresses(),
    )
