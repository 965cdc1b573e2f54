"""Draws and tables of predictions."""

from __future__ import annotations

import arviz_plots
import arviz_stats
import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats
from helpers.fits import synthetic_fit
from helpers.tables import table

import hierlm as hl
from hierlm import names
from hierlm.families import FAMILIES
from hierlm.prediction import predictive

RESPONSES = {
    "gaussian": "y",
    "student": "y",
    "lognormal": "positive",
    "gamma": "positive",
    "beta": "share",
    "bernoulli": "success",
    "binomial": "p(hits, tries)",
    "poisson": "count",
    "negbinomial": "count",
}


def _fit(family: str, **options: int) -> hl.Fit:
    priors = {"sigma": 0.5} if family == "lognormal" else {}  # else its mean is in the tail
    formula = f"{RESPONSES[family]} ~ x + (1 | g)"
    model = hl.Model(formula, table(), family=family, priors=priors)
    return synthetic_fit(model, **options)


@pytest.fixture(scope="module")
def sleep() -> hl.Fit:
    data = hl.load_dataset("sleepstudy")
    return synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data))


def test_every_family_is_tested() -> None:
    assert set(RESPONSES) == set(FAMILIES)


@pytest.mark.parametrize("family", RESPONSES)
def test_epred_is_the_mean_of_the_family(family: str) -> None:
    fit = _fit(family, draws=5)
    eta = fit.linpred()["predictions"]["linpred"].to_numpy()
    shapes = {
        shape.name: fit.idata["posterior"][shape.name].to_numpy()[..., None]
        for shape in fit.spec.shapes
    }
    extra = {} if fit.design.trials is None else {"trials": fit.design.trials}
    with np.errstate(over="ignore"):  # scipy's skewness, not asked for
        want = fit.spec.family.mean(fit.spec.family.link.inverse(eta), **extra, **shapes)
    assert np.allclose(fit.epred()["predictions"]["epred"], want, rtol=1e-12)


@pytest.mark.parametrize("family", RESPONSES)
def test_predict_draws_from_the_family(family: str) -> None:
    fit = _fit(family, draws=500)
    y = fit.predict(seed=1)["posterior_predictive"].to_dataset()
    response = y[fit.spec.response].to_numpy().reshape(2000, -1)
    mean = fit.epred()["predictions"]["epred"].to_numpy().reshape(2000, -1)
    error = response - mean
    z = error.mean(axis=0) / (error.std(axis=0) / np.sqrt(2000))
    assert np.abs(z).max() < 5
    assert (response.dtype == np.int64) == fit.spec.family.discrete
    mu = fit.spec.family.link.inverse(fit.linpred()["predictions"]["linpred"].to_numpy())
    shapes = {s.name: fit.idata["posterior"][s.name].to_numpy()[..., None] for s in fit.spec.shapes}
    extra = {} if fit.design.trials is None else {"trials": fit.design.trials}
    pit = fit.spec.family.cdf(response.reshape(mu.shape), mu, **extra, **shapes)
    if not fit.spec.family.discrete:  # uniform draw by draw, rows and draws alike
        assert abs(pit.mean() - 0.5) < 5 * np.sqrt(1 / 12 / pit.size)
        assert abs(pit.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / pit.size)


def test_draws_are_paired_with_the_posterior(sleep: hl.Fit) -> None:
    posterior = sleep.idata["posterior"]
    tree = sleep.epred({"Days": [0.0, 2.0]}, groups="none")
    epred = tree["predictions"]["epred"]
    assert list(tree) == ["predictions"]
    assert np.array_equal(epred["draw"], posterior["draw"])
    intercept, days = posterior["beta"].sel(coef="Intercept"), posterior["beta"].sel(coef="Days")
    assert np.allclose(epred[..., 1], intercept + 2 * days)


def test_thinned_draws_keep_their_coordinates(sleep: hl.Fit) -> None:
    full = sleep.epred()["predictions"]["epred"]
    thin = sleep.epred(num_draws=10)["predictions"]["epred"]
    assert thin.shape[:2] == (4, 3)  # 12 draws: as many of each chain
    assert thin["draw"].to_numpy().tolist() == [0, 83, 166]
    assert np.allclose(thin, full.sel(draw=thin["draw"]))
    table = sleep.epred(num_draws=10, summary=True)
    assert np.allclose(table["mean"], thin.mean(("chain", "draw")))


