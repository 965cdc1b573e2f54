r"""Rows that come in chunks: levels in one pass, moments and cross-products in a second.

What `Encoding.learn` takes from all rows at once is taken here from what adds up: levels, as the
combinations of labels that occur; and moments of columns,

.. math:: M \leftarrow M + M_b + \frac{W\, W_b}{W + W_b} (\bar x_b - \bar x)^2

with M the weighted sum of squared deviations (Chan, Golub and LeVeque 1983,
doi:10.1080/00031305.1983.10483115). Memory is that of a chunk and of the levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm.design.columns import Columns, Terms, environment
from hierlm.design.crossproducts import CrossProducts
from hierlm.design.design import Design, GroupBlock
from hierlm.design.encoding import Encoding, GroupEncoding, bars_of, code, learn_predictors
from hierlm.design.frames import Dropped, Predictor, all_missing, weighty_rows, without_missing
from hierlm.design.joining import join
from hierlm.design.levels import Levels
from hierlm.design.precheck import check_before
from hierlm.design.values import learn_row_values, learn_weights
from hierlm.errors import DataError, DataWarning, FormulaError, warn
from hierlm.formula import Call, Formula, Node, names, unparse, walk
from hierlm.formula.functions import CONTRASTS, ELEMENTWISE
from hierlm.sources import Chunks, open_chunks, read_columns

Array = NDArray[np.float64]
Pass = Callable[[], Iterator[Any]]

_FACTORS = ("C", "T", "S")
_PENDING = 100_000  # rows that wait to be merged
_EXAMPLE = 1_000  # rows from which names and contrasts are learnt


class Spread:
    """Weighted mean, sd and range of columns whose rows come in chunks."""

    def __init__(self) -> None:
        self.weight = 0.0
        self.mean = self.squares = np.zeros(())
        self.lower, self.upper = np.array(np.inf), np.array(-np.inf)

    def add(self, values: Array, weights: Array | None) -> None:
        """Add rows: `values` of shape (m, k), `weights` of shape (m,), positive."""
        w = np.ones(len(values)) if weights is None else weights
        own = float(w.sum())
        mean = w @ values / own
        step, total = mean - self.mean, self.weight + own
        self.squares = self.squares + w @ np.square(values - mean)
        self.squares = self.squares + np.square(step) * (self.weight * own / total)
        self.mean = self.mean + step * (own / total)
        self.weight = total
        self.lower = np.minimum(self.lower, values.min(axis=0))
        self.upper = np.maximum(self.upper, values.max(axis=0))

    @property
    def sd(self) -> Array:
        """Standard deviations about the mean, exactly zero for a constant."""
        return np.where(self.upper > self.lower, np.sqrt(self.squares / self.weight), 0.0)

    @property
    def rms(self) -> Array:
        """Root mean squares."""
        return np.sqrt(self.squares / self.weight + np.square(self.mean))


class _Measured:
    """Columns learnt from one chunk, whose moments are taken from all."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.own = Spread()
        self._parts: list[list[Spread]] = []

    def add(self, values: Array, coded: pd.DataFrame, weights: Array | None) -> None:
        if not self.columns.names:
            return
        self.own.add(values, weights)
        found = self.columns.parts(coded)
        self._parts = self._parts or [[Spread() for _ in parts] for parts in found]
        for spreads, parts in zip(self._parts, found, strict=True):
            for spread, part in zip(spreads, parts, strict=True):
                spread.add(part, weights)

    def result(self) -> Columns:
        if not self.columns.names:
            return self.columns
        parts = [[(spread.sd, spread.rms) for spread in term] for term in self._parts]
        return self.columns.measured(self.own.mean, self.own.rms, parts)


@dataclass(frozen=True, eq=False)
class Streamed:
    """What is known of rows that were read in chunks and are not kept.

    Parameters
    ----------
    encoding : Encoding
    products : CrossProducts
    n : int
        Number of rows.
    dropped : Dropped
    response : Spread
        Of the response less its offset.
    columns : Spread
        Of the common effects.
    bars : dict of str to list of Spread
        Of the columns of each grouping factor, bar by bar.
    triangle : ndarray of shape (r, p + 1)
        R of [X, 1] = QR.
    """

    encoding: Encoding
    products: CrossProducts
    n: int
    dropped: Dropped
    response: Spread
    columns: Spread
    bars: dict[str, list[Spread]]
    triangle: Array

    def two_rows(self) -> Design:
        """Return two rows, of half the weight of all each, with the same means and sds."""

        def around(spread: Spread, k: int) -> Array:
            if not k:
                return np.zeros((2, 0))
            mean = np.broadcast_to(spread.mean, (k,))
            return np.stack([mean - spread.sd, mean + spread.sd])

        values = self.encoding.values

        def block(group: GroupEncoding) -> GroupBlock:
            sizes = [len(columns.names) for columns, _ in group.bars]
            Z = np.hstack(list(map(around, self.bars[group.factor], sizes)))
            codes, labels = np.zeros(2, np.int64), group.levels.labels
            return GroupBlock(group.factor, labels, group.coefs, group.covariance, codes, Z)

        return Design(
            around(self.columns, len(self.encoding.common.names)),
            self.encoding.common.names,
            tuple(map(block, self.encoding.groups)),
            y=around(self.response, 1)[:, 0],
            offset=np.zeros(2) if values.offsets else None,
            weights=np.full(2, 0.5 * self.response.weight),
            se=np.ones(2) if values.se is not None else None,
        )


