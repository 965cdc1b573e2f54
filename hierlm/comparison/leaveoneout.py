r"""Leave one row out, or one level of a grouping factor, without refitting.

Three log densities, each of what is left out given draws of the parameters:

- a row: :math:`p(y_i | \beta, b, \theta)`, conditional on all effects;
- a row, integrated: :math:`p(y_i | y_{-i}, \beta, \theta)`, the effects of its level integrated
  out given the level's other rows (Vehtari, Mononen, Tolvanen, Sivula and Winther 2016,
  jmlr.org/papers/v17/14-540.html): the same predictive density, better estimated, and the only
  way where a level has one row, whose effect the draws know from that row alone;
- a level: :math:`p(y_j | \beta, \theta)`, all its rows jointly and its effects integrated out
  (Merkle, Furr and Rabe-Hesketh 2019, doi:10.1007/s11336-019-09679-0): how well rows of a *new*
  level are predicted, which is another question than the two above.

The effects of crossed factors stay as they were drawn, and the importance weights account for
what they know from the rows left out.

A row of frequency weight k counts as k rows: one of them is left out, and the result has k
entries, so that it equals that of the longer table. For a level, all its rows are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.comparison.elpd import (
    ROW,
    Elpd,
    Pointwise,
    good_k,
    psis,
    relative_efficiency,
    totals,
)
from hierlm.comparison.heldout import HeldOut
from hierlm.comparison.plan import AUTO, Plan, conditional, make_plan
from hierlm.comparison.refitting import Refit, check, without_one
from hierlm.comparison.rows import Draws
from hierlm.comparison.units import sorted_rows, unit_without_training
from hierlm.design import Design, GroupBlock
from hierlm.errors import DataError
from hierlm.seeds import generator
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_MAX_BYTES = 4 * 2**30


def log_likelihood(spec: ModelSpec, design: Design, idata: xr.DataTree) -> xr.DataArray:
    """Return the log likelihood of every row given every draw, conditional on the effects.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    idata : xarray.DataTree

    Returns
    -------
    xarray.DataArray
        Dims chain, draw and ``__obs__``. A row of frequency weight k has k times the log density.

    Raises
    ------
    DataError
        If it would take more than four GiB.
    """
    draws = Draws.of(spec, idata)
    size = 8 * design.n * draws.count
    if size > _MAX_BYTES:
        raise DataError(
            f"the log likelihood of {design.n:,} rows and {draws.count:,} draws would take "
            f"{size / 2**30:.1f} GiB.\n  fit.loo() computes it piece by piece."
        )
    found = np.concatenate(list(conditional(spec, design, draws)))
    if design.weights is not None:
        found *= design.weights[:, None]
    posterior = idata["posterior"]
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], design.n)
    coords = {dim: posterior.coords[dim].to_numpy() for dim in names.SAMPLE_DIMS}
    return xr.DataArray(
        found.T.reshape(shape),
        dims=(*names.SAMPLE_DIMS, names.OBS),
        coords=coords | {names.OBS: np.arange(design.n)},
        name=spec.response,
    )


def loo(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    *,
    unit: str | GroupBlock | None = None,
    integrate: str | None = AUTO,
    refit: Refit | None = None,
    seed: int | np.random.Generator | None = None,
) -> Elpd:
    """Estimate the log predictive density of each row, or level, from the others.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    idata : xarray.DataTree
    unit : str or GroupBlock, optional
        A grouping factor whose levels are left out, one at a time; rows when not given. A block
        may be that of another model on the same rows.
    integrate : str or None
        With rows: the grouping factor whose effects are integrated out; None for none of them.
        ``"auto"`` takes a factor most of whose levels have one row, if there is one.
    refit : callable, optional
        Called for each unit whose Pareto k is too high, which makes it exact.
    seed : int or numpy.random.Generator, optional
        For the refits.

    Returns
    -------
    Elpd

    Raises
    ------
    DataError
        If there is no such factor, or a frequency weight is no number of rows.
    EngineError
        If the effects cannot be integrated out.
    """
    plan = make_plan(spec, design, unit, integrate)
    draws = Draws.of(spec, idata)
    pointwise = psis(plan.chunks(spec, draws), draws.chains, relative_efficiency(idata))
    pointwise = pointwise.take(plan.order())
    limit = good_k(draws.count)
    notes = tuple(plan.notes())
    if refit is not None:
        again = int(np.sum(pointwise.k > limit))
        pointwise = _refitted(spec, plan, pointwise, limit, refit, generator(seed))
        notes += (f"{again} of {len(pointwise.k)} by exact refits; their Pareto k counts as 0.",)
    high = np.flatnonzero(pointwise.k > limit)
    counts = plan.counts()
    entries = np.repeat(np.arange(len(counts)), counts)
    repeated = pointwise.take(entries)
    coords: dict[str, Any] = {plan.dim: plan.labels}
    if not plan.by_level:
        coords = {plan.dim: np.arange(len(entries)), ROW: (plan.dim, entries)}
    return Elpd(
        **totals(repeated),
        n_samples=draws.count,
        n_data_points=len(repeated.elpd),
        scale="log",
        warning=bool(high.size),
        good_k=limit,
        elpd_i=xr.DataArray(repeated.elpd, dims=plan.dim, coords=coords),
        pareto_k=xr.DataArray(repeated.k, dims=plan.dim, coords=coords),
        p_loo_i=xr.DataArray(repeated.p, dims=plan.dim, coords=coords),
        unit=plan.unit,
        integrated=plan.integrated,
        notes=notes,
        advice=plan.advice(pointwise.k, high, limit) if high.size else "",
    )


def _refitted(
    spec: ModelSpec,
    plan: Plan,
    pointwise: Pointwise,
    limit: float,
    refit: Refit,
    rng: np.random.Generator,
) -> Pointwise:
    """Return the numbers with those of high Pareto k replaced by those of exact refits."""
    design = plan.design
    elpd, k, p = pointwise.elpd.copy(), pointwise.k.copy(), pointwise.p.copy()
    members: list[Index] = [np.array([row]) for row in range(design.n)]
    if plan.by_level and plan.block is not None:
        members = sorted_rows(plan.block.codes, plan.block.n_levels)
    for u in np.flatnonzero(k > limit):
        rows, training = members[u], np.ones(design.n, dtype=bool)
        training[rows] = False
        rest = design.take(np.flatnonzero(training))
        if not plan.by_level:
            rest = without_one(design, int(rows[0]))
            training[rows] = rest.n == design.n
        refitted = refit(rest, int(rng.integers(2**31 - 1)))
        check(refitted, f"without {plan.unit} {plan.labels[u]}")
        unit = unit_without_training(design, rows, training)
        scores = HeldOut.of(spec, design, refitted)
        exact = scores.joint(unit) if plan.by_level else scores.each(unit)[0]
        elpd[u], k[u], p[u] = exact, 0.0, p[u] + elpd[u] - exact
    return Pointwise(elpd, k, p)
