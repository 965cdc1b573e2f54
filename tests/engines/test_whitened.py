"""The whitened density equals the specification's times the Jacobian; its gradient, differences."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.densities import components, numpy_log_joint
from helpers.nasty import NASTY, nasty
from scipy import special

import hierlm as hl
from hierlm import names
from hierlm.engines import crossed, laplace, rowpacking, working
from hierlm.engines.laplace import Whitened, whiten
from hierlm.engines.rowpacking import Columns, information, pack_rows
from hierlm.engines.whitened import WhitenedEngine
from hierlm.kernels.likelihood import KINDS
from hierlm.kernels.rows import Rows, row_gradient, row_slopes
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
            "error": rng.uniform(0.5, 1.5, n),
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
    ("gaussian", "identity", "real"),
    ("gaussian", "inverse", "positive"),
    ("student", "inverse", "positive"),
    ("gamma", "identity", "positive"),
    ("gamma", "inverse", "positive"),
    ("poisson", "identity", "count"),
    ("poisson", "sqrt", "count"),
    ("negbinomial", "identity", "count"),
    ("negbinomial", "sqrt", "count"),
]
# Links that keep some linear predictors from having a density, or a slope.
POSITIVE = ("identity", "inverse", "sqrt")

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
    ("count ~ x + (x | g)", "poisson", {"sd": 0.7, "cor": 0.1}),
    ("count ~ x + (x + w | g)", "poisson", {"sd": "exponential(1)", "cor": "lkj(1)"}),
    ("count ~ x + (1 | g)", "poisson", {"sd": "lognormal(0, 1)", "Intercept": "flat()"}),
    ("real | se(error) ~ x + (x | g)", "gaussian", {"sd": "exponential(1)"}),
    ("real | se(error) ~ x + weights(weight) + (1 | g) + (x | h)", "gaussian", {}),
    ("real | se(error) ~ x + offset(w) + weights(weight) + (x | g)", "student", {}),
    ("count ~ x + f + (x | g)", "poisson", {"x": "halfnormal(1)", "f[b]": "uniform(-2, 3)"}),
    ("real ~ x + (x | g)", "student", {"Intercept_centered": "gamma(4, 2)", "x": "exponential(1)"}),
    ("binary ~ x + (1 | g)", "bernoulli", {"x": "halfnormal(1)", "Intercept_centered": 0.1}),
]

CASES = [(f"{y} ~ x + (x | g)", family, link, {}) for family, link, y in FAMILIES]
CASES += [(formula, family, None, priors) for formula, family, priors in STRUCTURES]
IDS = [f"{formula} {family} {link or ''} {priors or ''}" for formula, family, link, priors in CASES]


def _natural(model: hl.Model, w: Whitened, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return parameters, effects and coefficients at coordinates x, in canonical names."""
    spec, d = model.spec, len(w.start)
    marginal = laplace.Marginal.__new__(laplace.Marginal)
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
    kept = len(w.columns.kept)
    model_beta[w.columns.kept] = shapes[len(shapes) - kept :]
    shapes = shapes[1 if model.design.se is not None else 0 : len(shapes) - kept]
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
    return np.array([*found, *model_beta[w.columns.free], *model_beta[w.columns.kept]])


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


CROSSED = "count ~ x + (x | g) + (w | h) + (1 | f)"
NESTED = "count ~ x + (1 | row) + (x | g/h)"
DEEP = "count ~ x + (1 | row) + (1 | f/g) + (w | f:g:h)"


