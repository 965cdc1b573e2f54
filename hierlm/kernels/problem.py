"""The cross-products of a Gaussian model, packed for compiled code, and the scaling by T."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import inlined, kernel
from hierlm.kernels.envelope import Envelope

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Pattern(NamedTuple):
    """Which columns of other factors each level of the first factor meets."""

    ptr: Index  # (J + 1,)
    cols: Index  # (nnz,)
    vals: Array  # (q, nnz) cross-products of the level with the column
    factor: Index  # (m1,) factor of each trailing column, from 1
    coef: Index  # (m1,) its coefficient within the factor
    sizes: Index  # (factors,) coefficients of each factor


class Problem(NamedTuple):
    """Cross-products, packed for compiled code; see `hierlm.engines.packing`.

    J, q: levels and coefficients of the first factor; m1: trailing columns of the other factors;
    pc: collapsed coefficients; m = m1 + pc; pn: coefficients that are sampled.
    """

    n: float
    log_constant: float  # terms of the log density that no parameter changes
    ee: float
    ZZ: Array  # (q, q, J)
    Ze: Array  # (q, J)
    ZX: Array  # (q, pc, J)
    ZN: Array  # (q, pn, J)
    pattern: Pattern
    envelope: Envelope
    K: Array  # (m, m), within the envelope
    Ke: Array  # (m,)
    KN: Array  # (m, pn)
    Ne: Array  # (pn,)
    NN: Array  # (pn, pn)
    precision: Array  # (pc, pc) prior precision of the collapsed coefficients
    h: Array  # (pc,) precision times prior mean
    c: float  # prior mean, precision, prior mean


class Factors(NamedTuple):
    """M factored, and solved for w."""

    log_det: float
    L: Array  # (q, q, J) Cholesky factors of the levels
    f: Array  # (q, J) L^{-1} w of the levels
    G: Array  # (q, pc, J) L^{-1} times the coupling with the coefficients
    CS: Array  # (q, nnz) coupling with the columns of other factors, times S
    Gp: Array  # (q, nnz) L^{-1} T' CS / sigma^2
    D: Array  # (m, m) Cholesky factor of the trailing part, within the envelope
    w: Array  # (m,) its L^{-1} w
    KS: Array  # (m, m), within the envelope


@kernel
def scale_columns(pattern: Pattern, envelope: Envelope, T: Array, K: Array) -> Array:
    """Return K S: column (i, c) of factor k becomes the sum over d of K[:, (i, d)] T_k[d, c]."""
    out = K.copy()
    for row in range(envelope.at.shape[0]):
        start = envelope.at[row]
        for col in range(envelope.first[row], min(envelope.end[row], pattern.factor.shape[0])):
            k, c = pattern.factor[col], pattern.coef[col]
            total = 0.0
            for d in range(c, pattern.sizes[k]):  # T is lower triangular
                total += K[start + col - c + d] * T[k, d, c]
            out[start + col] = total
    return out


@kernel
def scale_both(pattern: Pattern, envelope: Envelope, T: Array, KS: Array) -> Array:
    """Return S' K S from K S."""
    at, out = envelope.at, KS.copy()
    for row in range(pattern.factor.shape[0]):
        k, c = pattern.factor[row], pattern.coef[row]
        for col in range(envelope.first[row], envelope.end[row]):
            out[at[row] + col] = T[k, c, c] * KS[at[row] + col]
        for d in range(c + 1, pattern.sizes[k]):
            for col in range(envelope.first[row], envelope.end[row]):
                out[at[row] + col] += T[k, d, c] * KS[at[row - c + d] + col]
    return out


@kernel
def scale_rows(pattern: Pattern, T: Array, b: Array) -> Array:
    """Return S' b for a vector over the trailing columns."""
    out = b.copy()
    for col in range(pattern.factor.shape[0]):
        k, c = pattern.factor[col], pattern.coef[col]
        total = 0.0
        for d in range(c, pattern.sizes[k]):
            total += b[col - c + d] * T[k, d, c]
        out[col] = total
    return out


@inlined
def apply_scale(pattern: Pattern, T: Array, v: Array) -> Array:
    """Return S v for a vector over the trailing columns."""
    out = v.copy()
    for col in range(pattern.factor.shape[0]):
        k, c = pattern.factor[col], pattern.coef[col]
        total = 0.0
        for d in range(c + 1):
            total += T[k, c, d] * v[col - c + d]
        out[col] = total
    return out
