"""Tables of a fit, on draws that are known."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import names


@pytest.fixture(scope="module")
def fit() -> hl.Fit:
    data = hl.load_dataset("sleepstudy")
    return synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data))


@pytest.fixture(scope="module")
def crossed() -> hl.Fit:
    data = hl.load_dataset("Penicillin")
    return synthetic_fit(hl.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", data))


def test_fixef_is_on_the_raw_scale(fit: hl.Fit) -> None:
    table = fit.fixef(ci_prob=0.5)
    draws = fit.idata["posterior"]["beta"].to_numpy().reshape(-1, 2)
    assert list(table.columns) == ["mean", "sd", "eti50_lb", "eti50_ub"]
    assert list(table.index) == ["Intercept", "Days"]
    assert table["mean"].to_numpy() == pytest.approx(draws.mean(axis=0))
    assert table["eti50_lb"].to_numpy() == pytest.approx(np.quantile(draws, 0.25, axis=0))


def test_ranef_has_a_row_per_level_and_coefficient(fit: hl.Fit) -> None:
    table = fit.ranef("Subject")
    assert table.index.names == ["Subject", "coef"]
    assert len(table) == 36
    draws = fit.idata["posterior"]["r_Subject"].sel(Subject="310", Subject_coef="Days")
    assert table.loc[("310", "Days"), "mean"] == pytest.approx(float(draws.mean()))


def test_coef_is_common_plus_deviation(fit: hl.Fit) -> None:
    total = fit.coef()["mean"] - fit.ranef()["mean"]
    expected = np.tile(fit.fixef()["mean"].to_numpy(), 18)
    assert total.to_numpy() == pytest.approx(expected)


def test_coef_of_a_slope_that_does_not_vary() -> None:
    data = hl.load_dataset("sleepstudy")
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (1 | Subject)", data))
    slopes = fit.coef().xs("Days", level="coef")["mean"]
    assert slopes.to_numpy() == pytest.approx(fit.fixef().loc["Days", "mean"])


def test_varcorr_has_sds_variances_and_the_correlation_matrix(fit: hl.Fit) -> None:
    table = fit.varcorr()
    sd = fit.idata["posterior"]["sd_Subject"].to_numpy().reshape(-1, 2)
    cor = float(fit.idata["posterior"]["cor_Subject"].mean())
    assert table["sd"].to_numpy() == pytest.approx(sd.mean(axis=0))
    assert table["variance"].to_numpy() == pytest.approx(np.square(sd).mean(axis=0))
    assert table[["cor[Intercept]", "cor[Days]"]].to_numpy() == pytest.approx(
        np.array([[1, cor], [cor, 1]])
    )


def test_varcorr_of_several_factors(crossed: hl.Fit) -> None:
    assert list(crossed.varcorr().index) == [("plate", "Intercept"), ("sample", "Intercept")]
    assert list(crossed.varcorr("sample").index) == [("sample", "Intercept")]


def test_an_unknown_factor_names_those_there_are(crossed: hl.Fit) -> None:
    with pytest.raises(hl.DataError, match=r"'plat'\. Did you mean 'plate'\?"):
        crossed.ranef("plat")
    with pytest.raises(hl.DataError, match=r"name a grouping factor[\s\S]*plate, sample"):
        crossed.coef()


def test_summary_is_arviz_table_of_the_interesting_parameters(fit: hl.Fit) -> None:
    table = fit.summary()
    assert list(table.index) == [
        "beta[Intercept]",
        "beta[Days]",
        "sd_Subject[Intercept]",
        "sd_Subject[Days]",
        "cor_Subject[Intercept, Days]",
        "sigma",
    ]
    assert {"mean", "sd", "eti89_lb", "eti89_ub", "ess_bulk", "ess_tail", "r_hat"} <= set(table)
    assert "hdi50_lb" in fit.summary(["beta"], ci_prob=0.5, ci_kind="hdi")
    with pytest.raises(hl.DataError, match="Did you mean 'beta'"):
        fit.summary(["bta"])


def test_highest_density_intervals_are_narrower(crossed: hl.Fit) -> None:
    equal, highest = crossed.varcorr(), crossed.varcorr(ci_kind="hdi")
    assert (
        highest["sd_hdi89_ub"] - highest["sd_hdi89_lb"]
        < equal["sd_eti89_ub"] - equal["sd_eti89_lb"]
    ).all()


@pytest.mark.parametrize(("option", "value"), [("ci_prob", 1.5), ("ci_kind", "bci")])
def test_a_wrong_interval_is_refused(fit: hl.Fit, option: str, value: object) -> None:
    with pytest.raises(hl.DataError, match=option):
        fit.fixef(**{option: value})


def test_icc_of_one_factor_by_hand() -> None:
    fit = synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff")))
    posterior = fit.idata["posterior"]
    between = np.square(posterior["sd_Batch"].to_numpy()[..., 0])
    within = np.square(posterior["sigma"].to_numpy())
    table = fit.icc()
    assert table.loc["Batch", "mean"] == pytest.approx((between / (between + within)).mean())
    assert table["mean"].sum() == pytest.approx(1)


def test_icc_averages_a_slope_over_the_rows(fit: hl.Fit) -> None:
    posterior = fit.idata["posterior"]
    sd = posterior["sd_Subject"].to_numpy().reshape(-1, 2)
    rho = posterior["cor_Subject"].to_numpy().ravel()
    days = np.tile(np.arange(10.0), 18)
    variance = (
        sd[:, 0] ** 2
        + 2 * rho * sd[:, 0] * sd[:, 1] * days.mean()
        + sd[:, 1] ** 2 * np.square(days).mean()
    )
    share = variance / (variance + np.square(posterior["sigma"].to_numpy().ravel()))
    assert fit.icc().loc["Subject", "mean"] == pytest.approx(share.mean())


def test_icc_on_the_latent_scale() -> None:
    data = hl.load_dataset("cbpp")
    model = hl.Model("p(incidence, size) ~ period + (1 | herd)", data, family="binomial")
    fit = synthetic_fit(model)
    between = np.square(fit.idata["posterior"]["sd_herd"].to_numpy().ravel())
    expected = (between / (between + np.pi**2 / 3)).mean()
    assert fit.icc().loc["herd", "mean"] == pytest.approx(expected)
    assert fit.sigma().empty


def test_icc_without_a_definition_says_so() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.poisson(9, 60), "g": np.repeat(list("abcdef"), 10)})
    fit = synthetic_fit(hl.Model("y ~ 1 | g", data, family="poisson", link="sqrt"))
    with pytest.raises(hl.FamilyError, match="not defined for family poisson with the sqrt"):
        fit.icc()


def test_a_fixed_parameter_is_constant_and_has_no_diagnostics() -> None:
    data = hl.load_dataset("sleepstudy")
    priors = {"sd_Subject[Days]": 5, "sigma": 25, "Days": 10}
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data, priors=priors))
    posterior = fit.idata["posterior"].to_dataset()
    # an engine leaves out what is fixed altogether: the tree fills it in
    posterior["beta"][..., 1], posterior["sigma"][:] = 10, 25
    posterior["sd_Subject"][..., 1] = 5
    fit.idata["posterior"] = type(fit.idata)(posterior)
    assert list(fit.summary().index) == [
        "beta[Intercept]",
        "sd_Subject[Intercept]",
        "cor_Subject[Intercept, Days]",
    ]
    assert re.search(r"sigma +25 +fixed", repr(fit))
    assert fit.convergence.trusted


def test_names_of_posterior_variables(crossed: hl.Fit) -> None:
    posterior = crossed.idata["posterior"]
    assert list(posterior.data_vars) == [
        "beta",
        "sd_plate",
        "sd_sample",
        "sigma",
        "r_plate",
        "r_sample",
    ]
    assert posterior["r_plate"].dims == (*names.SAMPLE_DIMS, "plate", "plate_coef")
    assert set(crossed.idata.children) == {
        "posterior",
        "sample_stats",
        "observed_data",
        "constant_data",
    }
    assert crossed.idata["observed_data"]["diameter"].sizes == {"__obs__": 144}
