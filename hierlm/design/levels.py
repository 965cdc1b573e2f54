"""Levels of grouping factors and of categorical predictors.

A grouping factor is categorical whatever its dtype. Its levels are text, in the order of the
column's categories, else sorted (as numbers where all of them are numbers). A crossed factor
``a:b`` has the combinations that occur, never the full product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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

    Raises
    ------
    DataError
        If different values have the same text.
    """
    return _learn(column, numeric_text)[0]


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
    codes, values = _distinct(column)
    position = pd.Index(labels).get_indexer(pd.Index([label(value) for value in values]))
    return _renumber(codes, position)


def _distinct(column: pd.Series[Any]) -> tuple[Codes, list[Any]]:
    """Return the distinct values of a column, and for every row which it is: -1 for missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.cat.codes, dtype=np.int64), list(column.cat.categories)
    codes, values = pd.factorize(column)
    return np.asarray(codes, np.int64), list(values)


def _learn(column: pd.Series[Any], numeric_text: bool) -> tuple[tuple[str, ...], Codes]:
    """Return the levels that occur in `column`, in order, and the code of every row."""
    codes, values = _distinct(column)
    labels = [label(value) for value in values]  # once per level: there may be a million
    order = np.unique(codes[codes >= 0]).tolist()
    if not isinstance(column.dtype, pd.CategoricalDtype):
        try:
            order.sort(key=values.__getitem__)
        except TypeError:
            order.sort(key=labels.__getitem__)
        if numeric_text and all(name.isdecimal() for name in labels):
            order.sort(key=lambda i: int(labels[i]))
    found = tuple(labels[i] for i in order)
    if len(set(found)) != len(found):
        clash = next(name for name, count in Counter(found).items() if count > 1)
        raise DataError(
            f"column {column.name!r} has different values that all read {clash!r}.\n"
            "  Give them one type, as in df[column].astype(str)."
        )
    position = np.full(len(values), -1, dtype=np.int64)
    position[order] = np.arange(len(order))
    return found, _renumber(codes, position)


def _renumber(codes: Codes, position: Codes) -> Codes:
    table = np.append(position, -1)  # a missing value has code -1, the last entry
    return np.asarray(table[codes], dtype=np.int64)


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
    cells : tuple of ndarray, int64
        For each column, the combinations with the columns before it that occur, increasing: the
        position of the combination before it, times the number of the column's labels, plus the
        code of its label. Numbered anew at each column they stay below n times that number,
        where the product over all columns would overflow.
    """

    columns: tuple[str, ...]
    parents: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...]
    cells: tuple[Codes, ...]

    @classmethod
    def learn(cls, columns: tuple[str, ...], frame: pd.DataFrame) -> tuple[Levels, Codes]:
        """Learn the levels that occur in `frame`; return them and the code of every row."""
        learnt = [_learn(frame[name], numeric_text=True) for name in columns]
        parents = tuple(labels for labels, _ in learnt)
        codes = np.zeros(len(frame), dtype=np.int64)
        cells: list[Codes] = []
        for labels, own in learnt:
            occurring, codes = np.unique(codes * len(labels) + own, return_inverse=True)
            cells.append(occurring)
        named = [
            [labels[i] for i in code]
            for labels, code in zip(parents, _unmix(cells, parents), strict=True)
        ]
        joined = tuple(map(":".join, zip(*named, strict=True)))
        if len(set(joined)) != len(joined):
            raise DataError(
                f"two combinations of {' and '.join(columns)} have the same name, because their "
                "levels contain ':'.\n  Replace ':' in the labels of these columns."
            )
        return cls(columns, parents, joined, tuple(cells)), codes.astype(np.int64)

    def encode(self, frame: pd.DataFrame) -> Codes:
        """Return the code of every row of `frame`, -1 for a level not learnt."""
        codes = np.zeros(len(frame), dtype=np.int64)
        for name, labels, cells in zip(self.columns, self.parents, self.cells, strict=True):
            own = encode(frame[name], labels)
            found = pd.Index(cells).get_indexer(pd.Index(codes * len(labels) + own))
            codes = np.where((codes < 0) | (own < 0), -1, found).astype(np.int64)
        return codes

    def frame(self) -> pd.DataFrame:
        """Return a row for each level: categories from which the same levels would be learnt."""
        parts = zip(self.columns, self.parents, self.parent_codes(), strict=True)
        return pd.DataFrame(
            {name: pd.Categorical.from_codes(x, pd.Index(labels)) for name, labels, x in parts}
        )

    def parent_codes(self) -> tuple[Codes, ...]:
        """Return, for each column, the code of each level's parent: arrays of shape (J,)."""
        return _unmix(self.cells, self.parents)


def lies_in(inner: Codes, outer: Codes) -> bool:
    """Return whether rows with the same code `inner` always have the same code `outer`.

    Examples
    --------
    >>> lies_in(np.array([0, 1, 1, 2]), np.array([0, 0, 0, 1]))
    True
    >>> lies_in(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 2]))
    False
    """
    found = np.zeros(inner.max(initial=-1) + 1, np.int64)
    found[inner] = outer
    return bool(np.array_equal(found[inner], outer))


def _unmix(cells: Sequence[Codes], parents: tuple[tuple[str, ...], ...]) -> tuple[Codes, ...]:
    """Return the code of each column, for every combination of them all."""
    before, found = np.arange(len(cells[-1])), []
    for occurring, labels in zip(reversed(cells), reversed(parents), strict=True):
        before, code = np.divmod(occurring[before], len(labels))
        found.append(code)
    return tuple(reversed(found))
