"""What teaches says the same as R, as arithmetic, and as itself in other words.

R's numbers are in reference/lectures.json (lme4 1.1-31 and lm of R 4.2.2).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from scipy.linalg import block_diag

import hierlm as hl
from hierlm import teaching
from hierlm.mle import mle

LECTURES = json.loads((Path(__file__).parent / "reference" / "lectures.json").read_text())
SLEEP = "Reaction ~ Days + (Days | Subject)"


def _model(name: str) -> tuple[hl.Model, dict[str, Any]]:
    expected = LECTURES["models"][name]
    return hl.Model(expected["formula"], hl.load_dataset(expected["dataset"])), expected


MODELS = [
    "dyestuff",
    "penicillin_crossed",
    "sleepstudy_slope_corr",
    "clark_ris",
    "oats_nested_additive",
]


def test_lm_is_that_of_r() -> None:
    expected = LECTURES["lm"]["sleepstudy_lm"]
    found = teaching.lm("Reaction ~ Days", hl.load_dataset("sleepstudy"))
    assert found.fixef[["estimate", "se"]].to_numpy() == pytest.approx(
        np.array(list(expected["fixed"].values())), rel=1e-9
    )
    assert found.sigma == pytest.approx(expected["sigma"], rel=1e-9)
    assert found.dof == 178
    assert "38.03" in repr(found)


def test_lm_codes_factors_as_r_does() -> None:
    expected = np.array(list(LECTURES["lm"]["oats_lm"]["fixed"].values()))
    found = teaching.lm("Y ~ N * V", hl.load_dataset("oats")).fixef[["estimate", "se"]].to_numpy()
    order = np.argsort(expected[:, 0])
    assert found[np.argsort(found[:, 0])] == pytest.approx(expected[order], rel=1e-9)


@pytest.mark.parametrize(
    "formula", ["Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + weights(Days)"]
)
def test_lm_refuses_what_is_no_linear_model(formula: str) -> None:
    with pytest.raises(hl.FormulaError, match="without bars, weights"):
        teaching.lm(formula, hl.load_dataset("sleepstudy"))


def test_lm_robust_to_clusters() -> None:
    """Where X is the same in each cluster, it is the variance between the clusters' own fits."""
    data = hl.load_dataset("sleepstudy")
    plain = teaching.lm("Reaction ~ Days", data)
    found = teaching.lm("Reaction ~ Days", data, cluster="Subject")
    assert found.fixef["estimate"].equals(plain.fixef["estimate"])
    own = np.array([np.polyfit(d["Days"], d["Reaction"], 1)[::-1] for _, d in
                    data.groupby("Subject", observed=True)])  # fmt: skip
    expected = np.cov(own.T) / 18 * 179 / 178
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9)
    assert "robust to dependence within Subject (18 clusters)" in repr(found)
    assert "robust" not in repr(plain)


def test_lm_with_clusters_refuses_bars_and_one_cluster() -> None:
    data = hl.load_dataset("sleepstudy").assign(one="a")
    with pytest.raises(hl.FormulaError, match="common effects alone"):
        teaching.lm("Reaction ~ Days + (1 | Subject)", data, cluster="Subject")
    with pytest.raises(hl.DataError, match="one level; variances need several"):
        teaching.lm("Reaction ~ Days", data, cluster="one")


def test_lm_names_dependent_columns() -> None:
    data = hl.load_dataset("sleepstudy").assign(twice=lambda d: 2 * d.Days)
    with pytest.raises(hl.DataError, match="linearly dependent"):
        teaching.lm("Reaction ~ Days + twice", data)


def test_lm_subtracts_the_offset() -> None:
    data = hl.load_dataset("sleepstudy").assign(five=lambda d: 5 * d.Days)
    plain, moved = (teaching.lm(f"Reaction ~ Days{o}", data) for o in ("", " + offset(five)"))
    assert moved.fixef.loc["Days", "estimate"] == pytest.approx(
        plain.fixef.loc["Days", "estimate"] - 5
    )
    assert moved.sigma == pytest.approx(plain.sigma)


@pytest.mark.parametrize("name", MODELS)
def test_gls_with_the_marginal_covariance_is_the_mixed_model(name: str) -> None:
    model, expected = _model(name)
    if name == "oats_nested_additive":  # three varieties are common effects, six blocks vary
        assert [block.n_levels for block in model.design.blocks] == [6, 18]
    found = teaching.gls(model, teaching.marginal_covariance(model))
    lme4 = np.array(list(expected["fixed"].values()))
    assert found.fixef[["estimate", "se"]].to_numpy() == pytest.approx(lme4, rel=1e-5)
    assert found.correlation.to_numpy() == pytest.approx(np.array(expected["fixed_cor"]), abs=1e-5)
    assert np.isnan(found.sigma)