@pytest.mark.parametrize("bad", [0, 1001, 2.5, True, "many"])
def test_num_draws_out_of_range(sleep: hl.Fit, bad: object) -> None:
    with pytest.raises(hl.DataError, match="num_draws is a whole number from 1 to 1,000"):
        sleep.epred(num_draws=bad)


@pytest.mark.parametrize("kind", ["eti", "hdi"])
@pytest.mark.parametrize("prob", [0.5, 0.89, 0.95])
def test_the_table_describes_the_draws(sleep: hl.Fit, kind: str, prob: float) -> None:
    for verb, group, variable in (
        ("epred", "predictions", "epred"),
        ("predict", "posterior_predictive", "Reaction"),
    ):
        table = getattr(sleep, verb)(summary=True, ci_prob=prob, ci_kind=kind, seed=3)
        draws = getattr(sleep, verb)(seed=3)[group][variable].to_numpy().reshape(1000, -1)
        assert np.allclose(table["mean"], draws.mean(axis=0))
        assert np.allclose(table["sd"], draws.std(axis=0, ddof=1))
        interval = getattr(array_stats, kind)(draws.T, prob=prob, axis=-1)
        assert np.allclose(
            table[[f"{kind}{100 * prob:g}_lb", f"{kind}{100 * prob:g}_ub"]], interval
        )


def test_the_table_of_one_draw() -> None:
    fit = _fit("gaussian", chains=1, draws=1)
    table = fit.epred(summary=True)
    assert table["sd"].isna().all()
    assert np.allclose(table["mean"], table["eti89_ub"])


def test_the_table_has_the_index_of_the_rows(sleep: hl.Fit) -> None:
    new = pd.DataFrame({"Days": [0, 9], "Subject": ["308", "309"]}, index=["first", "last"])
    table = sleep.epred(new, summary=True)
    assert list(table.index) == ["first", "last"]
    assert list(new.join(table).columns[:3]) == ["Days", "Subject", "mean"]
    assert list(sleep.epred(summary=True).index) == list(range(180))


def test_a_seed_gives_the_same_draws(sleep: hl.Fit) -> None:
    one, two = sleep.predict(seed=1), sleep.predict(seed=1)
    assert one["posterior_predictive"].to_dataset().equals(two["posterior_predictive"].to_dataset())
    other = sleep.predict(seed=2)["posterior_predictive"]["Reaction"]
    assert not np.allclose(other, one["posterior_predictive"]["Reaction"])
    generated = [sleep.predict(seed=np.random.default_rng(5), summary=True) for _ in range(2)]
    assert generated[0].equals(generated[1])
    unseeded = sleep.predict()
    again = sleep.predict(seed=unseeded.attrs["seed"])
    assert (
        again["posterior_predictive"]
        .to_dataset()
        .equals(unseeded["posterior_predictive"].to_dataset())
    )


@pytest.mark.parametrize("bad", [-1, 1.5, "one", True])
def test_bad_seeds(sleep: hl.Fit, bad: object) -> None:
    with pytest.raises(hl.DataError, match="seed is a whole number"):
        sleep.predict(seed=bad)


@pytest.mark.parametrize("family", RESPONSES)
def test_rows_do_not_depend_on_those_after_them(family: str) -> None:
    fit = _fit(family, draws=20)
    frame = pd.concat([table()] * 4, ignore_index=True)
    fewer = fit.predict(frame[:100], seed=1)["predictions"][fit_name(fit)]
    more = fit.predict(frame, seed=1)["predictions"][fit_name(fit)]
    assert np.allclose(fewer, more[..., :100], rtol=1e-10)


def fit_name(fit: hl.Fit) -> str:
    return fit.spec.response


def test_rows_and_draws_have_independent_noise(sleep: hl.Fit) -> None:
    y = sleep.predict(seed=1)["posterior_predictive"]["Reaction"].to_numpy().reshape(1000, -1)
    noise = y - sleep.epred()["predictions"]["epred"].to_numpy().reshape(1000, -1)
    across = np.corrcoef(noise.T)[np.triu_indices(180, 1)]
    assert np.abs(across).max() < 6 / np.sqrt(1000)  # 16,110 pairs, three blocks of rows


