"""Shrinkage: from what a level's own rows say to what the model says of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from arviz_plots import PlotCollection
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design, GroupEncoding
from hierlm.plots.canvas import DASHED, POOLED, POPULATION, SMALL, UNPOOLED, Canvas, Panel, canvas
from hierlm.plots.effects import posterior_covariance
from hierlm.plots.geometry import ellipse, within
from hierlm.plots.labels import choose, choose_levels, coefficient_label, units, varying
from hierlm.shrinkage import shrinkage
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval

Array = NDArray[np.float64]

_PROBS = (0.5, 0.9)
_CROWD = 60  # levels above which standard errors are left out of the plane


def plot_shrinkage(
    spec: ModelSpec,
    design: Design,
    frame: pd.DataFrame,
    idata: xr.DataTree,
    factor: str | None = None,
    *,
    coefs: str | Sequence[str] | None = None,
    levels: str | Sequence[str] | None = None,
    interval: Interval | None = None,
    backend: str | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw an arrow per level, from its own estimate to that of the model.

    Two coefficients make a plane, in which the population is a point and the ellipses hold 50%
    and 90% of its levels (posterior mean of Sigma); the bars of a level's own estimate are one
    standard error. A single coefficient has the levels below each other, sorted by their own
    estimate, and the interval of the model's.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    frame : pandas.DataFrame
        The rows, for units.
    idata : xarray.DataTree
    factor : str, optional
        May be left out when there is one.
    coefs : str or sequence of str, optional
        One for the single form, more for a plane per pair; all when not given.
    levels : str or sequence of str, optional
    interval : Interval, optional
        Of the single form.
    backend, ax
        See `hierlm.plots`.

    Returns
    -------
    PlotCollection
        A level whose own rows do not determine its coefficients has a point and no arrow. In a
        plane of more than 60 levels the standard errors are left out. Own estimates that would
        make all others a speck are beyond the axes; the legend says how many.

    Raises
    ------
    DataError
        If a factor, level or coefficient is not there.
    """
    group = varying(spec, factor)
    shown = choose(coefs, group.coefs, f"coefficient that varies by {group.factor!r}")
    chosen = choose_levels(group, levels)
    interval = interval or Interval()
    table = shrinkage(spec, design, idata, group.factor, interval).loc[chosen]
    parts = {coef: pd.DataFrame(table.xs(coef, level="coef")) for coef in shown}
    known = units(frame)
    labels = {coef: coefficient_label(spec, coef, known) for coef in shown}
    if len(shown) > 1:
        made = _planes(parts, group, labels, idata, backend, ax)
    else:
        made = _single(parts[shown[0]], group, labels, interval, backend, ax)
    return made.collection


def _planes(
    parts: dict[str, pd.DataFrame],
    group: GroupEncoding,
    labels: dict[str, str],
    idata: xr.DataTree,
    backend: str | None,
    ax: Any,
) -> Canvas:
    pairs = list(itertools.combinations(labels, 2))
    Sigma = posterior_covariance(idata, group).mean(axis=0)
    cols = min(len(pairs), 2)
    height = 4.8 if cols == 1 else 3.4
    made = canvas([names.pair(*p) for p in pairs], cols=cols, height=height, backend=backend, ax=ax)
    beyond: set[Any] = set()
    for pair, panel in zip(pairs, made, strict=True):
        at = [group.coefs.index(coef) for coef in pair]
        beyond |= _plane(panel, parts[pair[0]], parts[pair[1]], Sigma[np.ix_(at, at)])
        panel.labels(x=labels[pair[0]], y=labels[pair[1]], size=SMALL + 1)
        panel.small_ticks()
    made.legend(
        {
            f"{group.factor}, no pooling{_told(beyond)}": {"color": UNPOOLED, "marker": "C0"},
            "partial pooling": {"color": POOLED, "marker": "C0"},
            "population": {"color": POPULATION, "marker": "C3"},
            "50% and 90% of levels": {"color": POPULATION, "linestyle": DASHED},
        }
    )
    return made


def _told(beyond: set[Any]) -> str:
    """Return how many estimates are not in the picture, in words; nothing if all are.

    Examples
    --------
    >>> _told({"308"}), _told(set())
    (' (1 beyond the axes)', '')
    """
    return f" ({len(beyond)} beyond the axes)" if beyond else ""


