"""The converse: what is right builds without a word (warnings are errors here)."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.tables import changed, table

import hierlm as hl
from hierlm.families.catalog import FAMILIES

DATA = table(half=np.repeat(["u", "v"], 30))

# formula; coefficients and grouping factors that it makes
FORMULAS = [
    ("y ~ 1", 1, {}),
    ("y ~ x", 2, {}),
    ("y ~ 0 + x", 1, {}),
    ("y ~ (1 | g)", 1, {"g": 1}),
    ("y ~ x + (x | g)", 2, {"g": 2}),
    ("y ~ x + (1 + x | g)", 2, {"g": 2}),
    ("y ~ x + (x || g)", 2, {"g": 2}),
    ("y ~ f + (f || h)", 3, {"h": 3}),
    ("y ~ x + (0 + x | g)", 2, {"g": 1}),
    ("y ~ x + (-1 + x | g)", 2, {"g": 1}),
    ("y ~ x + (x - 1 | g)", 2, {"g": 1}),
    ("y ~ x + (1 | g) + (0 + x | g)", 2, {"g": 2}),
    ("y ~ x + (1 | h/half)", 2, {"h": 1, "h:half": 1}),
    ("count ~ x + (1 | g*h)", 2, {"g": 1, "h": 1, "g:h": 1}),
    ("y ~ x + (1 | g + h)", 2, {"g": 1, "h": 1}),
    ("y ~ x + (1 | g) + (1 | h)", 2, {"g": 1, "h": 1}),
    ("y ~ 1 | g", 1, {"g": 1}),
    ("y ~ x | g", 1, {"g": 2}),
    ("y ~ f + (f | h)", 3, {"h": 3}),
    ("y ~ f + (0 + f | h)", 3, {"h": 3}),
    ("y ~ x * f + (x * f | h)", 6, {"h": 6}),
    ("y ~ poly(x, 2) + (poly(x, 2) | g)", 3, {"g": 3}),
    ("y ~ bs(x, df=4) + (bs(x, df=4) | h)", 5, {"h": 5}),
    ("exp(y) ~ x + (1 | g)", 2, {"g": 1}),
    ("log(positive) ~ x + (1 | g)", 2, {"g": 1}),
    ("p(hits, tries) ~ x + (1 | g)", 2, {"g": 1}),
    ("hits | trials(tries) ~ x + (1 | g)", 2, {"g": 1}),
    ("hits | trials(10) ~ x + (1 | g)", 2, {"g": 1}),
    ("count ~ x + offset(log(tries)) + (1 | g)", 2, {"g": 1}),
    ("y ~ x + weights(w) + (1 | g)", 2, {"g": 1}),
    ("y | se(s) ~ x + (1 | g)", 2, {"g": 1}),
    ("y ~ C(f, Sum) + T(half, 'v')", 4, {}),
    ("y ~ S(h)", 6, {}),
    ("y ~ (x + z)**2 + I(x**2) + {z / 2 + x**3}", 6, {}),
    ("y ~ I(10**6 * x) + I(2**0.5 * z)", 3, {}),
    ("y ~ I(f == 'A') + x", 3, {}),
    ("answer ~ x + (1 | g)", 2, {"g": 1}),
]


def _family(formula: str) -> str:
    kinds = {"count": "poisson", "hits": "binomial", "p(": "binomial", "answer": "bernoulli"}
    return next((kind for start, kind in kinds.items() if formula.startswith(start)), "gaussian")


@pytest.mark.parametrize(("formula", "n_coefs", "groups"), FORMULAS)
def test_formula(formula: str, n_coefs: int, groups: dict[str, int]) -> None:
    spec = hl.Model(formula, DATA, family=_family(formula)).spec
    assert len(spec.coefs) == n_coefs
    assert {group.factor: len(group.coefs) for group in spec.groups} == groups
    assert spec.notes == ()


RESPONSES = {
    "gaussian": "positive",
    "student": "positive",
    "lognormal": "positive",
    "gamma": "positive",
    "beta": "share",
    "bernoulli": "success",
    "binomial": "p(hits, tries)",
    "poisson": "count",
    "negbinomial": "count",
}
LINKS = [(family, link) for family in RESPONSES for link in FAMILIES[family].links]


def test_every_family_is_here() -> None:
    assert set(RESPONSES) == set(FAMILIES)


@pytest.mark.parametrize(("family", "link"), LINKS)
def test_family_and_link(family: str, link: str) -> None:
    model = hl.Model(f"{RESPONSES[family]} ~ x + f + (x | g)", DATA, family=family, link=link)
    assert model.spec.family.link.name == link
    assert f"{family}, {link} link" in repr(model)


PRIORS: list[dict[str, Any]] = [
    {},
    {"Intercept": hl.Normal(250, 100), "x": hl.StudentT(3, 0, 20), "sigma": hl.HalfNormal(50)},
    {"Intercept_centered": "normal(0, 1)", "beta": "student_t(3, 0, 10)", "sd": "exponential(1)"},
    {"sd_g": hl.HalfNormal(50), "sd_g[x]": hl.HalfCauchy(20), "cor_g": hl.LKJ(2)},
    {"sd_g[Intercept]": hl.Gamma(2, 1), "sd": hl.InverseGamma(2, 1), "cor": "lkj(1.5)"},
    {"beta": hl.Flat(), "Intercept": "Cauchy(alpha=0, beta=2.5)", "sigma": "lognormal(0, 1)"},
    {"x": hl.Laplace(0, 1), "sigma": hl.Uniform(0, 10), "sd": hl.HalfStudentT(3, 2)},
    {"x": 0, "Intercept": "1.5", "sigma": 1.0, "sd_g": 2, "cor_g": 0.5},
    {"x": hl.HalfNormal(1), "Intercept": hl.Uniform(-5, 5), "sd": hl.Beta(2, 2)},
    {"x": np.float64(0.5), "sigma": " Half_Normal( sigma = 2.5e0 ) "},
]


@pytest.mark.parametrize("priors", PRIORS)
def test_priors(priors: dict[str, Any]) -> None:
    spec = hl.Model("y ~ x + (x | g)", DATA, priors=priors).spec
    assert {item.origin for item in spec.priors} - {"default"} == set(priors)


@pytest.mark.parametrize("given", [None, "centered", "noncentered", {"g": "centered"}, {}])
def test_parameterization(given: Any) -> None:
    hl.Model("y ~ x + (x | g) + (1 | h)", DATA, parameterization=given)


# columns in place of x or g that are fine
COLUMNS: list[dict[str, Any]] = [
    {"x": DATA.x.astype("float32")},
    {"x": DATA.row},
    {"x": DATA.success.astype(bool)},
    {"x": DATA.f},
    {"x": DATA.f.astype("category")},
    {"g": DATA.row // 5},
    {"g": (DATA.row // 5).astype(float)},
    {"g": pd.Categorical(DATA.g, categories=["unused", *DATA.g.unique()])},
    {"g": pd.date_range("2020-01-01", periods=12).repeat(5)},
    {"unused": [object()] * 60},
]


@pytest.mark.parametrize("columns", COLUMNS)
def test_columns(columns: dict[str, Any]) -> None:
    spec = hl.Model("y ~ x + (1 | g)", DATA.assign(**columns)).spec
    assert len(spec.group("g").levels.labels) == 12


def test_missing_values_in_other_columns() -> None:
    hl.Model("y ~ x + (1 | g)", table(**changed("z", {3: np.nan})))


def test_own_functions() -> None:
    model = hl.Model("y ~ double(x) + (1 | g)", DATA, functions={"double": lambda x: 2 * x})
    np.testing.assert_allclose(model.design.X[:, 1], 2 * DATA.x)
