"""What samplers say of their steps, in ArviZ's names."""

from __future__ import annotations

import numpy as np
import xarray as xr

# What samplers call their statistics -> what ArviZ calls them.
_STATISTICS = {
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "logp": "lp",
    "mean_tree_accept": "acceptance_rate",
}
_KEPT = (
    "acceptance_rate",
    "diverging",
    "energy",
    "lp",
    "n_steps",
    "reached_max_treedepth",
    "step_size",
    "tree_depth",
)


def is_kept(name: str) -> bool:
    """Return whether a statistic, in a sampler's words, is one of those that are kept."""
    return _STATISTICS.get(name, name) in _KEPT


def arviz_statistics(stats: xr.Dataset) -> xr.Dataset:
    """Return the statistics that samplers share, in ArviZ's names."""
    renamed = stats.rename({old: new for old, new in _STATISTICS.items() if old in stats})
    kept = renamed[[name for name in _KEPT if name in renamed]]
    return kept.assign_coords(
        chain=np.arange(kept.sizes["chain"]), draw=np.arange(kept.sizes["draw"])
    ).drop_attrs()