@pytest.mark.parametrize(
    ("formula", "few", "chain"),
    [(CROSSED, 0, 3), (CROSSED, 4, 2), (NESTED, 0, 3), (NESTED, 14, 2), (DEEP, 0, 4)],
)
@pytest.mark.parametrize("sampled", [False, True])
def test_large_factors_are_whitened_level_by_level(
    formula: str, few: int, chain: int, sampled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laplace, "LEAST_DENSE", few)
    monkeypatch.setattr(laplace, "NANOSECONDS", np.inf)
    monkeypatch.setattr(crossed, "_DIRECTIONS", 2)
    monkeypatch.setattr(crossed, "_FAR", 0.0)
    priors = {"x": "halfnormal(1)"} if sampled else {}
    model = _model(formula, family="poisson", priors=priors)
    w = _whiten(model)
    assert w.failure == ""
    assert w.whitening.chain == chain
    assert len(w.whitening.stretch) == 2
    x = _point(w, 3, 0.4)
    expected = components(numpy_log_joint(model, _natural(model, w, x)))
    expected += _log_jacobian(model, w, x)
    assert _density(w, x)[0] == pytest.approx(expected, rel=1e-8)
    _check_gradient(w, x)


@pytest.mark.parametrize("sd", [-12.0, -25.0])
@pytest.mark.parametrize("cor", [0.0, 4.0, -9.0])
def test_the_boundary_is_finite(sd: float, cor: float) -> None:
    """Sds of 1e-5 and 1e-11, correlations within 1e-3 and 1e-7 of one."""
    w = _whiten(_model("count ~ x + (x | g) + (w | h)", family="poisson"))
    x = _point(w, 4)
    x[: w.layout.sd_at.max() + 1] = sd
    x[w.layout.parts[0, 3]] = cor
    _check_gradient(w, x)
    x[0] = 0.3  # one sd away from zero, its neighbour at zero
    _check_gradient(w, x)


def test_at_the_mode_effects_have_nearly_unit_information() -> None:
    """What whitening is for: the negative Hessian in the noise is close to the identity."""
    w = _whiten(_model("p(successes, trials) ~ x + (x | g) + (1 | h)", family="binomial"))
    d, N = len(w.start), len(w.whitening.h)
    x = np.concatenate([w.start, np.zeros(N)])
    hessian = np.empty((N, N))
    for i in range(N):
        step = np.zeros(d + N)
        step[d + i] = 1e-4
        hessian[i] = (_density(w, x - step)[1] - _density(w, x + step)[1])[d:] / 2e-4
    np.testing.assert_allclose(hessian, np.eye(N), atol=2e-2)
    np.testing.assert_allclose(_density(w, x)[1][d:], 0.0, atol=1e-2)


