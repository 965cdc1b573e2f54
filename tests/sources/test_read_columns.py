"""The same content in any kind of table gives the same frame, and mistakes are named."""

import re
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

from hierlm.errors import DataError, MissingColumnError
from hierlm.sources import normalise, read_columns

TEXT = pd.Series(["text"]).dtype
ROWS = {"y": [1.5, 2.5, 4.0], "n": [3, 1, 2], "g": ["b", "a", "b"], "t": [True, False, True]}


def nullable(cells):
    kind = next(type(cell) for cell in cells if cell is not None)
    dtype = {int: "Int64", float: "Float64", str: "string", bool: "boolean"}[kind]
    return pd.Series(cells, dtype=dtype)


def tables(columns):
    """Give the content as each kind of table, nothing converted on the way."""
    return {
        "dict": columns,
        "pandas, objects": pd.DataFrame(
            {k: pd.Series(v, dtype=object) for k, v in columns.items()}
        ),
        "pandas, nullable": pd.DataFrame({k: nullable(v) for k, v in columns.items()}),
        "pandas, arrow": pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
        "polars": pl.DataFrame(columns),
        "polars, lazy": pl.LazyFrame(columns),
        "pyarrow": pa.table(columns),
        "dict of polars": {k: pl.Series(k, v) for k, v in columns.items()},
        "dict of arrow": {k: pa.array(v) for k, v in columns.items()},
    }


def _name(value: object) -> str:
    """Return what a case is called: alike in every process, so without an address."""
    return re.sub(r" at 0x\w+", "", repr(value))


@pytest.mark.parametrize("kind", tables(ROWS))
def test_same_content_same_frame(kind):
    expected = pd.DataFrame(ROWS).astype({"n": "int64"})[["g", "y", "t", "n"]]
    read = read_columns(tables(ROWS)[kind], ["g", "y", "t", "n"])
    assert_frame_equal(read, expected)
    assert [str(dtype) for dtype in read.dtypes] == [str(TEXT), "float64", "bool", "int64"]


def test_a_nul_in_a_name_of_polars():
    assert read_columns(pl.DataFrame({"a\0b": [1, 2]}))["a\0b"].tolist() == [1, 2]


def column_of(values):
    return st.lists(st.none() | values, min_size=1, max_size=6).filter(
        lambda cells: any(cell is not None for cell in cells)
    )


@given(
    column_of(st.integers(-(2**63), 2**63 - 1))
    | column_of(st.floats(allow_nan=False))
    | column_of(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
    | column_of(st.booleans())
)
def test_any_column_is_read_alike_and_only_once(cells):
    kinds = tables({"x": cells})
    first = read_columns(kinds.pop("dict"))
    for table in kinds.values():
        assert_frame_equal(read_columns(table), first)
    assert_frame_equal(read_columns(first), first)
    assert first["x"].isna().tolist() == [cell is None for cell in cells]
    assert first["x"].dropna().tolist() == [cell for cell in cells if cell is not None]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pd.Series([1, 2], dtype="int8"), "int64"),
        (pd.Series([1, 2], dtype="uint64"), "int64"),
        (pd.Series([1, None], dtype="Int16"), "Int64"),
        (pd.Series([1, 2], dtype="Int64"), "int64"),
        (pd.Series([1, None], dtype="UInt64"), "Int64"),
        (pd.Series([1, None], dtype="Float32"), "float64"),
        (pd.Series([1, 2], dtype="float32"), "float64"),
        (np.array([1, 2], dtype="float16"), "float64"),
        (np.array([1, 2], dtype="longdouble"), "float64"),
        (pd.Series([True, None], dtype="boolean"), "boolean"),
        (pd.Series([True, False], dtype="boolean"), "bool"),
        (pd.Series(["a", None], dtype="string"), TEXT),
        (pd.Series(["a", None], dtype=object), TEXT),
        (np.array(["a", "b"]), TEXT),
        (pd.arrays.SparseArray([1.0, 0.0]), "float64"),
        ([Decimal("1.5"), None], "float64"),
        (pa.array([Decimal("1.5"), None]), "float64"),
        ([1, 2.5, None], "float64"),
        ([None, float("nan")], "float64"),
        (pa.nulls(2), "float64"),
        (range(2), "int64"),
        (pd.Index([1, 2]), "int64"),
        (pa.array(["a", "b"], pa.string_view()), TEXT),
        (pl.Series([1.5, None], dtype=pl.Decimal(10, 2)), "float64"),
        (pl.Series([1, 2], dtype=pl.UInt8), "int64"),
        (pl.Series([1, 2], dtype=pl.Float32), "float64"),
    ],
    ids=_name,
)
def test_dtypes(values, dtype):
    read = read_columns({"x": values})["x"]
    assert read.dtype == dtype
    assert_series_equal(normalise(read, "x"), read, check_names=False)


