"""Log densities of the scalar priors and their derivatives, for compiled code."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import interpreted, kernel
from hierlm.kernels.transforms import INTERVAL, POSITIVE, REAL
from hierlm.priors import Density, Fixed, Flat, Prior, ScalarPrior

Array = NDArray[np.float64]

# Position in this tuple is the code of a class in `log_density`.
_CLASSES = (
    "Flat",
    "Normal",
    "StudentT",
    "Cauchy",
    "Laplace",
    "HalfNormal",
    "HalfStudentT",
    "HalfCauchy",
    "Exponential",
    "Gamma",
    "InverseGamma",
    "LogNormal",
    "Uniform",
    "Beta",
)

# Columns of a prior's row: class, three parameters, kind of transform, lower, upper, log constant.
WIDTH = 8


def prior_row(prior: Prior) -> NDArray[np.float64]:
    """Return a scalar prior as numbers, for `log_density` and `constrain`.

    The normalising constant is that of the NumPy density, measured once.
    """
    if not isinstance(prior, ScalarPrior) or isinstance(prior, Fixed):
        raise TypeError(f"{prior} is not a density of one number.")
    row = np.zeros(WIDTH)
    row[0] = _CLASSES.index(type(prior).__name__)
    values = list(prior.parameters.values())
    row[1 : 1 + len(values)] = values
    lower, upper = prior.support
    if np.isfinite(upper):
        row[4:7] = INTERVAL, lower, upper
    elif np.isfinite(lower):
        row[4:7] = POSITIVE, lower, 0.0
    else:
        row[4:7] = REAL, 0.0, 0.0
    if isinstance(prior, Density) and not isinstance(prior, Flat):
        inside = float(prior.ppf(0.5))
        row[7] = float(prior.logpdf(inside)) - interpreted(log_density)(row, inside)[0]
    return row


@kernel
def log_density(row: Array, x: float) -> tuple[float, float]:
    """Return the log density of a prior at x, and its derivative."""
    code, a, b, c, constant = int(row[0]), row[1], row[2], row[3], row[7]
    if code == 1:  # Normal(mu, sigma)
        z = (x - a) / b
        return constant - 0.5 * z * z, -z / b
    if code == 2:  # StudentT(nu, mu, sigma)
        z = (x - b) / c
        return constant - 0.5 * (a + 1) * math.log1p(z * z / a), -(a + 1) * z / (a + z * z) / c
    if code == 3:  # Cauchy(alpha, beta)
        z = (x - a) / b
        return constant - math.log1p(z * z), -2 * z / (1 + z * z) / b
    if code == 4:  # Laplace(mu, b)
        sign = 1.0 if x > a else -1.0
        return constant - abs(x - a) / b, -sign / b
    if code == 5:  # HalfNormal(sigma)
        z = x / a
        return constant - 0.5 * z * z, -z / a
    if code == 6:  # HalfStudentT(nu, sigma)
        z = x / b
        return constant - 0.5 * (a + 1) * math.log1p(z * z / a), -(a + 1) * z / (a + z * z) / b
    if code == 7:  # HalfCauchy(beta)
        z = x / a
        return constant - math.log1p(z * z), -2 * z / (1 + z * z) / a
    if code == 8:  # Exponential(lam)
        return constant - a * x, -a
    if code == 9:  # Gamma(alpha, beta)
        return constant + (a - 1) * math.log(x) - b * x, (a - 1) / x - b
    if code == 10:  # InverseGamma(alpha, beta)
        return constant - (a + 1) * math.log(x) - b / x, -(a + 1) / x + b / (x * x)
    if code == 11:  # LogNormal(mu, sigma)
        z = (math.log(x) - a) / b
        return constant - math.log(x) - 0.5 * z * z, -(1 + z / b) / x
    if code == 13:  # Beta(alpha, beta)
        value = (a - 1) * math.log(x) + (b - 1) * math.log1p(-x)
        return constant + value, (a - 1) / x - (b - 1) / (1 - x)
    return constant, 0.0  # Flat, Uniform
