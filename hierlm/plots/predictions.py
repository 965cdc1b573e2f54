"""Expected responses along a predictor, and the intraclass correlation along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from arviz_plots import PlotCollection
from numpy.typing import NDArray

from hierlm import variance
from hierlm.design import Design
from hierlm.design.levels import label
from hierlm.errors import DataError
from hierlm.plots.canvas import (
    CYCLE,
    DASHED,
    DATA,
    POOLED,
    POPULATION,
    SMALL,
    Canvas,
    Panel,
    canvas,
    shorten,
)
from hierlm.plots.grids import Along, along, grid, places_of
from hierlm.plots.groups import response_label
from hierlm.plots.labels import choose_levels, some_rows, units, varying, with_unit
from hierlm.prediction import expected_response, read_rows
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval

Array = NDArray[np.float64]

_SAMPLES = 400  # draws for the line of each of many levels
_MOST_LINES = len(CYCLE)


def plot_predictions(
    spec: ModelSpec,
    design: Design,
    frame: pd.DataFrame,
    idata: xr.DataTree,
    x: str | None = None,
    *,
    by: str | None = None,
    groups: Literal["none", "integrate"] = "none",
    lines: str | None = None,
    levels: str | Sequence[str] | None = None,
    data: bool = True,
    interval: Interval | None = None,
    backend: str | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw the expected response along a predictor, with its interval and the rows.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    frame : pandas.DataFrame
    idata : xarray.DataTree
    x : str, optional
        The predictor along the axis; the first that has numbers when not given. Others stay at
        their means, or their most frequent category.
    by : str, optional
        A predictor of which each category, or mean and one sd to either side, has a line.
    groups : {"none", "integrate"}
        Effects at zero, or averaged over: a population's typical level, or its mean.
    lines : str, optional
        A grouping factor, each of whose levels has a thin line.
    levels : str or sequence of str, optional
        Which of those levels; all when not given.
    data : bool
        Whether to draw the rows.
    interval : Interval, optional
    backend, ax
        See `hierlm.plots`.

    Returns
    -------
    PlotCollection

    Raises
    ------
    DataError
        If a predictor, factor or level is not there, or nothing runs along the axis.
    """
    if groups not in ("none", "integrate"):
        raise DataError(
            f"groups is 'none' or 'integrate'; came {groups!r}.\n"
            "  lines= draws the levels of a grouping factor, and plot_groups a panel for each."
        )
    axis = along(spec, frame, x)
    if axis.name is None:
        raise DataError("this model has no predictor to draw along an axis.")
    interval = interval or Interval()
    made = canvas([axis.name], height=4.0, backend=backend, ax=ax)
    panel = made.first
    cases = _cases(spec, frame, axis, by)
    if data:
        _draw_rows(panel, design, axis)
    if lines is not None:
        _draw_levels(panel, spec, frame, idata, axis, lines, levels)
    places = places_of(axis, slice(None), 60)
    for k, (color, fixed) in enumerate(cases.values()):
        table = grid(spec, frame, axis, places).assign(**fixed)
        draws = expected_response(
            spec, idata, _per_trial(read_rows(spec, table, groups, values=())), groups=groups
        )
        shift = 0.12 * (k - (len(cases) - 1) / 2) if axis.categorical else 0.0
        _draw_case(panel, places + shift, draws, interval, color, axis.categorical)
    known = units(frame)
    if axis.levels is not None:
        panel.ticks("x", np.arange(len(axis.levels)), [label(v) for v in axis.levels])
    panel.labels(x=with_unit(axis.name, known), y=response_label(spec, known), size=SMALL + 1)
    _explain(made, cases, by, lines, interval)
    return made.collection


def _per_trial(design: Design) -> Design:
    return replace(design, trials=None)


type _Cases = dict[str, tuple[str, dict[str, Any]]]


