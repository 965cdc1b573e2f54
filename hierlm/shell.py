"""What the words of a command line stand for: a table, a file to write, a prior."""

from __future__ import annotations

import os
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hierlm.datasets import catalog, load_dataset
from hierlm.datasets.catalog import entry
from hierlm.errors import DatasetError, HierlmError
from hierlm.sources.files import open_file
from hierlm.tables import WIDTH


class CommandError(HierlmError):
    """A command line that cannot be carried out."""


def find_data(text: str) -> tuple[Any, str]:
    """Return what DATA stands for, a file that exists or else a bundled data set, and say which."""
    bundled = text.casefold() in map(str.casefold, catalog())
    if os.path.isfile(text):
        return text, f"the file {text!r}" + (", not the bundled data set" if bundled else "")
    if not bundled and ("." in text or os.sep in text):
        open_file(text)  # says why a path will not do
    try:
        name = entry(text).name
    except DatasetError as error:
        raise DatasetError(f"there is no file {text!r}, and {error}") from None
    return load_dataset(name), f"the bundled data set {name!r}"


def check_writable(path: str | None) -> None:
    """Refuse an --out that cannot be written, before any time is spent on sampling."""
    if path is None:
        return
    if os.path.isdir(path):
        raise CommandError(f"--out {path!r} is a folder.\n  Give the path of a file.")
    folder = Path(path).parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = f"{error.strerror} ({str(folder)!r})"
        raise CommandError(f"--out {path!r} cannot be written: {reason}.") from error


def split_prior(text: str) -> tuple[str, str]:
    """Split ``NAME=PRIOR`` at the first ``=`` outside brackets.

    Examples
    --------
    >>> split_prior("bs(x, df=4)[0] = normal(mu=0, sigma=1)")
    ('bs(x, df=4)[0]', 'normal(mu=0, sigma=1)')
    """
    heads = [text[:place] for place, char in enumerate(text) if char == "="]
    outside = [h for h in heads if sum(map(h.count, "([")) <= sum(map(h.count, ")]"))]
    name = (outside or heads or [""])[0]
    prior = text[len(name) + 1 :].strip()
    if not name.strip() or not prior:
        raise CommandError(
            f"--prior {text!r}: wanted NAME=PRIOR.\n"
            "  Write --prior 'Days=normal(0, 20)', or --prior nu=4 to fix a parameter."
        )
    return name.strip(), prior


def once(priors: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return priors by name; refuse one that is given twice, and not the same."""
    found = dict(priors)
    for name, prior in priors:
        if prior != found[name]:
            raise CommandError(f"--prior {name} is given twice: {prior} and {found[name]}.")
    return found


def wrapped(message: str) -> str:
    """Wrap the lines of a message, but for those that quote a formula: four spaces."""
    lines = []
    for line in message.splitlines():
        after = " " * (2 + len(line) - len(line.lstrip()))
        wrap = textwrap.TextWrapper(WIDTH, subsequent_indent=after, break_on_hyphens=False)
        lines.append(line if line.startswith("    ") else wrap.fill(line))
    return "\n".join(lines)
