"""Studies of known parameters, through the collapsed engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hierlm.calibration import recovery
from hierlm.errors import DataError, HierlmWarning, PriorError

FORMULA = "y ~ number + (1 | g)"
TRUTH = {"Intercept": 10.0, "number": 3.0, "sd_g": 1.0, "sigma": 2.0}


def plan(levels: int) -> dict[str, np.ndarray]:
    return {"g": np.repeat(np.arange(levels), 6), "number": np.tile(np.arange(6) / 2, levels)}


def study(**more: Any) -> pd.DataFrame:
    given = {"replications": 8, "seed": 1, "draws": 200, "cores": 1, "progress": False}
    return recovery(FORMULA, {"few": plan(4), "many": plan(24)}, TRUTH, **(given | more))


def test_a_larger_study_knows_more(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    found = study(path=path)
    names = ["Intercept", "number", "sd_g[Intercept]", "sigma"]
    assert list(found.index) == [(d, p) for d in ("few", "many") for p in names]
    assert list(found["rows"].unique()) == [24, 144]
    assert (found["n"] == 8).all()
    np.testing.assert_allclose(found["truth"], 2 * [10.0, 3.0, 1.0, 2.0])
    few, many = found.loc["few"], found.loc["many"]
    assert (many["width_95"] < few["width_95"]).all()
    assert (found["bias"].abs() < 5 * found["mcse_bias"] + 0.5).all()
    assert many.loc["number", "excludes_0"] == 1.0
    assert found["excludes_0"].isna().tolist() == 2 * [False, False, True, True]
    assert len(path.read_text().splitlines()) == 17
    pd.testing.assert_frame_equal(study(path=path, seed=None), found)
    with pytest.raises(DataError, match="sampling"):
        study(path=path, draws=100)


def test_mistakes_are_said_before_anything_is_sampled() -> None:
    with pytest.raises(PriorError, match="sigma"):
        recovery(FORMULA, {"few": plan(4)}, {k: v for k, v in TRUTH.items() if k != "sigma"})
    with pytest.raises(DataError, match="a dict of label and data"):
        recovery(FORMULA, [plan(4)], TRUTH)  # type: ignore[arg-type]


def test_priors_that_do_not_fit_the_model_end_the_study() -> None:
    with pytest.raises(PriorError, match="no parameter is called 'nothing'"):
        study(priors={"nothing": 1})


def test_failures_are_left_out_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    from hierlm.calibration import recovery as module

    sampled = module.__globals__["place"]

    def sometimes(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 7:  # in the second replication, of four parameters each
            raise RuntimeError("bad luck")
        return sampled(*args)

    monkeypatch.setitem(module.__globals__, "place", sometimes)
    with pytest.warns(HierlmWarning, match=r"1 of 6 replications failed(.|\n)*bad luck"):
        found = study(replications=3)
    assert found["n"].tolist() == [3] * 4 + [2] * 4
