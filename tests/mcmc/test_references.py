"""Posteriors equal the reference posteriors, in Monte Carlo standard errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from arviz_stats.base import array_stats
from helpers.references import REFERENCES, Reference, draws

import hierlm as hl

pytestmark = pytest.mark.mcmc

LIMIT = 5.0  # Monte Carlo standard errors, of both sides together
QUANTILES = {"q5": 0.05, "q50": 0.5, "q95": 0.95}


def _params(references: Iterable[Reference]) -> list[Any]:
    return [
        pytest.param(r, id=r.id, marks=pytest.mark.statistical if r.long else ())
        for r in references
    ]


SHORT = _params(r for r in REFERENCES if not r.long)  # minutes are hours with this engine
GAUSSIAN = _params(r for r in REFERENCES if r.family == "gaussian")
EVERY = _params(REFERENCES)


@pytest.mark.parametrize("reference", SHORT)
def test_the_pymc_engine_equals_the_reference(reference: Reference) -> None:
    _check(reference, engine="pymc", **({"draws": 2000} | reference.options))


@pytest.mark.parametrize("reference", GAUSSIAN)
def test_the_collapsed_engine_equals_the_reference(reference: Reference) -> None:
    fit = _check(reference, engine="collapsed", draws=4000, target_accept=0.95)
    assert fit.convergence.ess_bulk.value > 2500  # of 16,000


@pytest.mark.parametrize("reference", EVERY)
def test_the_whitened_engine_equals_the_reference(reference: Reference) -> None:
    fit = _check(reference, engine="whitened", draws=4000, target_accept=0.95)
    assert fit.convergence.ess_bulk.value > 2500  # of 16,000


def _check(reference: Reference, **options: Any) -> hl.Fit:
    model = reference.model()
    fit = model.fit(seed=20261120, progress=False, **options)
    assert fit.convergence.divergences == 0
    assert fit.convergence.r_hat.value < 1.02
    for name, rows in reference.expected().items():
        distances = {}
        for row in rows:
            sampled = draws(model, fit.idata, row["variable"])
            for statistic, value, error in _statistics(sampled):
                if row.get(statistic) is None:
                    continue
                combined = np.hypot(error, row.get(f"mcse_{statistic}") or 0.0)
                distances[row["variable"], statistic] = abs(value - row[statistic]) / combined
        assert len(distances) >= 2 * len(rows)
        worst = max(distances, key=distances.__getitem__)
        assert distances[worst] < LIMIT, f"{name}, {worst}: {distances[worst]:.1f} errors away"
    return fit


def _statistics(sampled: np.ndarray) -> list[tuple[str, float, float]]:
    """Return name, value and Monte Carlo standard error of mean, sd and quantiles."""
    found = [
        ("mean", sampled.mean(), array_stats.mcse(sampled, method="mean")),
        ("sd", sampled.std(), array_stats.mcse(sampled, method="sd")),
    ]
    for name, prob in QUANTILES.items():
        error = array_stats.mcse(sampled, method="quantile", prob=prob)
        found.append((name, np.quantile(sampled, prob), error))
    return [(name, float(value), float(error)) for name, value, error in found]