@pytest.mark.parametrize("formula", [CROSSED, NESTED, DEEP])
def test_what_level_by_level_leaves(formula: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is white but correlations between levels of crossed factors; nested ones have none."""
    monkeypatch.setattr(laplace, "LEAST_DENSE", 0)
    monkeypatch.setattr(laplace, "NANOSECONDS", np.inf)
    monkeypatch.setattr(crossed, "_FAR", np.inf)
    w = _whiten(_model(formula, family="poisson"))
    d, N, starts = len(w.start), len(w.whitening.h), w.whitening.starts
    x = np.concatenate([w.start, np.zeros(N)])
    hessian = np.empty((N, N))
    for i in range(N):
        step = np.zeros(d + N)
        step[d + i] = 1e-4
        hessian[i] = (_density(w, x - step)[1] - _density(w, x + step)[1])[d:] / 2e-4
    inside = slice(starts[1], starts[-1] if formula == CROSSED else starts[1])
    hessian[inside, inside] = np.eye(inside.stop - inside.start)
    expected = np.eye(N)
    np.testing.assert_allclose(hessian, expected, atol=3e-2)
    np.testing.assert_allclose(_density(w, x)[1][d:], 0.0, atol=1e-2)


@pytest.mark.parametrize(("family", "link", "response"), FAMILIES)
def test_rows_equal_the_family(family: str, link: str, response: str) -> None:
    """Log density, slopes and the derivatives in the shapes, at linear predictors of any size."""
    model = _model(f"{response} ~ x + offset(w) + (1 | g)", family=family, link=link)
    w, design = _whiten(model), model.design
    shapes = np.array([1.7, 4.2])[: len(model.spec.shapes)]
    b = np.random.default_rng(5).normal(0, 0.5, len(w.whitening.h))
    b[w.rows.beta_at] += 6.0 if link in POSITIVE else 0.0

    def density(b: np.ndarray, shapes: np.ndarray) -> float:
        model_beta = b[w.rows.beta_at :]
        effects = b[: w.rows.beta_at].reshape(-1, 1)
        eta = design.X @ (w.columns.to_raw @ model_beta) + design.offset
        eta = eta + effects[design.blocks[0].codes, 0]
        mu = model.spec.family.link.inverse(eta)
        named = dict(zip(model.spec.family.shape_names, shapes, strict=True))
        return float(
            model.spec.family.logpdf(design.response, mu, trials=design.trials, **named).sum()
        )

    slope, dshapes = np.zeros(len(b)), np.zeros(len(shapes))
    value = row_gradient(w.rows, b, shapes, slope, dshapes)
    assert value == pytest.approx(density(b, shapes), rel=1e-10)
    for at, gradient in ((b, slope), (shapes, dshapes)):
        for i in range(len(at)):
            step = np.zeros(len(at))
            step[i] = 1e-3

            def moved(h: float, at: np.ndarray = at, step: np.ndarray = step) -> float:
                point = at + h * step
                return density(point, shapes) if at is b else density(b, point)

            difference = (8 * (moved(1) - moved(-1)) - moved(2) + moved(-2)) / 12e-3
            assert gradient[i] == pytest.approx(difference, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(("family", "link", "response"), FAMILIES)
@pytest.mark.parametrize("size", [-40.0, -8.0, 8.0, 25.0])
def test_extreme_predictors(family: str, link: str, response: str, size: float) -> None:
    """Neither the density nor its slope is lost where a probability is close to zero or one."""
    model = _model(f"{response} ~ 1 + (1 | g)", family=family, link=link)
    w = _whiten(model)
    b = np.zeros(len(w.whitening.h))
    b[w.rows.beta_at :] = size
    slope, dshapes = np.zeros(len(b)), np.zeros(2)
    value = row_gradient(w.rows, b, np.array([1.7, 4.2]), slope, dshapes)
    if size < 0 and link in POSITIVE and family in ("gamma", "poisson", "negbinomial"):
        assert link == "sqrt" or not np.isfinite(value)  # no mean is negative
        return
    assert np.isfinite(value)
    assert np.all(np.isfinite(slope))
    if family in ("bernoulli", "binomial") and link == "logit":
        slope_at = w.rows.data[0].sum() - w.rows.data[:2].sum() * special.expit(size)
        assert slope[w.rows.beta_at] == pytest.approx(slope_at, rel=1e-12)


@pytest.mark.parametrize(("family", "link", "response"), FAMILIES)
def test_information_is_the_curvature(
    family: str, link: str, response: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W is -d2 l / d eta2, or its expectation where the likelihood is not log-concave."""
    monkeypatch.setattr(rowpacking, "_MERGED", ())  # a row is a row
    model = _model(f"{response} ~ 1 + (1 | g)", family=family, link=link)
    rows, shapes = _whiten(model).rows, np.array([1.7, 4.2])
    n = rows.data.shape[1]
    b = np.zeros(rows.beta_at + 1)
    etas, slopes, h = np.empty((3, n)), np.empty((3, n)), 1e-4
    for k, shift in enumerate((-h, 0.0, h)):
        b[-1] = 0.4 + shift
        row_slopes(rows, b, shapes, etas[k], slopes[k])
    observed = (slopes[0] - slopes[2]) / (2 * h)
    W = information(rows, etas[1], shapes)
    assert np.all(W >= 0)
    expected = family in ("student", "beta") or link == "sqrt"
    expected |= link == "inverse" and family != "gamma"  # for a gamma it is the canonical link
    expected |= (family, link) == ("gaussian", "log")
    expected |= link == "identity" and family in ("gamma", "poisson", "negbinomial")
    if not expected:
        np.testing.assert_allclose(W, observed, rtol=1e-6, atol=1e-7)
        return
    rng = np.random.default_rng(1)  # the expectation, over responses from the model
    mu = model.spec.family.link.inverse(np.full(40_000, 0.4))
    named = dict(zip(model.spec.family.shape_names, shapes, strict=False))
    data = _frame().iloc[np.zeros(40_000, int)].assign(g="p")
    data[response] = model.spec.family.rvs(rng, mu, **named)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)
        many = hl.Model(f"{response} ~ 1", data, family=family, link=link)
    rows, b = _rows(many), np.zeros(1)
    slopes, etas = np.empty((3, 40_000)), np.empty((3, 40_000))
    for k, shift in enumerate((-h, 0.0, h)):
        b[0] = 0.4 + shift
        row_slopes(rows, b, shapes, etas[k], slopes[k])
    curvature = (slopes[0] - slopes[2]) / (2 * h)
    error = curvature.std() / np.sqrt(len(curvature))
    assert abs(information(rows, etas[1], shapes)[0] - curvature.mean()) < 5 * error