def _cases(spec: ModelSpec, frame: pd.DataFrame, axis: Along, by: str | None) -> _Cases:
    """Return the lines: by name, a colour and what is held fixed."""
    if by is None:
        return {"": (POOLED, {})}
    if by == axis.name:
        raise DataError(f"{by!r} runs along the axis already; by= takes another predictor.")
    other = along(spec, frame, by)
    if other.levels is not None:
        if len(other.levels) > _MOST_LINES:
            raise DataError(
                f"{by!r} has {len(other.levels)} categories; at most {_MOST_LINES} lines can be "
                "told apart.\n  Put it along the axis: x=."
            )
        return {f"{by} {label(v)}": (CYCLE[k], {by: v}) for k, v in enumerate(other.levels)}
    mean, sd = float(other.positions.mean()), float(other.positions.std())
    values = [mean - sd, mean, mean + sd]
    return {f"{by} = {v:.3g}": (CYCLE[k], {by: v}) for k, v in enumerate(values)}


def _draw_rows(panel: Panel, design: Design, axis: Along) -> None:
    y = design.response if design.trials is None else design.response / design.trials
    x = axis.positions
    if axis.categorical:
        x = x + np.random.default_rng(0).uniform(-0.25, 0.25, len(x))
    some = some_rows(len(x))
    size, alpha = (4, 0.25) if len(x) > 500 else (9, 0.5)
    panel.points(x[some], y[some], color=DATA, size=size, alpha=alpha)


def _draw_levels(
    panel: Panel,
    spec: ModelSpec,
    frame: pd.DataFrame,
    idata: xr.DataTree,
    axis: Along,
    factor: str,
    levels: str | Sequence[str] | None,
) -> None:
    """Draw the posterior mean of every level, over the values of x that it has."""
    group = varying(spec, factor)
    codes = group.levels.encode(frame)
    tables, sizes = [], []
    for level in choose_levels(group, levels):
        mine = np.flatnonzero(codes == group.levels.labels.index(level))
        tables.append(grid(spec, frame.iloc[mine], axis, places_of(axis, mine, 15)))
        sizes.append(len(tables[-1]))
    table = pd.concat(tables, ignore_index=True)
    within = [g.factor for g in spec.groups if set(g.levels.columns) <= set(group.levels.columns)]
    total = idata["posterior"].sizes["chain"] * idata["posterior"].sizes["draw"]
    some = np.linspace(0, total - 1, min(_SAMPLES, total)).astype(np.int64)
    rows = _per_trial(read_rows(spec, table, values=()))
    mean = expected_response(spec, idata, rows, groups=within, samples=some).mean(axis=0)
    x = along(spec, table, axis.name).positions
    if axis.levels is not None:  # the levels of the rows at hand may be fewer
        places = {label(v): k for k, v in enumerate(axis.levels)}
        x = np.array([places[label(v)] for v in table[axis.name]], dtype=float)
    ends = np.cumsum(sizes)[:-1]
    crowd = float(np.clip(5 / np.sqrt(len(tables)), 0.2, 0.9))
    x, mean = (np.insert(values, ends, np.nan) for values in (x, mean))
    panel.line(x, mean, color="#56B4E9", width=0.9, alpha=crowd)


def _draw_case(
    panel: Panel, x: Array, draws: Array, interval: Interval, color: str, separate: bool
) -> None:
    lower, upper = interval.of(draws.T).T
    mean = draws.mean(axis=0)
    if separate or len(x) == 1:
        ends = (np.column_stack([x, bound]) for bound in (lower, upper))
        panel.segments(*ends, color=color, width=2)
        panel.points(x, mean, color=color, size=40, zorder=3)
        return
    panel.band(x, lower, upper, color=color)
    panel.line(x, mean, color=color, width=2)


def _explain(
    made: Canvas, cases: _Cases, by: str | None, lines: str | None, interval: Interval
) -> None:
    what = f"mean and {100 * interval.prob:g}% interval"
    entries: dict[str, dict[str, Any]] = {}
    if by is None:
        entries[what] = {"color": POOLED}
    else:
        entries |= {shorten(name): {"color": color} for name, (color, _) in cases.items()}
    if lines is not None:
        entries[f"levels of {lines}"] = {"color": "#56B4E9"}
    made.legend(entries)


