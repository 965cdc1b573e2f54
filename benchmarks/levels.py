"""The cost of a gradient: linear in levels, the same for any number of rows.

    python benchmarks/levels.py [--json FILE] [--levels N] [--rows N]

First 10^2 to 10^5 levels at fixed rows per level, for one factor, a factor in another and three
nested ones; then 10^4 to 10^7 rows of 1,000 levels, summed up a chunk at a time, so that memory
stays bounded. A gradient is one call of the C function that NUTS calls; the best of several runs.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import resource
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import hierlm as hl
from hierlm.design.crossproducts import CrossProducts
from hierlm.engines.packing import Packed, pack
from hierlm.kernels import native
from hierlm.kernels.table import tabulate

# outer levels are counted; an outer level has 5 inner ones
DESIGNS = {
    "one factor": "y ~ x + (1 | school)",
    "one factor, slope": "y ~ x + (x | school)",
    "two nested": "y ~ x + (1 | school/pupil)",
    "two nested, slopes": "y ~ x + (x | school/pupil)",
    "three nested": "y ~ x + (1 | district/school/pupil)",
}
ROWS_PER_LEVEL = 20
CHUNK = 1_000_000


def simulate(levels: np.ndarray, seed: int) -> pd.DataFrame:
    """Return rows of schools, each in a district of ten, with five pupils in each school."""
    rng = np.random.default_rng(seed)
    n = len(levels)
    pupil, x = np.arange(n) % 5, rng.normal(size=n)
    effects = np.random.default_rng(0).normal(size=(levels.max() + 1, 5))
    y = x + effects[levels, 0] + 0.7 * effects[levels, pupil] + rng.normal(size=n)
    columns = {"school": levels, "district": levels // 10, "pupil": pupil}
    return pd.DataFrame({"y": y, "x": x, **columns})


def gradient_time(packed: Packed, runs: int = 7) -> float:
    """Return the seconds of one log density and gradient, the best of several runs."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *[ctypes.c_void_p] * 4)
    density = prototype(native.collapsed_posterior.address)
    d = len(packed.start)
    coordinates = native.Affine(np.zeros(d), np.eye(d))  # lives as long as the table
    table = tabulate(packed.problem, packed.layout, coordinates)
    x, value = packed.start + 0.1, np.empty(1)
    gradient = np.empty_like(x)
    at = [ctypes.c_void_p(a.ctypes.data) for a in (x, gradient, value, table)]
    size = ctypes.c_uint64(len(x))
    began = time.perf_counter()
    assert density(size, *at) == 0
    calls = max(1, int(0.05 / (time.perf_counter() - began)))
    best = np.inf
    for _ in range(runs):
        began = time.perf_counter()
        for _ in range(calls):
            density(size, *at)
        best = min(best, (time.perf_counter() - began) / calls)
    return best


def by_levels(most: int) -> Iterator[dict[str, Any]]:
    """Yield a row for every design and number of levels."""
    for design, formula in DESIGNS.items():
        for exponent in range(2, int(np.log10(most)) + 1):
            n_levels = 10**exponent
            levels = np.repeat(np.arange(n_levels), ROWS_PER_LEVEL)
            model = hl.Model(formula, simulate(levels, 1))
            seconds = gradient_time(pack(model.spec, CrossProducts.of(model.design)))
            effects = sum(len(g.levels.labels) * len(g.coefs) for g in model.spec.groups)
            yield {"design": design, "levels": n_levels, "effects": effects, "seconds": seconds}


def by_rows(most: int) -> Iterator[dict[str, Any]]:
    """Yield a row for every number of rows, of 1,000 schools of 5 pupils.

    The times are taken in turns, so that what else the machine does falls on all of them.
    """
    n_levels, found = 1000, []
    whole = np.repeat(np.arange(n_levels), 10)  # every school, so that all levels are learnt
    for exponent in range(4, int(np.log10(most)) + 1):
        model = hl.Model("y ~ x + (x | school/pupil)", simulate(whole, 1))
        encoding, products = model.spec.encoding, CrossProducts.of(model.design)
        adding, left = 0.0, 10**exponent - len(whole)
        while left > 0:
            n = min(left, CHUNK)
            levels = np.random.default_rng(left).integers(0, n_levels, n)
            rows = simulate(levels, left)
            began = time.perf_counter()
            products = products.add(encoding.apply(rows, response=True))
            adding += time.perf_counter() - began
            left -= n
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        row = {"rows": 10**exponent, "adding": adding, "peak_mib": peak}
        found.append((row, pack(model.spec, products)))
    turns = [[gradient_time(packed, 1) for _, packed in found] for _ in range(20)]
    for (row, _), *seconds in zip(found, *turns, strict=True):
        yield {"design": "two nested, slopes", "levels": n_levels, "seconds": min(seconds)} | row


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--levels", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    args = parser.parse_args()
    rows = []
    for row in by_rows(args.rows):
        rows.append(row)
        print(
            f"{row['rows']:10,} rows {row['seconds'] * 1e6:10,.1f} us per gradient, rows added in "
            f"{row['adding']:6.2f} s, at most {row['peak_mib']:6,.0f} MiB",
            flush=True,
        )
    for row in by_levels(args.levels):
        rows.append(row)
        print(
            f"{row['design']:20s} {row['levels']:8,} levels {row['effects']:9,} effects "
            f"{row['seconds'] * 1e6:10,.1f} us per gradient "
            f"{row['seconds'] * 1e9 / row['effects']:6.1f} ns per effect",
            flush=True,
        )
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
