"""The PyMC model's log density equals R's, and NumPy's for every family, link and structure."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.densities import components, numpy_log_joint, pymc_log_joint, random_values
from helpers.references import BY_ID, FOLDER, plain

import hierlm as hl
from hierlm import names

# PyMC 6.4 evaluates the constant of HalfStudentT with log(2) in single precision: 1.9e-9 each.
TOLERANCE = 1e-8

CHECKS = json.loads((FOLDER / "logp_checks.json").read_text())["points"]
MODELS = {
    "bayes_sleepstudy_lkj2_halfnormal": "exact_sleepstudy_lkj2_halfnormal",
    "bayes_penicillin_crossed": "bayes_penicillin_crossed",
    "bayes_cbpp_binomial": "bayes_cbpp_binomial",
    "bayes_epilepsy_poisson_patient_obs": "bayes_epilepsy_poisson_patient_obs",
    "bayes_radon_slope_uranium": "bayes_radon_slope_uranium",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check["model"])
def test_log_density_equals_r(check: dict[str, Any]) -> None:
    model = BY_ID[MODELS[check["model"]]].model()
    values = _values(model, check)
    expected = check["components"]
    ours = numpy_log_joint(model, values)
    assert ours["likelihood"] == pytest.approx(expected["log_likelihood"], abs=1e-7)
    assert ours["effects"] == pytest.approx(expected["log_p_group_effects"], abs=1e-7)
    assert components(ours) == pytest.approx(expected["joint_total"], abs=1e-7)
    assert pymc_log_joint(model, values) == pytest.approx(expected["joint_total"], abs=1e-7)


def _values(model: hl.Model, check: dict[str, Any]) -> dict[str, np.ndarray]:
    params = check["params"]
    values = {"beta": np.array([params[f"b_{plain(coef)}"] for coef in model.spec.coefs])}
    single = len(model.spec.groups) == 1
    for group in model.spec.groups:
        given = check["group_effects"][group.factor]
        order = [given["levels"].index(level) for level in group.levels.labels]
        effects = np.asarray(given["u"], float).reshape(len(order), -1)[order]
        values[names.effects(group.factor)] = effects
        keys = [f"sd_{plain(coef)}" for coef in group.coefs] if single else [f"sd_{group.factor}"]
        if keys[0] not in params:
            keys = [f"sd_{group.factor}"]
        values[names.sd(group.factor)] = np.array([params[key] for key in keys])
        if group.covariance.pairs:
            values[names.cor(group.factor)] = np.array([params["cor"]])
    if "sigma" in params:
        values["sigma"] = np.array(params["sigma"])
    return values


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    n = 60
    return pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "w": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "g": rng.choice(list("pqrstu"), n),
            "h": rng.choice(list("klmno"), n),
            "real": rng.normal(2, 1, n),
            "positive": rng.gamma(3, 1, n),
            "unit": rng.beta(2, 2, n),
            "count": rng.poisson(3, n),
            "binary": rng.integers(0, 2, n),
            "trials": rng.integers(3, 9, n),
            "successes": rng.integers(0, 4, n),
            "weight": rng.integers(0, 4, n),
            "se": rng.uniform(0.5, 1, n),
        }
    )


FAMILIES = [
    ("gaussian", "identity", "real"),
    ("gaussian", "log", "positive"),
    ("student", "identity", "real"),
    ("lognormal", "identity", "positive"),
    ("gamma", "log", "positive"),
    ("gamma", "inverse", "positive"),
    ("beta", "logit", "unit"),
    ("beta", "cloglog", "unit"),
    ("bernoulli", "logit", "binary"),
    ("bernoulli", "probit", "binary"),
    ("bernoulli", "cloglog", "binary"),
    ("binomial", "logit", "p(successes, trials)"),
    ("binomial", "probit", "successes | trials(trials)"),
    ("poisson", "log", "count"),
    ("poisson", "sqrt", "count"),
    ("negbinomial", "log", "count"),
]


@pytest.mark.parametrize(("family", "link", "response"), FAMILIES)
def test_families(family: str, link: str, response: str) -> None:
    _agree(f"{response} ~ x + (1 | g)", family=family, link=link, lift=link in POSITIVE_LINKS)


POSITIVE_LINKS = {"inverse", "sqrt"}

STRUCTURES = [
    "real ~ 1 | g",
    "real ~ x | g",
    "real ~ x + (x | g)",
    "real ~ x + (x || g)",
    "real ~ x * f + (x + w | g)",
    "real ~ f + (0 + f | g)",
    "real ~ f + (f || g)",
    "real ~ x + (1 | g) + (0 + x | g)",
    "real ~ x + (1 + x | g) + (0 + w + f | g)",
    "real ~ x + (1 | g) + (x | h)",
    "real ~ x + (x | g/h)",
    "real ~ 0 + f + (1 | g)",
    "real ~ 0 + (1 | g)",
    "real ~ x",
    "real ~ x + offset(w) + (1 | g)",
    "real ~ x + weights(weight) + (x | g)",
    "real | se(se) ~ x + (1 | g)",
    "real | weights(weight) + se(se) ~ x + (1 | g)",
]


@pytest.mark.parametrize("formula", STRUCTURES)
def test_structures(formula: str) -> None:
    _agree(formula)


PRIORS = [
    {"Intercept": "normal(1, 3)"},
    {"Intercept_centered": "student_t(3, 1, 3)", "x": "laplace(0, 2)"},
    {"x": "cauchy(0, 1)", "f[b]": "normal(0, 2)", "beta": "student_t(4, 0, 2)"},
    {"sd_g[Intercept]": "gamma(2, 1)", "sd_g[x]": "lognormal(0, 1)", "sigma": "halfcauchy(2)"},
    {"sd": "inversegamma(3, 2)", "cor": "lkj(0.7)", "sigma": "uniform(0, 20)"},
    {"sd_g": "exponential(2)", "cor_g": "lkj(5)", "x": 0.3, "sigma": 1.5},
    {"sd_g[x]": 0.4, "cor_g": -0.3, "Intercept": "flat()"},
    {"sd_g": 0.4, "beta": 0.2, "Intercept": 1, "sigma": "beta(2, 2)"},
]


@pytest.mark.parametrize("priors", PRIORS, ids=str)
def test_priors(priors: dict[str, Any]) -> None:
    _agree("real ~ x + f + (x | g)", priors=priors, small="beta(" in str(priors.get("sigma")))


@pytest.mark.parametrize("formula", ["real ~ x + (x | g)", "real ~ x + (x || g) + (1 | h)"])
def test_centered(formula: str) -> None:
    _agree(formula, parameterization="centered")


def _agree(formula: str, *, lift: bool = False, small: bool = False, **options: Any) -> None:
    """Assert that NumPy and PyMC agree at two random points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)  # small random designs
        model = hl.Model(formula, _frame(), **options)
    rng = np.random.default_rng(3)
    for _ in range(2):
        values = random_values(model, rng)
        if lift:  # these links need a positive linear predictor
            values["beta"][0] += 5
        if small:
            values["sigma"] = np.array(rng.uniform(0.3, 0.9))
        expected = components(numpy_log_joint(model, values))
        assert np.isfinite(expected)
        assert pymc_log_joint(model, values) == pytest.approx(expected, abs=TOLERANCE, rel=1e-10)
