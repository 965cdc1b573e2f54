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

Arrays over levels have them last, so that the inner loops run over contiguous levels. Level j meets
every collapsed coefficient, and the columns ``cols[ptr[j]:ptr[j + 1]]`` of the other factors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import kernel
from hierlm.kernels.linear import (
    backsolve_levels,
    cholesky,
    dot,
    factor_levels,
    inverse_from_factor,
    solve_levels,
    solve_lower,
    solve_upper,
)

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
    K: Array  # (m, m)
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
    D: Array  # (m, m) Cholesky factor of the trailing part
    w: Array  # (m,) its L^{-1} w
    KS: Array  # (m, m)


@kernel
def scale_columns(pattern: Pattern, T: Array, A: Array) -> Array:
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


@kernel
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


@kernel
def forward(problem: Problem, T: Array, sigma: float, Ze: Array, Ke: Array) -> Factors:
    """Factor M and solve for w, with the residual's cross-products Ze and Ke."""
    pattern, (q, J) = problem.pattern, Ze.shape
    m, m1, pc = Ke.shape[0], pattern.factor.shape[0], problem.h.shape[0]
    s2 = 1.0 / (sigma * sigma)
    KS = scale_columns(pattern, T, problem.K)
    D = s2 * scale_columns(pattern, T, KS.T)
    w = s2 * scale_rows(pattern, T, Ke)
    for a in range(m1):
        D[a, a] += 1.0
    for a in range(pc):
        w[m1 + a] += problem.h[a]
        for b in range(pc):
            D[m1 + a, m1 + b] += problem.precision[a, b]
    L, f, G = np.empty((q, q, J)), np.empty((q, J)), np.empty((q, pc, J))
    log_det = factor_levels(problem.ZZ, T, s2, L)
    solve_levels(T, s2, L, Ze, f)
    for s in range(pc):
        solve_levels(T, s2, L, problem.ZX[:, s], G[:, s])
    for a in range(q):
        for r in range(pc):
            w[m1 + r] -= dot(G[a, r], f[a])
            for s in range(r + 1):
                D[m1 + r, m1 + s] -= dot(G[a, r], G[a, s])
    CS, Gp = np.empty(pattern.vals.shape), np.empty(pattern.vals.shape)
    if m1 > 0:
        eliminate_pattern(pattern, T, s2, L, f, G, CS, Gp, D, w)
    cholesky(D)
    solve_lower(D, w)
    for a in range(m):
        log_det += 2.0 * math.log(D[a, a])
    return Factors(log_det, L, f, G, CS, Gp, D, w, KS)


@kernel
def eliminate_pattern(
    pattern: Pattern,
    T: Array,
    s2: float,
    L: Array,
    f: Array,
    G: Array,
    CS: Array,
    Gp: Array,
    D: Array,
    w: Array,
) -> None:
    """Write CS and Gp, and subtract what the levels eliminate from D and w."""
    q, pc, m1 = L.shape[0], G.shape[1], pattern.factor.shape[0]
    for t in range(pattern.cols.shape[0]):
        k, c = pattern.factor[pattern.cols[t]], pattern.coef[pattern.cols[t]]
        for a in range(q):
            CS[a, t] = 0.0
            for d in range(c, pattern.sizes[k]):  # T is lower triangular
                CS[a, t] += pattern.vals[a, t - c + d] * T[k, d, c]
    for j in range(L.shape[2]):
        for t in range(pattern.ptr[j], pattern.ptr[j + 1]):
            col = pattern.cols[t]
            for a in range(q):
                total = 0.0
                for c in range(a, q):
                    total += s2 * T[0, c, a] * CS[c, t]
                for c in range(a):
                    total -= L[a, c, j] * Gp[c, t]
                g = total / L[a, a, j]
                Gp[a, t] = g
                w[col] -= g * f[a, j]
                for s in range(pattern.ptr[j], t + 1):
                    D[col, pattern.cols[s]] -= g * Gp[a, s]
                for s in range(pc):
                    D[m1 + s, col] -= g * G[a, s, j]


