from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers.fits import synthetic_fit
from scipy import special

import hierlm as hl
from hierlm.results.contrasts import Contrasts


def _fit(formula: str, data: object, *, draws: int = 25, **options: object) -> Contrasts:
    fit = synthetic_fit(hl.Model(formula, data, **options), draws=draws)
    return Contrasts(fit.spec, fit.design, fit.frame, fit.idata)


def _draws(fit: Contrasts, name: str, **where: str) -> np.ndarray:
    """Return draws of a variable, the last axis is draws."""
    variable = fit.idata["posterior"][name].sel(where).transpose(..., "chain", "draw").to_numpy()
    return variable.reshape(*variable.shape[:-2], -1)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"x": rng.uniform(0.5, 4, 48), "n": rng.integers(2, 9, 48)})
    frame["treat"] = np.tile(["b", "a", "c"], 16)
    frame["g"] = np.repeat(list("stuvwxyz"), 6)
    frame["y"], frame["on"] = rng.integers(0, 2, 48), rng.integers(0, 2, 48).astype(bool)
    frame["hits"], frame["w"] = rng.binomial(frame["n"], 0.4), rng.integers(1, 4, 48)
    return frame


@pytest.fixture(scope="module")
def logit(data: pd.DataFrame) -> Contrasts:
    return _fit("y ~ x * treat + (x | g)", data, family="bernoulli")


