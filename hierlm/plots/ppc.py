"""Predictive checks: whether the model makes data like these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import arviz_plots
import numpy as np
import pandas as pd
import xarray as xr
from arviz_plots import PlotCollection
from numpy.typing import NDArray

from hierlm import names
from hierlm.checking.predictive import predictive_tree
from hierlm.design import Design
from hierlm.errors import DataError, did_you_mean
from hierlm.plots.canvas import (
    POOLED,
    POPULATION,
    WIDTH,
    Canvas,
    Panel,
    check_backend,
    shorten,
)
from hierlm.plots.labels import some_rows, units, with_unit
from hierlm.prediction import take_rows
from hierlm.simulation import prior_predictive
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
PpcKind = Literal["auto", "dist", "ecdf", "rootogram", "calibration", "interval", "statistic"]

_MOST_ROWS = 20_000  # of a predictive check
_SHOWN = 50  # replicated data sets that have a line each


def plot_ppc(
    spec: ModelSpec,
    design: Design,
    frame: pd.DataFrame,
    idata: xr.DataTree | None = None,
    kind: PpcKind = "auto",
    *,
    groups: Literal["all", "new"] = "all",
    samples: int = 200,
    statistic: str = "mean",
    seed: int | np.random.Generator = 0,
    backend: str | None = None,
) -> PlotCollection:
    """Draw replicated responses and those observed, with ArviZ.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    frame : pandas.DataFrame
        The rows, for units.
    idata : xarray.DataTree, optional
        Without it the parameters are drawn from their priors.
    kind : str
        ``"dist"`` densities and ``"ecdf"``; ``"rootogram"`` frequencies of counts;
        ``"calibration"`` of a yes or no; ``"interval"`` row by row; ``"statistic"`` the
        distribution of a statistic. ``"auto"`` is what suits the response.
    groups : {"all", "new"}
        Given the effects of the levels, or with effects drawn anew.
    samples : int
        Replicated data sets.
    statistic : str
        Of ``kind="statistic"``: ``"mean"``, ``"median"``, ``"std"``, ``"min"``, ``"max"``, ...
    seed : int or numpy.random.Generator
    backend : str, optional

    Returns
    -------
    PlotCollection
        Of more than 20,000 rows, as many drawn at random.

    Raises
    ------
    DataError
        If there is no such kind, or it does not suit the response.
    """
    backend = check_backend(backend)
    draw = _PPC[_kind(spec, kind)]
    if design.n > _MOST_ROWS:
        design = take_rows(design, some_rows(design.n, _MOST_ROWS))
    if idata is None:
        tree = prior_predictive(spec, design, draws=samples, seed=seed)
        group = "prior_predictive"
    else:
        tree = predictive_tree(spec, design, idata, groups=groups, samples=samples, seed=seed)
        group = "posterior_predictive"
    tree = _named(tree, group, spec, frame, backend)
    size = (WIDTH, 3.6)
    settings: dict[str, Any] = {"group": group, "backend": backend}
    if backend == "matplotlib":
        settings["figure_kwargs"] = {"figsize": size, "layout": "constrained"}
    else:
        dots = tuple(100 * side for side in size)
        settings["figure_kwargs"] = {"figsize": dots, "figsize_units": "dots"}
    return draw(tree, statistic, settings)


def _kind(spec: ModelSpec, kind: str) -> str:
    if kind not in get_args(PpcKind):
        raise DataError(
            f"kind is {kind!r}.{did_you_mean(kind, get_args(PpcKind))}\n"
            f"  Allowed: {', '.join(map(repr, get_args(PpcKind)))}."
        )
    response = spec.family.response
    suits = {"rootogram": ("count", "trials"), "calibration": ("binary",)}
    if kind == "auto":
        return {"count": "rootogram", "trials": "rootogram", "binary": "calibration"}.get(
            response, "dist"
        )
    if response not in suits.get(kind, (response,)):
        raise DataError(
            f"kind {kind!r} is for responses of the kind {' or '.join(suits[kind])}; this one is "
            f"{response}.\n  Leave kind out for what suits it."
        )
    return kind


def _named(
    tree: xr.DataTree, group: str, spec: ModelSpec, frame: pd.DataFrame, backend: str
) -> xr.DataTree:
    """Return the groups of a tree with the response under the name that the axis shows."""
    label = names.safe(with_unit(spec.response, units(frame)))
    label = Panel(None, backend).literal(shorten(label, 40))
    parts = {
        name: tree[name].to_dataset()[[spec.response]].rename({spec.response: label})
        for name in (group, "observed_data")
    }
    return xr.DataTree.from_dict(parts)


def _dist(kind: str) -> Callable[[xr.DataTree, str, dict[str, Any]], PlotCollection]:
    def draw(tree: xr.DataTree, _: str, settings: dict[str, Any]) -> PlotCollection:
        made = arviz_plots.plot_ppc_dist(
            tree,
            kind=kind,
            num_samples=min(_SHOWN, tree[settings["group"]].sizes["draw"]),
            visuals={
                "predictive_dist": {"color": POOLED, "alpha": 0.25},
                "observed_dist": {"color": POPULATION, "width": 2},
            },
            **settings,
        )
        return _legend(made)

    return draw


def _legend(made: PlotCollection) -> PlotCollection:
    target = next(iter(made.viz["plot"].to_dataset().values())).item()
    entries = {"observed": {"color": POPULATION}, "replicated": {"color": POOLED}}
    Canvas(made, {"replicated": Panel(target, made.backend)}).legend(entries)
    return made


def _rootogram(tree: xr.DataTree, _: str, settings: dict[str, Any]) -> PlotCollection:
    visuals: Any = {
        "predictive_markers": {"color": POOLED},
        "credible_interval": {"color": POOLED, "alpha": 0.35},
        "observed_markers": {"color": POPULATION},
    }
    return _legend(arviz_plots.plot_ppc_rootogram(tree, visuals=visuals, **settings))


def _calibration(tree: xr.DataTree, _: str, settings: dict[str, Any]) -> PlotCollection:
    made: PlotCollection = arviz_plots.plot_ppc_pava(tree, data_type="binary", **settings)
    return made


def _interval(tree: xr.DataTree, _: str, settings: dict[str, Any]) -> PlotCollection:
    visuals: Any = {
        "trunk": {"color": POOLED},
        "twig": {"color": POOLED},
        "prediction_markers": {"color": POOLED},
        "observed_markers": {"color": POPULATION},
    }
    return _legend(arviz_plots.plot_ppc_interval(tree, visuals=visuals, **settings))


def _statistic(tree: xr.DataTree, statistic: str, settings: dict[str, Any]) -> PlotCollection:
    made: PlotCollection = arviz_plots.plot_ppc_tstat(
        tree,
        t_stat=statistic,
        visuals={"dist": {"color": POOLED}, "observed_tstat": {"color": POPULATION}},
        **settings,
    )
    return made


_PPC: dict[str, Callable[[xr.DataTree, str, dict[str, Any]], PlotCollection]] = {
    "dist": _dist("kde"),
    "ecdf": _dist("ecdf"),
    "rootogram": _rootogram,
    "calibration": _calibration,
    "interval": _interval,
    "statistic": _statistic,
}
