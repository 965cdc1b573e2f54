"""Where chains start: apart from each other, and where there is a density."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers.collapsed import packed_of

import hierlm as hl
from hierlm.engines import collapsed, whitened
from hierlm.engines.laplace import whiten
from hierlm.kernels.native_whitened import whitened_posterior
from hierlm.kernels.table import evaluate


def test_the_collapsed_engine_starts_around_the_mode() -> None:
    data = hl.load_dataset("sleepstudy")
    model = collapsed._nutpie_model(packed_of(hl.Model("Reaction ~ Days + (Days | Subject)", data)))
    first, second = model.start(1), model.start(2)
    assert first.shape == (model.n_dim,)
    assert (first != second).all()
    assert model.start(1) == pytest.approx(first, abs=0)
    assert (abs(first) <= collapsed._SPREAD).all()


def test_an_update_starts_at_draws_of_the_fit_before() -> None:
    data = hl.load_dataset("sleepstudy")
    packed = packed_of(hl.Model("Reaction ~ Days + (Days | Subject)", data))
    draws = packed.start + 0.1 * np.random.default_rng(1).normal(size=(5, len(packed.start)))
    model = collapsed._nutpie_model(packed, draws)
    _, affine = model.owner
    for seed in range(6):
        point = affine.center + affine.scale @ model.start(seed)
        assert np.isclose(draws, point, rtol=1e-9).all(axis=1).sum() == 1


@pytest.mark.parametrize("link", ["log", "identity"])
def test_the_whitened_engine_starts_where_there_is_a_density(link: str) -> None:
    """With an identity link, counts of nearly nothing leave little room below the mode."""
    rng = np.random.default_rng(1)
    data = {"g": np.repeat(np.arange(12), 5), "y": rng.poisson(0.3, 60)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)
        model = hl.Model("y ~ 1 + (1 | g)", data, family="poisson", link=link)
    ready = whitened._nutpie_model(whiten(model.spec, model.design))
    starts = [ready.start(seed) for seed in range(8)]
    assert len({start.tobytes() for start in starts}) == 8
    for start in starts:
        assert np.isfinite(evaluate(whitened_posterior, ready.table, start)[0])
