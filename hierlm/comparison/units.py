"""What is left out at a time, and which effects that leaves without data.

A level of any factor whose rows are all left out is new to the fit without them: its effects are
integrated out, whatever the factor. That are the levels of the unit itself, those nested in them,
and the parent of an only child. The effects of other, crossed, levels stay as they were drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierlm.design import Design, GroupBlock

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Unit:
    """Some rows, and the rows among them whose level of a factor is new.

    Parameters
    ----------
    rows : ndarray of shape (r,), int64
    new : dict of str to ndarray of shape (r,), bool
        By grouping factor; only those that have such a row.
    """

    rows: Index
    new: Mapping[str, Mask]


def sorted_rows(codes: Index, n_levels: int) -> list[Index]:
    """Return the rows of every level.

    Examples
    --------
    >>> [rows.tolist() for rows in sorted_rows(np.array([1, 0, 1]), 2)]
    [[1], [0, 2]]
    """
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=n_levels))
    return np.split(order, ends[:-1])


def units_of_levels(design: Design, unit: GroupBlock) -> Iterator[Unit]:
    """Yield a unit for every level of a grouping factor: its rows, and what is new without them."""
    owned = {block.factor: _owned(block, unit) for block in design.blocks}
    for rows in sorted_rows(unit.codes, unit.n_levels):
        new = {
            block.factor: owned[block.factor][block.codes[rows]]
            for block in design.blocks
            if owned[block.factor][block.codes[rows]].any()
        }
        yield Unit(rows, new)


def _owned(block: GroupBlock, unit: GroupBlock) -> Mask:
    """Return which levels of a block have rows in one level of the unit only: shape (J,)."""
    lowest = np.full(block.n_levels, unit.n_levels)
    highest = np.full(block.n_levels, -1)
    np.minimum.at(lowest, block.codes, unit.codes)
    np.maximum.at(highest, block.codes, unit.codes)
    return np.asarray(lowest == highest)


def unit_without_training(design: Design, rows: Index, training: Mask) -> Unit:
    """Return the unit of some held-out rows: new are the levels that no training row has."""
    new = {}
    for block in design.blocks:
        seen = np.zeros(block.n_levels, dtype=bool)
        seen[block.codes[training]] = True
        if not seen[block.codes[rows]].all():
            new[block.factor] = ~seen[block.codes[rows]]
    return Unit(rows, new)


def batches(units: Iterable[Unit], most: int) -> Iterator[list[Unit]]:
    """Yield units one after the other, alike ones together: of as many rows, new to the same.

    Parameters
    ----------
    units : iterable of Unit
    most : int
        Rows in a batch, unless a single unit has more.
    """
    batch: list[Unit] = []
    for unit in units:
        full = (len(batch) + 1) * len(unit.rows) > most
        if batch and (full or not _alike(batch[0], unit)):
            yield batch
            batch = []
        batch.append(unit)
    if batch:
        yield batch


def _alike(a: Unit, b: Unit) -> bool:
    return len(a.rows) == len(b.rows) and a.new.keys() == b.new.keys()
