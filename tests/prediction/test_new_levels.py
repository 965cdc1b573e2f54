"""Levels that the model has not seen."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from helpers.tables import table

import hierlm as hl
from hierlm.prediction import effects
from hierlm.prediction.newlevels import EffectSampler, covariance_root, keyed

FORMULA = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def fit() -> hl.Fit:
    return synthetic_fit(hl.Model(FORMULA, hl.load_dataset("sleepstudy")))


def _draws(fit: hl.Fit, newdata: object, **options: object) -> np.ndarray:
    tree = fit.linpred(newdata, new_levels="sample", **options)
    return tree["predictions"]["linpred"].to_numpy().reshape(-1, len(newdata["Days"]))


def test_two_new_subjects_differ_and_one_is_itself(fit: hl.Fit) -> None:
    eta = _draws(fit, {"Days": [3, 3, 3], "Subject": ["ann", "bob", "ann"]}, seed=1)
    assert np.array_equal(eta[:, 0], eta[:, 2])
    assert (eta[:, 0] != eta[:, 1]).all()
    assert abs(np.corrcoef(eta[:, 0], eta[:, 1])[0, 1]) < 0.9


def test_a_new_subject_is_itself_in_other_calls_and_other_company(fit: hl.Fit) -> None:
    alone = _draws(fit, {"Days": [3], "Subject": ["ann"]}, seed=1)[:, 0]
    crowd = {"Days": np.full(300, 3), "Subject": [f"s{k}" for k in range(299)] + ["ann"]}
    assert np.allclose(_draws(fit, crowd, seed=1)[:, -1], alone, rtol=1e-12, atol=1e-12)
    assert not np.allclose(_draws(fit, {"Days": [3], "Subject": ["ann"]}, seed=2)[:, 0], alone)


def test_a_new_subject_is_itself_when_there_are_too_many_to_hold(
    fit: hl.Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = {
        "Days": np.arange(400) % 10,
        "Subject": [f"s{k % 150}" for k in range(398)] + ["308"] * 2,
    }
    held = _draws(fit, new, seed=1)
    monkeypatch.setattr(effects, "_HELD_BYTES", 0)
    assert np.allclose(_draws(fit, new, seed=1), held, rtol=1e-12, atol=1e-12)


def test_epred_linpred_and_predict_agree_on_a_new_subject(fit: hl.Fit) -> None:
    new = {"Days": [0, 9], "Subject": ["ann", "ann"]}
    epred = fit.epred(new, new_levels="sample", seed=4)["predictions"]["epred"]
    assert np.allclose(epred.to_numpy().reshape(-1, 2), _draws(fit, new, seed=4))
    y = fit.predict(new, new_levels="sample", seed=4)["predictions"]["Reaction"]
    sigma = fit.idata["posterior"]["sigma"]
    z = ((y - epred) / sigma).to_numpy().ravel()
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)


def test_thinning_does_not_change_a_new_subject(fit: hl.Fit) -> None:
    new = {"Days": [3], "Subject": ["ann"]}
    full = fit.linpred(new, new_levels="sample", seed=1)["predictions"]["linpred"]
    thin = fit.linpred(new, new_levels="sample", seed=1, num_draws=20)["predictions"]["linpred"]
    same = full.sel(draw=thin["draw"])
    assert thin.sizes["draw"] == 5
    assert np.allclose(thin, same, rtol=1e-12)


def test_covariance_over_new_levels_is_sigma() -> None:
    sd, cor = np.array([[2.0, 0.5, 1.0]]), np.array([[0.6, -0.3, 0.2]])
    covariance = hl.Model("y ~ (x + z | g)", table()).spec.groups[0].covariance
    roots = covariance_root(covariance, sd, cor)
    n = 20_000
    b = EffectSampler("g", roots, 5).draw([str(k) for k in range(n)])[..., 0]
    sigma = covariance.covariance(sd, cor)[0]
    error = np.sqrt((sigma**2 + np.outer(np.diag(sigma), np.diag(sigma))) / n)
    assert (np.abs(b.T @ b / n - sigma) < 5 * error).all()
    assert (np.abs(b.mean(axis=0)) < 5 * sd[0] / np.sqrt(n)).all()


def test_new_levels_are_independent_given_sigma() -> None:
    roots = np.ones((20_000, 1, 1))
    a, b = EffectSampler("g", roots, 5).draw(["a", "b"])[:, 0]
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(20_000)
    other = EffectSampler("h", roots, 5).draw(["a"])[0, 0]
    assert abs(np.corrcoef(a, other)[0, 1]) < 5 / np.sqrt(20_000)


def test_each_posterior_draw_has_its_own_sigma() -> None:
    roots = np.linspace(1, 3, 4000)[:, None, None]
    b = EffectSampler("g", roots, 5).draw([str(k) for k in range(50)])[:, 0]
    squares = np.square(b / roots[:, 0, 0])
    assert abs(squares.mean() - 1) < 5 * np.sqrt(2 / squares.size)
    assert abs(np.corrcoef(squares.mean(axis=0), roots[:, 0, 0])[0, 1]) < 5 / np.sqrt(4000)


def test_root_of_a_covariance_that_is_singular() -> None:
    covariance = hl.Model("y ~ (x + z | g)", table()).spec.groups[0].covariance
    for cor in ([1.0, 1.0, 1.0], [1 - 1e-17, -1.0, -1.0], [0.0, 0.0, 1.0], [0.5, 0.1, -0.2]):
        sd, pairs = np.array([[2.0, 0.0, 1.0]]), np.array([cor])
        T = covariance_root(covariance, sd, pairs)
        assert T @ T.transpose(0, 2, 1) == pytest.approx(covariance.covariance(sd, pairs), abs=1e-7)


def test_streams_do_not_change_from_version_to_version() -> None:
    got = keyed(1, "level", "Subject", "ann").standard_normal(2)
    assert got == pytest.approx([-0.1827405, -0.57716055])


def test_population_is_no_effect(fit: hl.Fit) -> None:
    new = {"Days": [0, 9], "Subject": ["ann", "308"]}
    got = fit.linpred(new, new_levels="population")["predictions"]["linpred"]
    none = fit.linpred(new, groups="none")["predictions"]["linpred"]
    known = fit.linpred({"Days": [9], "Subject": ["308"]})["predictions"]["linpred"]
    assert np.allclose(got[..., 0], none[..., 0])
    assert np.allclose(got[..., 1], known[..., 0])


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["ann"], "'Subject' has the level 'ann', which the model has not seen."),
        (["3o8"], "Did you mean '308'?"),
        (["a", "b", "a"], "'Subject' has 2 levels that are new, 'a', 'b'."),
        (list("abcdefg"), "7 levels that are new, 'a', 'b', 'c', 'd', 'e', ..."),
        (["ann"], "new_levels='sample' draws effects"),
        (["ann"], "new_levels='population' sets them to zero"),
        (["ann"], "fit.condition(rows)"),
    ],
)
def test_new_levels_are_refused_by_name(fit: hl.Fit, labels: list[str], says: str) -> None:
    with pytest.raises(hl.DataError, match=re.escape(says)):
        fit.epred({"Days": [1] * len(labels), "Subject": labels})


def test_unknown_policies_are_refused(fit: hl.Fit) -> None:
    with pytest.raises(hl.DataError, match=r"Did you mean 'sample'\?"):
        fit.epred(new_levels="samples")


def _nested() -> hl.Fit:
    data = table(b=np.tile(["p", "p", "q", "q", "r"], 12))
    return synthetic_fit(hl.Model("y ~ x + (1 | g/b)", data))


def test_nested_factors_are_coherent() -> None:
    fit = _nested()
    new = pd.DataFrame(
        {
            "x": 0.0,
            "g": ["g00", "g00", "new", "new", "new"],
            "b": ["p", "z", "p", "q", "p"],
        }
    )
    posterior = fit.idata["posterior"]
    eta = fit.linpred(new, new_levels="sample", seed=1)["predictions"]["linpred"].to_numpy()
    base = posterior["beta"].sel(coef="Intercept").to_numpy()
    own = posterior["r_g"].sel(g="g00", g_coef="Intercept").to_numpy()
    only_g = fit.linpred(new, groups="g", new_levels="sample", seed=1)
    parent = only_g["predictions"]["linpred"].to_numpy()
    # a new b in a known g: g's own effect, and a new one of g:b
    assert np.allclose(parent[..., 1], base + own)
    assert not np.allclose(eta[..., 1], parent[..., 1])
    # a new g has one effect for all its rows, whose cells differ
    assert np.array_equal(parent[..., 2], parent[..., 3])
    assert np.array_equal(eta[..., 2], eta[..., 4])
    assert not np.allclose(eta[..., 2], eta[..., 3])
    sd = posterior["sd_g:b"].isel({"g:b_coef": 0}).to_numpy()
    z = ((eta - parent)[..., 1:4] / sd[..., None]).reshape(-1, 3)
    assert (np.abs(z.var(axis=0) - 1) < 5 * np.sqrt(2 / len(z))).all()
    assert (np.abs(np.corrcoef(z.T) - np.eye(3)) < 5 / np.sqrt(len(z))).all()


def test_cells_whose_names_are_alike_are_refused() -> None:
    data = table(b=np.tile(["p", "p", "q", "q", "r"], 12))
    fit = synthetic_fit(hl.Model("y ~ x + (1 | g:b)", data), draws=5)
    new = {"x": [0.0, 0.0], "g": ["u:v", "u"], "b": ["w", "v:w"]}
    with pytest.raises(hl.DataError, match="have the same name"):
        fit.epred(new, new_levels="sample")


def test_labels_are_text_whatever_their_type(fit: hl.Fit) -> None:
    as_text = fit.epred({"Days": [1, 1], "Subject": ["308", "999"]}, new_levels="sample", seed=1)
    for dtype in (int, float):
        new = {"Days": [1, 1], "Subject": np.array([308, 999], dtype=dtype)}
        got = fit.epred(new, new_levels="sample", seed=1)
        assert got["predictions"].to_dataset().equals(as_text["predictions"].to_dataset())
