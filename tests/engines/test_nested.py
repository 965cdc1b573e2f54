"""Nested factors: the same density, gradient and draws as a dense matrix gives, at linear cost."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.collapsed import (
    check_gradient,
    collapsed_log_likelihood,
    dense_log_likelihood,
    in_full,
    packed_of,
    unpack,
)

import hierlm as hl
from hierlm.engines.collapsed import CollapsedEngine
from hierlm.engines.nesting import heaviest_chain, trailing_size
from hierlm.engines.packing import Packed
from hierlm.kernels.collapsed import log_likelihood
from hierlm.kernels.posterior import draw_effects, log_posterior


def _frame() -> pd.DataFrame:
    """Return 3 districts, 7 schools (one of a single class) and 16 classes, of uneven sizes."""
    rng = np.random.default_rng(7)
    n_classes = [3, 1, 2, 4, 2, 1, 3]
    school = np.repeat(np.arange(7), n_classes)
    rows = np.repeat(np.arange(16), rng.integers(2, 9, 16))
    rng.shuffle(rows)
    n = len(rows)
    within = np.concatenate([np.arange(k) for k in n_classes])
    return pd.DataFrame(
        {
            "y": rng.normal(3, 2, n),
            "x": rng.normal(4, 1, n),
            "w": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "district": np.array(list("nnessse"))[school][rows],
            "school": np.array(list("tbzqaku"))[school][rows],
            "klass": within[rows],
            "unique": rng.permutation(16)[rows],
            "twin": np.array(list("gfedcba"))[school][rows],
            "item": rng.choice(list("klmno"), n),
            "weight": rng.integers(0, 4, n),
            "se": rng.uniform(0.5, 1, n),
        }
    )


def _model(formula: str, **options: Any) -> hl.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)  # small random designs
        return hl.Model(formula, _frame(), **options)


NESTED: list[tuple[str, dict[str, Any]]] = [
    ("y ~ x + (1 | school/klass)", {}),
    ("y ~ x + (x | school/klass)", {"Intercept": "normal(1, 3)"}),
    ("y ~ x + (x + w | school) + (1 | school:klass)", {}),
    ("y ~ x + (1 | school) + (x + w | school:klass)", {"beta": "flat()"}),
    ("y ~ x + (x | school) + (w || unique)", {}),
    ("y ~ x + (1 | district/school/klass)", {}),
    ("y ~ x + (x | district) + (x + w | district:school) + (1 | unique)", {}),
    ("y ~ x + (1 | district/school) + (x + w || unique)", {"x": "student_t(3, 0, 1)"}),
    ("y ~ x + f + (x | school/klass) + (1 | item)", {"f[b]": "laplace(0, 1)", "x": 0.4}),
    ("y ~ x + (1 | district/school/klass) + (w | item)", {}),
    ("y ~ x + (1 | school) + (x | twin) + (1 | unique)", {}),
    ("y ~ 0 + (x | school/klass)", {}),
    ("y ~ x + weights(weight) + (x | school/klass)", {}),
    ("y | weights(weight) + se(se) ~ x + offset(w) + (1 | district/school/klass)", {}),
    ("y ~ x + (x | school/klass)", {"sd_school[x]": 0.4, "cor": -0.3, "sigma": 1.5}),
]
IDS = [f"{formula} {priors or ''}" for formula, priors in NESTED]


def _points(packed: Packed) -> list[np.ndarray]:
    """Return three random points, sds of 1e-6 and of zero, and correlations near one."""
    rng = np.random.default_rng(1)
    points = [packed.start + rng.normal(0, 0.6, len(packed.start)) for _ in range(6)]
    sds = packed.layout.sd_at[packed.layout.sd_at >= 0]
    points[3][sds] = 1e-6
    points[4][sds[::2]] = 0.0
    for _, _, size, at in packed.layout.parts:
        points[4][at : at + size * (size - 1) // 2] = -9.0
        points[5][at : at + size * (size - 1) // 2] = 7.0
    return points


@pytest.mark.parametrize(("formula", "priors"), NESTED, ids=IDS)
def test_density_equals_the_dense_normal(formula: str, priors: dict[str, Any]) -> None:
    model = _model(formula, priors=priors)
    packed = packed_of(model)
    for x in _points(packed):
        expected = dense_log_likelihood(model, packed, x)
        assert collapsed_log_likelihood(packed, x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("formula", "priors"), NESTED, ids=IDS)
def test_gradient_equals_finite_differences(formula: str, priors: dict[str, Any]) -> None:
    packed = packed_of(_model(formula, priors=priors))
    for x in _points(packed)[2:]:
        check_gradient(packed, x)


@pytest.mark.parametrize(("formula", "priors"), NESTED, ids=IDS)
@pytest.mark.parametrize("lapack", [False, True])
def test_a_full_matrix_gives_the_same(formula: str, priors: dict[str, Any], lapack: bool) -> None:
    packed = packed_of(_model(formula, priors=priors))
    full = in_full(packed.problem, lapack=lapack)
    for x in _points(packed):
        here, there = np.empty(len(x)), np.empty(len(x))
        expected = log_posterior(x, there, full, packed.layout)
        assert log_posterior(x, here, packed.problem, packed.layout) == pytest.approx(expected)
        assert here == pytest.approx(there, rel=1e-9, abs=1e-9)


def test_the_gradient_in_t_where_t_is_zero() -> None:
    """No coordinate reaches it, but a step of the sampler may."""
    packed = packed_of(_model("y ~ x + (x | district/school) + (x + w | unique)"))
    T = np.zeros(packed.layout.C_fixed.shape)
    dT, scratch, none = np.empty(T.shape), np.empty(T.shape), np.empty(0)
    log_likelihood(packed.problem, T, 1.3, none, dT, none)
    assert dT == pytest.approx(0.0, abs=1e-12)  # the density is even in each T
    T[1] = np.tril(np.random.default_rng(1).normal(size=T.shape[1:]))
    T[1, 2:] = 0.0
    log_likelihood(packed.problem, T, 1.3, none, dT, none)
    for a in range(2):
        for b in range(a + 1):
            ends = []
            for step in (1e-4, -1e-4):
                moved = T.copy()
                moved[1, a, b] += step
                ends.append(log_likelihood(packed.problem, moved, 1.3, none, scratch, none)[0])
            assert dT[1, a, b] == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-5)


@pytest.mark.parametrize(
    "formula", ["y ~ x + (x | district/school/klass)", "y ~ x + (w | school/klass) + (x | item)"]
)
def test_draws_have_the_mean_and_covariance_of_the_effects(formula: str) -> None:
    """They are linear in the noise: no noise gives the mean, unit vectors a root of the rest."""
    model = _model(formula, priors={"Intercept_centered": "normal(2, 2)", "x": "normal(0, 1)"})
    packed, design = packed_of(model), model.design
    x = packed.start + np.random.default_rng(1).normal(0, 0.5, len(packed.start))
    T, sigma, _ = unpack(packed, x)
    (q, J), m = packed.problem.Ze.shape, len(packed.problem.Ke)
    size = J * q + m
    noise = np.vstack([np.zeros(size), np.eye(size)])
    levels, trailing = np.empty((1 + size, J, q)), np.empty((1 + size, m))
    xs = np.tile(x, (1 + size, 1))
    draw_effects(xs, noise, packed.problem, packed.layout, packed.columns, levels, trailing)
    drawn = np.hstack([levels.reshape(1 + size, -1), trailing])

    columns, prior = [], []
    for k, position in enumerate(packed.order):
        block = design.blocks[position]
        own = np.zeros((design.n, block.n_levels, block.n_coefs))
        own[np.arange(design.n), block.codes] = block.Z
        columns.append(own.reshape(design.n, -1))
        S = T[k, : block.n_coefs, : block.n_coefs]
        prior.append(np.kron(np.eye(block.n_levels), S @ S.T))
    columns.append(design.X @ packed.coefficients.to_raw)
    prior.append(np.diag([4.0, 1.0]))
    A = np.hstack(columns)
    G = np.zeros((size, size))
    at = 0
    for part in prior:
        G[at : at + len(part), at : at + len(part)] = part
        at += len(part)
    start = np.zeros(size)
    start[-2:] = np.array([2.0, 0.0])
    gain = np.linalg.solve(A @ G @ A.T + sigma**2 * np.eye(design.n), A @ G).T
    mean = start + gain @ (design.response - A @ start)
    mean[-2:] -= packed.coefficients.reference
    assert drawn[0] == pytest.approx(mean, rel=1e-8, abs=1e-10)
    root = drawn[1:] - drawn[0]
    assert root.T @ root == pytest.approx(G - gain @ A @ G, rel=1e-8, abs=1e-10)


def _schools(n_schools: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = n_schools * 12
    school = np.repeat(np.arange(n_schools), 12)
    frame = {"school": school, "klass": np.tile(np.repeat(np.arange(3), 4), n_schools)}
    frame |= {"x": rng.normal(size=n), "item": rng.integers(0, 30, n)}
    return pd.DataFrame({**frame, "unique": 3 * school + frame["klass"], "y": rng.normal(size=n)})


@pytest.mark.parametrize("classes", ["school:klass", "unique"])
def test_memory_is_linear_in_nested_levels(classes: str) -> None:
    sizes = []
    for n_schools in (200, 400):
        model = hl.Model(f"y ~ x + (x | school) + (x | {classes})", _schools(n_schools))
        problem = packed_of(model).problem
        sizes.append(len(problem.K))
        assert len(problem.envelope.lapack) == 0
        assert trailing_size(model.spec) < 50
    assert sizes[1] - sizes[0] == 200 * (2 * 2 + 2 * 2)  # a block, and beside two coefficients


@pytest.mark.parametrize(("n_schools", "full"), [(60, True), (100, False)])
def test_a_crossed_factor_beside_nested_ones(n_schools: int, full: bool) -> None:
    """Thirty items meet every school: full rows, of which few schools make a full matrix."""
    packed = packed_of(hl.Model("y ~ x + (1 | school/klass) + (1 | item)", _schools(n_schools)))
    problem, m = packed.problem, n_schools + 32
    assert len(problem.K) == m**2 if full else len(problem.K) < m**2 / 4
    assert len(problem.envelope.lapack) == (2 if full else 0)
    here, there = np.empty(len(packed.start)), np.empty(len(packed.start))
    x = packed.start + 0.3
    expected = log_posterior(x, there, in_full(problem, lapack=not full), packed.layout)
    assert log_posterior(x, here, problem, packed.layout) == pytest.approx(expected)
    assert here == pytest.approx(there, rel=1e-9)


def test_the_engine_takes_any_number_of_nested_levels() -> None:
    """What decides is what would be dense: no school around classes, every school beside items."""
    rng = np.random.default_rng(1)
    n = 18_000
    school = np.repeat(np.arange(3000), 6)
    frame = pd.DataFrame({"y": rng.normal(size=n), "school": school})
    frame["klass"] = np.repeat(np.arange(6000), 3)
    frame["item"] = rng.permutation(np.repeat(np.arange(6000), 3))
    engine = CollapsedEngine()
    nested = hl.Model("y ~ 1 + (1 | school) + (1 | klass)", frame).spec
    assert nested.encoding.nested == {(1, 0)}
    assert engine.refuses(nested) is None
    crossed = hl.Model("y ~ 1 + (1 | school) + (1 | item)", frame).spec
    assert crossed.encoding.nested == frozenset()
    assert "3,001 dense columns would be left" in (engine.refuses(crossed) or "")
    beside = hl.Model("y ~ 1 + (1 | school) + (1 | klass) + (1 | item)", frame).spec
    assert "8,144 dense columns" in (engine.refuses(beside) or "")


def test_chains() -> None:
    assert heaviest_chain([], [], set()) == []
    assert heaviest_chain([5, 5], [1, 1], set()) == [0]
    assert heaviest_chain([5, 20, 60], [1, 1, 1], {(1, 0), (2, 0), (2, 1)}) == [2, 1, 0]
    assert heaviest_chain([9, 20, 60, 80], [1, 1, 1, 1], {(1, 0), (2, 0)}) == [3]
    assert heaviest_chain([30, 20, 60, 80], [1, 2, 1, 1], {(2, 0), (2, 1)}) == [2, 1]
