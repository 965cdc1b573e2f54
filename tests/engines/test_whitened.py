"""The whitened density equals the specification's times the Jacobian; its gradient, differences."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.densities import components, numpy_log_joint

import hierlm as hl
from hierlm import names
from hierlm.engines import laplace
from hierlm.engines.laplace import Whitened, whiten
from hierlm.kernels.whitened import expand, log_density_at
from hierlm.priors import Fixed


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    n = 60
    return pd.DataFrame(
        {
            "x": rng.normal(3, 1, size=n),
            "w": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "g": rng.choice(list("pqrstu"), n),
            "h": rng.choice(list("klmno"), n),
            "row": np.arange(n),
            "real": rng.normal(2, 1, n),
            "positive": rng.gamma(3, 1, n),
            "unit": rng.beta(2, 2, n),
            "count": rng.poisson(3, n),
            "binary": rng.integers(0, 2, n),
            "trials": rng.integers(3, 9, n),
            "successes": rng.integers(0, 4, n),
            "weight": rng.integers(0, 4, n),
        }
    )


def _model(formula: str, **options: Any) -> hl.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)  # small random designs
        return hl.Model(formula, _frame(), **options)


FAMILIES: list[tuple[str, str, str]] = [
    ("bernoulli", "logit", "binary"),
    ("bernoulli", "probit", "binary"),
    ("bernoulli", "cloglog", "binary"),
    ("binomial", "logit", "p(successes, trials)"),
    ("binomial", "probit", "p(successes, trials)"),
    ("binomial", "cloglog", "p(successes, trials)"),
    ("poisson", "log", "count"),
    ("negbinomial", "log", "count"),
    ("gamma", "log", "positive"),
    ("beta", "logit", "unit"),
    ("beta", "probit", "unit"),
    ("beta", "cloglog", "unit"),
    ("student", "identity", "real"),
    ("student", "log", "positive"),
    ("lognormal", "identity", "positive"),
    ("gaussian", "log", "positive"),
]

STRUCTURES: list[tuple[str, str, dict[str, Any]]] = [
    ("count ~ x | g", "poisson", {}),
    ("count ~ x", "poisson", {}),
    ("count ~ 0 + (1 | g)", "poisson", {}),
    ("count ~ x + (x | g)", "poisson", {"Intercept": "normal(1, 3)"}),
    ("count ~ x + (x || g)", "negbinomial", {}),
    ("count ~ x * f + (x + w | g)", "poisson", {}),
    ("binary ~ f + (0 + f | g)", "bernoulli", {}),
    ("binary ~ x + (1 | g) + (0 + x + w | g)", "bernoulli", {}),
    ("binary ~ x + (1 | g) + (1 | h)", "bernoulli", {}),
    ("binary ~ x + (x | g) + (w | h)", "bernoulli", {}),
    ("count ~ x + (x | g/h)", "poisson", {}),
    ("count ~ x + (x | row) + (1 | g) + (x | h)", "poisson", {}),
    ("count ~ x + offset(w) + (1 | g)", "poisson", {}),
    ("count ~ x + weights(weight) + (x | g)", "negbinomial", {}),
    ("count | weights(weight) ~ f + (1 | g)", "poisson", {}),
    ("p(successes, trials) ~ f + weights(weight) + offset(w) + (1 | g)", "binomial", {}),
    ("count ~ x + f + (x | g)", "poisson", {"x": "student_t(3, 0, 1)", "f[b]": "laplace(0, 1)"}),
    ("count ~ x + f + (x | g)", "poisson", {"Intercept_centered": "cauchy(0, 5)", "x": 0.4}),
    ("count ~ x + (x | g)", "negbinomial", {"sd": "gamma(2, 1)", "alpha": "uniform(0, 90)"}),
    ("count ~ x + (x | g)", "negbinomial", {"sd_g[x]": 0.4, "cor": -0.3, "alpha": 1.5}),
    ("count ~ x + (x + w | g)", "poisson", {"sd": "exponential(1)", "cor": "lkj(1)"}),
    ("count ~ x + (1 | g)", "poisson", {"sd": "lognormal(0, 1)", "Intercept": "flat()"}),
]

CASES = [(f"{y} ~ x + (x | g)", family, link, {}) for family, link, y in FAMILIES]
CASES += [(formula, family, None, priors) for formula, family, priors in STRUCTURES]
IDS = [f"{formula} {family} {link or ''} {priors or ''}" for formula, family, link, priors in CASES]


def _natural(model: hl.Model, w: Whitened, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return parameters, effects and coefficients at coordinates x, in canonical names."""
    spec, d = model.spec, len(w.start)
    marginal = laplace._Marginal.__new__(laplace._Marginal)
    marginal.layout = w.layout
    T, shapes = marginal.unpacked(x[:d])
    b = np.empty((1, len(w.whitening.h)))
    expand(x[None], w.whitening, w.layout, b)
    values: dict[str, np.ndarray] = {}
    for k, position in enumerate(w.order):
        group = spec.groups[position]
        J, q = len(group.levels.labels), len(group.coefs)
        G = T[k, :q, :q] @ T[k, :q, :q].T
        sd = np.sqrt(np.diag(G))
        values[names.sd(group.factor)] = sd
        if group.covariance.pairs:
            i, j = np.array(group.covariance.pairs).T
            values[names.cor(group.factor)] = (G / np.outer(sd, sd))[i, j]
        at = w.whitening.starts[k]
        values[names.effects(group.factor)] = b[0, at : at + J * q].reshape(J, q)
    model_beta = w.columns.values.copy()
    model_beta[w.columns.free] = b[0, w.rows.beta_at :]
    values["beta"] = w.columns.to_raw @ model_beta
    return values | {s.name: v for s, v in zip(spec.shapes, shapes, strict=True)}


