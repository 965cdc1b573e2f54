"""Simulation-based calibration of the engines, on a grid of structures and families.

Everything is decided beforehand: seed, replications, and the level, which is shared out over all
cells that an engine is calibrated on. An engine is added by a line in ENGINES.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import xarray as xr
from calibration import samplers
from statistical.cells import STRUCTURES, Cell

from hierlm.calibration import calibrate
from hierlm.design import Design
from hierlm.engines import Settings, choose_engine
from hierlm.spec import ModelSpec

pytestmark = pytest.mark.statistical

LEVEL = 0.01  # of an engine, over all of its cells
SEED = 20261
ENGINES: dict[str, dict[str, Cell]] = {
    "collapsed": STRUCTURES,
}
CELLS = [(engine, name) for engine, cells in ENGINES.items() for name in cells]


@pytest.mark.parametrize(("engine", "name"), CELLS)
def test_posteriors_are_calibrated(engine: str, name: str) -> None:
    cell = ENGINES[engine][name]
    found = calibrate(
        cell.model(),
        replications=cell.replications,
        seed=SEED + CELLS.index((engine, name)),  # one seed would give all cells like truths
        engine=engine,
        level=LEVEL / len(ENGINES[engine]),
        progress=False,
    )
    print(f"\n{engine}, {name}: {found.runs['seconds'].sum():.0f} s of work\n{found}")
    assert found.ok, str(found)
    assert (found.runs["divergences"] > 0).mean() < 0.05
    assert (found.runs["ess"] >= found.ranked).mean() > 0.95


def by_engine(
    engine: str, spec: ModelSpec, design: Design, settings: Settings, *, instead: Any = None
) -> xr.DataTree:
    """Sample with an engine; with `instead`, the posterior of that model."""
    return choose_engine(spec, engine).engine.sample(instead or spec, design, settings)


# A fault, and what it must be seen in.
FAULTS = {
    "prior": "sd_g",
    "sign": "cor_g[Intercept, x]",
    "effects": "log likelihood",
    "narrow": "log likelihood",
}


def faulty(fault: str, engine: str, cell: Cell) -> Callable[..., xr.DataTree]:
    """Return a sampler with too wide a prior of the sds, or whose draws are spoiled."""
    right = partial(by_engine, engine)
    if fault == "prior":
        wide = dataclasses.replace(cell, priors=cell.priors | {"sd": "exponential(0.25)"})
        return partial(right, instead=wide.model().spec)
    change = {
        "sign": samplers.flipped,
        "effects": samplers.effects_from_the_prior,
        "narrow": samplers.narrow,
    }[fault]
    return samplers.spoiled(change, right)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(engine: str, fault: str) -> None:
    cell = STRUCTURES["slope"]
    sample = faulty(fault, engine, cell)
    found = calibrate(
        cell.model(), replications=100, seed=SEED, sample=sample, level=LEVEL, progress=False
    )
    print(f"\n{engine}, {fault}\n{found}")
    assert any(name.startswith(FAULTS[fault]) for name in found.rejected)
