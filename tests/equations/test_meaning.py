"""What equations say is the model: evaluated, their terms are its linear predictor and variance."""

# ruff: noqa: RUF001 - signs and Greek letters are what is tested

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers import equations as models
from helpers.fits import synthetic_fit
from helpers.latex import check

import hierlm as hl
from hierlm.equations import available, equations, posterior_means
from hierlm.errors import FamilyError
from hierlm.results.equations import Equations
from hierlm.tables import supported

DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
EVALUATED = [
    "nested",
    "crossed",
    "two bars",
    "diagonal",
    "factor on the left",
    "interaction on the left",
    "slope only",
    "no intercept",
    "only groups",
    "no groups",
    "offset and weights",
    "two levels",
]


def right_side(text: str, left: str) -> str:
    """Return what stands on the right of a relation, its broken lines joined."""
    found = re.search(rf"^ *{re.escape(left)} = (.*(?:\n {{4,}}\+ .*)*)", text, re.MULTILINE)
    assert found, text
    return " ".join(line.strip() for line in found[1].split("\n"))


def columns(model: hl.Model) -> dict[str, np.ndarray]:
    known = dict(zip(model.design.coefs, model.design.X.T, strict=True))
    for block in model.design.blocks:
        known |= dict(zip(block.coefs, block.Z.T, strict=True))
    return known | {"z": models.table()["z"].to_numpy()}


@pytest.mark.parametrize("name", EVALUATED)
def test_the_terms_add_up_to_the_linear_predictor(name: str) -> None:
    model = models.model(models.STRUCTURES[name])
    rng = np.random.default_rng(1)
    beta = rng.normal(size=len(model.design.coefs))
    effects = {b.factor: rng.normal(size=(b.n_levels, b.n_coefs)) for b in model.design.blocks}
    numbered = {}  # the number of a column, as the equation has it
    first = 0 if "Intercept" in model.design.coefs else 1
    for k, coef in enumerate(model.design.coefs):
        numbered[coef] = k + first
    eta = np.zeros(model.design.n)
    text = equations(model.spec, "bayesian").text
    for term in right_side(text, "μᵢ").split(" + "):
        coefficient, _, column = term.partition(" ")
        x = columns(model)[column.removesuffix("ᵢ")] if column else np.ones(model.design.n)
        label = column.removesuffix("ᵢ") or "Intercept"
        if coefficient == "zᵢ":  # the offset
            eta += columns(model)["z"]
        elif coefficient.startswith("β"):
            assert int(coefficient[1:].translate(DIGITS)) == numbered[label]
            eta += beta[model.design.coefs.index(label)] * x
        else:
            block = model.design.blocks["uvw".index(coefficient[0])]
            number = re.match(r".([₀-₉]*)", coefficient)[1].translate(DIGITS)
            if number and label in numbered:
                assert int(number) == numbered[label]
            eta += effects[block.factor][block.codes, block.coefs.index(label)] * x
    np.testing.assert_allclose(eta, model.design.linear_predictor(beta, effects), rtol=1e-12)


def evaluate(expression: str, days: np.ndarray) -> np.ndarray:
    """Return a sum of products of numbers and of Days."""
    total = np.zeros(len(days))
    for term in expression.replace("−", "-").split(" + "):
        product = np.ones(len(days))
        for factor in re.split(r"[·\s]+", term.strip()):
            base = factor.removesuffix("²")
            value = days if base == "Daysᵢ" else np.full(len(days), float(base))
            product = product * (value**2 if factor.endswith("²") else value)
        total += product
    return total


def test_the_variance_of_the_errors_is_the_diagonal_of_v() -> None:
    model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    values = {
        "Intercept": "251.4",
        "Days": "10.5",
        "sigma": "25.6",
        "sd_Subject[Intercept]": "24.7",
        "sd_Subject[Days]": "5.9",
        "cor_Subject[Intercept, Days]": "0.07",
    }
    text = equations(model.spec, "error_components", values=values).text
    (block,) = model.design.blocks
    Z = np.zeros((180, 36))
    for i, j in enumerate(block.codes):
        Z[i, 2 * j : 2 * j + 2] = block.Z[i]
    sd = np.array([24.7, 5.9])
    Sigma = sd[:, None] * np.array([[1, 0.07], [0.07, 1]]) * sd
    V = Z @ np.kron(np.eye(18), Sigma) @ Z.T + 25.6**2 * np.eye(180)
    days = model.design.X[:, 1]
    np.testing.assert_allclose(evaluate(right_side(text, "Var(ξᵢ)"), days), np.diag(V))
    mean = right_side(text, "Reactionᵢ").removesuffix(" + ξᵢ")
    np.testing.assert_allclose(evaluate(mean, days), model.design.X @ [251.4, 10.5])
    assert "Z: 180 × 36" in equations(model.spec, "matrix").text
    assert "I₁₈ ⊗ Σᵤ" in equations(model.spec, "matrix").text


