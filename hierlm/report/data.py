"""The rows in words: how many, which were left out, and what each column holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from hierlm import plots
from hierlm.design.levels import label
from hierlm.plots.labels import units, with_unit
from hierlm.report.markup import Html, join, paragraph, table
from hierlm.report.pictures import picture
from hierlm.report.source import Source
from hierlm.report.words import response_name

_SHOWN = 8  # levels of a predictor that are named


def data_section(source: Source) -> Html:
    """Return the summary of the rows."""
    spec = source.spec
    dropped = f"{spec.dropped}.".capitalize()
    parts = [
        paragraph(f"The model was fitted to {spec.n_rows:,} rows. ", dropped),
        table(
            "The columns of the formula", ["column", "role", "values"], _columns(source), words=3
        ),
    ]
    if spec.groups:
        header = ["factor", "levels", "fewest rows", "median", "most rows"]
        parts.append(table("The grouping factors", header, _factors(source)))
        parts.append(_design(source))
    return join(parts)


def _columns(source: Source) -> Iterator[tuple[str, str, str]]:
    spec, known = source.spec, units(source.frame)
    roles = _roles(source)
    grouping = {column for group in spec.groups for column in group.levels.columns}
    levels = {p.name: p.levels for p in spec.encoding.predictors}
    response = spec.encoding.values.response
    for name, column in source.frame.items():
        own = levels.get(str(name))
        if response is not None and response.levels and response.source == name:
            own = response.levels
        only_groups = roles[str(name)] == "grouping factor"
        said = _groups_of(column) if name in grouping and only_groups else _values(column, own)
        yield with_unit(str(name), known), roles[str(name)], said


def _roles(source: Source) -> dict[str, str]:
    values = source.spec.encoding.values
    grouping = {column for group in source.spec.groups for column in group.levels.columns}
    predictors = {p.name for p in source.spec.encoding.predictors}
    uses = {
        "response": set(source.spec.encoding.formula.response_columns),
        "trials": set(values.trials.columns) if values.trials else set(),
        "weights": set(values.weights.columns) if values.weights else set(),
        "known sd": set(values.se.columns) if values.se else set(),
        "offset": {name for offset in values.offsets for name in offset.columns},
    }
    others = set().union(*uses.values())
    uses["predictor"] = predictors - others
    uses["grouping factor"] = grouping
    return {
        str(name): ", ".join(role for role, names in uses.items() if name in names) or "-"
        for name in source.frame.columns
    }


def _values(column: pd.Series[Any], levels: tuple[str, ...] | None) -> str:
    if levels is None and pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(dtype=float)
        spread = f", sd {numbers.std(ddof=1):.4g}" if len(numbers) > 1 else ""
        return f"{numbers.min():.4g} to {numbers.max():.4g}, mean {numbers.mean():.4g}{spread}"
    counts = column.map(label).value_counts()
    ordered = list(counts.index) if levels is None else [x for x in levels if x in counts.index]
    shown = [f"{name} ({counts[name]:,})" for name in ordered[:_SHOWN]]
    more = len(ordered) - _SHOWN
    return ", ".join(shown) + (f", and {more:,} more levels" if more > 0 else "")


def _groups_of(column: pd.Series[Any]) -> str:
    return f"{column.nunique():,} labels"


def _factors(source: Source) -> Iterator[tuple[str, ...]]:
    for block in source.design.blocks:
        counts = np.bincount(block.codes, minlength=block.n_levels)
        middle = f"{np.median(counts):,.0f}"
        yield block.factor, f"{block.n_levels:,}", f"{counts.min():,}", middle, f"{counts.max():,}"


def _design(source: Source) -> Html:
    spec = source.spec
    first, second = plots.factors_of(spec, None, None)
    if second is None:
        alt = f"How many rows each level of {first} has."
        caption = f"Rows of each level of {first}: is any level thin, or are all alike?"
    else:
        alt = f"Which levels of {first} and of {second} occur together, and in how many rows."
        caption = f"Rows in which levels of {first} and {second} meet: nested, crossed, balanced?"
    return picture(lambda: plots.plot_design(source.frame, first, second), alt, caption)


def at_a_glance(source: Source) -> list[tuple[str, str]]:
    """Return the few facts that stand below the title."""
    spec = source.spec
    levels = [f"{g.factor} {len(g.levels.labels):,}" for g in spec.groups[:4]]
    family = f"{spec.family.name}, {spec.family.link.name} link"
    found = [("Response", response_name(spec)), ("Family", family), ("Rows", f"{spec.n_rows:,}")]
    return found + ([("Levels", ", ".join(levels))] if levels else [])
