"""Nodes back to text: hierlm's own, and the dialect of the ``formulae`` library.

formulae 0.9 reads some texts differently, so its dialect is written with care. A sign binds
tighter than ``**`` there (``-x**2`` is ``(-x)**2``) and ``**`` groups from the left. Numbers have
no exponents. It names a term without its parentheses, so that ``I((a + b) * c)`` and
``I(a + b * c)`` would become one term: brackets inside calls are written ``I(...)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from hierlm.formula.syntax import BarNode, Binary, Call, Constant, Name, Node, Number, String, Unary
from hierlm.formula.tokens import COMPARISONS, is_identifier

CONSTANTS = frozenset({"True", "False", "None"})
R_CONSTANTS = {"TRUE": "True", "FALSE": "False", "NULL": "None"}

_UNARY, _ATOM = 5, 7
_PRECEDENCE = {
    **dict.fromkeys(COMPARISONS, 1),
    **dict.fromkeys("+-", 2),
    **dict.fromkeys("*/", 3),
    ":": 4,
    "**": 6,
}


@dataclass(frozen=True, slots=True)
class _Dialect:
    name: Callable[[str], str]
    number: Callable[[str], str]
    bracket: str
    brackets_powers: bool  # whether the operands of a sign and of ** need brackets unless atoms
    keyword: int  # how tightly the value of a keyword must bind without brackets


def unparse(node: Node) -> str:
    """Return the canonical text of a node.

    Parameters
    ----------
    node : Node
        Any part of a formula.

    Returns
    -------
    str
        Text with as few parentheses and backticks as it can be read back with.

    Examples
    --------
    >>> unparse(Binary("*", Binary("+", Name("my x"), Name("a.b")), Name("c")))
    '(`my x` + a.b) * c'
    """
    return _write(node, _HIERLM)


def spell_for_formulae(atom: Node) -> str:
    """Return a column or a call as formulae reads it.

    Examples
    --------
    >>> spell_for_formulae(Call("I", (Binary("**", Name("a.b"), Unary("-", Number("1e-1"))),)))
    'I(`a.b`**I(-0.1))'
    """
    return _write(atom, _FORMULAE)


def quote(name: str) -> str:
    """Return a column's name as a formula spells it: in backticks where it must be.

    Examples
    --------
    >>> quote("a.b"), quote("my col")
    ('a.b', '`my col`')
    """
    reserved = name in CONSTANTS or name in R_CONSTANTS or ".__" in name
    return name if is_identifier(name) and not reserved else f"`{name}`"


def _write(node: Node, dialect: _Dialect) -> str:
    match node:
        case Name(name):
            return dialect.name(name)
        case Number(text):
            return dialect.number(text)
        case Constant(text):
            return text
        case String(value):
            return f'"{value}"'
        case Call(function, args, keywords):
            values = [_write(arg, dialect) for arg in args]
            values += [f"{key}={_keyword_value(value, dialect)}" for key, value in keywords]
            return f"{function}({', '.join(values)})"
        case BarNode(left, right, correlated):
            bar = "|" if correlated else "||"
            return f"({_write(left, dialect)} {bar} {_write(right, dialect)})"
        case Unary(op, operand):
            return op + _operand(operand, _ATOM if dialect.brackets_powers else _UNARY, dialect)
        case Binary():
            return _write_binary(node, dialect)


def _write_binary(node: Binary, dialect: _Dialect) -> str:
    power = _PRECEDENCE[node.op]
    if node.op == "**":
        right = _operand(node.right, _ATOM if dialect.brackets_powers else power, dialect)
        return f"{_operand(node.left, _ATOM, dialect)}**{right}"
    if node.op in COMPARISONS:
        sides = (_operand(side, power + 1, dialect) for side in (node.left, node.right))
        return f" {node.op} ".join(sides)
    pieces: list[str] = []
    left: Node = node
    while isinstance(left, Binary) and _PRECEDENCE[left.op] == power:  # no recursion: long sums
        operator = left.op if left.op == ":" else f" {left.op} "
        pieces += [_operand(left.right, power + 1, dialect), operator]
        left = left.left
    pieces.append(_operand(left, power, dialect))
    return "".join(reversed(pieces))


def _operand(node: Node, least: int, dialect: _Dialect) -> str:
    """Write an operand, in brackets when it binds less tightly than ``least``."""
    match node:
        case Binary():
            power = _PRECEDENCE[node.op]
        case Unary():
            power = _UNARY
        case _:
            power = _ATOM
    text = _write(node, dialect)
    return text if power >= least else f"{dialect.bracket}{text})"


def _keyword_value(node: Node, dialect: _Dialect) -> str:
    return _operand(node, dialect.keyword, dialect)


def _formulae_name(name: str) -> str:
    plain = name.isidentifier() and name[0].isalpha() and name.replace("_", "").isalnum()
    return name if plain and name not in CONSTANTS else f"`{name}`"


def _formulae_number(text: str) -> str:
    if text.isdecimal():
        return text
    plain = format(Decimal(repr(float(text))), "f")
    return plain if "." in plain else f"{plain}.0"


_HIERLM = _Dialect(quote, str, bracket="(", brackets_powers=False, keyword=0)
_FORMULAE = _Dialect(
    _formulae_name, _formulae_number, bracket="I(", brackets_powers=True, keyword=2
)
