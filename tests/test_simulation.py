from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import hierlm as hl
from hierlm import names
from hierlm.covariance import Covariance
from hierlm.errors import DataError, FormulaError, HierlmWarning, PriorError
from hierlm.simulation import (
    chunks,
    draw_effects,
    draw_prior,
    draw_responses,
    prior_predictive,
    simulate,
)
from hierlm.simulation import responses as responses_module

SLEEP = "Reaction ~ Days + (Days | Subject)"
TRUTH = {"Intercept": 250, "Days": 10, "sd_Subject": [25, 6], "cor_Subject": 0.1, "sigma": 25}


def sleep(**priors: object) -> hl.Model:
    return hl.Model(SLEEP, hl.load_dataset("sleepstudy"), priors=priors)


def within(estimate: np.ndarray, truth: np.ndarray, draws: np.ndarray) -> bool:
    """Whether a mean over the first axis is within five Monte Carlo standard errors."""
    return bool(np.all(np.abs(estimate - truth) < 5 * draws.std(axis=0) / np.sqrt(len(draws))))


def test_every_parameter_has_the_distribution_of_its_prior() -> None:
    model = sleep()
    values = draw_prior(model.spec, 4000, np.random.default_rng(1))
    at_means = values["beta"] @ np.asarray(model.spec.encoding.common.means)
    drawn = {
        "Intercept_centered": at_means,
        "Days": values["beta"][:, 1],
        "sd_Subject[Intercept]": values["sd_Subject"][:, 0],
        "sd_Subject[Days]": values["sd_Subject"][:, 1],
        "sigma": values["sigma"],
    }
    for name, draws in drawn.items():
        assert stats.kstest(draws, model.spec.priors[name].cdf).pvalue > 1e-3, name
    assert stats.kstest(values["cor_Subject"][:, 0], hl.LKJ(2).marginal(2).cdf).pvalue > 1e-3


def test_an_intercept_with_a_prior_of_its_own_is_at_zero() -> None:
    values = draw_prior(sleep(Intercept="normal(100, 1)").spec, 500, np.random.default_rng(1))
    assert within(values["beta"][:, 0].mean(), np.asarray(100), values["beta"][:, 0])


def test_correlations_of_three_coefficients_have_the_marginal_lkj() -> None:
    model = hl.Model("score ~ Machine + (Machine | Worker)", hl.load_dataset("Machines"))
    values = draw_prior(model.spec, 4000, np.random.default_rng(2))
    for k in range(3):
        assert stats.kstest(values["cor_Worker"][:, k], hl.LKJ(2).marginal(3).cdf).pvalue > 1e-3


def test_effects_have_the_covariance_they_are_drawn_from() -> None:
    covariance = Covariance.unstructured(2).then(Covariance.diagonal(1))
    sd, cor = np.array([2.0, 0.5, 1.0]), np.array([-0.7])
    b = draw_effects(covariance, sd[None], cor[None], 50_000, np.random.default_rng(3))[0]
    products = b[:, :, None] * b[:, None, :]
    assert within(products.mean(axis=0), covariance.covariance(sd, cor), products)


def test_effects_at_a_correlation_of_one_are_collinear() -> None:
    b = draw_effects(
        Covariance.unstructured(2), np.ones((1, 2)), np.ones((1, 1)), 9, np.random.default_rng(0)
    )
    assert b[..., 0] == pytest.approx(b[..., 1], abs=1e-4)


def test_fixed_parameters_are_what_they_are() -> None:
    model = sleep(sigma=25, cor=0.3)
    values = draw_prior(model.spec, 7, np.random.default_rng(1))
    assert values["sigma"].tolist() == [25.0] * 7
    assert values["cor_Subject"].tolist() == [[0.3]] * 7


def test_an_improper_prior_is_refused_by_name() -> None:
    model = sleep(Days=hl.Flat())
    with pytest.raises(PriorError, match=r"the prior of Days is Flat\(\).*\n.*normal\(0, 100\)"):
        prior_predictive(model.spec, model.design)


