"""Log densities of rows: those of the families, however they are computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm.comparison import log_likelihood
from hierlm.comparison.rows import _KERNELS, Draws, RowDensity, linear_predictor
from hierlm.errors import DataError
from hierlm.families import get_family


@pytest.mark.parametrize(("family", "link"), _KERNELS)
def test_the_fast_density_is_the_family_s(family: str, link: str) -> None:
    y = np.array([0.0, 1.0, 1.0, 7.0, 300.0])[:, None]
    trials = np.array([1.0, 1.0, 5.0, 7.0, 1000.0])[:, None]
    rng = np.random.default_rng(1)
    eta = rng.normal(0, 3, (5, 40))
    found = get_family(family, link)
    y = np.minimum(y, 1.0) if family == "bernoulli" else y
    shapes = {name: rng.uniform(0.2, 9, 40) for name in found.shape_names}
    binomial = trials if family == "binomial" else None
    density = RowDensity(found, y, binomial, shapes, np.ones(5))
    np.testing.assert_allclose(density.fast()(eta), density(eta), rtol=1e-9, atol=1e-9)


def test_a_probability_that_rounds_to_one_keeps_its_complement() -> None:
    none = np.zeros((1, 1))
    density = RowDensity(get_family("bernoulli"), none, None, {}, np.ones(1))
    np.testing.assert_allclose(density.fast()(np.array([[60.0]])), -60.0)


def test_the_linear_predictor_is_the_design_s() -> None:
    data = hl.load_dataset("sleepstudy").assign(o=1.5)
    model = hl.Model("Reaction ~ Days + offset(o) + (Days | Subject)", data)
    fit = synthetic_fit(model, draws=5)
    draws = Draws.of(fit.spec, fit.idata)
    effects = {name: np.moveaxis(values, -1, 0) for name, values in draws.effects.items()}
    expected = fit.design.linear_predictor(draws.beta.T, effects).T
    rows = np.array([3, 0, 170])
    np.testing.assert_allclose(
        linear_predictor(fit.design, draws, rows), expected[rows], rtol=1e-12
    )
    without = linear_predictor(fit.design, draws, rows, {"Subject": np.array([True, False, True])})
    np.testing.assert_allclose(without[1], expected[0], rtol=1e-12)
    np.testing.assert_allclose(without[0], (fit.design.X @ draws.beta)[3] + 1.5, rtol=1e-12)


def test_draws_keep_the_order_of_chains_and_the_covariance_of_effects() -> None:
    model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    fit = synthetic_fit(model, chains=3, draws=4)
    draws = Draws.of(fit.spec, fit.idata)
    posterior = fit.idata["posterior"]
    np.testing.assert_array_equal(draws.beta[:, 4], posterior["beta"].to_numpy()[1, 0])
    T = draws.factors["Subject"][..., 4]
    sd = posterior["sd_Subject"].to_numpy()[1, 0]
    rho = posterior["cor_Subject"].to_numpy()[1, 0, 0]
    np.testing.assert_allclose(T @ T.T, np.outer(sd, sd) * [[1, rho], [rho, 1]], rtol=1e-12)


def test_log_likelihood_of_weighted_binomial_rows() -> None:
    data = hl.load_dataset("cbpp").assign(w=np.resize([1.0, 2.0], 56))
    model = hl.Model(
        "p(incidence, size) ~ period + (1 | herd) + weights(w)", data, family="binomial"
    )
    fit = synthetic_fit(model, chains=2, draws=7)
    found = log_likelihood(fit.spec, fit.design, fit.idata)
    assert found.dims == ("chain", "draw", "__obs__")
    assert found.shape == (2, 7, 56)
    posterior = fit.idata["posterior"]
    at = {"chain": 1, "draw": 3}
    effects = {"herd": posterior["r_herd"].isel(at).to_numpy()}
    eta = fit.design.linear_predictor(posterior["beta"].isel(at).to_numpy(), effects)
    mu = fit.spec.family.link.inverse(eta)
    rows = fit.spec.family.logpdf(fit.design.response, mu, trials=fit.design.trials)
    np.testing.assert_allclose(found.isel(at), data["w"] * rows, rtol=1e-12)


def test_a_log_likelihood_that_would_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hierlm.comparison.leaveoneout._MAX_BYTES", 1000)
    data = pd.DataFrame({"y": [1.0, 2.0, 3.0, 5.0], "g": list("aabb")})
    with pytest.warns(hl.DesignWarning):
        fit = synthetic_fit(hl.Model("y ~ 1 + (1 | g)", data))
    with pytest.raises(DataError, match=r"4 rows and 1,000 draws would take 0\.0 GiB"):
        log_likelihood(fit.spec, fit.design, fit.idata)
