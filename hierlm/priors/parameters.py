"""The parameters of a model, each with its default prior and the reason for it.

Defaults are proper, weakly informative and on the scale of the link. With m and s the location
and scale of the response on that scale, without its offset (see `Family.location_scale`):

=====================================  ===================================
parameter                              default
=====================================  ===================================
intercept, predictors at their means   Normal(m, 2.5 s)
slope of x                             Normal(0, 2.5 s / sd(x))
group sd of the intercept              HalfStudentT(3, s)
group sd of the slope of x             HalfStudentT(3, s / sd(x))
correlations                           LKJ(2)
shapes (sigma, nu, alpha, kappa)       what the family declares
=====================================  ===================================

In a model with an intercept none depends on where a column x has its origin: sd(x) of an
interaction is the product of its parts' sds. What is computed from x within a call has a spread of
its own: that of ``I(x**2)`` does depend on the origin of x.

Without a common intercept something else carries the level of the response, m from the origin:

=====================================  ===================================
common effect of x                     Normal(0, 2.5 l / rms(x))
group sd of the intercept              HalfStudentT(3, l), unless common effects span a constant
=====================================  ===================================

with l the root of m^2 + s^2; these depend on the origins of the response and of x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hierlm import names
from hierlm.covariance import Covariance
from hierlm.families import Family
from hierlm.priors.text import parse_prior
from hierlm.priors.values import LKJ, HalfStudentT, Normal, Prior

Kind = Literal["coefficient", "sd", "correlation", "shape"]


@dataclass(frozen=True)
class Parameter:
    """A parameter that can have a prior.

    Parameters
    ----------
    name : str
        As reported: ``Days``, ``sd_Subject[Days]``, ``cor_Subject``, ``sigma``.
    classes : tuple of str
        The classes that it belongs to, nearest first: ``("sd_Subject", "sd")``.
    kind : str
        What it is, which decides the support its prior must have.
    default : Prior
    reason : str
        Why that default, in words.
    """

    name: str
    classes: tuple[str, ...]
    kind: Kind
    default: Prior
    reason: str


@dataclass(frozen=True)
class Scale:
    """Location m and scale s of the response on the scale of the link.

    Parameters
    ----------
    location, scale : float
    words : str
        What s is, as in ``"the sd of the response"``.
    """

    location: float
    scale: float
    words: str

    @property
    def level(self) -> float:
        """How far from zero the response lies: the root of m^2 + s^2."""
        return float(np.hypot(self.location, self.scale))


def coefficients(
    coefs: Sequence[str], sds: Sequence[float], rms: Sequence[float], response: Scale
) -> tuple[Parameter, ...]:
    """Return the common effects; the intercept stands as ``Intercept_centered``.

    Parameters
    ----------
    coefs : sequence of p str
    sds, rms : sequence of p float
        The sd of each column (see `Columns.sizes`), and its root mean square.
    response : Scale

    Returns
    -------
    tuple of Parameter
    """
    m, s = response.location, response.scale
    if names.INTERCEPT not in coefs:
        level = response.level
        return tuple(
            Parameter(
                name,
                (names.BETA,),
                "coefficient",
                Normal(0, _round(2.5 * level / size)),
                "2.5 times the size of the response, over that of the column; without an intercept "
                "the coefficients carry the level of the response",
            )
            for name, size in zip(coefs, rms, strict=True)
        )
    result = []
    for name, sd in zip(coefs, sds, strict=True):
        if name == names.INTERCEPT:
            prior = Normal(_round(m, s), _round(2.5 * s))
            reason = f"level of the response at average predictors; sd 2.5 times {response.words}"
            result.append(Parameter(names.INTERCEPT_CENTERED, (), "coefficient", prior, reason))
        else:
            prior = Normal(0, _round(2.5 * s / sd))
            reason = f"2.5 times {response.words}, over the sd of the predictor ({sd:.3g})"
            result.append(Parameter(name, (names.BETA,), "coefficient", prior, reason))
    return tuple(result)


def group_parameters(
    factor: str,
    coefs: Sequence[str],
    sds: Sequence[float],
    covariance: Covariance,
    response: Scale,
    *,
    common_level: bool = True,
) -> tuple[Parameter, ...]:
    """Return the sds of a grouping factor, and its correlations where it has some.

    Parameters
    ----------
    factor : str
    coefs : sequence of q str
    sds : sequence of q float
        The sd of each column (see `Columns.sizes`).
    covariance : Covariance
    response : Scale
    common_level : bool
        Whether common effects carry the level of the response.

    Returns
    -------
    tuple of Parameter
    """
    variable = names.sd(factor)
    result = []
    for name, sd in zip(coefs, sds, strict=True):
        if name != names.INTERCEPT:
            scale = response.scale / sd
            reason = f"{response.words}, over the sd of the predictor ({sd:.3g})"
        elif common_level:
            scale, reason = response.scale, response.words
        else:
            scale = response.level
            reason = "the size of the response; without a common intercept it carries the level"
        prior = HalfStudentT(3, _round(scale))
        name = names.element(variable, name)
        result.append(Parameter(name, (variable, names.SD), "sd", prior, reason))
    if covariance.pairs:
        result.append(
            Parameter(
                names.cor(factor),
                (names.COR,),
                "correlation",
                LKJ(2),
                "mild preference for weak correlations",
            )
        )
    return tuple(result)


def shapes(family: Family, scale: float) -> tuple[Parameter, ...]:
    """Return the constant distributional parameters that the family declares.

    Parameters
    ----------
    family : Family
    scale : float
        The sd of the response, `Family.shape_scale`.

    Returns
    -------
    tuple of Parameter
    """
    return tuple(
        Parameter(shape.name, (), "shape", parse_prior(shape.prior(_round(scale))), shape.reason)
        for shape in family.shapes
    )


def _round(value: float, unit: float | None = None) -> float:
    """Round to three significant digits (of `unit`), so that a default reads well.

    Examples
    --------
    >>> _round(140.8201), _round(298.5079, 56.3)
    (141.0, 298.5)
    """
    reference = value if unit is None else unit
    if value == 0 or reference == 0:
        return value
    digits = 2 - int(np.floor(np.log10(abs(reference))))
    return float(round(value, digits))
