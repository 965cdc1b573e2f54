"""Columns of any dtype, reduced to the few that the rest of hierlm knows.

=============================================  ================================================
what came                                      what later code sees
=============================================  ================================================
integers of any width                          ``int64``
integers with missing values                   ``Int64`` (a label 308 stays "308", not "308.0")
floats of any width, Decimal                   ``float64``, missing is NaN
booleans; with missing values                  ``bool``; ``boolean``
text of any storage                            pandas' own text dtype (``str``; ``object`` before
                                               pandas 3), missing is NaN or None
categories, Arrow dictionaries, polars Enum    ``category``: order, orderedness and unused
                                               categories kept; labels text or numbers
dates, times with a date, durations            ``datetime64``, ``timedelta64``
nothing but missing values, untyped            ``float64``, all NaN
=============================================  ================================================

`pandas.factorize` works on all of them. Once the rows with missing values are gone, a second
`normalise` turns ``Int64`` into ``int64`` and ``boolean`` into ``bool``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from hierlm.errors import DataError

_TEXT = pd.Series(["text"]).dtype
_NULLABLE = {
    **dict.fromkeys(
        (pa.int8(), pa.int16(), pa.int32(), pa.int64()),
        pd.Int64Dtype(),
    ),
    **dict.fromkeys((pa.uint8(), pa.uint16(), pa.uint32()), pd.Int64Dtype()),
    pa.uint64(): pd.UInt64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}
# What pandas finds in a column of Python objects, and what that makes the column.
_KINDS = {
    "string": "text",
    "integer": "integer",
    "boolean": "boolean",
    "floating": "float",
    "mixed-integer-float": "float",
    "decimal": "float",
    "empty": "float",
    "datetime": "time",
    "datetime64": "time",
    "date": "time",
    "timedelta": "duration",
    "timedelta64": "duration",
}


def normalise(column: pd.Series, name: str) -> pd.Series:
    """Return a column in one of the dtypes of the table above.

    Parameters
    ----------
    column : pandas.Series of shape (n,)
        The values; the index plays no part.
    name : str
        The column's name, for messages.

    Returns
    -------
    pandas.Series of shape (n,)

    Raises
    ------
    DataError
        If the column mixes types, holds something else than numbers, text, categories and
        dates, or integers beyond 64 bits.

    Examples
    --------
    >>> normalise(pd.Series([308, None, 309], dtype=object), "Subject").dtype
    Int64Dtype()
    """
    if isinstance(column.dtype, pd.ArrowDtype):
        column = from_arrow(pa.chunked_array(column.array.__arrow_array__()))
    if isinstance(column.dtype, pd.SparseDtype):
        column = pd.Series(column.to_numpy())
    kind = _kind(column)
    if kind not in _CONVERTERS:
        raise DataError(_refusal(column, name))
    try:
        return _CONVERTERS[kind](column)
    except (OverflowError, TypeError, ValueError) as error:
        raise DataError(
            f"column {name!r} could not be read as {kind}: {error}\n"
            f"  If its values are labels, make them text: data[{name!r}].astype(str)."
        ) from error


def from_arrow(values: pa.ChunkedArray) -> pd.Series:
    """Return an Arrow column as a pandas column that loses nothing to missing values.

    Parameters
    ----------
    values : pyarrow.ChunkedArray of length n

    Returns
    -------
    pandas.Series of shape (n,)

    Examples
    --------
    >>> from_arrow(pa.chunked_array([[308, None]])).tolist()
    [308, <NA>]
    """
    # Without the mapping, integers with a missing value would come out as floats.
    options: dict[str, Any] = {"types_mapper": _NULLABLE.get, "date_as_object": False}
    try:
        return cast(pd.Series, _signed(values).to_pandas(**options))
    except (TypeError, pa.ArrowException):  # what pandas has no column for is refused by its name
        return pd.Series(values.to_pylist(), dtype=object)


def _signed(values: pa.ChunkedArray) -> pa.ChunkedArray:
    # polars numbers its categories without a sign, which older pyarrow cannot turn to pandas.
    kind = values.type
    if not (pa.types.is_dictionary(kind) and pa.types.is_unsigned_integer(kind.index_type)):
        return values
    chunks = [
        pa.DictionaryArray.from_arrays(
            chunk.indices.cast(pa.int64()), chunk.dictionary, ordered=kind.ordered
        )
        for chunk in values.chunks
    ]
    return pa.chunked_array(chunks, pa.dictionary(pa.int64(), kind.value_type, kind.ordered))


def _kind(column: pd.Series) -> str:
    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if isinstance(dtype, pd.StringDtype):
        return "text"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "time"
    if dtype.kind == "O":
        found = pd.api.types.infer_dtype(column, skipna=True)
        return _KINDS.get(found, found)
    names = {"i": "integer", "u": "integer", "f": "float", "b": "boolean", "M": "time"}
    return {**names, "m": "duration"}.get(dtype.kind, str(dtype))


def _category(column: pd.Series) -> pd.Series:
    labels = pd.Series(column.cat.categories)
    if _kind(labels) in ("text", "integer", "float", "boolean"):
        labels = _CONVERTERS[_kind(labels)](labels)
    else:
        labels = pd.Series([str(label) for label in labels], dtype=_TEXT)
    return column.cat.rename_categories(list(labels))


def _text(column: pd.Series) -> pd.Series:
    if column.dtype == _TEXT and column.dtype != object:
        return column
    values = column.astype(object)
    return pd.Series(values.where(values.notna(), None), dtype=_TEXT)


def _integer(column: pd.Series) -> pd.Series:
    if column.dtype == np.dtype("int64"):
        return column
    if column.dtype.kind == "u" and column.max() > np.iinfo("int64").max:
        raise OverflowError("it holds integers beyond 64 bits")
    nullable = column.astype("Int64")
    return nullable if nullable.isna().any() else nullable.astype("int64")


def _boolean(column: pd.Series) -> pd.Series:
    nullable = column.astype("boolean")
    return nullable if nullable.isna().any() else nullable.astype("bool")


def _float(column: pd.Series) -> pd.Series:
    if column.dtype == np.dtype("float64"):
        return column
    return pd.Series(column.to_numpy(dtype="float64", na_value=np.nan))


def _time(column: pd.Series) -> pd.Series:
    return pd.to_datetime(column) if column.dtype == object else column


def _duration(column: pd.Series) -> pd.Series:
    return pd.to_timedelta(column) if column.dtype == object else column


_CONVERTERS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "category": _category,
    "text": _text,
    "integer": _integer,
    "boolean": _boolean,
    "float": _float,
    "time": _time,
    "duration": _duration,
}


def _refusal(column: pd.Series, name: str) -> str:
    types = list(dict.fromkeys(type(value).__name__ for value in column.dropna().head(1000)))
    stray = (
        f"\n  If they are numbers with stray text: pd.to_numeric(data[{name!r}], errors='coerce')."
    )
    came = " and ".join(types[:4]) if column.dtype == object else str(column.dtype)
    return (
        f"column {name!r} holds {came}.\n"
        "  A column holds numbers, text, booleans, categories or dates, of one kind throughout.\n"
        f"  If its values are labels, make them text: data[{name!r}].astype(str)."
        + (stray if {"str"} < set(types) <= {"str", "int", "float"} else "")
    )
