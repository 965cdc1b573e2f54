"""The right side of a bar: which columns form its grouping factors."""

from __future__ import annotations

from hierlm.formula.algebra import expand
from hierlm.formula.functions import REMEDIES
from hierlm.formula.syntax import BarNode, Binary, Call, Name, Node, Number, names
from hierlm.formula.tokens import fault

_HINT = "Write columns joined by ':', '/', '*' or '+': (1 | a:b), (1 | a/b)."


def grouping_factors(node: Node, text: str) -> tuple[tuple[str, ...], ...]:
    """Expand the right side of a bar into its grouping factors.

    Parameters
    ----------
    node : Node
        The right side of a bar.
    text : str
        The formula, for messages.

    Returns
    -------
    tuple of tuple of str
        One tuple of column names for each grouping factor.

    Raises
    ------
    FormulaError
        For anything but columns joined by ``:``, ``/``, ``*`` and ``+``.

    Examples
    --------
    >>> slash = Binary("/", Name("batch"), Name("cask"))
    >>> grouping_factors(slash, "(1 | batch/cask)")
    (('batch',), ('batch', 'cask'))
    """
    _check(node, text)
    return expand(node, lambda name: name.name if isinstance(name, Name) else "", text)


def _check(node: Node, text: str) -> None:
    match node:
        case Name():
            return
        case Binary(op=("+" | ":" | "/" | "*") as op):
            _check(node.left, text)
            _check(node.right, text)
            if op != "+":
                _check_once(node, text)
        case BarNode():
            hint = "Give each bar its own parentheses and add them: (x | g) + (1 | h)."
            raise fault(text, node.span, "A bar cannot be inside another bar.", hint)
        case Binary(op=op):
            message = f"'{op}' has no meaning between grouping factors."
            raise fault(text, node.span, message, _HINT)
        case Call(function="C", args=(Name(name=name, span=(start, end)), *_)):
            message = "Grouping columns are always categorical."
            raise fault(text, node.span, message, f"Write (1 | {text[start:end] or name}).")
        case Call(function=function) if function in REMEDIES:
            raise fault(text, node.span, f"{function}() is not available.", REMEDIES[function])
        case Call(function=function):
            message = f"A grouping factor is a column, not the call {function}()."
            raise fault(text, node.span, message, "Compute the column in the table, then name it.")
        case Number():
            raise fault(text, node.span, "A grouping factor is a column, not a number.", _HINT)
        case _:
            raise fault(text, node.span, "A grouping factor is a column.", _HINT)


def _check_once(node: Binary, text: str) -> None:
    """Refuse a column that an interaction or nesting would cross with itself."""
    twice = set(names(node.left)) & set(names(node.right))
    if twice:
        name = min(twice)
        raise fault(text, node.span, f"{name!r} is crossed with itself.", f"Write (1 | {name}).")
