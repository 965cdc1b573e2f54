"""Leave-one-out: exact where the answer is known, ArviZ's where it has one, and clear refusals."""

from __future__ import annotations

import warnings

import arviz_stats
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from comparison.conjugate import exact_fit, log_predictive, model, table
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm.comparison import Elpd, loo
from hierlm.comparison.elpd import psis
from hierlm.comparison.integrated import Integrated
from hierlm.comparison.rows import Draws
from hierlm.comparison.units import units_of_levels
from hierlm.design import Design
from hierlm.errors import DataError, HierlmWarning
from hierlm.results.comparison import Comparison

TABLE = table()
OUTLIER = TABLE.assign(y=TABLE["y"] + np.where(TABLE.index == 12, 15.0, 0.0))
# where draws that scatter around zero are not far from the data
SLEEP = hl.load_dataset("sleepstudy").assign(y=lambda d: (d["Reaction"] - 300) / 50)


def _comparison(fit: hl.Fit) -> Comparison:
    return Comparison(fit.spec, fit.design, fit.frame, fit.idata)


def _of(fit: Comparison, **options: object) -> Elpd:
    return loo(fit.spec, fit.design, fit.idata, **options)


@pytest.fixture(scope="module")
def exact() -> Comparison:
    return exact_fit(model(TABLE))


@pytest.fixture(scope="module")
def sleep() -> hl.Fit:
    return synthetic_fit(hl.Model("y ~ Days + (Days | Subject)", SLEEP), draws=100)


def _standard_errors(log_density: np.ndarray) -> np.ndarray:
    """Return Monte Carlo errors of log 1 / mean(1 / p), of independent draws."""
    ratios = np.exp(-log_density + log_density.min(axis=-1, keepdims=True))
    count = log_density.shape[-1]
    return ratios.std(axis=-1) / ratios.mean(axis=-1) / np.sqrt(count)


def test_leaving_levels_out_equals_the_closed_form(exact: Comparison) -> None:
    found = _of(exact, unit="g")
    block = exact.design.blocks[0]
    units = list(units_of_levels(exact.design, block))
    integrated = Integrated(exact.spec.family, exact.design, Draws.of(exact.spec, exact.idata))
    errors = _standard_errors(np.stack([integrated.joint([unit])[0] for unit in units]))
    expected = [log_predictive(TABLE, unit.rows) for unit in units]
    assert list(found.elpd_i["g"].values) == list(block.levels)
    assert np.all(np.abs(found.elpd_i.values - expected) < 5 * errors)
    assert found.elpd == pytest.approx(found.elpd_i.values.sum())
    assert found.integrated == ("g",)


@pytest.mark.parametrize("integrate", ["g", None])
def test_leaving_rows_out_equals_the_closed_form(exact: Comparison, integrate: str | None) -> None:
    found = _of(exact, integrate=integrate)
    expected = np.array([log_predictive(TABLE, np.array([row])) for row in range(len(TABLE))])
    errors = _standard_errors(exact.log_likelihood().to_numpy().reshape(-1, len(TABLE)).T)
    # importance weights of finite variance have such standard errors
    sound = found.pareto_k.values < 0.5
    assert sound.sum() >= (16 if integrate else 14)
    assert np.all(np.abs(found.elpd_i.values - expected)[sound] < 5 * errors[sound])


def test_integrated_rows_need_less_reweighting(exact: Comparison) -> None:
    conditional, integrated = _of(exact, integrate=None), _of(exact, integrate="g")
    assert conditional.pareto_k.values[0] > 0.5
    assert integrated.pareto_k.values.max() < 0.3


def test_rows_conditional_on_effects_are_arviz_s(sleep: hl.Fit) -> None:
    fit = _comparison(sleep)
    tree = sleep.idata.copy()
    tree["log_likelihood"] = xr.DataTree(fit.log_likelihood().to_dataset())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Estimated shape parameter", UserWarning)
        expected = arviz_stats.loo(tree, pointwise=True)
    found = _of(fit)
    np.testing.assert_allclose(found.elpd_i, expected.elpd_i, rtol=1e-10)
    np.testing.assert_allclose(found.pareto_k, expected.pareto_k, rtol=1e-8, atol=1e-10)
    assert found.se == pytest.approx(expected.se)
    assert found.p == pytest.approx(expected.p)
    assert found.good_k == expected.good_k


def test_integrated_rows_come_in_the_order_of_the_table() -> None:
    shuffled = SLEEP.sample(frac=1, random_state=1)
    fits = [
        synthetic_fit(hl.Model("y ~ Days + (Days | Subject)", data), draws=50)
        for data in (SLEEP, shuffled)
    ]
    first, second = (_of(fit, integrate="Subject") for fit in fits)
    np.testing.assert_allclose(second.elpd_i, first.elpd_i[shuffled.index], rtol=1e-8)