@pytest.fixture(scope="module")
def sleep() -> Contrasts:
    return _fit("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))


# -- grids ----------------------------------------------------------------------------------------


def test_a_grid_crosses_and_fills_in(data: pd.DataFrame) -> None:
    fit = _fit("y ~ x * treat + on + C(n) + (x | g)", data)
    grid = fit.datagrid({"treat": ["a", "c"], "x": [1, 2]})
    assert grid[["treat", "x"]].to_numpy().tolist() == [["a", 1], ["a", 2], ["c", 1], ["c", 2]]
    assert grid["on"].unique() == [data["on"].mode()[0]]
    assert grid["n"].unique() == [data["n"].mode()[0]]  # a number that is a category here
    assert "g" not in grid
    assert fit.datagrid()["x"].tolist() == pytest.approx([data["x"].mean()])
    assert fit.datagrid({"g": "s"})["g"].tolist() == ["s"]


def test_a_grid_counts_weights(data: pd.DataFrame) -> None:
    weighted = _fit("x ~ n + treat + weights(w)", data).datagrid()
    repeated = _fit("x ~ n + treat", data.loc[data.index.repeat(data["w"])]).datagrid()
    pd.testing.assert_frame_equal(weighted, repeated)


def test_an_offset_is_a_number_like_others(data: pd.DataFrame) -> None:
    fit = _fit("hits ~ treat + offset(log(n)) + (1 | g)", data, family="poisson")
    grid = fit.datagrid({"n": [1, 10]})
    rates = fit.predictions(grid)["mean"]
    assert rates.iloc[1] / rates.iloc[0] == pytest.approx(10)
    assert set(fit.comparisons().index.get_level_values("term")) == {"treat"}
    assert fit.slopes("n", grid)["mean"].iloc[0] == pytest.approx(rates.iloc[0])


@pytest.mark.parametrize(
    ("values", "says"),
    [({"Dys": 1}, "Did you mean 'Days'"), ({"Days": []}, "the grid has no value for 'Days'")],
)
def test_what_a_grid_cannot_have(sleep: Contrasts, values: object, says: str) -> None:
    with pytest.raises(hl.DataError, match=says):
        sleep.datagrid(values)


# -- predictions ----------------------------------------------------------------------------------


def test_predictions_of_the_rows_of_the_fit_have_their_groups(sleep: Contrasts) -> None:
    beta = _draws(sleep, "beta")
    r = _draws(sleep, "r_Subject", Subject="309")
    table = sleep.predictions()
    expected = (beta[0] + r[0] + 3 * (beta[1] + r[1])).mean()
    row = table.query("Subject == '309' and Days == 3")
    assert row["mean"].tolist() == pytest.approx([expected])
    assert list(table.columns[:3]) == ["Days", "Subject", "mean"]
    assert table.attrs == {"groups": ("Subject",), "scale": "response"}


def test_groups_are_those_that_the_rows_name(sleep: Contrasts) -> None:
    beta = _draws(sleep, "beta")
    population = sleep.predictions({"Days": [3]})
    assert population["mean"].iloc[0] == pytest.approx((beta[0] + 3 * beta[1]).mean())
    assert population.attrs["groups"] == "none"
    own = sleep.predictions({"Days": [3, 3], "Subject": ["308", "309"]})
    assert own["mean"].iloc[0] != own["mean"].iloc[1]
    none = sleep.predictions({"Days": [3], "Subject": ["308"]}, groups="none")
    assert none["mean"].iloc[0] == pytest.approx(population["mean"].iloc[0])


def test_averages_are_taken_draw_by_draw(logit: Contrasts) -> None:
    every = logit.predictions(draws=True)
    assert every.dims == ("chain", "draw", "estimate")
    assert every.name != "estimate"
    average = logit.predictions(by=True)
    over = every.mean("estimate").to_numpy().ravel()
    assert average.loc["average", "mean"] == pytest.approx(over.mean())
    assert average.loc["average", "sd"] == pytest.approx(over.std(ddof=1))
    for by in ("treat", ["g", "treat"]):
        keys = logit.frame[by].astype(str) if isinstance(by, str) else logit.frame[by].agg(tuple, 1)
        table = logit.predictions(by=by)
        draws = logit.predictions(by=by, draws=True)
        for k, label in enumerate(table.index):
            same = np.array([key == label for key in keys])
            over = every.isel(estimate=same).mean("estimate").to_numpy()
            assert draws.isel(estimate=k).to_numpy() == pytest.approx(over)
            assert table.loc[label, "mean"] == pytest.approx(over.mean())
    assert draws.coords["treat"].to_numpy().tolist()[:3] == ["a", "b", "c"]


def test_blocks_do_not_show(logit: Contrasts, monkeypatch: pytest.MonkeyPatch) -> None:
    def everything() -> list[np.ndarray]:
        return [
            logit.predictions().select_dtypes("number").to_numpy(),
            logit.predictions(by="g").to_numpy(),
            logit.slopes("x", by=["treat"]).to_numpy(),
            logit.comparisons("treat", by=False, draws=True).to_numpy(),
        ]

    whole = everything()
    monkeypatch.setattr("hierlm.contrasts.rows._CELLS", 700)  # seven rows at a time
    for one, other in zip(whole, everything(), strict=True):
        assert one == pytest.approx(other)


def test_rows_of_weight_k_count_as_k_rows(data: pd.DataFrame) -> None:
    formula = "y ~ x + treat + (x | g)"
    weighted = _fit(formula + " + weights(w)", data, family="bernoulli")
    repeated = _fit(formula, data.loc[data.index.repeat(data["w"])], family="bernoulli")
    repeated.idata["posterior"] = weighted.idata["posterior"]
    for one, other in (
        (weighted.predictions(by="treat"), repeated.predictions(by="treat")),
        (weighted.comparisons("treat"), repeated.comparisons("treat")),
        (weighted.slopes("x"), repeated.slopes("x")),
    ):
        assert one.to_numpy() == pytest.approx(other.to_numpy())


def test_averages_keep_the_order_of_levels(data: pd.DataFrame) -> None:
    coded = data.assign(treat=pd.Categorical(data["treat"], ["c", "a", "b"]))
    fit = _fit("y ~ treat", coded)
    assert fit.predictions(by="treat").index.tolist() == ["c", "a", "b"]
    assert fit.comparisons().index.get_level_values("contrast").tolist() == ["a - c", "b - c"]


def test_a_predictor_called_as_a_column_of_the_table() -> None:
    rng = np.random.default_rng(1)
    fit = _fit("y ~ mean", pd.DataFrame(rng.normal(size=(20, 2)), columns=["y", "mean"]))
    table = fit.predictions({"mean": [2.0]})
    assert list(table.columns[:2]) == ["mean_value", "mean"]


def test_predictions_on_the_scale_of_the_link_and_of_one_trial(data: pd.DataFrame) -> None:
    fit = _fit("p(hits, n) ~ x + (1 | g)", data, family="binomial")
    grid = {"x": [1.0, 3.0]}
    beta = _draws(fit, "beta")
    eta = np.stack([beta[0] + x * beta[1] for x in grid["x"]])
    link, response = fit.predictions(grid, scale="link"), fit.predictions(grid)
    assert link["mean"].to_numpy() == pytest.approx(eta.mean(axis=1))
    assert response["mean"].to_numpy() == pytest.approx(special.expit(eta).mean(axis=1))


def test_integrated_predictions_average_over_new_groups(data: pd.DataFrame) -> None:
    fit = _fit("y ~ x + (1 | g)", data, family="bernoulli", draws=5)
    rng = np.random.default_rng(1)
    beta, sd = _draws(fit, "beta"), _draws(fit, "sd_g")[0]
    eta = beta[0] + 2 * beta[1] + sd * rng.normal(size=(100_000, len(sd)))
    simulated = special.expit(eta)
    error = simulated.std() / np.sqrt(simulated.size)
    found = fit.predictions({"x": [2.0]}, groups="integrate")["mean"].iloc[0]
    assert abs(found - simulated.mean()) < 5 * error


# -- comparisons ----------------------------------------------------------------------------------


def _probabilities(fit: Contrasts, x: np.ndarray, treat: str) -> np.ndarray:
    """Return P(y = 1) for every row of the fit (and draw) at these x and this treatment."""
    frame = fit.frame
    beta = {name: _draws(fit, "beta", coef=name) for name in fit.spec.coefs}
    r = _draws(fit, "r_g")[pd.Categorical(frame["g"], list("stuvwxyz")).codes]
    x = np.asarray(x)[:, None]
    eta = beta["Intercept"] + r[:, 0] + x * (beta["x"] + r[:, 1])
    if treat != "a":
        eta = eta + beta[f"treat[{treat}]"] + x * beta[f"x:treat[{treat}]"]
    return special.expit(eta)


@pytest.mark.parametrize("comparison", ["difference", "ratio", "lnratio", "lnor"])
def test_comparisons_by_hand(logit: Contrasts, comparison: str) -> None:
    x = logit.frame["x"].to_numpy()
    combine = {
        "difference": lambda b, a: b - a,
        "ratio": lambda b, a: b / a,
        "lnratio": lambda b, a: np.log(b / a),
        "lnor": lambda b, a: special.logit(b) - special.logit(a),
    }[comparison]
    a, b = (_probabilities(logit, x, treat) for treat in "ab")
    rows = logit.comparisons("treat", comparison=comparison, by=False).iloc[: len(x)]
    assert rows["mean"].to_numpy() == pytest.approx(combine(b, a).mean(axis=1))
    # of averages: the ratio of means, not the mean of ratios
    average = combine(b.mean(axis=0), a.mean(axis=0))
    table = logit.comparisons("treat", comparison=comparison)
    assert table["mean"].iloc[0] == pytest.approx(average.mean())
    assert table["sd"].iloc[0] == pytest.approx(average.std(ddof=1))
    by = logit.comparisons("treat", comparison=comparison, by="g")
    same = (logit.frame["g"] == "u").to_numpy()
    expected = combine(b[same].mean(axis=0), a[same].mean(axis=0)).mean()
    first = by.index.get_level_values("contrast")[0]
    assert by.loc[("treat", first, "u"), "mean"] == pytest.approx(expected)


def test_labels_of_contrasts(logit: Contrasts) -> None:
    def labels(*args: object, **options: object) -> list[str]:
        return logit.comparisons(*args, **options).index.get_level_values("contrast").tolist()

    assert labels("treat") == ["b - a", "c - a"]
    assert labels({"treat": "sequential"}) == ["b - a", "c - b"]
    assert labels({"treat": "pairwise"}, comparison="ratio") == ["b / a", "c / a", "c / b"]
    assert labels({"treat": ("c", "b")}, comparison="lnor") == ["ln(odds(b) / odds(c))"]
    assert labels({"x": -0.5}) == ["-0.5"]
    assert labels({"x": (1, 3)}, comparison="lnratio") == ["ln(3 / 1)"]
    assert labels(["x", "treat"]) == ["+1", "b - a", "c - a"]
    assert labels() == labels(["x", "treat"])


@pytest.mark.parametrize("contrast", [None, 10, "sd", "iqr", "minmax", (0.7, 1.1)])
def test_steps_of_a_number(logit: Contrasts, contrast: object) -> None:
    x = logit.frame["x"].to_numpy()
    low, high = {
        None: (x, x + 1),
        10: (x, x + 10),
        "sd": (x - x.std(ddof=1) / 2, x + x.std(ddof=1) / 2),
        "iqr": tuple(np.full(48, q) for q in np.quantile(x, [0.25, 0.75])),
        "minmax": (np.full(48, x.min()), np.full(48, x.max())),
        (0.7, 1.1): (np.full(48, 0.7), np.full(48, 1.1)),
    }[contrast]
    same = (logit.frame["treat"] == "c").to_numpy()
    change = _probabilities(logit, high, "c") - _probabilities(logit, low, "c")
    table = logit.comparisons({"x": contrast}, by="treat")
    expected = change[same].mean()
    assert table["mean"].iloc[2] == pytest.approx(expected)


def test_a_bool_and_a_coded_number_are_categories(data: pd.DataFrame) -> None:
    fit = _fit("x ~ on + C(n)", data)
    table = fit.comparisons()
    levels = sorted(data["n"].unique())
    expected = [("on", "True - False"), *(("n", f"{n} - {levels[0]}") for n in levels[1:])]
    assert table.index.tolist() == expected
    beta = _draws(fit, "beta").mean(axis=1)
    assert table["mean"].to_numpy() == pytest.approx(beta[1:])


def test_groups_can_be_compared(sleep: Contrasts) -> None:
    table = sleep.comparisons({"Subject": ("309", "308")}, {"Days": [4], "Subject": ["308"]})
    r = _draws(sleep, "r_Subject", Subject="308") - _draws(sleep, "r_Subject", Subject="309")
    assert table["mean"].tolist() == pytest.approx([(r[0] + 4 * r[1]).mean()])


def test_both_sides_of_a_comparison_share_the_effects_of_new_levels(sleep: Contrasts) -> None:
    grid = {"Days": [0], "Subject": ["new"]}
    options = {"new_levels": "sample", "seed": 3}
    found = sleep.comparisons({"Days": 2}, grid, draws=True, **options).to_numpy().ravel()
    ends = sleep.predictions({"Days": [0, 2], "Subject": ["new"] * 2}, draws=True, **options)
    change = ends.diff("estimate").to_numpy().ravel()
    assert found == pytest.approx(change)
    with pytest.raises(hl.DataError, match="'new'"):
        sleep.comparisons("Days", grid)


def test_a_new_grid_is_answered_row_by_row(logit: Contrasts) -> None:
    grid = logit.datagrid({"treat": ["a", "b"], "x": [1, 2]})
    assert len(logit.comparisons("treat", grid)) == 2 * 4
    assert len(logit.comparisons("treat", grid, by=True)) == 2
    assert logit.comparisons("treat", grid, by="x").index.names == ["term", "contrast", "x"]
    draws = logit.comparisons("treat", grid, draws=True)
    assert draws.sizes["estimate"] == 8
    assert set(draws.coords) == {"chain", "draw", "term", "contrast", "row"}
    assert isinstance(draws, xr.DataArray)


# -- slopes ---------------------------------------------------------------------------------------


def test_slopes_of_a_logit_are_its_derivative(logit: Contrasts) -> None:
    x = logit.frame["x"].to_numpy()
    p = _probabilities(logit, x, "b")
    beta, r = (_draws(logit, name) for name in ("beta", "r_g"))
    named = dict(zip(logit.spec.coefs, beta, strict=True))
    codes = pd.Categorical(logit.frame["g"], list("stuvwxyz")).codes
    slope = p * (1 - p) * (named["x"] + r[codes, 1] + named["x:treat[b]"])
    rows = logit.slopes("x", by=False)
    same = (logit.frame["treat"] == "b").to_numpy()
    assert rows["mean"].to_numpy()[same] == pytest.approx(slope.mean(axis=1)[same], rel=1e-8)
    draws = logit.slopes("x", by="treat", draws=True).isel(estimate=1).to_numpy().ravel()
    assert draws == pytest.approx(slope[same].mean(axis=0), rel=1e-8)


@pytest.mark.parametrize(
    ("formula", "derivative", "tolerance"),
    [
        ("y ~ x", lambda x, b: b[1] + 0 * x, 1e-11),
        ("y ~ x + I(x**2) + I(x**3)", lambda x, b: b[1] + 2 * x * b[2] + 3 * x**2 * b[3], 1e-9),
        ("y ~ I(x**4)", lambda x, b: 4 * x**3 * b[1], 1e-9),
        ("y ~ log(x)", lambda x, b: b[1] / x, 1e-7),
        ("y ~ exp(-x)", lambda x, b: -b[1] * np.exp(-x), 1e-7),
        ("y ~ scale(x)", lambda x, b: b[1] / 1.0 + 0 * x, None),
    ],
)
def test_slopes_of_common_effects(
    data: pd.DataFrame, formula: str, derivative: object, tolerance: float | None
) -> None:
    fit = _fit(formula, data)
    x, beta = np.array([0.5, 1.0, 2.0, 4.0, 9.0]), _draws(fit, "beta")
    x[0], x[3] = data["x"].min(), data["x"].max()  # the ends, where points lie on one side
    scale = 1.0 if tolerance is not None else data["x"].std(ddof=0)
    found = fit.slopes("x", {"x": x}, draws=True).to_numpy().reshape(-1, 5).T
    expected = derivative(x[:, None], beta) / scale
    assert found == pytest.approx(expected, rel=tolerance or 1e-9, abs=1e-9)


def test_slopes_stay_within_the_data() -> None:
    # log(Days + 1e-9) has no value left of zero, a spline none outside its boundary knots
    rows = hl.load_dataset("sleepstudy")
    fit = _fit("Reaction ~ sqrt(Days) + bs(Days, df=5)", rows)
    slopes = fit.slopes("Days", {"Days": [0.0, 9.0]})
    assert np.isfinite(slopes[["mean", "sd"]].to_numpy()).all()


def test_slopes_with_a_log_link_and_a_lognormal(data: pd.DataFrame) -> None:
    poisson = _fit("hits ~ x", data, family="poisson")
    grid = {"x": [1.0, 2.0]}
    beta = _draws(poisson, "beta")
    expected = [(beta[1] * np.exp(beta[0] + x * beta[1])).mean() for x in grid["x"]]
    assert poisson.slopes("x", grid)["mean"].to_numpy() == pytest.approx(expected)
    lognormal = _fit("n ~ x", data, family="lognormal")
    beta, sigma = _draws(lognormal, "beta"), _draws(lognormal, "sigma")
    expected = [(beta[1] * np.exp(beta[0] + x * beta[1] + sigma**2 / 2)).mean() for x in grid["x"]]
    assert lognormal.slopes("x", grid)["mean"].to_numpy() == pytest.approx(expected)
    link = lognormal.slopes("x", grid, scale="link")["mean"].to_numpy()
    assert link == pytest.approx([beta[1].mean()] * 2)


def test_slopes_are_of_numbers(logit: Contrasts) -> None:
    assert logit.slopes().index.tolist() == [("x", "dY/dX")]
    with pytest.raises(hl.DataError, match=r"'treat' is a category[^']*Write comparisons"):
        logit.slopes("treat")


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda f: f.comparisons("trt"), "do not depend on 'trt'. Did you mean 'treat'"),
        (lambda f: f.comparisons("y"), "do not depend on 'y'"),
        (lambda f: f.comparisons("treat", comparison="diff"), "no comparison is called 'diff'"),
        (lambda f: f.comparisons({"treat": "sd"}), "'treat' has no contrast 'sd'"),
        (lambda f: f.comparisons({"x": "pairwise"}), "Give a step such as 10"),
        (lambda f: f.comparisons({"x": (1, 2, 3)}), r"has no contrast \(1, 2, 3\)"),
        (lambda f: f.comparisons({"treat": ("a", "z")}), "has the level 'z'"),
        (lambda f: f.comparisons("x", scale="link", comparison="lnor"), "takes probabilities"),
        (lambda f: f.comparisons("x", {"treat": ["a"]}), "no column 'x'"),
        (lambda f: f.predictions(scale="respons"), "Did you mean 'response'"),
        (lambda f: f.predictions(by="trt"), "no column 'trt'. Did you mean 'treat'"),
        (lambda f: f.predictions(by=3), "by is True, False, or names"),
        (lambda f: f.predictions(groups="h"), "no grouping factor is called 'h'"),
        (lambda f: f.predictions(ci_prob=2), "ci_prob"),
    ],
)
def test_what_cannot_be_answered(logit: Contrasts, call: object, says: str) -> None:
    with pytest.raises(hl.DataError, match=says):
        call(logit)


