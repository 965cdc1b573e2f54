"""Sds and correlations of group-specific effects: the posterior over the prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from arviz_plots import PlotCollection
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import GroupEncoding
from hierlm.errors import DataError
from hierlm.plots.canvas import POOLED, POPULATION, PRIOR, SMALL, Panel, canvas, shorten
from hierlm.plots.labels import coefficient_label, units
from hierlm.priors import LKJ, Fixed, Prior, ScalarPrior
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, draws_of

Array = NDArray[np.float64]
Density = Callable[[Array], Array]


@dataclass(frozen=True)
class _Parameter:
    name: str
    label: str
    draws: Array
    prior: Density
    support: tuple[float, float]


def plot_varcorr(
    spec: ModelSpec,
    idata: xr.DataTree,
    frame: pd.DataFrame,
    factor: str | None = None,
    *,
    interval: Interval | None = None,
    backend: str | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw the posterior of every sd and correlation, and of sigma, over its prior.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    frame : pandas.DataFrame
        The rows, for units.
    factor : str, optional
        One grouping factor, without the family's own parameters; all of them when not given.
    interval : Interval, optional
        Drawn below the density, with the mean.
    backend, ax
        See `hierlm.plots`.

    Returns
    -------
    PlotCollection
        A panel per parameter, named as in the posterior: ``sd_Subject[Days]``. The prior's
        density is exact; for a correlation it is the marginal of the LKJ.

    Raises
    ------
    DataError
        If there is no such factor, or every parameter is fixed.
    """
    interval = interval or Interval()
    chosen = spec.groups if factor is None else (spec.group(factor),)
    known = units(frame)
    found = [p for group in chosen for p in _of_group(spec, idata, group, known)]
    if factor is None:
        found += _shapes(spec, idata, known)
    if not found:
        raise DataError("this model has no sd or correlation that is not fixed.")
    cols = 2 if len(found) in (2, 4) else min(len(found), 3)
    made = canvas([p.name for p in found], cols=cols, height=2.1, backend=backend, ax=ax)
    for parameter, panel in zip(found, made, strict=True):
        _draw(panel, parameter, interval)
    made.legend({"posterior": {"color": POOLED}, "prior": {"color": PRIOR, "linestyle": "C1"}})
    return made.collection


def _of_group(
    spec: ModelSpec, idata: xr.DataTree, group: GroupEncoding, known: dict[str, str]
) -> list[_Parameter]:
    found = []
    sds = draws_of(idata, names.sd(group.factor))
    for coef, draws in zip(group.coefs, sds, strict=True):
        name = names.element(names.sd(group.factor), coef)
        label = coefficient_label(spec, coef, known)
        found += _scalar(name, f"sd of {label}\nby {group.factor}", draws, spec.priors[name])
    pairs = group.covariance.pairs
    prior = spec.priors[names.cor(group.factor)] if pairs else None
    if not isinstance(prior, LKJ):
        return found
    size = {i: len(part) for part in group.covariance.parts for i in part}
    for (i, j), draws in zip(pairs, draws_of(idata, names.cor(group.factor)), strict=True):
        pair = names.pair(group.coefs[i], group.coefs[j])
        name = names.element(names.cor(group.factor), pair)
        marginal: Any = prior.marginal(size[i])
        label = f"correlation of {shorten(group.coefs[i], 20)}\nand {shorten(group.coefs[j], 24)}"
        found.append(_Parameter(name, label, draws, marginal.pdf, (-1.0, 1.0)))
    return found


def _shapes(spec: ModelSpec, idata: xr.DataTree, known: dict[str, str]) -> list[_Parameter]:
    found = []
    unit = known.get(spec.response, "")
    for shape in spec.shapes:
        label = f"{shape.name}\n{shape.meaning.split(':')[0]}"
        if unit and spec.family.name == "gaussian":
            label += f" ({unit})"
        found += _scalar(shape.name, label, draws_of(idata, shape.name), spec.priors[shape.name])
    return found


def _scalar(name: str, label: str, draws: Array, prior: Prior) -> list[_Parameter]:
    if isinstance(prior, Fixed) or not isinstance(prior, ScalarPrior):
        return []
    scalar: ScalarPrior = prior

    def density(x: Array) -> Array:
        return np.exp(scalar.logpdf(x))

    return [_Parameter(name, label, draws, density, (0.0, np.inf))]


def _draw(panel: Panel, parameter: _Parameter, interval: Interval) -> None:
    draws = parameter.draws
    grid, density, _ = array_stats.kde(draws)
    low, high = parameter.support
    if np.isinf(high):
        high = float(draws.max() * 1.25)
    top = float(density.max())
    panel.band(grid, np.zeros_like(grid), density, color=POOLED, alpha=0.3)
    panel.line(grid, density, color=POOLED, width=1.6)
    x = np.linspace(low, high, 203)[1:-1]  # the ends may have no density, or an infinite one
    panel.line(x, parameter.prior(x), color=PRIOR, width=1.6, linestyle="C1")
    lower, upper = interval.of(draws)
    panel.line([lower, upper], [-0.07 * top] * 2, color=POPULATION, width=2)
    panel.points([draws.mean()], [-0.07 * top], color=POPULATION, size=18)
    panel.limits(x=(low, high), y=(-0.14 * top, 1.12 * top))
    panel.labels(x=parameter.label, size=SMALL + 1)
    panel.no_ticks("y")
    panel.small_ticks()
