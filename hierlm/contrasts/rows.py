"""Rows that a question is asked of: predictions for them, block by block, and averages by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from hierlm.design import Design
from hierlm.errors import DataError, did_you_mean
from hierlm.prediction import Groups, NewLevels, read_rows, root_seed, select
from hierlm.prediction.predictor import Predictor
from hierlm.sources import read_columns
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Scale = Literal["response", "link"]
type By = bool | str | Sequence[str]

_CELLS = 250_000  # rows times draws that are computed at a time: 2 MB stay in the cache
_SCALES = ("response", "link")


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows, and how their predictions are made.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    frame : pandas.DataFrame
        The rows as they were given, columns of any kind.
    weights : ndarray of shape (n,) or None
        What rows count in averages.
    groups : str or tuple of str
        Whose group-specific effects enter.
    new_levels : str
    scale : {"response", "link"}
        Of one trial, where there are trials.
    seed : int
        The same for every version of the rows, so that new levels have the same effects.
    """

    spec: ModelSpec
    idata: xr.DataTree
    frame: pd.DataFrame
    weights: Array | None
    groups: Groups
    new_levels: NewLevels
    scale: Scale
    seed: int

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        idata: xr.DataTree,
        fitted: tuple[Design, pd.DataFrame] | None,
        newdata: Any,
        *,
        groups: Groups | None,
        new_levels: NewLevels,
        scale: Scale,
        seed: int | np.random.Generator | None,
    ) -> Rows:
        """Take the rows of the fit, or read new ones where those are not given.

        Raises
        ------
        DataError
        """
        if scale not in _SCALES:
            raise DataError(
                f"scale is 'response' or 'link'; came {scale!r}.{did_you_mean(scale, _SCALES)}"
            )
        if fitted is None:
            frame, weights = read_columns(newdata), None
        else:
            frame, weights = fitted[1], fitted[0].weights
        if groups is None:
            given = tuple(g.factor for g in spec.groups if set(g.levels.columns) <= set(frame))
            groups = given or "none"
        select(spec, groups)  # an unknown name is an error, whatever happens next
        return cls(spec, idata, frame, weights, groups, new_levels, scale, root_seed(seed))

    def column(self, name: str) -> pd.Series[Any]:
        """Return a column that must be there."""
        if name not in self.frame:
            raise DataError(
                f"the rows have no column {name!r}.{did_you_mean(name, map(str, self.frame))}\n"
                f"  They have: {', '.join(map(str, self.frame))}."
            )
        return self.frame[name]

    def predictor(self, **changed: Any) -> Predictions:
        """Return the predictions of the rows, some columns changed."""
        frame = self.frame.assign(**changed)
        design = read_rows(self.spec, frame, self.groups, values=())
        predictor = Predictor.of(
            self.spec, self.idata, design, self.groups, self.new_levels, self.seed
        )
        return Predictions(predictor, design, self.scale)

    def blocks(self) -> Iterator[slice]:
        """Return the blocks of rows that are computed at a time."""
        posterior = self.idata["posterior"]
        step = max(1, _CELLS // (posterior.sizes["chain"] * posterior.sizes["draw"]))
        return (slice(a, a + step) for a in range(0, len(self.frame), step))

    def averages(self, by: By) -> Averages:
        """Return how rows are averaged."""
        n = len(self.frame)
        weights = np.ones(n) if self.weights is None else self.weights
        if by is True:
            return Averages(pd.RangeIndex(1), np.zeros(n, np.int64), weights)
        columns = [by] if isinstance(by, str) else list(by) if isinstance(by, Sequence) else []
        if not columns or not all(isinstance(name, str) for name in columns):
            raise DataError(f"by is True, False, or names of columns; came {by!r}.")
        keys = pd.DataFrame({name: self._ordered(name) for name in columns})
        grouped = keys.groupby(columns, observed=True, sort=True, dropna=False)
        first = keys.drop_duplicates().sort_values(columns)
        named = {name: list(first[name]) for name in columns}
        index: pd.Index = pd.MultiIndex.from_arrays(list(named.values()), names=columns)
        if len(columns) == 1:
            index = pd.Index(named[columns[0]], name=columns[0])
        return Averages(index, np.asarray(grouped.ngroup(), np.int64), weights)

    def _ordered(self, name: str) -> pd.Series[Any]:
        """Return a column whose categories are in the order of the model, base level first."""
        column = self.column(name)
        levels = {p.name: p.levels for p in self.spec.encoding.predictors if p.levels}
        for group in self.spec.groups:
            for key, labels in zip(group.levels.columns, group.levels.parents, strict=True):
                levels.setdefault(key, labels)
        if name not in levels or pd.api.types.is_numeric_dtype(column):
            return column
        text = column.astype(str)
        known = [label for label in levels[name] if label in set(text)]
        further = sorted(set(text) - set(known))
        return pd.Series(pd.Categorical(text, [*known, *further], ordered=True), column.index)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of rows as numbers: arrays of shape (rows, draws) for a block of them."""

    predictor: Predictor
    design: Design
    scale: Scale

    def block(self, rows: slice) -> Array:
        """Return the predictions of some rows."""
        part = self.design.take(rows)
        if self.scale == "link":
            return self.predictor.linear(part)
        return self.predictor.expected(part)


@dataclass(frozen=True, eq=False)
class Averages:
    """Groups of rows.

    Parameters
    ----------
    index : pandas.Index
        The groups.
    codes : ndarray of shape (n,), int64
        The group of every row.
    weights : ndarray of shape (n,)
    """

    index: pd.Index
    codes: NDArray[np.int64]
    weights: Array

    def of(self, rows: Rows, parts: Sequence[Predictions]) -> list[Array]:
        """Return weighted means by group, of each of `parts`, arrays of shape (groups, draws)."""
        G = len(self.index)
        sums = [np.zeros((G, part.predictor.size)) for part in parts]
        for block in rows.blocks():
            present, group = np.unique(self.codes[block], return_inverse=True)
            entries = self.weights[block], (group, np.arange(len(group)))
            member = sparse.csr_array(entries, shape=(len(present), len(group)))
            for total, part in zip(sums, parts, strict=True):
                total[present] += member @ part.block(block)
        counts = np.bincount(self.codes, weights=self.weights, minlength=G)
        return [total / counts[:, None] for total in sums]
