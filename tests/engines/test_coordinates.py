"""The coordinates that the sampler moves in: folded sds, and the mode that centres and scales."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from helpers.collapsed import packed_of

import hierlm as hl
from hierlm.engines.packing import Packed
from hierlm.engines.standardizing import Density, around_mode, standardize
from hierlm.kernels.native import Affine, collapsed_point, collapsed_posterior
from hierlm.kernels.posterior import log_posterior, parameters
from hierlm.kernels.table import tabulate
from hierlm.kernels.transforms import FOLDED

FORMULA = "Reaction ~ Days + (Days | Subject)"


def _packed(**priors: str) -> Packed:
    data = hl.load_dataset("sleepstudy")
    return packed_of(hl.Model(FORMULA, data, priors=priors))


def _density(packed: Packed, x: np.ndarray) -> tuple[float, np.ndarray]:
    gradient = np.empty(len(x))
    return log_posterior(x, gradient, packed.problem, packed.layout), gradient


def _parameters(packed: Packed, x: np.ndarray) -> np.ndarray:
    (nf, q), kept = packed.layout.sd_at.shape, len(packed.layout.beta_at)
    out = np.empty((1, nf * q + nf * q * q + 1 + kept))
    parameters(x[None], packed.layout, out)
    return out[0]


def test_an_sd_of_the_other_sign_is_the_same_point_with_other_correlations() -> None:
    packed = _packed()
    x = packed.start + np.random.default_rng(0).normal(size=len(packed.start))
    mirrored = x.copy()
    sd, cor = packed.layout.sd_at[0, 1], packed.layout.parts[0, 3]
    mirrored[[sd, cor]] *= -1
    density, gradient = _density(packed, x)
    same, opposite = _density(packed, mirrored)
    assert same == pytest.approx(density, rel=1e-13)
    opposite[[sd, cor]] *= -1
    assert opposite == pytest.approx(gradient, rel=1e-11)
    ours, theirs = _parameters(packed, x), _parameters(packed, mirrored)
    assert (ours[:2] > 0).all()
    assert ours[[0, 1, -1]] == pytest.approx(theirs[[0, 1, -1]])
    C, D = ours[2:6].reshape(2, 2), theirs[2:6].reshape(2, 2)
    assert pytest.approx(D @ D.T) == C @ C.T  # what is reported does not know of signs


@pytest.mark.parametrize(
    ("prior", "folded"),
    [
        ("halfnormal(30)", True),
        ("half_student_t(3, 30)", True),
        ("half_cauchy(30)", True),
        ("exponential(0.1)", True),
        ("gamma(2, 0.1)", False),
        ("lognormal(3, 1)", False),
        ("uniform(0, 100)", False),
    ],
)
def test_sds_are_folded_where_their_prior_has_a_density_at_zero(prior: str, folded: bool) -> None:
    layout = _packed(sd=prior).layout
    assert (layout.priors[layout.sd_at[0], 4] == FOLDED).all() == folded
    assert layout.priors[layout.sigma_at, 4] != FOLDED


def test_the_mode_centres_and_its_curvature_scales() -> None:
    packed = _packed()
    found = standardize(packed, packed.start)
    assert found.found
    center, scale = found.affine
    assert _density(packed, center)[1] == pytest.approx(0, abs=0.01)
    d = len(center)
    hessian = np.empty((d, d))
    for k in range(d):
        step = 1e-4 * scale[:, k]
        down, up = (_density(packed, center + way * step)[1] for way in (-1, 1))
        hessian[k] = scale.T @ (down - up) / 2e-4
    assert hessian == pytest.approx(np.eye(d), abs=1e-3)


def _uphill(x: np.ndarray) -> tuple[float, np.ndarray]:
    return float(x.sum()), np.ones(len(x))


def _saddle(x: np.ndarray) -> tuple[float, np.ndarray]:
    return float(x[0] ** 2 - x[1] ** 2), np.array([2 * x[0], -2 * x[1]])


def _nowhere(x: np.ndarray) -> tuple[float, np.ndarray]:
    return -np.inf, np.zeros(len(x))


@pytest.mark.parametrize("density", [_uphill, _saddle, _nowhere])
def test_without_a_mode_coordinates_stay_as_they_are(density: Density) -> None:
    found = around_mode(density, np.array([0.0, 1.0]))
    assert not found.found
    assert (found.affine.center == [0, 1]).all()
    assert (found.affine.scale == np.eye(2)).all()


def test_the_sampler_sees_the_density_at_the_point_that_is_recorded() -> None:
    packed = _packed()
    d = len(packed.start)
    rng = np.random.default_rng(1)
    affine = Affine(packed.start + 0.1, np.tril(rng.normal(size=(d, d))))
    table = tabulate(packed.problem, packed.layout, affine)
    z, slope, value, x = 0.3 * rng.normal(size=d), np.empty(d), np.empty(1), np.empty(d)
    addresses = [ctypes.c_void_p] * 4
    density = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *addresses)(
        collapsed_posterior.address
    )
    assert density(d, *(a.ctypes.data for a in (z, slope, value, table))) == 0
    record = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, *addresses[1:])(
        collapsed_point.address
    )
    assert record(d, d, *(a.ctypes.data for a in (z, x, table))) == 0
    assert x == pytest.approx(affine.center + affine.scale @ z)
    expected, gradient = _density(packed, x)
    assert value[0] == pytest.approx(expected, rel=1e-13)
    assert slope == pytest.approx(affine.scale.T @ gradient, rel=1e-10)
