"""Levels of grouping factors and of categorical predictors.

A grouping factor is categorical whatever its dtype. Its levels are text, in the order of the
column's categories, else sorted (as numbers where all of them are numbers). A crossed factor
``a:b`` has the combinations that occur, never the full product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm.errors import DataError

Codes = NDArray[np.int64]


def label(value: Any) -> str:
    """Return a level as text: ``308`` for 308 and for 308.0.

    Examples
    --------
    >>> label(308.0), label("a"), label(True), label(0.5)
    ('308', 'a', 'True', '0.5')
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, np.generic):
        value = value.item()
    return str(value)


def learn_labels(column: pd.Series[Any], *, numeric_text: bool) -> tuple[str, ...]:
    """Return the levels that occur in `column`, in order.

    Parameters
    ----------
    column : pandas.Series of n rows
    numeric_text : bool
        Whether text that is all whole numbers sorts as numbers ("2" before "10"). R sorts text as
        text, and the first level of a predictor is its base: only grouping factors do this.

    Returns
    -------
    tuple of str
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.codes.to_numpy()
        occurring = np.unique(used[used >= 0])
        values = [column.cat.categories[i] for i in occurring]
    else:
        uniques = pd.unique(column.dropna())
        try:
            values = sorted(uniques)
        except TypeError:
            values = sorted(uniques, key=str)
    labels = [label(value) for value in values]
    if len(set(labels)) != len(labels):
        clash = next(name for name in labels if labels.count(name) > 1)
        raise DataError(
            f"column {column.name!r} has different values that all read {clash!r}.\n"
            "  Give them one type, as in df[column].astype(str)."
        )
    is_text = not isinstance(column.dtype, pd.CategoricalDtype)
    if numeric_text and is_text and all(name.isdecimal() for name in labels):
        labels.sort(key=int)
    return tuple(labels)


def encode(column: pd.Series[Any], labels: tuple[str, ...]) -> Codes:
    """Return the position of every value among `labels`, -1 where it is not one of them.

    Parameters
    ----------
    column : pandas.Series of n rows
    labels : tuple of str

    Returns
    -------
    ndarray of shape (n,), int64
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        uniques: Any = column.cat.categories
        codes = column.cat.codes.to_numpy()
    else:
        codes, uniques = pd.factorize(column)
    position = pd.Index(labels).get_indexer(pd.Index([label(value) for value in uniques]))
    table = np.append(position, -1)  # a missing value has code -1, the last entry
    return table[codes].astype(np.int64)


@dataclass(frozen=True)
class Levels:
    """The levels of a grouping factor, learnt once.

    Parameters
    ----------
    columns : tuple of str
        The crossed columns; one for a plain factor.
    parents : tuple of tuple of str
        The labels of each column.
    labels : tuple of str
        The levels: the labels, or the combinations that occur joined with ``:``.
    cells : ndarray of shape (J,), int64
        The mixed-radix code of each combination, increasing.
    """

    columns: tuple[str, ...]
    parents: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...]
    cells: Codes

    @classmethod
    def learn(cls, columns: tuple[str, ...], frame: pd.DataFrame) -> tuple[Levels, Codes]:
        """Learn the levels that occur in `frame`; return them and the code of every row."""
        parents = tuple(learn_labels(frame[name], numeric_text=True) for name in columns)
        cells, codes = np.unique(_mix(columns, parents, frame), return_inverse=True)
        labels = tuple(":".join(parts) for parts in _unmix(cells, parents))
        if len(set(labels)) != len(labels):
            raise DataError(
                f"two combinations of {' and '.join(columns)} have the same name, because their "
                "levels contain ':'.\n  Replace ':' in the labels of these columns."
            )
        return cls(columns, parents, labels, cells), codes.astype(np.int64)

    def encode(self, frame: pd.DataFrame) -> Codes:
        """Return the code of every row of `frame`, -1 for a level not learnt."""
        mixed = _mix(self.columns, self.parents, frame)
        return np.asarray(pd.Index(self.cells).get_indexer(pd.Index(mixed)), dtype=np.int64)

    def parent_codes(self) -> tuple[Codes, ...]:
        """Return, for each column, the code of each level's parent: arrays of shape (J,)."""
        sizes = [len(labels) for labels in self.parents]
        return tuple(np.asarray(c, np.int64) for c in np.unravel_index(self.cells, sizes))


def _mix(
    columns: tuple[str, ...], parents: tuple[tuple[str, ...], ...], frame: pd.DataFrame
) -> Codes:
    mixed = np.zeros(len(frame), dtype=np.int64)
    unknown = np.zeros(len(frame), dtype=bool)
    for name, labels in zip(columns, parents, strict=True):
        codes = encode(frame[name], labels)
        unknown |= codes < 0
        mixed = mixed * len(labels) + codes
    mixed[unknown] = -1
    return mixed


def _unmix(cells: Codes, parents: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    sizes = [len(labels) for labels in parents]
    codes = np.unravel_index(cells, sizes)
    named = [[labels[i] for i in code] for labels, code in zip(parents, codes, strict=True)]
    return list(zip(*named, strict=True))
