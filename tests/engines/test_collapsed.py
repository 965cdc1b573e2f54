"""The collapsed density equals the dense one, and its gradient equals finite differences."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.collapsed import (
    check_dense_gradient,
    check_gradient,
    collapsed_log_likelihood,
    dense_log_likelihood,
    packed_of,
    unpack,
)

import hierlm as hl
from hierlm import names
from hierlm.engines.collapsed import CollapsedEngine
from hierlm.engines.packing import Packed
from hierlm.kernels.posterior import log_posterior
from hierlm.priors import LKJ, Fixed


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 70
    return pd.DataFrame(
        {
            "y": rng.normal(3, 2, n),
            "x": rng.normal(4, 1, n),
            "w": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "g": rng.choice(list("pqrstu"), n),
            "h": rng.choice(list("klmno"), n),
            "weight": rng.integers(0, 4, n),
            "se": rng.uniform(0.5, 1, n),
        }
    )


def _model(formula: str, **options: Any) -> hl.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)  # small random designs
        return hl.Model(formula, _frame(), **options)


STRUCTURES: list[tuple[str, dict[str, Any]]] = [
    ("y ~ x | g", {}),
    ("y ~ x", {}),
    ("y ~ x + (1 | g)", {}),
    ("y ~ x + (x | g)", {"Intercept": "normal(1, 3)"}),
    ("y ~ x + (x || g)", {}),
    ("y ~ x * f + (x + w | g)", {}),
    ("y ~ f + (0 + f | g)", {}),
    ("y ~ x + (1 | g) + (0 + x + w | g)", {}),
    ("y ~ x + (1 | g) + (1 | h)", {}),
    ("y ~ x + (x | g) + (w | h)", {}),
    ("y ~ x + (x | g/h)", {}),
    ("y ~ 0 + f + (1 | g)", {}),
    ("y ~ 0 + (1 | g)", {}),
    ("y ~ x + offset(w) + (1 | g)", {}),
    ("y ~ x + weights(weight) + (x | g)", {}),
    ("y | se(se) ~ x + (1 | g)", {}),
    ("y | weights(weight) + se(se) ~ x + (1 | g) + (1 | h)", {}),
    ("y ~ x + f + (x | g)", {"x": "student_t(3, 0, 1)", "f[b]": "laplace(0, 1)"}),
    ("y ~ x + f + (x | g) + (1 | h)", {"Intercept_centered": "cauchy(0, 5)", "x": 0.4}),
    ("y ~ x + (x | g)", {"x": "halfnormal(2)", "sigma": "uniform(0, 9)", "sd": "gamma(2, 1)"}),
    ("y ~ x + (x | g)", {"sd_g[x]": 0.4, "cor": -0.3, "sigma": 1.5}),
    ("y ~ x + (x + w | g)", {"sd": "exponential(1)", "cor": "lkj(1)", "sigma": "halfcauchy(2)"}),
    ("y ~ x + (1 | g)", {"sd": "lognormal(0, 1)", "sigma": "inversegamma(3, 2)", "beta": "flat()"}),
    ("y ~ x + (1 | g)", {"Intercept": "flat()", "beta": "flat()", "sd": "beta(2, 2)"}),
]

IDS = [f"{formula} {priors or ''}" for formula, priors in STRUCTURES]


@pytest.mark.parametrize(("formula", "priors"), STRUCTURES, ids=IDS)
def test_density_equals_the_dense_normal(formula: str, priors: dict[str, Any]) -> None:
    model = _model(formula, priors=priors)
    packed = packed_of(model)
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = packed.start + rng.normal(0, 0.7, len(packed.start))
        expected = dense_log_likelihood(model, packed, x)
        assert collapsed_log_likelihood(packed, x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("formula", "priors"), STRUCTURES, ids=IDS)
def test_gradient_equals_the_dense_one(formula: str, priors: dict[str, Any]) -> None:
    model = _model(formula, priors=priors)
    packed = packed_of(model)
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = packed.start + rng.normal(0, 0.7, len(packed.start))
        check_dense_gradient(model, packed, x)


@pytest.mark.parametrize(("formula", "priors"), STRUCTURES, ids=IDS)
def test_gradient_equals_finite_differences(formula: str, priors: dict[str, Any]) -> None:
    packed = packed_of(_model(formula, priors=priors))
    rng = np.random.default_rng(2)
    check_gradient(packed, packed.start + rng.normal(0, 0.5, len(packed.start)))


@pytest.mark.parametrize("sd", [1e-5, -1e-11, 0.0])
@pytest.mark.parametrize("cor", [0.0, 4.0, -9.0])
def test_the_boundary_is_finite(sd: float, cor: float) -> None:
    """Sds near zero and at zero, correlations within 1e-3 and 1e-7 of one."""
    model = _model("y ~ x + (x | g) + (1 | h)")
    packed = packed_of(model)
    x = packed.start.copy()
    x[: packed.layout.sd_at.max() + 1] = sd
    x[packed.layout.parts[0, 3]] = cor
    assert collapsed_log_likelihood(packed, x) == pytest.approx(
        dense_log_likelihood(model, packed, x), rel=1e-9
    )
    check_dense_gradient(model, packed, x)
    check_gradient(packed, x)
    x[0] = 0.3  # one sd away from zero, its neighbour at zero
    assert collapsed_log_likelihood(packed, x) == pytest.approx(
        dense_log_likelihood(model, packed, x), rel=1e-9
    )
    check_dense_gradient(model, packed, x)
    check_gradient(packed, x)


@pytest.mark.parametrize(("formula", "priors"), STRUCTURES, ids=IDS)
def test_priors_and_jacobians(formula: str, priors: dict[str, Any]) -> None:
    """What is added to the likelihood is the log prior of each parameter, times its Jacobian."""
    model = _model(formula, priors=priors)
    packed = packed_of(model)
    x = packed.start + np.random.default_rng(3).normal(0, 0.4, len(packed.start))
    total = log_posterior(x, np.empty(len(x)), packed.problem, packed.layout)
    expected = collapsed_log_likelihood(packed, x) + _log_prior(model, packed, x)
    assert total == pytest.approx(expected, rel=1e-9)


def _natural(model: hl.Model, packed: Packed, x: np.ndarray) -> np.ndarray:
    """Return sds, sigma, sampled coefficients and correlations, in the order of x."""
    spec = model.spec
    T, sigma, kept = unpack(packed, x)
    found = []
    for k, position in enumerate(packed.order):
        q = len(spec.groups[position].coefs)
        sd = np.sqrt(np.square(T[k]).sum(axis=1))
        found += [sd[a] for a in range(q) if packed.layout.sd_at[k, a] >= 0]
    found += [sigma] if packed.layout.sigma_at >= 0 else []
    found += list(kept[packed.layout.beta_at >= 0])
    for k, first, size, _ in packed.layout.parts:
        own = T[k, first : first + size, first : first + size]
        C = own / np.sqrt(np.square(own).sum(axis=1))[:, None]
        found += [(C @ C.T)[i, j] for i in range(size) for j in range(i)]
    return np.array(found)


def _log_prior(model: hl.Model, packed: Packed, x: np.ndarray) -> float:
    spec, values = model.spec, _natural(model, packed, x)
    keys = []
    for k, position in enumerate(packed.order):
        group = spec.groups[position]
        keys += [
            names.element(names.sd(group.factor), coef)
            for a, coef in enumerate(group.coefs)
            if packed.layout.sd_at[k, a] >= 0
        ]
    keys += [shape.name for shape in spec.shapes if packed.layout.sigma_at >= 0]
    kept = [packed.coefficients.keys[k] for k in packed.coefficients.kept]
    keys += [key for key in kept if not isinstance(spec.priors[key], Fixed)]
    total = sum(float(spec.priors[key].logpdf(v)) for key, v in zip(keys, values, strict=False))
    at = len(keys)
    for k, _, size, _ in packed.layout.parts:
        prior = spec.priors[names.cor(spec.groups[packed.order[k]].factor)]
        assert isinstance(prior, LKJ)
        R = np.eye(size)
        R[np.tril_indices(size, -1)] = values[at : at + size * (size - 1) // 2]
        total += float(prior.logpdf(R + np.tril(R, -1).T))
        at += size * (size - 1) // 2
    jacobian = np.empty((len(x), len(x)))
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = 1e-4
        coarse = _natural(model, packed, x + step) - _natural(model, packed, x - step)
        fine = _natural(model, packed, x + step / 2) - _natural(model, packed, x - step / 2)
        jacobian[:, i] = (8 * fine - coarse) / 6e-4
    return total + np.linalg.slogdet(jacobian)[1]


def test_what_it_refuses() -> None:
    engine = CollapsedEngine()
    data = _frame().assign(c=np.random.default_rng(1).poisson(3, 70))
    assert engine.refuses(_model("y ~ x + (1 | g)").spec) is None
    poisson = hl.Model("c ~ x + (1 | g)", data, family="poisson")
    assert "gaussian response" in (engine.refuses(poisson.spec) or "")
    with pytest.raises(hl.EngineError, match="the collapsed engine cannot take this model"):
        poisson.fit(engine="collapsed")
    fixed = _model("y ~ x + (x | g)", priors={"sd": 1, "cor": 0.1, "sigma": 2})
    assert "nothing to sample" in (engine.refuses(fixed.spec) or "")
    assert fixed.engine().engine.name == "whitened"
    with pytest.raises(hl.EngineError, match="every parameter is fixed"):
        _model("y ~ x", priors={"Intercept": 1, "x": 0, "sigma": 2}).fit(progress=False)
    log = hl.Model("y ~ x + (1 | g)", data.assign(y=np.exp(data["y"])), link="log")
    assert "identity" in (engine.refuses(log.spec) or "")


def test_sampling_loads_neither_pymc_nor_pytensor() -> None:

    code = (
        "import sys, hierlm as hl;"
        "f = hl.fit('Yield ~ 1 | Batch', hl.load_dataset('Dyestuff'), seed=1, draws=50, tune=50,"
        " progress=False);"
        "print(f.engine, [m for m in ('pymc', 'pytensor') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "collapsed []"
