"""Encoding: how a table becomes numbers, learnt once and replayed on any other table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from formulae.environment import Environment

from hierlm import names
from hierlm.covariance import Covariance
from hierlm.design.columns import Columns, Terms, environment
from hierlm.design.design import Array, Codes, Design, GroupBlock
from hierlm.design.frames import (
    Dropped,
    Predictor,
    complete_rows,
    learn_predictor,
    refuse_missing,
    weighty_rows,
)
from hierlm.design.joining import join
from hierlm.design.levels import Levels, lies_in
from hierlm.design.precheck import check_before
from hierlm.design.values import RowValues, learn_row_values, learn_weights
from hierlm.errors import FormulaError
from hierlm.formula import Formula, GroupTerm, Node
from hierlm.formula import names as column_names
from hierlm.sources import read_columns


@dataclass(frozen=True)
class GroupEncoding:
    """How one grouping factor becomes a `GroupBlock`.

    Parameters
    ----------
    factor : str
    levels : Levels
    bars : tuple of (Columns, bool)
        The left side of each bar on this factor, and whether its coefficients correlate.
    """

    factor: str
    levels: Levels
    bars: tuple[tuple[Columns, bool], ...]

    @property
    def coefs(self) -> tuple[str, ...]:
        """The coefficients that vary, over all bars."""
        return tuple(name for columns, _ in self.bars for name in columns.names)

    @property
    def covariance(self) -> Covariance:
        """Correlated within a bar (unless it is ``||``), never between bars."""
        covariance = Covariance(())
        for columns, correlated in self.bars:
            make = Covariance.unstructured if correlated else Covariance.diagonal
            covariance = covariance.then(make(len(columns.names)))
        return covariance

    def block(self, frame: pd.DataFrame, predictors: pd.DataFrame) -> GroupBlock:
        """Return the block of the rows of `frame`."""
        codes, Z = self.levels.encode(frame), self.columns(predictors)
        return GroupBlock(self.factor, self.levels.labels, self.coefs, self.covariance, codes, Z)

    def columns(self, predictors: pd.DataFrame) -> Array:
        """Return what the coefficients multiply, an array of shape (n, q)."""
        return np.hstack([columns.apply(predictors) for columns, _ in self.bars])

    def extended(
        self, block: GroupBlock, frame: pd.DataFrame, predictors: pd.DataFrame
    ) -> tuple[GroupEncoding, GroupBlock]:
        """Return this factor with the levels of `frame`: the rows of `block` and further ones."""
        levels, codes = Levels.learn(self.levels.columns, frame)
        Z = np.vstack([block.Z, self.columns(predictors)])
        grown = replace(block, levels=levels.labels, codes=codes, Z=Z)
        return replace(self, levels=levels), grown


@dataclass(frozen=True)
class Encoding:
    """What was learnt from the rows: levels, contrasts, the state of transforms; never the rows.

    Parameters
    ----------
    formula : Formula
    predictors : tuple of Predictor
        The columns that are not only grouping factors, with the levels of categorical ones.
    common : Columns
        The common effects.
    groups : tuple of GroupEncoding
        One per grouping factor.
    values : RowValues
        Response, trials, weights, known sds and offsets.
    nested : frozenset of (int, int)
        Positions (inner, outer) of grouping factors: each level of one lies in one of the other.
    """

    formula: Formula
    predictors: tuple[Predictor, ...]
    common: Columns
    groups: tuple[GroupEncoding, ...]
    values: RowValues
    nested: frozenset[tuple[int, int]]

    @classmethod
    def learn(
        cls,
        formula: Formula,
        data: Any,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> tuple[Encoding, Design, pd.DataFrame, Dropped]:
        """Learn an encoding from a table.

        Parameters
        ----------
        formula : Formula
        data : data frame, dict of columns, or path
        functions : dict of str to callable, optional
            Further functions that the formula may call.

        Returns
        -------
        Encoding
        Design
            The rows of `data` as numbers, in order, without those that have missing values or
            weight zero.
        pandas.DataFrame
            The same rows as they were, the columns of the formula only.
        Dropped
            How many rows were left out, and because of which columns.

        Raises
        ------
        DataError, FormulaError
        """
        env = environment(functions or {})
        frame, dropped = complete_rows(read_columns(data, formula.columns), formula)
        check_before(formula, frame)
        predictors = learn_predictors(formula, frame)
        weights = learn_weights(formula, code(frame, predictors), env)
        if weights is not None:
            frame, dropped = weighty_rows(frame, weights, dropped)
            weights = weights[weights > 0]
            predictors = learn_predictors(formula, frame)  # levels may be gone
        coded = code(frame, predictors)
        text = formula.text
        common, X = Columns.learn(Terms.of(formula.common, text), coded, env, text, weights)
        groups, blocks = [], []
        for factor, bars in bars_of(formula).items():
            group, block = _learn_group(factor, bars, frame, coded, env, text, weights)
            groups.append(group)
            blocks.append(block)
        values = learn_row_values(formula, coded, env)
        encoding = cls(formula, predictors, common, tuple(groups), values, _nesting(blocks))
        design = Design(X, common.names, tuple(blocks), **values.apply(coded))
        return encoding, design, frame, dropped

    def apply(self, data: Any, *, response: bool = False) -> Design:
        """Replay the encoding on other rows: new data, or the next chunk.

        Parameters
        ----------
        data : data frame, dict of columns, or path
        response : bool
            Whether the response (with its weights and known sds) is wanted and must be there.

        Returns
        -------
        Design
            With code -1 where a row has a level of a grouping factor that was not learnt.

        Raises
        ------
        DataError
            If a column is missing or has missing values, or a categorical predictor has a level
            that was not learnt.
        """
        values = self.values if response else self.values.without_response()
        needed = _columns_of(self, values)
        frame = read_columns(data, needed)
        refuse_missing(frame)
        coded = code(frame, tuple(p for p in self.predictors if p.name in needed))
        blocks = tuple(group.block(frame, coded) for group in self.groups)
        return Design(self.common.apply(coded), self.common.names, blocks, **values.apply(coded))

    def extend(
        self, design: Design, frame: pd.DataFrame, data: Any
    ) -> tuple[Encoding, Design, pd.DataFrame, Dropped]:
        """Add rows: grouping factors gain the levels that are new, all else is as it was learnt.

        Parameters
        ----------
        design, frame
            The rows that are there.
        data : data frame, dict of columns, or path
            Further rows; those with missing values or weight zero are left out.

        Returns
        -------
        Encoding, Design, pandas.DataFrame, Dropped
            As for `learn`: of all rows, but for the last, which counts among those of `data`.

        Raises
        ------
        DataError
            As for `apply`.
        """
        rows, dropped = self._complete(data)
        coded = code(rows, self.predictors)
        numeric = [p.name for p in self.predictors if p.levels is None]
        frame = join(frame, rows, numeric)
        pairs = [
            group.extended(block, frame, coded)
            for group, block in zip(self.groups, design.blocks, strict=True)
        ]
        nested = _nesting([block for _, block in pairs])
        encoding = replace(self, groups=tuple(group for group, _ in pairs), nested=nested)
        values = {
            name: None if new is None else np.concatenate([getattr(design, name), new])
            for name, new in self.values.apply(coded).items()
        }
        X = np.vstack([design.X, self.common.apply(coded)])
        grown = Design(X, design.coefs, tuple(block for _, block in pairs), **values)
        return encoding, grown, frame, dropped

    def extend_levels(self, data: Any) -> tuple[Encoding, Design, list[Codes], Dropped]:
        """Add rows to others that were not kept: as `extend`, but that new levels come last.

        Returns
        -------
        Encoding
        Design
            Of the rows of `data`.
        list of ndarray of shape (J,), int64
            For each grouping factor, where its levels are now.
        Dropped
        """
        rows, dropped = self._complete(data)
        groups, places = [], []
        for group in self.groups:
            known = group.levels.frame()
            both = join(known, rows[list(known.columns)], ())
            levels, codes = Levels.learn(group.levels.columns, both)
            groups.append(replace(group, levels=levels))
            places.append(codes[: len(known)])
        encoding = replace(self, groups=tuple(groups))
        return encoding, encoding.apply(rows, response=True), places, dropped

    def _complete(self, data: Any) -> tuple[pd.DataFrame, Dropped]:
        rows, dropped = complete_rows(read_columns(data, self.formula.columns), self.formula)
        if self.values.weights is None:
            return rows, dropped
        return weighty_rows(rows, self.values.weights_of(code(rows, self.predictors)), dropped)


def _columns_of(encoding: Encoding, values: RowValues) -> list[str]:
    """Return the columns that new rows must have, in the order of the formula."""
    parts = [encoding.formula.common, *(term.left for term in encoding.formula.groups)]
    needed = {name for part in parts for name in column_names(part)} | set(values.columns)
    needed |= {name for term in encoding.formula.groups for name in term.factor}
    return [name for name in encoding.formula.columns if name in needed]


def bars_of(formula: Formula) -> dict[str, list[GroupTerm]]:
    """Return the bars by grouping factor, in order."""
    bars: dict[str, list[GroupTerm]] = {}
    for term in formula.groups:
        same = bars.setdefault(names.factor_name(term.factor), [])
        if same and same[0].factor != term.factor:
            raise FormulaError(
                f"the grouping factors {same[0].name!r} and {term.name!r} would both be called "
                f"{names.factor_name(term.factor)!r}.",
                formula.text,
                *term.span,
                "Rename one of the columns: '/' and spaces at the ends do not count.",
            )
        same.append(term)
    return bars


def _learn_group(
    factor: str,
    bars: list[GroupTerm],
    frame: pd.DataFrame,
    coded: pd.DataFrame,
    env: Environment,
    text: str,
    weights: Array | None,
) -> tuple[GroupEncoding, GroupBlock]:
    levels, codes = Levels.learn(bars[0].factor, frame)
    learnt, matrices = [], []
    for bar in bars:
        columns, Z = Columns.learn(Terms.of(bar.left, text), coded, env, text, weights)
        learnt.append((columns, bar.correlated))
        matrices.append(Z)
    group = GroupEncoding(factor, levels, tuple(learnt))
    repeated = sorted({name for name in group.coefs if group.coefs.count(name) > 1})
    if repeated:
        raise FormulaError(
            f"{repeated[0]!r} varies by {factor!r} in two bars; its two sds cannot be told apart.",
            text,
            *bars[-1].left.span,
            f"Write one bar, as in (1 + x | {factor}); or begin the second with 0, as in (1 | "
            f"{factor}) + (0 + x | {factor}), for uncorrelated effects.",
        )
    Z = np.hstack(matrices)
    return group, GroupBlock(factor, levels.labels, group.coefs, group.covariance, codes, Z)


def _nesting(blocks: list[GroupBlock]) -> frozenset[tuple[int, int]]:
    return frozenset(
        (i, j)
        for (i, inner), (j, outer) in itertools.permutations(enumerate(blocks), 2)
        if inner.n_levels >= outer.n_levels and lies_in(inner.codes, outer.codes)
    )


def learn_predictors(
    formula: Formula, frame: pd.DataFrame, only: tuple[str, ...] | None = None
) -> tuple[Predictor, ...]:
    """Decide what the columns are that are not only grouping factors, or what some of them are."""
    grouping = {name for term in formula.groups for name in term.factor}
    response = formula.response
    parts: list[Node | None] = [formula.common, *formula.offsets]
    parts += [term.left for term in formula.groups]
    parts += [response.expression, response.trials, response.weights, response.se]
    used = {name for part in parts if part is not None for name in column_names(part)}
    wanted = [name for name in formula.columns if name in used or name not in grouping]
    wanted = wanted if only is None else [name for name in wanted if name in only]
    return tuple(learn_predictor(frame[name], formula) for name in wanted)


def code(frame: pd.DataFrame, predictors: tuple[Predictor, ...]) -> pd.DataFrame:
    """Return the predictors as formulae wants them: see `Predictor.code`."""
    coded = {p.name: p.code(frame[p.name]) for p in predictors}
    return pd.DataFrame(coded, index=frame.index, copy=False)
