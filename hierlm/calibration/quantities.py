r"""What is ranked: the parameters, a few group-specific effects, and functions of data and draws.

Ranks of parameters alone cannot tell a posterior from the prior. Functions of the response can
(Modrák et al. 2023, doi:10.1214/23-BA1404), and two are always ranked:

.. math:: \ell = \sum_i \log p(y_i \mid \eta_i, \phi), \qquad
          c = \frac1n \sum_i (t_i - \bar t)\, \eta_i

the log likelihood, and the covariance of the response t (on the scale of the mean) with the linear
predictor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.comparison.rows import Draws, RowDensity, linear_predictor
from hierlm.design import Design
from hierlm.errors import EngineError
from hierlm.simulation import chunks
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Values = Mapping[str, Array]
Quantity = Callable[[Values, Design], Array]

LOG_LIKELIHOOD = "log likelihood"
COVARIANCE = "cov(y, predictor)"
FITTED = (LOG_LIKELIHOOD, COVARIANCE)
_LEVELS = 3  # of a factor; the effects of its levels are alike


def parameters(spec: ModelSpec, values: Values) -> dict[str, Array]:
    """Return the parameters one by one, and the effects of the first, middle and last levels.

    Parameters
    ----------
    spec : ModelSpec
    values : dict of str to ndarray of shape (S, ...)
        In canonical names.

    Returns
    -------
    dict of str to ndarray of shape (S,)
        By name, as in the results of `hierlm.simulate`.
    """
    beta = values.get(names.BETA, np.empty((0, 0)))
    found = {name: beta[:, k] for k, name in enumerate(spec.coefs)}
    for group in spec.groups:
        sd, cor = names.sd(group.factor), names.cor(group.factor)
        found |= {names.element(sd, c): values[sd][:, k] for k, c in enumerate(group.coefs)}
        for k, (i, j) in enumerate(group.covariance.pairs):
            pair = names.pair(group.coefs[i], group.coefs[j])
            found[names.element(cor, pair)] = values[cor][:, k]
    found |= {shape.name: values[shape.name] for shape in spec.shapes}
    for group in spec.groups:
        effects, labels = names.effects(group.factor), group.levels.labels
        some = np.unique(np.linspace(0, len(labels) - 1, _LEVELS).astype(np.int64))
        for level in some:
            for k, coef in enumerate(group.coefs):
                label = names.element(effects, f"{labels[level]}, {coef}")
                found[label] = values[effects][:, level, k]
    return found


def quantities(
    spec: ModelSpec, design: Design, values: Values, own: Mapping[str, Quantity]
) -> dict[str, Array]:
    """Return everything that is ranked, one number per draw each.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        With the response that the values are, or may be, the cause of.
    values : dict of str to ndarray of shape (S, ...)
    own : dict of str to callable
        The user's, called with `values` and `design`.

    Returns
    -------
    dict of str to ndarray of shape (S,)
    """
    found = parameters(spec, values)
    found |= dict(zip(FITTED, _of_the_response(spec, design, values), strict=True))
    for name, function in own.items():
        found[name] = np.asarray(function(values, design), dtype=float)
        wanted = next(iter(values.values())).shape[:1]
        if found[name].shape != wanted:
            raise EngineError(
                f"the quantity {name!r} has shape {found[name].shape}; wanted one number per "
                f"draw, {wanted}.\n  It is called with arrays whose first axis is the draws."
            )
        if not np.isfinite(found[name]).all():
            raise EngineError(f"the quantity {name!r} is not finite everywhere, and has no rank.")
    return found


def _of_the_response(spec: ModelSpec, design: Design, values: Values) -> tuple[Array, Array]:
    """Return the log likelihood, and the covariance of response and linear predictor."""
    draws = _draws_last(spec, values)
    target = spec.family.working(design.response / _ones_or(design.trials, design.n))
    target = target - target.mean()
    likelihood, covariance = np.zeros(draws.count), np.zeros(draws.count)
    for part in chunks(design.n, draws.count):
        rows = np.arange(part.start, part.stop)
        eta = linear_predictor(design, draws, rows)
        density = RowDensity.of(spec.family, design, draws, rows)
        likelihood += density.weights @ density.fast()(eta)
        covariance += target[rows] @ eta
    return likelihood, covariance / design.n


def _draws_last(spec: ModelSpec, values: Values) -> Draws:
    count = len(next(iter(values.values())))
    beta = values[names.BETA].T if spec.coefs else np.empty((0, count))
    effects = {
        group.factor: np.moveaxis(values[names.effects(group.factor)], 0, -1)
        for group in spec.groups
    }
    shapes = {shape.name: values[shape.name] for shape in spec.shapes}
    return Draws(beta, effects, {}, shapes, 1)


def _ones_or(trials: Array | None, n: int) -> Array:
    return np.ones(n) if trials is None else np.maximum(trials, 1.0)
