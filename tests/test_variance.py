from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm.results import Fit
from hierlm.summaries import Interval
from hierlm.variance import bayes_r2, icc, r2


def _at(fit: Fit, **draws: object) -> Fit:
    """Return the fit with every draw at the given values."""
    posterior = fit.idata["posterior"].to_dataset()
    for name, value in draws.items():
        posterior[name][:] = value
    fit.idata["posterior"] = xr.DataTree(posterior)
    return fit


def _means(table: pd.DataFrame) -> dict[str, float]:
    return table["mean"].to_dict()


def _r2(fit: Fit) -> dict[str, float]:
    return _means(r2(fit.spec, fit.design, fit.idata, Interval()))


@pytest.fixture(scope="module")
def sleep() -> Fit:
    data = hl.load_dataset("sleepstudy")
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data), draws=20)
    # the estimates of lme4, REML
    estimates = {"beta": [251.405, 10.467], "sd_Subject": [24.741, 5.922], "sigma": 25.592}
    return _at(fit, cor_Subject=0.066, **estimates)


def test_r2_is_that_of_nakagawa(sleep: Fit) -> None:
    # performance::r2_nakagawa of lme4's fit of sleepstudy: 0.279 marginal, 0.799 conditional
    found = _r2(sleep)
    assert found["marginal"] == pytest.approx(0.279, abs=0.001)
    assert found["conditional"] == pytest.approx(0.799, abs=0.001)


def test_r2_by_hand(sleep: Fit) -> None:
    days = np.tile(np.arange(10.0), 18)
    fixed = np.var(10.467 * days, ddof=1)
    covariance = 0.066 * 24.741 * 5.922
    group = 24.741**2 + 2 * covariance * days.mean() + 5.922**2 * np.square(days).mean()
    total = fixed + group + 25.592**2
    expected = {"marginal": fixed / total, "conditional": (fixed + group) / total}
    assert _r2(sleep) == pytest.approx(expected, rel=1e-4)


@pytest.mark.filterwarnings("ignore::hierlm.DesignWarning")  # far from its origin: on purpose
def test_r2_does_not_depend_on_the_origin_of_x() -> None:
    data = hl.load_dataset("sleepstudy")
    data["moved"] = data["Days"] - 100
    found = []
    for x, shift in (("Days", 0), ("moved", 100)):
        fit = synthetic_fit(hl.Model(f"Reaction ~ {x} + ({x} | Subject)", data), draws=5)
        # the same lines: intercept and its deviations at x = 0 of the moved axis
        A = np.array([[1.0, shift], [0, 1]])
        S = A @ np.array([[600.0, 10], [10, 36]]) @ A.T
        sd = np.sqrt(np.diag(S))
        values = {"beta": A @ [250.0, 10], "sd_Subject": sd, "sigma": 25.0}
        _at(fit, cor_Subject=S[0, 1] / sd.prod(), **values)
        found.append(_r2(fit))
    assert found[0] == pytest.approx(found[1])


def test_r2_on_the_latent_scale() -> None:
    data = hl.load_dataset("cbpp")
    model = hl.Model("p(incidence, size) ~ period + (1 | herd)", data, family="binomial")
    fit = _at(synthetic_fit(model, draws=5), beta=[-1.4, -1.0, -1.1, -1.6], sd_herd=0.64)
    # MuMIn::r.squaredGLMM, theoretical: var(X beta), 0.64^2 and pi^2 / 3
    fixed = np.var(fit.design.X @ [-1.4, -1.0, -1.1, -1.6], ddof=1)
    total = fixed + 0.64**2 + np.pi**2 / 3
    expected = {"marginal": fixed / total, "conditional": (fixed + 0.64**2) / total}
    assert _r2(fit) == pytest.approx(expected)


def test_r2_without_groups_or_predictors() -> None:
    data = hl.load_dataset("Dyestuff")
    fit = _at(synthetic_fit(hl.Model("Yield ~ 1 | Batch", data), draws=5), sd_Batch=40, sigma=50)
    assert _r2(fit) == pytest.approx({"marginal": 0, "conditional": 0.4**2 / (0.4**2 + 0.25)})
    fit = synthetic_fit(hl.Model("Yield ~ 0 + (1 | Batch)", data), draws=5)
    assert _r2(_at(fit, sd_Batch=40, sigma=50))["marginal"] == 0
    plain = hl.Model("Reaction ~ Days", hl.load_dataset("sleepstudy"))
    found = _r2(synthetic_fit(plain, draws=5))
    assert found["marginal"] == found["conditional"] > 0


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_a_row_of_weight_k_counts_as_k_rows(family: str) -> None:
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
    for function in (r2, bayes_r2):
        one, other = (function(f.spec, f.design, f.idata, Interval()) for f in fits)
        assert one.to_numpy() == pytest.approx(other.to_numpy())
    curves = [
        icc(f.spec, f.design, f.idata, Interval(), frame=f.frame, at={"x": [0, 1]}) for f in fits
    ]
    assert curves[0].to_numpy() == pytest.approx(curves[1].to_numpy())


