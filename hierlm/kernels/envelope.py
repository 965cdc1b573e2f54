r"""Symmetric matrices within an envelope: Cholesky factor, solves, the inverse where it is needed.

Row i of the lower triangle is kept from its first column that is not zero; a Cholesky factor fills
nothing outside. Cost and memory follow the envelope: when levels stand before the level that
they lie in, nested factors take blocks on the diagonal and one block for each pair of inner and
outer level, and only the columns that meet everything take full rows.

.. math::
    A = LL', \quad N = A^{-1}: \quad
    N_{ij} = \Big(\delta_{ij}/L_{jj} - \sum_{k > j} L_{kj} N_{ki}\Big) / L_{jj}, \quad i \geq j

For (i, j) within the envelope the sum has only terms within it (Takahashi, Fagan and Chen 1973;
Erisman and Tinney 1975, doi:10.1145/360680.360704).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import kernel
from hierlm.kernels.lapack import FACTOR, INVERT, potr

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Envelope(NamedTuple):
    """Where the entries of a symmetric matrix stand: (i, j) at ``at[i] + j``.

    A row goes on to the end of its level's block, so that blocks on the diagonal are whole. Where
    most entries are within, the array is an m x m matrix, which LAPACK factors.
    """

    first: Index  # (m,) first column of each row
    end: Index  # (m,) where its block ends
    at: Index  # (m,)
    lapack: Index  # addresses, see `hierlm.kernels.lapack`; none for loops


@kernel
def cholesky(envelope: Envelope, A: Array) -> None:
    """Replace the lower triangle of A by its Cholesky factor; NaN where there is none."""
    first, at, m = envelope.first, envelope.at, envelope.at.shape[0]
    if envelope.lapack.shape[0] > 0:
        if potr(envelope.lapack[FACTOR], A.ctypes.data, m) != 0:
            A[0] = math.nan
        return
    for i in range(m):
        for j in range(first[i], i + 1):
            total = A[at[i] + j]
            for k in range(max(first[i], first[j]), j):
                total -= A[at[i] + k] * A[at[j] + k]
            A[at[i] + j] = math.sqrt(total) if i == j else total / A[at[j] + j]


@kernel
def solve_lower(envelope: Envelope, L: Array, b: Array) -> None:
    """Replace b by L^{-1} b."""
    at = envelope.at
    for i in range(b.shape[0]):
        total = b[i]
        for k in range(envelope.first[i], i):
            total -= L[at[i] + k] * b[k]
        b[i] = total / L[at[i] + i]


@kernel
def solve_upper(envelope: Envelope, L: Array, b: Array) -> None:
    """Replace b by L'^{-1} b."""
    at = envelope.at
    for i in range(b.shape[0] - 1, -1, -1):
        b[i] /= L[at[i] + i]
        for k in range(envelope.first[i], i):
            b[k] -= L[at[i] + k] * b[i]


@kernel
def inverse_from_factor(envelope: Envelope, L: Array) -> Array:
    """Return the entries of N = (L L')^{-1} within the envelope.

    From the last row to the first; each entry, when it is known, is taken out of the sums of the
    entries before it.
    """
    first, at, m = envelope.first, envelope.at, envelope.at.shape[0]
    if envelope.lapack.shape[0] > 0:
        N = L.copy()
        potr(envelope.lapack[INVERT], N.ctypes.data, m)
    else:
        N = np.zeros(L.shape)
        for i in range(m):
            N[at[i] + i] = 1.0 / L[at[i] + i]
        for i in range(m - 1, -1, -1):
            for j in range(i, first[i] - 1, -1):
                n = N[at[i] + j] / L[at[j] + j]
                N[at[i] + j] = n
                for k in range(max(first[i], first[j]), j):
                    N[at[i] + k] -= n * L[at[j] + k]
                if j < i:
                    for k in range(max(first[i], first[j]), j + 1):
                        N[at[j] + k] -= n * L[at[i] + k]
    for i in range(m):
        for j in range(i + 1, envelope.end[i]):
            N[at[i] + j] = N[at[j] + i]
    return N


@kernel
def subtract_product(envelope: Envelope, K: Array, b: Array, out: Array) -> None:
    """Subtract K b from out."""
    at = envelope.at
    for i in range(b.shape[0]):
        total = K[at[i] + i] * b[i]
        for j in range(envelope.first[i], i):
            total += K[at[i] + j] * b[j]
            out[j] -= K[at[i] + j] * b[i]
        out[i] -= total
