"""One number per row: the response, trials, weights, known sds and offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from formulae.environment import Environment
from numpy.typing import NDArray

from hierlm.design.columns import Columns, Terms
from hierlm.errors import DataError, FormulaError
from hierlm.formula import Call, Formula, Name, Node, Number, names, unparse

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RowValue:
    """A column, an expression, or a constant.

    Parameters
    ----------
    text : str
        As written in the formula.
    columns : tuple of str
        What it is computed from.
    source : Columns or float or str
        An expression, a constant, or the name of a categorical column, whose codes it is.
    levels : tuple of str or None
        The levels of a categorical column.
    """

    text: str
    columns: tuple[str, ...]
    source: Columns | float | str
    levels: tuple[str, ...] | None = None

    def apply(self, frame: pd.DataFrame) -> Array:
        """Compute the value of every row, an array of shape (n,)."""
        match self.source:
            case float():
                return np.full(len(frame), self.source)
            case str():
                return np.asarray(frame[self.source].cat.codes, dtype=np.float64)
            case _:
                return self.source.apply(frame)[:, 0]


@dataclass(frozen=True)
class RowValues:
    """The row values of a formula.

    Parameters
    ----------
    response : RowValue or None
    trials, weights, se : RowValue or None
    offsets : tuple of RowValue
        They are added up.
    """

    response: RowValue | None
    trials: RowValue | None
    weights: RowValue | None
    se: RowValue | None
    offsets: tuple[RowValue, ...]

    def without_response(self) -> RowValues:
        """Return what new rows need: their trials and offsets."""
        return replace(self, response=None, weights=None, se=None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the values are computed from."""
        single = (self.response, self.trials, self.weights, self.se, *self.offsets)
        return tuple(name for value in single if value is not None for name in value.columns)

    def weights_of(self, frame: pd.DataFrame) -> Array:
        """Compute the frequency weights alone, of a formula that has some: shape (n,)."""
        weights = RowValues(None, None, self.weights, None, ()).apply(frame)["weights"]
        return np.ones(len(frame)) if weights is None else weights

    def apply(self, frame: pd.DataFrame) -> Mapping[str, Array | None]:
        """Compute the fields of a `Design`: y, trials, weights, se, offset.

        Raises
        ------
        DataError
            If a weight is negative, or a known sd is not positive.
        """
        single = {"y": self.response, "trials": self.trials}
        single |= {"weights": self.weights, "se": self.se}
        fields = {key: None if v is None else v.apply(frame) for key, v in single.items()}
        _check_sign(self.weights, fields["weights"], "weights must not be negative", strict=False)
        _check_sign(
            self.se, fields["se"], "known standard deviations must be positive", strict=True
        )
        total = np.zeros(len(frame))
        for offset in self.offsets:
            total = total + offset.apply(frame)
        return fields | {"offset": total if self.offsets else None}


def learn_row_values(formula: Formula, frame: pd.DataFrame, env: Environment) -> RowValues:
    """Learn the row values of `formula` on `frame`.

    Raises
    ------
    DataError, FormulaError
        If an expression cannot be computed, or is not one number per row.
    """
    response = formula.response

    def learn(node: Node | None) -> RowValue | None:
        return None if node is None else _learn(node, frame, env, formula.text)

    offsets = tuple(_learn(node, frame, env, formula.text) for node in formula.offsets)
    return RowValues(
        learn(response.expression),
        learn(response.trials),
        learn(response.weights),
        learn(response.se),
        offsets,
    )


def learn_weights(formula: Formula, frame: pd.DataFrame, env: Environment) -> Array | None:
    """Return the frequency weights of `frame`: of all rows, before any is left out.

    Raises
    ------
    DataError, FormulaError
        If they cannot be computed, or one is negative.
    """
    if formula.weights is None:
        return None
    value = _learn(formula.weights, frame, env, formula.text)
    return RowValues(None, None, value, None, ()).apply(frame)["weights"]


def _learn(node: Node, frame: pd.DataFrame, env: Environment, text: str) -> RowValue:
    written, columns = unparse(node), tuple(names(node))
    if isinstance(node, Number):
        return RowValue(written, (), float(node.text))
    if isinstance(node, Name) and isinstance(frame[node.name].dtype, pd.CategoricalDtype):
        levels = tuple(str(level) for level in frame[node.name].cat.categories)
        return RowValue(written, columns, node.name, levels)
    term = node if isinstance(node, Name | Call) else Call("I", (node,), (), span=node.span)
    learnt, values = Columns.learn(Terms(False, ((term,),)), frame, env, text)
    if values.shape[1] != 1:
        raise FormulaError(f"{written!r} is not one number per row.", text, *node.span)
    return RowValue(written, columns, learnt)


def _check_sign(value: RowValue | None, x: Array | None, rule: str, *, strict: bool) -> None:
    if value is None or x is None:
        return
    bad = np.flatnonzero(x <= 0 if strict else x < 0)
    if bad.size:
        raise DataError(
            f"{rule}: {value.text!r} is {x[bad[0]]:g} in row {bad[0]} of those used "
            f"({bad.size} such row(s)).\n  Correct or drop these rows."
        )
