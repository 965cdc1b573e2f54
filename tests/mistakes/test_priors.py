"""Priors on what is not there, with a wrong support, or that are no priors."""

from typing import Any

import pytest
from helpers.tables import check_message, refusal

import hierlm as hl

HAVE = "This model has: Intercept, Intercept_centered, x, sd_g[Intercept], sd_g[x], cor_g, sigma"
NO_PRIOR = "a prior is a value such as hl.Normal(0, 20), its text 'normal(0, 20)', or a number"
POSITIVE = "Allowed: HalfNormal, HalfStudentT"

PRIORS: list[tuple[Any, tuple[str, ...]]] = [
    ({"sd_G": hl.HalfNormal(1)}, ("no parameter is called 'sd_G'", "mean 'sd_g'?", HAVE)),
    ({"sd_g[z]": 1.0}, ("no parameter is called 'sd_g[z]'", "mean 'sd_g[x]'?", HAVE)),
    ({"xx": hl.Normal(0, 1)}, ("no parameter is called 'xx'", "mean 'x'?", HAVE)),
    ({"zebra": hl.Normal(0, 1)}, ("no parameter is called 'zebra'.", HAVE)),
    ({"nu": 4}, ("no parameter is called 'nu'.", HAVE)),
    ({3: hl.Normal(0, 1)}, ("no parameter is called 3.", HAVE)),
    ({"x": "normal(0, -1)"}, ("prior of 'x'", "sigma must be positive; came -1")),
    ({"cor": "lkj(-1)"}, ("prior of 'cor'", "eta must be positive; came -1")),
    ({"sd": hl.Normal(0, 1)}, ("Normal(0, 1) allows negative", "'sd_g[Intercept]'", POSITIVE)),
    ({"sd_g[x]": hl.Cauchy(0, 1)}, ("Cauchy(0, 1) allows negative", "'sd_g[x]'", POSITIVE)),
    ({"sigma": hl.Flat()}, ("Flat() allows negative", "'sigma' is positive", POSITIVE)),
    ({"sigma": "uniform(-1, 1)"}, ("Uniform(-1, 1) allows negative", "Uniform from zero up")),
    ({"sigma": -1}, ("'sigma' cannot be fixed at -1: it is positive",)),
    ({"sd": 0}, ("'sd_g[Intercept]' cannot be fixed at 0: it is positive",)),
    ({"x": hl.LKJ(2)}, ("LKJ(2) is a prior on correlations", "'x' is not", "cor_<factor>")),
    ({"sigma": hl.LKJ(2)}, ("LKJ(2) is a prior on correlations", "'sigma' is not")),
    ({"cor": hl.Normal(0, 1)}, ("Normal(0, 1) cannot be", "'cor_g'", "LKJ(2)", "(x || g)")),
    ({"cor_g": 1}, ("'cor_g' cannot be fixed at 1", "within (-1, 1)")),
    (
        {"Intercept": hl.Normal(0, 1), "Intercept_centered": hl.Normal(0, 1)},
        ("'Intercept' (predictors at zero)", "two spellings of one parameter", "Give one"),
    ),
    ({"x": [1]}, ("prior of 'x'", NO_PRIOR, "came [1]")),
    ({"x": True}, ("prior of 'x'", NO_PRIOR, "came True")),
    ({"x": None}, ("prior of 'x'", NO_PRIOR, "came None")),
    ({"x": hl.Normal}, ("prior of 'x'", NO_PRIOR, "Give it parameters: Normal(mu=0, sigma=1)")),
    ({"x": 10**400}, ("prior of 'x'", "must be finite; came 1000")),
    ({"x": float("nan")}, ("prior of 'x'", "must be finite; came nan")),
    ({"x": "normal(0,"}, ("prior of 'x'", "the parentheses do not match", "normal(0, 20)")),
    ({"x": "norml(0, 1)"}, ("prior of 'x'", "no prior is called 'norml'", "mean 'Normal'?")),
    ({"x": "normal(sd=1)"}, ("no parameter is called 'sd'", "Write Normal(mu=0, sigma=1)")),
    ({"x": ""}, ("prior of 'x'", "'' is not a prior", "Write it as in normal(0, 20)")),
    ([("x", 1)], ("priors are a dict", "came [('x', 1)]", "hl.Normal(0, 20)}")),
    ("normal(0, 1)", ("priors are a dict", "came 'normal(0, 1)'", "hl.Normal(0, 20)}")),
    (hl.Normal(0, 1), ("priors are a dict", "came Normal(0, 1)", "hl.Normal(0, 20)}")),
    (0, ("priors are a dict", "came 0", "hl.Normal(0, 20)}")),
]


@pytest.mark.parametrize(("priors", "fragments"), PRIORS)
def test_prior(priors: Any, fragments: tuple[str, ...]) -> None:
    check_message(refusal("y ~ x + (x | g)", priors=priors), hl.PriorError, fragments)


# formula; priors that belong to other models
ABSENT = [
    ("y ~ 0 + x", "Intercept", "This model has: x, sigma, beta."),
    ("y ~ x", "sd", "This model has: Intercept, Intercept_centered, x, sigma, beta."),
    ("y ~ x + (1 | g)", "cor", "sd_g[Intercept], sigma, beta, sd_g, sd."),
    ("y ~ x + (x || g)", "cor_g", "sd_g[Intercept], sd_g[x], sigma, beta, sd_g, sd."),
    ("y | se(s) ~ x", "sigma", "This model has: Intercept, Intercept_centered, x, beta."),
]


@pytest.mark.parametrize(("formula", "name", "have"), ABSENT)
def test_prior_of_another_model(formula: str, name: str, have: str) -> None:
    error = refusal(formula, priors={name: 1.0})
    check_message(error, hl.PriorError, (f"no parameter is called {name!r}", have))


def test_long_lists_are_cut() -> None:
    error = refusal("y ~ poly(x, 40)", priors={"zebra": 1.0})
    assert "and 14 more." in str(error)


def test_correlation_that_three_coefficients_cannot_share() -> None:
    error = refusal("y ~ x + z + (x + z | g)", priors={"cor": -0.5})
    check_message(
        error, hl.PriorError, ("'cor_g' cannot be fixed at -0.5", "3 coefficients", "LKJ")
    )


PARAMETERS: list[tuple[type, dict[str, Any], str]] = [
    (hl.LKJ, {"eta": -1}, "LKJ: eta must be positive; came -1."),
    (hl.Normal, {"mu": 0, "sigma": -1}, "Normal: sigma must be positive; came -1."),
    (hl.HalfNormal, {"sigma": 0}, "HalfNormal: sigma must be positive; came 0."),
    (hl.Normal, {"mu": float("nan"), "sigma": 1}, "Normal: mu must be finite; came nan."),
    (hl.Normal, {"mu": "a", "sigma": 1}, "Normal: mu must be a number; came 'a'."),
    (hl.Uniform, {"lower": 2, "upper": 1}, "Uniform: lower must be less than upper"),
]


@pytest.mark.parametrize(("prior", "parameters", "words"), PARAMETERS)
def test_parameters(prior: type, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(hl.PriorError) as caught:
        prior(**parameters)
    check_message(caught.value, hl.PriorError, (words,))