def test_negative_numbers_take_the_place_of_the_sign() -> None:
    model = models.model("y ~ x + (x | a)")
    values = {"Intercept": "-2", "x": "-0.5", "cor_a[Intercept, x]": "-0.3"}
    text = equations(model.spec, "error_components", values=values).text
    assert "yᵢ = −2 − 0.5 xᵢ + ξᵢ" in text
    assert "σᵤ₀² − 2·0.3 σᵤ₀ σᵤ₁ xᵢ + σᵤ₁² xᵢ² + σ²" in text


def test_numbers_of_a_fit_have_the_digits_that_the_draws_support() -> None:
    fit = synthetic_fit(models.model("y ~ x + (x | a) + (1 | c)"))
    values = posterior_means(fit.spec, fit.idata)
    table = fit.summary().set_index(fit.summary().index.str.replace("beta[", "").str.rstrip("]"))
    x = table.loc["x"]
    assert values["x"] == supported(x["mean"], x["mcse_mean"])
    sigma, sd = float(values["sigma"]), float(values["sd_c[Intercept]"])
    assert float(values["lambda_sd_c[Intercept]"]) == pytest.approx((sigma / sd) ** 2, rel=0.1)
    text = equations(fit.spec, "penalized", values=values).text
    assert f"λᵥ = {values['sigma']}² / {values['sd_c[Intercept]']}² ≈ " in text


def test_a_fit_writes_every_notation_with_its_numbers() -> None:
    fit = synthetic_fit(models.model("y ~ x + (x | a) + (1 | c)"))
    answers = Equations(fit.spec, fit.design, fit.frame, fit.idata)
    for notation in available(fit.spec):
        equation = answers.equations(notation)
        check(equation.latex)
        symbols = answers.equations(notation, numbers=False)
        assert equation != symbols
        assert symbols == equations(fit.spec, notation, design=fit.design)


def test_fixed_parameters_are_numbers() -> None:
    data = models.table()
    priors = {"sigma": 2, "sd_a": 0.5, "cor_a": -0.25, "x": 3}
    model = hl.Model("y ~ x + (x | a)", data, priors=priors)
    text = equations(model.spec, "varying_coefficients").text
    assert "N(0, 2²)" in text
    assert "−0.25·0.5·0.5" in text
    assert "⎣3 ⎦" in text
    bayesian = equations(model.spec, "bayesian").text
    assert re.search(r"β₁ = 3 +x, fixed", bayesian)
    assert re.search(r"ρᵤ = −0.25 +cor_a, fixed", bayesian)
    assert re.search(r"σ = 2 +residual sd, fixed", bayesian)


@pytest.mark.parametrize("name", models.STRUCTURES)
def test_the_bayesian_notation_has_every_prior(name: str) -> None:
    spec = models.model(models.STRUCTURES[name]).spec
    text = equations(spec, "bayesian").text
    for item in spec.priors:
        parameters = list(item.prior.parameters.values())
        assert f"{parameters[-1]:g}" in text, item.name


def test_priors_are_written_with_their_variance() -> None:
    priors = {"x": "Normal(1, 20)", "sd": "Exponential(2)", "sigma": "HalfCauchy(3)"}
    model = hl.Model("y ~ 0 + x + z + (1 | a)", models.table(), priors={**priors, "z": hl.Flat()})
    text = equations(model.spec, "bayesian").text
    assert "β₁ ∼ N(1, 20²)" in text
    assert "p(β₂) ∝ 1" in text
    assert "σᵤ ∼ Exponential(2)" in text
    assert "σ ∼ HalfCauchy(3)" in text


