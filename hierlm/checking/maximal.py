"""Which predictors vary within which factor, and so which slopes could vary by group.

A slope of x by g needs rows with different x within a level of g. The model with all such slopes is
the maximal one of Barr, Levy, Scheepers and Tily (2013), doi:10.1016/j.jml.2012.11.001; fewer may
serve better (Matuschek et al. 2017, doi:10.1016/j.jml.2017.01.001).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm import names
from hierlm.checking.findings import Finding, listed
from hierlm.checking.structure import reused, serial
from hierlm.design import Design, GroupBlock
from hierlm.formula import Node, unparse
from hierlm.formula import names as columns_in
from hierlm.spec import ModelSpec

Codes = NDArray[np.int64]


def slopes(spec: ModelSpec, design: Design, frame: pd.DataFrame) -> Iterator[Finding]:
    """Yield which slopes could vary by each factor, and which are in the model.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    frame : pandas.DataFrame
        The rows as they were.
    """
    products = spec.encoding.common.terms.products
    variables = list(dict.fromkeys(c for product in products for c in _columns(product)))
    values = {name: _numbers(frame[name]) for name in variables}
    for block in design.blocks:
        if block.n_levels == design.n:  # a level per row: nothing can vary within
            continue
        columns = set(block.factor.split(":"))
        counts = {
            name: int(varies_within(block, values[name]).sum())
            for name in variables
            if name not in columns
        }
        if counts:
            yield _who_varies(block, counts)
            yield from _labels_reused(spec, block, counts)
            yield from _maximal(spec, block, products, counts)
        yield from _pointless(block)


def _columns(product: tuple[Node, ...]) -> list[str]:
    return [column for atom in product for column in columns_in(atom)]


def _numbers(column: pd.Series[Any]) -> NDArray[Any]:
    """Return numbers that are equal where the values of a column are."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.to_numpy()
    return np.asarray(pd.factorize(column)[0])


def varies_within(block: GroupBlock, x: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for each level whether x differs between its rows, an array of shape (J,)."""
    first = np.zeros(block.n_levels, dtype=np.int64)
    first[block.codes[::-1]] = np.arange(len(x))[::-1]  # the first row of a level is written last
    differs = x != x[first[block.codes]]
    return np.bincount(block.codes[differs], minlength=block.n_levels) > 0


def _who_varies(block: GroupBlock, counts: dict[str, int]) -> Finding:
    factor, levels = block.factor, block.n_levels
    within = [name if counts[name] == levels else f"{name} (in {counts[name]:,} of {levels:,})"
              for name in counts if counts[name]]  # fmt: skip
    between = [name for name in counts if not counts[name]]
    parts = []
    if within:
        verb = "varies" if len(within) == 1 else "vary"
        parts.append(f"Within {factor}, {listed(within)} {verb}: slopes by {factor} are possible.")
    if between:
        is_are = "is" if len(between) == 1 else "are"
        parts.append(
            f"{listed(between)} {is_are} constant within each level of {factor}: the effect is "
            f"between levels, and a slope by {factor} is not possible."
        )
    return Finding("ok", "slopes", " ".join(parts))


def _labels_reused(spec: ModelSpec, block: GroupBlock, counts: dict[str, int]) -> Iterator[Finding]:
    """Ask whether levels labelled 1, 2, ... start anew in each category of a predictor."""
    categorical = {p.name for p in spec.encoding.predictors if p.levels is not None}
    suspects = [n for n in counts if n in categorical and counts[n] == block.n_levels]
    if suspects and ":" not in block.factor and serial(block.levels):
        others = [b.factor for b in spec.groups if b.factor != block.factor]
        if not any(block.factor in other.split(":") for other in others):
            text = reused(block, suspects[0]).replace(
                f"(1 | {suspects[0]}/{block.factor})", f"(1 | {suspects[0]}:{block.factor})"
            )
            yield Finding("note", "nesting", text)


def _maximal(
    spec: ModelSpec,
    block: GroupBlock,
    products: tuple[tuple[Node, ...], ...],
    counts: dict[str, int],
) -> Iterator[Finding]:
    """Name the slopes that the maximal model has, and this one has not."""
    present = {
        frozenset(map(unparse, product))
        for group in spec.groups
        if group.factor == block.factor
        for columns, _ in group.bars
        for product in columns.terms.products
    }
    possible = [p for p in products if all(counts.get(c, 0) for c in _columns(p)) and _columns(p)]
    written = [":".join(map(unparse, product)) for product in possible]
    absent = [
        text
        for text, product in zip(written, possible, strict=True)
        if frozenset(map(unparse, product)) not in present
    ]
    if not absent:
        return
    bar = f"({' + '.join(['1', *written])} | {block.factor})"
    slopes_of = "Slopes of" if len(absent) > 1 else "The slope of"
    yield Finding(
        "note",
        "slopes",
        f"{slopes_of} {listed(absent)} could vary by {block.factor}, and the formula has "
        f"{'them' if len(absent) > 1 else 'it'} the same for all. If the question is about "
        f"{absent[0]}, a slope held constant makes its interval too narrow where levels differ; "
        f"the maximal model of this design has {bar} (Barr et al. 2013).",
    )


def _pointless(block: GroupBlock) -> Iterator[Finding]:
    """Warn of columns that vary by group in the formula, and within no level in the data."""
    alone = names.INTERCEPT in block.coefs
    for name, z in zip(block.coefs, block.Z.T, strict=True):
        if name == names.INTERCEPT or not alone or varies_within(block, z).any():
            continue
        yield Finding(
            "warning",
            "slopes",
            f"{name} has a slope by {block.factor} in the formula, and is constant within each "
            f"level of {block.factor}: no level shows a slope. Its sd only says that levels differ "
            f"more where {name} is larger. Leave {name} out of the bar.",
        )