# -- Bayesian R2 ----------------------------------------------------------------------------------


def test_bayes_r2_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    data = hl.load_dataset("sleepstudy")
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data), draws=11)
    monkeypatch.setattr("hierlm.variance._CELLS", 180 * 7)  # seven draws at a time, of 44
    posterior = fit.idata["posterior"].to_dataset().stack(s=("chain", "draw"))
    shares = []
    for s in range(44):
        one = posterior.isel(s=s)
        effects = {"Subject": one["r_Subject"].to_numpy()}
        eta = fit.design.linear_predictor(one["beta"].to_numpy(), effects)
        shares.append(eta.var(ddof=1) / (eta.var(ddof=1) + float(one["sigma"]) ** 2))
    table = bayes_r2(fit.spec, fit.design, fit.idata, Interval())
    assert table.loc["bayes", "mean"] == pytest.approx(np.mean(shares))
    assert table.loc["bayes", "sd"] == pytest.approx(np.std(shares, ddof=1))


def test_bayes_r2_of_a_binomial_has_counts_and_their_variance() -> None:
    data = hl.load_dataset("cbpp")
    model = hl.Model("p(incidence, size) ~ period + (1 | herd)", data, family="binomial")
    beta = np.array([-1.4, -1.0, -1.1, -1.6])
    fit = _at(synthetic_fit(model, draws=5), beta=beta, r_herd=0.0)
    p = 1 / (1 + np.exp(-fit.design.X @ beta))
    n = data["size"].to_numpy()
    spread, noise = np.var(n * p, ddof=1), np.mean(n * p * (1 - p))
    found = bayes_r2(fit.spec, fit.design, fit.idata, Interval())
    assert found.loc["bayes", "mean"] == pytest.approx(spread / (spread + noise))


@pytest.mark.parametrize("family", ["beta", "student", "lognormal", "gamma", "negbinomial"])
def test_bayes_r2_is_there_for_every_family(family: str) -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.uniform(0.1, 0.9, 60), "g": np.repeat(list("abcdef"), 10)})
    data["y"] = rng.poisson(5, 60) if family == "negbinomial" else data["y"]
    fit = synthetic_fit(hl.Model("y ~ 1 | g", data, family=family), draws=5)
    share = bayes_r2(fit.spec, fit.design, fit.idata, Interval()).loc["bayes", "mean"]
    assert 0 < share < 1


def test_bayes_r2_of_a_student_without_variance_is_zero() -> None:
    model = hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"), family="student")
    fit = _at(synthetic_fit(model, draws=5), nu=1.5)
    assert bayes_r2(fit.spec, fit.design, fit.idata, Interval()).loc["bayes", "mean"] == 0


# -- intraclass correlation along x ---------------------------------------------------------------


def test_icc_along_a_slope_by_hand(sleep: Fit) -> None:
    at = {"Days": [0, 3, 9]}
    table = icc(sleep.spec, sleep.design, sleep.idata, Interval(), frame=sleep.frame, at=at)
    assert table.index.names == ["Days", "group"]
    for x in (0, 3, 9):
        variance = 24.741**2 + 2 * 0.066 * 24.741 * 5.922 * x + 5.922**2 * x**2
        share = variance / (variance + 25.592**2)
        assert table.loc[(x, "Subject"), "mean"] == pytest.approx(share, rel=1e-4)
        assert table.loc[(x, "residual"), "mean"] == pytest.approx(1 - share, rel=1e-4)


def test_icc_along_a_factor_and_an_average() -> None:
    data = hl.load_dataset("Machines")
    model = hl.Model("score ~ Machine + (0 + Machine | Worker)", data)
    fit = _at(synthetic_fit(model, draws=5), sd_Worker=[1.0, 2, 3], sigma=2.0)
    at = {"Machine": ["A", "C"]}
    table = icc(fit.spec, fit.design, fit.idata, Interval(), frame=fit.frame, at=at)
    shares = table["mean"].xs("Worker", level="group")
    assert shares.to_dict() == pytest.approx({"A": 1 / 5, "C": 9 / 13})
    # a single value may stand alone
    one = icc(fit.spec, fit.design, fit.idata, Interval(), frame=fit.frame, at={"Machine": "A"})
    assert one["mean"].iloc[0] == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ({"Dys": [0]}, "depends on 'Dys'. Did you mean 'Days'"),
        ({"Subject": ["308"]}, "depends on 'Subject'"),
        ({"Days": []}, "at is a dict"),
        ({}, "at is a dict"),
    ],
)
def test_icc_at_what_does_not_matter_is_refused(sleep: Fit, at: object, says: str) -> None:
    with pytest.raises(hl.DataError, match=says):
        icc(sleep.spec, sleep.design, sleep.idata, Interval(), frame=sleep.frame, at=at)
