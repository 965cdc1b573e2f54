"""Simulation-based calibration of the engines, on a grid of structures and families.

Everything is decided beforehand. An engine that is right is rejected with a probability of at most
LEVEL: its cells have equal shares of it (Bonferroni), and a cell's share is held over all of the
cell's quantities (Holm). The seed of a cell follows from its name. What a rejected cell calls for
is a further ROUND, which has other seeds, with more replications.

With the environment variable HIERLM_LEDGERS, a folder, every replication is written there, and a
run that was interrupted goes on.
"""

from __future__ import annotations

import dataclasses
import os
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from calibration import samplers
from statistical.cells import STRUCTURES, Cell, of_families

from hierlm.calibration import calibrate
from hierlm.design import Design
from hierlm.engines import Settings, choose_engine
from hierlm.spec import ModelSpec

pytestmark = pytest.mark.statistical

LEVEL = 0.01  # of an engine, over all of its cells
ROUND = 1
# A replication takes seconds where the geometry of non-centered effects is a bad one.
SLOW = {name: STRUCTURES[name] for name in ("one factor", "crossed", "diagonal")}
SLOW |= {name: of_families(60)[name] for name in ("bernoulli, one factor", "poisson, slope")}
ENGINES: dict[str, dict[str, Cell]] = {
    "collapsed": STRUCTURES,
    "whitened": of_families(100),
    "pymc": {name: dataclasses.replace(cell, replications=60) for name, cell in SLOW.items()},
}
CELLS = [(engine, name) for engine, cells in ENGINES.items() for name in cells]


def seed_of(engine: str, name: str) -> int:
    """One seed would give cells like truths."""
    return zlib.crc32(f"{engine}: {name}, round {ROUND}".encode())


def ledger_of(engine: str, name: str) -> Path | None:
    folder = os.environ.get("HIERLM_LEDGERS")
    return Path(folder) / f"{engine} {name} {ROUND}.jsonl" if folder else None


@pytest.mark.parametrize(("engine", "name"), CELLS)
def test_posteriors_are_calibrated(engine: str, name: str) -> None:
    cell, seed = ENGINES[engine][name], seed_of(engine, name)
    found = calibrate(
        cell.model(),
        replications=cell.replications,
        seed=seed,
        engine=engine,
        level=LEVEL / len(ENGINES[engine]),
        path=ledger_of(engine, name),
        cores=1,  # a process of its own costs as much as a cell of small fits
        progress=False,
    )
    p, runs = found.tests["p_ecdf"], found.runs
    print(
        f"\n| {engine} | {name} | {seed} | {found.replications} | {len(p)} | {p.min():.4f} "
        f"({p.idxmin()}) | {found.tests['p_holm'].min():.2f} | {p['log likelihood']:.2f} "
        f"| {runs['seconds'].sum():.0f} | {'passes' if found.ok else 'REJECTED'} |"
    )
    assert found.ok, str(found)
    assert (runs["divergences"] > 0).mean() < 0.05
    assert (runs["ess"] >= found.ranked).mean() > 0.95


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


@pytest.mark.parametrize("engine", ["collapsed", "whitened"])  # PyMC would compile every time
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(engine: str, fault: str) -> None:
    cell = STRUCTURES["slope"]
    sample = faulty(fault, engine, cell)
    found = calibrate(
        cell.model(), replications=100, seed=20261, sample=sample, level=LEVEL, progress=False
    )
    print(f"\n{engine}, {fault}\n{found}")
    assert any(name.startswith(FAULTS[fault]) for name in found.rejected)
