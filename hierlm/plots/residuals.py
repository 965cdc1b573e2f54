"""Residuals: against fitted values and predictors, their spread, and their quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr
from arviz_plots import PlotCollection
from numpy.typing import NDArray
from scipy import stats

from hierlm import names
from hierlm.checking.draws import posterior_values, spread
from hierlm.checking.effects import standardized
from hierlm.checking.residuals import residuals
from hierlm.design import Design
from hierlm.errors import DataError, did_you_mean
from hierlm.plots.canvas import (
    DATA,
    POOLED,
    SMALL,
    UNPOOLED,
    Panel,
    canvas,
    shorten,
)
from hierlm.plots.grids import along
from hierlm.plots.labels import some_rows, units, with_unit
from hierlm.prediction import expected_response, take_rows
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
ResidualPanel = Literal["fitted", "scale", "qq", "effects"]

_CHUNK = 10_000  # rows
_THINNED = 400  # draws of the mean response, where there are more rows than that


def plot_residuals(
    spec: ModelSpec,
    design: Design,
    frame: pd.DataFrame,
    idata: xr.DataTree,
    panels: ResidualPanel | Sequence[ResidualPanel] | None = None,
    *,
    x: str | None = None,
    groups: Literal["all", "new"] = "all",
    seed: int | np.random.Generator = 0,
    backend: str | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw residuals against fitted values, their spread, and quantiles against the normal.

    The residuals are the normal scores of randomised quantile residuals
    (`hierlm.checking.residuals`): standard normal if the model is right, whatever the family.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    frame : pandas.DataFrame
    idata : xarray.DataTree
    panels : str or sequence of str, optional
        Of ``"fitted"``, ``"scale"`` (square root of the absolute residual), ``"qq"`` and
        ``"effects"`` (a quantile plot for each coefficient of each factor: effects over their
        sd, mean and 89% band over the draws); all when not given.
    x : str, optional
        A predictor in place of the fitted values.
    groups : {"all", "new"}
        As in `hierlm.checking.residuals`.
    seed : int or numpy.random.Generator
    backend, ax
        See `hierlm.plots`.

    Returns
    -------
    PlotCollection

    Raises
    ------
    DataError
        If a panel or predictor is not there.
    """
    allowed = list(get_args(ResidualPanel))
    wanted = [panels] if isinstance(panels, str) else panels
    for name in wanted or ():
        if name not in allowed:
            raise DataError(
                f"panels are among {', '.join(map(repr, allowed))}; came {name!r}."
                f"{did_you_mean(str(name), allowed)}"
            )
    shown = list(dict.fromkeys(wanted or allowed))
    effects = _effects(spec, idata) if "effects" in shown else {}
    rows = [name for name in shown if name != "effects"]
    if not rows and not effects:
        raise DataError("this model has no group-specific effects whose quantiles to draw.")
    cols = 2 if len(rows) + len(effects) > 1 else 1
    made = canvas([*rows, *effects], cols=cols, height=2.7, backend=backend, ax=ax)
    if rows:
        found = residuals(spec, design, idata, "normal", groups=groups, seed=seed)
        r: Array = np.asarray(found, dtype=float)
        places, label = _against(spec, design, frame, idata, x)
        for row in rows:
            _ROWS[row](made[row], r, places, label)
    for effect, z in effects.items():
        _quantiles_of_effects(made[effect], z, effect)
    for panel in made:
        panel.small_ticks()
    return made.collection


def _against(
    spec: ModelSpec, design: Design, frame: pd.DataFrame, idata: xr.DataTree, x: str | None
) -> tuple[Array, str]:
    if x is None:
        return _mean_response(
            spec, design, idata
        ), f"fitted {with_unit(spec.response, units(frame))}"
    axis = along(spec, frame, x)
    places = axis.positions
    distinct = np.unique(places)
    if len(distinct) < 30:  # apart, so that rows at one place can be counted
        width = 0.12 * float(np.diff(distinct).min()) if len(distinct) > 1 else 0.1
        places = places + np.random.default_rng(0).uniform(-width, width, len(places))
    return places, with_unit(x, units(frame))


