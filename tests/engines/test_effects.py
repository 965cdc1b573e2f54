"""Means and sds of group-specific effects instead of their draws."""

from __future__ import annotations

import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import names
from hierlm.engines import Settings
from hierlm.engines.moments import EffectSummary, Moments
from hierlm.engines.tree import build_tree

SMALL = {"draws": 300, "seed": 3, "progress": False}


def _summarized(fit: hl.Fit) -> hl.Fit:
    """Return the same draws, those of the effects reduced."""
    posterior = fit.idata["posterior"].to_dataset()
    draws = {str(name): values.to_numpy() for name, values in posterior.items()}
    settings = Settings(draws=posterior.sizes["draw"], effects="summary")
    attrs = {key: fit.idata.attrs[key] for key in ("engine", "sampler", "sampling_time")}
    stats = fit.idata["sample_stats"].to_dataset()
    tree = build_tree(fit.spec, fit.design, draws, stats, settings, attrs)
    return hl.Fit(fit.spec, fit.design, fit.frame, tree)


@pytest.fixture(scope="module")
def pair() -> tuple[hl.Fit, hl.Fit]:
    """Return one fit with draws of the effects, and the same with means and sds only."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"y": rng.normal(size=90), "x": rng.normal(3, 1, 90)})
    data["g"], data["h"] = np.arange(90) % 9, rng.integers(0, 6, 90)
    fit = synthetic_fit(hl.Model("y ~ x + I(x**2) + (x | g) + (1 | h)", data))
    return fit, _summarized(fit)


def test_moments_do_not_depend_on_the_parts() -> None:
    x = np.random.default_rng(0).normal(1e6, 1, size=(50, 3, 2))
    moments = Moments()
    for part in (x[:1], x[1:20], x[20:]):
        moments.add(part)
    np.testing.assert_allclose(moments.mean, x.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(moments.sd, x.std(axis=0, ddof=1), rtol=1e-9)
    single = Moments()
    single.add(x[:1])
    assert np.isnan(single.sd).all()


def test_tables_are_those_of_the_draws(pair: tuple[hl.Fit, hl.Fit]) -> None:
    full, short = pair
    for factor in ("g", "h"):
        for table in ("ranef", "coef"):
            expected, found = getattr(full, table)(factor), getattr(short, table)(factor)
            assert list(found.columns) == ["mean", "sd"]  # an interval needs draws
            pd.testing.assert_frame_equal(found, expected[["mean", "sd"]], rtol=1e-10)
    pd.testing.assert_frame_equal(short.summary(), full.summary())
    pd.testing.assert_frame_equal(short.varcorr(), full.varcorr())


def test_the_tree_and_the_report(pair: tuple[hl.Fit, hl.Fit]) -> None:
    _, short = pair
    assert "r_g" not in short.idata["posterior"]
    effects = short.idata[names.EFFECTS].to_dataset()
    assert set(effects) == {*names.summaries_of("g"), *names.summaries_of("h")}
    assert effects["r_g_mean"].dims == ("g", "g_coef")
    assert "means and sds were kept, and no draws" in repr(short)
    assert short.idata.attrs["effects"] == "summary"


def test_save_and_load(pair: tuple[hl.Fit, hl.Fit], tmp_path: Path) -> None:
    _, short = pair
    short.save(tmp_path / "fit.nc")
    loaded = hl.load(tmp_path / "fit.nc")
    assert repr(loaded) == repr(short)
    pd.testing.assert_frame_equal(loaded.coef("g"), short.coef("g"))
    assert loaded.idata[names.EFFECTS].to_dataset().equals(short.idata["effects"].to_dataset())


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("linpred", ()),
        ("predict", ()),
        ("residuals", ()),
        ("loo", ()),
        ("shrinkage", ("g",)),
        ("hypothesis", ("r_g[3, x] > 0",)),
        ("summary", ("r_g",)),
        ("predictive_checks", ()),
        ("prior_sensitivity", ()),
        ("check", ()),
    ],
)
def test_what_needs_draws_says_so(
    pair: tuple[hl.Fit, hl.Fit], method: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(hl.DataError, match=r"means and sds\.\n  Fit with effects='draws'"):
        getattr(pair[1], method)(*arguments)


def test_what_needs_no_draws_works(pair: tuple[hl.Fit, hl.Fit]) -> None:
    full, short = pair
    assert short.icc().equals(full.icc())
    new = {"x": [1.0, 2.0]}
    for fit in pair:
        assert fit.epred(new, groups="none", summary=True).shape == (2, 4)
    xr.testing.assert_equal(
        short.linpred(new, groups="none")["predictions"]["linpred"],
        full.linpred(new, groups="none")["predictions"]["linpred"],
    )


def test_draws_too_large_recommend_a_summary() -> None:
    data = pd.DataFrame({"y": np.random.default_rng(0).normal(size=400), "g": np.arange(400) // 2})
    model = hl.Model("y ~ 1 + (1 | g)", data)
    with pytest.raises(hl.EngineError, match=r"fit\(effects='summary'\) to keep only their means"):
        model.fit(draws=10**6, progress=False)
    with pytest.raises(hl.EngineError, match="effects is 'draws' or 'summary'; came 'none'"):
        model.fit(effects="none", progress=False)


def test_fixed_common_effects_add_no_spread() -> None:
    data = pd.DataFrame({"y": np.random.default_rng(0).normal(size=40), "g": np.arange(40) % 8})
    model = hl.Model("y ~ 1 + (1 | g)", data, priors={"Intercept": 2.0})
    summary = EffectSummary(model.spec)
    effects = np.random.default_rng(1).normal(size=(9, 8, 1))
    summary.add({"g": effects}, np.full((9, 1), 2.0))
    found = summary.variables()
    np.testing.assert_allclose(found["coef_g_sd"], found["r_g_sd"])


@pytest.mark.mcmc
@pytest.mark.parametrize("formula", ["y ~ x", "y ~ 0 + (1 | g)"])
def test_summaries_of_draws_that_the_whitened_engine_held(formula: str) -> None:
    rng = np.random.default_rng(4)
    data = {"y": rng.poisson(2, 60), "x": rng.normal(size=60), "g": np.arange(60) % 12}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)
        model = hl.Model(formula, data, family="poisson")
        full = model.fit(**SMALL)
        short = model.fit(effects="summary", **SMALL)
    for name in short.idata["posterior"]:
        xr.testing.assert_equal(short.idata["posterior"][name], full.idata["posterior"][name])
    for group in model.spec.groups:
        mean = full.idata["posterior"][f"r_{group.factor}"].mean(("chain", "draw"))
        found = short.idata["effects"][f"r_{group.factor}_mean"]
        np.testing.assert_allclose(found, mean, rtol=1e-10)


@pytest.mark.mcmc
@pytest.mark.parametrize(
    "formula",
    ["diameter ~ 1 + (1 | plate) + (1 | sample)", "diameter ~ 0 + (1 | plate)", "diameter ~ 1"],
)
def test_the_same_seed_gives_the_same_summary(formula: str) -> None:
    data = hl.load_dataset("Penicillin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.ConvergenceWarning)
        full = hl.fit(formula, data, **SMALL)
        short = hl.fit(formula, data, effects="summary", **SMALL)
        updated = short.update(data[:20], seed=1, progress=False)
    assert updated.idata.attrs["effects"] == "summary"
    for name in short.idata["posterior"]:
        xr.testing.assert_equal(short.idata["posterior"][name], full.idata["posterior"][name])
    for group in full.spec.groups:
        for table in ("ranef", "coef"):
            expected = getattr(full, table)(group.factor)[["mean", "sd"]]
            pd.testing.assert_frame_equal(getattr(short, table)(group.factor), expected, rtol=1e-10)


@pytest.mark.scale
def test_memory_does_not_grow_with_the_draws() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(100_000), 3)})
    data["y"] = rng.normal(size=100_000)[data["g"]] + rng.normal(size=len(data))
    model = hl.Model("y ~ 1 + (1 | g)", data)
    tracemalloc.start()
    fit = model.fit(chains=2, draws=500, effects="summary", seed=1, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500 * 2**20  # the draws alone would be 763 MiB
    assert len(fit.ranef()) == 100_000