def test_integer_labels_with_missing_values_stay_integers():
    expected = [308, pd.NA, 309]
    for table in tables({"Subject": [308, None, 309]}).values():
        read = read_columns(table)["Subject"]
        assert read.tolist() == expected
        codes, levels = pd.factorize(read)
        assert codes.tolist() == [0, -1, 1]
        assert [str(level) for level in levels] == ["308", "309"]
        assert normalise(read.dropna(), "Subject").dtype == "int64"


@pytest.mark.parametrize("ordered", [True, False])
def test_categories_keep_order_orderedness_and_unused_levels(ordered):
    column = pd.Categorical(["b", "a", None], categories=["c", "b", "a"], ordered=ordered)
    frame = pd.DataFrame({"g": column})
    dictionary = pa.DictionaryArray.from_arrays(
        pa.array([1, 2, None], pa.int8()), pa.array(["c", "b", "a"]), ordered=ordered
    )
    arrow = pa.table({"g": dictionary})
    for table in (frame, arrow, arrow.to_pandas(types_mapper=pd.ArrowDtype), {"g": column}):
        assert_frame_equal(read_columns(table), frame)


def test_polars_enum_keeps_its_levels_and_categorical_sorts_them():
    levels = pl.Enum(["c", "b", "a"])
    frame = pl.DataFrame(
        {
            "enum": pl.Series(["b", "a", None], dtype=levels),
            "cat": pl.Series(["z", "a", None], dtype=pl.Categorical),
        }
    )
    for table in (frame, frame.lazy(), frame.to_dict()):
        read = read_columns(table)
        assert list(read["enum"].cat.categories) == ["c", "b", "a"]
        assert list(read["cat"].cat.categories) == ["a", "z"]
        assert not read["enum"].cat.ordered
        assert read["cat"].tolist() == ["z", "a", np.nan]


def test_arrow_dictionaries_of_several_chunks_and_unsigned_codes():
    chunks = [
        pa.DictionaryArray.from_arrays(pa.array([1, None], pa.uint32()), pa.array(["b", "a"])),
        pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.uint32()), pa.array(["c", "b"])),
    ]
    read = read_columns(pa.table({"g": pa.chunked_array(chunks)}))["g"]
    assert read.tolist() == ["a", np.nan, "c", "b"]
    assert list(read.cat.categories) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pd.Index([2, 1]), [2, 1]),
        (pd.Index([2, 1], dtype="Int64"), [2, 1]),
        (pd.Index(["b", "a"], dtype="string"), ["b", "a"]),
        (pd.Index(["b", 1], dtype=object), ["b", "1"]),
        (pd.IntervalIndex.from_breaks([0, 1, 2]), ["(0, 1]", "(1, 2]"]),
    ],
    ids=_name,
)
def test_labels_of_categories_are_numbers_or_text(labels, expected):
    column = pd.Categorical.from_codes([0, 1, -1], categories=labels)
    read = read_columns({"g": column})["g"]
    assert list(read.cat.categories) == expected
    assert read.isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.date_range("2020-01-01", periods=2), "M"),
        (pd.date_range("2020-01-01", periods=2, tz="UTC"), "M"),
        (pd.to_timedelta([1, 2], unit="D"), "m"),
        (pa.array([1, 2], pa.date32()), "M"),
        ([pd.Timestamp("2020-01-01").date(), None], "M"),
        ([pd.Timedelta("1D"), None], "m"),
    ],
    ids=_name,
)
def test_dates_and_durations_stay_what_they_are(values, kind):
    assert read_columns({"when": values})["when"].dtype.kind == kind


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, "a"], "column 'x' holds int and str."),
        ([True, 2], "column 'x' holds bool and int."),
        ([[1], [2]], "column 'x' holds list."),
        ([1j, 2j], "column 'x' holds complex."),
        (np.array([1j, 2j]), "column 'x' holds complex128."),
        ([b"a", b"b"], "column 'x' holds bytes."),
        (pd.period_range("2020", periods=2, freq="Y"), "column 'x' holds period["),
        ([2**70, 1], "could not be read as integer"),
        (np.array([2**63, 1], dtype="uint64"), "integers beyond 64 bits"),
        (pa.array([2**63, None], pa.uint64()), "integers beyond 64 bits"),
        (np.zeros((2, 2)), "column 'x' is a ndarray of 2 dimensions."),
        ("ab", "column 'x' is a str of 0 dimensions."),
        (3, "column 'x' is a int of 0 dimensions."),
        (pd.Categorical.from_codes([0], categories=pd.Index([1, "1"])), "read as category"),
    ],
    ids=_name,
)
def test_columns_that_no_model_can_use(values, said):
    with pytest.raises(DataError, match=re.escape(said)):
        read_columns({"x": values})


