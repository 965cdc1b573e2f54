"""Tables of a fit, on draws that are known."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import names
from hierlm.tables import Table


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


def _coded() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 120
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "yr": 2000 + rng.integers(0, 9, n),
            "f": rng.choice(list("abc"), n),
            "g": np.repeat(np.arange(12), 10),
        }
    )


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        (
            "y ~ f + (0 + f | g)",
            r"'f\[a\]' varies by 'g', and is a combination of Intercept, f\[b\]",
        ),
        ("y ~ C(f, Sum) + (0 + C(f, Sum) | g)", "is a combination of Intercept in the common"),
        ("y ~ yr + (center(yr) | g)", r"'center\(yr\)' varies [^:]*combination of Intercept, yr"),
        ("y ~ 0 + f + (1 | g)", r"'Intercept' varies[\s\S]*ranef"),
        ("y ~ poly(yr, 2) + (0 + scale(yr) | g)", r"combination of poly\(yr, 2\)"),
    ],
)
@pytest.mark.filterwarnings("ignore::hierlm.DesignWarning")
def test_coef_refuses_a_bar_that_is_coded_otherwise(formula: str, says: str) -> None:
    fit = synthetic_fit(hl.Model(formula, _coded()), draws=5)
    with pytest.raises(hl.DataError, match=says):
        fit.coef()
    assert not fit.ranef().empty


def test_coef_compares_columns_and_not_only_names(fit: hl.Fit) -> None:
    block = dataclasses.replace(fit.design.blocks[0], Z=fit.design.blocks[0].Z * [1, 60])
    design = dataclasses.replace(fit.design, blocks=(block,))
    with pytest.raises(hl.DataError, match="'Days' varies by 'Subject', and is another column"):
        hl.Fit(fit.spec, design, fit.frame, fit.idata).coef()


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ f * center(yr) + (f * center(yr) || g)",
        "y ~ 0 + f + (0 + f | g)",
        "y ~ center(yr) + (1 | g) + (0 + center(yr) | g)",
        "y ~ 1 + (1 + center(yr) | g)",
    ],
)
@pytest.mark.filterwarnings("ignore::hierlm.DesignWarning")
def test_coef_gives_the_linear_predictor_of_each_level(formula: str) -> None:
    fit = synthetic_fit(hl.Model(formula, _coded()), draws=5)
    block, posterior = fit.design.blocks[0], fit.idata["posterior"].mean(("chain", "draw"))
    eta = fit.design.linear_predictor(
        posterior["beta"].to_numpy(), {"g": posterior["r_g"].to_numpy()}
    )
    extra = [k for k, name in enumerate(block.coefs) if name not in fit.design.coefs]
    columns = np.hstack([fit.design.X, block.Z[:, extra]])
    own = fit.coef()["mean"].to_numpy().reshape(block.n_levels, -1)
    assert (columns * own[block.codes]).sum(axis=1) == pytest.approx(eta)


def test_without_groups_there_are_no_group_specific_effects() -> None:
    fit = synthetic_fit(hl.Model("Reaction ~ Days", hl.load_dataset("sleepstudy")), draws=5)
    for verb in (fit.ranef, fit.coef, lambda: fit.varcorr("Subject")):
        with pytest.raises(hl.DataError, match="this model has no grouping factor"):
            verb()
    assert fit.varcorr().empty


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
    assert list(fit.summary("sigma").index) == ["sigma"]
    with pytest.raises(hl.DataError, match="Did you mean 'beta'"):
        fit.summary(["bta"])


def test_highest_density_intervals_are_narrower(crossed: hl.Fit) -> None:
    equal, highest = crossed.varcorr(), crossed.varcorr(ci_kind="hdi")
    assert (
        highest["sd_hdi89_ub"] - highest["sd_hdi89_lb"]
        < equal["sd_eti89_ub"] - equal["sd_eti89_lb"]
    ).all()


@pytest.mark.parametrize(
    ("option", "value"),
    [("ci_prob", 1.5), ("ci_prob", "0.9"), ("ci_prob", np.nan), ("ci_kind", "bci")],
)
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


def test_icc_counts_infinite_variances_as_residual() -> None:
    model = hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"), family="student")
    fit = synthetic_fit(model, chains=2, draws=4)
    posterior = fit.idata["posterior"].to_dataset()
    nu = np.array([[0.5, 1, 1.5, 2], [2.5, 3, 5, 9]])
    posterior["nu"][:] = nu
    fit.idata["posterior"] = type(fit.idata)(posterior)
    between = np.square(posterior["sd_Batch"].to_numpy()[1, :, 0])
    within = np.square(posterior["sigma"].to_numpy()[1]) * nu[1] / (nu[1] - 2)
    shares = np.concatenate([np.zeros(4), between / (between + within)])
    assert fit.icc()["mean"].to_numpy() == pytest.approx([shares.mean(), 1 - shares.mean()])


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_icc_of_weights_is_that_of_repeated_rows(family: str) -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.poisson(9, 60), "x": rng.normal(size=60), "w": 1})
    data["g"] = np.repeat(list("abcdef"), 10)
    data["w"] = rng.integers(1, 4, 60)
    repeated = data.loc[data.index.repeat(data["w"])]
    fits = [
        synthetic_fit(hl.Model(f"y ~ x + (x | g){weights}", rows, family=family), draws=5)
        for weights, rows in ((" + weights(w)", data), ("", repeated))
    ]
    fits[1].idata["posterior"] = fits[0].idata["posterior"]
    assert fits[0].icc().to_numpy() == pytest.approx(fits[1].icc().to_numpy())


def test_icc_without_a_definition_says_so() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.poisson(9, 60), "g": np.repeat(list("abcdef"), 10)})
    fit = synthetic_fit(hl.Model("y ~ 1 | g", data, family="poisson", link="sqrt"))
    with pytest.raises(
        hl.FamilyError, match="family poisson and the sqrt link a response has no variance"
    ):
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


def test_everything_fixed_and_a_single_draw_have_tables_and_reports() -> None:
    data = hl.load_dataset("Dyestuff")
    priors = {"sd_Batch": 40, "sigma": 50, "Intercept": 1500}
    fit = synthetic_fit(hl.Model("Yield ~ 1 | Batch", data, priors=priors))
    posterior = fit.idata["posterior"].to_dataset().map(lambda v: 0 * v + v[0, 0])
    fit.idata["posterior"] = type(fit.idata)(posterior)
    assert fit.summary().empty
    assert list(fit.summary().columns) == list(
        synthetic_fit(hl.Model("Yield ~ 1 | Batch", data), draws=5).summary().columns
    )
    assert "Every parameter is fixed" in repr(fit)
    one = synthetic_fit(hl.Model("Yield ~ 1 | Batch", data), chains=1, draws=1)
    assert "too few draws to tell" in repr(one)
    assert "fixed" not in repr(one)
    assert len(one.summary()) == 3
    assert one.fixef()["sd"].isna().all()


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


def test_a_table_prints_every_column(fit: hl.Fit) -> None:
    table = fit.hypothesis(["Days > 5", "r_Subject[308,Days] > r_Subject[309,Days]"])
    text = repr(table)
    assert all(name in text for name in table.columns)
    assert "..." not in text
    assert max(map(len, text.splitlines())) <= 100
    shown = repr(fit.shrinkage())
    assert all(name in shown for name in ("no_pooling", "population", "pooling", "reason"))


def test_a_table_prints_what_its_numbers_need() -> None:
    table = Table({"a": [251.51234, 10.4567], "b": [np.inf, 1.23456e-9], "c": [250.0, np.nan]})
    lines = [line.split() for line in repr(table).splitlines()]
    assert lines[1:] == [["0", "251.5", "inf", "250.0"], ["1", "10.5", "1.23e-09", "NaN"]]
    assert repr(table.round(1)) == repr(pd.DataFrame(table).round(1))
    assert type(table.loc[:, ["a"]]) is Table
    assert repr(Table()) == repr(pd.DataFrame()).replace("DataFrame", "Table")
