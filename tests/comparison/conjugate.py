"""Fits whose posterior is known in closed form, drawn exactly: no error but Monte Carlo.

The sds of the effects and of the residuals are fixed, the intercept has a Normal prior; everything
is jointly normal, and so is every leave-one-out predictive density.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

import hierlm as hl
from hierlm.engines import Settings
from hierlm.engines.tree import build_tree
from hierlm.results.comparison import Comparison

SD, SIGMA, PRIOR = 2.0, 1.5, (1.0, 10.0)


def model(data: pd.DataFrame, formula: str = "y ~ 1 + (1 | g)") -> hl.Model:
    priors = {"Intercept": hl.Normal(*PRIOR), "sd": SD, "sigma": SIGMA}
    return hl.Model(formula, data, priors=priors)


def table(sizes: tuple[int, ...] = (1, 2, 4, 4, 6), seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(len(sizes)), sizes)
    y = 3 + rng.normal(0, SD, len(sizes))[g] + rng.normal(0, SIGMA, len(g))
    return pd.DataFrame({"y": y, "g": [f"g{k}" for k in g]})


def exact_fit(made: hl.Model, *, chains: int = 4, draws: int = 1000, seed: int = 1) -> Comparison:
    """Return a fit with independent draws of the intercept and the effects, given the rows."""
    design, rng = made.design, np.random.default_rng(seed)
    codes, levels = design.blocks[0].codes, design.blocks[0].n_levels
    A = np.column_stack([np.ones(design.n), np.eye(levels)[codes]])
    w = np.ones(design.n) if design.weights is None else design.weights
    prior = np.diag([PRIOR[1] ** -2.0, *[SD**-2.0] * levels])
    covariance = np.linalg.inv(prior + A.T * w @ A / SIGMA**2)
    right = A.T * w @ design.response / SIGMA**2
    right[0] += PRIOR[0] / PRIOR[1] ** 2
    shape = (chains, draws)
    x = rng.multivariate_normal(covariance @ right, covariance, shape)
    posterior = {"beta": x[..., :1], "r_g": x[..., 1:, None]}
    statistics = xr.Dataset({"diverging": (("chain", "draw"), np.zeros(shape, bool))})
    settings = Settings(draws=draws, tune=0, chains=chains, seed=seed)
    attrs = {"engine": "pymc", "sampler": "nutpie", "sampling_time": 0.1}
    tree = build_tree(made.spec, design, posterior, statistics, settings, attrs)
    return Comparison(made.spec, design, made.frame, tree)


def log_predictive(data: pd.DataFrame, left_out: np.ndarray) -> float:
    """Return log p(y_out | y_rest) from the joint normal of all rows."""
    y = data["y"].to_numpy()
    same = data["g"].to_numpy()[:, None] == data["g"].to_numpy()
    covariance = PRIOR[1] ** 2 + SD**2 * same + SIGMA**2 * np.eye(len(y))
    rest = np.setdiff1d(np.arange(len(y)), left_out)

    def log_density(rows: np.ndarray) -> float:
        part = covariance[np.ix_(rows, rows)]
        mean = np.full(len(rows), PRIOR[0])
        return float(stats.multivariate_normal(mean, part).logpdf(y[rows]))

    return log_density(np.arange(len(y))) - log_density(rest)