def _free(model: hl.Model, w: Whitened, x: np.ndarray) -> np.ndarray:
    """Return what the density is with respect to: free parameters, effects, coefficients."""
    spec, values = model.spec, _natural(model, w, x)
    found = []
    for group in spec.groups:
        sds = spec.priors.group_sds(group.factor, group.coefs)
        sd = values[names.sd(group.factor)]
        found += [v for v, prior in zip(sd, sds, strict=True) if not _is_fixed(prior)]
        if group.covariance.pairs and not _is_fixed(spec.priors[names.cor(group.factor)]):
            found += list(values[names.cor(group.factor)])
        found += list(values[names.effects(group.factor)].ravel())
    found += [values[s.name] for s in spec.shapes if not _is_fixed(spec.priors[s.name])]
    model_beta = np.linalg.solve(w.columns.to_raw, values["beta"])
    return np.array([*found, *model_beta[w.columns.free]])


def _is_fixed(prior: Any) -> bool:
    return isinstance(prior, Fixed)


def _log_jacobian(model: hl.Model, w: Whitened, x: np.ndarray) -> float:
    columns = []
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = 2e-3
        d1 = _free(model, w, x + step) - _free(model, w, x - step)
        d2 = _free(model, w, x + step / 2) - _free(model, w, x - step / 2)
        d3 = _free(model, w, x + step / 4) - _free(model, w, x - step / 4)
        columns.append((d1 - 40 * d2 + 256 * d3) / (90 * 2e-3))
    return float(np.linalg.slogdet(np.array(columns))[1])


def _whiten(model: hl.Model) -> Whitened:
    return whiten(model.spec, model.design)


def _density(w: Whitened, x: np.ndarray) -> tuple[float, np.ndarray]:
    gradient = np.empty(len(x))
    return log_density_at(x, gradient, w.rows, w.whitening, w.layout), gradient


def _point(w: Whitened, seed: int, spread: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.concatenate([w.start, np.zeros(len(w.whitening.h))])
    return x + rng.normal(0, spread, len(x))


@pytest.mark.parametrize(("formula", "family", "link", "priors"), CASES, ids=IDS)
def test_density_is_the_specifications(
    formula: str, family: str, link: str | None, priors: dict[str, Any]
) -> None:
    model = _model(formula, family=family, link=link, priors=priors)
    w = _whiten(model)
    assert w.failure == ""
    x = _point(w, 1, 0.4)
    expected = components(numpy_log_joint(model, _natural(model, w, x)))
    expected += _log_jacobian(model, w, x)
    assert _density(w, x)[0] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("formula", "family", "link", "priors"), CASES, ids=IDS)
def test_gradient_equals_finite_differences(
    formula: str, family: str, link: str | None, priors: dict[str, Any]
) -> None:
    w = _whiten(_model(formula, family=family, link=link, priors=priors))
    _check_gradient(w, _point(w, 2))


def _check_gradient(w: Whitened, x: np.ndarray) -> None:
    value, gradient = _density(w, x)
    assert np.isfinite(value)
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = 4e-4
        # Richardson: the error is of order step^4
        coarse = (_density(w, x + step)[0] - _density(w, x - step)[0]) / 8e-4
        fine = (_density(w, x + step / 2)[0] - _density(w, x - step / 2)[0]) / 4e-4
        assert gradient[i] == pytest.approx((4 * fine - coarse) / 3, rel=1e-6, abs=1e-6)
