"""Tables in files: csv and tsv, gzipped or not, and parquet."""

from __future__ import annotations

import csv
import gzip
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, final

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from hierlm.errors import DataError, did_you_mean
from hierlm.sources.base import Table
from hierlm.sources.dtypes import from_arrow

# How pandas stores an index without a name.
_INDEX_COLUMN = re.compile(r"__index_level_\d+__")


def open_file(path: str | os.PathLike[str]) -> Table:
    """Open a table in a file; columns are read when they are taken.

    Parameters
    ----------
    path : str or path-like
        A local file whose name ends in .csv, .csv.gz, .tsv, .tsv.gz or .parquet.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        If there is no such file, or it is not a table of a known type.
    """
    file = Path(path).expanduser()
    opener = next((_FORMATS[end] for end in _FORMATS if file.name.lower().endswith(end)), None)
    if opener is None:
        raise DataError(
            f"{str(path)!r} is not a table that hierlm can read.\n"
            f"  Files end in {', '.join(_FORMATS)}; anything else can be read to a data frame\n"
            "  first. Bundled data sets come from hierlm.load_dataset(name)."
        )
    if not file.is_file():
        raise DataError(_no_file(file))
    return opener(file)


@final
class CsvTable(Table):
    """Text with a separator: UTF-8, one header row, ``"`` around fields that need it.

    Types are those that `pandas.read_csv` finds: labels such as ``007`` become numbers, and
    ``NA``, ``NaN``, ``None`` and empty fields are missing.

    Parameters
    ----------
    file : Path
        The file.
    separator : str
        The character between fields.

    Raises
    ------
    DataError
        If the file is empty or not UTF-8, or a row is not as wide as the header. The rows are
        counted first because pandas passes over extra fields when it reads some columns only.
    """

    def __init__(self, file: Path, separator: str) -> None:
        self.file = file
        self.separator = separator
        with _explained(file), _open_text(file) as stream:
            self._labels = _checked_header(csv.reader(stream, delimiter=separator), file)

    @property
    def labels(self) -> Sequence[str]:
        """Names in the header; a blank one is called ``Unnamed: 0`` by its place."""
        return self._labels

    def take(self, positions: Sequence[int]) -> list[pd.Series]:
        """Return the columns at `positions`, and convert no other."""
        with _explained(self.file):
            read = pd.read_csv(
                self.file,
                sep=self.separator,
                usecols=sorted(positions),
                encoding="utf-8-sig",
                dtype_backend="numpy_nullable",
                low_memory=False,
            )
        places = sorted(positions)
        return [read.iloc[:, places.index(position)] for position in positions]


@final
class ParquetTable(Table):
    """A parquet file.

    Parameters
    ----------
    file : Path
        The file.

    Raises
    ------
    DataError
        If the file is not parquet.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        with _explained(file):
            names = parquet.read_schema(file).names
        self._labels = [name for name in names if not _INDEX_COLUMN.fullmatch(name)]

    @property
    def labels(self) -> Sequence[str]:
        """Names in the schema, without an unnamed index of pandas."""
        return self._labels

    def take(self, positions: Sequence[int]) -> list[pd.Series]:
        """Return the columns at `positions`, and read no other."""
        names = [self._labels[position] for position in positions]
        with _explained(self.file), parquet.ParquetFile(self.file) as file:
            read = file.read(columns=names)
        # "total" also reads "total.fruits": pyarrow takes a dot for a nested field.
        return [from_arrow(read.column(name)) for name in names]


def _csv(file: Path) -> Table:
    return CsvTable(file, ",")


def _tsv(file: Path) -> Table:
    return CsvTable(file, "\t")


_FORMATS: dict[str, Callable[[Path], Table]] = {
    ".csv": _csv,
    ".csv.gz": _csv,
    ".tsv": _tsv,
    ".tsv.gz": _tsv,
    ".parquet": ParquetTable,
}


def _no_file(file: Path) -> str:
    if file.is_dir():
        return f"{str(file)!r} is a folder.\n  Give the path of one file."
    if "://" in str(file) or re.match(r"\w{2,}:/", str(file)):
        return f"{str(file)!r} is not a local file.\n  hierlm never downloads: save it first."
    folder = file.parent.absolute()
    if not folder.is_dir():
        return f"there is no file {str(file)!r}: the folder {str(folder)!r} does not exist."
    near = did_you_mean(file.name, [other.name for other in folder.iterdir()])
    return f"there is no file {file.name!r} in {str(folder)!r}.{near}"


def _open_text(file: Path) -> IO[str]:
    if file.name.lower().endswith(".gz"):
        return gzip.open(file, "rt", encoding="utf-8-sig", newline="")
    return file.open("r", encoding="utf-8-sig", newline="")


def _checked_header(rows: Any, file: Path) -> list[str]:
    filled = (row for row in rows if row)
    header = next(filled, None)
    if header is None:
        raise DataError(f"{file.name!r} is empty.\n  The first line names the columns.")
    if len(header) == 1 and ";" in header[0]:
        raise DataError(
            f"{file.name!r} has semicolons between its fields.\n"
            '  Read it with pandas.read_csv(path, sep=";", decimal=",") and give the data frame.'
        )
    for row in filled:
        if len(row) != len(header):
            raise DataError(
                f"line {rows.line_num} of {file.name!r} has {len(row)} fields, but the header "
                f"names {len(header)} columns.\n"
                "  Every row has one field per column; a field that contains the separator is\n"
                '  put between ". A column of row names needs a name too.'
            )
    return [label.strip() or f"Unnamed: {place}" for place, label in enumerate(header)]


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{file.name!r} is not UTF-8 text: {error}.") from error
    except (csv.Error, EOFError, OSError, pa.ArrowException, pd.errors.ParserError) as error:
        raise DataError(f"{file.name!r} could not be read: {error}") from error
