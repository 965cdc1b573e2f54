"""The laplace engine against NUTS: seconds, Pareto's k, and how far means and sds are.

    python benchmarks/approximate.py [--only CASES] [--json FILE]

Each engine fits once to load its machine code, and once more to be measured. "mean" and "sd" are
the largest differences over coefficients, sds, correlations and shapes: of means in posterior sds,
of sds as a share. Both sides have Monte Carlo error, which is given beside them for the means.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import hierlm as hl

CASES = {
    "sleepstudy": ("sleepstudy", "Reaction ~ Days + (Days | Subject)", "gaussian"),
    "Penicillin": ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", "gaussian"),
    "cbpp": ("cbpp", "p(incidence, size) ~ period + (1 | herd)", "binomial"),
    "VerbAgg": (
        "VerbAgg", "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)", "bernoulli"
    ),
    "epilepsy": ("epilepsy", "count ~ zAge + zBase * Trt + (1 | patient) + (1 | obs)", "poisson"),
    "grouseticks": (
        "grouseticks",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        "poisson",
    ),
}  # fmt: skip


def fitted(model: hl.Model, engine: str) -> tuple[hl.Fit, float]:
    """Return the fit, and its seconds, the machine code being loaded."""
    model.fit(engine=engine, draws=50, seed=1, progress=False)
    began = time.perf_counter()
    fit = model.fit(engine=engine, seed=1, progress=False)
    return fit, time.perf_counter() - began


def compare(case: str) -> dict[str, Any]:
    """Fit one case with both engines."""
    dataset, formula, family = CASES[case]
    model = hl.Model(formula, hl.load_dataset(dataset), family=family)
    exact, exact_seconds = fitted(model, "auto")
    fit, seconds = fitted(model, "laplace")
    a, b = fit.summary(), exact.summary()
    error = np.hypot(a["mcse_mean"], b["mcse_mean"]) / b["sd"]
    return {
        "case": case,
        "k": fit.convergence.pareto_k,
        "ess": fit.convergence.ess,
        "proposals": fit.convergence.proposals,
        "seconds": seconds,
        "exact_seconds": exact_seconds,
        "mean": float((abs(a["mean"] - b["mean"]) / b["sd"]).max()),
        "error": float(error.max()),
        "sd": float(abs(a["sd"] / b["sd"] - 1).max()),
    }


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--only", default=",".join(CASES), help="cases, separated by commas")
    args = parser.parse_args()
    rows = []
    for case in args.only.split(","):
        row = compare(case)
        rows.append(row)
        print(
            f"{case:12s} k {row['k']:5.2f}  {row['ess']:6.0f} of {row['proposals']:6,}  "
            f"{row['seconds']:5.1f} s (NUTS {row['exact_seconds']:5.1f} s)  "
            f"mean {row['mean']:.2f} sd (error {row['error']:.2f})  sd {100 * row['sd']:.0f}%",
            flush=True,
        )
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
