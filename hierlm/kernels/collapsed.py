r"""The Gaussian likelihood with effects integrated out, and its gradient.

With all effects and collapsed coefficients stacked, v = (u, delta), b = S v, S = blockdiag(T_k, I):

.. math::
    M = \Pi + S'KS/\sigma^2, \quad w = S'K_e/\sigma^2 + h, \quad
    \hat v = M^{-1} w, \quad \hat e = e - [Z\, X] S \hat v

    \log p(y \mid T, \sigma) = -\tfrac12\left[n \log 2\pi\sigma^2 + \log|M| - \log|\Pi|
        + e'e/\sigma^2 + c - w'M^{-1}w\right]

K are the cross-products of [Z X], K_e those with e, the residual of a least-squares fit (so that
nothing large is subtracted); :math:`\Pi` is I for effects and the prior precision for coefficients,
and h, c carry the prior mean. The quadratic form is a minimum over v, so by the envelope theorem

.. math::
    \partial/\partial T_k = \frac{1}{\sigma^2} \sum_j \left[(Z'\hat e)_{kj} \hat u_{kj}'
        - (K S M^{-1})_{kj,kj}\right], \quad
    \partial/\partial\sigma = \frac{\mathrm{tr}(I - \Pi M^{-1}) - n}{\sigma}
        + \frac{\hat e'\hat e}{\sigma^3}

The largest factor is eliminated level by level (M has q x q blocks there); what is left, the
"trailing" columns of the other factors and of the coefficients, is dense. Of M^{-1} only the blocks
where K is not zero are computed. T is never inverted, so sds of zero are fine.

Levels couple with trailing columns through a pattern: level j of the first factor meets columns
``cols[ptr[j]:ptr[j + 1]]`` with cross-products ``vals`` of shape (q, nnz), and every coefficient.
Local to a level, its pattern's columns come first, then the pc coefficients; arrays over local
columns have them last, so that the inner loops run over contiguous memory.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import kernel

Array = NDArray[np.float64]


class Pattern(NamedTuple):
    """Which trailing columns each level of the first factor meets, and of which factor they are.

    Compiled functions take arrays apart: what a level does not need is not passed.
    """

    ptr: NDArray[np.int64]  # (J + 1,)
    cols: NDArray[np.int64]  # (nnz,)
    vals: Array  # (q, nnz)
    factor: NDArray[np.int64]  # (m1,) factor of each trailing column, from 1
    coef: NDArray[np.int64]  # (m1,) its coefficient within the factor
    sizes: NDArray[np.int64]  # (factors,) coefficients of each factor


class Problem(NamedTuple):
    """Cross-products, packed for compiled code; see `hierlm.engines.packing`.

    J, q: levels and coefficients of the first factor; m1: trailing columns of the other factors;
    pc: collapsed coefficients; m = m1 + pc; pn: coefficients that are sampled.
    """

    n: float
    log_constant: float  # terms of the log density that no parameter changes
    ee: float
    ZZ: Array  # (J, q, q)
    Ze: Array  # (J, q)
    ZX: Array  # (J, q, pc)
    ZN: Array  # (J, q, pn)
    pattern: Pattern
    K: Array  # (m, m)
    Ke: Array  # (m,)
    KN: Array  # (m, pn)
    Ne: Array  # (pn,)
    NN: Array  # (pn, pn)
    precision: Array  # (pc, pc) prior precision of the collapsed coefficients
    h: Array  # (pc,) precision times prior mean
    c: float  # prior mean, precision, prior mean


@kernel
def cholesky(A: NDArray) -> None:
    """Replace the lower triangle of A by its Cholesky factor."""
    for i in range(A.shape[0]):
        for j in range(i + 1):
            total = A[i, j]
            for k in range(j):
                total -= A[i, k] * A[j, k]
            A[i, j] = math.sqrt(total) if i == j else total / A[j, j]


@kernel
def solve_lower(L: NDArray, b: NDArray) -> None:
    """Replace b by L^{-1} b."""
    for i in range(L.shape[0]):
        total = b[i]
        for k in range(i):
            total -= L[i, k] * b[k]
        b[i] = total / L[i, i]


@kernel
def solve_upper(L: NDArray, b: NDArray) -> None:
    """Replace b by L'^{-1} b."""
    for i in range(L.shape[0] - 1, -1, -1):
        total = b[i]
        for k in range(i + 1, L.shape[0]):
            total -= L[k, i] * b[k]
        b[i] = total / L[i, i]


