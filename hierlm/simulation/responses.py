r"""From parameters to responses, in NumPy.

.. math:: b_j = \mathrm{diag}(sd)\, C u_j, \quad u_j \sim N(0, I), \qquad
          \eta = o + X\beta + \sum_k Z_k b_k, \qquad y_i \sim p(y \mid g^{-1}(\eta_i), \theta)

Values are dicts of arrays by canonical name, the draws first: ``beta`` of shape (S, p), ``sd_g``
(S, q), ``cor_g`` (S, pairs), ``r_g`` (S, J, q), shapes (S,).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.covariance import Covariance
from hierlm.design import Design
from hierlm.errors import DataError, HierlmWarning, warn
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Values = Mapping[str, Array]

_CELLS = 2_000_000  # draws times rows in memory at once
_LARGEST_COUNT = 1e15  # beyond it NumPy's counts overflow; no plot can tell


def chunks(rows: int, draws: int) -> Iterator[slice]:
    """Yield consecutive runs of rows such that draws times rows stay in memory.

    Examples
    --------
    >>> list(chunks(3_000_000, 1))
    [slice(0, 2000000, None), slice(2000000, 3000000, None)]
    """
    step = max(1, _CELLS // max(draws, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def check_weights(design: Design) -> None:
    """Raise `DataError` if rows have weights: there is no response to draw for them."""
    if design.weights is not None and np.any(design.weights != 1):
        raise DataError(
            "a row of weight k counts as k rows with the same response, which is no way that data "
            "come about: nothing can be simulated.\n"
            "  Leave weights out of the formula, or repeat each row."
        )


def correlation_factor(covariance: Covariance, cor: Array) -> Array:
    """Return Cholesky factors C of correlation matrices, also of barely positive definite ones.

    Parameters
    ----------
    covariance : Covariance
    cor : ndarray of shape (S, pairs)

    Returns
    -------
    ndarray of shape (S, q, q)
    """
    R = covariance.correlation(cor)
    try:
        return np.asarray(np.linalg.cholesky(R))
    except np.linalg.LinAlgError:  # rounding at |rho| = 1
        shrink = 1 - 1e-10
        return np.asarray(np.linalg.cholesky(shrink * R + (1 - shrink) * np.eye(R.shape[-1])))


def draw_effects(
    covariance: Covariance, sd: Array, cor: Array, levels: int, rng: np.random.Generator
) -> Array:
    """Draw the effects of new levels from N(0, Sigma), independently for each draw of Sigma.

    Parameters
    ----------
    covariance : Covariance
    sd : ndarray of shape (S, q)
    cor : ndarray of shape (S, pairs)
    levels : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (S, levels, q)
    """
    u = rng.standard_normal((len(sd), levels, sd.shape[1]))
    if covariance.pairs:
        u = u @ np.swapaxes(correlation_factor(covariance, cor), -1, -2)
    return np.asarray(u * sd[:, None, :])


def new_effects(spec: ModelSpec, values: Values, rng: np.random.Generator) -> dict[str, Array]:
    """Return `values` with the effects of every factor drawn anew, given their covariance."""
    found = dict(values)
    for group in spec.groups:
        sd = values[names.sd(group.factor)]
        cor = values.get(names.cor(group.factor), np.zeros((len(sd), 0)))
        levels = len(group.levels.labels)
        found[names.effects(group.factor)] = draw_effects(group.covariance, sd, cor, levels, rng)
    return found


def linear_predictor(design: Design, values: Values) -> Array:
    """Return the linear predictor of each row for each draw, an array of shape (S, n)."""
    effects = {block.factor: values[names.effects(block.factor)] for block in design.blocks}
    return design.linear_predictor(values[names.BETA], effects)


def shapes_of(spec: ModelSpec, design: Design, values: Values) -> dict[str, Array]:
    """Return what the family takes beside the mean, broadcasting against (S, n)."""
    found = {shape.name: values[shape.name][:, None] for shape in spec.shapes}
    if design.se is not None:
        found["sigma"] = design.se[None]
    if design.trials is not None:
        found["trials"] = design.trials[None]
    return found


def draw_responses(
    spec: ModelSpec, design: Design, values: Values, rng: np.random.Generator
) -> Array:
    """Draw a response for each row and draw, an array of shape (S, n).

    Expected counts above 1e15, which only priors reach, are drawn as 1e15, with a warning.

    Raises
    ------
    FamilyError
        If a mean is outside what the family can draw.
    """
    with np.errstate(over="ignore"):
        mu = spec.family.link.inverse(linear_predictor(design, values))
    if spec.family.response == "count" and mu.size and mu.max() > _LARGEST_COUNT:
        beyond = int(np.sum(mu.max(axis=1) > _LARGEST_COUNT))
        warn(
            f"{beyond} of {len(mu)} draws have expected counts above 1e15, and are drawn at 1e15: "
            "the priors allow absurd values. Make the sds' and the slopes' priors narrower.",
            HierlmWarning,
        )
        mu = np.minimum(mu, _LARGEST_COUNT)
    return np.asarray(spec.family.rvs(rng, mu, **shapes_of(spec, design, values)))