def test_moments_of_prior_predictions_are_the_analytic_ones() -> None:
    priors = {"Intercept": "normal(250, 10)", "Days": "normal(5, 3)", "sd_Subject[Intercept]": 20}
    model = sleep(**priors, **{"sd_Subject[Days]": 4, "cor_Subject": -0.5, "sigma": 15})
    tree = prior_predictive(model.spec, model.design, draws=20_000, seed=4)
    y = tree["prior_predictive"]["Reaction"].to_numpy()[0, :, :10]
    x = np.arange(10.0)
    z = np.column_stack([np.ones(10), x])
    sigma = np.array([[400.0, -40.0], [-40.0, 16.0]])
    variance = 100 + 9 * x**2 + np.einsum("ni,ij,nj->n", z, sigma, z) + 225
    assert within(y.mean(axis=0), 250 + 5 * x, y)
    squares = np.square(y - (250 + 5 * x))
    assert within(squares.mean(axis=0), variance, squares)


def test_the_tree_has_the_names_of_the_posterior() -> None:
    model = sleep()
    tree = prior_predictive(model.spec, model.design, draws=5, seed=1)
    assert tree["prior"]["beta"].dims == ("chain", "draw", "coef")
    assert tree["prior"]["r_Subject"].shape == (1, 5, 18, 2)
    assert tree["prior_predictive"]["Reaction"].dims == ("chain", "draw", names.OBS)
    assert tree["observed_data"]["Reaction"].to_numpy() == pytest.approx(model.design.response)


def test_the_same_seed_gives_the_same_draws() -> None:
    model = sleep()
    one, same, other = (
        prior_predictive(model.spec, model.design, draws=3, seed=seed) for seed in (1, 1, 2)
    )
    assert one.identical(same)
    assert not one.identical(other)


def test_draws_must_be_a_positive_number() -> None:
    model = sleep()
    with pytest.raises(DataError, match="positive whole number; came 0"):
        prior_predictive(model.spec, model.design, draws=0)


def test_absurd_counts_are_drawn_with_a_warning() -> None:
    model = hl.Model(
        "TICKS ~ 1 + (1 | BROOD)",
        hl.load_dataset("grouseticks"),
        family="poisson",
        priors={"Intercept": "normal(60, 1)"},
    )
    with pytest.warns(HierlmWarning, match="expected counts above 1e15"):
        prior_predictive(model.spec, model.design, draws=2, seed=1)


