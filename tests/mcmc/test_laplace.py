"""Weighted draws of the laplace engine are exact up to Monte Carlo error, where k says so."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from helpers.references import BY_ID, draws

pytestmark = pytest.mark.mcmc

LIMIT = 5.0  # Monte Carlo standard errors, of both sides together
WELL_BEHAVED = [
    "exact_sleepstudy_lkj2_halfnormal",
    "exact_sleepstudy_lkj1_exponential",
    "exact_sleepstudy_uncorr_halfnormal",
    "exact_dyestuff",
    "exact_eight_schools",
    "exact_penicillin_crossed",
    "bayes_machines_worker_cov",
    "bayes_cbpp_binomial",
    "bayes_epilepsy_poisson_patient_obs",
]


@pytest.mark.parametrize("name", WELL_BEHAVED)
def test_the_laplace_engine_equals_the_reference(name: str) -> None:
    reference = BY_ID[name]
    model = reference.model()
    fit = model.fit(engine="laplace", seed=20261128, draws=2500, progress=False)
    assert fit.convergence.trusted
    expected, distances = reference.expected()[name], {}
    for row in expected:
        sampled = draws(model, fit.idata, row["variable"])
        for statistic, value in (("mean", sampled.mean()), ("sd", sampled.std())):
            if row.get(statistic) is None:
                continue
            error = float(array_stats.mcse(sampled, method=statistic))
            combined = np.hypot(error, row.get(f"mcse_{statistic}") or 0.0)
            distances[row["variable"], statistic] = abs(value - row[statistic]) / combined
    assert len(distances) > len(expected)  # some have no sd
    worst = max(distances, key=distances.__getitem__)
    assert distances[worst] < LIMIT, f"{worst}: {distances[worst]:.1f} standard errors away"
