"""A PyMC model that is compiled once samples what a fresh one does, for a response of its own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hierlm as hl
from hierlm.engines import Settings, choose_engine

pytestmark = pytest.mark.mcmc


def test_a_prepared_engine_samples_for_any_response() -> None:
    rng = np.random.default_rng(1)
    data = {"y": rng.poisson(3, 40), "x": rng.normal(size=40), "g": np.repeat(list("abcde"), 8)}
    model = hl.Model("y ~ x + (1 | g)", data, family="poisson")
    engine = choose_engine(model.spec, "pymc").engine
    prepared = engine.prepare(model.spec, model.design)
    other = dataclasses.replace(model.design, y=model.design.y[::-1] + 2)
    settings = Settings(draws=30, tune=30, chains=2, seed=3, progress=False)
    again, fresh = prepared(other, settings), engine.sample(model.spec, other, settings)
    for name, draws in fresh["posterior"].data_vars.items():
        np.testing.assert_allclose(again["posterior"][name], draws, rtol=1e-6)
    np.testing.assert_array_equal(
        again["observed_data"]["y"].to_numpy(), fresh["observed_data"]["y"].to_numpy()
    )


def test_nothing_is_prepared_where_every_parameter_is_fixed() -> None:
    data = {"y": [1, 2, 0, 3]}
    model = hl.Model("y ~ 1", data, family="poisson", priors={"Intercept": 0.5})
    with pytest.raises(hl.EngineError, match="every parameter is fixed"):
        choose_engine(model.spec, "pymc").engine.prepare(model.spec, model.design)
