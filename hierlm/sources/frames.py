"""Rows from anything that is a table: the columns asked for, in a few known dtypes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
from narwhals.typing import IntoFrame

from hierlm.errors import DataError, MissingColumnError, did_you_mean
from hierlm.sources.base import Table
from hierlm.sources.dtypes import from_arrow, normalise
from hierlm.sources.files import open_file

type Rows = IntoFrame | Mapping[str, Any] | str | os.PathLike[str]
"""What `read_columns` accepts."""

_NAMES_SHOWN = 20
_COPY_ON_WRITE = int(pd.__version__.split(".")[0]) >= 3  # pandas then copies what is changed


def read_columns(data: Rows, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Read columns of a table, whatever kind of table it is.

    Parameters
    ----------
    data : data frame, mapping of columns, or path
        A pandas, polars (eager or lazy), pyarrow or other data frame that narwhals knows; a
        dict of equally long columns; or the path of a .csv, .csv.gz, .tsv, .tsv.gz or .parquet
        file.
    columns : iterable of str, optional
        The columns needed; the others are neither copied nor checked. All of them when omitted.
        A name that is not text is known by its `str`.

    Returns
    -------
    pandas.DataFrame of shape (n, number of columns)
        In the order asked for, with rows numbered from 0 and the dtypes listed in
        `hierlm.sources.dtypes`. It shares no memory that can be changed through `data`.

    Raises
    ------
    MissingColumnError
        If a column is not there.
    DataError
        If `data` is no table, has no rows, names a needed column twice, has columns of unequal
        length, cannot be read, or holds values of a kind that no model can use.

    Examples
    --------
    >>> read_columns({"y": [1.5, 2.5], "g": ["a", "b"], "x": [0, 1]}, ["g", "y"])
       g    y
    0  a  1.5
    1  b  2.5
    """
    table = _as_table(data)
    names = [str(label) for label in table.labels]
    wanted = names if columns is None else list(dict.fromkeys(_as_list(columns)))
    _check_names(table, names, wanted)
    taken = table.take([names.index(name) for name in wanted])
    _check_lengths(wanted, taken)
    read = {
        name: normalise(values.reset_index(drop=True), name)
        for name, values in zip(wanted, taken, strict=True)
    }
    return pd.DataFrame(read, copy=not _COPY_ON_WRITE)


@final
class PandasTable(Table):
    """A pandas data frame.

    Parameters
    ----------
    frame : pandas.DataFrame

    Raises
    ------
    DataError
        If the columns have more than one level.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        if frame.columns.nlevels > 1:
            raise DataError(
                f"the data frame's columns have {frame.columns.nlevels} levels; a column needs "
                "one name.\n"
                '  Join them: data.columns = ["_".join(map(str, c)) for c in data.columns].'
            )
        self.frame = frame

    @property
    def labels(self) -> Sequence[Any]:
        """Labels of the columns."""
        return list(self.frame.columns)

    def take(self, positions: Sequence[int]) -> list[pd.Series]:
        """Return views of the columns at `positions`."""
        return [self.frame.iloc[:, position] for position in positions]

    def hint(self, name: str) -> str:
        """Say so when the name is that of the index."""
        if name in map(str, self.frame.index.names):
            return f"\n  {name!r} is in the index: give data.reset_index()."
        return ""


@final
class MappingTable(Table):
    """A mapping of column names to equally long columns.

    Parameters
    ----------
    columns : mapping
        Lists, arrays or series; an index of a series plays no part.
    """

    def __init__(self, columns: Mapping[Any, Any]) -> None:
        self.columns = columns

    @property
    def labels(self) -> Sequence[Any]:
        """Keys of the mapping."""
        return list(self.columns)

    def take(self, positions: Sequence[int]) -> list[pd.Series]:
        """Return the values of the keys at `positions`."""
        labels = self.labels
        return [_as_series(self.columns[labels[p]], str(labels[p])) for p in positions]


@final
class NarwhalsTable(Table):
    """Any other data frame, by way of Arrow.

    Parameters
    ----------
    frame : narwhals.DataFrame or narwhals.LazyFrame
        A lazy frame is collected when columns are taken, with those columns only.
    """

    def __init__(self, frame: nw.DataFrame[Any] | nw.LazyFrame[Any]) -> None:
        self.frame = frame

    @property
    def labels(self) -> Sequence[str]:
        """Names in the schema."""
        return self.frame.collect_schema().names()

    def take(self, positions: Sequence[int]) -> list[pd.Series]:
        """Return the columns at `positions`."""
        labels = self.labels
        chosen = self.frame.select([labels[position] for position in positions])
        eager = chosen.collect() if isinstance(chosen, nw.LazyFrame) else chosen
        return [_from_narwhals(column) for column in eager.iter_columns()]


@final
class ArrowTable(Table):
    """A pyarrow table.

    Parameters
    ----------
    table : pyarrow.Table
        Names may repeat, as long as the columns needed do not.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    @property
    def labels(self) -> Sequence[str]:
        """Names in the schema."""
        return list(self.table.column_names)

    def take(self, positions: Sequence[int]) -> list[pd.Series]:
        """Return the columns at `positions`."""
        return [from_arrow(self.table.column(position)) for position in positions]


