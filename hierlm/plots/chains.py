"""Chains, and priors against posteriors: ArviZ's plots of the parameters of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import arviz_plots
import numpy as np
import xarray as xr
from arviz_base.labels import MapLabeller
from arviz_plots import PlotCollection

from hierlm import names
from hierlm.engines.tree import coords, dims
from hierlm.errors import DataError, did_you_mean
from hierlm.plots.canvas import (
    CYCLE,
    POOLED,
    PRIOR,
    SMALL,
    WIDTH,
    Canvas,
    Panel,
    check_backend,
    shorten,
)
from hierlm.plots.labels import page_of
from hierlm.seeds import generator
from hierlm.simulation import draw_prior
from hierlm.spec import ModelSpec
from hierlm.summaries import interesting

_ROWS = 18  # parameters on a page
_SHOWN_OF_PRIOR = (0.03, 0.97)


def plot_trace(
    spec: ModelSpec,
    idata: xr.DataTree,
    var_names: str | Sequence[str] | None = None,
    *,
    kind: Literal["trace", "rank"] = "trace",
    page: int = 1,
    backend: str | None = None,
) -> PlotCollection:
    """Draw each parameter's density and trace, a colour per chain, with ArviZ.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    var_names : str or sequence of str, optional
        Variables (``"sd_Subject"``) or elements (``"sd_Subject[Days]"``); those that describe the
        model as a whole when not given. What is fixed is left out.
    kind : {"trace", "rank"}
        Draws in order, or their ranks among all chains, uniform where chains agree.
    page : int
        From 1; a page has 18 parameters.
    backend : str, optional

    Returns
    -------
    PlotCollection
        A row per parameter, divergences marked.

    Raises
    ------
    DataError
        If a variable, or a page, is not there.
    """
    if kind not in ("trace", "rank"):
        raise DataError(f"kind is 'trace' or 'rank'; came {kind!r}.")
    backend = check_backend(backend)
    found = scalars(idata["posterior"].to_dataset(), spec, var_names)
    shown, _ = page_of(list(map(str, found)), page, _ROWS)
    groups = {"posterior": found[shown]}
    if "sample_stats" in idata:
        groups["sample_stats"] = idata["sample_stats"].to_dataset()
    draw: Any = arviz_plots.plot_trace_dist if kind == "trace" else arviz_plots.plot_rank_dist
    chains = idata["posterior"].sizes["chain"]
    colors = [CYCLE[k % len(CYCLE)] for k in range(chains)]
    made: PlotCollection = draw(
        xr.DataTree.from_dict(groups),
        compact=False,
        backend=backend,
        labeller=_labeller(shown, backend),
        visuals={"label": {"size": SMALL}, "ticklabels": {"size": SMALL - 1}},
        figure_kwargs=_figure(backend, 1.3 * len(shown) + 0.6),
        aes={"color": ["chain"]},
        color=colors,
    )
    if backend == "matplotlib":  # the name is below the density: once is enough
        for axes in made.viz["figure"].item().axes:
            axes.tick_params(labelsize=SMALL - 1)
            axes.set_xlabel(axes.get_xlabel(), fontsize=SMALL)
            axes.set_ylabel("")
    return made


def plot_prior_posterior(
    spec: ModelSpec,
    idata: xr.DataTree,
    var_names: str | Sequence[str] | None = None,
    *,
    draws: int = 2000,
    page: int = 1,
    seed: int | np.random.Generator = 0,
    backend: str | None = None,
) -> PlotCollection:
    """Draw each parameter's prior and posterior, with ArviZ.

    Parameters
    ----------
    spec, idata, var_names, page, backend
        As in `plot_trace`.
    draws : int
        Draws from the prior.
    seed : int or numpy.random.Generator
        Of those draws.

    Returns
    -------
    PlotCollection
        A panel per parameter. `plot_varcorr` has the exact densities of sds and correlations.

    Raises
    ------
    DataError
        If a variable, or a page, is not there.
    PriorError
        If a prior is improper, and so cannot be drawn.
    """
    backend = check_backend(backend)
    prior = _prior(spec, draws, generator(seed))
    after = scalars(idata["posterior"].to_dataset(), spec, var_names)
    shown, _ = page_of(list(map(str, after)), page, _ROWS)
    before = scalars(prior, spec, var_names)
    tree = xr.DataTree.from_dict({"prior": before[shown], "posterior": after[shown]})
    cols = min(len(shown), 3)
    rows = -(-len(shown) // cols)
    made = arviz_plots.plot_prior_posterior(
        tree,
        backend=backend,
        col_wrap=cols,
        labeller=_labeller(shown, backend),
        visuals={"title": {"size": SMALL}},
        figure_kwargs=_figure(backend, 1.9 * rows + 0.5),
        color=[PRIOR, POOLED],
    )
    panels = {name: Panel(made.viz["plot"][name].item(), backend) for name in shown}
    if backend == "matplotlib":  # ArviZ's legend stands beside the panels, and takes their room
        for legend in list(made.viz["figure"].item().legends):
            legend.remove()
        entries = {"prior": {"color": PRIOR}, "posterior": {"color": POOLED}}
        Canvas(made, panels).legend(entries)
    for (
        name,
        panel,
    ) in panels.items():  # the tails of a wide prior would leave no room for the posterior
        ends = before[name].quantile(_SHOWN_OF_PRIOR).to_numpy()
        low, high = min(ends[0], after[name].min().item()), max(ends[1], after[name].max().item())
        panel.limits(x=(low, high))
        panel.small_ticks()
    return made


def _prior(spec: ModelSpec, draws: int, rng: np.random.Generator) -> xr.Dataset:
    """Return draws from the prior, in the names of the posterior."""
    values, labels = draw_prior(spec, draws, rng), coords(spec)
    variables = {
        name: ((*names.SAMPLE_DIMS, *rest), values[name][None]) for name, rest in dims(spec).items()
    }
    used = {dim for rest in dims(spec).values() for dim in rest}
    axes: dict[str, Any] = {"chain": np.arange(1), "draw": np.arange(draws)}
    return xr.Dataset(variables, coords=axes | {dim: labels[dim] for dim in used})


def scalars(data: xr.Dataset, spec: ModelSpec, var_names: str | Sequence[str] | None) -> xr.Dataset:
    """Return every element of some variables as a variable of its own, without what is fixed.

    Raises
    ------
    DataError
        If one is not there, or all are fixed.
    """
    wanted = [var_names] if isinstance(var_names, str) else var_names
    known = list(map(str, data))
    all_elements: dict[str, xr.DataArray] = {}  # thousands with many levels: where asked for
    found: dict[str, xr.DataArray] = {}
    for name in interesting(spec) if wanted is None else wanted:
        if name in known:
            found |= dict(_elements(data[name], name))
            continue
        all_elements = all_elements or {k: v for n in known for k, v in _elements(data[n], n)}
        if name not in all_elements:
            options = [*known, *all_elements] if "[" in name else known
            raise DataError(
                f"the posterior has no variable {name!r}.{did_you_mean(name, options)}\n"
                f"  It has: {', '.join(known)}."
            )
        found[name] = all_elements[name]
    varying = {
        key: value for key, value in found.items() if value.size == 1 or float(value.std()) > 0
    }
    if not varying:
        raise DataError("all of these parameters are fixed: there is nothing to draw.")
    return xr.Dataset(varying)


def _elements(variable: xr.DataArray, name: str) -> list[tuple[str, xr.DataArray]]:
    rest = [str(dim) for dim in variable.dims if dim not in names.SAMPLE_DIMS]
    if not rest:
        return [(name, variable)]
    stacked = variable.stack(element=rest)
    parts = []
    for k, key in enumerate(stacked["element"].to_numpy()):
        label = ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
        label = names.safe(label)  # a tree takes '/' for a path
        one = stacked.isel(element=k, drop=True)
        parts.append((label if name == names.BETA else names.element(name, label), one))
    return parts


def _labeller(shown: Sequence[str], backend: str) -> MapLabeller:
    """Return what writes names as they are, long ones on two lines."""
    written: dict[Any, Any] = {}
    for name in shown:
        head, bracket, rest = name.partition("[")
        lines = [name] if len(name) < 22 or not bracket else [head, bracket + rest]
        written[name] = Panel(None, backend).literal("\n".join(shorten(line) for line in lines))
    return MapLabeller(var_name_map=written)


def _figure(backend: str, height: float) -> dict[str, Any]:
    if backend == "matplotlib":
        return {"figsize": (WIDTH, height), "layout": "constrained"}
    return {"figsize": (100 * WIDTH, 100 * height), "figsize_units": "dots"}
