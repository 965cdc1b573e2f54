"""The common part and the left sides of bars: sums of terms, and what may stand in them."""

from __future__ import annotations

from hierlm.errors import FormulaError
from hierlm.formula.algebra import expand
from hierlm.formula.syntax import (
    BarNode,
    Binary,
    Call,
    Name,
    Node,
    Number,
    String,
    Unary,
    names,
    walk,
)
from hierlm.formula.tokens import fault
from hierlm.formula.writing import spell_for_formulae, unparse

type Summand = tuple[str, Node]

_FLIPPED = {"+": "-", "-": "+"}


def summands(node: Node) -> list[Summand]:
    """Return the terms of a sum with their signs, nested sums opened.

    Examples
    --------
    >>> [(sign, unparse(part)) for sign, part in summands(Binary("-", Name("x"), Number("1")))]
    [('+', 'x'), ('-', '1')]
    """
    parts: list[Summand] = []
    stack: list[Summand] = [("+", node)]
    while stack:
        sign, part = stack.pop()
        match part:
            case Binary(op=("+" | "-") as op) if sign == "+":
                stack += [(op, part.right), ("+", part.left)]
            case Unary(op="-", operand=Number() | Unary()):
                stack.append((_FLIPPED[sign], part.operand))
            case _:
                parts.append((sign, part))
    return parts


def total(parts: list[Summand]) -> Node:
    """Join terms into a sum; nothing at all is the intercept."""
    if not parts:
        return Number("1")
    (sign, node), *rest = parts
    if sign == "-" and isinstance(node, Number):
        node = Unary("-", node, node.span)
    elif sign == "-":
        node = Binary("-", Number("1"), node, node.span)
    for sign, part in rest:
        node = Binary(sign, node, part, (node.span[0], part.span[1]))
    return node


def model_terms(node: Node, text: str | None = None) -> tuple[bool, tuple[tuple[Node, ...], ...]]:
    """Expand a common part, or the left side of a bar, into its terms.

    Parameters
    ----------
    node : Node
        A sum of terms without bars.
    text : str, optional
        The formula, for messages.

    Returns
    -------
    intercept : bool
        Whether there is one.
    terms : tuple of tuple of Node
        The columns and calls that each term multiplies.

    Raises
    ------
    FormulaError
        If a term is removed that is not there.

    Examples
    --------
    >>> model_terms(Binary("*", Name("a"), Name("b")))
    (True, ((Name(name='a'),), (Name(name='b'),), (Name(name='a'), Name(name='b'))))
    """
    text = unparse(node) if text is None else text
    intercept = True
    terms: dict[frozenset[Node], tuple[Node, ...]] = {}
    for sign, part in summands(node):
        if isinstance(part, Number):
            intercept = (part.text == "1") == (sign == "+")
            continue
        for term in _expand_sum(part, text):
            key = frozenset(term)
            if sign == "+":
                terms.setdefault(key, term)
            elif terms.pop(key, None) is None:
                shown = ":".join(map(unparse, term))
                message = f"There is no term {shown} to remove."
                raise fault(text, part.span, message, "Only what was added before can go.")
    return intercept, tuple(terms.values())


def _expand_sum(part: Node, text: str) -> tuple[tuple[Node, ...], ...]:
    return expand(part, lambda atom: atom, text)


def to_formulae(node: Node) -> str:
    """Return the text of a sum of terms for the ``formulae`` library (version 0.9).

    The algebra is worked out here: formulae takes ``x:z`` and ``z:x`` for two terms, and cannot
    read every removal.

    Parameters
    ----------
    node : Node
        A common part, the left side of a bar, a column or a call; no bars.

    Returns
    -------
    str

    Examples
    --------
    >>> total_fruits = Call("log", (Name("total.fruits"),))
    >>> to_formulae(Binary("-", Binary("*", Name("f"), total_fruits), Number("1")))
    '0 + f + log(`total.fruits`) + f:log(`total.fruits`)'
    """
    intercept, terms = model_terms(node)
    spelled = [":".join(map(spell_for_formulae, term)) for term in terms]
    if intercept:
        return " + ".join(spelled) or "1"
    return " + ".join(["0", *spelled])


def check_terms(node: Node, text: str) -> None:
    """Refuse what is not a sum of terms made of columns and calls."""
    for part in walk(node):
        if isinstance(part, BarNode):
            hint = "Add it to the other terms, in parentheses of its own: x + (1 | g)."
            raise fault(text, part.span, "A bar term can only be added.", hint)
    for _, part in summands(node):
        if isinstance(part, Number):
            _check_intercept(part, text)
        else:
            _check_term(part, text)
    model_terms(node, text)


def _check_intercept(number: Number, text: str) -> None:
    if number.text not in ("0", "1"):
        message = f"A term cannot be the number {number.text}."
        hint = "Only 1 (an intercept) and 0 (none) can; arithmetic goes inside I(): I(2 * x)."
        raise fault(text, number.span, message, hint)


def _check_term(node: Node, text: str) -> None:
    match node:
        case Name():
            return
        case Call():
            if not names(node):
                raise fault(text, node.span, f"{unparse(node)} names no column.", "Remove it.")
        case Binary(op="**"):
            _check_power(node, text)
        case Binary(op="-"):
            hint = "Remove whole terms from the sum: a * b - a:b. A difference is I(a - b)."
            raise fault(text, node.span, "'-' cannot be inside a product of terms.", hint)
        case Binary():
            _check_term(node.left, text)
            _check_term(node.right, text)
        case Unary():
            hint = "Write a term, '-' and what to remove; arithmetic goes inside I(): I(-x)."
            raise fault(text, node.span, "There is nothing to remove this from.", hint)
        case _:
            raise _not_a_term(node, text)


def _check_power(node: Binary, text: str) -> None:
    start, end = node.left.span
    base = text[start:end]
    if not isinstance(node.left, Binary) or node.left.op == ":":
        hint = f"Write I({base}**2) or poly({base}, 2) for powers, (a + b)**2 for interactions."
        raise fault(text, node.span, "A power of a single term is that term again.", hint)
    exponent = node.right
    if not isinstance(exponent, Number) or not exponent.text.isdecimal() or not int(exponent.text):
        message = "The power of a sum is a whole number from 1."
        raise fault(text, exponent.span, message, "Write (a + b)**2.")
    _check_term(node.left, text)


def _not_a_term(node: Node, text: str) -> FormulaError:
    match node:
        case Number():
            hint = "Arithmetic goes inside I(): I(2 * x)."
            return fault(text, node.span, "A number cannot be part of a term.", hint)
        case String():
            hint = "Column names take no quotes; write `my col` where a name is no identifier."
            return fault(text, node.span, "A term cannot be a string.", hint)
        case _:
            shown = unparse(node)
            hint = f"Write `{shown}` for a column of this name."
            return fault(text, node.span, f"A term cannot be {shown}.", hint)
