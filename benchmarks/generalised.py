"""The whitened engine against the PyMC engine, and against Bambi and rstanarm where there are any.

    python benchmarks/generalised.py [--bambi PYTHON] [--rstanarm] [--json FILE] [--repeats 3]
                                     [--rows] [--only CASES] [--engines whitened,pymc]

PYTHON is the interpreter of an environment that has bambi>=0.21 (it pins an older formulae, so it
cannot share hierlm's); ``--rstanarm`` wants ``Rscript`` on the path. All run 4 chains of 1000 draws
on two cores with the warm-up that is their default. "sampling" is the seconds of NUTS, warm-up
included; ESS is the least bulk ESS over coefficients and sds, and over all effects too. Times are
seconds of one machine and one run, so read the ratios. ``--rows`` measures the row pass instead, in
processor time; ``--large`` fits 200,000 Bernoulli rows x 5 predictors x 2,000 levels with a varying
slope, 4 x 500 draws.
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

CASES = {
    "VerbAgg": (
        "VerbAgg", "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)", "bernoulli"
    ),
    "cbpp": ("cbpp", "p(incidence, size) ~ period + (1 | herd)", "binomial"),
    "grouseticks": (
        "grouseticks",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        "poisson",
    ),
    "epilepsy": (
        "epilepsy", "count ~ zAge + zBase * Trt + (1 | patient) + (1 | obs)", "poisson"
    ),
    "Arabidopsis": (
        "Arabidopsis", "fruits ~ nutrient + amd + rack + status + (1 | popu/gen)", "negbinomial"
    ),
}  # fmt: skip

FIT = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
began = time.perf_counter()
import pandas as pd
path, formula, family, seed, engine, texts = sys.argv[1:]
data = pd.read_csv(path)
for name in json.loads(texts):
    data[name] = data[name].astype(str)
"""

HIERLM = """
import hierlm as hl
fit = hl.fit(formula, data, family=family, engine=engine, seed=int(seed), progress=False)
report = repr(fit)
done = time.perf_counter()
idata, sampling = fit.idata, fit.idata.attrs["sampling_time"]
"""

BAMBI = """
import bambi
family = {"negbinomial": "negativebinomial"}.get(family, family)
model = bambi.Model(formula, data, family=family)
idata = model.fit(draws=1000, tune=1000, chains=4, cores=2, random_seed=int(seed),
                  inference_method="nutpie", progressbar=False)
import arviz as az
az.summary(idata)
done = time.perf_counter()
posterior = idata["posterior"] if hasattr(idata, "children") else idata.posterior
sampling = posterior.attrs.get("sampling_time") or idata.attrs.get("sampling_time")
"""

RSTANARM = """
suppressMessages({library(rstanarm); library(rstan)})
arguments <- commandArgs(TRUE)
data <- read.csv(arguments[1])
for (name in strsplit(arguments[5], ",")[[1]]) data[[name]] <- factor(data[[name]])
family <- list(bernoulli = binomial(), binomial = binomial(), poisson = poisson(),
               negbinomial = neg_binomial_2())[[arguments[3]]]
fit <- stan_glmer(as.formula(arguments[2]), data, family = family, chains = 4, iter = 2000,
                  cores = 2, seed = as.integer(arguments[4]), refresh = 0)
draws <- as.array(fit)
draws <- draws[, , !grepl("^b\\\\[|log-posterior|mean_PPD", dimnames(draws)[[3]])]
ess <- min(apply(draws, 3, ess_bulk))
divergences <- sum(get_divergent_iterations(fit$stanfit))
cat(ess, divergences, sum(get_elapsed_time(fit$stanfit)) / 2, "\\n")
"""

# Bambi calls the effects of levels "1|g" and their sds "1|g_sigma".
ESS = """
import numpy as np
from arviz_stats.base import array_stats
def ess(values):
    flat = np.asarray(values).reshape(*values.shape[:2], -1)
    return min(float(array_stats.ess(flat[:, :, i])) for i in range(flat.shape[2]))
posterior = idata["posterior"] if hasattr(idata, "children") else idata.posterior
stats = idata["sample_stats"] if hasattr(idata, "children") else idata.sample_stats
least, every = np.inf, np.inf
for name, values in posterior.data_vars.items():
    found = ess(values.to_numpy())
    every = min(every, found)
    if not name.startswith("r_") and not ("|" in name and not name.endswith("_sigma")):
        least = min(least, found)
print(json.dumps({"ess": least, "ess_all": every, "sampling": sampling,
                  "divergences": int(np.sum(stats["diverging"].to_numpy())),
                  "whole": done - began}))
"""


def table_of(dataset: str) -> Any:
    """Return the rows of a case, as all packages can read them."""
    import hierlm as hl

    data = hl.load_dataset(dataset).rename(columns={"total.fruits": "fruits"})
    if "r2" in data:
        data["r2"] = (data["r2"].astype(str) == "Y").astype(int)
    return data


