"""Level by level: the rows, what they say alone, what the model says, and the population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from arviz_plots import PlotCollection
from numpy.typing import NDArray

from hierlm.design import Design, GroupEncoding
from hierlm.design.levels import label
from hierlm.plots.canvas import (
    DASHED,
    DATA,
    POOLED,
    POPULATION,
    SMALL,
    UNPOOLED,
    Panel,
    canvas,
    shorten,
)
from hierlm.plots.grids import Along, along, grid, places_of
from hierlm.plots.labels import choose_levels, page_of, some_rows, units, varying, with_unit
from hierlm.prediction import expected_response, linear_predictor, read_rows
from hierlm.shrinkage import shrinkage
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, draws_of

Array = NDArray[np.float64]

PAGE = 40
"""Levels on a page."""


def plot_groups(
    spec: ModelSpec,
    design: Design,
    frame: pd.DataFrame,
    idata: xr.DataTree,
    factor: str | None = None,
    *,
    x: str | None = None,
    levels: str | Sequence[str] | None = None,
    page: int = 1,
    interval: Interval | None = None,
    backend: str | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw a panel per level: rows, no pooling, partial pooling with interval, population.

    The lines are expected responses. No pooling has the coefficients that the level's own rows
    give (`hierlm.shrinkage`), what does not vary by the factor being as the model has it; partial
    pooling is the posterior mean, with the effects of this factor and of those it is nested in;
    population is the same with all effects at zero. Other predictors stay at the level's own
    mean, or its most frequent category.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    frame : pandas.DataFrame
    idata : xarray.DataTree
    factor : str, optional
        May be left out when there is one.
    x : str, optional
        The predictor along the axis; one that varies by the factor when not given.
    levels : str or sequence of str, optional
        Which to show, in this order; all when not given.
    page : int
        From 1; a page has 40 levels.
    interval : Interval, optional
    backend, ax
        See `hierlm.plots`.

    Returns
    -------
    PlotCollection

    Raises
    ------
    DataError
        If a factor, level, predictor or page is not there.
    """
    group = varying(spec, factor)
    chosen, where = page_of(choose_levels(group, levels), page, PAGE)
    axis = along(spec, frame, x, group)
    cols = _columns(len(chosen))
    height = 3.4 if len(chosen) == 1 else max(1.25, 4.2 / cols)
    made = canvas(
        chosen, cols=cols, height=height, backend=backend, ax=ax, sharex=True, sharey=True
    )
    rows = _Rows(spec, design, frame, idata, group, axis, interval or Interval())
    for level, panel in zip(chosen, made, strict=True):
        rows.draw(panel, level)
        panel.labels(title=shorten(level, 90 // cols), size=SMALL + 1)
        panel.small_ticks()
    if axis.levels is not None:
        for panel in made:
            shown = [shorten(label(v), max(3, 26 // cols)) for v in axis.levels]
            panel.ticks("x", np.arange(len(shown)), shown)
    known = units(frame)
    name = f"row within {group.factor}" if axis.name is None else with_unit(axis.name, known)
    made.outer(x=f"{name}   [{where}]" if where else name, y=response_label(spec, known))
    line: dict[str, Any] = {"linestyle": DASHED}
    alone, pooled = ({"marker": "C2"}, {"marker": "C0"}) if axis.categorical else (line, {})
    made.legend(
        {
            "data": {"color": DATA, "marker": "C0"},
            "no pooling": {"color": UNPOOLED} | alone,
            f"partial pooling, {100 * rows.interval.prob:g}%": {"color": POOLED} | pooled,
            "population": {"color": POPULATION, "linestyle": "C2"},
        }
    )
    return made.collection


def _columns(n: int) -> int:
    """Return how many panels make a row: up to six, with few places left empty.

    Examples
    --------
    >>> [_columns(n) for n in (1, 6, 18, 40)]
    [1, 3, 6, 6]
    """
    ideal = min(np.sqrt(1.6 * n), 6.0)
    near = range(max(1, int(ideal)), min(6, n, int(np.ceil(ideal)) + 1) + 1)
    return min(near, key=lambda cols: (-n % cols, abs(cols - ideal)))


def response_label(spec: ModelSpec, known: dict[str, str]) -> str:
    """Return what a vertical axis of responses is called."""
    if spec.family.response == "trials":
        return f"proportion of {spec.response}"
    return with_unit(spec.response, known)


class _Rows:
    """What the panels have in common."""

    def __init__(
        self,
        spec: ModelSpec,
        design: Design,
        frame: pd.DataFrame,
        idata: xr.DataTree,
        group: GroupEncoding,
        axis: Along,
        interval: Interval,
    ) -> None:
        self.spec, self.design, self.frame, self.idata = spec, design, frame, idata
        self.group, self.axis, self.interval = group, axis, interval
        block = next(block for block in design.blocks if block.factor == group.factor)
        self.codes = block.codes
        within = set(group.levels.columns)
        self.factors = [g.factor for g in spec.groups if set(g.levels.columns) <= within]
        table = shrinkage(spec, design, idata, group.factor, self.interval)
        shape = (len(group.levels.labels), len(group.coefs))
        own = table["no_pooling"] - table["mean"]  # from the model's coefficients to the level's
        self.own = own.to_numpy(dtype=float).reshape(shape)
        self.y = design.response if design.trials is None else design.response / design.trials

    def draw(self, panel: Panel, level: str) -> None:
        """Draw one level."""
        code = self.group.levels.labels.index(level)
        mine = np.flatnonzero(self.codes == code)
        axis = self.axis
        if axis.name is None:
            axis = replace(axis, positions=np.zeros(len(self.codes)))
            axis.positions[mine] = np.arange(1, len(mine) + 1)
        places = places_of(axis, mine)
        table = grid(self.spec, self.frame.iloc[mine], axis, places)
        new = read_rows(self.spec, table, values=())
        own = self._own(new, code)
        pooled = self._expected(new, self.factors)
        population = self._expected(new, "none").mean(axis=0)
        lower, upper = self.interval.of(pooled.T).T
        if axis.categorical or len(places) == 1:
            means = np.stack([own, pooled.mean(axis=0), lower, upper, population])
            _points(panel, places, means, self._width())
        else:
            panel.band(places, lower, upper, color=POOLED)
            panel.line(places, population, color=POPULATION, width=1.1, linestyle="C2")
            panel.line(places, pooled.mean(axis=0), color=POOLED, width=1.6)
            panel.line(places, own, color=UNPOOLED, width=1.3, linestyle=DASHED)
        few = len(mine) < 30
        shown = mine[some_rows(len(mine), 1000)]
        panel.points(
            axis.positions[shown] - (0.12 if axis.categorical else 0),
            self.y[shown],
            color=DATA,
            size=9 if few else 4,
            alpha=0.9 if few else 0.5,
            zorder=3,
        )

    def _own(self, new: Design, code: int) -> Array:
        """Return the expected response with the coefficients of no pooling; NaN without them."""
        eta = linear_predictor(self.spec, self.idata, new, groups=self.factors).mean(axis=0)
        Z = next(block.Z for block in new.blocks if block.factor == self.group.factor)
        # a column of zeros asks nothing of a coefficient that the rows do not determine
        eta = eta + np.where(Z == 0, 0.0, Z * self.own[code]).sum(axis=1)
        if self.spec.family.name == "lognormal":
            return np.asarray(np.exp(eta + np.square(draws_of(self.idata, "sigma")).mean() / 2))
        return np.asarray(self.spec.family.link.inverse(eta))

    def _width(self) -> float:
        """Return the room that separate places have on the axis."""
        if self.axis.categorical:
            return 1.0
        return float(0.3 * np.ptp(self.axis.positions)) or 1.0

    def _expected(self, new: Design, groups: Any) -> Array:
        return expected_response(self.spec, self.idata, new, groups=groups)


def _points(panel: Panel, x: Array, values: Array, width: float) -> None:
    """Draw what lines would say, at separate places: no pooling, partial pooling, population."""
    own, mean, lower, upper, population = values
    ends = (np.column_stack([x + side * width, population]) for side in (-0.3, 0.3))
    panel.segments(*ends, color=POPULATION, width=1.1, linestyle="C2")
    panel.points(x + 0.04 * width, own, color=UNPOOLED, size=26, marker="C2", zorder=3)
    beside = x + 0.16 * width
    bars = (np.column_stack([beside, bound]) for bound in (lower, upper))
    panel.segments(*bars, color=POOLED, width=1.6)
    panel.points(beside, mean, color=POOLED, size=14, zorder=3)
