"""Conditioning on new rows against fitting again with them."""

from __future__ import annotations

import arviz_stats
import numpy as np
import pandas as pd
import pytest

import hierlm as hl

pytestmark = pytest.mark.mcmc

PRIORS = {
    "Intercept": "normal(250, 100)",
    "Days": "normal(0, 20)",
    "sd_Subject[Intercept]": "halfnormal(50)",
    "sd_Subject[Days]": "halfnormal(20)",
    "sigma": "halfnormal(50)",
}


def _z(conditioned: object, refit: hl.Fit, factor: str, level: str) -> dict[str, np.ndarray]:
    """Return differences of posterior means, and of log sds, in Monte Carlo standard errors."""
    found, effective = {}, conditioned.ess
    old, new = refit.idata["posterior"], conditioned.idata["posterior"]
    variables = ["beta", f"sd_{factor}", f"r_{factor}", *(s.name for s in refit.spec.shapes)]
    for name in variables:
        a, b = new[name], old[name]
        if name == f"r_{factor}":
            a, b = a.sel({factor: level}), b.sel({factor: level})
        sd = b.std(("chain", "draw"))
        mcse = arviz_stats.mcse(b.to_dataset(name=name), method="mean")[name]
        ess = np.minimum(effective, np.square(sd / mcse))  # the draws reweighted are NUTS's too
        error = np.hypot(mcse, sd / np.sqrt(ess))
        found[name] = ((a.mean(("chain", "draw")) - b.mean(("chain", "draw"))) / error).to_numpy()
        log_ratio = np.log(a.std(("chain", "draw")) / sd)
        found[f"sd of {name}"] = (log_ratio / (2 / np.sqrt(ess))).to_numpy()
    return found


@pytest.mark.parametrize("subject", ["308", "335"])
def test_three_days_of_a_subject_held_out(subject: str) -> None:
    data = hl.load_dataset("sleepstudy")
    held = data["Subject"].astype(str) == subject
    days = data[held & (data["Days"] < 3)]
    formula = "Reaction ~ Days + (Days | Subject)"
    options = {"priors": PRIORS, "draws": 4000, "progress": False}
    without = hl.fit(formula, data[~held], seed=1, **options)
    refit = hl.fit(formula, pd.concat([data[~held], days]), seed=2, **options)
    conditioned = without.condition(days, seed=3)
    assert conditioned.pareto_k < 0.5
    for name, z in _z(conditioned, refit, "Subject", subject).items():
        assert np.abs(z).max() < 4, name
    later = data[held & (data["Days"] >= 3)]
    ours = conditioned.epred(later, summary=True)
    theirs = refit.epred(later, summary=True)
    assert (np.abs(ours["mean"] - theirs["mean"]) < 0.1 * theirs["sd"]).all()
    assert np.abs(np.log(ours["sd"] / theirs["sd"])).max() < 0.05


def test_a_herd_held_out() -> None:
    data = hl.load_dataset("cbpp")
    held = data["herd"].astype(str) == "8"
    formula = "p(incidence, size) ~ period + (1 | herd)"
    priors = {"Intercept": "normal(0, 5)", "beta": "normal(0, 2.5)", "sd": "exponential(1)"}
    options = {"priors": priors, "family": "binomial", "draws": 2000, "progress": False}
    without = hl.fit(formula, data[~held], seed=1, **options)
    refit = hl.fit(formula, data, seed=2, **options)
    conditioned = without.condition(data[held], seed=3)
    assert conditioned.pareto_k < 0.5
    for name, z in _z(conditioned, refit, "herd", "8").items():
        assert np.abs(z).max() < 4, name
