"""An equation: aligned lines with notes, as LaTeX and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hierlm.equations.boxes import Box, beside, pad
from hierlm.equations.expressions import RELATIONS, Math, row

_WIDTH = 80  # of a terminal; LaTeX breaks at the same places
_TYPESET = 96  # what takes so many columns in a terminal still fits on a slide
_GAP = 3
_FAR = 12  # columns between a line and its note that an eye still crosses


@dataclass(frozen=True)
class Line:
    """One relation, or a remark where there is only a note.

    Parameters
    ----------
    left : Math or None
    relation : str
        ``"="``, ``"~"`` (is distributed as) or ``"prop"`` (is proportional to).
    parts : tuple of Math
        The right side; lines break between parts.
    note : Math or None
        Words beside it.
    """

    left: Math | None = None
    relation: str = "="
    parts: tuple[Math, ...] = ()
    note: Math | None = None

    @property
    def head(self) -> int:
        """Columns of the left side."""
        return 0 if self.left is None else self.left.signed.box.width

    @property
    def is_remark(self) -> bool:
        """Whether there is no relation."""
        return self.left is None


@dataclass(frozen=True)
class Equation:
    """A model, written in one notation.

    Printed, it is Unicode text of at most 80 columns (unless a name is longer); in a notebook it
    is typeset.

    Parameters
    ----------
    notation : str
        The name of the notation.
    description : str
        What the notation shows.
    lines : tuple of Line
    """

    notation: str
    description: str
    lines: tuple[Line, ...]

    @property
    def latex(self) -> str:
        r"""An ``aligned`` environment, for display math: ``\[`` + latex + ``\]``."""
        body = " \\\\\n".join(_latex_rows(self.lines))
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"

    @property
    def text(self) -> str:
        """Unicode text, for a terminal."""
        return "\n".join(_text_rows(self.lines))

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex}\n$$"


@dataclass(frozen=True)
class _Row:
    """A line of output: one line of the equation, or a piece of a broken one."""

    line: Line
    body: Math | None
    note: Math | None
    first: bool


def _arranged(lines: Sequence[Line]) -> tuple[list[_Row], int]:
    """Break long lines; return the rows, and the width of the left sides."""
    head = max((line.head for line in lines), default=0)
    room = _WIDTH - head - 3
    rows: list[_Row] = []
    for line in lines:
        pieces = _broken(line.parts, room)
        last = len(pieces) - 1
        rows += [
            _Row(line, piece, line.note if k == last else None, k == 0)
            for k, piece in enumerate(pieces)
        ] or [_Row(line, None, line.note, True)]
    return rows, head


def _broken(parts: tuple[Math, ...], room: int) -> list[Math]:
    """Join parts into rows of at most `room` columns."""
    pieces: list[list[Math]] = []
    used = 0
    for part in parts:
        width = part.signed.box.width
        if not pieces or used + width > room:
            pieces.append([])
            used = 2 if len(pieces) > 1 else 0
        pieces[-1].append(part)
        used += width
    return [row(*piece) for piece in pieces]


def _right_width(row_: _Row) -> int:
    """Return the columns of a right side, or of a remark."""
    shown = row_.note if row_.line.is_remark else row_.body
    return 0 if shown is None else shown.box.width


def _has_note(row_: _Row) -> bool:
    return row_.note is not None and not row_.line.is_remark


def _beside(rows: Sequence[_Row], head: int, body: int, width: int) -> bool:
    """Return whether all notes fit in a column of their own."""
    notes = [row.note.box.width for row in rows if row.note is not None and _has_note(row)]
    return head + 3 + body + _GAP + max(notes, default=0) <= width


def _latex_rows(lines: Sequence[Line]) -> Iterator[str]:
    rows, head = _arranged(lines)
    # remarks share the column of the right sides: beyond them a note would stand far from its line
    body = max(map(_right_width, rows), default=0)
    noted = max((_right_width(row) for row in rows if _has_note(row)), default=0)
    column = _beside(rows, head, body, _TYPESET) and body - noted <= _FAR
    for row_ in rows:
        if row_.line.is_remark or row_.line.left is None:
            yield rf"& {row_.note.latex if row_.note else ''}"
            continue
        sign = RELATIONS[row_.line.relation].latex
        left = f"{row_.line.left.signed.latex} &{sign} " if row_.first else r"&\quad "
        cells = left + ("" if row_.body is None else row_.body.latex)
        if row_.note is None:
            yield cells
        elif column:
            yield rf"{cells} && {row_.note.latex}"
        elif _inline(row_, head):
            yield rf"{cells} \qquad {row_.note.latex}"
        else:
            yield cells
            yield rf"&\qquad {row_.note.latex}"


def _inline(row_: _Row, head: int) -> bool:
    """Return whether the note of a row fits behind it."""
    if row_.note is None or row_.body is None:
        return True
    return head + 3 + row_.body.box.width + _GAP + row_.note.box.width <= _WIDTH


def _text_rows(lines: Sequence[Line]) -> Iterator[str]:
    rows, head = _arranged(lines)
    body = max((_right_width(row) for row in rows if _has_note(row)), default=0)
    column = _beside(rows, head, body, _WIDTH)
    for row_ in rows:
        if row_.line.is_remark or row_.line.left is None:
            yield from (row_.note.box.lines if row_.note else ())
            continue
        sign = RELATIONS[row_.line.relation]
        left = row_.line.left.signed.box
        if row_.first:
            start = beside([Box((" " * (head - left.width),)), left, sign.box])
        else:
            start = Box((" " * (head + 5),))
        right = Box(("",)) if row_.body is None else row_.body.box
        if row_.note is None:
            yield from _stripped(beside([start, right]))
        elif column or _inline(row_, head):
            gap = (body - right.width if column else 0) + _GAP
            yield from _stripped(beside([start, right, Box((" " * gap,)), row_.note.box]))
        else:
            yield from _stripped(beside([start, right]))
            yield from _stripped(beside([Box((" " * (head + _GAP),)), row_.note.box]))


def _stripped(box: Box) -> Iterator[str]:
    for line in box.lines:
        yield pad(line, 0).rstrip()
