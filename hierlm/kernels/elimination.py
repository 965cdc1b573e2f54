"""Eliminate the levels of the largest factor: M factored, and the conditional mode.

`hierlm.kernels.collapsed` has the notation.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import entry_point, inlined, kernel
from hierlm.kernels.envelope import cholesky, solve_lower, solve_upper
from hierlm.kernels.linear import backsolve_levels, dot, factor_levels, solve_levels
from hierlm.kernels.problem import Factors, Pattern, Problem, scale_both, scale_columns, scale_rows

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@inlined
def forward(problem: Problem, T: Array, sigma: float, Ze: Array, Ke: Array) -> Factors:
    """Factor M and solve for w, with the residual's cross-products Ze and Ke."""
    pattern, envelope, (q, J) = problem.pattern, problem.envelope, Ze.shape
    at, m, m1, pc = envelope.at, Ke.shape[0], pattern.factor.shape[0], problem.h.shape[0]
    s2 = 1.0 / (sigma * sigma)
    KS = scale_columns(pattern, envelope, T, problem.K)
    D, w = scale_both(pattern, envelope, T, KS), scale_rows(pattern, T, Ke)
    for a in range(m):
        w[a] *= s2
    for a in range(D.shape[0]):
        D[a] *= s2
    for a in range(m1):
        D[at[a] + a] += 1.0
    for a in range(pc):
        w[m1 + a] += problem.h[a]
        for b in range(pc):
            D[at[m1 + a] + m1 + b] += problem.precision[a, b]
    L, f, G = np.empty((q, q, J)), np.empty((q, J)), np.empty((q, pc, J))
    log_det = factor_levels(problem.ZZ, T, s2, L)
    solve_levels(T, s2, L, Ze, f)
    for s in range(pc):
        solve_levels(T, s2, L, problem.ZX[:, s], G[:, s])
    for a in range(q):
        for r in range(pc):
            w[m1 + r] -= dot(G[a, r], f[a])
            for s in range(r + 1):
                D[at[m1 + r] + m1 + s] -= dot(G[a, r], G[a, s])
    CS, Gp = np.empty(pattern.vals.shape), np.empty(pattern.vals.shape)
    if m1 > 0:
        couple_pattern(pattern, T, s2, L, CS, Gp)
        eliminate_pattern(pattern, at, f, G, Gp, D, w)
    cholesky(envelope, D)
    solve_lower(envelope, D, w)
    for a in range(m):
        log_det += 2.0 * math.log(D[at[a] + a])
    return Factors(log_det, L, f, G, CS, Gp, D, w, KS)


@kernel
def couple_pattern(pattern: Pattern, T: Array, s2: float, L: Array, CS: Array, Gp: Array) -> None:
    """Write CS and Gp: how each level is coupled with the columns that it meets."""
    q = L.shape[0]
    for t in range(pattern.cols.shape[0]):
        k, c = pattern.factor[pattern.cols[t]], pattern.coef[pattern.cols[t]]
        for a in range(q):
            total = 0.0
            for d in range(c, pattern.sizes[k]):  # T is lower triangular
                total += pattern.vals[a, t - c + d] * T[k, d, c]
            CS[a, t] = total
    for j in range(L.shape[2]):
        for t in range(pattern.ptr[j], pattern.ptr[j + 1]):
            for a in range(q):
                total = 0.0
                for c in range(a, q):
                    total += s2 * T[0, c, a] * CS[c, t]
                for c in range(a):
                    total -= L[a, c, j] * Gp[c, t]
                Gp[a, t] = total / L[a, a, j]


@kernel
def eliminate_pattern(
    pattern: Pattern, at: Index, f: Array, G: Array, Gp: Array, D: Array, w: Array
) -> None:
    """Subtract what the levels eliminate from D and w."""
    (q, pc, J), m1 = G.shape, pattern.factor.shape[0]
    for j in range(J):
        for t in range(pattern.ptr[j], pattern.ptr[j + 1]):
            col = pattern.cols[t]
            row = D[at[col] :]
            for a in range(q):
                g = Gp[a, t]
                w[col] -= g * f[a, j]
                for s in range(pattern.ptr[j], t + 1):
                    row[pattern.cols[s]] -= g * Gp[a, s]
                for s in range(pc):
                    D[at[m1 + s] + col] -= g * G[a, s, j]


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
def quadratic_form(problem: Problem, factors: Factors, sigma: float, ee: float) -> float:
    """Return e'e / sigma^2 + c - w'M^{-1}w."""
    total = ee / (sigma * sigma) + problem.c - dot(factors.w, factors.w)
    for a in range(factors.f.shape[0]):
        total -= dot(factors.f[a], factors.f[a])
    return total


@entry_point
def conditional_mode(
    problem: Problem, T: Array, sigma: float
) -> tuple[float, float, Array, Array, Array]:
    """Return log|M|, the quadratic form, u of the first factor, v of the trailing columns, and R.

    R, of shape (pc, pc), is the part of M's Cholesky factor that the coefficients have. For maximum
    likelihood; the sampled coefficients, if any, stay where the residual was taken.
    """
    factors = forward(problem, T, sigma, problem.Ze, problem.Ke)
    quadratic = quadratic_form(problem, factors, sigma, problem.ee)
    v = factors.w.copy()
    solve_upper(problem.envelope, factors.D, v)
    at, m1, pc = problem.envelope.at, problem.pattern.factor.shape[0], problem.h.shape[0]
    R = np.zeros((pc, pc))
    for a in range(pc):
        for b in range(a + 1):
            R[a, b] = factors.D[at[m1 + a] + m1 + b]
    return factors.log_det, quadratic, mode(problem.pattern, factors, v), v, R
