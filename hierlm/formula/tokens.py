"""Text to tokens: what a formula is made of, each piece with its place.

A token's text is the slice ``text[start:end]``, quotes and backticks included. What R, Julia or
a word processor writes and hierlm does not is refused here, with what to write instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hierlm.errors import FormulaError

type Kind = Literal["name", "quoted", "number", "string", "op", "end"]

COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")
OPERATORS = ("||", "**", "<=", ">=", "==", "!=", *"~|+-*/:,=(){}<>")  # longest first

_POWER = "Write (a + b)**2 for interactions, I(x**2) or poly(x, 2) for powers."
_BACKTICKS = "A column with such a name goes in backticks: `my col`."
_ATTRIBUTE = "A formula names columns and calls functions; it cannot reach into objects."
_LEVEL = "Levels by index are not supported; name the reference level: T(f, 'level')."
_REFUSED: dict[str, tuple[str, str]] = {
    "^": ("'^' is not an operator here.", _POWER),
    "²": ("'²' is not an operator here.", _POWER),
    "³": ("'³' is not an operator here.", _POWER),
    "[": ("'[' is not supported.", _LEVEL),
    "]": ("']' is not supported.", _LEVEL),
    "&": ("'&' is not an operator here.", "Write a:b for an interaction, (1 | a:b) for groups."),
    "$": ("'$' is not supported.", "Name the column alone: the table is given beside the formula."),
    "@": ("'@' is not an operator here.", _BACKTICKS),
}
_LOOKALIKES = {
    **dict.fromkeys("\u2212\u2013\u2014", "-"),
    **dict.fromkeys("\u223c\u02dc\uff5e", "~"),
    **dict.fromkeys("\u00d7\u2217\u22c5", "*"),
    **dict.fromkeys("\u2223\u2502\uff5c\u00a6", "|"),
    **dict.fromkeys("\u201c\u201d\u201e", '"'),
    **dict.fromkeys("\u2018\u2019\u00b4", "'"),
}


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a formula: ``text[start:end]`` and what it is."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def span(self) -> tuple[int, int]:
        """Half-open range of characters."""
        return self.start, self.end


def fault(text: str, span: tuple[int, int], message: str, hint: str | None = None) -> FormulaError:
    """Return a FormulaError with its caret under ``text[span[0]:span[1]]``."""
    return FormulaError(message, text, *span, hint=hint)


def tokenize(text: str) -> tuple[Token, ...]:
    """Split a formula into tokens; the last one is the end of the text.

    Parameters
    ----------
    text : str
        A formula.

    Returns
    -------
    tuple of Token

    Raises
    ------
    FormulaError
        For characters that mean nothing in a formula, with their place.

    Examples
    --------
    >>> [token.text for token in tokenize("log(total.fruits) ~ `my x`")]
    ['log', '(', 'total.fruits', ')', '~', '`my x`', '']
    >>> tokenize("y ~ x")[1]
    Token(kind='op', text='~', start=2, end=3)
    """
    tokens = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        token = _next_token(text, position)
        tokens.append(token)
        position = token.end
    return (*tokens, Token("end", "", len(text), len(text)))


def is_identifier(name: str) -> bool:
    """Whether a column's name can be written without backticks.

    Examples
    --------
    >>> is_identifier("total.fruits"), is_identifier("my col"), is_identifier("2x")
    (True, False, False)
    """
    return name[:1].isidentifier() and _end_of_name(name, 0) == len(name)


def _next_token(text: str, start: int) -> Token:
    char = text[start]
    if char.isidentifier():
        return _token("name", text, start, _end_of_name(text, start))
    if _is_digit(char) or (char == "." and _is_digit(text[start + 1 : start + 2])):
        return _number(text, start)
    if char == "`":
        return _enclosed("quoted", text, start)
    if char in "'\"":
        return _enclosed("string", text, start)
    for operator in OPERATORS:
        if text.startswith(operator, start):
            return _token("op", text, start, start + len(operator))
    raise _refusal(text, start)


def _token(kind: Kind, text: str, start: int, end: int) -> Token:
    return Token(kind, text[start:end], start, end)


def _is_digit(char: str) -> bool:
    return char.isascii() and char.isdecimal()


def _continues_name(char: str) -> bool:
    return bool(char) and ("a" + char).isidentifier()


def _end_of_name(text: str, start: int) -> int:
    """Return where a name ends: letters, digits, underscores, and dots between them."""
    end = start + 1
    while _continues_name(text[end : end + 1]) or (
        text[end : end + 1] == "." and _continues_name(text[end + 1 : end + 2])
    ):
        end += 1
    return end


def _end_of_digits(text: str, start: int) -> int:
    while _is_digit(text[start : start + 1]):
        start += 1
    return start


def _number(text: str, start: int) -> Token:
    end = _end_of_digits(text, start)
    if text[end : end + 1] == ".":
        end = _end_of_digits(text, end + 1)
    if text[end : end + 1] in ("e", "E"):
        exponent = end + 2 if text[end + 1 : end + 2] in ("+", "-") else end + 1
        if _is_digit(text[exponent : exponent + 1]):
            end = _end_of_digits(text, exponent)
    if _continues_name(text[end : end + 1]):
        span = (start, _end_of_name(text, end))
        raise fault(text, span, "A name cannot begin with a digit.", _BACKTICKS)
    if not math.isfinite(float(text[start:end])):
        raise fault(text, (start, end), "This number is too large.")
    return _token("number", text, start, end)


def _enclosed(kind: Literal["quoted", "string"], text: str, start: int) -> Token:
    """Read a backticked name or a string, up to the same character again."""
    mark, what = text[start], "backtick" if kind == "quoted" else "quote"
    end = text.find(mark, start + 1)
    if end < 0:
        raise fault(
            text, (start, start + 1), f"This {what} is never closed.", f"Add another {mark}."
        )
    token = _token(kind, text, start, end + 1)
    if kind == "quoted" and end == start + 1:
        raise fault(text, token.span, "There is no name between these backticks.", _BACKTICKS)
    if kind == "string" and ("'" in token.text[1:-1] or '"' in token.text[1:-1]):
        raise fault(text, token.span, "A string cannot contain a quote.", "Rename the level.")
    return token


def _refusal(text: str, start: int) -> FormulaError:
    char = text[start]
    span = (start, start + 1)
    if char == ".":
        return _refused_dot(text, span)
    if char == "%":
        close = text.find("%", start + 1)
        span = (start, close + 1 if close > 0 else start + 1)
        hint = "Write a:b for b within a, (1 | a/b) for nested groups."
        return fault(text, span, f"'{text[slice(*span)]}' is not an operator here.", hint)
    if char in _REFUSED:
        return fault(text, span, *_REFUSED[char])
    message = f"A formula cannot contain {char!r} (U+{ord(char):04X})."
    plain = _LOOKALIKES.get(char)
    return fault(text, span, message, f"Write {plain} from the keyboard." if plain else _BACKTICKS)


def _refused_dot(text: str, span: tuple[int, int]) -> FormulaError:
    start, end = span
    if text[:start].rstrip().endswith((")", "'", '"', "`")):
        return fault(text, span, "'.' cannot be used here.", _ATTRIBUTE)
    if _continues_name(text[end : end + 1]) or _continues_name(text[start - 1 : start]):
        return fault(text, span, "A name cannot begin or end with a dot.", _BACKTICKS)
    message = "'.' does not stand for all columns here."
    return fault(text, span, message, "Name the columns: y ~ a + b + c.")
