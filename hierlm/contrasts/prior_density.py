r"""The density of the prior of an expression at zero: what a Savage-Dickey ratio divides by.

Exact where it is known: of one parameter times a number, and of sums of normal priors,

.. math:: \sum_j a_j \theta_j + c \sim N\Big(\sum_j a_j m_j + c,\ \sum_j a_j^2 s_j^2\Big),

the reported intercept among them, which is the centred one less the sum of means times slopes.
Otherwise by drawing from the priors, and a kernel density estimate (Silverman 1986, section 3.4,
doi:10.1201/9781315140919).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.contrasts.expressions import Expression, Linear, linear, quantities, value
from hierlm.contrasts.quantities import Quantities
from hierlm.errors import PriorError
from hierlm.priors import LKJ, Density, Fixed, Flat, Normal, Prior
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

DRAWS = 100_000
"""Draws from the priors where there is no exact density."""


@dataclass(frozen=True)
class PriorDensity:
    """The density of an expression at zero under the prior.

    Parameters
    ----------
    value : float
    error : float
        Standard error of the estimate; zero where the density is exact.
    exact : bool
    support : tuple of float, optional
        Where the prior of a single parameter has density: then `shift` and `factor` say that the
        expression is factor times (parameter minus shift).
    shift, factor : float
    """

    value: float
    error: float = 0.0
    exact: bool = True
    support: tuple[float, float] | None = None
    shift: float = 0.0
    factor: float = 1.0


def density_at_zero(
    known: Quantities, expression: Expression, rng: np.random.Generator
) -> PriorDensity:
    """Return the density of `expression` at zero under the priors.

    Parameters
    ----------
    known : Quantities
    expression : Expression
    rng : numpy.random.Generator
        For expressions without an exact density.

    Raises
    ------
    PriorError
        If the expression has no prior density at zero: an improper prior, a parameter that is
        fixed, a group-specific effect, or zero at or beyond the edge of what the prior allows.
    """
    spec, used = known.spec, quantities(expression)
    _refuse_effects(known, used)
    form = linear(expression)
    if form is not None and not form.coefficients:
        raise PriorError("the quantities of this hypothesis cancel: nothing is left to compare.")
    if form is not None and len(form.coefficients) == 1:
        exact = _of_one(known, form)
        if exact is not None:
            return exact
    if form is not None:
        exact = _of_normals(spec, form)
        if exact is not None:
            return exact
    return _by_drawing(known, expression, used, rng)


def _refuse_effects(known: Quantities, used: tuple[str, ...]) -> None:
    for name in used:
        if known.element(name).kind == "effect":
            raise PriorError(
                f"{name!r} is a group-specific effect: given its sd it is normal, and averaged "
                "over the prior of the sd its density at zero is without bound, so that there is "
                "no ratio of densities.\n"
                f"  Ask for a direction or a range, as in {name} > 0."
            )


def _of_one(known: Quantities, form: Linear) -> PriorDensity | None:
    """Return the density of ``factor * (parameter - at)`` at zero, if the parameter has a prior."""
    name, factor = next(iter(form.coefficients.items()))
    at = -form.constant / factor + 0.0  # no negative zero
    element = known.element(name)
    prior = known.spec.priors
    if element.kind == "correlation" and element.factor is not None:
        return _of_correlation(known.spec, name, element.factor, at, factor)
    if name not in prior:  # the reported intercept, where the prior is on the centred one
        return None
    if not isinstance(prior[name], Density):
        raise _no_density(name, prior[name])
    density: Density = prior[name]  # type: ignore[assignment]
    _check_inside(name, at, density.support, str(density))
    log_density = float(density.logpdf(at)) - np.log(abs(factor))
    return PriorDensity(
        float(np.exp(log_density)), support=density.support, shift=at, factor=factor
    )


def _of_correlation(
    spec: ModelSpec, name: str, factor: str, at: float, times: float
) -> PriorDensity:
    prior, group = spec.priors[names.cor(factor)], spec.group(factor)
    if not isinstance(prior, LKJ):
        raise _no_density(name, prior)
    _check_inside(name, at, prior.support, str(prior))
    coefs = group.coefs
    size = next(
        len(part)
        for part in group.covariance.correlated_parts
        for i in part
        for j in part
        if i < j and name == names.element(names.cor(factor), names.pair(coefs[i], coefs[j]))
    )
    marginal: Any = prior.marginal(size)
    value = float(marginal.pdf(at)) / abs(times)
    return PriorDensity(value, support=prior.support, shift=at, factor=times)


def _no_density(name: str, prior: Prior) -> PriorError:
    if isinstance(prior, Fixed):
        return PriorError(f"{name!r} is fixed at {prior.value:g}: nothing is left to ask of it.")
    return PriorError(
        f"{name!r} has the prior {prior}, which is no density: there is no evidence for a point "
        "against it.\n"
        f"  Give it a proper prior, as in priors={{{name!r}: hl.Normal(0, 10)}}, or ask for a "
        "direction."
    )


def _check_inside(name: str, at: float, support: tuple[float, float], prior: str) -> None:
    if support[0] < at < support[1]:
        return
    if at in support:
        raise PriorError(
            f"{at:g} is at the edge of what {name!r} can be: no density can be told there from "
            "draws that all lie on one side.\n"
            f"  Ask for a direction, as in {name} < c for a c that is as good as {at:g}, or compare"
            " the models with and without it."
        )
    raise PriorError(f"{at:g} is no value that {name!r} can have: its prior is {prior}.")


def _prior_form(spec: ModelSpec, form: Linear) -> Linear:
    """Return a linear form in the parameters that have priors: the intercept is written out."""
    if names.INTERCEPT in spec.priors or names.INTERCEPT not in form.coefficients:
        return form
    times = form.coefficients[names.INTERCEPT]
    means = dict(zip(spec.coefs, spec.encoding.common.means, strict=True))
    written = {names.INTERCEPT_CENTERED: 1.0}
    written |= {name: -means[name] for name in spec.coefs if name != names.INTERCEPT}
    rest = {name: c for name, c in form.coefficients.items() if name != names.INTERCEPT}
    return Linear(rest, form.constant).plus(Linear(written), times)


def _of_normals(spec: ModelSpec, form: Linear) -> PriorDensity | None:
    """Return the density of a sum of independent normals and constants, None if it is not one."""
    mean, sd = form.constant, 0.0
    for name, a in _prior_form(spec, form).coefficients.items():
        if name not in spec.priors:  # a correlation
            return None
        prior = spec.priors[name]
        if isinstance(prior, Fixed):
            mean += a * prior.value
        elif isinstance(prior, Normal):
            mean, sd = mean + a * prior.mu, math.hypot(sd, a * prior.sigma)
        else:
            return None
    if sd == 0.0:
        raise PriorError("every quantity of this hypothesis is fixed by its prior.")
    return PriorDensity(float(np.exp(Normal(mean, sd).logpdf(0.0))))


def _by_drawing(
    known: Quantities, expression: Expression, used: tuple[str, ...], rng: np.random.Generator
) -> PriorDensity:
    draws = value(expression, draw_priors(known, used, rng, DRAWS))
    finite = np.isfinite(draws)
    if finite.mean() < 0.99:
        share = 1 - finite.mean()
        raise PriorError(
            f"the expression has no real value for {share:.0%} of the draws from the priors, so "
            "that it has no prior density."
        )
    if np.all(draws[finite] >= 0) or np.all(draws[finite] <= 0):
        raise PriorError(
            "under the priors the two sides differ in one direction only: equality is at, or "
            "beyond, the edge of what is possible.\n  Ask for a direction or a range."
        )
    if np.ptp(draws[finite]) == 0:
        raise PriorError("every quantity of this hypothesis is fixed by its prior.")
    # what has no value has no density either, but counts among the draws
    lower, upper = np.quantile(draws[finite], [0.25, 0.75])
    width = 0.9 * min(draws[finite].std(), (upper - lower) / 1.34) * len(draws) ** -0.2
    kernel = np.exp(-0.5 * np.square(np.where(finite, draws, np.inf) / width))
    kernel /= width * np.sqrt(2 * np.pi)
    error = kernel.std(ddof=1) / np.sqrt(len(draws))
    return PriorDensity(float(kernel.mean()), float(error), exact=False)


def draw_priors(
    known: Quantities, used: tuple[str, ...], rng: np.random.Generator, size: int
) -> dict[str, Array]:
    """Draw quantities, by their full names, jointly from the priors.

    Parameters
    ----------
    known : Quantities
    used : tuple of str
        None of them a group-specific effect.
    rng : numpy.random.Generator
    size : int

    Returns
    -------
    dict of str to ndarray of shape (size,)

    Raises
    ------
    PriorError
        If a prior is improper.
    """
    spec = known.spec
    forms = {name: _prior_form(spec, Linear({name: 1.0})) for name in used}
    single = {n: form for n, form in forms.items() if known.element(n).kind != "correlation"}
    needed = dict.fromkeys(p for form in single.values() for p in form.coefficients)
    drawn = {name: _draw_one(spec, name, rng, size) for name in needed}
    found: dict[str, Array] = {}
    for name, form in single.items():
        total = np.zeros(size)
        for parameter, a in form.coefficients.items():
            total += a * drawn[parameter]
        found[name] = total
    factors = {known.element(name).factor for name in used if name not in single}
    for group in spec.groups:
        if group.factor in factors:
            found |= _draw_correlations(spec, group.factor, rng, size)
    return {name: found[name] for name in used}


def _draw_one(spec: ModelSpec, name: str, rng: np.random.Generator, size: int) -> Array:
    prior = spec.priors[name]
    if isinstance(prior, Flat):
        raise _no_density(name, prior)
    return np.asarray(prior.rvs(rng, size))  # type: ignore[attr-defined]


def _draw_correlations(
    spec: ModelSpec, factor: str, rng: np.random.Generator, size: int
) -> Mapping[str, Array]:
    prior, group = spec.priors[names.cor(factor)], spec.group(factor)
    found = {}
    for part in group.covariance.correlated_parts:
        q = len(part)
        R = prior.rvs(rng, q, size) if isinstance(prior, LKJ) else None
        for a in range(q):
            for b in range(a + 1, q):
                pair = names.pair(group.coefs[part[a]], group.coefs[part[b]])
                fixed = np.full(size, getattr(prior, "value", np.nan))
                draws = fixed if R is None else R[:, a, b]
                found[names.element(names.cor(factor), pair)] = draws
    return found
