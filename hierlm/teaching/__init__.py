r"""What only teaches: least squares beside mixed models, simulated lectures, many ways to one y.

The symbols are those of Clark (2016), "Thinking about mixed models": common effects
:math:`\beta`, effects :math:`\gamma_c` of cluster c with covariance :math:`\psi`, residual sd
:math:`\sigma`; so that

.. math:: y = X\beta + Z\gamma + e, \qquad V = \mathrm{Var}(y) = Z (I \otimes \psi) Z' + \sigma^2 I

Nothing here is needed to fit a model. Functions take numbers, a table or a model, and return tables
or arrays; those that draw take a `seed`. ``examples/`` uses them, lecture by lecture.
"""

from hierlm.teaching.beside import beside_lme4
from hierlm.teaching.dependence import (
    covariance_parameters,
    effective_rows,
    icc_two_ways,
    maximal_parameters,
)
from hierlm.teaching.regressions import LeastSquares, anova, gls, lm, marginal_covariance
from hierlm.teaching.simulated import four_groups, mvrnorm, random_intercepts, random_slopes
from hierlm.teaching.ways import block_design, many_ways

__all__ = [
    "LeastSquares",
    "anova",
    "beside_lme4",
    "block_design",
    "covariance_parameters",
    "effective_rows",
    "four_groups",
    "gls",
    "icc_two_ways",
    "lm",
    "many_ways",
    "marginal_covariance",
    "maximal_parameters",
    "mvrnorm",
    "random_intercepts",
    "random_slopes",
]
