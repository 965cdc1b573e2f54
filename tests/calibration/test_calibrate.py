"""Calibration must accept exact samplers, and reject wrong ones, at a level fixed beforehand."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from calibration import samplers
from calibration.samplers import exact, spoiled

import hierlm as hl
from hierlm.calibration import Calibration, calibrate

pytestmark = pytest.mark.statistical  # many fits


LEVEL = 0.01
SEED = 20


def run(model: hl.Model, sample: samplers.Sample, **more: Any) -> Calibration:
    given = {"replications": 80, "draws": 100, "ranked": 49, "seed": SEED, "level": LEVEL}
    return calibrate(model, sample=sample, cores=1, progress=False, **(given | more))


@pytest.mark.parametrize("model", [samplers.conjugate_model, samplers.sd_model, samplers.cor_model])
def test_exact_draws_are_accepted(model: Any) -> None:
    found = run(model(), exact)
    assert found.ok
    assert "No error found" in str(found)


def test_too_narrow_is_rejected_and_said() -> None:
    found = run(samplers.conjugate_model(), spoiled(samplers.narrow))
    assert not found.ok
    assert "r_g[0, Intercept]: the draws are too narrow" in str(found)


def test_shifted_is_rejected_and_said() -> None:
    found = run(samplers.conjugate_model(), spoiled(samplers.shifted))
    assert "x: the draws are too high" in str(found)


def test_a_wrong_prior_of_an_sd_is_rejected() -> None:
    model = samplers.sd_model(scale=1.0)
    found = run(model, partial(exact, prior=hl.HalfNormal(4.0)))
    assert "sd_g[Intercept]" in found.rejected


def test_a_correlation_of_the_wrong_sign_is_rejected() -> None:
    found = run(samplers.cor_model(), spoiled(samplers.flipped))
    assert found.rejected[0] == "cor_g[Intercept, x]"


@pytest.mark.parametrize("fault", [samplers.effects_from_the_prior, samplers.all_from_the_prior])
def test_only_functions_of_the_data_can_tell_the_prior_from_the_posterior(fault: Any) -> None:
    found = run(samplers.conjugate_model(), spoiled(fault))
    assert set(found.rejected) == {"log likelihood", "cov(y, predictor)"}
