"""Levels of grouping factors: any dtype, any number, crossed as often as one likes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hierlm.design import Encoding, levels
from hierlm.design.levels import Levels
from hierlm.errors import DataError
from hierlm.formula import parse


@pytest.mark.parametrize(
    "values",
    [
        pd.to_timedelta([10, 2, 10, 1], unit="D"),
        pd.to_datetime(["2020-03-01", "2020-01-01", "2020-03-01", "2019-01-01"]),
        pd.Categorical([2.0, 1.0, 2.0, 0.5], [2.0, 3.0, 1.0, 0.5]),
        [True, False, True, True],
        ["10", "9", "10", "1"],
    ],
)
def test_learning_and_encoding_agree(values: object) -> None:
    frame = pd.DataFrame({"g": values})
    found, codes = Levels.learn(("g",), frame)
    assert found.encode(frame).tolist() == codes.tolist()
    assert found.encode(frame.iloc[[1]]).tolist() == [codes[1]]
    assert sorted(set(codes)) == list(range(len(found.labels)))


def test_durations_sort_by_length() -> None:
    frame = pd.DataFrame({"g": pd.to_timedelta([10, 2, 1], unit="D")})
    assert Levels.learn(("g",), frame)[0].labels == tuple(f"{k} days 00:00:00" for k in (1, 2, 10))


def test_four_crossed_factors_of_many_levels() -> None:
    n = 70_000  # n**4 does not fit in 64 bits
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({name: rng.permutation(n) for name in "abcd"})
    found, codes = Levels.learn(tuple("abcd"), frame)
    assert len(found.labels) == n
    row = frame.iloc[5]
    assert found.labels[codes[5]] == ":".join(map(str, row))
    assert [parent[codes[5]] for parent in found.parent_codes()] == row.tolist()
    some = frame.iloc[[5, 9, 5]].copy()
    some.iloc[2, 1] = (some.iloc[2, 1] + 1) % n  # a combination that was not learnt
    assert found.encode(some).tolist() == [codes[5], codes[9], -1]


def test_a_label_is_made_once_per_level(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(levels, "label", lambda value: calls.append(value) or str(value))
    Levels.learn(("g",), pd.DataFrame({"g": ["a", "b", "a", "c"] * 5}))
    assert sorted(calls) == ["a", "b", "c"]


def test_effects_of_an_unseen_level_are_not_those_of_another() -> None:
    rows = {"y": [1.0, 2, 3, 4], "g": ["a", "b", "a", "b"]}
    encoding = Encoding.learn(parse("y ~ 1 + (1 | g)"), rows)[0]
    design = encoding.apply({"g": ["b", "c"]})
    with pytest.raises(IndexError, match="1 of 2 rows have a level of 'g' that was not learnt"):
        design.linear_predictor(np.zeros(1), {"g": np.ones((2, 1))})


@pytest.mark.parametrize(
    "term",
    [
        "bs(yr, df=4, lower_bound=1000, upper_bound=2100)",
        "bs(yr, 4, lower_bound=1000)",
        "cc(yr, 2000, 4)",
        "tp(yr, df=4, max_knots=3000)",
    ],
)
def test_bounds_of_a_basis_are_no_columns(term: str) -> None:
    rng = np.random.default_rng(1)
    rows = {"y": rng.normal(size=60), "yr": np.arange(1960, 2020)}
    design = Encoding.learn(parse(f"y ~ {term}"), rows)[1]
    assert design.X.shape[1] < 10


def test_values_without_an_order_are_sorted_as_text() -> None:
    frame = pd.DataFrame({"g": np.array([2, "10", "b", 2], dtype=object)})
    found, codes = Levels.learn(("g",), frame)
    assert found.labels == ("10", "2", "b")
    assert codes.tolist() == [1, 0, 2, 1]


def test_values_that_read_alike_are_refused() -> None:
    frame = pd.DataFrame({"g": np.array([1, "1"], dtype=object)})
    with pytest.raises(DataError, match="column 'g' has different values that all read '1'"):
        Levels.learn(("g",), frame)
