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

The first factor is eliminated level by level (M has q x q blocks there); what is left, the
"trailing" columns of the other factors and of the coefficients, is factored within its envelope,
which is full for crossed factors and sparse for nested ones (`hierlm.kernels.envelope`). Of M^{-1}
only the entries where K is not zero are needed. T is never inverted, so sds of zero are fine.

Arrays over levels have them last, so that the inner loops run over contiguous levels. Level j meets
every collapsed coefficient, and the columns ``cols[ptr[j]:ptr[j + 1]]`` of the other factors.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import inlined, kernel
from hierlm.kernels.elimination import forward, mode, quadratic_form, residual_products
from hierlm.kernels.envelope import Envelope, inverse_from_factor, solve_upper, subtract_product
from hierlm.kernels.linear import backsolve_levels, dot
from hierlm.kernels.problem import Factors, Pattern, Problem, apply_scale

Array = NDArray[np.float64]


@inlined
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
    quadratic = quadratic_form(problem, factors, sigma, ee)
    logp = problem.log_constant - problem.n * math.log(sigma)
    logp -= 0.5 * (factors.log_det + quadratic)
    v = factors.w.copy()
    solve_upper(problem.envelope, factors.D, v)
    for k in range(dT.shape[0]):
        for a in range(dT.shape[1]):
            for b in range(dT.shape[2]):
                dT[k, a, b] = 0.0
    trace, squares = backward(problem, T, s2, Ze, Ke, factors, v, beta, dT, dbeta)
    for a in range(pc):
        squares -= 2.0 * problem.h[a] * v[m1 + a]
        for b in range(pc):
            squares += problem.precision[a, b] * v[m1 + a] * v[m1 + b]
    residual = sigma * sigma * (quadratic - squares - problem.c)
    dsigma = (J * q + m - trace - problem.n) / sigma + residual / sigma**3
    return logp, dsigma


@inlined
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
    envelope, at = problem.envelope, problem.envelope.at
    inverse = inverse_from_factor(envelope, factors.D)
    b = apply_scale(pattern, T, v)
    u = mode(pattern, factors, v)  # from here on G and Gp hold P = A^{-1} B
    H, Hp = np.zeros(P.shape), np.zeros(Pp.shape)
    for a in range(q):
        for s in range(pc):
            for r in range(pc):
                t = inverse[at[m1 + r] + m1 + s]
                for j in range(J):
                    H[a, s, j] -= P[a, r, j] * t
    if m1 > 0:
        pattern_inverse(pattern, envelope, P, Pp, inverse, H, Hp)
    Minv = level_inverse(pattern, L, P, Pp, H, Hp)
    bu, R = np.zeros((q, J)), Ze.copy()
    trace, squares = 0.0, 0.0
    for a in range(q):
        for j in range(J):
            trace += Minv[a, a, j]
        squares += dot(u[a], u[a])
        for c in range(a + 1):
            for j in range(J):
                bu[a, j] += T[0, a, c] * u[c, j]
    level_residual(problem, bu, b, R)
    level_gradient(problem.ZZ, problem.ZX, T, s2, H, Minv, u, R, dT)
    residual = Ke.copy()
    subtract_product(envelope, problem.K, b, residual)
    if m1 > 0:
        pattern_gradient(pattern, T, s2, factors.CS, Hp, bu, residual, dT)
        trailing_gradient(problem, T, s2, factors.KS, inverse, v, residual, dT)
    for c in range(beta.shape[0]):
        total = problem.Ne[c] - dot(problem.NN[c], beta)
        for r in range(m):
            total -= problem.KN[r, c] * b[r]
        for a in range(q):
            total -= dot(problem.ZN[a, c], bu[a])
        dbeta[c] = s2 * total
    for a in range(m1):
        trace += inverse[at[a] + a]
        squares += v[a] * v[a]
    for a in range(pc):
        for c in range(pc):
            trace += inverse[at[m1 + a] + m1 + c] * problem.precision[a, c]
    return trace, squares


@kernel
def pattern_inverse(
    pattern: Pattern,
    envelope: Envelope,
    P: Array,
    Pp: Array,
    inverse: Array,
    H: Array,
    Hp: Array,
) -> None:
    """Complete H and write Hp: the blocks -P inverse of M^{-1} beside each level."""
    q, pc, J = P.shape
    at, m1 = envelope.at, pattern.factor.shape[0]
    for j in range(J):
        start, end = pattern.ptr[j], pattern.ptr[j + 1]
        for t in range(start, end):
            col = pattern.cols[t]
            row = inverse[at[col] :]
            for a in range(q):
                g = Pp[a, t]
                total = -g * row[col]
                for s in range(start, t):
                    both = row[pattern.cols[s]]
                    Hp[a, s] -= g * both
                    total -= Pp[a, s] * both
                for s in range(pc):
                    both = inverse[at[m1 + s] + col]
                    H[a, s, j] -= g * both
                    total -= P[a, s, j] * both
                Hp[a, t] += total


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
def pattern_gradient(
    pattern: Pattern,
    T: Array,
    s2: float,
    CS: Array,
    Hp: Array,
    bu: Array,
    residual: Array,
    dT: Array,
) -> None:
    """Add what the pattern says of every T, and take the first factor's effects from residual."""
    q, J = bu.shape
    for a in range(q):
        for e in range(a + 1):
            dT[0, a, e] -= s2 * dot(CS[a], Hp[e])
    for j in range(J):
        for t in range(pattern.ptr[j], pattern.ptr[j + 1]):
            col = pattern.cols[t]
            k, c = pattern.factor[col], pattern.coef[col]
            for e in range(q):
                residual[col] -= pattern.vals[e, t] * bu[e, j]
                scaled = 0.0
                for a in range(e, q):
                    scaled += s2 * T[0, a, e] * pattern.vals[a, t]
                for d in range(c + 1):
                    dT[k, c, d] -= scaled * Hp[e, t - c + d]


@kernel
def trailing_gradient(
    problem: Problem,
    T: Array,
    s2: float,
    KS: Array,
    inverse: Array,
    v: Array,
    residual: Array,
    dT: Array,
) -> None:
    """Add the gradient in the other factors' T that the trailing columns have.

    Row i of K is kept up to its level's block: what stands above, (K S M^{-1}) of the columns
    before it, comes from the same entries transposed.
    """
    pattern, envelope, K = problem.pattern, problem.envelope, problem.K
    m1 = pattern.factor.shape[0]
    for row in range(v.shape[0]):
        at, first, block, k, c, size = envelope.at[row], envelope.first[row], m1, 0, 0, 1
        if row < m1:
            k, c = pattern.factor[row], pattern.coef[row]
            block, size = row - c, pattern.sizes[k]
            for d in range(c + 1):
                other = envelope.at[block + d]
                total = residual[row] * v[block + d]
                for r in range(first, envelope.end[row]):
                    total -= KS[at + r] * inverse[other + r]
                dT[k, c, d] += s2 * total
        for r in range(first, block):
            if row < m1:
                value = 0.0
                for d in range(c, size):
                    value += T[k, d, c] * K[envelope.at[block + d] + r]
            else:
                value = K[at + r]
            for d in range(pattern.coef[r] + 1):
                g = value * inverse[at + r - pattern.coef[r] + d]
                dT[pattern.factor[r], pattern.coef[r], d] -= s2 * g