def test_the_residual_variance_of_gls_is_one_at_reml() -> None:
    model = hl.Model(SLEEP, hl.load_dataset("sleepstudy"))
    V = teaching.marginal_covariance(model)
    beta = teaching.gls(model, V).fixef["estimate"].to_numpy()
    r = model.design.response - model.design.X @ beta
    assert r @ np.linalg.solve(V, r) == pytest.approx(180 - 2, rel=1e-6)


def test_wald_is_that_of_car() -> None:
    expected = LECTURES["wald"]["penicillin_sample_fixed"]
    model = hl.Model("diameter ~ 1 + sample + (1|plate)", hl.load_dataset("Penicillin"))
    fit = teaching.gls(model, teaching.marginal_covariance(model))
    assert fit.wald(*model.spec.coefs[1:]) == pytest.approx(expected["chisq"], rel=1e-6)


def test_anova_is_that_of_lme4() -> None:
    data = hl.load_dataset("sleepstudy")
    small = hl.Model("Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)", data)
    table = teaching.anova(small, hl.Model(SLEEP, data))
    names = ("sleepstudy_slope_uncorr_ML", "sleepstudy_slope_corr_ML")
    for row, name in zip(table.itertuples(), names, strict=True):
        expected = LECTURES["models"][name]
        assert pytest.approx(expected["AIC"], abs=1e-6) == row.AIC
        assert pytest.approx(expected["BIC"], abs=1e-6) == row.BIC
    lrt = LECTURES["lrt"]["sleepstudy"]
    assert table["chisq"].iloc[1] == pytest.approx(lrt["chisq"], abs=2e-6)
    assert table["p"].iloc[1] == pytest.approx(lrt["p"], abs=1e-5)
    assert table["df"].iloc[1] == lrt["df"]
    assert np.isnan(table["p"].iloc[0])


def test_anova_wants_the_same_rows() -> None:
    data = hl.load_dataset("sleepstudy")
    models = [hl.Model(SLEEP, rows) for rows in (data, data[data.Days > 1])]
    with pytest.raises(hl.DataError, match="same rows"):
        teaching.anova(*models)


@pytest.mark.parametrize("name", ["penicillin_crossed", "sleepstudy_slope_corr"])
def test_lme4_stands_beside_the_posterior(name: str) -> None:
    model, expected = _model(name)
    fit = synthetic_fit(model)
    table = teaching.beside_lme4(fit)
    for part in expected["random"]:
        for term, sd in part["sd"].items():
            row = f"sd_{part['group']}[{term.replace('(Intercept)', 'Intercept')}]"
            assert table.loc[row, "estimate"] == pytest.approx(sd, rel=1e-5)
        if len(part["cor"]) == 2:
            row = f"cor_{part['group']}[Intercept, Days]"
            assert table.loc[row, "estimate"] == pytest.approx(part["cor"][0][1], rel=1e-4)
    assert table.loc["sigma", "estimate"] == pytest.approx(expected["sigma"], rel=1e-6)
    assert table.loc["Intercept", "se"] == pytest.approx(
        expected["fixed"]["(Intercept)"][1], rel=1e-5
    )
    draws = fit.idata["posterior"]["sigma"].to_numpy()
    assert table.loc["sigma", "mean"] == pytest.approx(draws.mean())


@pytest.mark.parametrize("rho", [-0.25, 0.0, 0.3, 1.0])
def test_effective_rows_is_the_variance_of_the_mean(rho: float) -> None:
    n, clusters = 5, 3
    V = np.kron(np.eye(clusters), (1 - rho) * np.eye(n) + rho * np.ones((n, n)))
    variance = V.sum() / len(V) ** 2
    expected = np.inf if variance < 1e-12 else 1 / variance
    assert teaching.effective_rows(n, rho, clusters=clusters) == pytest.approx(expected)


@pytest.mark.parametrize("rho", [-0.26, 1.01])
def test_impossible_correlations_are_refused(rho: float) -> None:
    with pytest.raises(hl.DataError, match=r"can all correlate by -0\.25 to 1"):
        teaching.effective_rows(5, rho)


def test_icc_is_a_share_and_a_correlation() -> None:
    found = teaching.icc_two_ways(2.0, 1.0, pairs=4000, seed=3)
    assert found["share"] == found["correlation"] == 0.8
    assert abs(np.arctanh(found["simulated"]) - np.arctanh(0.8)) < 5 / np.sqrt(4000 - 3)


def test_mvrnorm_has_the_moments_exactly() -> None:
    cov = np.array([[1, 1.5, 1], [1.5, 5, 3], [1, 3, 9]])
    draws = teaching.mvrnorm(20, [1, 2, 3], cov, empirical=True, seed=1)
    assert np.cov(draws.T) == pytest.approx(cov, abs=1e-12)
    assert draws.mean(axis=0) == pytest.approx([1, 2, 3], abs=1e-12)