def stream(
    formula: Formula, chunks: Chunks, check: Callable[[Encoding, Design, Dropped], None]
) -> Streamed:
    """Read chunks twice: learn an encoding, and add up what a gaussian model needs of the rows.

    Parameters
    ----------
    formula : Formula
    chunks : callable, sequence of tables, or path
        See `hierlm.sources.chunks.open_chunks`.
    check : callable
        Called with the encoding and each chunk, to refuse it.

    Raises
    ------
    FormulaError
        If a transform learns from all rows.
    DataError
        If a chunk is no table, no row is complete, or the second pass brings other rows.
    """
    _refuse_learning(formula)
    again = open_chunks(chunks, list(formula.columns))
    occurring, dropped = _first_pass(formula, again)
    encoding = _learn(formula, occurring)
    return _second_pass(encoding, again, dropped, check)


def _refuse_learning(formula: Formula) -> None:
    allowed = {*ELEMENTWISE, *CONTRASTS, "I", *_FACTORS}
    response = formula.response
    parts: list[Node | None] = [formula.common, *formula.offsets]
    parts += [term.left for term in formula.groups]
    parts += [response.expression, response.se, response.weights, response.trials]
    for part in parts:
        for node in walk(part) if part is not None else ():
            if isinstance(node, Call) and node.function.split(".")[-1] not in allowed:
                raise FormulaError(
                    f"{node.function}() learns from all rows at once, and these come in chunks.",
                    formula.text,
                    *node.span,
                    "Compute the column in each chunk, from constants that you choose, as in "
                    "I((x - 40) / 10).",
                )


def _rows(formula: Formula, chunk: Any) -> tuple[pd.DataFrame, Dropped]:
    """Return the rows of a chunk that count; it may be that there are none."""
    if hasattr(chunk, "__len__") and hasattr(chunk, "columns") and len(chunk) == 0:
        return pd.DataFrame(), Dropped(0, 0, {})
    frame, dropped = without_missing(read_columns(chunk, formula.columns))
    if len(frame) and formula.weights is not None:
        coded = code(frame, learn_predictors(formula, frame))
        weights = learn_weights(formula, coded, environment({}))
        if weights is not None and (weights > 0).any():
            return weighty_rows(frame, weights, dropped)
        return frame[:0], replace(dropped, rows=dropped.total, weightless=len(frame))
    return frame, dropped


