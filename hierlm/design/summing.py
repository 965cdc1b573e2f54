"""Sums over the rows of each level, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import entry_point

Array = NDArray[np.float64]


@entry_point
def add_group(
    codes: NDArray[np.int64],
    Z: Array,
    U: Array,
    y: Array,
    weights: Array,
    ZZ: Array,
    ZU: Array,
    Zy: Array,
) -> None:
    """Add z z', z u' and z y of every row to its level: shapes (J, q, q), (J, q, P), (J, q)."""
    q, P = Z.shape[1], U.shape[1]
    for i in range(codes.shape[0]):
        j, w = codes[i], weights[i]
        for a in range(q):
            wz = w * Z[i, a]
            Zy[j, a] += wz * y[i]
            for b in range(q):
                ZZ[j, a, b] += wz * Z[i, b]
            for b in range(P):
                ZU[j, a, b] += wz * U[i, b]


@entry_point
def add_pairs(where: NDArray[np.int64], Z1: Array, Z2: Array, weights: Array, ZZ: Array) -> None:
    """Add z1 z2' of every row to its pair of levels: shape (c, q1, q2)."""
    for i in range(where.shape[0]):
        c, w = where[i], weights[i]
        for a in range(Z1.shape[1]):
            for b in range(Z2.shape[1]):
                ZZ[c, a, b] += w * Z1[i, a] * Z2[i, b]