def _rows(model: hl.Model) -> Rows:
    return pack_rows(model.spec, model.design, Columns.of(model.spec), ())


@pytest.mark.parametrize(
    ("formula", "family", "alike"),
    [
        ("binary ~ f + (1 | g)", "bernoulli", ["f", "g"]),
        ("binary ~ f + weights(weight) + (1 | g)", "bernoulli", ["f", "g"]),
        ("p(successes, trials) ~ f + offset(w) + (1 | g)", "binomial", ["f", "g", "w"]),
        ("count ~ f + (1 | g)", "poisson", ["f", "g"]),
        ("count ~ x + weights(weight) + (x | g)", "negbinomial", ["x", "g", "count"]),
    ],
)
def test_equal_rows_are_one(formula: str, family: str, alike: list[str]) -> None:
    data = pd.concat([_frame()] * 5, ignore_index=True)
    model = hl.Model(formula, data, family=family)
    w = _whiten(model)
    counted = data[data["weight"] > 0] if "weights" in formula else data
    assert w.rows.data.shape[1] == len(counted[alike].drop_duplicates())
    x = _point(w, 6, 0.4)
    expected = components(numpy_log_joint(model, _natural(model, w, x)))
    expected += _log_jacobian(model, w, x)
    assert _density(w, x)[0] == pytest.approx(expected, rel=1e-8)


def test_many_rows_of_few_patterns_cost_few() -> None:
    rng, n = np.random.default_rng(3), 100_000
    data = pd.DataFrame({"x": rng.integers(0, 10, n), "g": rng.integers(0, 50, n)})
    data["y"] = rng.integers(0, 2, n)
    model = hl.Model("y ~ x + (x | g)", data, family="bernoulli")
    rows = pack_rows(model.spec, model.design, Columns.of(model.spec), (0,))
    assert rows.data.shape[1] == 500
    assert rows.data[:2].sum() == n


@pytest.mark.parametrize("name", NASTY)
def test_the_laplace_step_is_robust(name: str) -> None:
    formula, data, family = nasty(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)
        w = _whiten(hl.Model(formula, data, family=family))
    assert w.failure == ""
    _check_gradient(w, _point(w, 7, 0.3))


