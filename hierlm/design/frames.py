"""From a table to complete rows: missing and infinite values, and what a column is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm.design.levels import encode, label, learn_labels
from hierlm.errors import DataError, DataWarning, did_you_mean, warn
from hierlm.formula import Call, Formula, Node, names, walk

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Dropped:
    """How many rows were left out, and why.

    Parameters
    ----------
    total : int
        Rows of the table.
    rows : int
        Rows left out.
    by_column : dict of str to int
        Missing values of each column that has some.
    weightless : int
        How many of the rows left out have no missing value, but weight zero.
    """

    total: int
    rows: int
    by_column: dict[str, int]
    weightless: int = 0

    def __add__(self, other: Dropped) -> Dropped:
        by_column = dict(self.by_column)
        for name, count in other.by_column.items():
            by_column[name] = by_column.get(name, 0) + count
        return Dropped(
            self.total + other.total,
            self.rows + other.rows,
            by_column,
            self.weightless + other.weightless,
        )

    def __str__(self) -> str:
        if not self.rows:
            return "no row dropped"
        counts = ", ".join(f"{name} {count}" for name, count in self.by_column.items())
        missing = self.rows - self.weightless
        reasons = [f"{missing} of {self.total} rows dropped for missing values ({counts})"]
        reasons = reasons if missing else []
        if self.weightless:
            reasons.append(f"{self.weightless} of {self.total} rows dropped for weight zero")
        return ", ".join(reasons)


@dataclass(frozen=True)
class Predictor:
    """What a column is.

    Parameters
    ----------
    name : str
    levels : tuple of str or None
        The levels of a categorical column, base level first; None for numbers.
    """

    name: str
    levels: tuple[str, ...] | None = None

    def code(self, column: pd.Series[Any]) -> Any:
        """Return `column` as formulae wants it: numbers, or an ordered categorical of text.

        Raises
        ------
        DataError
            If the column is not what it was, or has a level that was not learnt.
        """
        if self.levels is None:
            if not pd.api.types.is_numeric_dtype(column):
                raise DataError(
                    f"column {self.name!r} was a column of numbers and is now of type "
                    f"{column.dtype}."
                )
            is_bool = pd.api.types.is_bool_dtype(column)
            return column.to_numpy(dtype=np.int64 if is_bool else None)  # True + True is 2
        codes = encode(column, self.levels)
        if (codes < 0).any():
            unseen = sorted({label(value) for value in column[codes < 0]})
            raise DataError(
                f"column {self.name!r} has the level {unseen[0]!r}, which was not in the data that "
                f"the model learnt from.{did_you_mean(unseen[0], self.levels)}\n"
                f"  Its levels: {', '.join(self.levels)}."
            )
        return pd.Categorical.from_codes(codes, pd.Index(self.levels), ordered=True)


def learn_predictor(column: pd.Series[Any], formula: Formula) -> Predictor:
    """Decide what a column is: categories and text are categorical, and so is a bare bool.

    A bool within a call, as in ``I(treated * dose)``, is the number 0 or 1.

    Raises
    ------
    DataError
        If the column is neither numbers nor categories.
    """
    name = str(column.name)
    if pd.api.types.is_bool_dtype(column) and name in _within_calls(formula):
        return Predictor(name)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return Predictor(name)
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        raise DataError(
            f"column {name!r} is of type {column.dtype}; a model takes numbers or categories.\n"
            f"  Make numbers of it, as in (df[{name!r}] - df[{name!r}].min()).dt.days."
        )
    return Predictor(name, learn_labels(column, numeric_text=False))


def complete_rows(frame: pd.DataFrame, formula: Formula) -> tuple[pd.DataFrame, Dropped]:
    """Leave out the rows with missing values, and refuse infinite ones.

    Parameters
    ----------
    frame : pandas.DataFrame
        The columns of the formula.
    formula : Formula

    Returns
    -------
    pandas.DataFrame
    Dropped

    Raises
    ------
    DataError
        If a value is infinite, or no row is complete.
    """
    complete, dropped = without_missing(frame)
    if dropped.rows == dropped.total:
        raise DataError(all_missing(dropped))
    if dropped.rows:
        warn(f"{dropped}.", DataWarning)
    return complete, dropped


def without_missing(frame: pd.DataFrame) -> tuple[pd.DataFrame, Dropped]:
    """Leave out the rows with missing values, all of them if need be, and refuse infinite ones."""
    missing = frame.isna()
    counts = {str(name): int(count) for name, count in missing.sum().items() if count}
    incomplete = missing.to_numpy().any(axis=1)
    dropped = Dropped(len(frame), int(incomplete.sum()), counts)
    if dropped.rows:
        frame = frame.loc[~incomplete].apply(_without_nullable)
    for name in frame.columns:
        _refuse_infinite(frame[name])
    return frame.reset_index(drop=True), dropped


def weighty_rows(
    frame: pd.DataFrame, weights: Array, dropped: Dropped
) -> tuple[pd.DataFrame, Dropped]:
    """Leave out the rows of weight zero: they count as no row, so nothing is learnt from them.

    Parameters
    ----------
    frame : pandas.DataFrame of n rows
    weights : ndarray of shape (n,)
    dropped : Dropped
        What was left out before.

    Raises
    ------
    DataError
        If no row has weight.
    """
    count = int(np.sum(weights == 0))
    if count == len(frame):
        raise DataError("every weight is zero: no row counts.\n  Weights count rows: 1, 2, ...")
    if count:
        frame = frame.loc[weights > 0].reset_index(drop=True)
        dropped = replace(dropped, rows=dropped.rows + count, weightless=count)
    return frame, dropped


def all_missing(dropped: Dropped) -> str:
    """Return the message that no row is complete."""
    listed = ", ".join(f"{name} {count}" for name, count in dropped.by_column.items())
    empty = [name for name, count in dropped.by_column.items() if count == dropped.total]
    hint = (
        f"Leave {' and '.join(empty)} out of the formula: nothing is there."
        if empty
        else "No column is empty, but no row has them all: were tables joined by the wrong key?"
    )
    return f"each of the {dropped.total} rows has a missing value ({listed}).\n  {hint}"


def refuse_missing(frame: pd.DataFrame) -> None:
    """Refuse missing and infinite values in new rows.

    Raises
    ------
    DataError
    """
    for name in frame.columns:
        rows = np.flatnonzero(frame[name].isna().to_numpy())
        if rows.size:
            raise DataError(
                f"column {name!r} has {rows.size} missing value(s), first in row {rows[0]}; "
                "new rows must be complete."
            )
        _refuse_infinite(frame[name])


def _without_nullable(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return complete nullable integers and bools as NumPy ones."""
    if isinstance(column.dtype, pd.Int64Dtype):
        return column.astype(np.int64)
    return column.astype(bool) if isinstance(column.dtype, pd.BooleanDtype) else column


def _refuse_infinite(column: pd.Series[Any]) -> None:
    if not pd.api.types.is_float_dtype(column):
        return
    rows = np.flatnonzero(np.isinf(column.to_numpy(dtype=np.float64)))
    if rows.size:
        raise DataError(
            f"column {column.name!r} is infinite in {rows.size} row(s), first in row "
            f"{column.index[rows[0]]}.\n"
            "  Drop these rows, or find out where the infinity comes from (a log of zero?)."
        )


def _within_calls(formula: Formula) -> set[str]:
    response = formula.response
    parts: list[Node | None] = [formula.common, *(term.left for term in formula.groups)]
    parts += [response.expression, response.trials, response.se, response.weights]
    parts += formula.offsets
    calls = [node for part in parts if part is not None for node in walk(part)]
    return {name for node in calls if isinstance(node, Call) for name in names(node)}