@kernel
def inverse_from_factor(L: NDArray) -> NDArray:
    """Return (L L')^{-1}."""
    m = L.shape[0]
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
def scale_columns(pattern: Pattern, T: NDArray, A: NDArray) -> NDArray:
    """Return A S: column (i, c) of factor k becomes the sum over d of A[:, (i, d)] T_k[d, c]."""
    out = A.copy()
    for col in range(pattern.factor.shape[0]):
        k, c = pattern.factor[col], pattern.coef[col]
        first = col - c
        for row in range(A.shape[0]):
            total = 0.0
            for d in range(c, pattern.sizes[k]):  # T is lower triangular
                total += A[row, first + d] * T[k, d, c]
            out[row, col] = total
    return out


@kernel
def scale_rows(pattern: Pattern, T: NDArray, b: NDArray) -> NDArray:
    """Return S' b for a vector over the trailing columns."""
    out = b.copy()
    for col in range(pattern.factor.shape[0]):
        k, c = pattern.factor[col], pattern.coef[col]
        total = 0.0
        for d in range(c, pattern.sizes[k]):
            total += b[col - c + d] * T[k, d, c]
        out[col] = total
    return out


@kernel
def apply_scale(pattern: Pattern, T: NDArray, v: NDArray) -> NDArray:
    """Return S v for a vector over the trailing columns."""
    out = v.copy()
    for col in range(pattern.factor.shape[0]):
        k, c = pattern.factor[col], pattern.coef[col]
        total = 0.0
        for d in range(c + 1):
            total += T[k, c, d] * v[col - c + d]
        out[col] = total
    return out


@kernel
def level_columns(
    pattern: Pattern, ZX: NDArray, T: NDArray, j: int, CS: NDArray, at: NDArray
) -> int:
    """Write [C_j S], of shape (q, columns), and the trailing column of each; return their number.

    C_j are the cross-products of level j with its columns.
    """
    q, pc, m1, count = ZX.shape[1], ZX.shape[2], pattern.factor.shape[0], 0
    if m1 > 0:
        count = pattern_columns(pattern, T, j, CS, at)
    for s in range(pc):
        at[count + s] = m1 + s
    for a in range(q):
        for s in range(pc):
            CS[a, count + s] = ZX[j, a, s]
    return count + pc


@kernel
def pattern_columns(pattern: Pattern, T: NDArray, j: int, CS: NDArray, at: NDArray) -> int:
    """Write the columns of other factors that level j meets; return their number."""
    start = pattern.ptr[j]
    count = pattern.ptr[j + 1] - start
    for s in range(count):
        col = pattern.cols[start + s]
        k, c = pattern.factor[col], pattern.coef[col]
        at[s] = col
        for a in range(CS.shape[0]):
            total = 0.0
            for d in range(c, pattern.sizes[k]):  # T is lower triangular
                total += pattern.vals[a, start + s - c + d] * T[k, d, c]
            CS[a, s] = total
    return count


@kernel
def level_factor(ZZ: NDArray, T: NDArray, s2: float, j: int, L: NDArray) -> None:
    """Write the Cholesky factor of A_j = I + T'Z_j'Z_j T / sigma^2 to L[j]."""
    q = L.shape[1]
    for a in range(q):
        for b in range(a + 1):
            total = 0.0
            for c in range(a, q):
                inner = 0.0
                for d in range(b, q):
                    inner += ZZ[j, c, d] * T[0, d, b]
                total += T[0, c, a] * inner
            total = s2 * total + (1.0 if a == b else 0.0)
            for c in range(b):
                total -= L[j, a, c] * L[j, b, c]
            L[j, a, b] = math.sqrt(total) if a == b else total / L[j, b, b]


@kernel
def level_solve(
    T: NDArray, s2: float, L: NDArray, j: int, CS: NDArray, size: int, G: NDArray
) -> None:
    """Write G[j] = L_j^{-1} T' C_j S / sigma^2, column by column of C_j S."""
    q = L.shape[1]
    for a in range(q):
        for s in range(size):
            G[j, a, s] = 0.0
        for c in range(a, q):
            t = s2 * T[0, c, a]
            for s in range(size):
                G[j, a, s] += t * CS[c, s]
        for c in range(a):
            t = L[j, a, c]
            for s in range(size):
                G[j, a, s] -= t * G[j, c, s]
        t = 1.0 / L[j, a, a]
        for s in range(size):
            G[j, a, s] *= t


