from __future__ import annotations

import contextlib
import random

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers.fits import synthetic_fit
from scipy import stats

import hierlm as hl
from hierlm.contrasts.expressions import Operation
from hierlm.contrasts.hypotheses import hypothesis
from hierlm.contrasts.posterior_density import density_at
from hierlm.contrasts.prior_density import PriorDensity, density_at_zero, draw_priors
from hierlm.contrasts.quantities import Quantities
from hierlm.contrasts.reading import parse
from hierlm.results import Fit
from hierlm.summaries import Interval


@pytest.fixture(scope="module")
def fit() -> Fit:
    data = hl.load_dataset("sleepstudy")
    return synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data))


def _ask(fit: Fit, text: object, **options: object) -> pd.DataFrame:
    return hypothesis(fit.spec, fit.idata, text, Interval(), **options)


def _with(fit: Fit, **draws: np.ndarray) -> Fit:
    """Return the fit with other draws, arrays of shape (chains, draws, ...)."""
    posterior = fit.idata["posterior"].to_dataset()
    changed = {name: (posterior[name].dims, values) for name, values in draws.items()}
    idata = fit.idata.copy()
    idata["posterior"] = xr.DataTree(posterior.drop_vars(changed).assign(changed))
    return Fit(fit.spec, fit.design, fit.frame, idata)


def _flat(fit: Fit, name: str, **where: str) -> np.ndarray:
    return fit.idata["posterior"][name].sel(where).to_numpy().ravel()


@pytest.mark.parametrize(
    ("text", "by_hand"),
    [
        ("Days > 0.1", lambda d, s, r: d > 0.1),
        ("Days < -Days / 2 + 0.1", lambda d, s, r: d < -d / 2 + 0.1),
        ("sd_Subject[Days] ** 2 > 0.04", lambda d, s, r: s**2 > 0.04),
        ("-2**2 + Days < -4", lambda d, s, r: d < 0),
        ("2**-1**2 < exp(Days)", lambda d, s, r: np.exp(d) > 0.5),
        ("abs(Days) >= sqrt(sd_Subject[Days]) - 3e-1", lambda d, s, r: abs(d) >= s**0.5 - 0.3),
        ("-0.1 < Days <= sd_Subject[ Days ]", lambda d, s, r: (d > -0.1) & (d <= s)),
        ("r_Subject[308,Days] > r_Subject[309, Days]", lambda d, s, r: r),
        ("beta[Days] > (0.1)", lambda d, s, r: d > 0.1),
        ("`Days` > 0.1", lambda d, s, r: d > 0.1),
    ],
)
def test_probabilities_are_shares_of_draws(fit: Fit, text: str, by_hand: object) -> None:
    days = _flat(fit, "beta", coef="Days")
    sd = _flat(fit, "sd_Subject", Subject_coef="Days")
    effects = [_flat(fit, "r_Subject", Subject=s, Subject_coef="Days") for s in ("308", "309")]
    expected = by_hand(days, sd, effects[0] > effects[1]).mean()
    row = _ask(fit, text).loc[text]
    assert row["post_prob"] == pytest.approx(expected)
    if expected < 1:
        assert row["evidence_ratio"] == pytest.approx(expected / (1 - expected))


def test_the_table_is_about_the_difference_of_the_sides(fit: Fit) -> None:
    days = _flat(fit, "beta", coef="Days")
    table = hypothesis(
        fit.spec, fit.idata, {"steep": "Days > 5", "some": "0 < Days < 5"}, Interval(0.5)
    )
    assert list(table.columns[:4]) == ["mean", "sd", "eti50_lb", "eti50_ub"]
    assert list(table.index) == ["steep", "some"]
    assert table.loc["steep", "mean"] == pytest.approx(days.mean() - 5)
    assert table.loc["some", "mean"] == pytest.approx(days.mean())
    assert table.loc["some", "eti50_lb"] == pytest.approx(np.quantile(days, 0.25))


