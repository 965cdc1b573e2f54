r"""Log densities of rows and their slopes in the linear predictor and in the shapes.

Each is a loop over a chunk of rows. With w the weight of a row, y its response, s successes and f
failures, :math:`\phi` the normal density and :math:`\Phi` its integral:

==================  =======================================================================
binomial, logit     s eta - (s + f) log(1 + e^eta)
binomial, probit    s log Phi(eta) + f log Phi(-eta)
binomial, cloglog   s log(1 - exp(-e^eta)) - f e^eta
poisson, log        wy eta - w e^eta
negbinomial, log    w [y z - (y + alpha) log(1 + e^z)], z = eta - log alpha; lgamma in the table
gamma, log          -w alpha (eta + y e^-eta); what alpha alone changes in the table
normal              -w (y - mu)^2 / (2 sigma^2); log sigma in the table
student             -w (nu + 1)/2 log(1 + (y - mu)^2 / (nu sigma^2)); constants in the table
beta                w [mu kappa logit(y) - lgamma(mu kappa) - lgamma((1 - mu) kappa)] + ...
==================  =======================================================================

Means with other links go through these: with zeta = log mu(eta), or mu(eta), the slope is that in
zeta times d zeta / d eta; eta outside of a link's domain has no density.

Rows of one binomial or Poisson model that share their predictors are one row: s and f, or wy and w,
are sums. "The table" holds the distinct responses with their weights, for terms without eta.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import kernel
from hierlm.kernels.elementary import digamma, exponential, logistic

Array = NDArray[np.float64]

KINDS = {
    ("binomial", "logit"): 0,
    ("binomial", "probit"): 1,
    ("binomial", "cloglog"): 2,
    ("poisson", "log"): 3,
    ("negbinomial", "log"): 4,
    ("gamma", "log"): 5,
    ("gaussian", "identity"): 6,
    ("gaussian", "log"): 7,
    ("student", "identity"): 8,
    ("student", "log"): 9,
    ("beta", "logit"): 10,
    ("beta", "probit"): 11,
    ("beta", "cloglog"): 12,
    ("poisson", "identity"): 103,
    ("negbinomial", "identity"): 104,
    ("gamma", "identity"): 105,
    ("poisson", "sqrt"): 203,
    ("negbinomial", "sqrt"): 204,
    ("gamma", "inverse"): 305,
    ("gaussian", "inverse"): 406,
    ("student", "inverse"): 408,
}
"""Family and link -> the code in `chunk_density`; bernoulli and lognormal are two of these.

