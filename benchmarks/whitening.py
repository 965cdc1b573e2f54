"""Non-centered, fixed whitening and whitening that follows the sd: which samples best, and where.

    python benchmarks/whitening.py [--seeds 2]

One factor, varying intercepts, Bernoulli rows; 4 chains of 1000 draws after 500 of warm-up, target
acceptance 0.8. Prints the least bulk ESS over coefficients and sd, and leapfrogs per draw.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import nutpie
import pandas as pd
from arviz_stats.base import array_stats
from scipy.linalg import cho_factor, solve_triangular

import hierlm as hl
from hierlm.engines.laplace import Marginal, Whitened, whiten
from hierlm.kernels.rows import row_gradient
from hierlm.kernels.whitened import coefficient_priors, expand, log_density_at


def regimes() -> dict[str, pd.DataFrame]:
    """Return a table for each regime."""
    rng = np.random.default_rng(1)

    def table(counts: np.ndarray, sd: float, intercept: float = 0.0) -> pd.DataFrame:
        g = np.repeat(np.arange(len(counts)), counts)
        x = rng.normal(size=len(g))
        eta = intercept + 0.5 * x + rng.normal(0, sd, len(counts))[g]
        y = (rng.random(len(g)) < 1 / (1 + np.exp(-eta))).astype(int)
        return pd.DataFrame({"y": y, "x": x, "g": g})

    return {
        "rich: 50 levels of 400 rows": table(np.full(50, 400), 1.0),
        "poor: 200 levels of 2 rows": table(np.full(200, 2), 1.0),
        "mixed: 100 levels of 2 or 200 rows": table(np.tile([2, 200], 50), 1.0),
        "rare: 300 levels of 5 rows, 3% events": table(np.full(300, 5), 1.0, -4.0),
        "true sd 0.02: 50 levels of 40 rows": table(np.full(50, 40), 0.02),
    }


def run(density: Any, start: np.ndarray, seed: int) -> tuple[np.ndarray, float, int]:
    """Return draws, leapfrogs per draw and divergences."""
    d = len(start)
    model = nutpie.compiled_pyfunc.from_pyfunc(
        d, lambda: density, lambda *_: (lambda x: {"x": x}), [np.dtype("float64")], [(d,)], ["x"],
        make_initial_point_fn=lambda s: start + np.random.default_rng(s).uniform(-0.3, 0.3, d),
    )  # fmt: skip
    tree = nutpie.sample(
        model, draws=1000, tune=500, chains=4, cores=1, seed=seed, target_accept=0.8,
        progress_bar=False, save_warmup=False,
    )  # fmt: skip
    stats = tree["sample_stats"]
    x = tree["posterior"]["x"].transpose("chain", "draw", ...).to_numpy()
    return x, float(stats["n_steps"].mean()), int(stats["diverging"].sum())


def following(w: Whitened) -> Any:
    """Return the density in coordinates that follow T."""

    def density(x: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = np.empty(len(x))
        return log_density_at(x, gradient, w.rows, w.whitening, w.layout), gradient

    return density


def expanded(w: Whitened, x: np.ndarray) -> np.ndarray:
    """Return effects and coefficients."""
    out = np.empty((1, len(w.whitening.h)))
    expand(x[None], w.whitening, w.layout, out)
    return out[0]


def fixed(w: Whitened, marginal: Marginal) -> tuple[Any, Any]:
    """Return the density in coordinates whitened at the mode, in the scale of the effects."""
    J, rows, priors = int(marginal.levels[0]), w.rows, w.whitening.priors
    mode = marginal.mode(w.start)
    b0 = marginal.working.scaled(marginal.unpacked(w.start)[0], mode.v)
    p = marginal.working.problem
    H = np.zeros((len(b0), len(b0)))
    H[range(J), range(J)] = p.ZZ[0, 0] + np.exp(-2 * w.start[0])
    H[:J, J:], H[J:, :J] = p.ZX[0].T, p.ZX[0]
    H[J:, J:] = p.K + p.precision
    L = np.tril(cho_factor(H, lower=True)[0])
    row, shapes = w.layout.priors[0], np.zeros(0)

    def effects(x: np.ndarray) -> np.ndarray:
        return np.asarray(b0 + solve_triangular(L, x[1:], lower=True, trans="T"))

    def density(x: np.ndarray) -> tuple[float, np.ndarray]:
        b, b_bar, slope = effects(x), np.zeros(len(b0)), np.zeros(len(priors))
        total = row_gradient(rows, b, shapes, b_bar, np.zeros(0))
        total += coefficient_priors(priors, b[J:], slope)
        b_bar[J:] += slope
        sd, prior_slope = np.exp(x[0]), np.zeros(1)
        total += coefficient_priors(row[None], np.array([sd]), prior_slope) + x[0]
        z = b[:J] / sd
        total -= 0.5 * z @ z + J * x[0]
        b_bar[:J] -= z / sd
        gradient = np.concatenate([[prior_slope[0] * sd + 1 + z @ z - J], np.zeros(len(b0))])
        gradient[1:] = solve_triangular(L, b_bar, lower=True)
        return float(total), gradient

    return density, effects


def main() -> None:
    """Run all regimes and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    for name, data in regimes().items():
        model = hl.Model("y ~ x + (1 | g)", data, family="bernoulli")
        w = whiten(model.spec, model.design)
        marginal = Marginal(
            model.spec, model.design, w.rows, w.layout, w.columns, w.order, w.whitening.priors
        )
        noncentered = replace(w, whitening=marginal.whitening(w.start, None))
        N = len(w.whitening.h)
        start = np.concatenate([w.start, np.zeros(N)])
        frozen, effects = fixed(w, marginal)
        ways = {
            "non-centered": (following(noncentered), partial(expanded, noncentered)),
            "fixed": (frozen, effects),
            "follows sd": (following(w), partial(expanded, w)),
        }
        for way, (density, back) in ways.items():
            found = []
            for seed in range(1, args.seeds + 1):
                x, steps, divergences = run(density, start, seed)
                beta = np.array([[back(point)[-2:] for point in chain] for chain in x])
                values = [x[:, :, 0], beta[:, :, 0], beta[:, :, 1]]
                found.append((min(float(array_stats.ess(v)) for v in values), steps, divergences))
            ess, steps, divergences = np.mean(found, axis=0)
            print(
                f"{name:40s} {way:13s} min ESS {ess:6.0f}  leapfrogs {steps:5.1f}  "
                f"divergences {divergences:4.1f}",
                flush=True,
            )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
