"""The collapsed engine against the PyMC engine, and against Bambi and rstanarm where there are any.

    python benchmarks/gaussian.py [--bambi PYTHON] [--rstanarm] [--json FILE] [--repeats 3]
                                  [--only CASES] [--engines collapsed,pymc]

PYTHON is the interpreter of an environment that has bambi>=0.21 (it pins an older formulae, so it
cannot share hierlm's); ``--rstanarm`` wants ``Rscript`` on the path. All run 4 chains of 1000 draws
on two cores with the warm-up that is their default. "sampling" is the seconds of NUTS, warm-up
included, nothing else; ESS is ArviZ's, the least over all parameters and effects. Prints a table of
medians; times are seconds of one machine and one run, so read the ratios.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from arviz_stats.base import array_stats

CASES = {
    "sleepstudy": ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "sleepstudy diagonal": ("sleepstudy", "Reaction ~ Days + (Days || Subject)"),
    "Dyestuff2": ("Dyestuff2", "Yield ~ 1 + (1 | Batch)"),
    "Pastes nested": ("Pastes", "strength ~ 1 + (1 | batch/cask)"),
    "Penicillin crossed": ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    "Machines": ("Machines", "score ~ Machine + (0 + Machine | Worker)"),
    "oats nested": ("oats", "Y ~ V * N + (1 | B/V)"),
}

RSTANARM = """
suppressMessages({library(rstanarm); library(rstan)})
arguments <- commandArgs(TRUE)
data <- read.csv(arguments[1])
for (name in c("Subject", "Batch", "batch", "cask", "plate", "sample", "Worker", "B"))
  if (name %in% names(data)) data[[name]] <- factor(data[[name]])
fit <- stan_lmer(as.formula(arguments[2]), data, chains = 4, iter = 2000, cores = 2,
                 seed = as.integer(arguments[3]), refresh = 0)
draws <- as.array(fit)
draws <- draws[, , !grepl("_NEW_|log-posterior", dimnames(draws)[[3]])]
writeBin(as.vector(draws), arguments[4])
cat(dim(draws), sum(rstan::get_elapsed_time(fit$stanfit)) / 2, "\n")
"""

BAMBI = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
began = time.perf_counter()
import arviz as az, bambi, pandas as pd
path, formula, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = pd.read_csv(path)
for name in ("Subject", "Batch", "batch", "cask", "plate", "sample", "Worker", "B"):
    if name in data:
        data[name] = data[name].astype(str)
model = bambi.Model(formula, data)
fitted = time.perf_counter()
idata = model.fit(draws=1000, tune=1000, chains=4, cores=2, random_seed=seed,
                  inference_method="nutpie", progressbar=False)
summary = az.summary(idata, round_to="none")
done = time.perf_counter()
sampling = idata["posterior"].attrs.get("sampling_time") or idata.attrs.get("sampling_time")
print(json.dumps({"ess": float(summary["ess_bulk"].min()), "whole": done - began,
                  "fit": done - fitted, "sampling": sampling}))
"""


def run_hierlm(dataset: str, formula: str, engine: str, seed: int) -> dict[str, Any]:
    """Fit in a fresh process, as a user would; return ESS and seconds."""
    code = (
        "import time, sys, json, warnings; warnings.simplefilter('ignore');"
        "began = time.perf_counter(); import hierlm as hl;"
        f"fit = hl.fit({formula!r}, hl.load_dataset({dataset!r}), engine={engine!r}, seed={seed},"
        " progress=False);"
        "report = repr(fit);"
        "c = fit.convergence;"
        "print(json.dumps({'ess': c.ess_bulk.value, 'divergences': c.divergences,"
        " 'sampling': fit.idata.attrs['sampling_time'],"
        " 'whole': time.perf_counter() - began}))"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout) | {"process": time.perf_counter() - began}


def run_bambi(python: str, dataset: str, formula: str, seed: int) -> dict[str, Any] | None:
    """Fit with Bambi in its own environment; None where it cannot read the formula."""
    import hierlm as hl

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        hl.load_dataset(dataset).to_csv(path, index=False)
        began = time.perf_counter()
        done = subprocess.run(
            [python, "-c", BAMBI, str(path), formula, str(seed)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            return None
        return json.loads(done.stdout.splitlines()[-1]) | {"process": time.perf_counter() - began}


def run_rstanarm(dataset: str, formula: str, seed: int) -> dict[str, Any] | None:
    """Fit with rstanarm; None where it cannot read the formula."""
    import hierlm as hl

    with tempfile.TemporaryDirectory() as folder:
        path, draws = Path(folder) / "data.csv", Path(folder) / "draws"
        hl.load_dataset(dataset).to_csv(path, index=False)
        began = time.perf_counter()
        done = subprocess.run(
            ["Rscript", "-e", RSTANARM, str(path), formula, str(seed), str(draws)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            return None
        process = time.perf_counter() - began
        *shape, sampling = map(float, done.stdout.split()[-4:])
        values = np.fromfile(draws).reshape([int(n) for n in shape[::-1]])  # parameter, chain, draw
        ess = array_stats.ess(values, chain_axis=1, draw_axis=2)
    return {"ess": float(np.min(ess)), "sampling": sampling, "process": process}


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bambi")
    parser.add_argument("--rstanarm", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engines", default="collapsed,pymc")
    parser.add_argument("--only", default=",".join(CASES), help="cases, separated by commas")
    args = parser.parse_args()
    rows = []
    for case in args.only.split(","):
        dataset, formula = CASES[case]
        others = [*(["bambi"] if args.bambi else []), *(["rstanarm"] if args.rstanarm else [])]
        for name in [*args.engines.split(","), *others]:
            runs = []
            for seed in range(1, args.repeats + 1):
                if name == "bambi":
                    run = run_bambi(args.bambi, dataset, formula, seed)
                elif name == "rstanarm":
                    run = run_rstanarm(dataset, formula, seed)
                else:
                    run = run_hierlm(dataset, formula, name, seed)
                if run is not None:
                    runs.append(run)
            if not runs:
                print(f"{case:22s} {name:10s} cannot take the formula", flush=True)
                continue
            row = {key: median(run[key] or float("nan") for run in runs) for key in runs[0]}
            rows.append({"case": case, "engine": name} | row)
            rate = row["ess"] / row["sampling"]
            print(
                f"{case:20s} {name:10s} min ESS {row['ess']:6.0f}  "
                f"sampling {row['sampling']:6.2f} s  ESS/s {rate:8.0f}  "
                f"process {row['process']:6.1f} s",
                flush=True,
            )
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
