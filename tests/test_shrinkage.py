from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers.fits import synthetic_fit
from scipy import optimize, special, stats

import hierlm as hl
from hierlm.results import Fit
from hierlm.shrinkage import pooling, shrinkage
from hierlm.summaries import Interval


def _table(fit: Fit, factor: str | None = None) -> pd.DataFrame:
    return shrinkage(fit.spec, fit.design, fit.idata, factor, Interval())


def _fit(formula: str, data: object, **options: object) -> Fit:
    return synthetic_fit(hl.Model(formula, data, **options), draws=50)


def _with(fit: Fit, **draws: np.ndarray) -> Fit:
    posterior = fit.idata["posterior"].to_dataset()
    changed = {name: (posterior[name].dims, values) for name, values in draws.items()}
    fit.idata["posterior"] = xr.DataTree(posterior.assign(changed))
    return fit


def _grouped(rng: np.random.Generator) -> pd.DataFrame:
    data = pd.DataFrame({"x": rng.normal(size=60), "g": np.repeat(list("abcdef"), 10)})
    data["t"], data["w"] = rng.integers(3, 12, 60), rng.integers(1, 4, 60)
    return data


def test_no_pooling_is_least_squares_per_subject() -> None:
    data = hl.load_dataset("sleepstudy")
    fit = _fit("Reaction ~ Days + (Days | Subject)", data)
    table = _table(fit)
    sigma = float(fit.idata["posterior"]["sigma"].mean())
    for subject, rows in data.groupby("Subject"):
        X = np.column_stack([np.ones(len(rows)), rows["Days"]])
        own = table.loc[str(subject)]
        expected = np.linalg.lstsq(X, rows["Reaction"], rcond=None)[0]
        assert own["no_pooling"].to_numpy() == pytest.approx(expected)
        se = sigma * np.sqrt(np.diag(np.linalg.inv(X.T @ X)))
        assert own["no_pooling_se"].to_numpy() == pytest.approx(se)
    assert (table["rows"] == 10).all()
    assert (table["reason"] == "").all()


