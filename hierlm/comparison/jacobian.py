r"""A density on the scale of the column, from one on the scale of a transformed response.

.. math:: \log p_y(y) = \log p_z(T(y)) + \log |T'(y)|
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm.errors import DataError
from hierlm.formula import Binary, Call, Name, Node, Number, names, unparse
from hierlm.formula.syntax import Unary
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

_DERIVATIVES: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "log": (np.log, lambda x: 1 / x),
    "log2": (np.log2, lambda x: 1 / (x * np.log(2))),
    "log10": (np.log10, lambda x: 1 / (x * np.log(10))),
    "log1p": (np.log1p, lambda x: 1 / (1 + x)),
    "exp": (np.exp, np.exp),
    "expm1": (np.expm1, np.exp),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "I": (np.positive, np.ones_like),
}
"""The functions of formulas whose derivatives are known, with them."""
_STEP = 1e-3  # of a difference, relative to y


def log_jacobian(spec: ModelSpec, frame: pd.DataFrame) -> Array:
    """Return log |T'(y)| of every row, where the response is T(y).

    Parameters
    ----------
    spec : ModelSpec
    frame : pandas.DataFrame
        The columns of the formula.

    Returns
    -------
    ndarray of shape (n,)
        Zero where the response is a column as it is.

    Raises
    ------
    DataError
        If the response is made of several columns, or is not one-to-one on these rows.
    """
    expression = spec.encoding.formula.response.expression
    columns = names(expression)
    if isinstance(expression, Name):
        return np.zeros(len(frame))
    if len(columns) != 1:
        raise DataError(
            f"the response {unparse(expression)} is made of {len(columns)} columns "
            f"({', '.join(columns)}): it has no density on the scale of one.\n"
            "  Compute it in the table, so that all models have the same response."
        )
    y = frame[columns[0]].to_numpy(dtype=float)
    with np.errstate(all="ignore"):
        known = _derivative(expression, y)
        slope = _difference(spec, frame, columns[0], y) if known is None else known[1]
        sign = np.sign(slope)
    if not np.all(np.isfinite(slope)) or np.any(sign != sign[0]) or sign[0] == 0:
        raise DataError(
            f"{unparse(expression)} does not rise or fall throughout, so that a density of it is "
            f"none of {columns[0]!r}.\n  Models with this response compare among themselves only."
        )
    return np.asarray(np.log(np.abs(slope)))


def _derivative(node: Node, y: Array) -> tuple[Array, Array] | None:
    """Return value and derivative by the chain rule, or None at a function it does not know."""
    match node:
        case Name():
            return y, np.ones_like(y)
        case Number(text):
            return np.full_like(y, float(text)), np.zeros_like(y)
        case Unary(op, operand):
            inner = _derivative(operand, y)
            if inner is None or op == "+":
                return inner
            return -inner[0], -inner[1]
        case Call(function, (argument,), ()) if function in _DERIVATIVES:
            inner = _derivative(argument, y)
            f, derivative = _DERIVATIVES[function]
            return None if inner is None else (f(inner[0]), derivative(inner[0]) * inner[1])
        case Binary(op, left, right):
            first, second = _derivative(left, y), _derivative(right, y)
            return None if first is None or second is None else _combine(op, first, second)
        case _:
            return None


def _combine(
    op: str, first: tuple[Array, Array], second: tuple[Array, Array]
) -> tuple[Array, Array] | None:
    (a, da), (b, db) = first, second
    match op:
        case "+":
            return a + b, da + db
        case "-":
            return a - b, da - db
        case "*":
            return a * b, da * b + a * db
        case "/":
            return a / b, (da * b - a * db) / np.square(b)
        case "**" if not np.any(db):
            return a**b, b * a ** (b - 1) * da
        case _:
            return None


def _difference(spec: ModelSpec, frame: pd.DataFrame, column: str, y: Array) -> Array:
    """Return the derivative from four values around y, for functions known by their values only."""
    h = _STEP * np.where(y == 0, 1.0, np.abs(y))

    def transformed(shift: int) -> Array:
        moved = frame.assign(**{column: y + shift * h})
        return spec.encoding.apply(moved, response=True).response

    near, far = transformed(1) - transformed(-1), transformed(2) - transformed(-2)
    return np.asarray((8 * near - far) / (12 * h))
