"""Arithmetic of parameters: a tree, its value draw by draw, and its linear form.

Nothing is evaluated but these nodes: the text of a hypothesis runs no code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
type Span = tuple[int, int]
type Expression = Constant | Quantity | Negative | Operation | Function

FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
}
_OPERATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
}


@dataclass(frozen=True, slots=True)
class Constant:
    """A number."""

    value: float
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of the posterior, by its full name: ``Days``, ``sd_Subject[Days]``."""

    name: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """A minus before its operand."""

    operand: Expression
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """``left op right``, with one of ``+ - * / **``."""

    op: str
    left: Expression
    right: Expression
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Function:
    """One of `FUNCTIONS` of an expression."""

    function: str
    operand: Expression
    span: Span = field(default=(0, 0), compare=False, repr=False)


def quantities(expression: Expression) -> tuple[str, ...]:
    """Return the names of the quantities in an expression, each once, in order.

    Examples
    --------
    >>> quantities(Operation("-", Quantity("Days"), Quantity("sigma")))
    ('Days', 'sigma')
    """
    found = (node.name for node in _walk(expression) if isinstance(node, Quantity))
    return tuple(dict.fromkeys(found))


def _walk(expression: Expression) -> Iterator[Expression]:
    yield expression
    match expression:
        case Operation():
            yield from _walk(expression.left)
            yield from _walk(expression.right)
        case Negative() | Function():
            yield from _walk(expression.operand)


def value(expression: Expression, draws: Mapping[str, Array]) -> Array:
    """Return the value of an expression, draw by draw.

    Parameters
    ----------
    expression : Expression
    draws : dict of str to ndarray of shape (...)
        Of every quantity in the expression; their shapes are equal.

    Returns
    -------
    ndarray of shape (...), or of shape () without quantities
        Not finite where the arithmetic has no real value.

    Examples
    --------
    >>> tree = Operation("**", Quantity("sigma"), Constant(2))
    >>> value(tree, {"sigma": np.array([1.0, 3.0])})
    array([1., 9.])
    """
    with np.errstate(all="ignore"):
        return _value(expression, draws)


def _value(expression: Expression, draws: Mapping[str, Array]) -> Array:
    match expression:
        case Constant():
            return np.asarray(expression.value)
        case Quantity():
            return draws[expression.name]
        case Negative():
            return -_value(expression.operand, draws)
        case Function():
            return FUNCTIONS[expression.function](_value(expression.operand, draws))
        case Operation():
            left, right = _value(expression.left, draws), _value(expression.right, draws)
            return _OPERATIONS[expression.op](left, right)


@dataclass(frozen=True)
class Linear:
    """A sum: ``constant`` plus each quantity times its coefficient.

    Parameters
    ----------
    coefficients : dict of str to float
    constant : float
    """

    coefficients: Mapping[str, float]
    constant: float = 0.0

    def plus(self, other: Linear, times: float = 1.0) -> Linear:
        """Return this form plus `times` the other; quantities that cancel are gone."""
        total = dict(self.coefficients)
        for name, coefficient in other.coefficients.items():
            total[name] = total.get(name, 0.0) + times * coefficient
        kept = {name: c for name, c in total.items() if c != 0.0}
        return Linear(kept, self.constant + times * other.constant)

    def scaled(self, factor: float) -> Linear:
        """Return this form times a number."""
        return Linear({}).plus(self, factor)


def linear(expression: Expression) -> Linear | None:
    """Return the linear form of an expression, None where it has none.

    Examples
    --------
    >>> x = Quantity("x")
    >>> linear(Operation("/", Operation("+", x, Constant(3)), Constant(2)))
    Linear(coefficients={'x': 0.5}, constant=1.5)
    >>> linear(Operation("*", x, x)) is None
    True
    """
    match expression:
        case Quantity():
            return Linear({expression.name: 1.0})
        case Negative():
            inner = linear(expression.operand)
            return None if inner is None else inner.scaled(-1.0)
        case Operation() if quantities(expression):
            return _linear_operation(expression)
        case _ if not quantities(expression):
            number = float(value(expression, {}))
            return Linear({}, number)
        case _:
            return None


def _linear_operation(expression: Operation) -> Linear | None:
    left, right = linear(expression.left), linear(expression.right)
    if left is None or right is None:
        return None
    match expression.op:
        case "+":
            return left.plus(right)
        case "-":
            return left.plus(right, -1.0)
        case "*" if not left.coefficients:
            return right.scaled(left.constant)
        case "*" if not right.coefficients:
            return left.scaled(right.constant)
        case "/" if not right.coefficients and right.constant != 0.0:
            return left.scaled(1.0 / right.constant)
        case _:
            return None