From 100 on, a hundred for each way through another link: zeta = log eta, 2 log |eta|, -log eta, and
the mean 1 / eta.
"""


@kernel
def chunk_density(
    kind: int, eta: Array, data: Array, start: int, shapes: Array, slope: Array, dshapes: Array
) -> float:
    """Return the log density of a chunk; write d / d eta to slope, add d / d shapes to dshapes.

    Parameters
    ----------
    kind : int
    eta : ndarray of shape (m,)
    data : ndarray of shape (3, n)
    start : int
        Where the chunk begins among the n rows.
    shapes : ndarray of shape (s,)
    slope : ndarray of shape (m,)
    dshapes : ndarray of shape (s,)
    """
    if kind >= 100:
        return through(kind, eta, data, start, shapes, slope, dshapes)
    end = start + eta.shape[0]  # rows of `data` one by one: each then is known to be contiguous
    one, two, three = data[0][start:end], data[1][start:end], data[2][start:end]
    if kind == 0:
        return binomial_logit(eta, one, two, slope)
    if kind == 1:
        return binomial_probit(eta, one, two, slope)
    if kind == 2:
        return binomial_cloglog(eta, one, two, slope)
    if kind == 3:
        return poisson_log(eta, one, two, slope)
    if kind == 4:
        return negbinomial_log(eta, one, two, shapes[0], slope, dshapes)
    if kind == 5:
        return gamma_log(eta, one, two, shapes[0], slope, dshapes)
    if kind == 6 or kind == 7:
        return normal(eta, one, two, shapes[0], kind == 7, slope, dshapes)
    if kind == 8 or kind == 9:
        return student(eta, one, two, shapes, kind == 9, slope, dshapes)
    return beta(eta, one, two, three, shapes[0], kind - 10, slope, dshapes)


@kernel
def through(
    kind: int, eta: Array, data: Array, start: int, shapes: Array, slope: Array, dshapes: Array
) -> float:
    """Return `chunk_density` for a link that goes through another."""
    way, zeta, end = kind // 100, np.empty(eta.shape[0]), start + eta.shape[0]
    for i in range(eta.shape[0]):
        x = eta[i]
        if way == 2:
            zeta[i] = 2.0 * math.log(abs(x))
        elif way == 4:
            zeta[i] = 1.0 / x
        else:
            log_x = math.log(x) if x > 0.0 else math.nan
            zeta[i] = log_x if way == 1 else -log_x
    one, two = data[0][start:end], data[1][start:end]
    if kind % 100 == 3:
        total = poisson_log(zeta, one, two, slope)
    elif kind % 100 == 4:
        total = negbinomial_log(zeta, one, two, shapes[0], slope, dshapes)
    elif kind % 100 == 5:
        total = gamma_log(zeta, one, two, shapes[0], slope, dshapes)
    elif kind % 100 == 6:
        total = normal(zeta, one, two, shapes[0], False, slope, dshapes)
    else:
        total = student(zeta, one, two, shapes, False, slope, dshapes)
    for i in range(eta.shape[0]):
        if way == 4:
            slope[i] *= -zeta[i] * zeta[i]
        else:
            slope[i] *= (2.0 if way == 2 else (1.0 if way == 1 else -1.0)) / eta[i]
    return total


@kernel
def binomial_logit(eta: Array, s: Array, f: Array, slope: Array) -> float:
    """Return s eta - (s + f) log(1 + e^eta), summed."""
    total = 0.0
    for i in range(eta.shape[0]):
        softplus, p = logistic(eta[i])
        trials = s[i] + f[i]
        total += s[i] * eta[i] - trials * softplus
        slope[i] = s[i] - trials * p
    return total


@kernel
def log_normal_tail(x: float) -> tuple[float, float]:
    """Return log Phi(x) and its derivative; the tail by its continued fraction."""
    log_density = -0.5 * x * x - 0.9189385332046727
    if x > -20.0:
        log_p = math.log(0.5 * math.erfc(-x * 0.7071067811865476))
        return log_p, math.exp(log_density - log_p)
    # Phi(x) = phi(x) / (-x + 1/(-x + 2/(-x + ...))), Abramowitz and Stegun 26.2.14
    ratio = -x
    for k in range(12, 0, -1):
        ratio = -x + k / ratio
    return log_density - math.log(ratio), ratio


@kernel
def binomial_probit(eta: Array, s: Array, f: Array, slope: Array) -> float:
    """Return s log Phi(eta) + f log Phi(-eta), summed."""
    total = 0.0
    for i in range(eta.shape[0]):
        slope[i] = 0.0
        if s[i] > 0.0:
            value, derivative = log_normal_tail(eta[i])
            total += s[i] * value
            slope[i] += s[i] * derivative
        if f[i] > 0.0:
            value, derivative = log_normal_tail(-eta[i])
            total += f[i] * value
            slope[i] -= f[i] * derivative
    return total


@kernel
def binomial_cloglog(eta: Array, s: Array, f: Array, slope: Array) -> float:
    """Return s log(1 - exp(-e^eta)) - f e^eta, summed."""
    total = 0.0
    for i in range(eta.shape[0]):
        h = math.exp(eta[i])
        total -= f[i] * h
        slope[i] = -f[i] * h
        if s[i] > 0.0:
            # for small h, h / (e^h - 1) = 1 and log(1 - e^-h) = eta to the last digit
            total += s[i] * (math.log(-math.expm1(-h)) if h > 1e-17 else eta[i])
            slope[i] += s[i] * (h / math.expm1(h) if h > 1e-17 else 1.0)
    return total


@kernel
def poisson_log(eta: Array, wy: Array, w: Array, slope: Array) -> float:
    """Return wy eta - w e^eta, summed."""
    total = 0.0
    for i in range(eta.shape[0]):
        mean = w[i] * exponential(eta[i])
        total += wy[i] * eta[i] - mean
        slope[i] = wy[i] - mean
    return total


@kernel
def negbinomial_log(
    eta: Array, y: Array, w: Array, alpha: float, slope: Array, dshapes: Array
) -> float:
    """Return w [y z - (y + alpha) log(1 + e^z)], z = eta - log alpha, summed."""
    total, dalpha, log_alpha = 0.0, 0.0, math.log(alpha)
    for i in range(eta.shape[0]):
        z = eta[i] - log_alpha
        softplus, p = logistic(z)
        total += w[i] * (y[i] * z - (y[i] + alpha) * softplus)
        slope[i] = w[i] * (y[i] - (y[i] + alpha) * p)
        dalpha -= w[i] * softplus + slope[i] / alpha
    dshapes[0] += dalpha
    return total


@kernel
def gamma_log(eta: Array, y: Array, w: Array, alpha: float, slope: Array, dshapes: Array) -> float:
    """Return -w alpha (eta + y e^-eta), summed."""
    total = 0.0
    for i in range(eta.shape[0]):
        ratio = y[i] * exponential(-eta[i])
        total -= w[i] * (eta[i] + ratio)
        slope[i] = w[i] * alpha * (ratio - 1.0)
    dshapes[0] += total
    return alpha * total


@kernel
def normal(
    eta: Array, y: Array, w: Array, sigma: float, log: bool, slope: Array, dshapes: Array
) -> float:
    """Return -w (y - mu)^2 / (2 sigma^2), summed, with mu = eta or e^eta."""
    total, precision = 0.0, 1.0 / (sigma * sigma)
    for i in range(eta.shape[0]):
        mu = exponential(eta[i]) if log else eta[i]
        residual = y[i] - mu
        total -= 0.5 * w[i] * residual * residual * precision
        slope[i] = w[i] * residual * precision * (mu if log else 1.0)
    dshapes[0] -= 2.0 * total / sigma
    return total


@kernel
def student(
    eta: Array, y: Array, w: Array, shapes: Array, log: bool, slope: Array, dshapes: Array
) -> float:
    """Return -w (nu + 1)/2 log(1 + r^2 / nu), r = (y - mu) / sigma, summed."""
    total, dsigma, dnu, sigma, nu = 0.0, 0.0, 0.0, shapes[0], shapes[1]
    for i in range(eta.shape[0]):
        mu = math.exp(eta[i]) if log else eta[i]
        r = (y[i] - mu) / sigma
        part = math.log1p(r * r / nu)
        pull = w[i] * (nu + 1.0) * r / (nu + r * r)
        total -= 0.5 * w[i] * (nu + 1.0) * part
        slope[i] = pull / sigma * (mu if log else 1.0)
        dsigma += pull * r / sigma
        dnu += 0.5 * (pull * r / nu - w[i] * part)
    dshapes[0] += dsigma
    dshapes[1] += dnu
    return total


@kernel
def proportion(link: int, eta: float) -> tuple[float, float, float]:
    """Return mu, 1 - mu and d mu / d eta; held off zero and one, where a beta has no density."""
    if link == 0:
        e = math.exp(-abs(eta))
        q = 1.0 / (1.0 + e)
        high, low = (q, e * q) if eta >= 0.0 else (e * q, q)
        slope = q * e * q
    elif link == 1:
        high = 0.5 * math.erfc(-eta * 0.7071067811865476)
        low = 0.5 * math.erfc(eta * 0.7071067811865476)
        slope = math.exp(-0.5 * eta * eta - 0.9189385332046727)
    else:
        h = math.exp(min(eta, 700.0))
        high, low = -math.expm1(-h), math.exp(-h)
        slope = h * low
    return max(high, 1e-300), max(low, 1e-300), slope


@kernel
def beta(
    eta: Array,
    logit: Array,
    log_rest: Array,
    w: Array,
    kappa: float,
    link: int,
    slope: Array,
    dshapes: Array,
) -> float:
    """Return w [mu kappa logit y + kappa log(1 - y) - lgamma(mu kappa) - lgamma((1 - mu) kappa)].

    `logit` and `log_rest` are logit y and log(1 - y).
    """
    total, dkappa = 0.0, 0.0
    for i in range(eta.shape[0]):
        mu, rest, derivative = proportion(link, eta[i])
        first, second = mu * kappa, rest * kappa
        value = first * logit[i] + kappa * log_rest[i]
        total += w[i] * (value - math.lgamma(first) - math.lgamma(second))
        psi1, psi2 = digamma(first), digamma(second)
        slope[i] = w[i] * kappa * (logit[i] - psi1 + psi2) * derivative
        dkappa += w[i] * (mu * (logit[i] - psi1) + log_rest[i] - rest * psi2)
    dshapes[0] += dkappa
    return total


@kernel
def shape_density(kind: int, table: Array, shapes: Array, dshapes: Array) -> float:
    """Return the terms without eta, which the shapes change; add their derivatives to dshapes."""
    total, kind = 0.0, kind % 100
    for d in range(table.shape[1]):
        y, w = table[0, d], table[1, d]
        if kind == 4:
            alpha = shapes[0]
            total += w * (math.lgamma(y + alpha) - math.lgamma(alpha))
            dshapes[0] += w * (digamma(y + alpha) - digamma(alpha))
        elif kind == 5:  # y is the mean log response
            alpha = shapes[0]
            log_alpha = math.log(alpha)
            total += w * (alpha * (log_alpha + y) - math.lgamma(alpha))
            dshapes[0] += w * (log_alpha + 1.0 + y - digamma(alpha))
        elif kind == 6 or kind == 7:
            total -= w * math.log(shapes[0])
            dshapes[0] -= w / shapes[0]
        elif kind == 8 or kind == 9:
            sigma, nu = shapes[0], shapes[1]
            half = 0.5 * (nu + 1.0)
            total += w * (
                math.lgamma(half) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu) - math.log(sigma)
            )
            dshapes[0] -= w / sigma
            dshapes[1] += 0.5 * w * (digamma(half) - digamma(0.5 * nu) - 1.0 / nu)
        elif kind >= 10:
            total += w * math.lgamma(shapes[0])
            dshapes[0] += w * digamma(shapes[0])
    return total