def test_chunks_cover_the_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses_module, "_CELLS", 20)
    assert [list(range(10))[rows] for rows in chunks(10, 5)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_rows_of_a_design_predict_what_the_rows_do() -> None:
    model = sleep()
    values = draw_prior(model.spec, 3, np.random.default_rng(1))
    whole = responses_module.linear_predictor(model.design, values)
    part = responses_module.linear_predictor(model.design.take(slice(20, 50)), values)
    assert part == pytest.approx(whole[:, 20:50], rel=1e-12)


def test_known_sds_and_trials_are_those_of_their_rows() -> None:
    data = {"y": [0.0, 1.0, 2.0], "s": [1e-9, 1e-9, 50.0], "x": [1.0, 2.0, 3.0]}
    model = hl.Model("y | se(s) ~ x", data, priors={"Intercept": 1, "x": 2})
    values = draw_prior(model.spec, 400, np.random.default_rng(1))
    y = draw_responses(model.spec, model.design, values, np.random.default_rng(2))
    assert y[:, :2] == pytest.approx(np.broadcast_to([3.0, 5.0], (400, 2)), abs=1e-6)
    assert 40 < y[:, 2].std() < 60
    binomial = hl.Model(
        "p(y, n) ~ 1", {"y": [1, 2], "n": [1, 9]}, family="binomial", priors={"Intercept": 60}
    )
    values = draw_prior(binomial.spec, 2, np.random.default_rng(1))
    drawn = draw_responses(binomial.spec, binomial.design, values, np.random.default_rng(1))
    assert drawn.tolist() == [[1, 9], [1, 9]]


class TestSimulate:
    def test_without_noise_it_is_the_linear_predictor(self) -> None:
        plan = {"x": [0.0, 1.0, 2.0], "g": ["a", "b", "a"]}
        params = {"Intercept": 1, "x": 2, "sd_g": 1, "r_g": [[10.0], [20.0]], "sigma": 1e-12}
        fake = simulate("y ~ x + (1 | g)", plan, params)
        assert fake["y"].tolist() == pytest.approx([11, 23, 15])

    def test_what_was_used_goes_along(self) -> None:
        fake = simulate(SLEEP, hl.load_dataset("sleepstudy"), TRUTH, seed=1)
        assert list(fake.columns) == ["Reaction", "Days", "Subject"]
        assert fake.attrs["parameters"]["sd_Subject[Days]"] == 6
        assert len(fake.attrs["parameters"]) == 2 + 2 + 1 + 36 + 1

    def test_the_most_specific_value_counts(self) -> None:
        """Also beside zeros, which no prior can say, and beside single correlations."""
        rows = {"g": np.repeat(np.arange(9), 6), "x": np.arange(54) % 7, "z": np.arange(54) % 5}
        common = {"Intercept": 0.0, "beta": 0.0, "sigma": 1.0}
        given = [
            ({"sd": 0, "sd_g": 5}, [5, 5, 5], [0, 0, 0]),
            ({"sd_g": 0, "sd_g[x]": 5}, [0, 5, 0], [0, 0, 0]),
            ({"sd": 2, "sd_g[x]": 0}, [2, 0, 2], [0, 0, 0]),
            ({"sd": 0}, [0, 0, 0], [0, 0, 0]),
            ({"sd": 1, "cor_g[x, z]": 0.1}, [1, 1, 1], [0, 0, 0.1]),
        ]
        for params, sds, cors in given:
            cor = {} if "cor_g[x, z]" in params else {"cor": 0.0}
            fake = simulate("y ~ x + z + (x + z | g)", rows, common | cor | params, seed=1)
            used = fake.attrs["parameters"]
            assert [used[f"sd_g[{name}]"] for name in ("Intercept", "x", "z")] == sds
            assert [used[name] for name in used if name.startswith("cor_g")] == cors
        params = common | {"sd": 1, "cor": 0.4, "cor_g[x, z]": 0.1}
        used = simulate("y ~ x + z + (x + z | g)", rows, params, seed=1).attrs["parameters"]
        assert [used[name] for name in used if name.startswith("cor_g")] == [0.4, 0.4, 0.1]

    def test_a_zero_sd_gives_no_effects(self) -> None:
        fake = simulate(SLEEP, hl.load_dataset("sleepstudy"), TRUTH | {"sd_Subject": [25, 0]})
        used = fake.attrs["parameters"]
        assert used["sd_Subject[Days]"] == 0
        assert all(v == 0 for k, v in used.items() if k.startswith("r_") and "Days]" in k)

    def test_effects_follow_sigma(self) -> None:
        plan = {"x": np.tile([0.0, 1.0], 5000), "g": np.repeat(np.arange(5000), 2)}
        params = {"Intercept": 0, "x": 0, "sd_g": [2, 1], "cor_g": -0.5, "sigma": 1e-9}
        y = simulate("y ~ x + (x | g)", plan, params, seed=5)["y"].to_numpy().reshape(-1, 2)
        b = np.column_stack([y[:, 0], y[:, 1] - y[:, 0]])
        products = b[:, :, None] * b[:, None, :]
        assert within(products.mean(axis=0), np.array([[4.0, -1.0], [-1.0, 1.0]]), products)

    def test_single_correlations_can_be_given(self) -> None:
        data = hl.load_dataset("Machines")
        params = {"Intercept": 50, "beta": 5, "sd": 3, "sigma": 1}
        pair = "cor_Worker[Intercept, Machine[B]]"
        used = simulate(
            "score ~ Machine + (Machine | Worker)", data, params | {pair: 0.6}, seed=1
        ).attrs["parameters"]
        assert used[pair] == 0.6
        assert used["cor_Worker[Machine[B], Machine[C]]"] == 0

    def test_a_prior_is_drawn_from(self) -> None:
        params = TRUTH | {"Days": "normal(10, 2)"}
        data = hl.load_dataset("sleepstudy")
        days = [simulate(SLEEP, data, params, seed=k).attrs["parameters"]["Days"] for k in range(3)]
        assert len(set(days)) == 3

    def test_the_response_need_not_be_there_and_has_no_part(self) -> None:
        data = hl.load_dataset("sleepstudy")
        spoilt = data.assign(Reaction=np.nan)
        one, two, three = (
            simulate(SLEEP, table, TRUTH, seed=1)["Reaction"].to_numpy()
            for table in (data, spoilt, data.drop(columns="Reaction"))
        )
        assert one == pytest.approx(two)
        assert one == pytest.approx(three)

    @pytest.mark.parametrize(
        ("family", "params"),
        [
            ("poisson", {}),
            ("negbinomial", {"alpha": 2}),
            ("bernoulli", {}),
            ("gamma", {"alpha": 3}),
        ],
    )
    def test_what_is_drawn_can_be_fitted(self, family: str, params: dict[str, float]) -> None:
        plan = {"x": np.linspace(-1, 1, 40), "g": np.tile(np.arange(8), 5)}
        params = {"Intercept": 0.5, "x": 1, "sd_g": 0.3} | params
        fake = simulate("y ~ x + (1 | g)", plan, params, family=family, seed=1)
        assert hl.Model("y ~ x + (1 | g)", fake, family=family).design.n == 40

    def test_trials(self) -> None:
        plan = {"n": [5, 50], "x": [0, 1]}
        fake = simulate("p(y, n) ~ x", plan, {"Intercept": 0, "x": 60}, family="binomial", seed=1)
        assert fake["y"].tolist()[1] == 50
        with pytest.raises(FormulaError, match="takes no trials"):
            simulate("p(y, n) ~ x", plan, {"Intercept": 0, "x": 1, "sigma": 1})

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"Intercept": 1}, "the parameters Days, sd_Subject.*have no value"),
            (TRUTH | {"Dys": 1}, "Did you mean 'Days'"),
            (TRUTH | {"sd_Subject": [1, 2, 3]}, "has 2 elements .Intercept, Days.; came 3"),
            (TRUTH | {"cor_Subject[Intercept, Days]": 1.5}, "not possible together"),
            (TRUTH | {"cor_Subject[Intercept, Days]": "lkj(2)"}, "of one pair, is a number"),
            ([1, 2], "params are a dict"),
        ],
    )
    def test_wrong_parameters_are_refused(self, params: dict[str, object], message: str) -> None:
        given = dict(params) if isinstance(params, dict) else params
        if "cor_Subject[Intercept, Days]" in given:
            del given["cor_Subject"]
        with pytest.raises(PriorError, match=message):
            simulate(SLEEP, hl.load_dataset("sleepstudy"), given)

    def test_effects_of_another_shape_are_refused(self) -> None:
        params = TRUTH | {"r_Subject": np.zeros((18, 1))}
        with pytest.raises(DataError, match=r"shape \(18, 2\), levels by coefficients"):
            simulate(SLEEP, hl.load_dataset("sleepstudy"), params)
        for effects, message in [
            ("ab", "no array of numbers"),
            (np.full((18, 2), np.nan), "finite"),
        ]:
            with pytest.raises(DataError, match=message):
                simulate(SLEEP, hl.load_dataset("sleepstudy"), TRUTH | {"r_Subject": effects})

    @pytest.mark.parametrize(
        ("family", "shape", "message"),
        [("gamma", "alpha", "3 of 3 values are not finite"), ("beta", "kappa", "strictly between")],
    )
    def test_responses_that_cannot_be_are_refused(
        self, family: str, shape: str, message: str
    ) -> None:
        params = {"Intercept": 800.0, shape: 1.0}
        with pytest.raises(DataError, match=f"lead to a response (.|\\n)*{message}"):
            simulate("y ~ 1", {"x": [1, 2, 3]}, params, family=family, seed=1)

    def test_rows_with_weights_are_refused(self) -> None:
        with pytest.raises(DataError, match="nothing can be simulated"):
            simulate("y | weights(w) ~ 1", {"w": [1, 2]}, {"Intercept": 0, "sigma": 1})

    def test_a_computed_response_is_refused(self) -> None:
        with pytest.raises(FormulaError, match="plain column"):
            simulate("log(y) ~ 1 + (1 | g)", {"y": [1.0], "g": [1]}, {})


@pytest.mark.mcmc
def test_pymc_draws_the_same_prior_predictions() -> None:
    import pymc as pm

    model = sleep()
    ours = prior_predictive(model.spec, model.design, draws=4000, seed=1)
    with model.pymc():
        theirs = pm.sample_prior_predictive(draws=4000, random_seed=1)
    for group, variable in (
        ("prior", "beta"),
        ("prior", "sd_Subject"),
        ("prior", "cor_Subject"),
        ("prior_predictive", "Reaction"),
    ):
        a, b = (tree[group][variable].to_numpy()[0].reshape(4000, -1) for tree in (ours, theirs))
        p = [stats.ks_2samp(x, y).pvalue for x, y in zip(a.T, b.T, strict=True)]
        assert min(p) > 1e-5, (variable, min(p))


def test_simulate_takes_a_data_frame_with_gaps() -> None:
    data = pd.DataFrame({"x": [0.0, 1.0, np.nan], "g": ["a", "b", "a"]})
    params = {"Intercept": 0, "x": 1, "sd_g": 1, "sigma": 1}
    with pytest.warns(hl.DataWarning, match="1 of 3 rows"):
        assert len(simulate("y ~ x + (1 | g)", data, params, seed=1)) == 2
