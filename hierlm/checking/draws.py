"""Draws of a posterior as dicts of arrays, thinned to as many as a check needs."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.engines.tree import dims
from hierlm.errors import DataError
from hierlm.simulation.responses import new_effects
from hierlm.spec import ModelSpec
from hierlm.summaries import drawn

Array = NDArray[np.float64]
Groups = Literal["all", "new"]


def spread(total: int, wanted: int | None) -> NDArray[np.int64]:
    """Return evenly spaced positions, as many as wanted at most.

    Examples
    --------
    >>> spread(10, 3).tolist(), spread(2, None).tolist()
    ([0, 4, 9], [0, 1])
    """
    if wanted is None or wanted >= total:
        return np.arange(total)
    return np.linspace(0, total - 1, wanted).astype(np.int64)


def posterior_values(
    spec: ModelSpec, idata: xr.DataTree, samples: int | None = None
) -> dict[str, Array]:
    """Return draws of every variable, the draws first: arrays of shape (S, ...).

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    samples : int, optional
        At most so many draws, evenly spaced; all of them when not given.
    """
    posterior = idata["posterior"]
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    kept = spread(chains * draws, samples)
    found = {names.BETA: np.zeros((len(kept), 0))}
    for name in dims(spec):
        variable = drawn(idata, name).transpose(*names.SAMPLE_DIMS, ...)
        values = variable.to_numpy()
        found[name] = values[kept // draws, kept % draws]
    return found


def with_groups(
    spec: ModelSpec, values: dict[str, Array], groups: str, rng: np.random.Generator
) -> dict[str, Array]:
    """Return values with the effects as they are, or those of new levels.

    Raises
    ------
    DataError
        If `groups` is neither ``"all"`` nor ``"new"``.
    """
    if groups not in ("all", "new"):
        raise DataError(
            f"groups is {groups!r}; allowed: 'all' (given the effects of the levels) and 'new' "
            "(with effects of new levels, drawn anew for each draw of the parameters)."
        )
    return values if groups == "all" else new_effects(spec, values, rng)