def test_partial_pooling_is_coef_and_population_is_fixef() -> None:
    fit = _fit("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    table = _table(fit)
    columns = ["mean", "sd", "eti89_lb", "eti89_ub"]
    assert table[columns].to_numpy() == pytest.approx(fit.coef()[columns].to_numpy())
    assert table.loc["308", "population"].to_numpy() == pytest.approx(fit.fixef()["mean"])


def test_coefficients_are_the_bars_own_when_coded_otherwise() -> None:
    data = hl.load_dataset("Machines")
    fit = _fit("score ~ Machine + (0 + Machine | Worker)", data)
    table = _table(fit)
    beta = fit.fixef()["mean"].to_numpy()
    population = table.loc["1", "population"].to_numpy()
    assert population == pytest.approx([beta[0], beta[0] + beta[1], beta[0] + beta[2]])
    means = data.groupby(["Worker", "Machine"], observed=True)["score"].mean()
    assert table["no_pooling"].to_numpy() == pytest.approx(means.to_numpy())


def test_the_rest_of_the_model_is_an_offset() -> None:
    data = hl.load_dataset("Penicillin")
    fit = _fit("diameter ~ 1 + (1 | plate) + (1 | sample)", data)
    sample = fit.ranef("sample")["mean"].droplevel("coef")
    left = data["diameter"] - data["sample"].astype(str).map(sample).astype(float)
    means = left.groupby(data["plate"], observed=True).mean()
    assert _table(fit, "plate")["no_pooling"].to_numpy() == pytest.approx(means.to_numpy())

    data = hl.load_dataset("radon")
    fit = _fit("log_radon ~ floor + log_uranium + (1 | county)", data)
    beta = fit.fixef()["mean"]
    left = data["log_radon"] - fit.design.X[:, 1:] @ beta.to_numpy()[1:]
    means = left.groupby(data["county"], observed=True).mean()
    table = _table(fit).droplevel("coef")
    assert table.loc[means.index.astype(str), "no_pooling"].to_numpy() == pytest.approx(
        means.to_numpy()
    )


@pytest.mark.parametrize(
    ("family", "link"),
    [
        ("poisson", "log"),
        ("binomial", "probit"),
        ("gamma", "log"),
        ("negbinomial", "log"),
        ("student", "identity"),
        ("lognormal", "identity"),
        ("bernoulli", "logit"),
    ],
)
def test_no_pooling_maximises_the_likelihood(family: str, link: str) -> None:
    rng = np.random.default_rng(6)
    data = _grouped(rng)
    eta = 0.4 + 0.5 * data["x"]
    data["y"] = {
        "poisson": rng.poisson(np.exp(eta)),
        "negbinomial": rng.negative_binomial(3, 3 / (3 + np.exp(eta))),
        "binomial": rng.binomial(data["t"], special.ndtr(eta)),
        "bernoulli": np.tile([0, 1], 30),
        "gamma": rng.gamma(3, np.exp(eta) / 3),
        "student": eta + rng.standard_t(3, size=60),
        "lognormal": np.exp(eta + 0.3 * rng.normal(size=60)),
    }[family]
    left = "p(y, t)" if family == "binomial" else "y"
    fit = _fit(f"{left} ~ x + (x | g) + weights(w)", data, family=family, link=link)
    own = _table(fit).loc["c"]
    shapes = {s.name: float(fit.idata["posterior"][s.name].mean()) for s in fit.spec.shapes}
    rows = data[data["g"] == "c"]
    X = np.column_stack([np.ones(10), rows["x"]])
    trials = {"trials": rows["t"].to_numpy()} if family == "binomial" else {}

    def loss(theta: np.ndarray) -> float:
        mu = fit.spec.family.link.inverse(X @ theta)
        rows_log = fit.spec.family.logpdf(rows["y"], mu, **trials, **shapes)
        return -float(rows["w"].to_numpy() @ rows_log)

    best = optimize.minimize(loss, own["no_pooling"], options={"gtol": 1e-9})
    assert own["no_pooling"].to_numpy() == pytest.approx(best.x, abs=2e-4)
    # the standard error has the expected information: the observed one of canonical links
    spread = np.sqrt(np.diag(np.linalg.inv(_hessian(loss, own["no_pooling"].to_numpy()))))
    canonical = (family, link) in {("poisson", "log"), ("bernoulli", "logit")}
    tolerance = 1e-4 if canonical or family == "lognormal" else 0.4
    assert own["no_pooling_se"].to_numpy() == pytest.approx(spread, rel=tolerance)


def _hessian(loss: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    h, e = 1e-3, np.eye(2)
    return np.array(
        [
            [
                sum(a * b * loss(at + h * (a * e[i] + b * e[j])) for a in (1, -1) for b in (1, -1))
                for j in (0, 1)
            ]
            for i in (0, 1)
        ]
    ) / (4 * h * h)


def test_the_standard_error_of_a_proportion() -> None:
    data = hl.load_dataset("cbpp").astype({"herd": str})
    data.loc[data["herd"] == "7", "incidence"] = 0
    fit = _fit("p(incidence, size) ~ 1 + (1 | herd)", data, family="binomial")
    table = _table(fit).droplevel("coef")
    sums = data.groupby("herd", observed=True)[["incidence", "size"]].sum()
    assert np.isnan(table.loc["7", "no_pooling"])  # minus infinity, in truth
    assert "no finite estimate" in table.loc["7", "reason"]
    assert np.isfinite(table.loc["7", "mean"])
    sums = sums[sums["incidence"] > 0]
    p = sums["incidence"] / sums["size"]
    own = table.loc[sums.index]
    assert own["no_pooling"].to_numpy() == pytest.approx(special.logit(p).to_numpy())
    se = 1 / np.sqrt(sums["size"] * p * (1 - p))
    assert own["no_pooling_se"].to_numpy() == pytest.approx(se.to_numpy())


@pytest.mark.parametrize("family", ["poisson", "bernoulli", "binomial", "negbinomial"])
def test_responses_all_alike_have_no_finite_estimate(family: str) -> None:
    data = _grouped(np.random.default_rng(1))
    data["y"] = np.where(data["g"] == "b", 0, np.tile([0, 1], 30))
    left = "p(y, t)" if family == "binomial" else "y"
    table = _table(_fit(f"{left} ~ x + (1 | g)", data, family=family)).droplevel("coef")
    assert table["no_pooling"].isna().tolist() == [False, True, False, False, False, False]


def test_levels_that_do_not_determine_their_coefficients() -> None:
    data = hl.load_dataset("sleepstudy").astype({"Subject": str})
    kept = data.query("Subject not in ['308', '309'] or Days == 3").copy()
    kept.loc[kept["Subject"] == "310", "Days"] = 0  # an intercept, and no slope
    table = _table(_fit("Reaction ~ Days + (Days | Subject)", kept))
    assert table.loc[["308", "309"], "no_pooling"].isna().all()
    assert table.loc[("308", "Days"), "reason"] == "its 1 row(s) do not determine it"
    assert table.loc[("310", "Days"), "reason"] == "its 10 row(s) do not determine it"
    own = table.loc[("310", "Intercept")]
    assert own["no_pooling"] == pytest.approx(data.query("Subject == '310'")["Reaction"].mean())
    assert own["reason"] == ""
    assert table[["mean", "sd", "pooling"]].notna().all(axis=None)


@pytest.mark.filterwarnings("ignore::hierlm.DesignWarning")  # far from its origin: on purpose
def test_the_origin_and_the_unit_of_x_do_not_matter() -> None:
    data = hl.load_dataset("sleepstudy")
    near = _table(_fit("Reaction ~ Days + (Days | Subject)", data))
    data["ms"] = (data["Days"] + 20_000) * 86_400_000.0
    far = _table(_fit("Reaction ~ ms + (ms | Subject)", data))
    slopes = near.xs("Days", level="coef")["no_pooling"].to_numpy()
    scaled = far.xs("ms", level="coef")["no_pooling"].to_numpy() * 86_400_000.0
    assert scaled == pytest.approx(slopes, rel=1e-9)


def test_two_rows_determine_a_line() -> None:
    data = hl.load_dataset("sleepstudy").astype({"Subject": str})
    kept = data.query("Subject != '308' or Days in (0, 4)")
    own = _table(_fit("Reaction ~ Days + (Days | Subject)", kept)).loc["308"]
    first, last = kept.query("Subject == '308'")["Reaction"]
    assert own["no_pooling"].to_numpy() == pytest.approx([first, (last - first) / 4])
    assert np.isfinite(own["no_pooling_se"].to_numpy()).all()


# -- pooling factors ------------------------------------------------------------------------------


def _pooled(effects: np.ndarray, sd: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both tables for effects of shape (draws, levels)."""
    fit = synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff")), draws=2000)
    shape = fit.idata["posterior"]["r_Batch"].shape
    fit = _with(fit, r_Batch=effects.reshape(shape), sd_Batch=np.full((*shape[:2], 1), sd))
    return pooling(fit.spec, fit.idata), _table(fit)


def test_no_pooling_and_complete_pooling_are_the_ends() -> None:
    rng = np.random.default_rng(2)
    known = np.broadcast_to(np.arange(6.0), (8000, 6))
    factor, levels = _pooled(known, 2.0)
    assert factor["pooling"].to_numpy() == pytest.approx(0)
    assert levels["pooling"].to_numpy() == pytest.approx(0)
    assert factor["variance"].to_numpy() == pytest.approx(3.5)
    nothing_known = rng.normal(0, 2.0, size=(8000, 6))
    factor, levels = _pooled(nothing_known, 2.0)
    assert factor["pooling"].to_numpy() == pytest.approx(1, abs=0.01)
    assert levels["pooling"].to_numpy() == pytest.approx(1, abs=0.08)
    assert factor["levels"].tolist() == [6]


def test_pooling_between_the_ends_is_the_share_of_the_error() -> None:
    # balanced, sds and mean known: b | y ~ N((1 - B) d, (1 - B) t^2), B = s^2 / (s^2 + t^2 n)
    rng = np.random.default_rng(3)
    t, B = 2.0, 0.3
    centers = stats.norm.ppf((np.arange(6) + 0.5) / 6) * t
    centers *= np.sqrt(t**2 * (1 - B) / centers.var(ddof=1))  # V(E b) as the model expects
    draws = centers + rng.normal(0, np.sqrt(B) * t, size=(8000, 6))
    factor, levels = _pooled(draws, t)
    assert factor["pooling"].to_numpy() == pytest.approx(B, abs=0.01)
    assert levels["pooling"].to_numpy() == pytest.approx(B, rel=0.08)


def test_one_level_has_no_pooling_factor_and_no_group_is_refused() -> None:
    fit = _fit("diameter ~ 1 + (1 | plate) + (1 | sample)", hl.load_dataset("Penicillin"))
    assert list(pooling(fit.spec, fit.idata).index) == [
        ("plate", "Intercept"),
        ("sample", "Intercept"),
    ]
    assert len(pooling(fit.spec, fit.idata, "sample")) == 1
    with pytest.raises(hl.DataError, match="name a grouping factor"):
        _table(fit)
    plain = _fit("Reaction ~ Days", hl.load_dataset("sleepstudy"))
    assert pooling(plain.spec, plain.idata).empty
    with pytest.raises(hl.DataError, match="no grouping factor"):
        _table(plain)
