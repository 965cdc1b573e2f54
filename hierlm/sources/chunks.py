"""Tables that come in chunks, read as often as needed and never all at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from hierlm.errors import DataError

type Chunks = Callable[[], Iterable[Any]] | Sequence[Any] | str | os.PathLike[str]
"""What `open_chunks` accepts."""

_ROWS = 131_072


def open_chunks(chunks: Chunks, columns: Sequence[str]) -> Callable[[], Iterator[Any]]:
    """Return a function that begins a new pass over the chunks.

    Parameters
    ----------
    chunks : callable, sequence, or path
        A function without arguments that returns a fresh iterator of tables; a list of tables or
        of paths; or the path of one Parquet file, which is read some rows at a time.
    columns : sequence of str
        Those needed; of a Parquet file no others are read.

    Raises
    ------
    DataError
        If it is none of these: an iterator, for one, could be read only once.
    """
    if isinstance(chunks, str | os.PathLike):
        file = Path(chunks).expanduser()
        if not file.name.lower().endswith(".parquet") or not file.is_file():
            raise DataError(
                f"{str(chunks)!r} is no Parquet file that is there, which could be read in "
                "chunks.\n  Give a list of paths, or a function that returns an iterator of "
                "tables: lambda: pd.read_csv(path, chunksize=100_000)."
            )
        return lambda: _row_batches(file, columns)
    if callable(chunks):
        return lambda: iter(chunks())
    if isinstance(chunks, list | tuple):
        return lambda: iter(chunks)
    raise DataError(
        f"chunks are a function, a list or a path; came {type(chunks).__name__}. They are read "
        "twice, and an iterator can be read once.\n"
        "  Give a function that returns a fresh one: lambda: pd.read_csv(path, chunksize=100_000)."
    )


def _row_batches(file: Path, columns: Sequence[str]) -> Iterator[Any]:
    with parquet.ParquetFile(file) as opened:
        there = [name for name in columns if name in opened.schema_arrow.names]
        for batch in opened.iter_batches(_ROWS, columns=there):
            yield pa.Table.from_batches([batch])
