"""What has been done, on disk: a line of JSON for each replication, written as it ends.

The first line says of what; a run that finds another there refuses. A line that an interruption
cut off is dropped, and its replication is done again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import types
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hierlm.calibration.worker import Record
from hierlm.design import Design
from hierlm.errors import DataError
from hierlm.files import replacing

_FORMAT = "hierlm replications 1"


class Ledger:
    """Records by number, kept in memory, and in a file if there is one.

    Parameters
    ----------
    path : path or None
    header : dict
        What every record depends on; JSON's types only.

    Raises
    ------
    DataError
        If the file is not one of ours, or of other replications; with what differs.
    """

    def __init__(self, path: str | os.PathLike[str] | None, header: Mapping[str, Any]) -> None:
        self.records: dict[int, Record] = {}
        self._path = None if path is None else Path(path)
        if self._path is None:
            return
        first = {"format": _FORMAT, "hierlm": version("hierlm"), **json.loads(json.dumps(header))}
        if self._path.exists():
            found, self.records = _read(self._path)
            _check(self._path, found, first)
        elif not self._path.parent.is_dir():
            raise DataError(f"{str(path)!r} cannot be written: there is no such folder.")
        self._rewrite(first)

    def add(self, record: Record) -> None:
        """Keep a record; once this returns it survives the end of the process."""
        self.records[record["k"]] = record
        if self._path is not None and "error" not in record:  # failures are tried again
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise OSError(
                    f"{str(self._path)!r} could not be written: {error}.\n  What was done before "
                    "is in it; the same call goes on from there."
                ) from error

    def _rewrite(self, first: Mapping[str, Any]) -> None:
        """Write the whole records, so that the next line starts a line."""
        assert self._path is not None
        lines = [json.dumps(line) for line in (first, *self.records.values())]
        with replacing(self._path) as part:
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def seed_of(path: str | os.PathLike[str] | None) -> int | None:
    """Return the seed of the replications in a file, or None where there is no file."""
    if path is None or not Path(path).exists():
        return None
    seed = _read(Path(path))[0].get("seed")
    return None if seed is None else int(seed)


def digest(design: Design) -> str:
    """Return a fingerprint of the rows, all but the response."""
    found = hashlib.sha256()
    arrays: list[NDArray[Any] | None] = [design.X, design.offset, design.trials, design.se]
    for block in design.blocks:
        arrays += [block.codes, block.Z]
        found.update(repr((block.factor, block.levels)).encode())
    for array in arrays:
        found.update(b"-" if array is None else f"{array.shape}{array.dtype}".encode())
        found.update(b"" if array is None else array.tobytes())
    return found.hexdigest()[:16]


def code(function: Callable[..., Any]) -> str:
    """Return a fingerprint of a function's code, whatever its place in a file."""
    found = hashlib.sha256(getattr(function, "__qualname__", repr(type(function))).encode())
    todo: list[Any] = [function]
    while todo:
        part = todo.pop()
        if isinstance(part, functools.partial):
            todo += [part.func, *part.args, *part.keywords.items()]
        elif isinstance(part, types.FunctionType):
            todo += [part.__code__, part.__defaults__, part.__kwdefaults__]
        elif isinstance(part, types.CodeType):
            found.update(part.co_code + repr(part.co_names).encode())
            todo += part.co_consts
        elif isinstance(part, tuple):
            todo += part
        elif isinstance(part, int | float | complex | str | bytes | None):
            found.update(repr(part).encode())
    return found.hexdigest()[:16]


def _read(path: Path) -> tuple[dict[str, Any], dict[int, Record]]:
    """Return the first line, and the records that are whole."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        header = json.loads(lines[0])
        known = isinstance(header, dict) and header.get("format") == _FORMAT
    except (OSError, ValueError):
        known = False
    if not known:
        raise DataError(
            f"{str(path)!r} holds no replications of this version of hierlm.\n  Give another path."
        )
    records = {}
    for line in lines[1:]:
        try:
            record = json.loads(line)
            records[int(record["k"])] = record
        except (ValueError, TypeError, KeyError):
            continue  # cut off: it is done again
    return header, records


def _check(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    if differing:
        key = differing[0]
        was, now = _apart(found.get(key), wanted[key])
        verb = "differs" if len(differing) == 1 else "differ"
        raise DataError(
            f"{str(path)!r} holds other replications: {', '.join(differing)} {verb} ({key} was "
            f"{was!r}, now {now!r}).\n  Give another path, or the same model and settings to go on."
        )


def _apart(was: Any, now: Any) -> tuple[Any, Any]:
    """Return two values; of dicts, what differs."""
    if not (isinstance(was, dict) and isinstance(now, dict)):
        return was, now
    keys = [key for key in {**was, **now} if was.get(key) != now.get(key)]
    return {key: was.get(key) for key in keys}, {key: now.get(key) for key in keys}
