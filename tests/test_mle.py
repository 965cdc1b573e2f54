"""REML and ML estimates are lme4's.

Criteria are in reference/lme4_criteria.json; sigma, coefficients and conditional modes are those
of design/golden/lme4_designs.json (lme4 1.1-31, R 4.2.2).
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.elsewhere import read

import hierlm as hl
from hierlm.mle import MaximumLikelihood, mle

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "design" / "golden" / "lme4_designs.json").read_text())
CRITERIA = json.loads((HERE / "reference" / "lme4_criteria.json").read_text())


def _rows(golden: dict[str, Any]) -> pd.DataFrame:
    data = hl.load_dataset(golden["dataset"])
    if golden["dataset"] == "sleepstudy" and golden["rows"] is not None:
        return data[data.Days >= 2]
    if golden["dataset"] == "oats":
        return data.assign(nitro=data.N.astype(str).str.removesuffix("cwt").astype(float))
    return data


def _fit(formula: str, data: pd.DataFrame, *, reml: bool = True) -> MaximumLikelihood:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.DesignWarning)  # three varieties, three machines
        model = hl.Model(formula, data)
    return mle(model.spec, model.design, reml=reml)


# An ordered factor has other contrasts in R, and the REML criterion depends on them.
MODELS = [name for name in CRITERIA if name != "cake_recipe_x_temperature"]


@pytest.mark.parametrize("name", MODELS)
def test_estimates_equal_lme4(name: str) -> None:
    golden, expected = GOLDEN[name], CRITERIA[name]
    found = _fit(golden["formula"], _rows(golden), reml=expected["reml"])
    assert found.criterion == pytest.approx(expected["criterion"], abs=1e-6)
    assert found.sigma == pytest.approx(golden["sigma"], rel=1e-5)
    for coef, value in golden["coefs"].items():
        error = found.fixef.loc[coef, "se"]
        assert found.fixef.loc[coef, "estimate"] == pytest.approx(value, abs=1e-5 * error)
    for factor, group in golden["groups"].items():
        ours = found.ranef[factor]
        theirs = np.array([group["effects"][level] for level in ours.index])
        assert ours.to_numpy() == pytest.approx(theirs, abs=1e-5 * np.abs(theirs).max() + 1e-12)


@pytest.mark.parametrize("name", [name for name in MODELS if "ml" in CRITERIA[name]])
def test_maximum_likelihood_equals_lme4(name: str) -> None:
    golden = GOLDEN[name]
    found = _fit(golden["formula"], _rows(golden), reml=False)
    assert found.criterion == pytest.approx(CRITERIA[name]["ml"], abs=1e-5)


ELSEWHERE = json.loads((HERE / "reference" / "lme4_elsewhere.json").read_text())


def _rows_elsewhere(dataset: str) -> pd.DataFrame:
    if dataset == "sleepstudy deprived":
        data = hl.load_dataset("sleepstudy")
        return data[data["Days"] >= 2]
    data = read(dataset.split()[0])
    if dataset == "lexdec correct":
        return data[(data["RT"] < 7) & (data["Correct"] == "correct")]
    return data


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.scale if "insteval" in name else ())
        for name in ELSEWHERE
    ],
)
def test_estimates_equal_lme4_where_data_are_elsewhere(name: str) -> None:
    expected = ELSEWHERE[name]
    data = _rows_elsewhere(expected["dataset"])
    found = _fit(expected["formula"], data, reml=expected["reml"])
    assert found.criterion == pytest.approx(expected["criterion"], abs=1e-5)
    assert found.sigma == pytest.approx(expected["sigma"], rel=1e-4)
    errors = found.fixef["se"].to_numpy() / np.array(expected["se"])
    assert errors == pytest.approx(np.ones(len(errors)), rel=1e-3)
    distance = found.fixef["estimate"].to_numpy() - np.array(expected["coefs"])
    assert np.abs(distance / np.array(expected["se"])).max() < 1e-4


@pytest.mark.parametrize(
    ("terms", "criterion"),
    [
        ("recipe + C(temperature)", 1689.58224832),
        ("recipe * C(temperature)", CRITERIA["cake_recipe_x_temperature"]["criterion"]),
    ],
)
def test_maximum_likelihood_does_not_depend_on_contrasts(terms: str, criterion: float) -> None:
    """lme4 has polynomials of the ordered temperatures, which span the same columns."""
    data = hl.load_dataset("cake")
    found = _fit(f"angle ~ {terms} + (1 | recipe:replicate)", data, reml=False)
    assert found.criterion == pytest.approx(criterion, abs=1e-6)


@pytest.mark.parametrize(
    ("reml", "criterion", "sds", "errors"),
    [
        (True, 1743.6283, (24.7404, 5.9221), (6.82456, 1.54579)),
        (False, 1751.9393, (23.7806, 5.7168), (6.6323, 1.5022)),
    ],
)
def test_sleepstudy(
    reml: bool, criterion: float, sds: tuple[float, ...], errors: tuple[float, ...]
) -> None:
    data = hl.load_dataset("sleepstudy")
    found = _fit("Reaction ~ Days + (Days | Subject)", data, reml=reml)
    assert found.criterion == pytest.approx(criterion, abs=1e-3)
    assert found.varcorr["sd"].to_numpy() == pytest.approx(sds, rel=1e-3)
    assert found.fixef["se"].to_numpy() == pytest.approx(errors, rel=1e-3)
    assert not found.singular


def test_a_variance_of_zero_is_said() -> None:
    found = _fit("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff2"))
    assert found.varcorr.loc[("Batch", "Intercept"), "sd"] == pytest.approx(0, abs=1e-4)
    assert found.singular
    assert "The fit is singular" in repr(found)


def test_the_report_is_in_lme4_shape() -> None:
    text = repr(_fit("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy")))
    for fragment in ("REML criterion: 1743.6", "Std.Dev.  Corr", "24.74", "0.07", "36.84"):
        assert fragment in text


def test_other_families_are_refused() -> None:
    model = hl.Model("p(incidence, size) ~ 1 | herd", hl.load_dataset("cbpp"), family="binomial")
    with pytest.raises(hl.EngineError, match="gaussian models"):
        mle(model.spec, model.design)
