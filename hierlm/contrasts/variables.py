"""What can be varied: the predictors of a model, their kinds, typical values, and contrasts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm.errors import DataError, did_you_mean
from hierlm.formula import Call, Node, walk
from hierlm.formula import names as column_names
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
type Contrast = float | str | tuple[Any, Any]
"""A step, ``"sd"``, ``"iqr"``, ``"minmax"``, ``"reference"``, ``"sequential"``, ``"pairwise"``, or
two values (from, to)."""

_FACTORS = frozenset({"C", "T", "S", "factor"})
_NUMERIC = ("sd", "iqr", "minmax")
_CATEGORICAL = ("reference", "sequential", "pairwise")


@dataclass(frozen=True)
class Variable:
    """A column that a prediction depends on.

    Parameters
    ----------
    name : str
    kind : {"number", "category"}
        A number that a formula takes as categories, ``C(period)``, is a category.
    levels : tuple
        The values of a category, base level first.
    role : {"predictor", "offset", "grouping"}
        Where it is used; an offset or a grouping column has no coefficient of its own.
    """

    name: str
    kind: Literal["number", "category"]
    levels: tuple[Any, ...] = ()
    role: Literal["predictor", "offset", "grouping"] = "predictor"


def variables(spec: ModelSpec, frame: pd.DataFrame) -> dict[str, Variable]:
    """Return every column that a prediction can depend on, predictors first.

    Parameters
    ----------
    spec : ModelSpec
    frame : pandas.DataFrame
        The rows of the fit.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    >>> [(v.name, v.kind, v.role) for v in variables(model.spec, model.frame).values()]
    [('Days', 'number', 'predictor'), ('Subject', 'category', 'grouping')]
    """
    formula = spec.encoding.formula
    parts: list[Node] = [formula.common, *(term.left for term in formula.groups)]
    used = {name for part in parts for name in column_names(part)}
    in_offset = {name for part in formula.offsets for name in column_names(part)} - used
    as_factor = {
        name
        for part in parts
        for node in walk(part)
        if isinstance(node, Call) and node.function in _FACTORS
        for name in column_names(node)
    }
    found: dict[str, Variable] = {}
    for predictor in spec.encoding.predictors:
        name = predictor.name
        if name in in_offset:
            found[name] = Variable(name, "number", role="offset")
        if name not in used:
            continue
        if predictor.levels is not None:
            found[name] = Variable(name, "category", predictor.levels)
        elif name in as_factor or pd.api.types.is_bool_dtype(frame[name]):
            found[name] = Variable(name, "category", tuple(sorted(frame[name].unique().tolist())))
        else:
            found[name] = Variable(name, "number")
    for group in spec.groups:
        for name, labels in zip(group.levels.columns, group.levels.parents, strict=True):
            found.setdefault(name, Variable(name, "category", labels, "grouping"))
    return found


def find_variable(known: Mapping[str, Variable], name: str) -> Variable:
    """Return a variable by name.

    Raises
    ------
    DataError
        If predictions do not depend on a column of this name.
    """
    if name not in known:
        raise DataError(
            f"predictions do not depend on {name!r}.{did_you_mean(name, known)}\n"
            f"  They depend on: {', '.join(known) or 'nothing'}."
        )
    return known[name]


def typical(variable: Variable, column: pd.Series[Any], weights: Array | None) -> Any:
    """Return the mean of a number, the most frequent value of a category (the first of equals).

    A row of frequency weight k counts as k rows.
    """
    if variable.kind == "number":
        return float(np.average(column.to_numpy(dtype=np.float64), weights=weights))
    counts = pd.Series(1.0 if weights is None else weights, index=column.index)
    sums = counts.groupby(column, observed=True, sort=True).sum()
    return sums.index[int(np.argmax(sums.to_numpy()))]


def datagrid(
    spec: ModelSpec,
    frame: pd.DataFrame,
    values: Mapping[str, Any] | None = None,
    *,
    weights: Array | None = None,
) -> pd.DataFrame:
    """Return rows that cross the values given, other predictors at typical values.

    Parameters
    ----------
    spec : ModelSpec
    frame : pandas.DataFrame
        The rows of the fit.
    values : dict of str to value or sequence of values, optional
        By column; the first varies slowest.
    weights : ndarray, optional
        Frequency weights of the rows of the fit.

    Returns
    -------
    pandas.DataFrame
        A column for every predictor: the values given, the mean of other numbers, the most
        frequent level of other categories. Columns of grouping factors are there if given.

    Raises
    ------
    DataError
        If predictions do not depend on a column, or it is given no value.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("score ~ Machine + (1 | Worker)", hl.load_dataset("Machines"))
    >>> datagrid(model.spec, model.frame, {"Worker": [1, 6], "Machine": ["A", "B"]})
      Machine  Worker
    0       A       1
    1       B       1
    2       A       6
    3       B       6
    """
    known, values = variables(spec, frame), dict(values or {})
    for name in values:
        find_variable(known, name)
    listed = {name: _as_list(name, value) for name, value in values.items()}
    rows = pd.DataFrame(list(itertools.product(*listed.values())), columns=list(listed))
    columns = {}
    for name, variable in known.items():
        if name in listed:
            columns[name] = rows[name]
        elif variable.role != "grouping":
            columns[name] = typical(variable, frame[name], weights)
    if not columns:
        raise DataError(
            "this model has no predictor to make a grid of.\n"
            "  Its one expected response is predictions(by=True, groups='none')."
        )
    return pd.DataFrame(columns, index=rows.index if listed else [0])


def _as_list(name: str, value: Any) -> list[Any]:
    listed = [value] if isinstance(value, str) or np.ndim(value) == 0 else list(value)
    if not listed:
        raise DataError(f"the grid has no value for {name!r}.\n  Leave it out for a typical value.")
    return listed


@dataclass(frozen=True, eq=False)
class Step:
    """One comparison of one variable: what its column is before and after.

    Parameters
    ----------
    label : str
        ``"+1"``, ``"sd"``, or None where the two values make the label.
    low, high : values or arrays of shape (n,)
    values : tuple, optional
        The two values, from and to.
    """

    label: str | None
    low: Any
    high: Any
    values: tuple[Any, Any] | None = None


def steps(
    variable: Variable, contrast: Contrast | None, fitted: pd.Series[Any], column: pd.Series[Any]
) -> list[Step]:
    """Return the comparisons that a contrast asks for.

    Parameters
    ----------
    variable : Variable
    contrast : Contrast, optional
        A step of one, or every level against the base level, when not given.
    fitted : pandas.Series
        The column in the rows of the fit: for ``"sd"``, ``"iqr"`` and ``"minmax"``.
    column : pandas.Series of n rows
        The column in the rows that are compared.

    Raises
    ------
    DataError
        If the contrast is none that such a variable has.
    """
    if isinstance(contrast, Sequence) and not isinstance(contrast, str):
        if len(contrast) != 2:
            raise _no_contrast(variable, contrast)
        low, high = contrast
        return [Step(None, low, high, (low, high))]
    if variable.kind == "category":
        return [Step(None, a, b, (a, b)) for a, b in _pairs(variable, contrast)]
    return [_number_step(variable, contrast, fitted, column)]


def _pairs(variable: Variable, contrast: Contrast | None) -> list[tuple[Any, Any]]:
    levels = variable.levels
    if len(levels) < 2:
        raise DataError(f"{variable.name!r} has one level: there is nothing to compare it with.")
    match contrast:
        case None | "reference":
            return [(levels[0], level) for level in levels[1:]]
        case "sequential":
            return list(itertools.pairwise(levels))
        case "pairwise":
            return list(itertools.combinations(levels, 2))
    raise _no_contrast(variable, contrast)


def _number_step(
    variable: Variable,
    contrast: Contrast | None,
    fitted: pd.Series[Any],
    column: pd.Series[Any],
) -> Step:
    x, own = column.to_numpy(dtype=np.float64), fitted.to_numpy(dtype=np.float64)
    match contrast:
        case None:
            return Step("+1", x, x + 1.0)
        case "sd":
            half = own.std(ddof=1) / 2
            return Step("sd", x - half, x + half)
        case "iqr" | "minmax":
            low, high = np.quantile(own, [0.25, 0.75] if contrast == "iqr" else [0.0, 1.0])
            return Step(contrast, float(low), float(high))
    if isinstance(contrast, Real) and not isinstance(contrast, bool) and np.isfinite(contrast):
        step = float(contrast)
        return Step(f"{step:+g}", x, x + step)
    raise _no_contrast(variable, contrast)


def _no_contrast(variable: Variable, contrast: object) -> DataError:
    words = _NUMERIC if variable.kind == "number" else _CATEGORICAL
    listed = ", ".join(map(repr, words))
    first = "a step such as 10, " if variable.kind == "number" else ""
    near = did_you_mean(contrast, words) if isinstance(contrast, str) else ""
    return DataError(
        f"{variable.name!r} has no contrast {contrast!r}.{near}\n"
        f"  Give {first}{listed}, or two values (from, to)."
    )