def test_certain_odds_are_infinite_and_have_no_error(fit: Fit) -> None:
    table = _ask(fit, ["sigma > 0", "sigma < 0"])
    assert table["evidence_ratio"].tolist() == [np.inf, 0]
    assert table["mcse_ratio"].isna().all()


def test_the_error_of_odds_is_that_of_a_share(fit: Fit) -> None:
    rng = np.random.default_rng(5)
    beta = rng.normal(size=(4, 250, 2))
    row = _ask(_with(fit, beta=beta), "Days > 0.5").iloc[0]
    p = row["post_prob"]
    independent = np.sqrt(p * (1 - p) / 1000) / (1 - p) ** 2
    assert row["mcse_ratio"] == pytest.approx(independent, rel=0.15)


def test_names_as_reported() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(40, 3)), columns=["y", "my x", "z"])
    data["tr t"] = np.tile(["A", "O'B (x", "C 1", "d"], 10)
    data["g"], data["h"] = np.repeat(list("abcd"), 10), np.tile(["u", "v"], 20)
    formula = "y ~ exp(`my x`) * `tr t` + I(z**2) + `my x` + (1 | g:h) + (poly(`my x`, 2) | h)"
    with pytest.warns(hl.DesignWarning):
        model = hl.Model(formula, data)
    known = Quantities(model.spec)
    for written, full in {
        "`my x`": "my x",
        "`tr t`[O'B (x]": "tr t[O'B (x]",
        "`tr t[C 1]`": "tr t[C 1]",
        "exp(`my x`):`tr t`[d]": "exp(`my x`):tr t[d]",
        "I(z ** 2)": "I(z ** 2)",
        "I( z**2 )": "I(z ** 2)",
        "sd_g:h": "sd_g:h[Intercept]",
        "r_g:h[a:u]": "r_g:h[a:u, Intercept]",
        "r_h[u,poly(`my x`, 2)[0]]": "r_h[u, poly(`my x`, 2)[0]]",
        "cor_h[poly(`my x`,2)[1], Intercept]": "cor_h[Intercept, poly(`my x`, 2)[1]]",
    }.items():
        parsed = parse(f"({written}) + 1 > 2*{written}", known)
        assert parsed.quantities == (full,), written
    # a coefficient before a function: exp(my x) is the coefficient, exp((my x)) the exponential
    assert parse("exp(`my x`) > 0", known).quantities == ("exp(`my x`)",)
    assert parse("exp((`my x`)) > 0", known).quantities == ("my x",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Days >", r"'>' needs a term on its right\.\n    Days >\n         \^"),
        ("> 5", r"'>' needs a term on its left"),
        ("Days", "There is no '<', '>' or '=' in this hypothesis"),
        ("", "The hypothesis is empty"),
        ("3 > 2", "about a quantity of the model"),
        ("sd_Subjct[Days] > 2", r"    \^{15}\n  Did you mean 'sd_Subject\[Days\]'\?"),
        ("r_Subject[3o8,Days] > 0", "'3o8' is no level. Did you mean '308'"),
        ("r_Subject > 0", r"Write r_Subject\[level, coefficient\]"),
        ("zebra > 0", "This model has: Intercept, Days, sd_Subject"),
        ("2 < Days > 5", "do not make a range"),
        ("2 = Days = 2", "do not make a range"),
        ("1 < Days < 2 < 3", "do not make a range"),
        ("Days != 5", "Ask for '=': the evidence against"),
        ("Days > 5 and sigma < 3", "'and' cannot join[^']*list"),
        ("Days > 5, sigma < 3", "',' cannot stand here"),
        ("Days ^ 2 > 4", r"Write \*\* for a power"),
        ("(Days + 3", r"'\(' is never closed"),
        ("Days > 2)", r"'\)' closes nothing"),
        ("(Days > 2)", "cannot be inside parentheses"),
        ("() > 2", "nothing between these parentheses"),
        ("sd_Subject[Days = 2", r"'\[' is never closed"),
        ("`Days > 2", "This backtick is never closed"),
        ("Days sigma > 2", "An operator is missing before 'sigma'"),
        ("2Days > 2", "A name cannot begin with a digit"),
        ("Days ≥ 2", "Write >="),
        ("log(Days) > 0", r"no real value in [\d.]+% of the draws\.\n    log\(Days\)"),
        ("(" * 60 + "Days" + ")" * 60 + " > 0", "nested too deeply"),
        ("__import__('os').x > 2", "no quantity is called"),
    ],
)
def test_what_cannot_be_read_is_shown(fit: Fit, text: str, says: str) -> None:
    with pytest.raises(hl.FormulaError, match=says):
        _ask(fit, text)


