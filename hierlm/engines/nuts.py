"""Run nutpie's NUTS on a compiled model."""

from __future__ import annotations

import importlib
from typing import Any

import xarray as xr
from threadpoolctl import threadpool_limits

from hierlm.engines.base import Settings
from hierlm.engines.progress import Progress


def run_nutpie(model: Any, settings: Settings, *, cores: int) -> xr.DataTree:
    """Sample, with the progress shown, and stop all chains when interrupted.

    Parameters
    ----------
    model : nutpie.CompiledModel
    settings : Settings
    cores : int
        Threads; chains share them.

    Returns
    -------
    xarray.DataTree
        As nutpie gives it.
    """
    nutpie = importlib.import_module("nutpie")
    # Chains are the threads: where each would start more of BLAS, they fight for the cores.
    with threadpool_limits(1, "blas"), Progress(settings) as progress:
        run = nutpie.sample(
            model,
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=cores,
            seed=settings.seed,
            target_accept=settings.target_accept,
            save_warmup=False,
            progress_bar=False,
            progress_callback=progress.callback,
            blocking=False,
            **(settings.options or {}),
        )
        try:
            tree: xr.DataTree = run.wait()
        except BaseException:  # Ctrl-C, which nutpie itself would take for "enough draws"
            run.cancel()
            raise
    return tree
