"""Fits whose draws are known: no sampling, every draw is the truth (or what a test puts there)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import xarray as xr

import hierlm as hl
from hierlm.engines import Settings
from hierlm.engines.tree import build_tree, dims
from hierlm.results import Fit

Known = Callable[..., Fit]


@pytest.fixture
def known() -> Known:
    """Return ``known(model, values, draws=..., diverging=...)``; values by canonical name.

    A value of shape (draws, ...) is taken draw by draw, another one is the same in every draw.
    """

    def make(
        model: hl.Model,
        values: Mapping[str, np.ndarray | float],
        *,
        draws: int = 100,
        diverging: np.ndarray | None = None,
    ) -> Fit:
        posterior = {}
        for name, own in dims(model.spec).items():
            value = np.asarray(values[name], dtype=float)
            if value.ndim == len(own):
                value = np.broadcast_to(value, (draws, *value.shape))
            posterior[name] = np.stack([value[: draws // 2], value[draws // 2 :]])
        flags = np.zeros(draws, bool) if diverging is None else diverging
        stats = xr.Dataset({"diverging": (("chain", "draw"), flags.reshape(2, -1))})
        settings = Settings(draws=draws // 2, tune=100, chains=2, seed=0)
        attrs = {"engine": "pymc", "sampler": "nutpie", "sampling_time": 0.1}
        tree = build_tree(model.spec, model.design, posterior, stats, settings, attrs)
        return Fit(model.spec, model.design, model.frame, tree)

    return make