@pytest.mark.parametrize("hypotheses", [5, [], ["Days > 5", 3], {}, None])
def test_hypotheses_are_text(fit: Fit, hypotheses: object) -> None:
    with pytest.raises(hl.DataError, match="a hypothesis is text"):
        _ask(fit, hypotheses)


# -- points ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [-1.0, 0.0, 1.0, 2.0, 2.5])
def test_density_of_normal_draws(at: float) -> None:
    errors, ratios = [], []
    for seed in range(20):
        draws = np.random.default_rng(seed).normal(1.0, 2.0, size=(4, 1000))
        found = density_at(draws, 1 + 2 * at)
        assert found.near
        ratios.append(found.value / stats.norm(1, 2).pdf(1 + 2 * at))
        errors.append(found.error / stats.norm(1, 2).pdf(1 + 2 * at))
    # unbiased, where the plain estimate is off by h^2 (z^2 - 1) / 2, 10% at z = 2.5; and the
    # reported error is the spread
    assert abs(np.mean(ratios) - 1) < 3.5 * np.std(ratios) / np.sqrt(20)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.5)
    assert np.std(ratios) < 0.3


@pytest.mark.parametrize(
    ("distribution", "support", "at"),
    [
        (stats.gamma(2.0), (0.0, np.inf), 0.3),
        (stats.beta(2, 1.5, loc=-1, scale=2), (-1.0, 1.0), 0.9),
        (stats.beta(2, 1.5), (-np.inf, 1.0), 0.95),
    ],
)
def test_density_of_bounded_draws(
    distribution: object, support: tuple[float, float], at: float
) -> None:
    draws = distribution.rvs(size=(4, 20_000), random_state=np.random.default_rng(2))
    found = density_at(draws, at, support)
    assert found.value == pytest.approx(distribution.pdf(at), rel=0.05)


@pytest.mark.parametrize(("text", "at"), [("Days = 12", 12.0), ("3 - Days / 4 = 0.1", 11.6)])
def test_savage_dickey_is_the_exact_bayes_factor(text: str, at: float) -> None:
    # y ~ N(b x, 1) with b ~ N(0, 20^2): marginal likelihoods in closed form, BF = m(b = at) / m
    rng = np.random.default_rng(4)
    x = rng.normal(size=25)
    y = 11.8 * x + rng.normal(size=25)
    data = pd.DataFrame({"y": y, "Days": x})
    priors = {"Days": hl.Normal(0, 20), "sigma": 1}
    fit = synthetic_fit(hl.Model("y ~ 0 + Days", data, priors=priors), draws=4000)
    precision = x @ x + 1 / 400
    posterior = stats.norm(x @ y / precision, precision**-0.5)
    draws = posterior.rvs(size=(4, 4000, 1), random_state=rng)
    given = stats.norm(at * x, 1).logpdf(y).sum()
    covariance = np.eye(25) + 400 * np.outer(x, x)
    marginal = stats.multivariate_normal(np.zeros(25), covariance).logpdf(y)
    row = _ask(_with(fit, beta=draws), text).iloc[0]
    exact = np.exp(given - marginal)
    assert row["method"] == "Savage-Dickey"
    assert abs(row["evidence_ratio"] - exact) < 4 * row["mcse_ratio"]
    assert row["mcse_ratio"] < 0.1 * exact
    assert row["post_prob"] == pytest.approx(row["evidence_ratio"] / (1 + row["evidence_ratio"]))


