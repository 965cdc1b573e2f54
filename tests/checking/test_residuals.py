from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from helpers.fits import synthetic_fit
from scipy import stats

import hierlm as hl
from hierlm.checking import residual_draws, residual_tests, residuals
from hierlm.checking.replicates import p_value, with_new_effects
from hierlm.checking.residual_tests import combine, given_effects, two_sided
from hierlm.errors import DataError, FamilyError
from hierlm.results import Fit
from hierlm.simulation import responses, simulate

Known = Callable[..., Fit]

PLAN = {"x": np.tile(np.linspace(-1, 1, 10), 30), "g": np.repeat(np.arange(30), 10)}
SHAPES = {
    "gaussian": {"sigma": 0.7},
    "student": {"sigma": 0.7, "nu": 5.0},
    "lognormal": {"sigma": 0.7},
    "gamma": {"alpha": 2.0},
    "beta": {"kappa": 8.0},
    "bernoulli": {},
    "binomial": {},
    "poisson": {},
    "negbinomial": {"alpha": 1.5},
}


def truth(family: str, known: Known, seed: int, *, fitted: str | None = None, **more: float) -> Fit:
    """Return a fit whose draws are the parameters that made the data (but for the family)."""
    params = {"Intercept": 1.0, "x": 0.5, "sd_g": 0.6} | SHAPES[family] | more
    formula, plan = "y ~ x + (1 | g)", dict(PLAN)
    if family == "binomial":
        formula, plan = "p(y, n) ~ x + (1 | g)", plan | {"n": np.tile([1, 4, 12], 100)}
    fake = simulate(formula, plan, params, family=family, seed=seed)
    used = fake.attrs["parameters"]
    values = {"beta": [used["Intercept"], used["x"]], "sd_g": [used["sd_g[Intercept]"]]}
    values["r_g"] = [[v] for k, v in used.items() if k.startswith("r_g")]
    model = hl.Model(formula, fake, family=fitted or family)
    return known(model, {k: np.asarray(v) for k, v in (values | SHAPES[family]).items()})


@pytest.mark.parametrize("groups", ["all", "new"])
@pytest.mark.parametrize("family", SHAPES)
def test_quantile_residuals_of_the_model_itself_are_uniform(
    family: str, groups: str, known: Known
) -> None:
    fit = truth(family, known, 11)
    u = residuals(fit.spec, fit.design, fit.idata, "quantile", groups=groups, seed=3)
    if groups == "new":  # rows of a level depend on each other: one row of each
        u = u[::10]
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    tests = residual_tests(fit.spec, fit.design, fit.idata, groups=groups, seed=3)
    assert tests["p_value"].min() > 1e-3


def test_a_poisson_fit_to_overdispersed_counts_is_found_out(known: Known) -> None:
    fit = truth("negbinomial", known, 12, fitted="poisson")
    u = residuals(fit.spec, fit.design, fit.idata, "quantile")
    assert stats.kstest(u, "uniform").pvalue < 1e-6
    tests = given_effects(fit.spec, fit.design, fit.idata)
    by_name = {test.name: test for test in tests}
    for name in ("uniformity", "dispersion", "zeros", "outliers"):
        assert by_name[name].p_value < 1e-3, name
        assert by_name[name].observed > by_name[name].expected, name
    # with effects redrawn the spread of the levels hides that of the rows, but not the zeros
    new = {test.name: test for test in with_new_effects(fit.spec, fit.design, fit.idata)}
    assert new["zeros"].p_value < 0.02


def test_underdispersion_is_found_out(known: Known) -> None:
    fit = truth("gaussian", known, 13)
    fit.idata["posterior"]["sigma"] = fit.idata["posterior"]["sigma"] * 2
    tests = {test.name: test for test in given_effects(fit.spec, fit.design, fit.idata)}
    assert tests["dispersion"].p_value < 1e-6
    assert tests["dispersion"].observed == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("family", ["gaussian", "poisson", "bernoulli"])
@pytest.mark.parametrize("tests", [given_effects, with_new_effects])
def test_tests_reject_a_right_model_as_often_as_they_say(
    tests: Callable[..., list], family: str, known: Known
) -> None:
    replications = 80
    p: dict[str, list[float]] = {}
    for seed in range(replications):
        fit = truth(family, known, 1000 + seed)
        for test in tests(fit.spec, fit.design, fit.idata, samples=39, seed=seed):
            p.setdefault(test.name, []).append(test.p_value)
    for name, values in p.items():
        rejected = int(np.sum(np.array(values) <= 0.1))
        # combining randomised p-values that are correlated costs up to 0.018 at 0.1: see the
        # docstring of the module, and `test_combining_correlated_p_values_costs_little`
        size = 0.1 if family == "gaussian" or tests is with_new_effects else 0.118
        assert rejected <= stats.binom.ppf(0.9995, replications, size), (name, rejected)
        if name != "outliers":
            assert rejected >= stats.binom.ppf(0.0005, replications, 0.1), (name, rejected)


