r"""Draws of all parameters from their priors, in canonical names.

The common intercept's prior is that of the response at average predictors,

.. math:: \beta_0 = \beta_c - \sum_j \bar x_j \beta_j,

so that ``beta`` is on the raw scale, as in the posterior. A correlation matrix with an LKJ prior is
drawn part by part, exactly (`hierlm.priors.LKJ.rvs`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import GroupEncoding
from hierlm.errors import PriorError
from hierlm.priors import LKJ, Fixed, Flat, Prior, ScalarPrior
from hierlm.simulation.responses import new_effects
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]


def draw_prior(spec: ModelSpec, draws: int, rng: np.random.Generator) -> dict[str, Array]:
    """Draw every parameter from its prior, group-specific effects included.

    Parameters
    ----------
    spec : ModelSpec
    draws : int
        Number of draws, S.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray of shape (S, ...)

    Raises
    ------
    PriorError
        If a prior is improper, with the name of the parameter.
    """
    return new_effects(spec, draw_parameters(spec, draws, rng), rng)


def draw_parameters(spec: ModelSpec, draws: int, rng: np.random.Generator) -> dict[str, Array]:
    """Draw every parameter from its prior, all but the group-specific effects."""
    _refuse_improper(spec)
    values = {names.BETA: _coefficients(spec, draws, rng)}
    for group in spec.groups:
        priors = spec.priors.group_sds(group.factor, group.coefs)
        values[names.sd(group.factor)] = _stack(priors, draws, rng)
        if group.covariance.pairs:
            prior = spec.priors[names.cor(group.factor)]
            values[names.cor(group.factor)] = draw_correlations(prior, group, draws, rng)
    for shape in spec.shapes:
        values[shape.name] = _scalar(spec.priors[shape.name], draws, rng)
    return values


def _refuse_improper(spec: ModelSpec) -> None:
    improper = [item.name for item in spec.priors if isinstance(item.prior, Flat)]
    if improper:
        one = len(improper) == 1
        raise PriorError(
            f"the prior{'' if one else 's'} of {', '.join(improper)} "
            f"{'is' if one else 'are'} Flat(), which is improper and cannot be drawn from.\n"
            f"  Give {'it' if one else 'them'} a proper prior, as in "
            f"priors={{{improper[0]!r}: 'normal(0, 100)'}}, or leave the default."
        )


def _scalar(prior: Prior, draws: int, rng: np.random.Generator) -> Array:
    if not isinstance(prior, ScalarPrior):
        raise TypeError(f"{prior} is not a prior of one number.")
    return prior.rvs(rng, draws)


def _stack(priors: Sequence[Prior], draws: int, rng: np.random.Generator) -> Array:
    found = np.empty((draws, len(priors)))
    for k, prior in enumerate(priors):
        found[:, k] = _scalar(prior, draws, rng)
    return found


def _coefficients(spec: ModelSpec, draws: int, rng: np.random.Generator) -> Array:
    centered = names.INTERCEPT_CENTERED in spec.priors
    keys = [
        names.INTERCEPT_CENTERED if centered and name == names.INTERCEPT else name
        for name in spec.coefs
    ]
    beta = _stack([spec.priors[key] for key in keys], draws, rng)
    if centered:
        at = spec.coefs.index(names.INTERCEPT)
        slopes = [k for k in range(len(spec.coefs)) if k != at]
        beta[:, at] -= beta[:, slopes] @ np.asarray(spec.encoding.common.means)[slopes]
    return beta


def draw_correlations(
    prior: Prior, group: GroupEncoding, draws: int, rng: np.random.Generator
) -> Array:
    """Draw the correlations of a factor, an array of shape (S, pairs)."""
    if isinstance(prior, Fixed):
        return np.full((draws, len(group.covariance.pairs)), prior.value)
    if not isinstance(prior, LKJ):
        raise TypeError(f"{prior} is no prior on correlations.")
    columns = []
    for part in group.covariance.correlated_parts:
        R = prior.rvs(rng, len(part), draws)
        columns.append(R[:, *np.triu_indices(len(part), 1)])
    return np.concatenate(columns, axis=1)
