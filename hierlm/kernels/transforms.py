r"""From real coordinates to parameters, and back for gradients.

A positive parameter is the exponential of its coordinate, one on an interval a scaled logistic.
The sd of a group's effects may be folded: the rows see only the covariance, in which changing the
sign of an sd changes that of its correlations, and LKJ does not see signs at all. So

.. math:: \mathrm{sd} = |\tau|, \quad \tau = s \sinh x

gives the same posterior as any other coordinate, twice over, smooth at zero, where the logarithm
of an sd that may be zero has a long tail; far from zero it is that logarithm. The scale s is the
sd below which the rows cannot tell it from zero.

The Cholesky factor C of a q x q correlation matrix comes from canonical partial correlations
:math:`z_{ij} = \tanh x_{ij}`, row by row (Lewandowski, Kurowicka and Joe 2009,
doi:10.1016/j.jmva.2009.04.008):

.. math:: C_{ij} = z_{ij} s_{ij}, \quad s_{i0} = 1, \quad s_{i,j+1} = s_{ij} / \cosh x_{ij},
          \quad C_{ii} = s_{ii}

Under LKJ(eta) the :math:`(z_{ij} + 1)/2` are independent Beta(b, b), b = eta + (q - 2 - j)/2.
Nothing is divided by s, so that gradients stay finite as correlations approach one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import kernel

Array = NDArray[np.float64]

REAL, POSITIVE, INTERVAL, FOLDED = 0, 1, 2, 3


@kernel
def constrain(kind: int, lower: float, upper: float, x: float) -> tuple[float, float, float, float]:
    """Return value, d value / d x, log |d value / d x| and its derivative.

    A folded parameter has the sign of x here.
    """
    if kind == 0:
        return x, 1.0, 0.0, 0.0
    if kind == 3:
        slope = upper * math.cosh(x)
        return upper * math.sinh(x), slope, math.log(slope), math.tanh(x)
    if kind == 1:
        value = lower + math.exp(x)
        return value, value - lower, x, 1.0
    p = 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
    slope = (upper - lower) * p * (1.0 - p)
    log_slope = math.log(upper - lower) - abs(x) - 2.0 * math.log1p(math.exp(-abs(x)))
    return lower + (upper - lower) * p, slope, log_slope, 1.0 - 2.0 * p


@kernel
def correlation_factor(x: Array, C: Array) -> None:
    """Write the Cholesky factor C, of shape (q, q), of coordinates x of shape (q(q-1)/2,)."""
    k = 0
    for i in range(C.shape[0]):
        s = 1.0
        for j in range(i):
            C[i, j] = math.tanh(x[k]) * s
            s /= math.cosh(x[k])
            k += 1
        C[i, i] = s


@kernel
def correlation_factor_adjoint(x: Array, C_bar: Array, x_bar: Array) -> None:
    """Add to x_bar the gradient of a function whose gradient with respect to C is C_bar."""
    q = C_bar.shape[0]
    for i in range(1, q):
        first = i * (i - 1) // 2
        s_bar = C_bar[i, i]
        for j in range(i - 1, -1, -1):
            s = 1.0
            for r in range(j):
                s /= math.cosh(x[first + r])
            z, h = math.tanh(x[first + j]), 1.0 / math.cosh(x[first + j])
            x_bar[first + j] += s * (C_bar[i, j] * h * h - s_bar * h * z)
            s_bar = C_bar[i, j] * z + s_bar * h


@kernel
def lkj(x: Array, q: int, eta: float, x_bar: Array) -> float:
    """Return the log density of the coordinates x under LKJ(eta); add its gradient to x_bar."""
    total, k = 0.0, 0
    for i in range(1, q):
        for j in range(i):
            b = eta + 0.5 * (q - 2 - j)
            # log(1 - tanh(x)^2) without loss where |x| is large
            a = abs(x[k])
            log_h2 = 2.0 * (math.log(2.0) - a - math.log1p(math.exp(-2.0 * a)))
            total += b * log_h2 - (
                (2.0 * b - 1.0) * math.log(2.0) + 2.0 * math.lgamma(b) - math.lgamma(2.0 * b)
            )
            x_bar[k] -= 2.0 * b * math.tanh(x[k])
            k += 1
    return total
