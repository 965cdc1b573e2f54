"""Files that are written whole or not at all, and that show whether they are still whole."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_CHUNK = 2**20
_MARK = b"\nhierlm sha256 "
_SEAL = len(_MARK) + 64 + 1  # the mark, the digest in hexadecimal, and a line end


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a path to write to; the file takes the place of `target` when all went well.

    Nobody else can have made that file (it has a random name, and is created exclusively), and it
    has the rights of the file that it replaces. Whatever is raised, a full disk or Ctrl-C, leaves
    the older file as it was and nothing beside it.

    Parameters
    ----------
    target : Path

    Yields
    ------
    Path
        Of an empty file in the same folder.

    Raises
    ------
    OSError
        With the name of `target` in the message.
    """
    part = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}.part")
    try:
        rights = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, rights))
        yield part
        _flush(part)
        os.replace(part, target)
    except OSError as error:
        reason = str(error).replace(str(part), str(target))
        raise OSError(f"{str(target)!r} could not be written: {reason}") from error
    finally:
        part.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file is on the disk: only then may it replace another."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def check_room(path: Path, size: int) -> None:
    """Raise OSError unless a file can grow to `size` bytes, and leave it empty.

    For libraries that do not bear a full disk: HDF5 goes on failing after the first error, and says
    so whenever one of its objects is let go.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(0)


def seal(path: Path) -> None:
    """Append the SHA-256 of a file to it; formats that have a length of their own do not mind."""
    with path.open("r+b") as file:
        digest = _digest(file, path.stat().st_size)
        file.write(_MARK + digest + b"\n")


def is_sealed(path: Path) -> bool | None:
    """Return whether a file is as it was when sealed; None if it never was, or is cut off."""
    size = path.stat().st_size - _SEAL
    if size < 0:
        return None
    with path.open("rb") as file:
        file.seek(size)
        found = file.read()
        if not found.startswith(_MARK):
            return None
        file.seek(0)
        return found == _MARK + _digest(file, size) + b"\n"


def _digest(file: BinaryIO, size: int) -> bytes:
    """Return the SHA-256 of the next `size` bytes, as hexadecimal digits."""
    sha = hashlib.sha256()
    while size and (piece := file.read(min(_CHUNK, size))):
        sha.update(piece)
        size -= len(piece)
    return sha.hexdigest().encode()