class _Occurring:
    """The combinations of some columns that occur, as they would be found in all rows at once."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = list(columns)
        self._pending: list[pd.DataFrame] = []

    def add(self, frame: pd.DataFrame) -> None:
        self._pending.append(frame[self.columns].drop_duplicates().reset_index(drop=True))
        if sum(map(len, self._pending[1:])) > max(_PENDING, len(self._pending[0])):
            self.frame()

    def frame(self) -> pd.DataFrame:
        merged = self._pending[0]
        for further in self._pending[1:]:
            merged = join(merged, further, ())
        merged = merged.drop_duplicates().reset_index(drop=True)
        self._pending = [merged]
        return merged


@dataclass(frozen=True, eq=False)
class _Found:
    predictors: tuple[Predictor, ...]
    levels: dict[tuple[str, ...], Levels]
    example: pd.DataFrame  # some rows


def _first_pass(formula: Formula, again: Pass) -> tuple[_Found, Dropped]:
    total = Dropped(0, 0, {})
    grouping = [term.factor for term in formula.groups]
    factors = {columns: _Occurring(columns) for columns in grouping}
    kinds: dict[str, bool] = {}
    labels: dict[str, _Occurring] = {}
    example = pd.DataFrame()
    for chunk in again():
        frame, dropped = _rows(formula, chunk)
        total = total + dropped
        if not len(frame):
            continue
        example = example if len(example) else frame[:_EXAMPLE].copy()
        for occurring in factors.values():
            occurring.add(frame)
        for predictor in learn_predictors(formula, frame):
            name, categorical = predictor.name, predictor.levels is not None
            if kinds.setdefault(name, categorical) != categorical:
                raise DataError(
                    f"column {name!r} is numbers in some chunks and categories in others.\n"
                    "  Give it one type in all of them."
                )
            if categorical:
                labels.setdefault(name, _Occurring((name,))).add(frame)
    if not kinds and not total.total:
        raise DataError("there are no rows in the chunks.\n  Is the function giving an iterator?")
    if total.rows == total.total:
        raise DataError(all_missing(total))
    if total.rows:
        warn(f"{total}.", DataWarning)
    learnt = [
        learn_predictors(formula, labels[name].frame(), (name,))[0]
        if categorical
        else Predictor(name)
        for name, categorical in kinds.items()
    ]
    levels = {
        columns: Levels.learn(columns, found.frame())[0] for columns, found in factors.items()
    }
    return _Found(tuple(learnt), levels, example), total


def _learn(formula: Formula, found: _Found) -> Encoding:
    """Learn names and contrasts: from the first rows, coded with the levels of all rows."""
    numbers = {p.name for p in found.predictors if p.levels is None}
    _refuse_number_factors(formula, numbers)
    check_before(formula, _widened(found.example, found))
    coded, env, text = code(found.example, found.predictors), environment({}), formula.text
    common, _ = Columns.learn(Terms.of(formula.common, text), coded, env, text)
    groups = []
    for factor, bars in bars_of(formula).items():
        learnt = tuple(
            (Columns.learn(Terms.of(bar.left, text), coded, env, text)[0], bar.correlated)
            for bar in bars
        )
        groups.append(GroupEncoding(factor, found.levels[bars[0].factor], learnt))
    values = learn_row_values(formula, coded, env)
    return Encoding(formula, found.predictors, common, tuple(groups), values, frozenset())


def _refuse_number_factors(formula: Formula, numbers: Iterable[str]) -> None:
    for part in (formula.common, *(term.left for term in formula.groups)):
        for node in walk(part):
            if isinstance(node, Call) and node.function in _FACTORS:
                number = next((name for name in names(node) if name in numbers), None)
                if number is not None:
                    raise FormulaError(
                        f"{unparse(node)!r} makes categories of numbers, which would be those of "
                        "one chunk.",
                        formula.text,
                        *node.span,
                        f"Make text of {number!r} in every chunk.",
                    )


def _widened(frame: pd.DataFrame, found: _Found) -> pd.DataFrame:
    """Return a small frame with every level of every predictor, each more than once."""
    most = max([1, *(len(p.levels) for p in found.predictors if p.levels is not None)])
    rows = np.arange(2 * most)
    wide = {str(name): frame[name].to_numpy()[rows % len(frame)] for name in frame.columns}
    for p in found.predictors:
        if p.levels is not None:
            wide[p.name] = np.array(p.levels, dtype=object)[rows % len(p.levels)]
    return pd.DataFrame(wide)


def _second_pass(
    encoding: Encoding,
    again: Pass,
    dropped: Dropped,
    check: Callable[[Encoding, Design, Dropped], None],
) -> Streamed:
    common = _Measured(encoding.common)
    bars = {g.factor: [_Measured(columns) for columns, _ in g.bars] for g in encoding.groups}
    response = Spread()
    triangle = np.empty((0, len(encoding.common.names) + 1))
    products: CrossProducts | None = None
    n = 0
    for chunk in again():
        frame, _ = _rows(encoding.formula, chunk)
        if not len(frame):
            continue
        design = encoding.apply(frame, response=True)
        _check_codes(design)
        check(encoding, design, dropped)
        products = CrossProducts.of(design) if products is None else products.add(design)
        coded, n = code(frame, encoding.predictors), n + design.n
        y = design.response if design.offset is None else design.response - design.offset
        response.add(y[:, None], design.weights)
        common.add(design.X, coded, design.weights)
        for block in design.blocks:
            widths = [len(bar.columns.names) for bar in bars[block.factor]]
            parts = np.split(block.Z, np.cumsum(widths)[:-1], axis=1)
            for bar, Z in zip(bars[block.factor], parts, strict=True):
                bar.add(Z, coded, design.weights)
        rows = np.column_stack([design.X, np.ones(design.n)])
        triangle = np.linalg.qr(np.vstack([triangle, rows]), mode="r")
    if products is None or n != dropped.total - dropped.rows:
        raise DataError(_CHANGED)
    groups = tuple(
        replace(
            group,
            bars=tuple(
                (bar.result(), correlated)
                for bar, (_, correlated) in zip(bars[group.factor], group.bars, strict=True)
            ),
        )
        for group in encoding.groups
    )
    learnt = replace(encoding, common=common.result(), groups=groups, nested=products.nested())
    spreads = {factor: [bar.own for bar in found] for factor, found in bars.items()}
    return Streamed(learnt, products, n, dropped, response, common.own, spreads, triangle)


_CHANGED = (
    "the second pass over the chunks brought other rows than the first.\n  The function must "
    "return the same tables every time."
)


def _check_codes(design: Design) -> None:
    """Refuse a level that the first pass did not bring: compiled code would not notice."""
    if any((block.codes < 0).any() for block in design.blocks):
        raise DataError(_CHANGED)
