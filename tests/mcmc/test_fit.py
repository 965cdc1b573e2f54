"""Real fits, end to end: names, attributes, seeds, samplers, progress, saving."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import nutpie
import pytest
from arviz_stats.base import array_stats

import hierlm as hl

pytestmark = pytest.mark.mcmc

FORMULA = "p(incidence, size) ~ period + (1 | herd)"
SMALL = {"engine": "pymc", "draws": 500, "tune": 500, "target_accept": 0.95, "progress": False}


def _fit(**options: object) -> hl.Fit:
    return hl.fit(FORMULA, hl.load_dataset("cbpp"), family="binomial", **(SMALL | options))


@pytest.fixture(scope="module")
def fit() -> hl.Fit:
    return _fit(seed=3)


def test_groups_names_and_dims(fit: hl.Fit) -> None:
    assert set(fit.idata.children) == {
        "posterior",
        "sample_stats",
        "observed_data",
        "constant_data",
    }
    posterior = fit.idata["posterior"]
    assert list(posterior.data_vars) == ["beta", "sd_herd", "r_herd"]
    assert posterior["r_herd"].shape == (4, 500, 15, 1)
    assert list(posterior["herd"].values) == [str(k) for k in range(1, 16)]
    assert {"diverging", "energy", "lp", "tree_depth", "acceptance_rate", "step_size"} <= set(
        fit.idata["sample_stats"].data_vars
    )


def test_attributes_say_how_it_was_made(fit: hl.Fit) -> None:
    attrs = fit.idata.attrs
    expected = {"formula": FORMULA, "family": "binomial", "engine": "pymc", "seed": 3}
    assert expected.items() <= attrs.items()
    assert attrs["sampling_time"] > 0
    assert set(json.loads(attrs["versions"])) >= {"hierlm", "pymc", "nutpie"}
    assert json.loads(attrs["priors"])["sd_herd[Intercept]"] == "HalfStudentT(3, 1)"


def test_the_same_seed_gives_the_same_draws(fit: hl.Fit) -> None:
    again = _fit(seed=3)
    assert again.idata["posterior"].to_dataset().equals(fit.idata["posterior"].to_dataset())
    other = _fit(seed=4)
    assert not other.idata["posterior"].to_dataset().equals(fit.idata["posterior"].to_dataset())


def test_pymc_own_sampler_agrees(fit: hl.Fit) -> None:
    model = hl.Model(FORMULA, hl.load_dataset("cbpp"), family="binomial")
    other = model.fit(seed=5, sampler="pymc", keep_standardized=True, **SMALL)
    assert "z_herd" in other.idata["posterior"]
    assert {"diverging", "energy", "lp"} <= set(other.idata["sample_stats"].data_vars)
    for name in ("beta", "sd_herd"):
        a, b = (f.idata["posterior"][name].to_numpy()[..., 0] for f in (fit, other))
        error = np.hypot(array_stats.mcse(a, method="mean"), array_stats.mcse(b, method="mean"))
        assert abs(a.mean() - b.mean()) < 5 * error


def test_a_fit_survives_a_file(fit: hl.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.nc")
    assert repr(hl.load(tmp_path / "fit.nc")) == repr(fit)


def test_progress_is_text_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    _fit(seed=3, progress=True)
    err = capfd.readouterr().err
    assert "sampling 4 chains: 100%" in err
    assert "\r" not in err
    assert err.count("\n") <= 4


def test_ctrl_c_stops_the_chains_and_returns_no_half_fit(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    model = hl.Model(FORMULA, hl.load_dataset("cbpp"), family="binomial")
    original = nutpie.sample

    def interrupted(*args: object, **options: object) -> object:
        running = original(*args, **options)  # in the background; a failed start sends no signal
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        return running

    monkeypatch.setattr(nutpie, "sample", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job has none
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt):
        model.fit(seed=1, draws=200_000, progress=False)


@pytest.mark.filterwarnings("ignore::hierlm.ConvergenceWarning")  # few draws
def test_a_predictor_with_a_large_sd_does_not_start_in_the_overflow() -> None:
    """One chain of four used to start with a slope of one, and a mean of exp(36), for ever."""
    data = hl.load_dataset("grouseticks")
    model = hl.Model("TICKS ~ cHEIGHT + (1 | BROOD)", data, family="poisson")
    fit = model.fit(engine="pymc", seed=3, draws=300, tune=500, progress=False)
    assert fit.convergence.divergences == 0
