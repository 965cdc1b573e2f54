"""The text of a hypothesis to pieces: numbers, signs, and the names of quantities.

A name is whatever stands in backticks, or a word with the brackets that touch it, joined by ``:``
(``treat[B]``, ``I(x ** 2)``, ``Days:treat[B]``, ``r_Subject[308, Days]``): inside its brackets
nothing is arithmetic. ``log(x)`` is the coefficient of that name where there is one, and otherwise
the logarithm of x.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Protocol

from hierlm.contrasts.expressions import FUNCTIONS, Span
from hierlm.errors import FormulaError

type Kind = Literal["name", "function", "number", "op", "end"]

COMPARISONS = ("<=", ">=", "==", "=", "<", ">")
_OPERATORS = (*COMPARISONS, "**", *"+-*/()")
_CLOSER = {"(": ")", "[": "]"}
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W\d][\w.]*")
_COLON = re.compile(r"\s*:\s*(?=[^\W\d]|`)")
_TWO = "Give several hypotheses as a list: ['Days > 5', 'sigma < 30']."
_REFUSED = {
    "!=": ("A hypothesis cannot be '!='.", "Ask for '=': the evidence against it is 1 / ratio."),
    "<>": ("A hypothesis cannot be '<>'.", "Ask for '=': the evidence against it is 1 / ratio."),
    "^": ("'^' is not an operator here.", "Write ** for a power."),
    "~": ("A hypothesis has no '~'.", "Write '=', '<' or '>'."),
    "&": ("'&' cannot join hypotheses.", _TWO),
    "|": ("'|' cannot join hypotheses.", _TWO),
    ",": ("',' cannot stand here.", _TWO),
    ";": ("';' cannot stand here.", _TWO),
}
_UNICODE = {"≤": "<=", "≥": ">=", "−": "-", "–": "-", "×": "*", "≠": "!="}  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a hypothesis; the text of a name is its full name in the posterior."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Half-open range of characters."""
        return self.start, self.end


def fault(text: str, span: Span, message: str, hint: str | None = None) -> FormulaError:
    """Return an error with its caret under ``text[span[0]:span[1]]``."""
    return FormulaError(message, text, *span, hint=hint)


class Namespace(Protocol):
    """What the names in a hypothesis can mean."""

    def find(self, written: str) -> str | None:
        """Return the full name of a quantity as written, None where there is none."""

    def explain(self, written: str) -> tuple[str, str]:
        """Say why there is no such quantity: a message, and what to write instead."""


def tokenize(text: str, namespace: Namespace) -> list[Token]:
    """Split a hypothesis into tokens; the last one is the end of the text.

    Parameters
    ----------
    text : str
    namespace : Namespace

    Returns
    -------
    list of Token

    Raises
    ------
    FormulaError
        With the place of what cannot be read, and of names that mean nothing.
    """
    tokens = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        token = _next(text, position, namespace)
        tokens.append(token)
        position = token.end
    return [*tokens, Token("end", "", len(text), len(text))]


def _next(text: str, start: int, namespace: Namespace) -> Token:
    if text[start] == "`" or _WORD.match(text, start):
        return _name(text, start, namespace)
    number = _NUMBER.match(text, start)
    if number:
        return _number(text, number)
    for refused, (message, hint) in _REFUSED.items():
        if text.startswith(refused, start):
            raise fault(text, (start, start + len(refused)), message, hint)
    for operator in _OPERATORS:
        if text.startswith(operator, start):
            return Token("op", operator, start, start + len(operator))
    character = text[start]
    plain = _UNICODE.get(character)
    if character in "[]":
        hint = "Brackets touch the name that they belong to: sd_Subject[Days]."
    else:
        hint = f"Write {plain}." if plain else "A name with such characters goes in backticks."
    raise fault(text, (start, start + 1), f"{character!r} cannot stand here.", hint)


def _number(text: str, number: re.Match[str]) -> Token:
    end = number.end()
    if _WORD.match(text, end):
        hint = "Write '*' to multiply; a name that begins with a digit goes in backticks."
        raise fault(text, (number.start(), end + 1), "A name cannot begin with a digit.", hint)
    return Token("number", number.group(), number.start(), end)


def _name(text: str, start: int, namespace: Namespace) -> Token:
    """Read a name with all its brackets, or the name of a function of which the bracket opens."""
    end = _end_of_name(text, start)
    written = text[start:end]
    found = namespace.find(written)
    if found is not None:
        return Token("name", found, start, end)
    word = _WORD.match(written)
    first = word.group() if word else ""
    if first in FUNCTIONS and written[len(first) :].startswith("("):
        return Token("function", first, start, start + len(first))
    if written in ("and", "or"):
        raise fault(text, (start, end), f"'{written}' cannot join hypotheses.", _TWO)
    raise fault(text, (start, end), *namespace.explain(written))


def _end_of_name(text: str, start: int) -> int:
    position = start
    while True:
        if text[position] == "`":
            close = text.find("`", position + 1)
            if close < 0:
                hint = "Add another `."
                raise fault(text, (position, position + 1), "This backtick is never closed.", hint)
            position = close + 1
        else:
            word = _WORD.match(text, position)
            position = word.end() if word else position + 1
        while text[position : position + 1] in _CLOSER:
            position = _end_of_bracket(text, position)
        colon = _COLON.match(text, position)
        if colon is None:
            return position
        position = colon.end()


def _end_of_bracket(text: str, start: int) -> int:
    """Return where the bracket at `start` is closed.

    A square bracket holds a level, which is data: only square brackets count in it.
    """
    opened: list[int] = []
    quote = ""
    for position in range(start, len(text)):
        character = text[position]
        level = bool(opened) and text[opened[-1]] == "["
        if not level and (quote or character in "`'\""):
            quote = "" if character == quote else quote or character
        elif character in ("[" if level else _CLOSER):
            opened.append(position)
        elif opened and character == _CLOSER[text[opened[-1]]]:
            opened.pop()
            if not opened:
                return position + 1
    last = opened[-1]
    message = f"'{text[last]}' is never closed."
    hint = f"Add the missing '{_CLOSER[text[last]]}'."
    raise fault(text, (last, last + 1), message, hint)
