"""Models side by side: the numbers, the words, and what may not be compared."""

from __future__ import annotations

import arviz_stats
import numpy as np
import pandas as pd
import pytest
from comparison.conjugate import exact_fit, model, table
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm.comparison import compare, kfold, loo
from hierlm.comparison.elpd import KFoldElpd
from hierlm.errors import DataError

SLEEP = hl.load_dataset("sleepstudy").assign(y=lambda d: (d["Reaction"] - 300) / 50)


def _fit(formula: str, data: pd.DataFrame = SLEEP, **options: str) -> hl.Fit:
    return synthetic_fit(hl.Model(formula, data, **options), draws=50)


@pytest.fixture(scope="module")
def fits() -> dict[str, hl.Fit]:
    return {
        "slopes": _fit("y ~ Days + (Days | Subject)"),
        "means": _fit("y ~ Days + (1 | Subject)"),
        "plain": _fit("y ~ Days"),
    }


def test_differences_are_those_of_the_units(fits: dict[str, hl.Fit]) -> None:
    found = compare(fits, unit="Subject")
    block = fits["slopes"].design.blocks[0]
    each = {n: loo(f.spec, f.design, f.idata, unit=block).elpd_i for n, f in fits.items()}
    best = found.table.index[0]
    for name, row in found.table.iterrows():
        difference = (each[name] - each[best]).to_numpy()
        assert row["elpd_diff"] == pytest.approx(difference.sum())
        assert row["dse"] == pytest.approx(np.sqrt(18 * difference.var()))
    assert found.table["weight"].sum() == pytest.approx(1)
    assert found.unit == "Subject"


def test_the_table_is_arviz_s_where_arviz_has_one(fits: dict[str, hl.Fit]) -> None:
    found = compare(fits, integrate=None)
    expected = arviz_stats.compare(dict(found.results), round_to="none")
    pd.testing.assert_frame_equal(found.table, pd.DataFrame(expected), check_dtype=False, rtol=1e-4)


def test_stacking_does_not_underflow(fits: dict[str, hl.Fit]) -> None:
    """A level of thousands of rows has a density of exp(-3000), which is zero."""
    results = {name: loo(f.spec, f.design, f.idata) for name, f in fits.items()}
    for result in results.values():
        result.elpd_i = result.elpd_i - 3000.0
    shifted = compare(fits, results=results).table["weight"]
    expected = compare(fits).table["weight"]
    np.testing.assert_allclose(shifted, expected[shifted.index], atol=1e-6)


def test_it_prints_a_table_and_sentences(fits: dict[str, hl.Fit]) -> None:
    text = repr(compare({"slopes": fits["slopes"], "means": fits["means"]}, unit="Subject"))
    assert "18 levels of 'Subject' left out one at a time" in text
    header = next(line for line in text.splitlines() if "elpd" in line and "weight" in line)
    assert header.split() == ["elpd", "se", "difference", "se", "p", "weight", "high", "k"]
    assert "does not tell them apart" in text or "predicts better than" in text
    assert "With 18 units" in text


def test_the_same_model_twice_is_no_difference(fits: dict[str, hl.Fit]) -> None:
    found = compare({"a": fits["means"], "b": fits["means"]})
    assert found.table["elpd_diff"].tolist() == [0.0, 0.0]
    assert "cannot be told apart" in " ".join(repr(found).split())


def test_other_weights_are_arviz_s(fits: dict[str, hl.Fit]) -> None:
    found = compare(fits, method="BB-pseudo-BMA")
    assert found.table["weight"].sum() == pytest.approx(1)
    with pytest.raises(DataError, match="method is 'best'; allowed: stacking"):
        compare(fits, method="best")


def test_conditional_and_integrated_rows_are_one_quantity(fits: dict[str, hl.Fit]) -> None:
    data = SLEEP.assign(row=np.arange(180))
    with pytest.warns(hl.DesignWarning, match="every level of 'row' has a single row"):
        rows = _fit("y ~ Days + (1 | Subject) + (1 | row)", data, family="student")
    found = compare({"rows": rows, "means": _fit("y ~ Days + (1 | Subject)", data)})
    assert found.results["rows"].integrated == ("row",)
    assert found.results["means"].integrated == ()


def _refusal(message: str, fits: dict[str, hl.Fit], **options: object) -> None:
    with pytest.raises(DataError, match=message):
        compare(fits, **options)


