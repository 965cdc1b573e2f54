r"""K-fold cross-validation by refitting: whole levels left out together, or rows.

.. math:: \widehat{elpd}_u = \log \frac{1}{S} \sum_s p(y_u | \theta_s^{(-fold)}),
          \qquad \theta_s^{(-fold)} \sim p(\theta | y_{-fold})

Columns, levels and priors stay those of the fit (see `hierlm.comparison.refitting`); the effects
of levels that the refit has not seen are integrated out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.comparison.elpd import ROW, KFoldElpd, Pointwise, totals
from hierlm.comparison.heldout import HeldOut
from hierlm.comparison.plan import block_of, row_counts
from hierlm.comparison.refitting import Refit, check
from hierlm.comparison.units import Unit, sorted_rows, unit_without_training
from hierlm.design import Design, GroupBlock
from hierlm.errors import DataError
from hierlm.seeds import generator
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def kfold(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    refit: Refit,
    *,
    k: int = 10,
    unit: str | GroupBlock | None = None,
    stratify: str | None = None,
    seed: int | np.random.Generator | None = None,
) -> KFoldElpd:
    """Estimate the log predictive density of each row, or level, from k refits.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    idata : xarray.DataTree
        Of the fit to all rows, for the effective number of parameters.
    refit : callable
        From a design and a seed to a posterior.
    k : int
        Number of folds; as many as there are units leaves out one at a time.
    unit : str or GroupBlock, optional
        A grouping factor whose levels are left out whole; rows when not given.
    stratify : str, optional
        With rows: a grouping factor whose levels' rows are spread evenly over the folds.
    seed : int or numpy.random.Generator, optional
        For the folds and the refits.

    Returns
    -------
    KFoldElpd

    Raises
    ------
    DataError
        If there is no such factor, or k is not between two and the number of units.
    """
    rng = generator(seed)
    block = None if unit is None else block_of(spec, design, unit)
    if block is not None and stratify is not None:
        raise DataError("unit and stratify were both given.\n  stratify spreads rows over folds.")
    strata = None if stratify is None else block_of(spec, design, stratify)
    members = [np.array([row]) for row in range(design.n)]
    if block is not None:
        members = sorted_rows(block.codes, block.n_levels)
    counts = row_counts(design) if block is None else np.ones(len(members), dtype=np.int64)
    folds = assign_folds(len(members), k, rng, None if strata is None else strata.codes)
    elpd, lppd = np.empty(len(members)), np.empty(len(members))
    full = HeldOut.of(spec, design, idata)
    for fold in range(k):
        chosen = np.flatnonzero(folds == fold)
        rows = np.sort(np.concatenate([members[u] for u in chosen]))
        training = np.ones(design.n, dtype=bool)
        training[rows] = False
        refitted = refit(design.take(np.flatnonzero(training)), int(rng.integers(2**31 - 1)))
        check(refitted, f"fold {fold + 1} of {k}")
        scores = HeldOut.of(spec, design, refitted)
        if block is None:
            elpd[rows] = scores.each(unit_without_training(design, rows, training))
            lppd[rows] = full.each(Unit(rows, {}))
            continue
        for u in chosen:
            left = unit_without_training(design, members[u], training)
            elpd[u], lppd[u] = scores.joint(left), full.joint(left)
    repeated = np.repeat(np.arange(len(members)), counts)
    pointwise = Pointwise(elpd, np.zeros_like(elpd), lppd - elpd).take(repeated)
    dim = names.OBS if block is None else names.levels_dim(block.factor)
    coords: dict[str, Any] = {dim: np.arange(len(repeated)), ROW: (dim, repeated)}
    if block is not None:
        coords = {dim: list(block.levels)}
    what = "rows" if block is None else f"levels of {block.factor!r}"
    how = f"{k} refits, each without some {what}."
    return KFoldElpd(
        **totals(pointwise),
        n_samples=idata["posterior"].sizes["chain"] * idata["posterior"].sizes["draw"],
        n_data_points=len(repeated),
        scale="log",
        warning=False,
        good_k=None,
        n_folds=k,
        elpd_i=xr.DataArray(pointwise.elpd, dims=dim, coords=coords),
        p_kfold_i=xr.DataArray(pointwise.p, dims=dim, coords=coords),
        unit=ROW if block is None else block.factor,
        notes=(how,),
        folds=folds,
    )


def assign_folds(
    units: int, k: int, rng: np.random.Generator, strata: Index | None = None
) -> Index:
    """Return the fold of every unit, from zero: sizes differ by at most one.

    Parameters
    ----------
    units : int
    k : int
    rng : numpy.random.Generator
    strata : ndarray of shape (units,), int64, optional
        Units of one stratum are spread over the folds.

    Raises
    ------
    DataError
        If k is not a whole number between two and the number of units.

    Examples
    --------
    >>> folds = assign_folds(7, 3, np.random.default_rng(1))
    >>> np.bincount(folds).tolist()
    [3, 2, 2]
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 2 <= k <= units:
        raise DataError(f"k is a whole number from 2 to {units}, what there is; came {k!r}.")
    order = rng.permutation(units)
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
    folds = np.empty(units, dtype=np.int64)
    folds[order] = np.arange(units) % k
    return folds