def _as_table(data: Any) -> Table:
    if isinstance(data, str | os.PathLike):
        return open_file(data)
    if isinstance(data, pd.DataFrame):
        return PandasTable(data)
    if isinstance(data, pa.Table):
        return ArrowTable(data)
    frame = nw.from_native(data, pass_through=True)
    if isinstance(frame, nw.DataFrame | nw.LazyFrame):
        return NarwhalsTable(frame)
    if isinstance(data, Mapping):
        return MappingTable(data)
    kind = f"{type(data).__module__}.{type(data).__qualname__}".removeprefix("builtins.")
    raise DataError(
        f"the data are a {kind}, which is no table "
        "with named columns.\n"
        "  Give a data frame (pandas, polars, pyarrow), a dict of equally long columns, or the\n"
        "  path of a .csv, .tsv or .parquet file."
    )


def _as_list(columns: Iterable[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else [str(name) for name in columns]


def _as_series(values: Any, name: str) -> pd.Series:
    if isinstance(values, pd.Series):
        return values
    column = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(column, nw.Series):
        return _from_narwhals(column)
    if isinstance(values, pa.Array):
        return from_arrow(pa.chunked_array([values]))
    if isinstance(values, list | tuple):
        # As objects, or [308, None] would become floats before anyone could look.
        return pd.Series(list(values), dtype=object)
    if np.ndim(values) != 1 or isinstance(values, Mapping | set):
        raise DataError(
            f"column {name!r} is a {type(values).__name__} of {np.ndim(values)} dimensions.\n"
            "  A column is a list, a series or an array of one dimension."
        )
    return pd.Series(values, copy=True)  # an array can change under our hands


def _from_narwhals(column: nw.Series[Any]) -> pd.Series:
    if column.implementation.is_pandas():
        return pd.Series(column.to_native())
    # Rust ends on a name with a NUL, and the name plays no part here.
    values = from_arrow(pa.chunked_array([column.alias("").to_arrow()]))
    if not column.implementation.is_polars():
        return values
    if column.dtype == nw.Enum:
        # Its order is that of its levels; that they are ranked is not said.
        return values.cat.as_unordered()
    if column.dtype == nw.Categorical:
        # Polars numbers these in the order of the process's pool: sort them, as text would be.
        seen = values.cat.remove_unused_categories()
        return seen.cat.reorder_categories(sorted(seen.cat.categories))
    return values


def _check_names(table: Table, names: list[str], wanted: list[str]) -> None:
    present = Counter(names)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise MissingColumnError(
            "\n".join(
                f"no column is called {name!r}.{did_you_mean(name, present)}{table.hint(name)}"
                for name in missing
            )
            + f"\n  The table has: {_shortened(names)}."
        )
    twice = [name for name in dict.fromkeys(wanted) if present[name] > 1]
    if twice:
        raise DataError(
            f"more than one column is called {_shortened([repr(name) for name in twice])}.\n"
            "  Rename or drop the duplicates; names count by their str, so 1 and '1' are the same."
        )
    broken = [name for name in wanted if not _is_unicode(name)]
    if broken:
        raise DataError(
            f"the column {broken[0]!r} has half a character in its name (a surrogate without its "
            "pair).\n  Rename the column."
        )
    if not wanted:
        raise DataError("the table has no columns, or none was asked for.")


def _check_lengths(names: list[str], columns: list[pd.Series]) -> None:
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        each = [f"{name} has {length}" for name, length in zip(names, lengths, strict=True)]
        raise DataError(f"the columns are not equally long: {_shortened(each)}.")
    if not lengths[0]:
        raise DataError("the table has no rows.\n  A model needs at least one observation.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shortened(texts: list[str]) -> str:
    more = len(texts) - _NAMES_SHOWN
    return ", ".join(texts[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