def run(python: str, engine: str, case: str, seed: int) -> dict[str, Any] | None:
    """Fit in a fresh process, as a user would; None where the package cannot."""
    dataset, formula, family = CASES[case]
    data = table_of(dataset)
    texts = json.dumps(_texts(data))
    code = FIT + (BAMBI if engine == "bambi" else HIERLM) + ESS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data.to_csv(path, index=False)
        began = time.perf_counter()
        done = subprocess.run(
            [python, "-c", code, str(path), formula, family, str(seed), engine, texts],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            print(done.stderr[-400:], file=sys.stderr)
            return None
        return json.loads(done.stdout.splitlines()[-1]) | {"process": time.perf_counter() - began}


def run_rstanarm(case: str, seed: int) -> dict[str, Any] | None:
    """Fit with rstanarm; None where it fails."""
    dataset, formula, family = CASES[case]
    data = table_of(dataset)
    formula = formula.replace("p(incidence, size)", "cbind(incidence, size - incidence)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        data.to_csv(path, index=False)
        began = time.perf_counter()
        texts = ",".join(_texts(data))
        done = subprocess.run(
            ["Rscript", "-e", RSTANARM, str(path), formula, family, str(seed), texts],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            print(done.stderr[-400:], file=sys.stderr)
            return None
        ess, divergences, sampling = map(float, done.stdout.split()[-3:])
        process = time.perf_counter() - began
    return {
        "ess": ess, "ess_all": float("nan"), "sampling": sampling, "divergences": divergences,
        "process": process,
    }  # fmt: skip


def _texts(data: Any) -> list[str]:
    """Return the columns that are categories."""
    import pandas as pd

    return [name for name in data if not pd.api.types.is_numeric_dtype(data[name])]


def measure_rows() -> None:
    """Print nanoseconds of the row pass, and of a whole gradient, for each row."""
    import hierlm as hl
    from hierlm.engines.laplace import whiten
    from hierlm.kernels.rows import row_gradient
    from hierlm.kernels.whitened import log_density_at

    for case, (dataset, formula, family) in CASES.items():
        model = hl.Model(formula, table_of(dataset), family=family)
        w = whiten(model.spec, model.design)
        x = np.concatenate([w.start, np.random.default_rng(1).normal(0, 0.5, len(w.whitening.h))])
        b, shapes = np.full(len(w.whitening.h), 0.1), np.full(len(w.layout.beta_at), 2.0)
        gradient, b_bar, dshapes = np.empty(len(x)), np.zeros(len(b)), np.zeros(len(shapes))
        n = w.rows.data.shape[1]
        rows = _microseconds(row_gradient, w.rows, b, shapes, b_bar, dshapes)
        whole = _microseconds(log_density_at, x, gradient, w.rows, w.whitening, w.layout)
        print(
            f"{case:12s} {n:6,} of {model.design.n:6,} rows distinct, {len(x):4,} coordinates: "
            f"row pass {rows:6.1f} us ({1000 * rows / n:5.1f} ns per row), gradient {whole:6.1f} us"
        )


def _microseconds(call: Any, *arguments: Any) -> float:
    call(*arguments)
    found = []
    for _ in range(7):
        began = time.thread_time()
        for _ in range(300):
            call(*arguments)
        found.append((time.thread_time() - began) / 300)
    return 1e6 * min(found)


def measure_large() -> None:
    """Print the seconds and the effective draws of 200,000 rows."""
    import pandas as pd
    from arviz_stats.base import array_stats

    import hierlm as hl

    rng, n, J = np.random.default_rng(1), 200_000, 2_000
    data = pd.DataFrame({f"x{i}": rng.normal(size=n) for i in range(1, 6)})
    g = rng.integers(0, J, n)
    eta = data.to_numpy() @ [0.5, -0.3, 0.2, 0.1, 0.0] - 0.5 + rng.normal(0, 0.7, J)[g]
    eta += rng.normal(0, 0.4, J)[g] * data["x1"]
    data = data.assign(g=g, y=(rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int))
    began = time.perf_counter()
    formula = "y ~ x1 + x2 + x3 + x4 + x5 + (x1 | g)"
    fit = hl.fit(formula, data, family="bernoulli", draws=500, seed=1, progress=False)
    done = time.perf_counter() - began
    found = {}
    for name, values in fit.idata["posterior"].data_vars.items():
        flat = values.to_numpy().reshape(*values.shape[:2], -1)
        found[name] = min(
            float(array_stats.ess(flat[:, :, i])) for i in range(min(flat.shape[2], 400))
        )
    steps = float(fit.idata["sample_stats"]["n_steps"].mean())
    laps = {k: round(v, 1) for k, v in fit.idata.attrs.items() if k.endswith("_time")}
    print(f"200,000 rows: {done:.0f} s, leapfrogs {steps:.1f}, least ESS {found}, {laps}")


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bambi")
    parser.add_argument("--rstanarm", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--engines", default="whitened,pymc")
    parser.add_argument("--only", default=",".join(CASES), help="cases, separated by commas")
    args = parser.parse_args()
    if args.rows or args.large:
        (measure_rows if args.rows else measure_large)()
        return
    rows = []
    for case in args.only.split(","):
        others = [*(["bambi"] if args.bambi else []), *(["rstanarm"] if args.rstanarm else [])]
        for engine in [*args.engines.split(","), *others]:
            python = args.bambi if engine == "bambi" else sys.executable
            runs = [
                run_rstanarm(case, seed)
                if engine == "rstanarm"
                else run(python, engine, case, seed)
                for seed in range(1, args.repeats + 1)
            ]
            found = [one for one in runs if one is not None]
            if not found:
                print(f"{case:12s} {engine:9s} cannot take the model", flush=True)
                continue
            row = {
                key: median(float("nan") if one[key] is None else one[key] for one in found)
                for key in found[0]
            }
            rows.append({"case": case, "engine": engine} | row)
            print(
                f"{case:12s} {engine:9s} min ESS {row['ess']:6.0f} (all {row['ess_all']:6.0f})  "
                f"sampling {row['sampling']:7.2f} s  ESS/s {row['ess'] / row['sampling']:7.0f}  "
                f"divergences {row['divergences']:4.0f}  process {row['process']:6.1f} s",
                flush=True,
            )
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
