"""Rows to predict at: one predictor runs along the axis, the others stay at typical values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import GroupEncoding
from hierlm.design.levels import encode, label
from hierlm.errors import DataError, did_you_mean
from hierlm.formula import Call, walk
from hierlm.formula import names as column_names
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Along:
    """What runs along the horizontal axis.

    Parameters
    ----------
    name : str or None
        A column of the formula; None for the order of the rows.
    levels : tuple or None
        The values of a categorical predictor, in order.
    positions : ndarray of shape (n,)
        Where each row is: its value, the number of its level, or its order.
    """

    name: str | None
    levels: tuple[Any, ...] | None
    positions: Array

    @property
    def categorical(self) -> bool:
        """Whether the axis has names and not numbers."""
        return self.levels is not None


def along(
    spec: ModelSpec, frame: pd.DataFrame, x: str | None = None, group: GroupEncoding | None = None
) -> Along:
    """Return what runs along the axis: `x`, or a predictor that says most.

    That is one whose effect varies by the factor, or else one of the common part; numbers before
    categories. It has to differ between the rows of most levels of the factor: where none does,
    the axis is the order of the rows.

    Raises
    ------
    DataError
        If `x` is not a predictor of the model.
    """
    categories = _categories(spec, frame)
    used = _used(spec, group)
    if x is not None and x not in used:
        raise DataError(
            f"the model has no predictor called {x!r}.{did_you_mean(x, used)}\n"
            f"  It has: {', '.join(used) or 'none'}."
        )
    numeric = [name for name in used if name not in categories]
    told = [*numeric, *used]
    if group is not None:
        told = [name for name in told if _differs(frame, name, group)]
    name = x or next(iter(told), None)
    if name is None:
        return Along(None, None, np.arange(len(frame), dtype=float))
    levels = categories.get(name)
    if levels is None:
        return Along(name, None, frame[name].to_numpy(dtype=float))
    codes = encode(frame[name], tuple(map(label, levels)))
    return Along(name, levels, codes.astype(float))


def _differs(frame: pd.DataFrame, name: str, group: GroupEncoding) -> bool:
    """Return whether a predictor differs between the rows of most levels."""
    within = frame.groupby(list(group.levels.columns), observed=True)[name]
    return bool((within.nunique() > 1).mean() > 0.5)


def _categories(spec: ModelSpec, frame: pd.DataFrame) -> dict[str, tuple[Any, ...]]:
    """Return the values of the categorical predictors, numbers within ``C(...)`` included."""
    found: dict[str, tuple[Any, ...]] = {}
    formula = spec.encoding.formula
    parts = [formula.common, *(term.left for term in formula.groups)]
    within = {
        name
        for part in parts
        for node in walk(part)
        if isinstance(node, Call) and node.function == "C"
        for name in column_names(node)
    }
    for predictor in spec.encoding.predictors:
        if predictor.levels is not None:
            found[predictor.name] = predictor.levels
        elif predictor.name in within:
            found[predictor.name] = tuple(np.unique(frame[predictor.name]).tolist())
    return found


def _used(spec: ModelSpec, group: GroupEncoding | None) -> list[str]:
    """Return the predictors, those that vary by a factor first."""
    formula = spec.encoding.formula
    parts = [formula.common]
    for term in formula.groups:
        if group is None:
            parts.append(term.left)
        elif names.factor_name(term.factor) == group.factor:
            parts.insert(0, term.left)
    known = {p.name for p in spec.encoding.predictors}
    found = dict.fromkeys(name for part in parts for name in column_names(part))
    return [name for name in found if name in known]


def grid(spec: ModelSpec, rows: pd.DataFrame, axis: Along, places: Array) -> pd.DataFrame:
    """Return rows at places along the axis, other columns at typical values of `rows`.

    Parameters
    ----------
    spec : ModelSpec
    rows : pandas.DataFrame
        Over which numbers are averaged, and the most frequent category is taken.
    axis : Along
    places : ndarray of shape (k,)
        Values of a number, or positions of levels.

    Returns
    -------
    pandas.DataFrame of k rows
    """
    grouping = {name for term in spec.encoding.formula.groups for name in term.factor}
    categorical = _categories(spec, rows)
    table: dict[str, Any] = {}
    for name in rows.columns:
        column = rows[name]
        if name == axis.name:
            values: Any = places
            if axis.levels is not None:
                values = [axis.levels[int(k)] for k in places]
        elif name in categorical or name in grouping:
            values = [column.mode().iloc[0]] * len(places)
        else:
            values = [float(column.mean())] * len(places)
        table[name] = values
    return pd.DataFrame(table)


def places_of(axis: Along, chosen: Any, n: int = 25) -> Array:
    """Return where to predict: over the range of the chosen rows, or at their levels."""
    positions = axis.positions[chosen]
    if axis.categorical:
        return np.unique(positions)
    low, high = float(positions.min()), float(positions.max())
    if low == high:
        return np.array([low])
    return np.linspace(low, high, n)
