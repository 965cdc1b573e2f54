"""Text that lines up: the little that reports need of typesetting."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

WIDTH = 96
_PRINTED = 100  # columns of a table that goes to no terminal


def fill(text: str, bullet: str = "", width: int = WIDTH) -> str:
    """Wrap `text` behind a bullet, continuation lines under its first word.

    Examples
    --------
    >>> print(fill("one two three", "- ", width=9))
    - one two
      three
    """
    return textwrap.fill(text, width, initial_indent=bullet, subsequent_indent=" " * len(bullet))


def columns_of_text(rows: Sequence[tuple[str, ...]], indent: str = "  ") -> list[str]:
    """Align rows of text in columns; the last column wraps.

    Examples
    --------
    >>> columns_of_text([("a", "first"), ("long", "second")])
    ['  a     first', '  long  second']
    """
    if not rows:
        return []
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        head = indent + "".join(
            cell.ljust(width) + "  " for cell, width in zip(row[:-1], widths, strict=True)
        )
        if WIDTH - len(head) < 20:
            lines.append((head + row[-1]).rstrip())
        else:
            lines.append(
                textwrap.fill(
                    row[-1],
                    WIDTH,
                    initial_indent=head,
                    subsequent_indent=" " * len(head),
                    break_long_words=False,
                    break_on_hyphens=False,
                ).rstrip()
                or head.rstrip()
            )
    return lines


def numeric_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  "
) -> list[str]:
    """Align a table: the first column to the left, the others to the right.

    Examples
    --------
    >>> numeric_table(["", "mean"], [["Days", "10.5"], ["Intercept", "251"]])
    ['             mean', '  Days       10.5', '  Intercept   251']
    """
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    lines = []
    for row in cells:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append((indent + "  ".join([first, *rest])).rstrip())
    return lines


def supported(value: float, mcse: float, *, missing: str = "-") -> str:
    """Format a number with the digits that its Monte Carlo standard error supports.

    A digit is printed when the error is at most one unit of it; `missing` stands for what is not
    finite.

    Examples
    --------
    >>> supported(251.4391, 0.17), supported(0.0703, 0.0076), supported(251.4391, 7.0)
    ('251', '0.07', '250')
    """
    if not math.isfinite(value):
        return missing
    if not math.isfinite(mcse) or mcse <= 0:  # a fixed value
        return f"{value:.4g}"
    decimals = math.floor(-math.log10(mcse))
    rounded = round(value, decimals)
    return f"{rounded if rounded else 0.0:.{max(decimals, 0)}f}"


class Table(pd.DataFrame):
    """A data frame that prints all its columns, in blocks where the terminal is narrow.

    Numbers print with three or four digits, unless they have been rounded; their values have all
    digits.
    """

    @property
    def _constructor(self) -> type[Table]:
        return Table

    def __repr__(self) -> str:
        plain = self.columns.nlevels == 1 and self.columns.is_unique and not self.empty
        formats: Any = {name: _format_of(self[name]) for name in self if plain}
        if not plain:
            return super().__repr__()
        numbers = map(pd.api.types.is_numeric_dtype, self.dtypes)
        most = pd.get_option("display.max_rows")
        return self.to_string(
            formatters={name: written for name, written in formats.items() if written},
            # two spaces between columns of numbers, as pandas has them without formatters
            header=[f" {name}" if n else str(name) for name, n in zip(self, numbers, strict=True)],
            line_width=shutil.get_terminal_size().columns if sys.stdout.isatty() else _PRINTED,
            max_rows=most,
            min_rows=pd.get_option("display.min_rows"),
            show_dimensions=most is not None and 0 < most < len(self),
        )


def _format_of(column: pd.Series[Any]) -> Callable[[float], str] | None:
    """Return how numbers are written: with as many decimals as the smallest needs.

    None for pandas to decide: no floats, or numbers that have been rounded.
    """
    if column.dtype.kind != "f":
        return None
    values = column.to_numpy()
    finite = values[np.isfinite(values)]
    if np.array_equal(finite, np.round(finite, 4)):
        return None
    smallest = np.abs(finite[finite != 0]).min()
    decimals = max(1, 2 - int(np.floor(np.log10(smallest))))
    return lambda x: f" {x:.{decimals}f}" if decimals <= 4 else f" {x:.3g}"