def test_predictors_of_levels_stand_at_their_level() -> None:
    radon = models.bundled(*next(c for c in models.bundled_models() if c[0] == "radon"))
    text = equations(radon.spec, "multilevel", design=radon.design).text
    assert "b₀ⱼ = β₀ + β₂ log_uraniumⱼ + u₀ⱼ" in text
    assert "log_uraniumᵢ" not in text
    assert "β₂ log_uraniumᵢ" in equations(radon.spec, "multilevel").text  # rows tell; a spec cannot
    growth = models.bundled(*next(c for c in models.bundled_models() if c[0] == "Orthodont"))
    text = equations(growth.spec, "multilevel", design=growth.design).text
    assert "b₁ⱼ = β₁ + β₃ Sex[Female]ⱼ + u₁ⱼ" in text


def test_nested_factors_make_three_levels_and_crossed_ones_do_not() -> None:
    nested = equations(models.model(models.STRUCTURES["nested"]).spec, "multilevel").text
    assert "Level 3" in nested
    assert "b₀ₖ = c₀ⱼ₍ₖ₎ + vₖ" in nested
    crossed = equations(models.model("y ~ x + (1 | a) + (1 | c)").spec, "multilevel").text
    assert "Level 2: a × c" in crossed
    assert "b₀ᵢ = β₀ + uⱼ₍ᵢ₎ + vₖ₍ᵢ₎" in crossed


def test_uncorrelated_effects_have_no_correlation() -> None:
    spec = models.model(models.STRUCTURES["diagonal"]).spec
    for notation in available(spec):
        assert "ρ" not in equations(spec, notation).text


def test_a_random_intercept_is_compound_symmetry() -> None:
    text = equations(models.model("y ~ x + (1 | a)").spec, "correlated_errors").text
    assert "ρ = σᵤ² / (σᵤ² + σ²)" in text
    slope = equations(models.model("y ~ x + (x | a)").spec, "correlated_errors").text
    assert "V = Z G Zᵀ + σ²I₁₂₀" in slope


@pytest.mark.parametrize(
    ("family", "link", "shown"),
    [
        ("student", "identity", "StudentT(ν, μᵢ, σ)"),
        ("gaussian", "log", "log(μᵢ)"),
        ("lognormal", "identity", "log pᵢ ∼ N(μᵢ, σ²)"),
        ("gamma", "inverse", "1 / μᵢ"),
        ("gamma", "log", "Gamma(α, α / μᵢ)"),
        ("beta", "logit", "Beta(μᵢ κ, (1 − μᵢ) κ)"),
        ("bernoulli", "probit", "Φ⁻¹(πᵢ)"),
        ("bernoulli", "cloglog", "log(−log(1 − πᵢ))"),
        ("binomial", "logit", "kᵢ ∼ Binomial(mᵢ, πᵢ)"),
        ("poisson", "sqrt", "√μᵢ"),
        ("negbinomial", "log", "variance μᵢ + μᵢ² / α"),
    ],
)
def test_families_and_links(family: str, link: str, shown: str) -> None:
    formula = f"{models.FAMILIES[family]} ~ x + (1 | a)"
    assert shown in equations(models.model(formula, family, link).spec, "bayesian").text


def test_a_binary_response_has_a_latent_one() -> None:
    probit = models.model("yes ~ x + (1 | a)", "bernoulli", "probit").spec
    text = equations(probit, "multivariate_normal").text
    assert "yesᵢ = 1{y*ᵢ > 0}" in text
    assert "V = Z G Zᵀ + I₁₂₀" in text
    logit = models.model("yes ~ x + (1 | a)", "bernoulli").spec
    assert "π²/3" in equations(logit, "correlated_errors").text
    assert "multivariate_normal" not in available(logit)


def test_errors_say_what_there_is() -> None:
    spec = models.model("k ~ x + (1 | a)", "poisson").spec
    with pytest.raises(FamilyError, match=r"'error_components' does not exist for family poisson"):
        equations(spec, "error components")
    with pytest.raises(FamilyError, match=r"'multilevl'.*Did you mean 'multilevel'\?\n.*There are"):
        equations(spec, "multilevl")
    assert equations(spec, "Penalised").notation == "penalized"
