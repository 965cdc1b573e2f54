"""Rows with missing values are dropped and counted; infinite values are refused."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hierlm.design import Design, Dropped, Encoding
from hierlm.errors import DataError, DataWarning
from hierlm.formula import parse

nan = np.nan
ROWS = {
    "y": [1.0, 2.0, nan, 4.0, 5.0, 6.0],
    "x": [1.0, nan, nan, 4.0, 5.0, 6.0],
    "f": ["b", "a", "a", "b", None, "a"],
    "g": [10, 2, 2, 10, 2, 2],
    "h": [None, "s", "s", "r", "r", "s"],
    "unused": [nan] * 6,
}
FORMULA = "y ~ x + f + (x | g)"  # rows 0, 3 and 5 are complete


def learn(formula: str, rows: object) -> tuple[Design, pd.DataFrame, Dropped]:
    return Encoding.learn(parse(formula), rows)[1:]


DROPPED = {
    # formula: rows dropped, missing values by column
    "y ~ x": (2, {"y": 1, "x": 2}),
    "x ~ 1 + (1 | g)": (2, {"x": 2}),
    "y ~ f": (2, {"y": 1, "f": 1}),
    FORMULA: (3, {"y": 1, "x": 2, "f": 1}),
    "y ~ x + (1 | h)": (3, {"y": 1, "x": 2, "h": 1}),
    "y ~ 1 + (1 | g:h)": (2, {"y": 1, "h": 1}),
    "y ~ 1 + offset(x) + (1 | f)": (3, {"y": 1, "f": 1, "x": 2}),
    "g ~ 1 + weights(x)": (2, {"x": 2}),
    "p(g, y) ~ 1": (1, {"y": 1}),
    "g | se(y) ~ 1": (1, {"y": 1}),
}


@pytest.mark.parametrize("formula", DROPPED)
def test_counts_by_column(formula):
    rows, counts = DROPPED[formula]
    with pytest.warns(DataWarning) as caught:
        design, frame, dropped = learn(formula, ROWS)
    assert len(caught) == 1
    listed = ", ".join(f"{column} {count}" for column, count in counts.items())
    said = f"{rows} of 6 rows dropped for missing values ({listed})"
    assert str(caught[0].message) == f"{said}."
    assert str(dropped) == said
    assert dropped == Dropped(6, rows, counts)
    assert design.n == len(frame) == 6 - rows
    assert frame.notna().all(axis=None)
    assert [*frame.index] == [*range(design.n)]


def test_what_is_left():
    with pytest.warns(DataWarning):
        design, frame, _ = learn(FORMULA, ROWS)
    assert design.coefs == ("Intercept", "x", "f[b]")
    np.testing.assert_array_equal(design.X, [[1, 1, 1], [1, 4, 1], [1, 6, 0]])
    np.testing.assert_array_equal(design.response, [1, 4, 6])
    (block,) = design.blocks
    assert block.levels == ("2", "10")
    assert block.codes.tolist() == [1, 1, 0]
    assert frame.g.dtype == np.int64


def test_levels_without_complete_rows_are_not_learnt():
    rows = {
        "y": [1.0, 2, nan, 4],
        "f": pd.Categorical([*"abca"], categories=[*"cab"]),
        "g": ["p", "q", "r", "q"],
    }
    with pytest.warns(DataWarning):
        design, _, _ = learn("y ~ f + (1 | g)", rows)
    assert design.coefs == ("Intercept", "f[b]")
    assert design.blocks[0].levels == ("p", "q")


def test_nothing_missing():
    design, _, dropped = learn("y ~ x", {"y": [1, 2, 3], "x": [1, 2, 4], "z": [None, 1, 2]})
    assert design.n == 3
    assert dropped == Dropped(3, 0, {})
    assert str(dropped) == "no row dropped"


def test_no_row_is_complete():
    rows = {"y": [1.0, nan], "x": [nan, 1.0], "g": ["a", "b"]}
    with pytest.raises(DataError, match=r"2 rows has a missing value \(y 1, x 1\)"):
        learn("y ~ x + (1 | g)", rows)


def test_an_empty_column():
    with pytest.raises(DataError, match=r"2 rows has a missing value \(x 2\)"):
        learn("y ~ x", {"y": [1, 2], "x": [None, None]})


@pytest.mark.parametrize("column", ["y", "x"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values(column, value):
    rows = {"y": [1.0, 2.0, 3.0], "x": [1.0, 3.0, 2.0], "g": ["a", "b", "a"]}
    rows[column] = [1.0, value, value]
    with pytest.raises(DataError, match=rf"'{column}' is infinite in 2 row\(s\), first in row 1"):
        learn("y ~ x + (1 | g)", rows)


def test_infinite_values_that_are_computed():
    rows = {"y": [1.0, 2.0, 3.0], "x": [1.0, 0.0, 2.0]}
    with pytest.raises(DataError, match=r"'log\(x\)' is not finite in 1 row\(s\), first in row 1"):
        learn("y ~ log(x)", rows)
    with pytest.raises(DataError, match=r"'log\(x\)' is not finite"):
        learn("log(x) ~ y", rows)


def test_infinite_values_in_columns_not_used():
    assert learn("y ~ 1", {"y": [1.0, 2.0], "x": [np.inf, 1.0]})[0].n == 2


COMPLETE = {
    # What the three complete rows of ROWS look like, whatever the table.
    "X": [[1, 1, 1], [1, 4, 1], [1, 6, 0]],
    "levels": ("2", "10"),
    "codes": [1, 1, 0],
}
G = [10, None, 2, 10, 2, 2]  # row 1 is incomplete in any case
TABLES = {
    "nullable": lambda: pd.DataFrame(
        {
            "y": pd.array([1, 2, None, 4, 5, 6], dtype="Float64"),
            "x": pd.array([1, None, None, 4, 5, 6], dtype="Int64"),
            "f": pd.array(ROWS["f"], dtype="string"),
            "g": pd.array(G, dtype="Int64"),
        }
    ),
    "objects": lambda: pd.DataFrame({**ROWS, "g": pd.Series(G, dtype=object)}),
    "floats": lambda: pd.DataFrame({**ROWS, "g": pd.Series(G, dtype=float)}),
    "categories": lambda: pd.DataFrame({**ROWS, "g": pd.Categorical(G, categories=[2, 7, 10])}),
    "polars": lambda: pl.DataFrame({**ROWS, "g": G}, strict=False).fill_nan(None),
    "polars, NaN": lambda: pl.DataFrame({**ROWS, "g": G}, strict=False),
    "polars, lazy": lambda: pl.LazyFrame({**ROWS, "g": G}, strict=False),
    "polars, text": lambda: pl.DataFrame({**ROWS, "g": G}).with_columns(pl.col("g").cast(str)),
    "polars, enum": lambda: pl.DataFrame({**ROWS, "g": G}).with_columns(
        pl.col("g").cast(str).cast(pl.Enum(["2", "7", "10"]))
    ),
    "arrow": lambda: pa.table({**ROWS, "g": G}),
    "arrow, dictionary": lambda: pa.table(
        {**ROWS, "g": pa.array(["10", None, "2", "10", "2", "2"]).dictionary_encode()}
    ),
    "pandas of arrow": lambda: pa.table({**ROWS, "g": G}).to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("kind", TABLES)
def test_kinds_of_tables_with_missing_groups(kind):
    with pytest.warns(DataWarning, match=r"3 of 6 rows dropped .*\(y 1, x 2, f 1, g 1\)"):
        design, frame, _ = learn(FORMULA, TABLES[kind]())
    (block,) = design.blocks
    np.testing.assert_array_equal(design.X, COMPLETE["X"])
    labels = [block.levels[code] for code in block.codes]
    assert labels == ["10", "10", "2"]
    assert frame.notna().all(axis=None)
    if kind != "arrow, dictionary":  # whose order is that of appearance
        assert block.levels == COMPLETE["levels"]
        assert block.codes.tolist() == COMPLETE["codes"]


def test_nullable_booleans_and_integers_become_plain():
    rows = pd.DataFrame(
        {
            "y": pd.array([1, 2, 3, None], dtype="Int64"),
            "t": pd.array([True, False, None, True], dtype="boolean"),
        }
    )
    with pytest.warns(DataWarning, match=r"2 of 4 rows dropped .*\(y 1, t 1\)"):
        design, frame, _ = learn("y ~ t", rows)
    assert design.coefs == ("Intercept", "t[True]")
    np.testing.assert_array_equal(design.X, [[1, 1], [1, 0]])
    assert [str(dtype) for dtype in frame.dtypes] == ["int64", "bool"]