def test_gaussian_residuals_are_what_the_formulas_say(known: Known) -> None:
    fit = truth("gaussian", known, 14)
    y = fit.design.response
    values = {name: fit.idata["posterior"][name].to_numpy()[0, 0] for name in ("beta", "r_g")}
    mu = fit.design.X @ values["beta"] + values["r_g"][fit.design.blocks[0].codes, 0]
    args = fit.spec, fit.design, fit.idata
    assert residuals(*args, "response").to_numpy() == pytest.approx(y - mu)
    assert residuals(*args, "pearson").to_numpy() == pytest.approx((y - mu) / 0.7)
    assert residuals(*args, "normal").to_numpy() == pytest.approx((y - mu) / 0.7)
    assert residuals(*args).to_numpy() == pytest.approx(stats.norm.cdf((y - mu) / 0.7))


def test_pearson_residuals_with_new_effects_have_the_whole_variance(known: Known) -> None:
    fit = truth("gaussian", known, 15)
    args = fit.spec, fit.design, fit.idata
    z = residuals(*args, "pearson", groups="new", seed=1)
    fixed = fit.design.X @ fit.idata["posterior"]["beta"].to_numpy()[0, 0]
    expected = (fit.design.response - fixed) / np.hypot(0.7, 0.6)
    assert np.corrcoef(z, expected)[0, 1] > 0.97
    assert z.std() == pytest.approx(expected.std(), rel=0.1)


def test_discrete_quantile_residuals_lie_within_the_jump(known: Known) -> None:
    fit = truth("poisson", known, 16)
    u = residuals(fit.spec, fit.design, fit.idata, seed=5).to_numpy()
    eta = fit.design.linear_predictor(
        *(lambda p: (p["beta"].to_numpy()[0, 0], {"g": p["r_g"].to_numpy()[0, 0]}))(
            fit.idata["posterior"]
        )
    )
    y, mu = fit.design.response, np.exp(eta)
    assert np.all(u >= stats.poisson.cdf(y - 1, mu))
    assert np.all(u <= stats.poisson.cdf(y, mu))


def test_residuals_given_each_draw(known: Known) -> None:
    fit = truth("poisson", known, 17)
    args = fit.spec, fit.design, fit.idata
    draws = residual_draws(*args, "response")
    assert draws.dims == ("chain", "draw", "__obs__")
    assert draws.mean(("chain", "draw")).to_numpy() == pytest.approx(residuals(*args, "response"))
    u = residual_draws(*args, "quantile", seed=1)
    assert stats.kstest(u.to_numpy()[0, 0], "uniform").pvalue > 1e-3
    pearson = residual_draws(*args, "pearson").to_numpy()[0, 0]
    assert pearson == pytest.approx(residuals(*args, "pearson"))


