"""Fits without sampling: draws that look like a posterior, in the canonical tree."""

from __future__ import annotations

import numpy as np
import xarray as xr
from helpers.densities import random_values

import hierlm as hl
from hierlm.engines import Settings
from hierlm.engines.tree import build_tree, dims
from hierlm.results import Fit


def synthetic_fit(model: hl.Model, *, chains: int = 4, draws: int = 250, seed: int = 0) -> Fit:
    """Return a fit whose draws scatter, independently, around one point."""
    rng = np.random.default_rng(seed)
    point = random_values(model, rng)
    posterior = {}
    for name in dims(model.spec):
        center = np.asarray(point[name])
        noise = rng.normal(size=(chains, draws, *center.shape))
        if name.startswith("cor_"):
            posterior[name] = np.tanh(np.arctanh(center) + 0.1 * noise)
        elif name.startswith(("sd_", "sigma", "nu", "alpha", "kappa")):
            posterior[name] = center * np.exp(0.1 * noise)
        else:
            posterior[name] = center + 0.1 * noise
    shape, dims_of_draws = (chains, draws), ("chain", "draw")
    stats = xr.Dataset(
        {
            "diverging": (dims_of_draws, np.zeros(shape, bool)),
            "tree_depth": (dims_of_draws, np.full(shape, 3, np.uint64)),
        }
    )
    settings = Settings(draws=draws, tune=100, chains=chains, seed=seed)
    attrs = {"engine": "pymc", "sampler": "nutpie", "sampling_time": 0.1}
    tree = build_tree(model.spec, model.design, posterior, stats, settings, attrs)
    return Fit(model.spec, model.design, model.frame, tree)
