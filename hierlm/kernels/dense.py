"""Dense trailing columns: what `hierlm.kernels.envelope` does within an envelope."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import kernel
from hierlm.kernels.lapack import FACTOR, potr
from hierlm.kernels.problem import Pattern

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
def scale_columns(pattern: Pattern, T: Array, A: Array) -> Array:
    """Return A S: column (i, c) of factor k becomes the sum over d of A[:, (i, d)] T_k[d, c]."""
    out = A.copy()
    for row in range(A.shape[0]):
        for col in range(pattern.factor.shape[0]):
            k, c = pattern.factor[col], pattern.coef[col]
            total = 0.0
            for d in range(c, pattern.sizes[k]):  # T is lower triangular
                total += A[row, col - c + d] * T[k, d, c]
            out[row, col] = total
    return out


@kernel
def scale_both(pattern: Pattern, T: Array, KS: Array) -> Array:
    """Return S' K S from K S."""
    out = KS.copy()
    for row in range(pattern.factor.shape[0]):
        k, c = pattern.factor[row], pattern.coef[row]
        for col in range(KS.shape[1]):
            out[row, col] = T[k, c, c] * KS[row, col]
        for d in range(c + 1, pattern.sizes[k]):
            for col in range(KS.shape[1]):
                out[row, col] += T[k, d, c] * KS[row - c + d, col]
    return out
