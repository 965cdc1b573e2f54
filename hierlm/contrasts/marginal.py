r"""Predictions, comparisons and slopes: draw by draw, row by row or averaged.

With :math:`\mu_s(x)` the prediction for a row in draw s, a comparison is :math:`\mu_s(x_{hi})`
against :math:`\mu_s(x_{lo})`, everything else as it is, and a slope the derivative
:math:`\partial\mu_s/\partial x`. The vocabulary is that of R's marginaleffects (Arel-Bundock,
Greifer and Heiss 2024, doi:10.18637/jss.v111.i09). Averages are taken draw by draw; a ratio or an
odds ratio is that of averages, not the average of ratios.

A derivative is a difference quotient of five points,

.. math:: \mu'(x) \approx \frac{\mu(x-2h) - 8\mu(x-h) + 8\mu(x+h) - \mu(x+2h)}{12h}

exact for polynomials of degree four, one-sided within 2h of the ends of the data, so that a
logarithm or a spline is not asked for what it has never seen. h is 1e-3 times the range of x; of
an x that does not change sign, 1e-3 times x itself where that is less: a logarithm bends on the
scale of x, which may be a small part of the range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.contrasts.rows import By, Predictions, Rows
from hierlm.contrasts.variables import Contrast, Step, Variable, find_variable, steps, variables
from hierlm.errors import DataError, did_you_mean
from hierlm.summaries import Interval, tabulate
from hierlm.tables import Table

Array = NDArray[np.float64]
type Comparison = Literal["difference", "ratio", "lnratio", "lnor"]
type Named = str | Sequence[str] | None

_H = 1e-3
_LEAST = 1e-8  # of the range: below it h would be lost in rounding
_CENTRAL = (np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12)
_FORWARD = (np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([-25.0, 48.0, -36.0, 16.0, -3.0]) / 12)

_COMPARE: dict[str, tuple[str, Callable[[Array, Array], Array]]] = {
    "difference": ("{high} - {low}", lambda high, low: high - low),
    "ratio": ("{high} / {low}", lambda high, low: high / low),
    "lnratio": ("ln({high} / {low})", lambda high, low: np.log(high / low)),
    "lnor": (
        "ln(odds({high}) / odds({low}))",
        lambda high, low: np.log(high) - np.log1p(-high) - np.log(low) + np.log1p(-low),
    ),
}


@dataclass(frozen=True, eq=False)
class Question:
    """What is computed: one number per row, or group of rows, and draw.

    Parameters
    ----------
    labels : dict of str to str
        ``term`` and ``contrast``; empty for predictions.
    parts : tuple of Predictions
    combine : callable
        From one array per part to one array.
    """

    labels: Mapping[str, str]
    parts: tuple[Predictions, ...]
    combine: Callable[..., Array]


def predict(rows: Rows) -> list[Question]:
    """Return the question that predictions answer."""
    return [Question({}, (rows.predictor(),), lambda mu: mu)]


def compare(
    rows: Rows,
    fitted: pd.DataFrame,
    wanted: Named | Mapping[str, Contrast | None],
    comparison: Comparison,
) -> list[Question]:
    """Return a question for every variable and contrast.

    Parameters
    ----------
    rows : Rows
    fitted : pandas.DataFrame
        The rows of the fit.
    wanted : str, sequence of str, or dict of str to contrast, optional
        All predictors when not given.
    comparison : {"difference", "ratio", "lnratio", "lnor"}

    Raises
    ------
    DataError
    """
    if comparison not in _COMPARE:
        raise DataError(
            f"no comparison is called {comparison!r}.{did_you_mean(comparison, _COMPARE)}\n"
            f"  There are: {', '.join(_COMPARE)}."
        )
    known = variables(rows.spec, fitted)
    contrasts = (
        dict(wanted) if isinstance(wanted, Mapping) else dict.fromkeys(_names(wanted, known))
    )
    found = []
    for name, contrast in contrasts.items():
        variable = find_variable(known, name)
        for step in steps(variable, contrast, fitted[name], rows.column(name)):
            low, high = (rows.predictor(**{name: value}) for value in (step.low, step.high))
            labels = {"term": name, "contrast": _label(step, comparison)}
            found.append(Question(labels, (high, low), _checked(comparison)))
    return found


def differentiate(rows: Rows, fitted: pd.DataFrame, wanted: Named) -> list[Question]:
    """Return a question for the slope of every variable; of all numbers when not given.

    Raises
    ------
    DataError
        If a variable is a category.
    """
    known = variables(rows.spec, fitted)
    numbers = {name: v for name, v in known.items() if v.kind == "number"}
    found = []
    for name in _names(wanted, numbers):
        variable = find_variable(known, name)
        if variable.kind != "number":
            raise DataError(
                f"{name!r} is a category here: it has no slope.\n  Write comparisons({name!r})."
            )
        found.append(_slope(rows, fitted[name], variable))
    return found


def _names(wanted: Named, known: Mapping[str, Variable]) -> list[str]:
    if wanted is None:
        found = [name for name, variable in known.items() if variable.role == "predictor"]
        if not found:
            raise DataError("this model has no predictor that could be varied.")
        return found
    return [wanted] if isinstance(wanted, str) else list(wanted)


def _label(step: Step, comparison: str) -> str:
    if step.label is not None:
        return step.label
    low, high = step.values or ("", "")
    return _COMPARE[comparison][0].format(low=low, high=high)


def _checked(comparison: str) -> Callable[[Array, Array], Array]:
    """Return the comparison, which refuses what has no real value."""

    def combine(high: Array, low: Array) -> Array:
        with np.errstate(all="ignore"):
            found = _COMPARE[comparison][1](high, low)
        if not np.isfinite(found).all():
            what = "probabilities" if comparison == "lnor" else "positive predictions"
            raise DataError(
                f"comparison={comparison!r} takes {what}, and these are not in every draw.\n"
                "  Write comparison='difference'."
            )
        return found

    return combine


def _slope(rows: Rows, fitted: pd.Series[Any], variable: Variable) -> Question:
    own = fitted.to_numpy(dtype=np.float64)
    x = rows.column(variable.name).to_numpy(dtype=np.float64)
    lower, upper = own.min(), own.max()
    h = _steps(x, own)
    forward = (x >= lower) & (x < lower + 2 * h)
    backward = (x <= upper) & (x > upper - 2 * h)
    one_sided = forward.any() or backward.any()
    # without an end among the rows, four points are enough
    offsets, weights = _CENTRAL
    if one_sided:
        points = _FORWARD[0][:, None] * np.where(backward, -1.0, 1.0)
        inner = np.append(offsets, 0.0)[:, None]
        at_end = forward | backward
        points = np.where(at_end, points, inner)
        signed = _FORWARD[1][:, None] * np.where(backward, -1.0, 1.0)
        factors = np.where(at_end, signed, np.append(weights, 0.0)[:, None])
    else:
        points = np.broadcast_to(offsets[:, None], (4, len(x)))
        factors = np.broadcast_to(weights[:, None], (4, len(x)))
    parts = tuple(
        Weighted.of(rows.predictor(**{variable.name: x + h * shift}), factor / h)
        for shift, factor in zip(points, factors, strict=True)
    )
    return Question({"term": variable.name, "contrast": "dY/dX"}, parts, _total)


def _steps(x: Array, fitted: Array) -> Array:
    """Return h for every x, given the values of the fit."""
    span = np.ptp(fitted) or max(float(np.abs(fitted).max()), 1.0)
    if fitted.min() < 0 < fitted.max():
        return np.full_like(x, _H * span)
    # zero has no size of its own: that of the smallest value which has one
    least = np.min(np.abs(fitted), where=fitted != 0, initial=span)
    return _H * np.clip(np.abs(x), max(least, _LEAST * span), span)


def _total(*parts: Array) -> Array:
    return np.sum(parts, axis=0)


@dataclass(frozen=True, eq=False)
class Weighted(Predictions):
    """Predictions times a factor for every row."""

    factor: Array

    @classmethod
    def of(cls, predictions: Predictions, factor: Array) -> Weighted:
        """Return predictions times `factor`."""
        return cls(predictions.predictor, predictions.design, predictions.scale, factor)

    def block(self, rows: slice) -> Array:
        """Return the products of some rows."""
        return super().block(rows) * self.factor[rows, None]


def table(rows: Rows, questions: Sequence[Question], by: By, interval: Interval) -> pd.DataFrame:
    """Return a row per question and row, or group of rows.

    Parameters
    ----------
    rows : Rows
    questions : sequence of Question
    by : bool, str or sequence of str
        False for every row; True for the average of all; columns for averages by their values.
    interval : Interval

    Returns
    -------
    pandas.DataFrame
        With the predictors of each row, where rows are not averaged; its ``attrs`` say whose
        group-specific effects entered, and the scale.
    """
    tables = []
    shown = [name for name in variables(rows.spec, rows.frame) if name in rows.frame]
    for question in questions:
        index = _index(rows, question.labels, by)
        parts = (
            [tabulate(_ask(question, block), index[block], interval) for block in _whole(rows)]
            if by is False
            else [tabulate(_average(rows, question, by), index, interval)]
        )
        found = pd.concat(parts)
        if by is False:
            own = rows.frame[shown].set_axis(index)
            own.columns = [f"{c}_value" if c in found else c for c in own]
            found = pd.concat([own, found], axis=1)
        tables.append(found)
    result = Table(pd.concat(tables))
    result.attrs = {"groups": rows.groups, "scale": rows.scale}
    return result


def _ask(question: Question, block: slice) -> Array:
    return question.combine(*(part.block(block) for part in question.parts))


def _average(rows: Rows, question: Question, by: By) -> Array:
    return question.combine(*rows.averages(by).of(rows, question.parts))


def _whole(rows: Rows) -> list[slice]:
    n = len(rows.frame)
    return [slice(block.start, min(block.stop, n)) for block in rows.blocks()]


def _index(rows: Rows, labels: Mapping[str, str], by: By) -> pd.Index:
    """Return the labels of a question, then what tells rows, or groups of them, apart."""
    own: pd.Index | None = None
    if by is False:
        own = pd.RangeIndex(len(rows.frame), name="row")
    elif by is not True:
        own = rows.averages(by).index
    if not labels:
        return pd.Index(["average"], name="row") if own is None else own
    count = 1 if own is None else len(own)
    levels: list[Any] = [[value] * count for value in labels.values()]
    keys = list(labels)
    if own is not None:
        levels += [own.get_level_values(k) for k in range(own.nlevels)]
        keys += [str(name) for name in own.names]
    return pd.MultiIndex.from_arrays(levels, names=keys)


def draws(rows: Rows, questions: Sequence[Question], by: By) -> xr.DataArray:
    """Return the draws behind `table`, of dims chain, draw and ``estimate``, in its order.

    Raises
    ------
    DataError
        If they would take more than one GiB.
    """
    posterior = rows.idata["posterior"]
    sizes = [posterior.sizes[dim] for dim in names.SAMPLE_DIMS]
    per_row = by is False
    if per_row and 8.0 * np.prod(sizes) * len(rows.frame) * len(questions) > 2**30:
        raise DataError("these draws would take more than 1 GiB.\n  Average them: by=True.")
    found = []
    for question in questions:
        if per_row:
            found += [_ask(question, block) for block in _whole(rows)]
        else:
            found.append(_average(rows, question, by))
    values = np.concatenate(found)
    indices = [_index(rows, question.labels, by) for question in questions]
    index = indices[0].append(indices[1:])
    array = xr.DataArray(
        values.reshape(-1, *sizes), dims=("estimate", *names.SAMPLE_DIMS), name="value"
    ).transpose(*names.SAMPLE_DIMS, "estimate")
    array = array.assign_coords({dim: posterior[dim].to_numpy() for dim in names.SAMPLE_DIMS})
    keys = [str(name) for name in index.names]
    return array.assign_coords(
        {key: ("estimate", index.get_level_values(k).to_numpy()) for k, key in enumerate(keys)}
    )
