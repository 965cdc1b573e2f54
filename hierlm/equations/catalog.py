"""The notations by name: what each shows, and for which models it exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hierlm.design import Design
from hierlm.equations.bayesian import bayesian
from hierlm.equations.clusters import block_form, per_cluster
from hierlm.equations.equation import Equation, Line
from hierlm.equations.levels import local_regressions, multilevel
from hierlm.equations.likelihood import is_latent, is_linear, is_normal, remarks
from hierlm.equations.marginal import (
    conditional_and_marginal,
    correlated_errors,
    multivariate_normal,
)
from hierlm.equations.matrices import with_indicators
from hierlm.equations.penalized import penalized
from hierlm.equations.scalar import error_components, varying_coefficients
from hierlm.equations.symbols import Symbols
from hierlm.errors import FamilyError, did_you_mean
from hierlm.spec import ModelSpec


def _always(spec: ModelSpec) -> str:
    return ""


def _additive(spec: ModelSpec) -> str:
    if is_linear(spec) or is_latent(spec):
        return ""
    return "its response is not a linear predictor plus an error"


def _covariance(spec: ModelSpec) -> str:
    if is_linear(spec) or (is_latent(spec) and spec.family.name == "bernoulli"):
        return ""
    return "its response is not a linear predictor plus an error"


def _normal(spec: ModelSpec) -> str:
    latent = spec.family.name == "bernoulli" and spec.family.link.name == "probit"
    return "" if is_normal(spec) or latent else "its response is not normal once effects are gone"


@dataclass(frozen=True)
class Notation:
    """One way to write a model.

    Parameters
    ----------
    description : str
    write : callable
        The lines of the equation.
    obstacle : callable
        Why a model has no such notation; empty where it has.
    """

    description: str
    write: Callable[[Symbols], list[Line]]
    obstacle: Callable[[ModelSpec], str] = _always


_NOTATIONS = {
    "varying_coefficients": Notation(
        "coefficients that vary by level around common ones", varying_coefficients
    ),
    "multilevel": Notation("level 1 for the rows, level 2 for their groups", multilevel),
    "local_regressions": Notation(
        "a regression within every level, and one of their coefficients", local_regressions
    ),
    "matrix": Notation("one regression whose matrix Z marks the levels", with_indicators),
    "per_cluster": Notation("the rows of one cluster at a time", per_cluster),
    "block": Notation("vectors and matrices opened into the blocks of the clusters", block_form),
    "error_components": Notation(
        "effects as further errors, and the variances they add up to", error_components, _additive
    ),
    "conditional_marginal": Notation(
        "the response given the effects, and with the effects integrated out",
        conditional_and_marginal,
    ),
    "correlated_errors": Notation(
        "one regression whose errors correlate within levels", correlated_errors, _covariance
    ),
    "multivariate_normal": Notation("the whole response as one draw", multivariate_normal, _normal),
    "penalized": Notation("penalised regression, with its lambda", penalized),
    "bayesian": Notation("likelihood, effects, and the prior of every parameter", bayesian),
}

NOTATIONS: dict[str, str] = {key: value.description for key, value in _NOTATIONS.items()}
"""The notations, with what each shows."""

_ALIASES = {
    "varying": "varying_coefficients",
    "levels": "multilevel",
    "combined_local_regressions": "local_regressions",
    "local": "local_regressions",
    "z": "matrix",
    "cluster": "per_cluster",
    "blocks": "block",
    "conditional": "conditional_marginal",
    "marginal": "conditional_marginal",
    "mvn": "multivariate_normal",
    "penalised": "penalized",
    "penalty": "penalized",
    "bayes": "bayesian",
    "priors": "bayesian",
}


def available(spec: ModelSpec) -> tuple[str, ...]:
    """Return the notations that a model has.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model(
    ...     "p(incidence, size) ~ period + (1 | herd)", hl.load_dataset("cbpp"), family="binomial"
    ... )
    >>> [name for name in NOTATIONS if name not in available(model.spec)]
    ['correlated_errors', 'multivariate_normal']
    """
    return tuple(key for key, notation in _NOTATIONS.items() if not notation.obstacle(spec))


def equations(
    spec: ModelSpec,
    notation: str = "varying_coefficients",
    *,
    design: Design | None = None,
    values: Mapping[str, str] | None = None,
) -> Equation:
    """Write a model as an equation.

    Parameters
    ----------
    spec : ModelSpec
    notation : str
        One of `NOTATIONS`.
    design : Design, optional
        The rows: they tell which predictors belong to a level, and which factors are nested
        though their columns do not say so.
    values : dict of str to str, optional
        Numbers to put in place of parameters, from `posterior_means`.

    Returns
    -------
    Equation
        With ``latex`` and ``text``; printed, it is Unicode for a terminal.

    Raises
    ------
    FamilyError
        If no notation is called so, or the model has no such notation.

    Notes
    -----
    N(m, v) has the mean m and the variance (matrix) v. Other distributions have the parameters of
    `hierlm.priors`, so that StudentT(nu, mu, sigma) has the scale sigma. Notations as in Clark
    (2016), Thinking about mixed models, and Gelman and Hill (2007), section 12.5.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"))
    >>> print(equations(model.spec, "varying_coefficients"))
    Yieldᵢ = β₀ⱼ₍ᵢ₎ + εᵢ
        εᵢ ∼ N(0, σ²)
       β₀ⱼ ∼ N(β₀, σᵤ²)   Batch j = 1, …, 6
    """  # noqa: RUF002 - the sign that is printed
    key = _key(notation)
    found = _NOTATIONS[key]
    obstacle = found.obstacle(spec)
    if obstacle:
        raise FamilyError(
            f"the notation {key!r} does not exist for family {spec.family.name} with the "
            f"{spec.family.link.name} link: {obstacle}.\n"
            f"  This model has: {', '.join(available(spec))}."
        )
    symbols = Symbols(spec, design, values or {})
    lines = (*found.write(symbols), *remarks(symbols))
    return Equation(key, found.description, lines)


def _key(notation: str) -> str:
    plain = str(notation).strip().casefold().replace("-", "_").replace(" ", "_")
    plain = _ALIASES.get(plain, plain)
    if plain not in _NOTATIONS:
        raise FamilyError(
            f"no notation is called {notation!r}.{did_you_mean(plain, [*_NOTATIONS, *_ALIASES])}\n"
            f"  There are: {', '.join(_NOTATIONS)}."
        )
    return plain
