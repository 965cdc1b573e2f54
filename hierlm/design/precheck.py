"""What a table can be refused for before a column is computed: it would be huge, or meaningless."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from hierlm.errors import DataError, FormulaError
from hierlm.formula import (
    Binary,
    Call,
    Formula,
    Name,
    Node,
    Unary,
    model_terms,
    names,
    unparse,
    walk,
)
from hierlm.formula.functions import ELEMENTWISE, constant_value
from hierlm.formula.syntax import children
from hierlm.formula.tokens import COMPARISONS

_MOST = 1_000  # columns of the common effects, or of the left side of a bar
_IDENTIFIER = 20  # rows beyond which text that never repeats is no predictor
# The arguments of a basis that say how many columns it has, and their places in formulae's
# signatures; the others are bounds and places of knots, which may be years.
_SIZES = {
    "poly": {"degree": 1},
    "bs": {"df": 1, "degree": 3},
    "cr": {"df": 1},
    "cc": {"df": 2},
    "tp": {"df": 1},
}
_FACTORS = ("C", "T", "S")
_NUMERIC = {*ELEMENTWISE, "center", "scale", "standardize", *_SIZES}


def check_before(formula: Formula, frame: pd.DataFrame) -> None:
    """Check complete rows against a formula, without computing anything.

    Parameters
    ----------
    formula : Formula
    frame : pandas.DataFrame
        The columns of the formula, complete rows.

    Raises
    ------
    FormulaError
        If numbers are asked of text.
    DataError
        If a term has a category for every row, or the terms make too many columns.
    """
    for node in _parts(formula):
        _check_numeric(node, formula.text, frame)
    for node in (formula.common, *(term.left for term in formula.groups)):
        products = model_terms(node, formula.text)[1]
        for name in {column for product in products for column in map(_factor, product) if column}:
            _check_repeats(frame, name)
        _check_width(products, frame)


def _parts(formula: Formula) -> Iterator[Node]:
    response = formula.response
    yield from (response.expression, formula.common, *(term.left for term in formula.groups))
    for function, nodes in {
        "trials": (response.trials,),
        "weights": (response.weights,),
        "se": (response.se,),
        "offset": formula.offsets,
    }.items():
        yield from (Call(function, (node,), span=node.span) for node in nodes if node is not None)


def _check_numeric(part: Node, text: str, frame: pd.DataFrame) -> None:
    """Refuse arithmetic on a column of text or categories: within calls, but for ``C()``."""
    for call in (node for node in walk(part) if isinstance(node, Call)):
        for node in walk(call):
            for child in children(node) if _is_arithmetic(node) else ():
                if isinstance(child, Name) and _is_text(frame[child.name]):
                    what = f"{node.function}()" if isinstance(node, Call) else "arithmetic"
                    raise FormulaError(
                        f"{what} needs numbers, and {child.name!r} is text or categories.",
                        text,
                        *call.span,
                        f"Numbers stored as text? df[{child.name!r}] = "
                        f"pd.to_numeric(df[{child.name!r}]).",
                    )


def _is_arithmetic(node: Node) -> bool:
    match node:
        case Call(function=function):
            return function in {*_NUMERIC, "trials", "weights", "se", "offset"}
        case Binary(op=op):
            return op not in COMPARISONS
        case _:
            return isinstance(node, Unary)


def _is_text(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype) or column.dtype == object


def _factor(atom: Node) -> str | None:
    """Return the column that an atom reads as a factor, if it may."""
    if isinstance(atom, Name):
        return atom.name
    return names(atom)[0] if isinstance(atom, Call) and atom.function in _FACTORS else None


def _check_repeats(frame: pd.DataFrame, name: str) -> None:
    n = len(frame)
    if n > _IDENTIFIER and _is_text(frame[name]) and frame[name].nunique() == n:
        raise DataError(
            f"column {name!r} has a different value in each of the {n:,} rows, which predicts "
            f"nothing.\n  Numbers stored as text? df[{name!r}] = pd.to_numeric(df[{name!r}]). "
            "Labels? Leave the column out."
        )


def _check_width(products: tuple[tuple[Node, ...], ...], frame: pd.DataFrame) -> None:
    widths = [math.prod(_width(atom, frame) for atom in product) for product in products]
    if sum(widths) <= _MOST:
        return
    width, product = max(zip(widths, products, strict=True), key=lambda pair: pair[0])
    factors = [name for name in map(_factor, product) if name and _width(Name(name), frame) > 1]
    hint = "Write a simpler term."
    if factors:
        hint = f"Let many levels vary by group instead: (1 | {':'.join(factors)})."
    raise DataError(
        f"{':'.join(map(unparse, product))!r} alone would be {width:,.0f} columns; at most "
        f"{_MOST:,} are allowed for all terms together.\n  {hint}"
    )


def _width(atom: Node, frame: pd.DataFrame) -> float:
    """Return about how many columns an atom makes: never more than it does."""
    column = _factor(atom)
    if column is not None and (isinstance(atom, Call) or _is_text(frame[column])):
        return max(1, frame[column].nunique() - 1)
    if isinstance(atom, Call) and atom.function in _SIZES:
        places = _SIZES[atom.function]
        given = [node for place, node in enumerate(atom.args) if place in places.values()]
        given += [node for key, node in atom.keywords if key in places]
        return max([1.0, *(abs(constant_value(node) or 0.0) for node in given)])
    return 1