def test_chunks_do_not_change_the_result(sleep: hl.Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _of(sleep)
    monkeypatch.setattr("hierlm.comparison.plan._ELEMENTS", 400 * 7)
    np.testing.assert_array_equal(_of(sleep).elpd_i, whole.elpd_i)


@pytest.mark.parametrize("integrate", ["g", None])
def test_a_row_of_weight_k_counts_as_k_rows(integrate: str | None) -> None:
    weights = np.resize([1, 3, 2], len(TABLE))
    short = model(TABLE.assign(w=weights), "y ~ 1 + weights(w) + (1 | g)")
    long = model(TABLE.loc[TABLE.index.repeat(weights)].reset_index(drop=True))
    found = _of(exact_fit(short), integrate=integrate)
    expected = _of(exact_fit(long), integrate=integrate)
    np.testing.assert_allclose(found.elpd_i, expected.elpd_i, rtol=1e-8)
    assert found.n_data_points == weights.sum()
    assert found.se == pytest.approx(expected.se)


def test_a_level_is_left_out_with_all_its_copies() -> None:
    weights = np.resize([1, 3, 2], len(TABLE))
    short = model(TABLE.assign(w=weights), "y ~ 1 + weights(w) + (1 | g)")
    long = model(TABLE.loc[TABLE.index.repeat(weights)].reset_index(drop=True))
    found, expected = _of(exact_fit(short), unit="g"), _of(exact_fit(long), unit="g")
    np.testing.assert_allclose(found.elpd_i, expected.elpd_i, rtol=1e-8)


def test_one_row_per_level_is_integrated_of_itself() -> None:
    data = hl.load_dataset("epilepsy")
    made = hl.Model("count ~ zAge + (1 | patient) + (1 | obs)", data, family="poisson")
    fit = synthetic_fit(made, draws=20)
    found = _of(fit)
    assert found.integrated == ("obs",)
    assert found.unit == "row"
    assert "most of its levels have one row" in " ".join(str(found).split())
    assert _of(fit, integrate=None).integrated == ()


def test_a_block_of_another_model_leaves_out_the_same_rows(sleep: hl.Fit) -> None:
    plain = synthetic_fit(hl.Model("y ~ Days", SLEEP), draws=50)
    block = sleep.design.blocks[0]
    found = _of(plain, unit=block)
    rows = _comparison(plain).log_likelihood().to_numpy().reshape(-1, 180).T
    expected = psis([np.stack([rows[block.codes == j].sum(axis=0) for j in range(18)])], 4, 1.0)
    np.testing.assert_allclose(found.elpd_i, expected.elpd, rtol=1e-2)
    assert found.integrated == ()


def test_high_pareto_k_comes_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = exact_fit(model(OUTLIER))
    with pytest.warns(HierlmWarning, match="integrate='g'") as caught:
        found = fit.loo()
    assert found.warning
    assert found.advice == str(caught[0].message)
    high = int((found.pareto_k > found.good_k).sum())
    assert f"for {high} of 17 rows: 12 (" in found.advice
    monkeypatch.setattr("hierlm.comparison.leaveoneout.good_k", lambda samples: 0.1)
    with pytest.warns(HierlmWarning, match=r"fit\.loo\(unit='g', refit=True\)"):
        fit.loo(unit="g")


@pytest.mark.parametrize("unit", ["g", None])
def test_refits_replace_what_reweighting_cannot_give(
    unit: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exact refit has the closed form for its answer."""
    monkeypatch.setattr("hierlm.comparison.leaveoneout.good_k", lambda samples: 0.2)
    sizes = []

    def refit(design: Design, seed: int) -> xr.DataTree:
        sizes.append(design.n)
        made = model(TABLE)
        made._source = design
        return exact_fit(made, draws=2500, seed=seed).idata

    fit = exact_fit(model(TABLE))
    before, after = _of(fit, unit=unit), _of(fit, unit=unit, refit=refit, seed=1)
    bad = np.flatnonzero(before.pareto_k > 0.2)
    codes = fit.design.blocks[0].codes
    rows = [np.flatnonzero(codes == u) if unit else np.array([u]) for u in bad]
    assert len(bad)
    assert sizes == [len(TABLE) - len(left_out) for left_out in rows]
    expected = [log_predictive(TABLE, left_out) for left_out in rows]
    np.testing.assert_allclose(after.elpd_i.values[bad], expected, atol=0.05)
    assert not after.warning
    assert f"{len(bad)} of {len(before.elpd_i)} by exact refits" in str(after)
    np.testing.assert_allclose(after.p_loo_i + after.elpd_i, before.p_loo_i + before.elpd_i)


def test_what_cannot_be_left_out_is_refused(sleep: hl.Fit) -> None:
    with pytest.raises(DataError, match="no grouping factor is called 'Subjct'"):
        _of(sleep, unit="Subjct")
    with pytest.raises(DataError, match="unit and integrate were both given"):
        _of(sleep, unit="Subject", integrate="Subject")
    weighted = TABLE.assign(w=np.resize([1.0, 2.5], len(TABLE)))
    fit = synthetic_fit(model(weighted, "y ~ 1 + weights(w) + (1 | g)"), draws=10)
    with pytest.raises(DataError, match=r"whole numbers; row 1 of those used has 2\.5"):
        _of(fit)


def test_a_model_without_factors_leaves_rows_out() -> None:
    data = pd.DataFrame({"y": np.linspace(0, 5, 12), "x": np.resize([1.0, 2.0, 4.0], 12)})
    fit = synthetic_fit(hl.Model("y ~ x", data), draws=200)
    assert _of(fit).elpd_i.sizes == {"__obs__": 12}
    with pytest.raises(DataError, match="This model has: none"):
        _of(fit, integrate="g")


def test_arviz_takes_the_result(sleep: hl.Fit) -> None:
    result = _of(sleep, unit="Subject")
    pair = {"a": result, "b": _of(sleep, unit="Subject")}
    assert arviz_stats.compare(pair)["rank"].tolist() == [0, 1]
