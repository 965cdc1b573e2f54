"""A million rows, ten predictors, a thousand levels with a varying slope: time and memory.

python benchmarks/million_rows.py [ROWS]
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import pandas as pd

import hierlm as hl

LEVELS, PREDICTORS = 1000, 10


def simulate(n: int) -> pd.DataFrame:
    """Return n rows: y on ten predictors, intercept and first slope varying by level."""
    rng = np.random.default_rng(0)
    g = rng.integers(0, LEVELS, n)
    X = rng.normal(size=(n, PREDICTORS))
    b = rng.normal(size=(LEVELS, 2))
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(PREDICTORS)])
    frame["g"] = g
    frame["y"] = X @ rng.normal(size=PREDICTORS) + b[g, 0] + 0.5 * b[g, 1] * X[:, 0]
    frame["y"] += rng.normal(size=n)
    return frame


def main() -> None:
    """Fit once and print seconds and megabytes."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    frame = simulate(n)
    size = frame.memory_usage().sum() / 2**20
    hl.fit("y ~ x0 + (1 | g)", frame.head(5000), seed=1, progress=False)  # libraries and kernels
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    formula = "y ~ " + " + ".join(f"x{k}" for k in range(PREDICTORS)) + " + (x0 | g)"
    began = time.perf_counter()
    model = hl.Model(formula, frame)
    built = time.perf_counter()
    fit = model.fit(seed=1, progress=False)
    report = str(fit)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    stages = {k: round(v, 2) for k, v in fit.idata.attrs.items() if k.endswith("_time")}
    print(f"{n:,} rows: model {built - began:.1f} s, fit and report {done - built:.1f} s, {stages}")
    print(
        f"frame {size:.0f} MB; process {before:.0f} MB with the frame and the libraries, "
        f"{peak:.0f} MB at its peak: {(peak - before) / size:.1f} frames more"
    )
    print(report.splitlines()[-3:])


if __name__ == "__main__":
    main()