def test_a_ratio_does_not_depend_on_how_the_point_is_written(fit: Fit) -> None:
    written = ["Days = 0.1", "-3 * Days = -0.3", "0.1 = Days", "Days / 2 - 0.05 = 0", "Days == .1"]
    ratios = _ask(fit, written)["evidence_ratio"]
    assert ratios.to_numpy() == pytest.approx(np.full(5, ratios.iloc[0]))


def _density(fit: Fit, text: str) -> PriorDensity:
    known = Quantities(fit.spec)
    difference = Operation("-", *parse(text, known).sides)
    return density_at_zero(known, difference, np.random.default_rng(3))


def test_prior_densities_in_closed_form() -> None:
    data = hl.load_dataset("sleepstudy")
    priors = {
        "Intercept_centered": hl.Normal(300, 30),
        "Days": hl.Normal(4, 5),
        "sd_Subject[Days]": hl.Exponential(0.1),
        "cor": hl.LKJ(2),
    }
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data, priors=priors))
    # Intercept = centred - 4.5 Days
    intercept = stats.norm(300 - 4.5 * 4, np.hypot(30, 4.5 * 5))
    both = stats.norm(300 - 3.5 * 4, np.hypot(30, 3.5 * 5))
    for text, exact in {
        "Days = 0": stats.norm(4, 5).pdf(0),
        "Intercept = 250": intercept.pdf(250),
        "Intercept + Days = 250": both.pdf(250),
        "Intercept + 4.5 * Days = 280": stats.norm(300, 30).pdf(280),
        "sd_Subject[Days] = 3": stats.expon(scale=10).pdf(3),
        "2 * sd_Subject[Days] = 6": stats.expon(scale=10).pdf(3) / 2,
        "cor_Subject = 0.5": stats.beta(2, 2, loc=-1, scale=2).pdf(0.5),
    }.items():
        found = _density(fit, text)
        assert found.exact, text
        assert found.value == pytest.approx(exact), text


def test_prior_densities_by_drawing() -> None:
    data = hl.load_dataset("sleepstudy")
    priors = {"sd_Subject": hl.Exponential(0.1), "Days": hl.Normal(4, 5)}
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data, priors=priors))
    # the difference of two exponentials is Laplace; exp(Days) is lognormal
    for text, exact in {
        "sd_Subject[Days] - sd_Subject[Intercept] = 5": stats.laplace(scale=10).pdf(5),
        "exp(Days / 5) = 2": stats.lognorm(1, scale=np.exp(0.8)).pdf(2),
        "cor_Subject ** 3 = 0.125": stats.beta(2, 2, loc=-1, scale=2).pdf(0.5) / 0.75,
    }.items():
        found = _density(fit, text)
        assert not found.exact
        assert abs(found.value - exact) < 4 * found.error + 0.01 * exact, text
        assert found.error < 0.03 * exact


def test_prior_draws_are_joint() -> None:
    data = hl.load_dataset("sleepstudy")
    model = hl.Model("Reaction ~ Days + (Days | Subject)", data)
    used = ("Intercept", "Days", "cor_Subject[Intercept, Days]", "sigma")
    rng = np.random.default_rng(1)
    drawn = draw_priors(Quantities(model.spec), used, rng, 20_000)
    centred = drawn["Intercept"] + 4.5 * drawn["Days"]
    assert np.corrcoef(centred, drawn["Days"])[0, 1] == pytest.approx(0, abs=0.03)
    assert drawn["cor_Subject[Intercept, Days]"].std() == pytest.approx(5**-0.5, rel=0.03)


