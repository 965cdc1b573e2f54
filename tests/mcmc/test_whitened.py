"""The whitened engine's posteriors equal the other engines', on data that are hard on it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats
from helpers.nasty import NASTY, nasty

import hierlm as hl
from hierlm.engines import laplace

pytestmark = pytest.mark.mcmc

LIMIT = 5.0  # Monte Carlo standard errors, of both sides together


@pytest.mark.parametrize("name", NASTY)
def test_posteriors_equal_the_pymc_engines(name: str) -> None:
    formula, data, family = nasty(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)  # what makes the data hard is noticed
        model = hl.Model(formula, data, family=family)
        options = {"seed": 4, "draws": 2000, "target_accept": 0.99, "progress": False}
        ours = model.fit(engine="whitened", **options)
        theirs = model.fit(engine="pymc", **options)
    _check_equal(ours, theirs)


def _check_equal(ours: hl.Fit, theirs: hl.Fit) -> None:
    assert ours.idata.attrs["coordinates"] == "whitened"
    assert ours.convergence.r_hat.value < 1.02
    assert ours.convergence.ess_bulk.value > 400
    for variable in theirs.idata["posterior"].data_vars:
        a, b = (_flat(fit, variable) for fit in (ours, theirs))
        for i in range(a.shape[2]):
            x, y = a[:, :, i], b[:, :, i]
            error = np.hypot(array_stats.mcse(x, method="mean"), array_stats.mcse(y, method="mean"))
            distance = abs(x.mean() - y.mean()) / error
            assert distance < LIMIT, f"{variable}[{i}]: {distance:.1f} standard errors away"


def _crossed() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 600
    data = pd.DataFrame({"x": rng.normal(size=n), "g": rng.integers(0, 60, n)})
    data = data.assign(h=rng.integers(0, 40, n), k=data["g"] // 5, s=rng.uniform(0.5, 1.5, n))
    eta = 3 + 0.5 * data["x"] + rng.normal(0, 0.7, 60)[data["g"]]
    eta += rng.normal(0, 0.5, 40)[data["h"]] + rng.normal(0, 0.5, 12)[data["k"]]
    return data.assign(y=eta + data["s"] * rng.normal(size=n))


@pytest.mark.parametrize(
    ("formula", "priors"),
    [
        ("y ~ x + (x | g) + (1 | h)", {}),
        ("y ~ x + (1 | g) + (1 | h) + (1 | k)", {}),
        ("y | se(s) ~ x + (1 | g) + (1 | h)", {"x": "uniform(0, 0.5)"}),
    ],
)
def test_posteriors_equal_the_collapsed_engines(
    formula: str, priors: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every factor whitened level by level, as large ones are."""
    monkeypatch.setattr(laplace, "LEAST_DENSE", 0)
    monkeypatch.setattr(laplace, "NANOSECONDS", np.inf)
    model = hl.Model(formula, _crossed(), priors=priors)
    options = {"seed": 4, "draws": 1000, "progress": False}
    ours = model.fit(engine="whitened", **options)
    _check_equal(ours, model.fit(engine="collapsed", **options))


def _flat(fit: hl.Fit, variable: str) -> np.ndarray:
    values = fit.idata["posterior"][variable].to_numpy()
    return values.reshape(*values.shape[:2], -1)