@pytest.mark.parametrize("case", ["all zero", "separated", "no variance", "apart"])
def test_level_by_level_is_robust(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row for each level of g, two for those of h; "apart": no level of g meets two of h."""
    monkeypatch.setattr(laplace, "LEAST_DENSE", 0)
    monkeypatch.setattr(laplace, "NANOSECONDS", np.inf)
    rng, n = np.random.default_rng(8), 80
    data = pd.DataFrame({"x": rng.normal(size=n), "g": rng.permutation(n)})
    data["h"] = data["g"] % 40 if case == "apart" else rng.permutation(n) % 40
    counts = {"all zero": np.zeros(n, int), "separated": (data["x"] > 0).astype(int)}
    data["y"] = counts.get(case, rng.poisson(3, n))
    family = "bernoulli" if case == "separated" else "poisson"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)
        w = _whiten(hl.Model("y ~ x + (1 | g) + (1 | h)", data, family=family))
    assert w.failure == ""
    assert w.whitening.chain == 2
    _check_gradient(w, _point(w, 7, 0.3))


def test_without_a_mode_effects_are_noncentered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "_STEPS", 0)
    model = _model("count ~ x + (x | g) + (1 | h)", family="poisson")
    w = _whiten(model)
    assert "no mode" in w.failure
    x = _point(w, 8, 0.3)
    expected = components(numpy_log_joint(model, _natural(model, w, x)))
    expected += _log_jacobian(model, w, x)
    assert _density(w, x)[0] == pytest.approx(expected, rel=1e-8)
    d = len(w.start)
    effects = np.empty((1, len(w.whitening.h)))
    expand(x[None], w.whitening, w.layout, effects)
    values = _natural(model, w, x)  # b = T z, whatever the rows say
    level = effects[0, :2]
    T = np.linalg.cholesky(
        model.spec.groups[0].covariance.covariance(values["sd_g"], values["cor_g"])
    )
    np.testing.assert_allclose(level, T @ x[d : d + 2], rtol=1e-10)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = model.fit(engine="whitened", draws=50, tune=50, chains=2, seed=1, progress=False)
    assert any("non-centered" in str(one.message) for one in caught)
    assert fit.idata.attrs["coordinates"] == "non-centered"


def test_what_it_refuses() -> None:
    engine = WhitenedEngine()
    assert engine.refuses(_model("count ~ x + (1 | g)", family="poisson").spec) is None
    known = _model("positive | se(error) ~ x + (1 | g)", family="student", link="log")
    assert "no known standard errors of a student with log link" in engine.refuses(known.spec)
    assert known.engine().engine.name == "pymc"
    sqrt = _model("count ~ x + (1 | g)", family="poisson", link="sqrt")
    assert sqrt.engine().engine.name == "whitened"
    fixed = _model("count ~ x", family="poisson", priors={"Intercept": 1, "x": 0})
    assert "fixed" in (engine.refuses(fixed.spec) or "")
    assert _model("count ~ x + (1 | g)", family="poisson").engine().engine.name == "whitened"
    assert _model("real ~ x + (1 | g)").engine().engine.name == "collapsed"


def test_many_crossed_levels_are_not_integrated_out() -> None:
    rng, n = np.random.default_rng(2), 3_000
    data = pd.DataFrame({"y": rng.normal(size=n), "g": rng.permutation(n) % 900})
    data["h"] = rng.permutation(n) % 700
    model = hl.Model("y ~ 1 + (1 | g) + (1 | h)", data)
    assert str(model.engine()) == (
        "whitened: NUTS on all effects, in coordinates whitened by a Laplace approximation; not "
        "collapsed: its gradients would factor as much as 701 dense columns of crossed factors; "
        "from about 600 on all effects are sampled faster"
    )
    assert model.engine("collapsed").engine.name == "collapsed"
    streamed = hl.Model.from_chunks("y ~ 1 + (1 | g) + (1 | h)", [data])
    assert streamed.engine().engine.name == "collapsed"


def test_every_link_of_every_family_has_a_kernel() -> None:
    for name, family in hl.families.FAMILIES.items():
        plain = {"bernoulli": "binomial", "lognormal": "gaussian"}.get(name, name)
        assert {link for other, link in KINDS if other == plain} >= set(family.links)
        assert {(name, link) for link in family.links} <= {row[:2] for row in FAMILIES}


def test_sampling_loads_neither_pymc_nor_pytensor() -> None:
    code = (
        "import sys, hierlm as hl;"
        "f = hl.fit('p(incidence, size) ~ period + (1 | herd)', hl.load_dataset('cbpp'), seed=1,"
        " family='binomial', draws=50, tune=50, progress=False);"
        "print(f.engine, [m for m in ('pymc', 'pytensor') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "whitened []"