def test_a_point_in_the_tail_says_so(fit: Fit) -> None:
    with pytest.warns(hl.ConvergenceWarning, match="fewer than 10 draws lie near"):
        row = _ask(fit, "Days = 2").iloc[0]
    assert row["method"].endswith("tail")
    assert np.isnan(row["mcse_ratio"])
    assert 0 < row["evidence_ratio"] < 1e-6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sd_Subject[Days] = 0", "edge of what 'sd_Subject.Days.' can be"),
        ("sigma = -1", "no value that 'sigma' can have"),
        ("r_Subject[308, Days] = 0", "group-specific effect"),
        ("abs(Days) = 0", "one direction only"),
        ("sqrt(Days + 0 * sigma) = 1", "no real value"),
        ("Days - Days = 0", "cancel"),
        ("Intercept + Days = 250", "is no density"),
        ("sd_Subject[Intercept] = 3", "fixed at 2"),
        ("sd_Subject[Intercept] + 1 = sd_Subject[Intercept] * 1.5", "fixed at 2"),
        ("exp(sd_Subject[Intercept]) = 3", "one direction only|fixed"),
    ],
)
def test_points_without_a_prior_density_are_refused(text: str, says: str) -> None:
    data = hl.load_dataset("sleepstudy")
    priors = {"Intercept": hl.Flat(), "sd_Subject[Intercept]": 2}
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data, priors=priors))
    fit = _with(fit, beta=np.abs(fit.idata["posterior"]["beta"].to_numpy()))
    with pytest.raises((hl.PriorError, hl.FormulaError), match=says):
        _ask(fit, text)


def test_one_seed_one_answer(fit: Fit) -> None:
    text = "sd_Subject[Days] = sd_Subject[Intercept]"
    ratios = [_ask(fit, text, seed=seed)["evidence_ratio"].iloc[0] for seed in (1, 1, 2)]
    assert ratios[0] == ratios[1] != ratios[2]
    rng = _ask(fit, text, seed=np.random.default_rng(1))["evidence_ratio"].iloc[0]
    assert rng == ratios[0]


def test_far_outside_the_prior_there_is_no_ratio(fit: Fit) -> None:
    with (
        pytest.warns(hl.ConvergenceWarning, match="fewer than 10"),
        pytest.raises(hl.PriorError, match="far outside of what the prior expects"),
    ):
        _ask(fit, "Days = 1e6")


_NAMES = ["Days", "sigma", "sd_Subject[Days]", "r_Subject[308,Days]", "cor_Subject", "0.5", "1e200"]


def _expression(rng: random.Random, depth: int = 0) -> str:
    kind = rng.random()
    if depth > 3 or kind < 0.45:
        return rng.choice(_NAMES)
    if kind < 0.8:
        left, right = (_expression(rng, depth + 1) for _ in range(2))
        return left + rng.choice(["+", "-", "*", "/", "**", " - "]) + right
    if kind < 0.9:
        return "-" + _expression(rng, depth + 1)
    return rng.choice(["exp", "abs", "log", "sqrt", ""]) + f"({_expression(rng, depth + 1)})"


@pytest.mark.filterwarnings("ignore::hierlm.ConvergenceWarning")
def test_whatever_is_asked_is_answered_or_refused(fit: Fit) -> None:
    rng = random.Random(1)
    pieces = [*_NAMES, *"()+-*/<>=`[],:'", "**", "exp(", " ", "\n", "é", "1e400", "."]
    answered = 0
    for i in range(600):
        text = _expression(rng) + rng.choice("<>=") + _expression(rng)
        if i % 3 == 0:
            text = "".join(rng.choices(pieces, k=rng.randint(1, 9)))
        with contextlib.suppress(hl.HierlmError):
            answered += len(_ask(fit, text))
    assert answered > 100
