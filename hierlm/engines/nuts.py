"""Run nutpie's NUTS on a compiled model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hierlm.engines.base import Settings
from hierlm.engines.progress import Progress
from hierlm.engines.statistics import arviz_statistics, is_kept

if TYPE_CHECKING:
    from hierlm.engines.native import NativeModel

COORDINATES = "x"  # what a `NativeModel` records


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
    tree: xr.DataTree = _run(model, settings, cores)
    return tree


def run_native(model: NativeModel, settings: Settings) -> tuple[NDArray[np.float64], xr.Dataset]:
    """Sample a density in machine code, as `run_nutpie` does.

    nutpie's own way from its columns to a tree takes as long as the sampling of a small model.

    Returns
    -------
    coordinates : ndarray of shape (chains, draws, d)
    statistics : xarray.Dataset
        See `arviz_statistics`.
    """
    pyarrow = importlib.import_module("pyarrow")
    trace = _run(model, settings, settings.cores, return_raw_trace=True)
    points, steps = ([pyarrow.record_batch(b) for b in part] for part in trace.get_arrow_trace())
    warm = [np.asarray(step["tuning"]) for step in steps]
    coordinates = [
        np.asarray(point[COORDINATES].flatten()).reshape(-1, model.size)[~tuning]
        for point, tuning in zip(points, warm, strict=True)
    ]
    statistics = {
        name: [np.asarray(step[name])[~tuning] for step, tuning in zip(steps, warm, strict=True)]
        for name in steps[0].schema.names
        if is_kept(name)
    }
    dims = ("chain", "draw")
    found = xr.Dataset({name: (dims, np.array(values)) for name, values in statistics.items()})
    return np.array(coordinates), arviz_statistics(found)


def _run(model: Any, settings: Settings, cores: int, **options: Any) -> Any:
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
            **options,
            **(settings.options or {}),
        )
        try:
            return run.wait()
        except BaseException:  # Ctrl-C, which nutpie itself would take for "enough draws"
            run.cancel()
            raise
