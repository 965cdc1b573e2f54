"""Averages and contrasts of predictions. Each method delegates to `hierlm.contrasts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hierlm.contrasts import marginal
from hierlm.contrasts.marginal import Comparison, Named, Question
from hierlm.contrasts.rows import By, Rows, Scale
from hierlm.contrasts.variables import Contrast, datagrid
from hierlm.prediction import Groups, NewLevels
from hierlm.results.hypothesis import Hypothesis
from hierlm.results.shares import Shares
from hierlm.summaries import Interval, IntervalKind

type Answer = pd.DataFrame | xr.DataArray


class Contrasts(Hypothesis, Shares):
    """Predictions on a grid, comparisons and slopes."""

    def datagrid(self, values: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return rows that cross the values given, other predictors at typical values.

        Parameters
        ----------
        values : dict of str to value or sequence of values, optional
            By column; the first varies slowest.

        Returns
        -------
        pandas.DataFrame
            Numbers that are not given at their mean, categories at their most frequent level.
            Columns of grouping factors are there if they are given.

        Raises
        ------
        DataError
            If predictions do not depend on a column, or it is given no value.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> fit.datagrid({"Subject": ["308"]})
           Days Subject
        0   4.5     308
        """
        return datagrid(self.spec, self.frame, values, weights=self.design.weights)

    def predictions(
        self,
        newdata: Any = None,
        *,
        by: By = False,
        groups: Groups | None = None,
        new_levels: NewLevels = "error",
        scale: Scale = "response",
        draws: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        seed: int | np.random.Generator | None = None,
    ) -> Answer:
        """Return expected responses, row by row or averaged.

        Parameters
        ----------
        newdata : data frame of any kind, dict of columns, or path, optional
            Such as `datagrid` makes; the rows of the fit when not given.
        by : bool, str or sequence of str
            False for every row, True for the average of all, columns for averages by their
            values. A row of the fit of frequency weight k counts as k rows.
        groups : str or sequence of str, optional
            Whose group-specific effects enter, as in `epred`. When not given, those of the
            factors whose columns the rows have: all of them in the rows of the fit, none in a grid
            without them (effects at zero). ``"integrate"`` averages over new groups.
        new_levels : {"error", "sample", "population"}
            As in `epred`.
        scale : {"response", "link"}
            Where there are trials, the response is the probability of success in one.
        draws : bool
            Whether to return draws instead of a table.
        ci_prob, ci_kind
            See `summary`.
        seed : int or numpy.random.Generator, optional
            For new levels that are sampled.

        Returns
        -------
        pandas.DataFrame or xarray.DataArray
            Mean, sd and interval, after the predictors of each row or indexed by the values of
            `by`. With ``draws=True`` an array of dims chain, draw and estimate, whose coordinates
            are the columns of that index.

        Raises
        ------
        DataError
            If a column is missing, or a level is new and may not be.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> fit.predictions(fit.datagrid({"Days": [0, 9]}))[["Days", "mean"]].round(-1)
             Days   mean
        row...
        0       0  250.0
        1      10  350.0
        """
        rows = self._rows(newdata, groups, new_levels, scale, seed)
        return _answer(rows, marginal.predict(rows), by, draws, Interval(ci_prob, ci_kind))

    def comparisons(
        self,
        variables: Named | Mapping[str, Contrast | None] = None,
        newdata: Any = None,
        *,
        comparison: Comparison = "difference",
        by: By | None = None,
        groups: Groups | None = None,
        new_levels: NewLevels = "error",
        scale: Scale = "response",
        draws: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        seed: int | np.random.Generator | None = None,
    ) -> Answer:
        """Return how the expected response changes with a predictor, all else as it is.

        Parameters
        ----------
        variables : str, sequence of str, or dict of str to contrast, optional
            Which predictors; all when not given. A number goes up by one, or by the step given,
            by ``"sd"``, over ``"iqr"`` or ``"minmax"``; a category is compared with its base
            level (``"reference"``), with the level before (``"sequential"``), or every pair
            (``"pairwise"``); a pair of values means from the first to the second.
        newdata
            As in `predictions`.
        comparison : {"difference", "ratio", "lnratio", "lnor"}
            ``"lnor"`` is the log odds ratio. With averages, that of the averages.
        by : bool, str or sequence of str, optional
            As in `predictions`. When not given, the average for the rows of the fit, and every
            row of `newdata`.
        groups, new_levels, scale, draws, ci_prob, ci_kind, seed
            As in `predictions`.

        Returns
        -------
        pandas.DataFrame or xarray.DataArray
            As in `predictions`; the index begins with ``term`` and ``contrast``.

        Raises
        ------
        DataError
            As in `predictions`; or if a variable does not have the contrast, or the predictions
            no such comparison.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("Machines")
        >>> fit = hl.fit("score ~ Machine + (1 | Worker)", data, seed=1, progress=False)
        >>> fit.comparisons({"Machine": "sequential"})["mean"].round().to_dict()
        {('Machine', 'B - A'): 8.0, ('Machine', 'C - B'): 6.0}
        """
        rows = self._rows(newdata, groups, new_levels, scale, seed)
        asked = marginal.compare(rows, self.frame, variables, comparison)
        by = newdata is None if by is None else by
        return _answer(rows, asked, by, draws, Interval(ci_prob, ci_kind))

    def slopes(
        self,
        variables: Named = None,
        newdata: Any = None,
        *,
        by: By | None = None,
        groups: Groups | None = None,
        new_levels: NewLevels = "error",
        scale: Scale = "response",
        draws: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        seed: int | np.random.Generator | None = None,
    ) -> Answer:
        """Return how fast the expected response changes with a number, all else as it is.

        Parameters
        ----------
        variables : str or sequence of str, optional
            Which predictors; all that are numbers when not given.
        newdata, by, groups, new_levels, scale, draws, ci_prob, ci_kind, seed
            As in `comparisons`.

        Returns
        -------
        pandas.DataFrame or xarray.DataArray
            As in `comparisons`; the contrast is ``dY/dX``. The derivative is exact for
            polynomials up to degree four; see `hierlm.contrasts.marginal`.

        Raises
        ------
        DataError
            As in `predictions`; or if a variable is a category.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> formula = "Reaction ~ Days + I(Days**2) + (1 | Subject)"
        >>> fit = hl.fit(formula, data, seed=1, progress=False)
        >>> fit.slopes("Days", fit.datagrid({"Days": [1, 8]}))["mean"].round().tolist()
        [8.0, 13.0]
        """
        rows = self._rows(newdata, groups, new_levels, scale, seed)
        asked = marginal.differentiate(rows, self.frame, variables)
        by = newdata is None if by is None else by
        return _answer(rows, asked, by, draws, Interval(ci_prob, ci_kind))

    def _rows(
        self,
        newdata: Any,
        groups: Groups | None,
        new_levels: NewLevels,
        scale: Scale,
        seed: int | np.random.Generator | None,
    ) -> Rows:
        return Rows.of(
            self.spec,
            self.idata,
            (self.design, self.frame) if newdata is None else None,
            newdata,
            groups=groups,
            new_levels=new_levels,
            scale=scale,
            seed=seed,
        )


def _answer(rows: Rows, asked: list[Question], by: By, draws: bool, interval: Interval) -> Answer:
    if draws:
        return marginal.draws(rows, asked, by)
    return marginal.table(rows, asked, by, interval)
