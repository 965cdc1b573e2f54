"""Cross-products add up, whatever the order, the chunks and the shift."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hierlm as hl
from hierlm.design.crossproducts import CrossProducts, accumulate
from hierlm.engines.packing import pack
from hierlm.kernels.posterior import log_posterior

FORMULA = "y ~ x * f + weights(k) + (x | g) + (1 | h)"


def _frame(n: int = 120, *, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": rng.normal(3, 2, n),
            "x": rng.normal(50, 1, n),
            "f": rng.choice(["a", "b"], n),
            "g": rng.choice(list("pqrstu"), n),
            "h": rng.choice(list("klmno"), n),
            "k": rng.integers(1, 4, n),
        }
    )


@pytest.fixture(scope="module")
def model() -> hl.Model:
    with pytest.warns(hl.DesignWarning):
        return hl.Model(FORMULA, _frame())


def _density(model: hl.Model, products: CrossProducts) -> float:
    packed = pack(model.spec, products)
    x = np.linspace(-0.5, 0.5, len(packed.start))
    return log_posterior(x, np.empty(len(x)), packed.problem, packed.layout)


def _same(a: CrossProducts, b: CrossProducts) -> None:
    b = b.shifted(a.x0, a.y0)
    assert b.n == pytest.approx(a.n)
    for name in ("UU", "Uy", "yy"):
        assert getattr(b, name) == pytest.approx(getattr(a, name), rel=1e-9, abs=1e-7)
    for first, second in zip(a.factors, b.factors, strict=True):
        for name in ("ZZ", "ZU", "Zy"):
            expected = getattr(first, name)
            assert getattr(second, name) == pytest.approx(expected, rel=1e-9, abs=1e-7)
    for key, pair in a.pairs.items():
        assert np.array_equal(pair.cells, b.pairs[key].cells)
        np.testing.assert_allclose(b.pairs[key].ZZ, pair.ZZ)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 119), max_size=4, unique=True), st.integers(0, 100))
def test_chunks_in_any_order_give_the_same(model: hl.Model, cuts: list[int], seed: int) -> None:
    frame = _frame().sample(frac=1, random_state=seed)
    bounds = [0, *sorted(cuts), len(frame)]
    chunks = [frame.iloc[a:b] for a, b in itertools.pairwise(bounds)]
    designs = [model.spec.encoding.apply(chunk, response=True) for chunk in chunks]
    whole = CrossProducts.of(model.design)
    _same(whole, accumulate(designs))
    merged = CrossProducts.of(designs[0])
    for design in designs[1:]:
        merged = merged + CrossProducts.of(design)  # each with a shift of its own
    _same(whole, merged)
    assert _density(model, merged) == pytest.approx(_density(model, whole), rel=1e-9)


def test_no_chunk_at_all() -> None:
    with pytest.raises(ValueError, match="there are no chunks to add up"):
        accumulate([])


def test_zero_is_neutral(model: hl.Model) -> None:
    whole = CrossProducts.of(model.design)
    _same(whole, CrossProducts.zero(model.design) + whole)
    _same(whole, whole + CrossProducts.zero(model.design))


def test_large_means_cost_no_digits() -> None:
    """Mean 1e6 and sd 1 keep ten digits of the density; naive sums of squares keep four."""
    near = _frame()
    far = near.assign(y=near["y"] + 1e6, x=near["x"] + 1e6)
    formula = "y ~ x + (1 | g)"
    densities = []
    for frame in (near, far):
        model = hl.Model(formula, frame)
        densities.append(_density(model, CrossProducts.of(model.design)))
    assert densities[1] == pytest.approx(densities[0], rel=1e-10)


def test_size_does_not_depend_on_the_rows(model: hl.Model) -> None:
    sizes = []
    for n in (200, 20_000):
        design = model.spec.encoding.apply(_frame(n, seed=1), response=True)
        products = CrossProducts.of(design)
        sizes.append(sum(f.ZU.size for f in products.factors) + products.pairs[0, 1].ZZ.size)
    assert sizes[0] == sizes[1]


def test_saving(model: hl.Model, tmp_path: Path) -> None:
    whole = CrossProducts.of(model.design)
    whole.save(tmp_path / "sums.npz")
    _same(whole, CrossProducts.load(tmp_path / "sums.npz"))