def test_chunks_make_no_difference(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = truth("gaussian", known, 18)
    args = fit.spec, fit.design, fit.idata
    whole, tests = residuals(*args), given_effects(*args)
    monkeypatch.setattr(responses, "_CELLS", 1000)
    assert residuals(*args).to_numpy() == pytest.approx(whole.to_numpy(), rel=1e-12)
    for one, other in zip(given_effects(*args), tests, strict=True):
        assert one.p_value == pytest.approx(other.p_value, rel=1e-9)


def test_the_same_seed_gives_the_same_residuals(known: Known) -> None:
    fit = truth("poisson", known, 19)
    args = fit.spec, fit.design, fit.idata
    assert residuals(*args, seed=1).equals(residuals(*args, seed=1))
    assert not residuals(*args, seed=1).equals(residuals(*args, seed=2))


def test_wrong_arguments_are_refused(known: Known) -> None:
    fit = truth("poisson", known, 20)
    args = fit.spec, fit.design, fit.idata
    with pytest.raises(DataError, match="kind is 'deviance'; allowed: 'response'"):
        residuals(*args, "deviance")
    with pytest.raises(DataError, match="groups is 'none'; allowed: 'all'"):
        residuals(*args, groups="none")
    with pytest.raises(DataError, match="groups is 'none'"):
        residual_tests(*args, groups="none")


def test_a_response_without_variance_has_no_pearson_residual(known: Known) -> None:
    fit = truth("student", known, 21)
    fit.idata["posterior"]["nu"] = fit.idata["posterior"]["nu"] * 0 + 1.5
    with pytest.raises(FamilyError, match="no Pearson"):
        residuals(fit.spec, fit.design, fit.idata, "pearson")


def test_a_count_of_unequal_chances_has_nearly_its_exact_p_value() -> None:
    chances = np.linspace(0.01, 0.6, 25)
    exact = np.ones(1)
    for p in chances:  # the distribution of the sum, by convolution
        exact = np.convolve(exact, [1 - p, p])
    mean, variance = chances.sum(), float(chances @ (1 - chances))
    for count in range(26):
        middle = exact[:count].sum() + 0.5 * exact[count]
        p = 2 * min(middle, 1 - middle)
        ours = float(two_sided(*(np.array([v]) for v in (float(count), mean, variance)))[0])
        assert ours == pytest.approx(p, abs=5e-3)


def test_combined_p_values() -> None:
    assert combine(np.array([0.2])) == pytest.approx(0.2)
    assert combine(np.full(9, 1e-20)) == pytest.approx(1e-20)
    assert 0 <= combine(np.array([0.0, 1.0])) < 1e-200
    rng = np.random.default_rng(0)
    independent = np.array([combine(rng.uniform(size=20)) for _ in range(2000)])
    assert stats.kstest(independent, "uniform").pvalue > 1e-3


def test_combining_correlated_p_values_costs_little() -> None:
    rng = np.random.default_rng(1)
    shared, own = rng.standard_normal((4000, 1)), rng.standard_normal((4000, 50))
    z = np.sqrt(0.6) * shared + np.sqrt(0.4) * own
    p = np.array([combine(row) for row in 2 * stats.norm.sf(np.abs(z))])
    for level, worst in ((0.01, 0.015), (0.05, 0.066), (0.1, 0.118)):
        rejected = int(np.sum(p <= level))
        assert stats.binom.ppf(0.0005, 4000, level) <= rejected
        assert rejected <= stats.binom.ppf(0.9995, 4000, worst)


def test_permuted_values_give_every_p_value_equally_often() -> None:
    p = [p_value(np.array(v), one_sided=True) for v in itertools.permutations([1.0, 2.0, 3.0, 4.0])]
    assert sorted(set(p)) == [0.25, 0.5, 0.75, 1.0]
    assert all(p.count(value) == 6 for value in set(p))


@pytest.mark.statistical
@pytest.mark.filterwarnings("ignore::hierlm.errors.ConvergenceWarning")
def test_residuals_of_real_fits_have_their_size() -> None:
    """Two rows per level: the effects have eaten much of the residuals, and tests still hold."""
    plan = {"g": np.repeat(np.arange(40), 2)}
    params = {"Intercept": 0, "sd_g": 1, "sigma": 1}
    p: dict[str, list[float]] = {}
    for seed in range(100):
        fake = simulate("y ~ 1 + (1 | g)", plan, params, seed=seed)
        fit = hl.fit("y ~ 1 + (1 | g)", fake, draws=300, seed=seed, progress=False)
        for name, row in residual_tests(fit.spec, fit.design, fit.idata, seed=seed).iterrows():
            p.setdefault(str(name), []).append(float(row["p_value"]))
    for name, values in p.items():
        rejected = int(np.sum(np.array(values) < 0.05))
        assert rejected <= stats.binom.ppf(0.999, 100, 0.05), (name, rejected)


@pytest.mark.parametrize("kind", ["quantile", "pearson", "response"])
def test_residuals_of_means_that_no_response_has_are_refused(kind: str) -> None:
    data = {"y": [1.0, 2.0, 3.0] * 4, "g": list("abcdef") * 2}
    model = hl.Model("y ~ 1 + (1 | g)", data, family="gamma", link="identity")
    fit = synthetic_fit(model, draws=50)  # means below zero among its draws
    with pytest.raises(FamilyError, match="the mean is none that a gamma response can have"):
        fit.residuals(kind, groups="new")


def test_a_student_response_is_left_of_its_centre() -> None:
    data = {"y": [1.0, 2.0, 3.5] * 4, "g": list("abcdef") * 2}
    fit = synthetic_fit(hl.Model("y ~ 1 + (1 | g)", data, family="student"), draws=50)
    fit.idata["posterior"]["nu"][:] = 0.8  # no mean, no variance
    centre = fit.epred()["predictions"]["epred"].mean(("chain", "draw"))
    np.testing.assert_allclose(fit.residuals("response"), fit.frame["y"] - centre)
    with pytest.raises(FamilyError, match="a student response has no variance"):
        fit.residuals("pearson")