def test_different_rows_are_refused(fits: dict[str, hl.Fit]) -> None:
    means = fits["means"]
    short = SLEEP.assign(x=SLEEP["Days"].where(SLEEP["Days"] > 0))
    with pytest.warns(hl.HierlmWarning):
        fewer = _fit("y ~ x + (1 | Subject)", short)
    _refusal("different rows: 'a' has 180 .*'b' has 162", {"a": means, "b": fewer})
    other = _fit(
        "y ~ Days + (1 | Subject)", SLEEP.assign(y=SLEEP["y"].where(SLEEP.index != 7, 9.0))
    )
    _refusal(r"'y' differs in 1 of 180 \(row 7: ", {"a": means, "b": other})
    moved = _fit("y ~ Days + (1 | Subject)", SLEEP.sample(frac=1, random_state=1))
    _refusal("same values in another order", {"a": means, "b": moved})
    weighted = _fit(
        "y ~ Days + weights(Days) + (1 | Subject)", SLEEP.assign(Days=SLEEP["Days"] + 1)
    )
    _refusal("'a' and 'b' have different weights", {"a": means, "b": weighted})


def test_different_responses_are_refused(fits: dict[str, hl.Fit]) -> None:
    means, other = fits["means"], _fit("Reaction ~ Days + (1 | Subject)")
    _refusal("different responses: y and Reaction", {"a": means, "b": other})
    logs = _fit("log(Reaction) ~ Days + (1 | Subject)")
    message = r"different scales: Reaction and log\(Reaction\).*\n.*jacobian=True"
    _refusal(message, {"a": other, "b": logs})


def test_probabilities_and_densities_are_refused() -> None:
    data = hl.load_dataset("epilepsy")
    fits = {
        "a": _fit("count ~ zAge + (1 | patient)", data, family="poisson"),
        "b": _fit("count ~ zAge + (1 | patient)", data),
    }
    _refusal(r"'a' \(poisson\) and 'b' \(gaussian\) cannot be compared", fits)


def test_a_single_fit_and_an_unknown_unit_are_refused(fits: dict[str, hl.Fit]) -> None:
    _refusal("two fits or more, by name", {"a": fits["means"]})
    _refusal("no fit has a grouping factor called 'g'.\n  They have: Subject.", fits, unit="g")
    labels = SLEEP.assign(Subject=SLEEP["Subject"].to_numpy()[::-1])
    other = _fit("y ~ Days + (1 | Subject)", labels)
    pair = {"a": fits["means"], "b": other}
    _refusal("different levels of 'Subject' in the same rows", pair, unit="Subject")


def test_results_that_do_not_belong_together_are_refused() -> None:
    made = model(table())
    fit = exact_fit(made, draws=500)
    pair = {"a": fit, "b": fit}
    rows = loo(fit.spec, fit.design, fit.idata)
    levels = loo(fit.spec, fit.design, fit.idata, unit="g")
    _refusal("'b' left out levels of 'g'.*is of rows", pair, results={"a": rows, "b": levels})
    _refusal("results are of a, and the fits are a, b", pair, results={"a": rows})
    _refusal("the result of 'b' is none of", pair, results={"a": rows, "b": 3.0})

    def folds(seed: int) -> KFoldElpd:
        same = lambda design, seed: fit.idata  # noqa: E731
        return kfold(fit.spec, fit.design, fit.idata, same, k=3, seed=seed)

    _refusal("leave-one-out and others of k-fold", pair, results={"a": rows, "b": folds(1)})
    _refusal("different folds", pair, results={"a": folds(1), "b": folds(2)})
    found = compare(pair, results={"a": folds(1), "b": folds(1)})
    assert "left out in 3 folds" in repr(found)


def test_doubtful_units_are_named_and_can_be_refitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hierlm.comparison.leaveoneout.good_k", lambda samples: 0.2)
    fit = exact_fit(model(table()), draws=500)
    text = " ".join(repr(compare({"a": fit, "b": fit})).split())
    assert "a: Pareto k is above 0.20 for" in text
    assert "17 rows (0, " in text
    assert "compare(..., refit=True)" in text
    monkeypatch.setattr(
        "hierlm.comparison.comparing.refitter", lambda spec, idata: lambda design, seed: idata
    )
    again = compare({"a": fit, "b": fit}, refit=True, seed=1)
    assert not any(result.warning for result in again.results.values())
    assert "by exact refits" in repr(again)
