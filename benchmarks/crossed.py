"""Large crossed designs on the whitened engine: cost, geometry and effective draws.

    python benchmarks/crossed.py [--only CASES] [--draws 300] [--seed 1] [--insteval CSV]

4 chains on two cores, warm-up of 300. Prints seconds of the preparation (Laplace search and
whitening), milliseconds of a gradient, leapfrogs per draw, seconds of sampling, the least bulk ESS
over coefficients, sds and sigma, and over effects (at most 200 of a factor), and the memory.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

import hierlm as hl
from hierlm.engines.laplace import whiten
from hierlm.kernels.whitened import log_density_at


def crossed(n: int, sizes: tuple[int, ...], family: str, seed: int = 1) -> pd.DataFrame:
    """Return rows whose levels are drawn at random; sds 0.5."""
    rng = np.random.default_rng(seed)
    table: dict[str, Any] = {"x": rng.normal(size=n)}
    eta = 0.3 * table["x"]
    for name, J in zip("abc", sizes, strict=False):
        table[name] = rng.integers(0, J, n)
        eta = eta + rng.normal(0, 0.5, J)[table[name]]
    if family == "gaussian":
        table["y"] = eta + rng.normal(size=n)
    else:
        table["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return pd.DataFrame(table)


def nested(schools: int, classes: int, students: int, rows: int, seed: int = 1) -> pd.DataFrame:
    """Return rows of students in classes in schools."""
    rng = np.random.default_rng(seed)
    student = np.repeat(np.arange(schools * classes * students), rows)
    a, b = student // students, student // (students * classes)
    eta = rng.normal(0, 0.5, student[-1] + 1)[student] + rng.normal(0, 0.5, a[-1] + 1)[a]
    eta += rng.normal(0, 0.5, b[-1] + 1)[b]
    x = rng.normal(size=len(student))
    y = (rng.random(len(student)) < 1 / (1 + np.exp(-eta - 0.3 * x))).astype(int)
    return pd.DataFrame({"y": y, "x": x, "a": student, "b": a, "c": b})


CASES: dict[str, tuple[str, str, Any]] = {
    "gaussian": (
        "y ~ x + (1 | a) + (1 | b)", "gaussian",
        lambda: crossed(100_000, (20_000, 5_000), "gaussian"),
    ),
    "bernoulli": (
        "y ~ x + (1 | a) + (1 | b)", "bernoulli",
        lambda: crossed(100_000, (20_000, 5_000), "bernoulli"),
    ),
    "rich": (
        "y ~ x + (1 | a) + (1 | b)", "gaussian", lambda: crossed(200_000, (600, 400), "gaussian")
    ),
    "three": (
        "y ~ x + (1 | a) + (1 | b) + (1 | c)", "gaussian",
        lambda: crossed(60_000, (6_000, 2_000, 1_000), "gaussian"),
    ),
    "nested": ("y ~ x + (1 | a) + (1 | b) + (1 | c)", "bernoulli", lambda: nested(300, 8, 5, 4)),
}  # fmt: skip


def main() -> None:
    """Run the cases and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="cases, separated by commas")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--insteval", help="path of lme4's InstEval as a csv file: a case more")
    args = parser.parse_args()
    cases = dict(CASES)
    if args.insteval:
        formula = "y ~ service + (1 | s) + (1 | d) + (1 | dept:service)"
        cases["InstEval"] = formula, "gaussian", lambda: args.insteval
    for name in args.only.split(",") if args.only else cases:
        formula, family, load = cases[name]
        model = hl.Model(formula, load(), family=family)
        began = time.perf_counter()
        w = whiten(model.spec, model.design)
        preparing, N = time.perf_counter() - began, len(w.whitening.h)
        x = np.concatenate([w.start, np.random.default_rng(1).normal(size=N)])
        gradient, costs = np.empty(len(x)), []
        for _ in range(10):
            began = time.thread_time()
            log_density_at(x, gradient, w.rows, w.whitening, w.layout)
            costs.append(time.thread_time() - began)
        print(
            f"{name}: {model.design.n:,} rows, {N:,} effects, {len(w.whitening.C)} whitened "
            f"densely, stretched {np.round(w.whitening.stretch, 2)}; preparation {preparing:.1f} "
            f"s, gradient {1e3 * min(costs):.2f} ms",
            flush=True,
        )
        if args.draws:
            sample(model, args.draws, args.seed)


def sample(model: hl.Model, draws: int, seed: int) -> None:
    """Sample, and print what came out."""
    fit = model.fit(engine="whitened", draws=draws, seed=seed, progress=False)
    parameters, effects = [], []
    for name, values in fit.idata["posterior"].data_vars.items():
        flat = values.to_numpy().reshape(*values.shape[:2], -1)
        picked = np.unique(np.linspace(0, flat.shape[2] - 1, 200).astype(int))
        found = [float(array_stats.ess(flat[:, :, i])) for i in picked]
        (effects if str(name).startswith("r_") else parameters).extend(found)
    stats = fit.idata["sample_stats"]
    print(
        f"  sampling {fit.idata.attrs['sampling_time']:.0f} s, leapfrogs "
        f"{float(stats['n_steps'].mean()):.0f}, divergences {int(stats['diverging'].sum())}, least "
        f"ESS {min(parameters):.0f} of {4 * draws:,} (effects {min(effects):.0f}), "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB",
        flush=True,
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
