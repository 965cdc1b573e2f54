"""What a replication is: of the model, thinned, and the same whatever happens around it."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibration import samplers
from calibration.samplers import conjugate_model, exact

import hierlm as hl
from hierlm.calibration import Calibration, calibrate
from hierlm.calibration.quantities import quantities
from hierlm.calibration.replicating import draw_data, place
from hierlm.errors import DataError, EngineError, HierlmWarning, PriorError
from hierlm.simulation import draw_prior, linear_predictor

pytestmark = pytest.mark.statistical  # many fits


FEW = {"replications": 6, "draws": 60, "ranked": 19, "seed": 3, "sample": exact, "progress": False}


def run(**more: Any) -> Calibration:
    return calibrate(conjugate_model(), **(FEW | {"cores": 1} | more))


def same(a: Calibration, b: Calibration) -> None:
    pd.testing.assert_frame_equal(a.replicates, b.replicates)


def test_ranks_count_draws_below_the_truth_and_break_ties_at_random() -> None:
    rng = np.random.default_rng(1)
    draws = np.arange(1000.0)
    truth, rank, pit, mean, *_ = place(499.5, draws, 99, rng)
    assert (truth, rank, mean) == (499.5, 50, 499.5) or rank == 49
    assert rank / 100 < pit < (rank + 1) / 100
    ties = [place(0.0, np.zeros(50), 9, rng)[1] for _ in range(200)]
    assert set(ties) == set(range(10))


def test_the_log_likelihood_and_covariance_are_those_of_the_rows() -> None:
    model = hl.Model("p(incidence, size) ~ period + (1 | herd)", hl.load_dataset("cbpp"),
                     family="binomial")  # fmt: skip
    values = draw_prior(model.spec, 7, np.random.default_rng(1))
    found = quantities(model.spec, model.design, values, {})
    eta = linear_predictor(model.design, values)
    y, n = model.design.response, model.design.trials
    density = model.spec.family.logpdf(y, model.spec.family.link.inverse(eta), trials=n)
    np.testing.assert_allclose(found["log likelihood"], density.sum(axis=1), rtol=1e-9)
    t = y / n
    np.testing.assert_allclose(found["cov(y, predictor)"], (t - t.mean()) @ eta.T / len(y))


def test_every_parameter_is_ranked_but_not_those_that_are_fixed() -> None:
    assert list(run().ranks) == [
        *("Intercept", "x", "r_g[0, Intercept]", "r_g[2, Intercept]", "r_g[5, Intercept]"),
        *("log likelihood", "cov(y, predictor)"),
    ]


def test_a_replication_is_the_same_among_others() -> None:
    alone = run()
    more = run(replications=8).replicates
    pd.testing.assert_frame_equal(more[more["replication"] < 6], alone.replicates)
    assert not run(seed=4).replicates.equals(alone.replicates)


@pytest.fixture
def any_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run go on with another sampler's code."""
    monkeypatch.setattr("hierlm.calibration.calibrating.code", lambda function: "a sampler")


@pytest.mark.usefixtures("any_sampler")
def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    path, seen = tmp_path / "run.jsonl", []

    def interrupted(*args: Any) -> Any:
        seen.append(1)
        if len(seen) > 3:
            raise KeyboardInterrupt
        return exact(*args)

    with pytest.raises(KeyboardInterrupt):
        run(path=path, sample=interrupted)
    assert len(path.read_text().splitlines()) == 1 + 3
    with path.open("a") as file:
        file.write('{"k": 3, "quantities": {"Inter')  # cut off by the end of the process
    calls: list[int] = []

    def counted(*args: Any) -> Any:
        calls.append(1)
        return exact(*args)

    same(run(path=path, sample=counted), run())
    assert len(calls) == 3
    same(run(path=path, seed=None), run())  # all from the file, its seed too
    assert len(run(path=path, replications=8).runs) == 8


def test_a_file_of_other_replications_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    run(path=path, replications=1)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"seed differs \(seed was 3, now 5\)"):
        run(path=path, seed=5)
    with pytest.raises(DataError, match="settings"):
        run(path=path, draws=70)
    other = hl.Model("y ~ x + (1 | g)", samplers.table(), priors={"x": "normal(0, 9)", "sd_g": 0.7})
    with pytest.raises(DataError, match="priors"):
        calibrate(other, path=path, cores=1, **FEW)
    assert path.read_bytes() == before
    path.write_text(json.dumps({"some": "thing"}))
    with pytest.raises(DataError, match="holds no replications"):
        run(path=path)
    with pytest.raises(DataError, match="no such folder"):
        run(path=tmp_path / "no" / "run.jsonl")


