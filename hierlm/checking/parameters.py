"""The top-level parameters of a model, each with its prior and its posterior draws.

Top-level are coefficients, sds, correlations and the family's own parameters: all that has a prior
of its own. The N(0, Sigma) of the effects is part of the model, not a prior to vary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import GroupEncoding
from hierlm.priors import LKJ, Density, Fixed, ScalarPrior
from hierlm.simulation.responses import Values
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from scipy.stats.distributions import rv_frozen

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Learnt:
    """One number that the data may have said something about.

    Parameters
    ----------
    name : str
        As reported: ``Days``, ``sd_Subject[Days]``, ``cor_Subject[Intercept, Days]``.
    kind : {"coefficient", "sd", "correlation", "shape"}
    prior : Density or SciPy distribution
        Has ``cdf`` and ``ppf``; the marginal one for a correlation.
    draws : ndarray of shape (S,)
    """

    name: str
    kind: str
    prior: Density | rv_frozen[Any, Any]
    draws: Array


def scalars(spec: ModelSpec, values: Values) -> Mapping[str, Array]:
    """Return the draws of every parameter that has a prior of one number, by the prior's name."""
    beta = values[names.BETA]
    found = {name: beta[:, k] for k, name in enumerate(spec.coefs)}
    if names.INTERCEPT_CENTERED in spec.priors:
        del found[names.INTERCEPT]
        found[names.INTERCEPT_CENTERED] = beta @ np.asarray(spec.encoding.common.means)
    for group in spec.groups:
        variable = names.sd(group.factor)
        for k, coef in enumerate(group.coefs):
            found[names.element(variable, coef)] = values[variable][:, k]
    return found | {shape.name: values[shape.name] for shape in spec.shapes}


def learnt(spec: ModelSpec, values: Values) -> Iterator[Learnt]:
    """Yield every top-level parameter with a proper prior; those that are fixed are left out."""
    draws = scalars(spec, values)
    for item in spec.priors:
        if isinstance(item.prior, Density):
            yield Learnt(item.name, item.kind, item.prior, draws[item.name])
    for group in spec.groups:
        variable = names.cor(group.factor)
        prior = spec.priors[variable] if group.covariance.pairs else None
        if not isinstance(prior, LKJ):
            continue
        sizes = {i: len(part) for part in group.covariance.parts for i in part}
        for k, (i, j) in enumerate(group.covariance.pairs):
            name = names.element(variable, names.pair(group.coefs[i], group.coefs[j]))
            yield Learnt(name, "correlation", prior.marginal(sizes[i]), values[variable][:, k])


def log_prior(spec: ModelSpec, values: Values) -> dict[str, Array]:
    """Return the log prior density of each top-level parameter at each draw, by its name.

    Parameters
    ----------
    spec : ModelSpec
    values : dict of str to ndarray of shape (S, ...)

    Returns
    -------
    dict of str to ndarray of shape (S,)
        A factor's correlations are one parameter. Fixed parameters are left out.
    """
    draws = scalars(spec, values)
    found = {}
    for item in spec.priors:
        if isinstance(item.prior, ScalarPrior) and not isinstance(item.prior, Fixed):
            found[item.name] = item.prior.logpdf(draws[item.name])
    for group in spec.groups:
        prior = spec.priors[names.cor(group.factor)] if group.covariance.pairs else None
        if isinstance(prior, LKJ):
            found[names.cor(group.factor)] = _log_lkj(prior, group, values)
    return found


def _log_lkj(prior: LKJ, group: GroupEncoding, values: Values) -> Array:
    R = group.covariance.correlation(values[names.cor(group.factor)])
    parts = group.covariance.correlated_parts
    return np.asarray(sum(prior.logpdf(R[:, part][:, :, part]) for part in map(list, parts)))
