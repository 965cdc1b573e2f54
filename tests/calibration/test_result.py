"""Tables, verdict and picture, from records that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from calibration.samplers import conjugate_model

from hierlm.calibration import Calibration
from hierlm.calibration.replicating import PROBS


def made(n: int = 100, *, bad: bool = False, **more: Any) -> Calibration:
    rng = np.random.default_rng(1)
    records = []
    for k in range(n):
        found = {}
        for name in ("x", "sd_g[Intercept]", "log likelihood"):
            rank = int(rng.integers(100))
            if bad and name == "x":
                rank = int(rank**2 / 100)
            quantiles = 10 * np.array(PROBS) - 5
            found[name] = [0.0, rank, (rank + rng.random()) / 100, 1.0, 2.0, *quantiles]
        records.append(
            {"k": k, "quantities": found, "divergences": int(k in (3, 5)), "ess": 200.0,
             "draws": 250, "redrawn": 0, "seconds": 0.1}
        )  # fmt: skip
    settings = {"seed": 1, "ranked": 99, "level": 0.01} | more
    return Calibration.of(conjugate_model().spec, "collapsed", records, **settings)


def test_ranks_are_a_frame_of_replications_and_quantities() -> None:
    found = made()
    assert found.ranks.shape == (100, 3)
    assert found.ranks.to_numpy().dtype == np.int64
    assert list(found.ranks) == ["x", "sd_g[Intercept]", "log likelihood"]
    assert ((found.pit * 100).astype(int) == found.ranks).all(axis=None)


def test_the_verdict_is_said_in_sentences() -> None:
    good = str(made())
    assert "100 replications, ranks among 99 draws, seed 1" in good
    assert "No error found in 3 quantities" in good
    assert "2 of 100 replications (3, 5) had divergent transitions." in good
    bad = made(bad=True)
    assert bad.rejected == ("x",)
    assert not bad.ok
    assert "NOT calibrated: the ranks of 1 of 3 quantities" in str(bad)
    assert "- x: the draws are too high (p " in str(bad)
    assert "only gross errors show" in str(made(20))


def test_the_level_decides() -> None:
    p = made().tests["p_holm"].min()
    assert made(level=p * 0.99).ok
    assert not made(level=min(p * 1.01, 0.999)).ok


def test_recovery_is_bias_error_and_coverage_of_parameters() -> None:
    table = made().recovery
    assert list(table.index) == ["x", "sd_g[Intercept]"]
    row = table.loc["x"]
    assert (row["n"], row["bias"], row["rmse"], row["mean_sd"]) == (100, 1.0, 1.0, 2.0)
    assert row["coverage_50"] == row["coverage_95"] == 1.0
    assert 0 < row["mcse_95"] < 0.02
    assert row["mcse_bias"] == 0


@pytest.mark.parametrize("backend", ["matplotlib", "none"])
def test_it_is_drawn_with_a_panel_for_each_quantity(backend: str) -> None:
    pc = made(bad=True).plot(backend=backend)
    assert list(pc.viz["plot"]["panel"].to_numpy()) == list(made().ranks)
    if backend == "matplotlib":
        x, other = (pc.viz["plot"].sel(panel=p).item() for p in ("x", "log likelihood"))
        assert x.lines[-1].get_color() != other.lines[-1].get_color()
        heights = x.lines[-1].get_ydata()
        assert np.abs(heights).max() > 0.15
        assert np.abs(other.lines[-1].get_ydata()).max() < 0.17