def _plane(panel: Panel, first: pd.DataFrame, second: pd.DataFrame, Sigma: Array) -> set[Any]:
    """Draw one plane, and return the levels whose own estimates are beyond its axes."""
    own = _points(first, second, "no_pooling")
    se = _points(first, second, "no_pooling_se")
    partial = _points(first, second, "mean")
    center = np.array([first["population"].iloc[0], second["population"].iloc[0]])
    around = np.empty((0, 2))
    for prob in _PROBS:
        around = ellipse(center, Sigma, prob)
        panel.line(around[:, 0], around[:, 1], color=POPULATION, width=1, linestyle=DASHED)
    both = np.isfinite(own).all(axis=1)
    crowd = len(own) > _CROWD
    if not crowd:
        for axis in np.eye(2):
            panel.segments(own - axis * se, own + axis * se, color=UNPOOLED, width=0.7, alpha=0.5)
    panel.arrows(own[both], partial[both], color="B2", alpha=0.35 if crowd else 0.7)
    size = 6 if crowd else 20
    panel.points(*own[both].T, color=UNPOOLED, size=size, alpha=0.6 if crowd else 1.0, zorder=3)
    panel.points(*partial.T, color=POOLED, size=size, zorder=3)
    panel.points(*center[:, None], color=POPULATION, size=46, marker="C3", zorder=4)
    ends, outside = within(np.vstack([partial, around]), own[both])
    if outside.any():
        panel.limits(x=tuple(ends[:, 0]), y=tuple(ends[:, 1]))
    return set(first.index[both][outside])


def _points(first: pd.DataFrame, second: pd.DataFrame, column: str) -> Array:
    return np.column_stack([first[column], second[column]]).astype(float)


def _single(
    table: pd.DataFrame,
    group: GroupEncoding,
    labels: dict[str, str],
    interval: Interval,
    backend: str | None,
    ax: Any,
) -> Canvas:
    by = table["no_pooling"].fillna(table["mean"])
    table = table.loc[by.sort_values(kind="stable").index]
    J = len(table)
    (coef,) = labels
    height = float(np.clip(0.2 * J + 0.9, 2.4, 9.0))
    made = canvas([coef], height=height, backend=backend, ax=ax)
    panel = made.first
    crowd = J > _CROWD
    rows = np.arange(J, dtype=float)
    own, se, mean = (table[c].to_numpy(float) for c in ("no_pooling", "no_pooling_se", "mean"))
    apart = 0.0 if crowd else 0.16
    bars = [np.column_stack([own + side * se, rows + apart]) for side in (-1, 1)]
    panel.segments(*bars, color=UNPOOLED, width=0.8, alpha=0.5)
    lower, upper = interval.columns
    bars = [np.column_stack([table[bound], rows - apart]) for bound in (lower, upper)]
    panel.segments(*bars, color=POOLED, width=0.8 if crowd else 1.6, alpha=0.5)
    both = np.isfinite(own)
    panel.arrows(
        np.column_stack([own, rows + apart])[both],
        np.column_stack([mean, rows - apart])[both],
        color="B2",
        alpha=0.3 if crowd else 0.7,
    )
    panel.points(own[both], rows[both] + apart, color=UNPOOLED, size=5 if crowd else 18, zorder=3)
    panel.points(mean, rows - apart, color=POOLED, size=5 if crowd else 18, zorder=3)
    panel.vline(float(table["population"].iloc[0]), color=POPULATION, linestyle=DASHED, width=1.2)
    every = -(-J // _CROWD)
    places = np.arange(J)[::-every][::-1]
    panel.ticks("y", places, [str(table.index[j]) for j in places], size=SMALL - (J > 39))
    panel.labels(x=labels[coef], y=group.factor, size=SMALL + 1)
    core = np.concatenate([mean, *(table[bound] for bound in (lower, upper))])
    ends, outside = within(core[:, None], own[both, None])
    panel.limits(x=tuple(ends[:, 0]) if outside.any() else None, y=(-0.9, J - 0.1))
    beyond = set(table.index[both][outside])
    made.legend(
        {
            f"no pooling, ± 1 se{_told(beyond)}": {"color": UNPOOLED, "marker": "C0"},
            f"partial pooling, {100 * interval.prob:g}%": {"color": POOLED, "marker": "C0"},
            "population": {"color": POPULATION, "linestyle": DASHED},
        }
    )
    return made