def plot_icc(
    spec: ModelSpec,
    design: Design,
    frame: pd.DataFrame,
    idata: xr.DataTree,
    x: str | None = None,
    *,
    interval: Interval | None = None,
    backend: str | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw each factor's share of the variance, or its course along a predictor.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    frame : pandas.DataFrame
    idata : xarray.DataTree
    x : str, optional
        A predictor with a varying slope, which every row is given in turn. Without it the shares
        are averages over the rows.
    interval : Interval, optional
    backend, ax
        See `hierlm.plots`.

    Returns
    -------
    PlotCollection

    Raises
    ------
    DataError
        If no effect varies with `x`.
    FamilyError
        As `hierlm.variance.icc`.
    """
    interval = interval or Interval()
    if x is None:
        return _shares(spec, design, idata, interval, backend, ax)
    axis = along(spec, frame, x)
    places = places_of(axis, slice(None), 25)
    at = [axis.levels[int(k)] for k in places] if axis.levels is not None else places.tolist()
    table = variance.icc(spec, design, idata, interval, frame=frame, at={x: at})
    made = canvas([x], height=3.6, backend=backend, ax=ax)
    panel, entries = made.first, {}
    lower, upper = interval.columns
    for k, group in enumerate([*(g.factor for g in spec.groups), "residual"]):
        rows = table.xs(group, level="group")
        residual = group == "residual" and k == len(spec.groups)
        color = "#595959" if residual else CYCLE[k % len(CYCLE)]
        style = {"linestyle": DASHED} if residual else {}
        shift = 0.12 * (k - len(spec.groups) / 2) if axis.categorical else 0.0
        if axis.categorical:
            ends = (np.column_stack([places + shift, rows[bound]]) for bound in (lower, upper))
            panel.segments(*ends, color=color, width=2)
            panel.points(places + shift, rows["mean"], color=color, size=30)
        else:
            panel.band(places, rows[lower], rows[upper], color=color, alpha=0.2)
            panel.line(places, rows["mean"], color=color, width=2, **style)
        entries[shorten(group)] = {"color": color, **style}
    if axis.levels is not None:
        panel.ticks("x", places, [label(v) for v in at])
    panel.limits(y=(-0.02, 1.02))
    panel.labels(x=with_unit(x, units(frame)), y="share of the variance", size=SMALL + 1)
    made.legend(entries)
    return made.collection


def _shares(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    interval: Interval,
    backend: str | None,
    ax: Any,
) -> PlotCollection:
    table = variance.icc(spec, design, idata, interval)
    n = len(table)
    made = canvas(["icc"], height=0.45 * n + 1.0, backend=backend, ax=ax)
    panel, rows = made.first, np.arange(n, dtype=float)[::-1]
    lower, upper = interval.columns
    ends = (np.column_stack([table[bound], rows]) for bound in (lower, upper))
    panel.segments(*ends, color=POOLED, width=2)
    panel.points(table["mean"], rows, color=POPULATION, size=40, zorder=3)
    for y, (share, top) in zip(rows, zip(table["mean"], table[upper], strict=True), strict=True):
        beside = {"horizontal_align": "left", "size": SMALL}
        if top > 0.85:
            beside["horizontal_align"] = "right"
        place = top + 0.02 if top <= 0.85 else float(table[lower].iloc[n - 1 - int(y)]) - 0.02
        panel.text(place, y, f"{share:.2f}", **beside)
    panel.ticks("y", rows, [str(name) for name in table.index])
    panel.limits(x=(-0.02, 1.02), y=(-0.7, n - 0.3))
    panel.labels(x=f"share of the variance, {100 * interval.prob:g}% interval", size=SMALL + 1)
    return made.collection
