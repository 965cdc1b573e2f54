from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from helpers.densities import numpy_log_joint, random_values
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm.checking import prior_sensitivity
from hierlm.checking.draws import posterior_values
from hierlm.checking.parameters import log_prior
from hierlm.checking.sensitivity import log_likelihood
from hierlm.errors import DataError
from hierlm.results import Fit

Known = Callable[..., Fit]

MODELS = [
    ("Reaction ~ Days + (Days | Subject)", "sleepstudy", {}),
    ("Reaction ~ Days + (Days || Subject)", "sleepstudy", {"family": "student"}),
    ("score ~ Machine + (Machine | Worker)", "Machines", {"priors": {"sigma": 1.0}}),
    ("p(incidence, size) ~ period + (1 | herd)", "cbpp", {"family": "binomial"}),
]


@pytest.mark.parametrize(("formula", "data", "options"), MODELS)
def test_densities_are_those_of_the_joint_density(
    formula: str, data: str, options: dict[str, object], known: Known
) -> None:
    model = hl.Model(formula, hl.load_dataset(data), **options)
    point = random_values(model, np.random.default_rng(1))
    fit = known(model, point, draws=4)
    expected = numpy_log_joint(model, point)
    values = posterior_values(fit.spec, fit.idata)
    priors = log_prior(fit.spec, values)
    assert sum(priors.values())[0] == pytest.approx(expected["priors"], rel=1e-9)
    likelihood = log_likelihood(fit.spec, fit.design, values)
    assert likelihood[0] == pytest.approx(expected["likelihood"], rel=1e-9)


def test_weighted_rows_count_as_often_as_they_say(known: Known) -> None:
    data = {"y": [1.0, 2.0, 4.0], "w": [1, 3, 2]}
    one = hl.Model("y | weights(w) ~ 1", data)
    many = hl.Model("y ~ 1", {"y": [1.0, 2, 2, 2, 4, 4]})
    point = {"beta": np.array([2.0]), "sigma": 1.5}
    a, b = (
        log_likelihood(fit.spec, fit.design, posterior_values(fit.spec, fit.idata))
        for fit in (known(one, point, draws=2), known(many, point, draws=2))
    )
    assert a == pytest.approx(b)


def test_every_parameter_that_varies_has_a_row() -> None:
    model = hl.Model(
        "Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"), priors={"sigma": 25.0}
    )
    fit = synthetic_fit(model)
    fit.idata["posterior"]["sigma"] = fit.idata["posterior"]["sigma"] * 0 + 25
    frame = prior_sensitivity(fit.spec, fit.design, fit.idata)
    assert frame.index.tolist() == [
        "beta[Intercept]",
        "beta[Days]",
        "sd_Subject[Intercept]",
        "sd_Subject[Days]",
        "cor_Subject[Intercept, Days]",
    ]
    assert frame.columns.tolist() == ["prior", "likelihood", "diagnosis"]


def test_the_effects_distribution_is_no_prior_to_scale() -> None:
    model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    fit = synthetic_fit(model)
    names = set(log_prior(fit.spec, posterior_values(fit.spec, fit.idata)))
    assert names == {
        "Intercept_centered",
        "Days",
        "sd_Subject[Intercept]",
        "sd_Subject[Days]",
        "cor_Subject",
        "sigma",
    }


def test_unknown_names_and_flat_priors_are_refused() -> None:
    data = hl.load_dataset("sleepstudy")
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (1 | Subject)", data))
    with pytest.raises(DataError, match=r"'sd_Subjct\[Intercept\]'. Did you mean 'sd_Subject"):
        prior_sensitivity(fit.spec, fit.design, fit.idata, ["sd_Subjct[Intercept]"])
    flat = synthetic_fit(hl.Model("Reaction ~ Days", data, priors={"Days": hl.Flat()}))
    with pytest.raises(DataError, match="nothing to scale"):
        prior_sensitivity(flat.spec, flat.design, flat.idata, ["Days"])


def test_a_prior_against_the_data_is_found_and_a_default_is_not() -> None:
    data = hl.load_dataset("sleepstudy")
    formula = "Reaction ~ Days + (Days | Subject)"
    default = hl.fit(formula, data, seed=1, progress=False)
    frame = prior_sensitivity(default.spec, default.design, default.idata)
    assert (frame["prior"] < 0.05).all()
    assert set(frame["diagnosis"]) == {"ok"}
    against = hl.fit(formula, data, priors={"Days": "normal(-10, 3)"}, seed=1, progress=False)
    frame = prior_sensitivity(against.spec, against.design, against.idata)
    assert frame.loc["beta[Days]", "prior"] > 0.2
    assert frame.loc["beta[Days]", "diagnosis"] != "ok"
    only = prior_sensitivity(against.spec, against.design, against.idata, ["sigma"])
    assert only["prior"].max() < 0.05
