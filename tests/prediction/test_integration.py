"""Means over group-specific effects: quadrature and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from helpers.tables import table

import hierlm as hl
from hierlm.families import LINKS, get_link
from hierlm.prediction.integration import normal_expectation

SDS = (0.0, 1e-3, 0.1, 0.7, 1.4, 1.5, 1.5001, 2.0, 4.0, 10.0, 50.0)
ETAS = (-30.0, -8.0, -2.0, 0.0, 0.7, 3.0, 12.0, 40.0)


def _fine(link: str, eta: float, sd: float) -> float:
    """Return the expectation by a rule fine enough for any sd here."""
    step = 1e-3 / max(1.0, sd)
    x = np.linspace(-9, 9, int(18 / step) + 1)
    weights = np.exp(-0.5 * x**2)
    return float(weights @ get_link(link).inverse(eta + sd * x) / weights.sum())


@pytest.mark.parametrize("link", ["logit", "cloglog", "probit"])
@pytest.mark.parametrize("sd", SDS)
def test_expectation_of_a_probability(link: str, sd: float) -> None:
    got = normal_expectation(get_link(link), np.array(ETAS), np.array([sd**2]))
    assert got == pytest.approx([_fine(link, eta, sd) for eta in ETAS], abs=1e-10)


@pytest.mark.parametrize("link", ["identity", "log", "sqrt"])
def test_closed_forms(link: str) -> None:
    got = normal_expectation(get_link(link), np.array([0.3, 2.0]), np.array([0.5, 1.5]))
    want = [_fine(link, 0.3, 0.5**0.5), _fine(link, 2.0, 1.5**0.5)]
    assert got == pytest.approx(want, rel=1e-10)


def test_a_probability_stays_one() -> None:
    for link in ("logit", "cloglog"):
        got = normal_expectation(get_link(link), np.array([-800.0, 800.0]), np.array([400.0]))
        assert got == pytest.approx([0, 1], abs=1e-12)


def test_every_link_is_integrated_but_the_inverse() -> None:
    for name, link in LINKS.items():
        if name != "inverse":
            assert np.isfinite(normal_expectation(link, np.ones(2), np.ones(2))).all(), name
    with pytest.raises(hl.FamilyError, match=r"does not exist[\s\S]*groups='none'"):
        normal_expectation(LINKS["inverse"], np.ones(2), np.ones(2))


@pytest.mark.parametrize(
    ("family", "link", "response"),
    [
        ("bernoulli", "logit", "success"),
        ("bernoulli", "probit", "success"),
        ("binomial", "logit", "p(hits, tries)"),
        ("poisson", "log", "count"),
        ("gaussian", "log", "positive"),
        ("lognormal", "identity", "positive"),
    ],
)
def test_average_over_simulated_effects(family: str, link: str, response: str) -> None:
    model = hl.Model(f"{response} ~ x + (x | g) + (1 | h)", table(), family=family, link=link)
    fit = synthetic_fit(model, chains=1, draws=1)
    grid = {"x": [-1.0, 0.5, 2.0], "tries": [3, 7, 1]}
    got = fit.epred(grid, groups="integrate")["predictions"]["epred"].to_numpy()[0, 0]

    rng, draw = np.random.default_rng(1), fit.idata["posterior"].isel(chain=0, draw=0)
    sd_g, rho = draw["sd_g"].to_numpy(), float(draw["cor_g"].item())
    sigma = np.outer(sd_g, sd_g) * np.array([[1, rho], [rho, 1]])
    b = rng.multivariate_normal(np.zeros(2), sigma, size=100_000)
    b_h = rng.normal(0, float(draw["sd_h"].item()), 100_000)
    shapes = {shape.name: float(draw[shape.name]) for shape in model.spec.shapes}
    beta = draw["beta"].to_numpy()
    for x, n, value in zip(grid["x"], grid["tries"], got, strict=True):
        eta = beta[0] + b[:, 0] + (beta[1] + b[:, 1]) * x + b_h
        extra = {"trials": n} if family == "binomial" else {}
        with np.errstate(over="ignore"):  # scipy's skewness of a binomial, not asked for
            mean = model.spec.family.mean(get_link(link).inverse(eta), **extra, **shapes)
        mcse = mean.std() / np.sqrt(len(mean))
        assert abs(value - mean.mean()) < 5 * mcse


def test_integrate_needs_no_grouping_column() -> None:
    data = hl.load_dataset("sleepstudy")
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data))
    integrated = fit.epred({"Days": [0, 9]}, groups="integrate")["predictions"]["epred"]
    population = fit.epred({"Days": [0, 9]}, groups="none")["predictions"]["epred"]
    assert np.allclose(integrated, population)  # an identity link: the mean effect is zero


def test_integrate_is_for_expectations() -> None:
    data = hl.load_dataset("sleepstudy")
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data), draws=5)
    with pytest.raises(hl.DataError, match="groups='none', or use epred"):
        fit.linpred(groups="integrate")
    with pytest.raises(hl.DataError, match="new_levels='sample'"):
        fit.predict(pd.DataFrame({"Days": [1]}), groups="integrate")


def test_the_mean_over_effects_is_nearer_to_one_half() -> None:
    model = hl.Model("success ~ x + (1 | g)", table(), family="bernoulli")
    fit = synthetic_fit(model)
    grid = {"x": np.linspace(-3, 3, 7)}
    integrated = fit.epred(grid, groups="integrate")["predictions"]["epred"].to_numpy()
    typical = fit.epred(grid, groups="none")["predictions"]["epred"].to_numpy()
    assert (np.abs(integrated - 0.5) < np.abs(typical - 0.5)).all()
