"""Small dense linear algebra for every level at once, with the levels last."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import kernel

Array = NDArray[np.float64]


@kernel
def dot(x: Array, y: Array) -> float:
    """Return the inner product of two vectors."""
    total = 0.0
    for j in range(x.shape[0]):
        total += x[j] * y[j]
    return total


@kernel
def sum_up(x: Array) -> float:
    """Return the sum of a vector."""
    total = 0.0
    for j in range(x.shape[0]):
        total += x[j]
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