def test_a_killed_worker_is_reported_and_its_replication_redone(tmp_path: Path) -> None:
    highest = _highest_responses()
    at = (highest[2] + np.delete(highest, 2).max()) / 2 if highest.argmax() == 2 else -np.inf
    sample = partial(samplers.die_once, str(tmp_path), at)
    with pytest.warns(HierlmWarning, match="died at replication .* redone: signal 9"):
        found = run(cores=2, sample=sample)
    same(found, run())
    assert "redone: signal 9" in str(found)


def _highest_responses() -> np.ndarray:
    model = conjugate_model()
    streams = [np.random.SeedSequence(3, spawn_key=(k,)) for k in range(6)]
    drawn = [draw_data(model.spec, model.design, np.random.default_rng(s))[1] for s in streams]
    return np.array([y.max() for y in drawn])


@pytest.mark.filterwarnings("ignore:a worker died:hierlm.errors.HierlmWarning")
def test_workers_that_always_die_end_the_run() -> None:
    with pytest.raises(
        EngineError, match=r"every replication fails(.|\n)*died at replication .* signal 9"
    ):
        run(cores=2, sample=samplers.die)


def test_a_sampler_that_always_fails_ends_the_run() -> None:
    with pytest.raises(EngineError, match=r"every replication fails(.|\n)*RuntimeError: no luck"):
        run(sample=samplers.fail)


@pytest.mark.usefixtures("any_sampler")
def test_a_replication_that_fails_is_named_and_tried_again_by_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"

    def sometimes(spec: Any, design: Any, settings: Any) -> Any:
        if design.y.max() == _highest_responses()[1]:
            raise RuntimeError("bad luck")
        return exact(spec, design, settings)

    found = run(sample=sometimes, path=path)
    assert not found.ok
    assert found.replications == 5
    assert "1 of 6 replications (1) failed and have no ranks" in str(found)
    assert "NO VERDICT: 1 of 6 replications failed." in str(found)
    same(run(path=path), run())


def test_what_cannot_be_simulated_is_refused() -> None:
    data = samplers.table()
    flat = hl.Model("y ~ x + (1 | g)", data, priors={"x": "flat()"})
    with pytest.raises(PriorError, match=r"prior of x is Flat\(\)(.|\n)*Give it a proper prior"):
        calibrate(flat)
    wild = hl.Model("n ~ x + (1 | g)", data | {"n": np.arange(30)}, family="poisson",
                    priors={"Intercept": "normal(60, 1)"})  # fmt: skip
    with pytest.raises(PriorError, match=r"cannot hold(.|\n)*narrower"):
        calibrate(wild)
    weighted = conjugate_model()
    weighted._source = dataclasses.replace(weighted.design, weights=np.full(30, 2.0))
    with pytest.raises(DataError, match="nothing can be simulated"):
        calibrate(weighted)
    for wrong in ({"replications": 0}, {"ranked": True}, {"level": 1.0}):
        with pytest.raises(DataError, match=next(iter(wrong))):
            run(**wrong)


@pytest.mark.filterwarnings("ignore:.*expected counts above:hierlm.errors.HierlmWarning")
def test_responses_that_the_family_cannot_hold_are_drawn_again() -> None:
    data = samplers.table() | {"n": np.arange(30)}
    model = hl.Model("n ~ x + (1 | g)", data, family="poisson",
                     priors={"Intercept": "normal(20, 3)", "sd_g": "exponential(1)"})  # fmt: skip
    drawn = [draw_data(model.spec, model.design, np.random.default_rng(k))[1:] for k in range(20)]
    assert max(y.max() for y, _ in drawn) <= 1e9
    assert sum(redrawn for _, redrawn in drawn) > 0


def test_quantities_of_the_users_are_ranked_too() -> None:
    found = run(quantities={"spread": lambda values, design: np.ptp(values["r_g"], axis=(1, 2))})
    assert "spread" in found.tests.index
    assert "spread" not in found.recovery.index
    with pytest.raises(DataError, match="no parameter has"):
        run(quantities={"x": np.sum})
    with pytest.raises(EngineError, match="one number per draw"):
        run(quantities={"all": lambda values, design: values["r_g"]})


def test_dependent_draws_are_made_longer_until_there_are_enough() -> None:
    def sticky(spec: Any, design: Any, settings: Any) -> Any:
        tree = exact(spec, design, settings)
        return tree.isel(draw=np.arange(settings.draws) // 10)

    found = run(sample=sticky, draws=40, replications=3)
    assert (found.runs["draws"] > 40).all()
    assert (found.runs["ess"] >= 19).all()
    stuck = run(sample=lambda *a: exact(*a).isel(draw=[0, 1] * 20), draws=40, replications=2)
    assert "fewer than 19 effective draws" in str(stuck)