@kernel
def log_likelihood(
    problem: Problem, T: Array, sigma: float, beta: Array, dT: Array, dbeta: Array
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
    (q, J), m1 = problem.Ze.shape, problem.pattern.factor.shape[0]
    m, pc, s2 = problem.Ke.shape[0], problem.h.shape[0], 1.0 / (sigma * sigma)
    Ze, Ke, ee = residual_products(problem, beta)
    factors = forward(problem, T, sigma, Ze, Ke)
    quadratic = s2 * ee + problem.c - dot(factors.w, factors.w)
    for a in range(q):
        quadratic -= dot(factors.f[a], factors.f[a])
    logp = problem.log_constant - problem.n * math.log(sigma)
    logp -= 0.5 * (factors.log_det + quadratic)
    v = factors.w.copy()
    solve_upper(factors.D, v)
    dT[:] = 0.0
    trace, squares = backward(problem, T, s2, Ze, Ke, factors, v, beta, dT, dbeta)
    for a in range(pc):
        squares -= 2.0 * problem.h[a] * v[m1 + a]
        for b in range(pc):
            squares += problem.precision[a, b] * v[m1 + a] * v[m1 + b]
    residual = sigma * sigma * (quadratic - squares - problem.c)
    dsigma = (J * q + m - trace - problem.n) / sigma + residual / sigma**3
    return logp, dsigma


@kernel
def residual_products(problem: Problem, beta: Array) -> tuple[Array, Array, float]:
    """Return Z'e of the levels, K_e and e'e, with the sampled coefficients taken out of e."""
    Ze, Ke, ee, pn = problem.Ze, problem.Ke, problem.ee, beta.shape[0]
    if pn > 0:
        Ze, Ke = Ze.copy(), Ke.copy()
    for c in range(pn):
        ee += beta[c] * (dot(problem.NN[c], beta) - 2.0 * problem.Ne[c])
        for r in range(Ke.shape[0]):
            Ke[r] -= problem.KN[r, c] * beta[c]
        for a in range(Ze.shape[0]):
            for j in range(Ze.shape[1]):
                Ze[a, j] -= problem.ZN[a, c, j] * beta[c]
    return Ze, Ke, ee


@kernel
def backward(
    problem: Problem,
    T: Array,
    s2: float,
    Ze: Array,
    Ke: Array,
    factors: Factors,
    v: Array,
    beta: Array,
    dT: Array,
    dbeta: Array,
) -> tuple[float, float]:
    """Write the gradients; return tr(Pi M^{-1}) and the sum of squares of the effects u."""
    pattern, L, P, Pp = problem.pattern, factors.L, factors.G, factors.Gp
    (q, J), m, m1, pc = Ze.shape, v.shape[0], pattern.factor.shape[0], problem.h.shape[0]
    inverse = inverse_from_factor(factors.D)
    b = apply_scale(pattern, T, v)
    u = mode(pattern, factors, v)  # from here on G and Gp hold P = A^{-1} B
    H, Hp = np.zeros(P.shape), np.zeros(Pp.shape)
    for a in range(q):
        for s in range(pc):
            for r in range(pc):
                t = inverse[m1 + r, m1 + s]
                for j in range(J):
                    H[a, s, j] -= P[a, r, j] * t
    if m1 > 0:
        pattern_inverse(pattern, P, Pp, inverse, H, Hp)
    Minv = level_inverse(pattern, L, P, Pp, H, Hp)
    bu, R = np.zeros((q, J)), Ze.copy()
    trace, squares = 0.0, 0.0
    for a in range(q):
        trace += np.sum(Minv[a, a])
        squares += dot(u[a], u[a])
        for c in range(a + 1):
            for j in range(J):
                bu[a, j] += T[0, a, c] * u[c, j]
    level_residual(problem, bu, b, R)
    level_gradient(problem.ZZ, problem.ZX, T, s2, H, Minv, u, R, dT)
    residual = Ke - problem.K @ b
    if m1 > 0:
        trailing_gradient(pattern, T, s2, factors, inverse, Hp, bu, v, residual, dT)
    for c in range(beta.shape[0]):
        total = problem.Ne[c] - dot(problem.NN[c], beta)
        for r in range(m):
            total -= problem.KN[r, c] * b[r]
        for a in range(q):
            total -= dot(problem.ZN[a, c], bu[a])
        dbeta[c] = s2 * total
    for a in range(m1):
        trace += inverse[a, a]
        squares += v[a] * v[a]
    for a in range(pc):
        trace += dot(inverse[m1 + a, m1:], problem.precision[a])
    return trace, squares


@kernel
def mode(pattern: Pattern, factors: Factors, v: Array) -> Array:
    """Return u = L'^{-1} f - P v, turning G into P = L'^{-1} G = A^{-1} B on the way."""
    L, u, G, Gp = factors.L, factors.f, factors.G, factors.Gp
    (q, J), m1 = u.shape, pattern.factor.shape[0]
    backsolve_levels(L, u)
    for s in range(G.shape[1]):
        backsolve_levels(L, G[:, s])
        for a in range(q):
            for j in range(J):
                u[a, j] -= G[a, s, j] * v[m1 + s]
    if m1 > 0:
        for j in range(J):
            for t in range(pattern.ptr[j], pattern.ptr[j + 1]):
                for a in range(q - 1, -1, -1):
                    total = Gp[a, t]
                    for c in range(a + 1, q):
                        total -= L[c, a, j] * Gp[c, t]
                    Gp[a, t] = total / L[a, a, j]
                    u[a, j] -= Gp[a, t] * v[pattern.cols[t]]
    return u


@kernel
def pattern_inverse(
    pattern: Pattern, P: Array, Pp: Array, inverse: Array, H: Array, Hp: Array
) -> None:
    """Complete H and write Hp: the blocks -P inverse of M^{-1} beside each level."""
    q, pc, J = P.shape
    m1 = pattern.factor.shape[0]
    for j in range(J):
        start, end = pattern.ptr[j], pattern.ptr[j + 1]
        for t in range(start, end):
            row = pattern.cols[t]
            for a in range(q):
                g = Pp[a, t]
                for s in range(start, end):
                    Hp[a, s] -= g * inverse[row, pattern.cols[s]]
                for s in range(pc):
                    H[a, s, j] -= g * inverse[row, m1 + s]
                    Hp[a, t] -= P[a, s, j] * inverse[row, m1 + s]


@kernel
def level_inverse(pattern: Pattern, L: Array, P: Array, Pp: Array, H: Array, Hp: Array) -> Array:
    """Return M^{-1}_{jj} = A_j^{-1} - H_j P_j', of shape (q, q, J)."""
    q, pc, J = P.shape
    Minv = np.zeros((q, q, J))
    for a in range(q):
        for j in range(J):
            Minv[a, a, j] = 1.0 / L[a, a, j]
        for c in range(a + 1, q):  # column a of L^{-1}
            for d in range(a, c):
                for j in range(J):
                    Minv[c, a, j] -= L[c, d, j] * Minv[d, a, j]
            for j in range(J):
                Minv[c, a, j] /= L[c, c, j]
        backsolve_levels(L, Minv[:, a])
        for c in range(q):
            for s in range(pc):
                for j in range(J):
                    Minv[c, a, j] -= H[c, s, j] * P[a, s, j]
    if pattern.factor.shape[0] > 0:
        for j in range(J):
            for t in range(pattern.ptr[j], pattern.ptr[j + 1]):
                for a in range(q):
                    for c in range(q):
                        Minv[c, a, j] -= Hp[c, t] * Pp[a, t]
    return Minv


@kernel
def level_residual(problem: Problem, bu: Array, b: Array, R: Array) -> None:
    """Subtract from R = Z'e what effects and coefficients explain: R = Z' e-hat."""
    pattern, (q, J) = problem.pattern, R.shape
    m1 = pattern.factor.shape[0]
    for a in range(q):
        for c in range(q):
            for j in range(J):
                R[a, j] -= problem.ZZ[a, c, j] * bu[c, j]
        for s in range(problem.ZX.shape[1]):
            for j in range(J):
                R[a, j] -= problem.ZX[a, s, j] * b[m1 + s]
    if m1 > 0:
        for j in range(J):
            for t in range(pattern.ptr[j], pattern.ptr[j + 1]):
                for a in range(q):
                    R[a, j] -= pattern.vals[a, t] * b[pattern.cols[t]]


@kernel
def level_gradient(
    ZZ: Array,
    ZX: Array,
    T: Array,
    s2: float,
    H: Array,
    Minv: Array,
    u: Array,
    R: Array,
    dT: Array,
) -> None:
    """Add (R u' - (K S M^{-1})_jj) / sigma^2 to the gradient in the first factor's T."""
    q = u.shape[0]
    for a in range(q):
        for c in range(a + 1):
            total = dot(R[a], u[c])
            for d in range(q):
                for e in range(d + 1):
                    total -= T[0, d, e] * dot(ZZ[a, d], Minv[e, c])
            for s in range(ZX.shape[1]):
                total -= dot(ZX[a, s], H[c, s])
            dT[0, a, c] += s2 * total


@kernel
def trailing_gradient(
    pattern: Pattern,
    T: Array,
    s2: float,
    factors: Factors,
    inverse: Array,
    Hp: Array,
    bu: Array,
    v: Array,
    residual: Array,
    dT: Array,
) -> None:
    """Add what the pattern says of the first factor's T, and the gradient in the others' T."""
    q, J = bu.shape
    for j in range(J):
        for t in range(pattern.ptr[j], pattern.ptr[j + 1]):
            col = pattern.cols[t]
            k, c = pattern.factor[col], pattern.coef[col]
            for a in range(q):
                residual[col] -= pattern.vals[a, t] * bu[a, j]
                for e in range(a + 1):
                    dT[0, a, e] -= s2 * factors.CS[a, t] * Hp[e, t]
                    for d in range(c + 1):
                        dT[k, c, d] -= s2 * pattern.vals[a, t] * T[0, a, e] * Hp[e, t - c + d]
    for col in range(pattern.factor.shape[0]):
        k, c = pattern.factor[col], pattern.coef[col]
        for d in range(c + 1):
            other = col - c + d
            total = residual[col] * v[other]
            for r in range(v.shape[0]):
                total -= factors.KS[col, r] * inverse[r, other]
            dT[k, c, d] += s2 * total


@kernel
def conditional_mode(
    problem: Problem, T: Array, sigma: float
) -> tuple[float, float, Array, Array, Array]:
    """Return log|M|, the quadratic form, u of the first factor, v of the trailing columns, and D.

    For maximum likelihood; the sampled coefficients, if any, stay where the residual was taken.
    """
    factors = forward(problem, T, sigma, problem.Ze, problem.Ke)
    quadratic = problem.ee / (sigma * sigma) + problem.c - dot(factors.w, factors.w)
    for a in range(factors.f.shape[0]):
        quadratic -= dot(factors.f[a], factors.f[a])
    v = factors.w.copy()
    solve_upper(factors.D, v)
    return factors.log_det, quadratic, mode(problem.pattern, factors, v), v, factors.D
