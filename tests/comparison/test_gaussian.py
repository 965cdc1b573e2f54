"""Effects integrated out of Gaussian rows equal the dense multivariate normal, draw by draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from scipy import stats

import hierlm as hl
from hierlm.comparison.integrated import Integrated
from hierlm.comparison.rows import Draws
from hierlm.comparison.units import Unit, units_of_levels

SLEEP = hl.load_dataset("sleepstudy")
WEIGHTED = SLEEP.assign(w=np.resize([1, 3, 2], len(SLEEP)), o=np.resize([5.0, -3.0], len(SLEEP)))
ONLY_CHILD = hl.load_dataset("Pastes").query("batch != 'A' or cask == 'a'")

# formula, data, family, unit, and the factors whose effects are new in the level looked at
CASES = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", SLEEP, "gaussian", "Subject", {"Subject"}),
    "diagonal": ("Reaction ~ Days + (Days || Subject)", SLEEP, "gaussian", "Subject", {"Subject"}),
    "weights and offset": (
        "Reaction ~ Days + offset(o) + weights(w) + (Days | Subject)",
        WEIGHTED,
        "gaussian",
        "Subject",
        {"Subject"},
    ),
    "lognormal": ("Reaction ~ Days + (Days | Subject)", SLEEP, "lognormal", "Subject", {"Subject"}),
    "known sds": (
        "effect | se(se) ~ 1 + (1 | school)",
        hl.load_dataset("eight_schools").rename(columns={"y": "effect", "sigma": "se"}),
        "gaussian",
        "school",
        {"school"},
    ),
    "nested": (
        "strength ~ 1 + (1 | batch/cask)",
        hl.load_dataset("Pastes"),
        "gaussian",
        "batch",
        {"batch", "batch:cask"},
    ),
    "inner of nested": (
        "strength ~ 1 + (1 | batch/cask)",
        hl.load_dataset("Pastes"),
        "gaussian",
        "batch:cask",
        {"batch:cask"},
    ),
    "parent of an only child": (
        "strength ~ 1 + (1 | batch/cask)",
        ONLY_CHILD,
        "gaussian",
        "batch:cask",
        {"batch", "batch:cask"},
    ),
    "crossed": (
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        hl.load_dataset("Penicillin"),
        "gaussian",
        "plate",
        {"plate"},
    ),
}


def _prepare(case: str) -> tuple[hl.Fit, Draws, Unit, set[str]]:
    formula, data, family, unit, new = CASES[case]
    fit = synthetic_fit(hl.Model(formula, data, family=family), chains=2, draws=3)
    block = next(block for block in fit.design.blocks if block.factor == unit)
    return fit, Draws.of(fit.spec, fit.idata), next(units_of_levels(fit.design, block)), new


def _dense(fit: hl.Fit, draws: Draws, rows: np.ndarray, new: set[str], s: int) -> float:
    """Return the log density of rows, repeated as their weights say, from the n x n covariance."""
    design, family = fit.design, fit.spec.family
    weights = np.ones(design.n) if design.weights is None else design.weights
    rows = np.repeat(rows, weights[rows].astype(int))
    mean = design.X[rows] @ draws.beta[:, s]
    if design.offset is not None:
        mean = mean + design.offset[rows]
    sd = draws.shapes["sigma"][s] if design.se is None else design.se[rows]
    covariance = np.diag(np.broadcast_to(np.square(sd), len(rows)).astype(float))
    posterior = fit.idata["posterior"].to_dataset().stack(s=("chain", "draw")).isel(s=s)
    for block in design.blocks:
        Z, codes = block.Z[rows], block.codes[rows]
        if block.factor not in new:
            effects = posterior[f"r_{block.factor}"].to_numpy()
            mean = mean + np.sum(Z * effects[codes], axis=1)
            continue
        sds = posterior[f"sd_{block.factor}"].to_numpy()
        R = np.eye(len(sds))
        if block.covariance.pairs:
            R[0, 1] = R[1, 0] = posterior[f"cor_{block.factor}"].to_numpy()[0]
        covariance += (Z @ (sds[:, None] * R * sds) @ Z.T) * (codes[:, None] == codes)
    y = design.response[rows]
    jacobian = -np.log(y).sum() if family.name == "lognormal" else 0.0
    dense = stats.multivariate_normal(mean, covariance)
    return float(dense.logpdf(family.working(y)) + jacobian)


@pytest.mark.parametrize("case", CASES)
def test_a_level_has_the_density_of_the_dense_normal(case: str) -> None:
    fit, draws, unit, new = _prepare(case)
    assert set(unit.new) == new
    found = Integrated(fit.spec.family, fit.design, draws).joint([unit])[0]
    expected = [_dense(fit, draws, unit.rows, new, s) for s in range(draws.count)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("weights")])
def test_a_row_given_the_rest_is_the_ratio_of_two_dense_normals(case: str) -> None:
    fit, draws, unit, new = _prepare(case)
    found = Integrated(fit.spec.family, fit.design, draws).each_given_rest([unit])
    for position in range(min(len(unit.rows), 4)):
        rest = np.delete(unit.rows, position)
        for s in (0, draws.count - 1):
            expected = _dense(fit, draws, unit.rows, new, s)
            expected -= _dense(fit, draws, rest, new, s) if len(rest) else 0.0
            np.testing.assert_allclose(found[position, s], expected, rtol=1e-9, atol=1e-9)


def test_one_of_several_copies_given_the_rest_keeps_the_other_copies() -> None:
    fit, draws, unit, new = _prepare("weights and offset")
    found = Integrated(fit.spec.family, fit.design, draws).each_given_rest([unit])
    row = int(np.flatnonzero(fit.design.weights[unit.rows] == 3)[0])
    whole = _dense(fit, draws, unit.rows, new, 2)
    fit.design.weights[unit.rows[row]] -= 1
    np.testing.assert_allclose(
        found[row, 2], whole - _dense(fit, draws, unit.rows, new, 2), rtol=1e-9
    )


@pytest.mark.parametrize("case", ["slopes", "nested"])
def test_an_sd_of_zero_leaves_independent_rows(case: str) -> None:
    fit, draws, unit, _ = _prepare(case)
    zero = {name: 0.0 * T for name, T in draws.factors.items()}
    draws = Draws(draws.beta, draws.effects, zero, draws.shapes, draws.chains)
    integrated = Integrated(fit.spec.family, fit.design, draws)
    mean = fit.design.X[unit.rows] @ draws.beta
    rows = stats.norm(mean, draws.shapes["sigma"]).logpdf(fit.design.response[unit.rows, None])
    np.testing.assert_allclose(integrated.joint([unit])[0], rows.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(integrated.each_given_rest([unit]), rows, rtol=1e-12)


def test_many_draws_are_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, draws, unit, _ = _prepare("nested")
    integrated = Integrated(fit.spec.family, fit.design, draws)
    joint, each = integrated.joint([unit])[0], integrated.each_given_rest([unit])
    monkeypatch.setattr("hierlm.comparison.integrated._ELEMENTS", 4 * len(unit.rows))
    monkeypatch.setattr("hierlm.comparison.gaussian._ELEMENTS", 1)
    np.testing.assert_array_equal(integrated.joint([unit])[0], joint)
    np.testing.assert_array_equal(integrated.each_given_rest([unit]), each)


def test_a_level_that_two_units_share_stays_as_it_was_drawn() -> None:
    data = pd.DataFrame({"g": list("aabb"), "h": list("xyyz"), "y": [1.0, 2.0, 4.0, 3.0]})
    with pytest.warns(hl.DesignWarning):
        fit = synthetic_fit(hl.Model("y ~ 1 + (1 | g) + (1 | h)", data), draws=2)
    first, second = units_of_levels(fit.design, fit.design.blocks[0])
    assert {name: mask.tolist() for name, mask in first.new.items()} == {
        "g": [True, True],
        "h": [True, False],
    }
    assert second.new["h"].tolist() == [False, True]