def test_columns_not_asked_for_are_not_looked_at():
    assert list(read_columns({"y": [1], "x": 3, "z": [[1, 2]]}, ["y"])) == ["y"]
    broken = pl.col("y").map_batches(lambda _: 1 / 0, return_dtype=pl.Int64)
    lazy = pl.LazyFrame({"y": [1]}).with_columns(x=broken)
    with pytest.raises(Exception, match="division by zero"):
        read_columns(lazy, ["x"])
    assert list(read_columns(lazy, ["y"])) == ["y"]


def test_rows_are_numbered_from_zero_whatever_the_index():
    frame = pd.DataFrame({"y": [1, 2], "g": ["a", "b"]}, index=[7, 7])
    read = read_columns(frame, iter(["g"]))
    assert_frame_equal(read, pd.DataFrame({"g": ["a", "b"]}))
    assert isinstance(read.index, pd.RangeIndex)
    apart = {"x": pd.Series([1, 2], index=[5, 6]), "y": pd.Series([3, 4], index=[6, 5])}
    assert read_columns(apart)["y"].tolist() == [3, 4]


def test_later_changes_of_the_data_do_not_reach_the_frame():
    array, frame = np.array([1.0, 2.0]), pd.DataFrame({"x": [1.0, 2.0]})
    read = read_columns({"x": array})
    array[0] = 99.0
    assert read["x"].tolist() == [1.0, 2.0]
    read = read_columns(frame)
    frame.loc[0, "x"] = 99.0
    assert read["x"].tolist() == [1.0, 2.0]
    read.loc[0, "x"] = 98.0
    assert frame["x"].tolist() == [99.0, 2.0]


def test_names_that_are_not_text_go_by_their_str():
    frame = pd.DataFrame([[1, 2]], columns=[0, 1])
    assert read_columns(frame, ["1"])["1"].tolist() == [2]
    assert list(read_columns({0: [1], "a": [2]})) == ["0", "a"]


def test_a_name_asked_for_twice_comes_once():
    assert list(read_columns(ROWS, ["y", "g", "y"])) == ["y", "g"]
    assert list(read_columns(ROWS, "y")) == ["y"]


@pytest.mark.parametrize("kind", tables(ROWS))
def test_missing_column(kind):
    data = tables({"Reaction": [1.0], "Subject": ["a"]})[kind]
    with pytest.raises(MissingColumnError) as caught:
        read_columns(data, ["Reaction", "Subjct", "zz"])
    assert str(caught.value) == (
        "no column is called 'Subjct'. Did you mean 'Subject'?\n"
        "no column is called 'zz'.\n"
        "  The table has: Reaction, Subject."
    )


def test_missing_column_of_a_wide_table_lists_some():
    with pytest.raises(MissingColumnError, match=r"x0, x1, .*, x19 and 980 more\."):
        read_columns({f"x{i}": [1] for i in range(1000)}, ["y"])


def test_a_name_in_the_index_is_pointed_out():
    frame = pd.DataFrame({"y": [1], "Subject": ["a"]}).set_index("Subject")
    with pytest.raises(MissingColumnError, match=r"'Subject' is in the index: give data.reset_ind"):
        read_columns(frame, ["y", "Subject"])


def test_duplicate_names():
    frame = pd.DataFrame([[1, 2, 3]], columns=["x", "x", "y"])
    for data in (frame, pa.table([[1], [2], [3]], names=["x", "x", "y"]), {1: [1], "1": [2]}):
        with pytest.raises(DataError, match=r"more than one column is called '[x1]'"):
            read_columns(data)
    assert read_columns(frame, ["y"])["y"].tolist() == [3]


def test_column_levels_are_refused():
    columns = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    with pytest.raises(DataError, match="columns have 2 levels"):
        read_columns(pd.DataFrame([[1, 2]], columns=columns), ["x"])


@pytest.mark.parametrize(
    "data",
    [pd.DataFrame({"x": []}), pl.DataFrame({"x": []}), pa.table({"x": []}), {"x": []}],
    ids=lambda data: type(data).__module__,
)
def test_no_rows(data):
    with pytest.raises(DataError, match="no rows"):
        read_columns(data)


def test_no_columns():
    for data, columns in (({}, None), (pd.DataFrame(), None), (ROWS, [])):
        with pytest.raises(DataError, match="no columns, or none was asked for"):
            read_columns(data, columns)


def test_unequal_lengths():
    with pytest.raises(DataError, match=r"not equally long: x has 2, y has 1\."):
        read_columns({"x": [1, 2], "y": [1]})


@pytest.mark.parametrize(
    ("data", "came"),
    [
        (None, "a NoneType"),
        (np.zeros((2, 2)), "numpy.ndarray"),
        ([{"y": 1}], "a list"),
        (pd.Series([1]), "Series"),
        (pl.Series([1]), "Series"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_not_a_table(data, came):
    with pytest.raises(DataError, match=rf"the data are .*{came}, which is no table"):
        read_columns(data, ["y"])
