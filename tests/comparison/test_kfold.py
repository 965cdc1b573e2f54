"""K-fold cross-validation: folds, what a refit is given, and exact answers of exact refits."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from comparison.conjugate import exact_fit, log_predictive, model, table
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm.comparison import KFoldElpd, kfold, refitter
from hierlm.comparison.folding import assign_folds
from hierlm.comparison.heldout import HeldOut
from hierlm.comparison.refitting import without_one
from hierlm.comparison.units import Unit, unit_without_training
from hierlm.design import Design
from hierlm.errors import DataError

TABLE = table()


def _exact_kfold(**options: object) -> tuple[KFoldElpd, list[Design]]:
    fit, seen = exact_fit(model(TABLE)), []

    def refit(design: Design, seed: int) -> xr.DataTree:
        seen.append(design)
        made = model(TABLE)
        made._source = design
        return exact_fit(made, draws=2500, seed=seed).idata

    return kfold(fit.spec, fit.design, fit.idata, refit, seed=4, **options), seen


def test_one_level_at_a_time_equals_the_closed_form() -> None:
    found, seen = _exact_kfold(k=5, unit="g")
    codes = model(TABLE).design.blocks[0].codes
    expected = [log_predictive(TABLE, np.flatnonzero(codes == level)) for level in range(5)]
    np.testing.assert_allclose(found.elpd_i, expected, atol=0.05)
    assert list(found.elpd_i["g"].values) == ["g0", "g1", "g2", "g3", "g4"]
    assert sorted(design.n for design in seen) == [11, 13, 13, 15, 16]
    assert found.elpd == pytest.approx(found.elpd_i.values.sum())
    assert found.kind == "loo_kfold"


def test_one_row_at_a_time_equals_the_closed_form() -> None:
    found, seen = _exact_kfold(k=len(TABLE))
    expected = [log_predictive(TABLE, np.array([row])) for row in range(len(TABLE))]
    np.testing.assert_allclose(found.elpd_i, expected, atol=0.05)
    assert {design.n for design in seen} == {len(TABLE) - 1}


def test_folds_are_a_partition_of_nearly_equal_sizes() -> None:
    folds = assign_folds(23, 5, np.random.default_rng(1))
    assert sorted(np.bincount(folds).tolist()) == [4, 4, 5, 5, 5]
    assert not np.array_equal(folds, assign_folds(23, 5, np.random.default_rng(2)))


def test_strata_are_spread_over_the_folds() -> None:
    strata = np.repeat([0, 1, 2], 10)
    folds = assign_folds(30, 5, np.random.default_rng(1), strata)
    for stratum in range(3):
        assert np.bincount(folds[strata == stratum]).tolist() == [2] * 5


@pytest.mark.parametrize("k", [1, 6, 2.0, True])
def test_a_wrong_number_of_folds_is_refused(k: object) -> None:
    with pytest.raises(DataError, match="k is a whole number from 2 to 5, what there is"):
        _exact_kfold(k=k, unit="g")


def test_rows_of_weight_k_are_k_entries() -> None:
    weights = np.resize([1, 3, 2], len(TABLE))
    fit = exact_fit(model(TABLE.assign(w=weights), "y ~ 1 + weights(w) + (1 | g)"), draws=500)
    found = kfold(fit.spec, fit.design, fit.idata, lambda design, seed: fit.idata, k=3, seed=1)
    assert found.n_data_points == weights.sum()
    assert found.elpd_i.sizes["__obs__"] == weights.sum()
    scores = HeldOut.of(fit.spec, fit.design, fit.idata)
    # of a row of weight three: one observation, and all three together
    row, rows = Unit(np.array([1]), {}), exact_fit(model(TABLE), draws=500)
    assert scores.each(row)[0] != pytest.approx(scores.joint(row), rel=0.1)
    scores = HeldOut.of(rows.spec, rows.design, rows.idata)
    assert scores.each(row)[0] == pytest.approx(scores.joint(row))
    assert found.elpd_i.values[1] == found.elpd_i.values[2] == found.elpd_i.values[3]


def test_unit_and_strata_exclude_each_other() -> None:
    with pytest.raises(DataError, match="unit and stratify were both given"):
        _exact_kfold(k=2, unit="g", stratify="g")


def test_levels_without_training_rows_are_new() -> None:
    design = hl.Model("strength ~ 1 + (1 | batch/cask)", hl.load_dataset("Pastes")).design
    training = np.ones(60, dtype=bool)
    training[:2] = False  # the two rows of the first cask
    unit = unit_without_training(design, np.arange(3), training)
    assert set(unit.new) == {"batch:cask"}
    assert unit.new["batch:cask"].tolist() == [True, True, False]


def test_a_subset_keeps_levels_and_drops_rows() -> None:
    data = TABLE.assign(w=np.resize([1.0, 3.0], len(TABLE)))
    design = model(data, "y ~ 1 + weights(w) + (1 | g)").design
    part = design.take(np.array([4, 2]))
    np.testing.assert_array_equal(part.response, data["y"].to_numpy()[[4, 2]])
    np.testing.assert_array_equal(part.weights, [1.0, 1.0])
    assert part.blocks[0].levels == design.blocks[0].levels
    np.testing.assert_array_equal(part.blocks[0].codes, design.blocks[0].codes[[4, 2]])
    assert without_one(design, 0).n == len(TABLE) - 1
    fewer = without_one(design, 1)
    assert (fewer.n, fewer.weights[1], design.weights[1]) == (len(TABLE), 2.0, 3.0)


def test_refits_are_made_as_the_fit_was(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = synthetic_fit(hl.Model("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff")), draws=9)
    asked = {}

    def sample(self: object, spec: object, design: Design, settings: object) -> xr.DataTree:
        asked.update(vars(settings), engine=self.name, priors=spec.priors)
        return fit.idata

    monkeypatch.setattr("hierlm.engines.pymc.PymcEngine.sample", sample)
    refitter(fit.spec, fit.idata)(fit.design, 77)
    expected = {"draws": 9, "tune": 100, "chains": 4, "seed": 77, "engine": "pymc"}
    assert expected.items() <= asked.items()
    assert asked["priors"] is fit.spec.priors
