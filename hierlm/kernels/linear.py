"""Small dense linear algebra: one matrix, or one for every level with the levels last."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import kernel
from hierlm.kernels.lapack import FACTOR, INVERT, potr

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LARGE = 48  # columns from which on LAPACK is faster than a loop


@kernel
def cholesky(A: Array, lapack: Index) -> None:
    """Replace the lower triangle of A by its Cholesky factor; NaN where there is none."""
    if A.shape[0] >= LARGE:
        if potr(lapack[FACTOR], A.ctypes.data, A.shape[0]) != 0:
            A[0, 0] = math.nan
        return
    for i in range(A.shape[0]):
        for j in range(i + 1):
            total = A[i, j]
            for k in range(j):
                total -= A[i, k] * A[j, k]
            A[i, j] = math.sqrt(total) if i == j else total / A[j, j]


@kernel
def solve_lower(L: Array, b: Array) -> None:
    """Replace b by L^{-1} b."""
    for i in range(L.shape[0]):
        total = b[i]
        for k in range(i):
            total -= L[i, k] * b[k]
        b[i] = total / L[i, i]


@kernel
def solve_upper(L: Array, b: Array) -> None:
    """Replace b by L'^{-1} b."""
    for i in range(L.shape[0] - 1, -1, -1):
        b[i] /= L[i, i]
        for k in range(i):
            b[k] -= L[i, k] * b[i]


@kernel
def inverse_from_factor(L: Array, lapack: Index) -> Array:
    """Return (L L')^{-1}."""
    m = L.shape[0]
    if m >= LARGE:
        found = L.copy()
        potr(lapack[INVERT], found.ctypes.data, m)
        for i in range(m):
            for j in range(i):
                found[j, i] = found[i, j]
        return found
    R = np.zeros((m, m))  # row i is column i of L^{-1}
    for i in range(m):
        R[i, i] = 1.0 / L[i, i]
        for r in range(i + 1, m):
            total = 0.0
            for k in range(i, r):
                total -= L[r, k] * R[i, k]
            R[i, r] = total / L[r, r]
    inverse = np.empty((m, m))
    for i in range(m):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, m):
                total += R[i, k] * R[j, k]
            inverse[i, j] = total
            inverse[j, i] = total
    return inverse


@kernel
def dot(x: Array, y: Array) -> float:
    """Return the inner product of two vectors."""
    total = 0.0
    for j in range(x.shape[0]):
        total += x[j] * y[j]
    return total


@kernel
def factor_levels(ZZ: Array, T: Array, s2: float, L: Array) -> float:
    """Write the Cholesky factors of A_j = I + T'Z_j'Z_j T / sigma^2; return the log of |A|."""
    q, J = L.shape[0], L.shape[2]
    for a in range(q):
        for b in range(a + 1):
            for j in range(J):
                L[a, b, j] = 1.0 if a == b else 0.0
            for c in range(a, q):
                for d in range(b, q):
                    t = s2 * T[0, c, a] * T[0, d, b]
                    for j in range(J):
                        L[a, b, j] += t * ZZ[c, d, j]
            for c in range(b):
                for j in range(J):
                    L[a, b, j] -= L[a, c, j] * L[b, c, j]
            if a == b:
                for j in range(J):
                    L[a, a, j] = math.sqrt(L[a, a, j])
            else:
                for j in range(J):
                    L[a, b, j] /= L[b, b, j]
    log_det = 0.0
    for a in range(q):
        for first in range(0, J, 4):  # a logarithm for four levels: they are at least one
            product = 1.0
            for j in range(first, min(first + 4, J)):
                product *= L[a, a, j]
            log_det += 2.0 * math.log(product)
    return log_det


@kernel
def solve_levels(T: Array, s2: float, L: Array, x: Array, out: Array) -> None:
    """Write L^{-1} T' x / sigma^2 of every level, for x of shape (q, J)."""
    q, J = x.shape
    for a in range(q):
        for j in range(J):
            out[a, j] = 0.0
        for c in range(a, q):
            t = s2 * T[0, c, a]
            for j in range(J):
                out[a, j] += t * x[c, j]
        for c in range(a):
            for j in range(J):
                out[a, j] -= L[a, c, j] * out[c, j]
        for j in range(J):
            out[a, j] /= L[a, a, j]


@kernel
def backsolve_levels(L: Array, x: Array) -> None:
    """Replace x, of shape (q, J), by L'^{-1} x."""
    q, J = x.shape
    for a in range(q - 1, -1, -1):
        for c in range(a + 1, q):
            for j in range(J):
                x[a, j] -= L[c, a, j] * x[c, j]
        for j in range(J):
            x[a, j] /= L[a, a, j]
