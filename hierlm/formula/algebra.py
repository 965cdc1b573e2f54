"""The algebra of terms, shared by the common part, the left and the right side of a bar.

A term is a tuple of atoms: ``a:b`` is ``("a", "b")``. With L and R the terms of either side::

    L + R    L, R
    L : R    each term of L with each of R
    L * R    L, R, L : R
    L / R    L, (all atoms of L) : R
    L**n     products of up to n terms of L

formulae has the same algebra, but to it ``x:z`` and ``z:x`` are two terms.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from hierlm.formula.syntax import Binary, Node, Number
from hierlm.formula.tokens import fault

MAX_TERMS = 10_000


def expand[A: Hashable](
    node: Node, atom: Callable[[Node], A], text: str
) -> tuple[tuple[A, ...], ...]:
    """Expand a node into terms; ``atom`` reads what is not an operator.

    Each set of atoms comes once, in the order of appearance; an atom comes once in a term.
    """
    if not isinstance(node, Binary):
        return ((atom(node),),)
    left = expand(node.left, atom, text)
    if node.op == "**":
        exponent = int(node.right.text) if isinstance(node.right, Number) else 1
        terms = left
        for _ in range(min(exponent, len(left)) - 1):
            terms = _distinct((*terms, *_cross(terms, left, node, text)))
        return terms
    right = expand(node.right, atom, text)
    match node.op:
        case "+":
            return _distinct((*left, *right))
        case ":":
            return _distinct(_cross(left, right, node, text))
        case "*":
            return _distinct((*left, *right, *_cross(left, right, node, text)))
        case "/":
            return _distinct((*left, *_cross((_union(left),), right, node, text)))
        case _:
            raise fault(text, node.span, f"'{node.op}' cannot be inside a product of terms.")


def _union[A: Hashable](terms: tuple[tuple[A, ...], ...]) -> tuple[A, ...]:
    return tuple(dict.fromkeys(atom for term in terms for atom in term))


def _cross[A: Hashable](
    left: tuple[tuple[A, ...], ...], right: tuple[tuple[A, ...], ...], node: Node, text: str
) -> tuple[tuple[A, ...], ...]:
    if len(left) * len(right) > MAX_TERMS:
        raise fault(text, node.span, f"This expands to more than {MAX_TERMS} terms.")
    return tuple(_union((a, b)) for a in left for b in right)


def _distinct[A: Hashable](terms: tuple[tuple[A, ...], ...]) -> tuple[tuple[A, ...], ...]:
    """Keep the first of the terms that have the same atoms, in whatever order."""
    kept: dict[frozenset[A], tuple[A, ...]] = {}
    for term in terms:
        kept.setdefault(frozenset(term), term)
    return tuple(kept.values())
