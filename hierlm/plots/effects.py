"""Group-specific effects: one below the other with intervals, and one against the other."""

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
from hierlm.design import GroupEncoding
from hierlm.errors import DataError
from hierlm.plots.canvas import POOLED, POPULATION, SMALL, Panel, canvas
from hierlm.plots.geometry import ellipse, ellipses
from hierlm.plots.labels import choose, choose_levels, coefficient_label, units, varying
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, draws_of

Array = NDArray[np.float64]

_NAMED = 60  # levels that a caterpillar can name one by one
_TALLEST = 9.0  # inches


def plot_ranef(
    spec: ModelSpec,
    idata: xr.DataTree,
    frame: pd.DataFrame,
    factor: str | None = None,
    *,
    coefs: str | Sequence[str] | None = None,
    levels: str | Sequence[str] | None = None,
    sort: str | None = "first",
    interval: Interval | None = None,
    backend: str | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw the effects of a grouping factor as a caterpillar: sorted, with intervals.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    frame : pandas.DataFrame
        The rows, for units.
    factor : str, optional
        May be left out when there is one.
    coefs, levels : str or sequence of str, optional
        Which to show; all when not given.
    sort : str or None
        The coefficient by whose mean the levels are sorted, in every panel; the first one shown
        by default. None keeps the order of the levels.
    interval : Interval, optional
    backend, ax
        See `hierlm.plots`.

    Returns
    -------
    PlotCollection
        A panel per coefficient. Of more than 60 levels, every k-th is named.

    Raises
    ------
    DataError
        If a factor, level or coefficient is not there.
    """
    group = varying(spec, factor)
    interval = interval or Interval()
    shown = choose(coefs, group.coefs, f"coefficient that varies by {group.factor!r}")
    chosen = choose_levels(group, levels)
    draws = _effects(idata, group, chosen)  # (J, q, S)
    order = _order(draws, group, shown, sort)
    draws, chosen = draws[order], [chosen[j] for j in order]
    J = len(chosen)
    height = float(np.clip(0.17 * J + 0.8, 2.0, _TALLEST))
    made = canvas(shown, cols=3, height=height, backend=backend, ax=ax, sharey=True)
    known = units(frame)
    for k, (coef, panel) in enumerate(zip(shown, made, strict=True)):
        values = draws[:, group.coefs.index(coef)]
        _caterpillar(panel, values, interval)
        panel.labels(x=coefficient_label(spec, coef, known), size=SMALL + 1)
        panel.small_ticks()
        panel.limits(y=(-0.8, J - 0.2))
        if k % 3 == 0 or J == 1:
            every = -(-J // _NAMED)
            places = np.arange(J)[::-every][::-1]
            panel.ticks("y", places, [chosen[j] for j in places], size=SMALL if J < 40 else 7)
            panel.labels(y=group.factor, size=SMALL + 1)
    return made.collection


def _effects(idata: xr.DataTree, group: GroupEncoding, levels: Sequence[str]) -> Array:
    places = [group.levels.labels.index(level) for level in levels]
    return draws_of(idata, names.effects(group.factor))[places]


def _order(
    draws: Array, group: GroupEncoding, shown: Sequence[str], sort: str | None
) -> NDArray[np.intp]:
    if sort is None:
        return np.arange(len(draws))[::-1]  # the first level on top
    by = shown[0] if sort == "first" and "first" not in group.coefs else sort
    choose(by, group.coefs, f"coefficient that varies by {group.factor!r}")
    return np.argsort(draws[:, group.coefs.index(by)].mean(axis=-1), kind="stable")


def _caterpillar(panel: Panel, draws: Array, interval: Interval) -> None:
    """Draw a row per level: a point at the mean, a thick half and a thin whole interval."""
    rows = np.arange(len(draws))
    crowded = len(draws) > _NAMED
    row = min(1.0, _TALLEST * 72 / len(draws) / 12)  # its height, of 12 points
    for within, width in ((interval, 1.1), (Interval(0.5, interval.kind), 2.6)):
        bounds = within.of(draws)
        ends = [np.column_stack([bounds[:, side], rows]) for side in (0, 1)]
        panel.segments(*ends, color=POOLED, width=width * row**0.6, alpha=0.5 if crowded else 1.0)
    color = POPULATION if crowded else "B0"
    edge = POPULATION if crowded else POOLED
    panel.points(draws.mean(axis=-1), rows, color=color, edgecolor=edge, size=14 * row, zorder=3)
    panel.vline(0.0, color="B2", linestyle="C1", width=1, zorder=2.5)


def plot_correlation(
    spec: ModelSpec,
    idata: xr.DataTree,
    frame: pd.DataFrame,
    factor: str | None = None,
    *,
    coefs: Sequence[str] | None = None,
    levels: str | Sequence[str] | None = None,
    ci_prob: float = 0.5,
    backend: str | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw the effects of each level against each other, with their posterior ellipses.

    A point per level at the posterior mean; around it the ellipse of a normal with the
    posterior's covariance. Dashed, the ellipse of the population of levels, at the posterior
    mean of its covariance matrix.

    Parameters
    ----------
    spec, idata, frame, factor, levels, backend, ax
        As in `plot_ranef`.
    coefs : sequence of str, optional
        Two or more coefficients, a panel per pair; all when not given.
    ci_prob : float
        Probability inside each ellipse.

    Returns
    -------
    PlotCollection

    Raises
    ------
    DataError
        If fewer than two coefficients vary by the factor, or one is not there.
    """
    group = varying(spec, factor)
    prob = Interval(ci_prob).prob
    shown = choose(coefs, group.coefs, f"coefficient that varies by {group.factor!r}")
    if len(shown) < 2:
        raise DataError(
            f"a correlation takes two coefficients; {len(group.coefs)} var"
            f"{'ies' if len(group.coefs) == 1 else 'y'} by {group.factor!r}: "
            f"{', '.join(group.coefs)}.\n  plot_ranef draws one coefficient at a time."
        )
    chosen = choose_levels(group, levels)
    draws = _effects(idata, group, chosen)
    Sigma = posterior_covariance(idata, group).mean(axis=0)
    pairs = list(itertools.combinations(shown, 2))
    known = units(frame)
    cols = min(len(pairs), 3)
    height = 4.4 if cols == 1 else 6.2 / cols
    made = canvas([names.pair(*p) for p in pairs], cols=cols, height=height, backend=backend, ax=ax)
    for pair, panel in zip(pairs, made, strict=True):
        at = [group.coefs.index(coef) for coef in pair]
        _scatter(panel, draws[:, at], Sigma[np.ix_(at, at)], prob)
        x, y = (coefficient_label(spec, coef, known) for coef in pair)
        panel.labels(x=x, y=y, size=SMALL + 1)
        panel.small_ticks()
    made.legend(
        {
            f"{group.factor}: posterior mean and {100 * prob:g}% ellipse": {"color": POOLED},
            f"population of levels, {100 * prob:g}%": {"color": POPULATION, "linestyle": "C1"},
        }
    )
    return made.collection


def posterior_covariance(idata: xr.DataTree, group: GroupEncoding) -> Array:
    """Return the draws of a factor's covariance matrix, an array of shape (S, q, q)."""
    sd = draws_of(idata, names.sd(group.factor)).T
    cor = np.empty((len(sd), 0))
    if group.covariance.pairs:
        cor = draws_of(idata, names.cor(group.factor)).T
    return group.covariance.covariance(sd, cor)


def _scatter(panel: Panel, draws: Array, Sigma: Array, prob: float) -> None:
    """Draw points and ellipses of effects of shape (J, 2, S)."""
    J, _, S = draws.shape
    means = draws.mean(axis=-1)
    centered = draws - means[..., None]
    covs = np.einsum("jas,jbs->jab", centered, centered) / max(S - 1, 1)
    crowd = float(np.clip(6 / np.sqrt(J), 0.25, 1.0))  # many ellipses are drawn fainter
    panel.vline(0.0, color="B3", width=0.6)
    panel.hline(0.0, color="B3", width=0.6, zorder=0)
    around = ellipses(means, covs, prob)
    panel.line(around[:, 0], around[:, 1], color=POOLED, width=0.8, alpha=0.5 * crowd)
    panel.points(means[:, 0], means[:, 1], color=POOLED, size=22 if J < 60 else 9)
    whole = ellipse(np.zeros(2), Sigma, prob)
    panel.line(whole[:, 0], whole[:, 1], color=POPULATION, width=1.4, linestyle="C1")