@kernel
def eliminate(
    j: int, size: int, pc: int, at: NDArray, G: NDArray, f: NDArray, D: NDArray, w: NDArray
) -> None:
    """Subtract G_j'G_j from the lower triangle of D, and G_j'f_j from w."""
    count = size - pc
    first = at[count] if pc > 0 else 0
    for a in range(f.shape[1]):
        for r in range(size):
            row, g = at[r], G[j, a, r]
            w[row] -= g * f[j, a]
            for s in range(min(r + 1, count)):
                D[row, at[s]] -= g * G[j, a, s]
            for s in range(r + 1 - count):  # coefficients are contiguous
                D[row, first + s] -= g * G[j, a, count + s]


@kernel
def forward(
    problem: Problem, T: NDArray, sigma: float, Ze: NDArray, Ke: NDArray
) -> tuple[float, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray]:
    """Factor M.

    Returns
    -------
    log_det : float
        log|M|.
    L, f, G : ndarray of shape (J, q, q), (J, q), (J, q, columns)
        Factors of the levels, L^{-1} w of the levels, and L^{-1} times their coupling.
    D, w : ndarray of shape (m, m), (m,)
        Factor of the trailing part, and its L^{-1} w.
    KS : ndarray of shape (m, m)
    """
    pattern, ZZ, ZX = problem.pattern, problem.ZZ, problem.ZX
    J, q = Ze.shape
    m, m1, pc = Ke.shape[0], pattern.factor.shape[0], problem.h.shape[0]
    s2 = 1.0 / (sigma * sigma)
    KS = scale_columns(problem.pattern, T, problem.K)
    D = s2 * scale_columns(problem.pattern, T, KS.T)
    w = s2 * scale_rows(problem.pattern, T, Ke)
    for a in range(m1):
        D[a, a] += 1.0
    for a in range(pc):
        w[m1 + a] += problem.h[a]
        for b in range(pc):
            D[m1 + a, m1 + b] += problem.precision[a, b]
    width = pc
    for j in range(J):
        width = max(width, pattern.ptr[j + 1] - pattern.ptr[j] + pc)
    L, f, G = np.zeros((J, q, q)), np.empty((J, q)), np.empty((J, q, width))
    CS, at = np.empty((q, width)), np.empty(width, np.int64)
    log_det = 0.0
    for j in range(J):
        level_factor(ZZ, T, s2, j, L)
        for a in range(q):
            total = 0.0
            for c in range(a, q):
                total += s2 * T[0, c, a] * Ze[j, c]
            for c in range(a):
                total -= L[j, a, c] * f[j, c]
            f[j, a] = total / L[j, a, a]
            log_det += 2.0 * math.log(L[j, a, a])
        size = level_columns(pattern, ZX, T, j, CS, at)
        level_solve(T, s2, L, j, CS, size, G)
        eliminate(j, size, pc, at, G, f, D, w)
    cholesky(D)
    solve_lower(D, w)
    for a in range(m):
        log_det += 2.0 * math.log(D[a, a])
    return log_det, L, f, G, D, w, KS