def test_a_model_without_predictors_has_nothing_to_compare() -> None:
    fit = _fit("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"))
    with pytest.raises(hl.DataError, match="no predictor that could be varied"):
        fit.comparisons()
    assert len(fit.predictions(by="Batch")) == 6
    with pytest.raises(hl.DataError, match="no predictor to make a grid of"):
        fit.datagrid()
    population = fit.predictions(by=True, groups="none")
    assert population["mean"].tolist() == pytest.approx([_draws(fit, "beta").mean()])


def test_slopes_of_what_spans_orders_of_magnitude() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": np.exp(rng.normal(0, 3, 60)), "count": rng.poisson(4, 60) ** 7})
    frame["y"] = rng.normal(size=60)
    fit = _fit("y ~ log(x) + log1p(count)", frame)
    for name, coef, inside in (("x", "log(x)", 0.0), ("count", "log1p(count)", 1.0)):
        slopes = fit.slopes(name, by=False, draws=True).to_numpy().reshape(-1, 60)
        exact = _draws(fit, "beta", coef=coef)[:, None] / (frame[name].to_numpy() + inside)
        np.testing.assert_allclose(slopes, exact, rtol=1e-6)
    at_zero = fit.slopes("count", fit.datagrid({"count": [0]}), draws=True).to_numpy().ravel()
    np.testing.assert_allclose(at_zero, _draws(fit, "beta", coef="log1p(count)"), rtol=0.02)