def _mean_response(spec: ModelSpec, design: Design, idata: xr.DataTree) -> Array:
    """Return the posterior mean of each row's expected response, some rows at a time."""
    total = idata["posterior"].sizes["chain"] * idata["posterior"].sizes["draw"]
    kept = None if design.n <= _CHUNK else spread(total, _THINNED)
    parts = []
    for start in range(0, design.n, _CHUNK):
        rows = take_rows(design, slice(start, start + _CHUNK))
        parts.append(expected_response(spec, idata, rows, samples=kept).mean(axis=0))
    return np.concatenate(parts)


def _fitted(panel: Panel, r: Array, x: Array, label: str) -> None:
    _cloud(panel, x, r)
    panel.hline(0.0, color="B2", width=1, linestyle="C1")
    panel.labels(x=label, y="residual", size=SMALL + 1)


def _scale(panel: Panel, r: Array, x: Array, label: str) -> None:
    spread = np.sqrt(np.abs(r))
    _cloud(panel, x, spread)
    panel.hline(_EXPECTED_ROOT, color="B2", width=1, linestyle="C1")
    panel.labels(x=label, y="√|residual|", size=SMALL + 1)


# E sqrt|z| of a standard normal: 2^(1/4) Gamma(3/4) / sqrt(pi)
_EXPECTED_ROOT = 0.8221789586623885


def _cloud(panel: Panel, x: Array, y: Array) -> None:
    """Draw points, and the mean of y over runs of x, to show what the eye should follow."""
    many = len(x) > 500
    some = some_rows(len(x))
    size, alpha = (4, 0.3) if many else (10, 0.7)
    panel.points(x[some], y[some], color=DATA, size=size, alpha=alpha)
    bins = int(np.clip(len(x) // 15, 1, 20))
    order = np.argsort(x, kind="stable")
    parts = np.array_split(order, bins)
    middle = np.array([x[part].mean() for part in parts])
    means = np.array([y[part].mean() for part in parts])
    if bins > 2:
        panel.line(middle, means, color=UNPOOLED, width=1.6)


def _quantiles(panel: Panel, r: Array, x: Array, label: str) -> None:
    n = len(r)
    rank = np.unique(np.linspace(1, n, min(n, 2000)).round())
    z = stats.norm.ppf((rank - 0.5) / n)
    lower, upper = (stats.norm.ppf(stats.beta.ppf(p, rank, n + 1 - rank)) for p in (0.055, 0.945))
    z = np.asarray(z, dtype=float)
    panel.band(z, lower, upper, color="#949494", alpha=0.3)
    panel.line(z[[0, -1]], z[[0, -1]], color="B2", width=1, linestyle="C1")
    panel.points(
        z, np.sort(r)[rank.astype(int) - 1], color=POOLED, size=4 if n > 500 else 9, zorder=3
    )
    panel.labels(x="normal quantile", y="residual", size=SMALL + 1)


_ROWS = {"fitted": _fitted, "scale": _scale, "qq": _quantiles}


def _effects(spec: ModelSpec, idata: xr.DataTree) -> dict[str, Array]:
    """Return effects over their sds, arrays of shape (S, J), by element of the posterior."""
    values = posterior_values(spec, idata, 400)
    found = {}
    for group in spec.groups:
        z = standardized(group, values)
        for k, coef in enumerate(group.coefs):
            if len(group.levels.labels) > 2:
                found[names.element(names.effects(group.factor), coef)] = z[..., k]
    return found


def _quantiles_of_effects(panel: Panel, z: Array, name: str) -> None:
    """Draw ordered effects of each draw, their mean and band, against the normal."""
    J = z.shape[1]
    ordered = np.sort(z, axis=1)
    expected = stats.norm.ppf((np.arange(1, J + 1) - 0.5) / J)
    lower, upper = np.quantile(ordered, [0.055, 0.945], axis=0)
    panel.band(expected, lower, upper, color=POOLED)
    panel.line(expected[[0, -1]], expected[[0, -1]], color="B2", width=1, linestyle="C1")
    panel.points(expected, ordered.mean(axis=0), color=POOLED, size=4 if J > 200 else 9, zorder=3)
    panel.labels(x="normal quantile", y=f"{shorten(name)} / sd", size=SMALL + 1)