def test_the_number_of_threads_changes_nothing(
    sleep: hl.Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = sleep.predict(seed=1, summary=True)
    monkeypatch.setattr(predictive, "_WORKERS", 1)
    assert sleep.predict(seed=1, summary=True).equals(many)


def test_arviz_takes_the_tree(sleep: hl.Fit) -> None:
    tree = sleep.predict(seed=1)
    assert list(tree) == ["posterior_predictive", "observed_data"]
    arviz_plots.plot_ppc_dist(tree, backend="none")
    arviz_plots.plot_ppc_pit(tree, backend="none")
    seen = tree["observed_data"]["Reaction"]
    assert np.array_equal(seen, sleep.idata["observed_data"]["Reaction"])
    assert arviz_stats.summary(tree, group="posterior_predictive", kind="stats").shape[0] == 180


def test_too_many_draws_are_refused_beforehand(sleep: hl.Fit) -> None:
    new = {"Days": np.zeros(200_000), "Subject": np.full(200_000, 308)}
    with pytest.raises(hl.DataError, match=r"1,000 draws of 200,000 rows take 1.5 GiB") as raised:
        sleep.epred(new)
    assert "summary=True" in str(raised.value)
    assert "num_draws=668 would fit" in str(raised.value)
    assert sleep.epred(new, num_draws=8)["predictions"].sizes["draw"] == 2


def test_a_transformed_response() -> None:
    fit = synthetic_fit(hl.Model("log(positive) ~ x + (1 | g)", table()), draws=50)
    on_log = fit.predict(seed=1)
    assert list(on_log["posterior_predictive"]) == ["log(positive)"]
    back = fit.predict(seed=1, back_transform=True)
    logs = on_log["posterior_predictive"]["log(positive)"]
    assert np.allclose(back["posterior_predictive"]["positive"], np.exp(logs))
    assert np.allclose(back["observed_data"]["positive"], table()["positive"])
    assert np.allclose(fit.epred()["predictions"]["epred"], fit.linpred()["predictions"]["linpred"])
    table_back = fit.predict(seed=1, back_transform=True, summary=True)
    assert np.allclose(table_back["mean"], np.exp(logs).mean(("chain", "draw")))


@pytest.mark.parametrize(
    "response",
    [
        *("sqrt(positive)", "log10(positive)", "np.log1p(positive)", "exp(y)", "expm1(y)"),
        *("center(y)", "scale(log(positive))", "standardize(year)", "y", "I(y)", "log2(year)"),
        "log(sqrt(positive))",
    ],
)
def test_responses_that_can_be_taken_back(response: str) -> None:
    fit = synthetic_fit(hl.Model(f"{response} ~ x + (1 | g)", table()), draws=2)
    tree = fit.predict(seed=1, back_transform=True)
    column = next(name for name in ("positive", "year", "y") if name in response)
    assert list(tree["observed_data"]) == [column]
    assert np.allclose(tree["observed_data"][column], table()[column])
    assert list(tree["posterior_predictive"]) == [column]


@pytest.mark.parametrize("response", ["I(y - x)", "abs(y)", "log(center(year) + 50)", "own(y)"])
def test_responses_that_cannot_be_taken_back(response: str) -> None:
    model = hl.Model(f"{response} ~ x + (1 | g)", table(), functions={"own": np.cbrt})
    with pytest.raises(hl.DataError, match="has no inverse that is known here"):
        synthetic_fit(model, draws=2).predict(back_transform=True)


def test_a_mean_that_overflows_is_infinite() -> None:
    fit = synthetic_fit(hl.Model("count ~ x + (1 | g)", table(), family="poisson"), draws=2)
    rows = {"x": [1e8, -1e8], "g": ["g00", "g00"]}
    assert np.isinf(fit.epred(rows)["predictions"]["epred"]).any()
    summary = fit.epred(rows, summary=True)
    assert np.isnan(summary["sd"]).all()
    assert np.isinf(summary["eti89_ub"]).all()
    with pytest.raises(hl.FamilyError, match=r"no poisson response can be drawn .* as high as inf"):
        fit.predict(rows)


def test_a_response_with_categories_and_a_reserved_factor() -> None:
    data = table(draw=np.repeat([f"d{i:02d}" for i in range(12)], 5))
    fit = synthetic_fit(hl.Model("answer ~ x + (1 | draw)", data, family="bernoulli"), draws=20)
    assert names.levels_dim("draw") == "draw_level"
    y = fit.predict(seed=1)["posterior_predictive"]["answer"]
    assert set(np.unique(y)) == {0, 1}
