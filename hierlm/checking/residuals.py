r"""Residuals: what is left of the response, on three scales.

.. math::

    \text{response: } y_i - \mathrm{E}(y_i), \qquad
    \text{pearson: } \frac{y_i - \mathrm{E}(y_i)}{\mathrm{sd}(y_i)}, \qquad
    \text{quantile: } u_i \sim U\!\left[F_i(y_i^-), F_i(y_i)\right]

Of a continuous response :math:`F_i(y^-) = F_i(y)`; of a discrete one :math:`u_i` is drawn between
them (Dunn and Smyth 1996, doi:10.1080/10618600.1996.10474708). The u are uniform if the model is
right, whatever the family.

With ``groups="all"`` everything is given the effects of the fitted levels. F is that of one
posterior draw, taken at random: then the u are exactly uniform and independent, although the
response has shaped the draw (Johnson 2007, doi:10.1214/07-BA229). F averaged over the draws would
put them too near one half, the more so the fewer rows a level has.

With ``groups="new"`` the effects are drawn anew from N(0, Sigma) for each posterior draw, and F is
the average, :math:`F_i(y) = \frac1S \sum_s F(y \mid \mu_{is}, \theta_s)`: the residuals of
DHARMa with effects redrawn, without its simulation error. They contain the effect of their level,
so that those of one level are alike.

E and sd are those of the predictive distribution over all draws; the variance is the mean variance
plus the variance of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from hierlm import names
from hierlm.checking.draws import Groups, posterior_values, with_groups
from hierlm.design import Design
from hierlm.errors import DataError, FamilyError
from hierlm.seeds import generator
from hierlm.simulation.responses import (
    Values,
    chunks,
    linear_predictor,
    shapes_of,
)
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Kind = Literal["response", "pearson", "quantile", "normal"]


@dataclass(frozen=True)
class Predicted:
    """The predictive distribution of some rows, draw by draw.

    Parameters
    ----------
    spec : ModelSpec
    design : Design of n rows, with their response
    mu : ndarray of shape (S, n)
    shapes : dict of str to ndarray
        What the family takes beside the mean.
    """

    spec: ModelSpec
    design: Design
    mu: Array
    shapes: dict[str, Array]

    @classmethod
    def of(cls, spec: ModelSpec, design: Design, values: Values) -> Predicted:
        """Return the distribution of the rows of `design`."""
        mu = spec.family.link.inverse(linear_predictor(design, values))
        return cls(spec, design, mu, shapes_of(spec, design, values))

    @property
    def mean(self) -> Array:
        """Expected responses, an array of shape (S, n); the centre of a student, as in `epred`."""
        if self.spec.family.name == "student":  # no mean where nu is one or less
            return self.mu
        return self.spec.family.mean(self.mu, **self.shapes)

    @property
    def variance(self) -> Array:
        """Variances of the responses, broadcasting against (S, n)."""
        return self.spec.family.variance(self.mu, **self.shapes)

    def bounds(self, y: Array) -> tuple[Array, Array]:
        """Return F(y-) and F(y) of each draw, arrays of shape (S, n)."""
        family = self.spec.family
        upper = family.cdf(y, self.mu, **self.shapes)
        lower = family.cdf(y - 1, self.mu, **self.shapes) if family.discrete else upper
        return lower, upper


def residuals(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    kind: Kind = "quantile",
    *,
    groups: Groups = "all",
    samples: int | None = None,
    seed: int | np.random.Generator = 0,
) -> pd.Series[float]:
    """Return the residual of every row.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The fitted rows.
    idata : xarray.DataTree
    kind : {"quantile", "normal", "pearson", "response"}
        ``"normal"`` is the normal score of the quantile residual, within +-8.
    groups : {"all", "new"}
    samples : int, optional
        Draws to use, evenly spaced; all when not given.
    seed : int or numpy.random.Generator
        Of what is drawn: the posterior draw, places within the jumps of a discrete response, and
        new effects.

    Returns
    -------
    pandas.Series of length n

    Raises
    ------
    DataError
        If `kind` or `groups` is none of those.
    FamilyError
        If Pearson residuals are asked of a response that has no variance.
    """
    if kind not in get_args(Kind):
        raise DataError(f"kind is {kind!r}; allowed: {', '.join(map(repr, get_args(Kind)))}.")
    rng = generator(seed)
    values = posterior_values(spec, idata, samples)
    if groups == "all" and kind in ("quantile", "normal"):
        one = rng.integers(len(values[names.BETA]))
        values = {name: draws[one : one + 1] for name, draws in values.items()}
    values = with_groups(spec, values, groups, rng)
    found = np.empty(design.n)
    for rows in chunks(design.n, len(values[names.BETA])):
        found[rows] = _of_rows(Predicted.of(spec, design.take(rows), values), kind, rng)
    _check_defined(spec, kind, found)
    return pd.Series(found, index=pd.RangeIndex(design.n, name="row"), name=f"{kind} residual")


def _of_rows(predicted: Predicted, kind: Kind, rng: np.random.Generator) -> Array:
    y = predicted.design.response
    if kind in ("quantile", "normal"):
        lower, upper = (bound.mean(axis=0) for bound in predicted.bounds(y))
        u = lower + rng.uniform(size=y.shape) * (upper - lower)
        return normal_scores(u) if kind == "normal" else u
    raw = y - predicted.mean.mean(axis=0)
    if kind == "response":
        return np.asarray(raw)
    own = np.broadcast_to(predicted.variance, predicted.mu.shape)
    own = np.where(np.isfinite(own), own, np.nan)
    return np.asarray(raw / np.sqrt(own.mean(axis=0) + predicted.mean.var(axis=0)))


def residual_draws(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    kind: Kind = "response",
    *,
    groups: Groups = "all",
    seed: int | np.random.Generator = 0,
) -> xr.DataArray:
    """Return residuals given each draw: dims chain, draw and ``__obs__``.

    Parameters and errors as for `residuals`; the whole array, draws times rows, is in memory.
    """
    if kind not in get_args(Kind):
        raise DataError(f"kind is {kind!r}; allowed: {', '.join(map(repr, get_args(Kind)))}.")
    rng = generator(seed)
    values = with_groups(spec, posterior_values(spec, idata), groups, rng)
    found = np.empty((len(values[names.BETA]), design.n))
    for rows in chunks(design.n, len(found)):
        predicted = Predicted.of(spec, design.take(rows), values)
        y = predicted.design.response
        if kind in ("quantile", "normal"):
            lower, upper = predicted.bounds(y)
            u = lower + rng.uniform(size=upper.shape) * (upper - lower)
            found[:, rows] = normal_scores(u) if kind == "normal" else u
        else:
            scale = np.sqrt(predicted.variance) if kind == "pearson" else 1.0
            found[:, rows] = (y - predicted.mean) / scale
    posterior = idata["posterior"]
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], design.n)
    coords = {"chain": posterior["chain"], "draw": posterior["draw"]}
    return xr.DataArray(
        found.reshape(shape),
        dims=(*names.SAMPLE_DIMS, names.OBS),
        coords=coords | {names.OBS: np.arange(design.n)},
        name=f"{kind} residual",
    )


def _check_defined(spec: ModelSpec, kind: Kind, found: Array) -> None:
    """Raise where draws have no variance, or no mean that the family could have."""
    if np.isfinite(found).all():
        return
    if spec.family.name == "student":
        raise FamilyError(
            "a student response has no variance in draws with nu of two or less, and so no "
            "Pearson residual.\n  Use kind='quantile'."
        )
    raise FamilyError(
        f"in some draws the mean is none that a {spec.family.name} response can have: with the "
        f"{spec.family.link.name} link new effects may bring it there.\n  Use groups='all'."
    )


def normal_scores(u: Array) -> Array:
    """Return standard normal quantiles, within +-8 where u rounds to zero or one."""
    return np.clip(np.asarray(special.ndtri(u)), -8.0, 8.0)
