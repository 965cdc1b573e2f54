"""Blocks of text with a baseline: how formulas are set in a terminal.

Matrices take several lines, so that what stands beside them is aligned on a line of theirs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """Lines of equal width.

    Parameters
    ----------
    lines : tuple of str
    base : int
        The line on which neighbours stand.
    """

    lines: tuple[str, ...]
    base: int = 0

    @property
    def width(self) -> int:
        """Columns of a terminal that it takes."""
        return max(map(text_width, self.lines))

    @property
    def height(self) -> int:
        """Number of lines."""
        return len(self.lines)


def text_width(text: str) -> int:
    """Return the columns that `text` takes in a terminal.

    Examples
    --------
    >>> text_width("σ²"), text_width("重さ"), text_width("e\u0301")
    (2, 4, 1)
    """
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int, align: str = "left") -> str:
    """Fill `text` with spaces to `width` columns, aligned ``left``, ``right`` or ``center``."""
    missing = max(width - text_width(text), 0)
    before = {"left": 0, "right": missing, "center": missing // 2}[align]
    return " " * before + text + " " * (missing - before)


def beside(boxes: Sequence[Box]) -> Box:
    """Set boxes side by side on one baseline.

    Examples
    --------
    >>> beside([Box(("a = ",)), Box(("1", "2"), 1)]).lines
    ('    1', 'a = 2')
    """
    above = max(box.base for box in boxes)
    below = max(box.height - box.base for box in boxes)
    columns = []
    for box in boxes:
        blank = " " * box.width
        body = [pad(line, box.width) for line in box.lines]
        top, bottom = above - box.base, below - (box.height - box.base)
        columns.append([blank] * top + body + [blank] * bottom)
    return Box(tuple("".join(parts) for parts in zip(*columns, strict=True)), above)


def grid(rows: Sequence[Sequence[Box]], gap: int = 2, align: str = "center") -> Box:
    """Set cells in rows and columns."""
    widths = [max(row[k].width for row in rows) for k in range(len(rows[0]))]
    lines: list[str] = []
    for row in rows:
        cells = [_widened(cell, width, align) for cell, width in zip(row, widths, strict=True)]
        spaced = [part for cell in cells for part in (Box((" " * gap,)), cell)][1:]
        lines += beside(spaced).lines
    return Box(tuple(lines), (len(lines) - 1) // 2)


def _widened(box: Box, width: int, align: str) -> Box:
    return Box(tuple(pad(line, width, align) for line in box.lines), box.base)


# one line; then top, middle, bottom of a tall one
_FENCES = {
    "(": ("(", "⎛⎜⎝"),
    ")": (")", "⎞⎟⎠"),
    "[": ("[", "⎡⎢⎣"),
    "]": ("]", "⎤⎥⎦"),
    "{": ("{", "⎧⎪⎩"),
    "": ("", ""),
}


def fenced(box: Box, left: str, right: str) -> Box:
    """Put a box in brackets as tall as it is.

    Examples
    --------
    >>> fenced(Box(("a", "b")), "[", "]").lines
    ('⎡a⎤', '⎣b⎦')
    """
    return beside([_fence(left, box), box, _fence(right, box)])


def _fence(kind: str, box: Box) -> Box:
    short, tall = _FENCES[kind]
    if box.height == 1 or not tall:
        return Box((short,) * box.height, box.base)
    middle = [tall[1]] * (box.height - 2)
    if kind == "{" and middle:
        middle[(box.height - 2) // 2] = "⎨"
    return Box((tall[0], *middle, tall[2]), box.base)
