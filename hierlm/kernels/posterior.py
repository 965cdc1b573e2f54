"""The collapsed posterior in real coordinates: likelihood, priors and Jacobians, with gradient."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import entry_point, inlined, kernel
from hierlm.kernels.collapsed import log_likelihood
from hierlm.kernels.elimination import forward, mode, residual_products
from hierlm.kernels.envelope import solve_upper
from hierlm.kernels.priors import log_density
from hierlm.kernels.problem import Problem, apply_scale
from hierlm.kernels.transforms import (
    FOLDED,
    constrain,
    correlation_factor,
    correlation_factor_adjoint,
    lkj,
)

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


class Layout(NamedTuple):
    """Where parameters stand among the coordinates; -1 marks a parameter that is fixed.

    Coordinates: the scalars (sds factor by factor, sigma, sampled coefficients), each with a row
    of `priors`; then the canonical partial correlations of every correlated part.
    """

    priors: Array  # (scalars, WIDTH), see `hierlm.kernels.priors`
    sd_at: Codes  # (factors, q)
    sd_fixed: Array  # (factors, q)
    C_fixed: Array  # (factors, q, q), the identity where correlations are free or absent
    parts: Codes  # (parts, 4): factor, first coefficient, size, first coordinate
    etas: Array  # (parts,)
    sigma_at: int
    sigma_fixed: float
    beta_at: Codes  # (pn,)
    beta_reference: Array  # (pn,) where the residual e was taken, or the fixed difference from it


@kernel
def unpack(x: Array, layout: Layout, T: Array, C: Array, sd: Array, beta: Array) -> float:
    """Write T = diag(sd) C, C, sd and the sampled coefficients; return sigma.

    Folded sds have a sign.
    """
    for k in range(C.shape[0]):
        for a in range(C.shape[1]):
            for b in range(C.shape[2]):
                C[k, a, b] = layout.C_fixed[k, a, b]
    for p in range(layout.parts.shape[0]):
        k, first, size, at = layout.parts[p]
        correlation_factor(
            x[at : at + size * (size - 1) // 2], C[k, first : first + size, first : first + size]
        )
    for k in range(sd.shape[0]):
        for a in range(sd.shape[1]):
            at = layout.sd_at[k, a]
            sd[k, a] = layout.sd_fixed[k, a] if at < 0 else scalar(x, layout, at)
            for b in range(sd.shape[1]):
                T[k, a, b] = sd[k, a] * C[k, a, b]
    for c in range(beta.shape[0]):
        at = layout.beta_at[c]
        beta[c] = (0.0 if at < 0 else scalar(x, layout, at)) - layout.beta_reference[c]
    return layout.sigma_fixed if layout.sigma_at < 0 else scalar(x, layout, layout.sigma_at)


@kernel
def scalar(x: Array, layout: Layout, at: int) -> float:
    """Return the scalar parameter at a coordinate."""
    row = layout.priors[at]
    return constrain(int(row[4]), row[5], row[6], x[at])[0]


@kernel
def pull_back(
    x: Array,
    layout: Layout,
    sd: Array,
    C: Array,
    dT: Array,
    dsigma: float,
    dbeta: Array,
    grad: Array,
) -> float:
    """Return log priors and Jacobians; write the gradient of them and of the likelihood.

    Parameters
    ----------
    x : ndarray of shape (d,)
    dT, dsigma, dbeta
        Gradient of the likelihood in the parameters.
    grad : ndarray of shape (d,)
    """
    total = 0.0
    for at in range(grad.shape[0]):
        grad[at] = 0.0
    for k in range(sd.shape[0]):
        for a in range(sd.shape[1]):
            if layout.sd_at[k, a] >= 0:
                for b in range(a + 1):
                    grad[layout.sd_at[k, a]] += C[k, a, b] * dT[k, a, b]
    if layout.sigma_at >= 0:
        grad[layout.sigma_at] = dsigma
    for c in range(dbeta.shape[0]):
        if layout.beta_at[c] >= 0:
            grad[layout.beta_at[c]] = dbeta[c]
    for at in range(layout.priors.shape[0]):
        row = layout.priors[at]
        value, slope, jacobian, djacobian = constrain(int(row[4]), row[5], row[6], x[at])
        sign = -1.0 if int(row[4]) == FOLDED and value < 0 else 1.0
        density, ddensity = log_density(row, sign * value)
        total += density + jacobian
        grad[at] = (grad[at] + sign * ddensity) * slope + djacobian
    for p in range(layout.parts.shape[0]):
        k, first, size, at = layout.parts[p]
        C_bar = np.empty((size, size))
        for a in range(size):
            for b in range(size):
                C_bar[a, b] = sd[k, first + a] * dT[k, first + a, first + b]
        end = at + size * (size - 1) // 2
        correlation_factor_adjoint(x[at:end], C_bar, grad[at:end])
        total += lkj(x[at:end], size, layout.etas[p], grad[at:end])
    return total


@inlined
def log_posterior(x: Array, grad: Array, problem: Problem, layout: Layout) -> float:
    """Return the log density at the coordinates x, and write its gradient.

    Parameters
    ----------
    x, grad : ndarray of shape (d,)
    problem : Problem
    layout : Layout
    """
    sd = np.empty(layout.sd_at.shape)
    T, C = np.empty(layout.C_fixed.shape), np.empty(layout.C_fixed.shape)
    dT, beta = np.empty(T.shape), np.empty(layout.beta_at.shape[0])
    dbeta = np.empty(beta.shape)
    sigma = unpack(x, layout, T, C, sd, beta)
    total, dsigma = log_likelihood(problem, T, sigma, beta, dT, dbeta)
    total += pull_back(x, layout, sd, C, dT, dsigma, dbeta, grad)
    return total if math.isfinite(total) else -math.inf


@entry_point
def parameters(xs: Array, layout: Layout, out: Array) -> None:
    """Write sds, correlation factors and sigma of many points, signs moved from sds to factors.

    Parameters
    ----------
    xs : ndarray of shape (S, d)
    out : ndarray of shape (S, factors * q + factors * q * q + 1 + pn)
    """
    nf, q = layout.sd_at.shape
    T, C, sd = np.empty((nf, q, q)), np.empty((nf, q, q)), np.empty((nf, q))
    beta = np.empty(layout.beta_at.shape[0])
    for s in range(xs.shape[0]):
        at = nf * q + nf * q * q
        out[s, at] = unpack(xs[s], layout, T, C, sd, beta)
        for k in range(nf):
            for a in range(q):
                out[s, k * q + a] = abs(sd[k, a])
                sign = math.copysign(1.0, sd[k, a])
                for b in range(q):
                    out[s, nf * q + (k * q + a) * q + b] = sign * C[k, a, b]
        for c in range(beta.shape[0]):
            out[s, at + 1 + c] = beta[c] + layout.beta_reference[c]


@entry_point
def draw_effects(
    xs: Array,
    noise: Array,
    problem: Problem,
    layout: Layout,
    columns: Codes,
    levels: Array,
    trailing: Array,
) -> None:
    """Draw effects and collapsed coefficients exactly, given each draw of the parameters.

    Parameters
    ----------
    xs : ndarray of shape (S, d)
    noise : ndarray of shape (S, J q + m)
        Standard normal.
    columns : ndarray of shape (m,), int64
        Which trailing column stands where in `trailing`.
    levels : ndarray of shape (S, J, q)
        Written: effects of the first factor.
    trailing : ndarray of shape (S, m)
        Written: effects of the other factors, then collapsed coefficients.
    """
    nf, q = layout.sd_at.shape
    q0, J = problem.Ze.shape
    m, pn = problem.Ke.shape[0], layout.beta_at.shape[0]
    T, C, sd, beta = np.empty((nf, q, q)), np.empty((nf, q, q)), np.empty((nf, q)), np.empty(pn)
    for s in range(xs.shape[0]):
        sigma = unpack(xs[s], layout, T, C, sd, beta)
        Ze, Ke, _ = residual_products(problem, beta)
        factors = forward(problem, T, sigma, Ze, Ke)
        v = factors.w
        for r in range(m):
            v[r] += noise[s, J * q0 + r]
        solve_upper(problem.envelope, factors.D, v)
        b = apply_scale(problem.pattern, T, v)
        for r in range(m):
            trailing[s, r] = b[columns[r]]
        for a in range(q0):
            for j in range(J):
                factors.f[a, j] += noise[s, a * J + j]
        u = mode(problem.pattern, factors, v)
        for j in range(J):
            for a in range(q0):
                levels[s, j, a] = 0.0
                for c in range(a + 1):
                    levels[s, j, a] += T[0, a, c] * u[c, j]
