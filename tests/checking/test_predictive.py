from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

import hierlm as hl
from hierlm.checking import predictive_checks, predictive_tree
from hierlm.checking.predictive import replicate
from hierlm.errors import DataError
from hierlm.results import Fit
from hierlm.simulation import responses

Known = Callable[..., Fit]

DATA = {"y": [0, 0, 3, 5, 2, 0, 1, 4], "g": ["a", "b"] * 4}


@pytest.fixture
def fit(known: Known) -> Fit:
    model = hl.Model("y ~ 1 + (1 | g)", DATA, family="poisson")
    values = {"beta": np.array([0.5]), "sd_g": np.array([0.7]), "r_g": np.array([[0.2], [-0.2]])}
    return known(model, values, draws=400)


@pytest.fixture(autouse=True)
def _few_levels(recwarn: pytest.WarningsRecorder) -> None:
    """Two levels are few, and say so."""


@pytest.mark.filterwarnings("ignore::hierlm.errors.DesignWarning")
class TestPredictive:
    def test_statistics_beside_what_the_model_expects(self, fit: Fit) -> None:
        args = fit.spec, fit.design, fit.idata
        frame = predictive_checks(*args, ["mean", "zeros"], samples=400, seed=1)
        mean = np.exp(0.5 + np.tile([0.2, -0.2], 4)).mean()
        se = np.sqrt(mean / 8 / 400)
        assert frame.loc["mean", "observed"] == pytest.approx(15 / 8)
        assert abs(frame.loc["mean", "mean"] - mean) < 5 * se
        zeros = stats.poisson.pmf(0, np.exp([0.7, 0.3])).mean()
        assert abs(frame.loc["zeros", "mean"] - zeros) < 5 * np.sqrt(zeros / 8 / 400)
        assert list(frame.columns) == ["observed", "mean", "eti89_lb", "eti89_ub", "p_value"]
        expected = stats.poisson.sf(15, 8 * mean) + 0.5 * stats.poisson.pmf(15, 8 * mean)
        assert abs(frame.loc["mean", "p_value"] - expected) < 5 * 0.5 / np.sqrt(400)

    def test_statistics_of_each_level(self, fit: Fit) -> None:
        frame = predictive_checks(fit.spec, fit.design, fit.idata, ["max"], by="g")
        assert frame.index.tolist() == [("a", "max"), ("b", "max")]
        assert frame["observed"].tolist() == [3, 5]

    def test_a_statistic_of_ones_own(self, fit: Fit) -> None:
        own = {"range": lambda y: np.ptp(y, axis=-1)}
        frame = predictive_checks(fit.spec, fit.design, fit.idata, own)
        assert frame.loc["range", "observed"] == 5

    def test_new_effects_widen_the_predictions(self, fit: Fit) -> None:
        args = fit.spec, fit.design, fit.idata
        given, new = (
            np.concatenate(list(replicate(*args, groups=groups, seed=1))).mean(axis=1)
            for groups in ("all", "new")
        )
        assert new.var() > 1.5 * given.var()

    def test_chunks_of_draws_are_all_the_draws(
        self, fit: Fit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(responses, "_CELLS", 8 * 30)
        parts = [len(y) for y in replicate(fit.spec, fit.design, fit.idata, samples=100)]
        assert parts == [30, 30, 30, 10]

    def test_the_tree_is_what_arviz_plots(self, fit: Fit) -> None:
        tree = predictive_tree(fit.spec, fit.design, fit.idata, samples=50, seed=1)
        assert tree["posterior_predictive"]["y"].shape == (1, 50, 8)
        assert tree["observed_data"]["y"].to_numpy().tolist() == DATA["y"]

    def test_unknown_statistics_and_factors_are_refused(self, fit: Fit) -> None:
        args = fit.spec, fit.design, fit.idata
        with pytest.raises(DataError, match=r"no statistic is called 'maen'. Did you mean 'mean'"):
            predictive_checks(*args, ["maen"])
        with pytest.raises(DataError, match="no grouping factor is called 'h'"):
            predictive_checks(*args, by="h")