@kernel
def log_likelihood(
    problem: Problem, T: NDArray, sigma: float, beta: NDArray, dT: NDArray, dbeta: NDArray
) -> tuple[float, float]:
    """Return the collapsed log density and its derivative in sigma; write those in T and beta.

    Parameters
    ----------
    problem : Problem
    T : ndarray of shape (factors, q, q)
        Lower triangular: diag(sd) times the Cholesky factor of the correlations.
    sigma : float
    beta : ndarray of shape (pn,)
        The coefficients that are sampled, as differences from the point where e was taken.
    dT : ndarray of the shape of T
    dbeta : ndarray of shape (pn,)
    """
    J, q = problem.Ze.shape
    m, m1, pn = problem.Ke.shape[0], problem.pattern.factor.shape[0], beta.shape[0]
    s2 = 1.0 / (sigma * sigma)
    Ze, Ke, ee = problem.Ze, problem.Ke, problem.ee
    if pn > 0:
        Ze, Ke = Ze.copy(), Ke.copy()
        for c in range(pn):
            ee -= 2.0 * beta[c] * problem.Ne[c]
            for d in range(pn):
                ee += beta[c] * beta[d] * problem.NN[c, d]
            for r in range(m):
                Ke[r] -= problem.KN[r, c] * beta[c]
            for j in range(J):
                for a in range(q):
                    Ze[j, a] -= problem.ZN[j, a, c] * beta[c]
    log_det, L, f, G, D, w, KS = forward(problem, T, sigma, Ze, Ke)
    quadratic = s2 * ee + problem.c - np.sum(f * f) - np.sum(w * w)
    logp = problem.log_constant - problem.n * math.log(sigma) - 0.5 * (log_det + quadratic)
    v = w.copy()
    solve_upper(D, v)
    dT[:] = 0.0
    trace, squares = backward(problem, T, s2, Ze, Ke, L, f, G, D, v, KS, beta, dT, dbeta)
    for a in range(m - m1):
        squares -= 2.0 * problem.h[a] * v[m1 + a]
        for b in range(m - m1):
            squares += problem.precision[a, b] * v[m1 + a] * v[m1 + b]
    residual = sigma * sigma * (quadratic - squares - problem.c)
    dsigma = (J * q + m - trace - problem.n) / sigma + residual / sigma**3
    return logp, dsigma


@kernel
def backward(
    problem: Problem,
    T: NDArray,
    s2: float,
    Ze: NDArray,
    Ke: NDArray,
    L: NDArray,
    f: NDArray,
    G: NDArray,
    D: NDArray,
    v: NDArray,
    KS: NDArray,
    beta: NDArray,
    dT: NDArray,
    dbeta: NDArray,
) -> tuple[float, float]:
    """Write the gradients; return tr(Pi M^{-1}) and the sum of squares of the effects u."""
    J, q = Ze.shape
    pattern, ZZ, ZX, ZN = problem.pattern, problem.ZZ, problem.ZX, problem.ZN
    m, m1, pc, pn = v.shape[0], pattern.factor.shape[0], problem.h.shape[0], beta.shape[0]
    inverse = inverse_from_factor(D)
    b = apply_scale(problem.pattern, T, v)
    residual = Ke.copy()
    for r in range(m):
        for s in range(m):
            residual[r] -= problem.K[r, s] * b[s]
    for c in range(pn):
        total = problem.Ne[c]
        for d in range(pn):
            total -= problem.NN[c, d] * beta[d]
        for r in range(m):
            total -= problem.KN[r, c] * b[r]
        dbeta[c] = total
    trace, squares, width = 0.0, 0.0, G.shape[2]
    CS, H, at = np.empty((q, width)), np.empty((q, width)), np.empty(width, np.int64)
    u, bj, R, Minv = np.empty(q), np.empty(q), np.empty(q), np.empty((q, q))
    for j in range(J):
        size = level_columns(pattern, ZX, T, j, CS, at)
        level_backsolve(L, f, G, j, size, at, v, u)
        level_inverse(L, G, j, size, pc, at, inverse, H, Minv)
        for a in range(q):
            trace += Minv[a, a]
            squares += u[a] * u[a]
            bj[a] = 0.0
            for c in range(a + 1):
                bj[a] += T[0, a, c] * u[c]
        for a in range(q):
            R[a] = Ze[j, a]
            for c in range(q):
                R[a] -= ZZ[j, a, c] * bj[c]
            for s in range(size):
                R[a] -= CS[a, s] * v[at[s]]
            for c in range(pn):
                dbeta[c] -= ZN[j, a, c] * bj[a]
        level_gradient(ZZ, T, s2, j, size, CS, H, Minv, u, R, dT)
        if m1 > 0:
            trailing_terms(pattern, T, s2, j, size - pc, H, bj, residual, dT)
    for c in range(pn):
        dbeta[c] *= s2
    trailing_gradient(pattern, s2, KS, inverse, v, residual, dT)
    for a in range(m1):
        trace += inverse[a, a]
        squares += v[a] * v[a]
    for a in range(pc):
        for c in range(pc):
            trace += inverse[m1 + a, m1 + c] * problem.precision[a, c]
    return trace, squares


