"""The nodes of a parsed formula, and how to walk them.

Outside calls ``+ - * / : **`` build models (terms, interactions); inside calls the same nodes are
arithmetic. A node remembers its place in the text, but two nodes are equal whatever their places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

type Span = tuple[int, int]
type Node = Name | Number | String | Constant | Call | Unary | Binary | BarNode


@dataclass(frozen=True, slots=True)
class Name:
    """A column."""

    name: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    text: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class String:
    """A quoted argument of a call."""

    value: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Constant:
    """True, False or None as an argument of a call."""

    text: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of columns."""

    function: str
    args: tuple[Node, ...]
    keywords: tuple[tuple[str, Node], ...] = ()
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """A sign before its operand."""

    op: str
    operand: Node
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two operands."""

    op: str
    left: Node
    right: Node
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class BarNode:
    """``left | right``, or ``left || right`` when not correlated."""

    left: Node
    right: Node
    correlated: bool = True
    span: Span = field(default=(0, 0), compare=False, repr=False)


def children(node: Node) -> tuple[Node, ...]:
    """Return the operands or arguments of a node, in the order of the text."""
    match node:
        case Binary() | BarNode():
            return node.left, node.right
        case Unary():
            return (node.operand,)
        case Call():
            return (*node.args, *(value for _, value in node.keywords))
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything below it, in the order of the text."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))


def names(node: Node) -> tuple[str, ...]:
    """Return the columns that a node uses, in order of appearance.

    Parameters
    ----------
    node : Node
        Any part of a formula.

    Returns
    -------
    tuple of str
        Each column once; neither functions nor keywords.

    Examples
    --------
    >>> names(Call("bs", (Name("age"),), (("df", Number("4")),)))
    ('age',)
    """
    return tuple(dict.fromkeys(part.name for part in walk(node) if isinstance(part, Name)))


def height(node: Node) -> int:
    """Return the number of nodes on the longest way down."""
    tallest, stack = 0, [(node, 1)]
    while stack:
        node, depth = stack.pop()
        tallest = max(tallest, depth)
        stack.extend((child, depth + 1) for child in children(node))
    return tallest
