"""Calls of `calibrate` and `recovery` that are refused at once, and files of other replications."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibration.samplers import conjugate_model, exact

import hierlm as hl
from hierlm.calibration import calibrate, recovery
from hierlm.calibration.ledger import code
from hierlm.errors import HierlmError

FORMULA = "y ~ x + z + (1 | g)"
TRUTH: dict[str, Any] = {"Intercept": 0.0, "x": 1.0, "z": 0.5, "sd_g": 1.0, "sigma": 1.0}
FEW: dict[str, Any] = {"replications": 2, "seed": 1, "cores": 1, "progress": False}


def plan() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    columns = {"x": rng.normal(size=30), "z": rng.normal(0, 9, 30), "g": np.repeat(np.arange(6), 5)}
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cores": -1}, "cores is a whole number of at least 1; came -1"),
        ({"cores": 0}, "cores is a whole number of at least 1; came 0"),
        ({"cores": "2"}, "cores is a whole number of at least 1; came '2'"),
        ({"replications": 0}, "replications is a whole number of at least 1; came 0"),
        ({"replications": True}, "replications is a whole number of at least 1; came True"),
        ({"level": "0.05"}, "level lies between 0 and 1; came '0.05'"),
        ({"quantities": ["q"]}, "quantities are a dict of name and function"),
        ({"sample": 3}, "sample is a function of spec, design and settings; came 3"),
        ({"tune": 0}, "tune is a whole number of at least 1; came 0"),
        ({"engine": "laplace", "tune": 10}, "the laplace engine has no tune"),
    ],
)
def test_calibrate(given: dict[str, Any], message: str) -> None:
    with pytest.raises(HierlmError, match=message):
        calibrate(conjugate_model(), **(FEW | given))


def test_calibrate_takes_a_model() -> None:
    with pytest.raises(hl.DataError, match=r"calibrate takes a hierlm\.Model; came str"):
        calibrate(FORMULA)  # type: ignore[arg-type]  # the mistake that is tested


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cores": -1}, "cores is a whole number of at least 1; came -1"),
        ({"replications": 0}, "replications is a whole number of at least 1; came 0"),
        ({"replications": 1.5}, "replications is a whole number of at least 1; came 1.5"),
        ({"engine": "stan"}, "no engine is called 'stan'"),
        ({"priors": "x"}, "priors are a dict of parameter and prior; came 'x'"),
        ({"priors": {"x": "foo"}}, "'foo' is not a prior"),
        ({"priors": {"nothing": 1}}, "no parameter is called 'nothing'"),
    ],
)
def test_recovery(given: dict[str, Any], message: str) -> None:
    with pytest.raises(HierlmError, match=message):
        recovery(FORMULA, {"a": plan()}, TRUTH, **(FEW | given))


def test_studies_with_weights_are_refused() -> None:
    with pytest.raises(hl.DataError, match="nothing can be simulated"):
        recovery("y | weights(w) ~ x", {"a": plan().assign(w=9)}, TRUTH, **FEW)


def test_files_of_another_study_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "plan.csv"
    plan().to_csv(table, index=False)
    factor = plan().assign(x=pd.Categorical(np.tile(["u", "v"], 15)))
    relevelled = factor.assign(x=factor["x"].cat.reorder_categories(["v", "u"]))
    # 2,000 numbers: their text is abbreviated in the middle
    levels = pd.DataFrame({"g": np.arange(2000)})
    effects = np.zeros((2000, 1))
    other = effects.copy()
    other[1000] = 1.0
    simple = {"Intercept": 0.0, "sd_g": 1.0, "sigma": 1.0}
    coded = {"Intercept": 0.0, "beta": 1.0, "sd_g": 1.0, "sigma": 1.0}
    pairs: list[tuple[str, tuple[Any, Any], tuple[Any, Any]]] = [
        (FORMULA, (plan(), TRUTH), (plan().rename(columns={"x": "z", "z": "x"}), TRUTH)),
        ("y ~ x + (1 | g)", (factor, coded), (relevelled, coded)),
        ("y ~ 1 + (1 | g)", (levels, simple | {"r_g": effects}), (levels, simple | {"r_g": other})),
        (FORMULA, (table, TRUTH), (table, TRUTH)),
    ]
    for k, (formula, first, second) in enumerate(pairs):
        study = partial(recovery, formula, path=tmp_path / f"{k}.jsonl", **FEW)
        found = study({"a": first[0]}, first[1])
        pd.testing.assert_frame_equal(study({"a": first[0]}, first[1]), found)
        if second[0] is table:
            plan()[:20].to_csv(table, index=False)
        with pytest.raises(hl.DataError, match="holds other replications: designs"):
            study({"a": second[0]}, second[1])


def test_files_of_other_code_levels_and_settings_are_refused(tmp_path: Path) -> None:
    run = partial(calibrate, path=tmp_path / "ranks.jsonl", **FEW)
    model = conjugate_model()
    own = {"q": lambda values, design: values["beta"][:, 0]}
    found = run(model, quantities=own, sample=exact)
    again = run(model, quantities=own, sample=exact)
    pd.testing.assert_frame_equal(again.replicates, found.replicates)
    negative = {"q": lambda values, design: -values["beta"][:, 0]}
    with pytest.raises(hl.DataError, match="other replications: quantities differs"):
        run(model, quantities=negative, sample=exact)
    with pytest.raises(hl.DataError, match="other replications: sampler differs"):
        run(
            model,
            quantities=own,
            sample=lambda spec, design, settings: exact(spec, design, settings),
        )
    with pytest.raises(hl.DataError, match=r"settings differs \(settings was {'draws': 250}, now"):
        run(model, quantities=own, sample=exact, draws=300)


def test_code_is_told_apart_by_what_it_does() -> None:
    first, second = (lambda x: x + 1), (lambda x: x + 1)
    assert code(first) == code(second)
    assert code(first) != code(lambda x: x + 2)
    assert code(first) != code(lambda x: x - 1)
    assert code(partial(np.quantile, q=0.5)) != code(partial(np.quantile, q=0.9))
    assert code(lambda x, k=1: x + k) != code(lambda x, k=2: x + k)


def test_quantities_that_are_not_finite_have_no_rank() -> None:
    own = {"q": lambda values, design: np.full(len(values["beta"]), np.nan)}
    found = calibrate(conjugate_model(), quantities=own, sample=exact, **FEW)
    assert not found.ok
    assert found.rejected == ()
    said = " ".join(str(found).split())
    assert "2 of 2 replications (0, 1) failed" in said
    assert "the quantity 'q' is not finite everywhere, and has no rank" in said
