"""The model again, on other rows: the same columns, levels and priors, another posterior."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm.convergence import diagnose
from hierlm.design import Design
from hierlm.engines import choose_engine, settings
from hierlm.errors import ConvergenceWarning, warn
from hierlm.spec import ModelSpec

Index = NDArray[np.int64]
Refit = Callable[[Design, int], xr.DataTree]
"""From rows and a seed to a posterior in canonical names."""


def without_one(design: Design, row: int) -> Design:
    """Return a design without one observation of a row, whose frequency weight may be more."""
    keep = np.ones(design.n, dtype=bool)
    if design.weights is None or design.weights[row] <= 1:
        keep[row] = False
        return design.take(np.flatnonzero(keep))
    weights = design.weights.copy()
    weights[row] -= 1.0
    return dataclasses.replace(design, weights=weights)


def refitter(spec: ModelSpec, idata: xr.DataTree, *, progress: bool = False) -> Refit:
    """Return the function that fits the model again, with the engine and settings of a fit.

    Priors are those of `spec`, learnt from all rows: a default that moved with the rows left in
    would make every refit another model. A level without rows keeps its place, and its effects
    follow their prior.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
        Of the fit; its attributes say how it was made.
    progress : bool
    """
    attrs = idata.attrs
    sampler = str(attrs.get("sampler", "nutpie"))
    needs = f"the fit was made by {sampler}" if sampler != "nutpie" else ""
    engine = choose_engine(spec, str(attrs["engine"]), needs_pymc=needs).engine

    def refit(design: Design, seed: int) -> xr.DataTree:
        chosen = settings(
            draws=int(attrs["draws"]),
            tune=int(attrs["tune"]),
            chains=int(attrs["chains"]),
            target_accept=float(attrs["target_accept"]),
            cores=None,
            seed=seed,
            progress=progress,
            sampler=sampler,
        )
        return engine.sample(spec, design, chosen)

    return refit


def check(idata: xr.DataTree, what: str) -> None:
    """Warn if the draws of a refit should not be trusted.

    Parameters
    ----------
    idata : xarray.DataTree
    what : str
        Which refit, as in ``"fold 3"``.
    """
    for complaint in diagnose(idata).complaints():
        warn(f"{what}: {complaint}", ConvergenceWarning)