@kernel
def level_backsolve(
    L: NDArray,
    f: NDArray,
    G: NDArray,
    j: int,
    size: int,
    at: NDArray,
    v: NDArray,
    u: NDArray,
) -> None:
    """Turn G_j into P = A_j^{-1} B_j = L'^{-1} G_j, and write u_j = L'^{-1} f_j - P v."""
    q = L.shape[1]
    for a in range(q - 1, -1, -1):
        u[a] = f[j, a]
        for c in range(a + 1, q):
            t = L[j, c, a]
            u[a] -= t * u[c]
            for s in range(size):
                G[j, a, s] -= t * G[j, c, s]
        t = 1.0 / L[j, a, a]
        u[a] *= t
        for s in range(size):
            G[j, a, s] *= t
    for a in range(q):
        for s in range(size):
            u[a] -= G[j, a, s] * v[at[s]]


@kernel
def level_inverse(
    L: NDArray,
    P: NDArray,
    j: int,
    size: int,
    pc: int,
    at: NDArray,
    inverse: NDArray,
    H: NDArray,
    Minv: NDArray,
) -> None:
    """Write blocks of M^{-1}: H = M^{-1}_{j, columns} = -P inverse, Minv = A^{-1} - H P'."""
    q, count = L.shape[1], size - pc
    first = at[count] if pc > 0 else 0
    for a in range(q):
        for s in range(size):
            H[a, s] = 0.0
        for r in range(size):
            row, g = at[r], P[j, a, r]
            for s in range(count):
                H[a, s] -= g * inverse[row, at[s]]
            for s in range(pc):
                H[a, count + s] -= g * inverse[row, first + s]
    for a in range(q):
        for c in range(q):  # column a of A^{-1}: forward, then backward
            total = 1.0 if a == c else 0.0
            for d in range(c):
                total -= L[j, c, d] * Minv[d, a]
            Minv[c, a] = total / L[j, c, c]
        for c in range(q - 1, -1, -1):
            total = Minv[c, a]
            for d in range(c + 1, q):
                total -= L[j, d, c] * Minv[d, a]
            Minv[c, a] = total / L[j, c, c]
    for a in range(q):
        for c in range(q):
            total = 0.0
            for s in range(size):
                total += H[c, s] * P[j, a, s]
            Minv[c, a] -= total


@kernel
def level_gradient(
    ZZ: NDArray,
    T: NDArray,
    s2: float,
    j: int,
    size: int,
    CS: NDArray,
    H: NDArray,
    Minv: NDArray,
    u: NDArray,
    R: NDArray,
    dT: NDArray,
) -> None:
    """Add (R u' - (K S M^{-1})_jj) / sigma^2 to the gradient in the first factor's T."""
    q = u.shape[0]
    for a in range(q):
        for c in range(a + 1):
            total = R[a] * u[c]
            for d in range(q):
                inner = 0.0
                for e in range(d + 1):
                    inner += T[0, d, e] * Minv[e, c]
                total -= ZZ[j, a, d] * inner
            for s in range(size):
                total -= CS[a, s] * H[c, s]
            dT[0, a, c] += s2 * total


@kernel
def trailing_terms(
    pattern: Pattern,
    T: NDArray,
    s2: float,
    j: int,
    count: int,
    H: NDArray,
    bj: NDArray,
    residual: NDArray,
    dT: NDArray,
) -> None:
    """Add what level j contributes to the residual and gradient of the other factors."""
    q, start = bj.shape[0], pattern.ptr[j]
    for s in range(count):
        col = pattern.cols[start + s]
        k, c = pattern.factor[col], pattern.coef[col]
        for a in range(q):
            residual[col] -= pattern.vals[a, start + s] * bj[a]
        for d in range(c + 1):
            total = 0.0
            for a in range(q):
                inner = 0.0
                for e in range(a + 1):
                    inner += T[0, a, e] * H[e, s - c + d]
                total += pattern.vals[a, start + s] * inner
            dT[k, c, d] -= s2 * total


@kernel
def trailing_gradient(
    pattern: Pattern,
    s2: float,
    KS: NDArray,
    inverse: NDArray,
    v: NDArray,
    residual: NDArray,
    dT: NDArray,
) -> None:
    """Add the gradient in the T of the trailing factors, from the trailing columns themselves."""
    for col in range(pattern.factor.shape[0]):
        k, c = pattern.factor[col], pattern.coef[col]
        for d in range(c + 1):
            other = col - c + d
            total = residual[col] * v[other]
            for r in range(v.shape[0]):
                total -= KS[col, r] * inverse[r, other]
            dT[k, c, d] += s2 * total