def test_mvrnorm_has_the_moments_in_expectation() -> None:
    draws = teaching.mvrnorm(40_000, [1, 2], [[4, 1], [1, 1]], seed=1)
    z = (draws.mean(axis=0) - [1, 2]) / (np.array([2, 1]) / 200)
    assert np.abs(z).max() < 5
    assert np.corrcoef(draws.T)[0, 1] == pytest.approx(0.5, abs=5 / 200)


def test_mvrnorm_refuses_what_is_no_covariance() -> None:
    with pytest.raises(hl.DataError, match="not positive definite"):
        teaching.mvrnorm(5, [0, 0], [[1, 2.1], [2.1, 4]])
    with pytest.raises(hl.DataError, match="symmetric"):
        teaching.mvrnorm(5, [0, 0], [[1, 0.5], [0.2, 1]])
    with pytest.raises(hl.DataError, match="needs 3 draws"):
        teaching.mvrnorm(2, [0, 0], np.eye(2), empirical=True)


def test_four_groups_show_an_underestimated_uncertainty() -> None:
    data = teaching.four_groups(seed=7)
    assert data.groupby("groups").size().tolist() == [2, 2, 2, 2]
    assert data.groupby("groups")["z"].nunique().tolist() == [1] * 4
    with pytest.warns(hl.DesignWarning, match="4 levels"):
        model = hl.Model("y ~ 1 | groups", data)
    estimates = mle(model.spec, model.design)
    tau2 = estimates.varcorr["variance"].item()
    se = np.sqrt((2 * tau2 + estimates.sigma**2) / 8)  # balanced: in closed form
    assert estimates.fixef["se"].item() == pytest.approx(se, rel=1e-6)
    assert teaching.lm("y ~ z", data).fixef.loc["Intercept", "se"] < se / 3


def test_simulated_rows_are_what_they_are_made_of() -> None:
    data = teaching.random_intercepts(seed=2)
    made = 3 + 0.75 * data["x"] + data["gamma_Intercept"] + data["e"]
    assert data["y"].to_numpy() == pytest.approx(made.to_numpy())
    assert data["clus"].value_counts().unique().tolist() == [10]
    assert teaching.random_intercepts(seed=2).equals(data)


@pytest.mark.parametrize("shuffle", [False, True])
def test_seven_ways_make_one_y(shuffle: bool) -> None:
    data = teaching.random_slopes(30, 5, seed=2)
    if shuffle:
        data = data.sample(frac=1, random_state=1)
    ways = teaching.many_ways(data)
    assert ways.shape == (150, 7)
    assert set(ways) <= set(hl.equations.NOTATIONS)
    assert ways.sub(data["y"], axis=0).abs().to_numpy().max() < 1e-12


def test_block_design_is_block_diagonal() -> None:
    X = np.column_stack([np.ones(6), np.arange(6.0)])
    expected = block_diag(X[:3], X[3:])
    assert np.array_equal(teaching.block_design(X, list("aaabbb")), expected)


def test_the_marginal_covariance_is_kronecker() -> None:
    data = teaching.random_slopes(20, 5, seed=2)
    model = hl.Model("y ~ x + (x | clus)", data)
    estimates = mle(model.spec, model.design)
    sd, cor = estimates.varcorr["sd"].to_numpy(), estimates.varcorr.loc["clus"].iloc[0]["cor[x]"]
    psi = np.outer(sd, sd) * np.array([[1, cor], [cor, 1]])
    Z = teaching.block_design(model.design.X, data["clus"])
    V = Z @ np.kron(np.eye(20), psi) @ Z.T + estimates.sigma**2 * np.eye(100)
    assert teaching.marginal_covariance(model, estimates) == pytest.approx(V, abs=1e-10)


def test_covariance_parameters_of_the_lecture() -> None:
    assert [teaching.covariance_parameters(n) for n in (16, 12, 4, 1)] == [136, 78, 10, 1]


def test_maximal_models() -> None:
    radon = hl.Model("log_radon ~ floor * log_uranium + (1 | county)", hl.load_dataset("radon"))
    table = teaching.maximal_parameters(radon)  # uranium is the county's
    assert table.loc["county"].tolist() == [85, 1, 1, 2, 3, "(1 + floor | county)"]
    oats = teaching.maximal_parameters(hl.Model("Y ~ N * V + (1 | B/V)", hl.load_dataset("oats")))
    assert oats["maximal_effects"].to_dict() == {"B": 12, "B:V": 4}
    assert oats["maximal_parameters"].to_dict() == {"B": 78, "B:V": 10}


def test_maximal_models_take_any_data() -> None:
    rows = pd.DataFrame({"y": [1.0, 2, 3, 5, 4, 6], "x": [0, 1, 0, 1, 0, 1], "g": list("aabbcc")})
    with pytest.warns(hl.DesignWarning):
        model = hl.Model("y ~ I(x**2) + (1 | g)", rows)
    assert teaching.maximal_parameters(model)["maximal"].tolist() == ["(1 + I(x**2) | g)"]
