"""Conditioned: what is known of new groups after a few rows of theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import xarray as xr

from hierlm import names
from hierlm.design import Design
from hierlm.prediction.newlevels import NewLevels
from hierlm.prediction.predictive import Request, answer
from hierlm.prediction.predictor import Seed
from hierlm.prediction.selection import Groups
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, IntervalKind, tabulate


@dataclass(frozen=True, eq=False, repr=False)
class Conditioned:
    """The posterior of a fit given further rows, of new levels; `Fit.condition` makes it.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
        The posterior given old and new rows, as one chain of draws: every variable of the fit,
        with the new levels' effects after those of the known ones.
    levels : dict of str to tuple of str
        The new levels of each grouping factor that has some.
    pareto_k : float
        How far the new rows move the posterior of the other parameters: above 0.7 reweighted
        draws cannot follow, and the model should be fitted again.
    ess : float
        Of the fit's draws, how many the weights leave in effect.
    """

    spec: ModelSpec
    idata: xr.DataTree
    levels: dict[str, tuple[str, ...]]
    pareto_k: float
    ess: float
    _fitted: Callable[[], Design] = field(repr=False)

    def __repr__(self) -> str:
        found = [f"{factor}: {', '.join(labels)}" for factor, labels in self.levels.items()]
        draws = self.idata["posterior"].sizes["draw"]
        weights = f"Pareto k {self.pareto_k:.2f}, {self.ess:,.0f} of {draws:,} draws in effect"
        return "\n".join(["conditioned on rows of new levels", *found, weights])

    @property
    def effects(self) -> xr.Dataset:
        """The draws of the new levels' effects: dims chain, draw, the factor and its ``_coef``."""
        posterior = self.idata["posterior"].to_dataset()
        parts = {
            names.effects(factor): posterior[names.effects(factor)].sel(
                {names.levels_dim(factor): list(labels)}
            )
            for factor, labels in self.levels.items()
        }
        return xr.Dataset(parts)

    def summary(self, *, ci_prob: float = 0.89, ci_kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return mean, sd and interval of the effects, a row per factor, new level and coefficient.

        Parameters
        ----------
        ci_prob : float
            Probability inside the interval.
        ci_kind : {"eti", "hdi"}
            Equal tails, or highest density.
        """
        interval, tables = Interval(ci_prob, ci_kind), []
        for factor, labels in self.levels.items():
            coefs = self.spec.group(factor).coefs
            draws = self.effects[names.effects(factor)].to_numpy()[0]
            index = pd.MultiIndex.from_product(
                [[factor], labels, coefs], names=["group", "level", names.COEF]
            )
            tables.append(tabulate(draws.reshape(len(draws), -1).T, index, interval))
        return pd.concat(tables)

    def linpred(
        self,
        newdata: Any,
        *,
        groups: Groups = "all",
        new_levels: NewLevels = "error",
        summary: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        num_draws: int | None = None,
        seed: Seed = None,
    ) -> xr.DataTree | pd.DataFrame:
        """Return the linear predictor of further rows; see `Fit.linpred`."""
        request = Request("linpred", groups, new_levels, seed, num_draws)
        return self._answer(newdata, request, summary, ci_prob, ci_kind)

    def epred(
        self,
        newdata: Any,
        *,
        groups: Groups = "all",
        new_levels: NewLevels = "error",
        summary: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        num_draws: int | None = None,
        seed: Seed = None,
    ) -> xr.DataTree | pd.DataFrame:
        """Return the expected response of further rows; see `Fit.epred`."""
        request = Request("epred", groups, new_levels, seed, num_draws)
        return self._answer(newdata, request, summary, ci_prob, ci_kind)

    def predict(
        self,
        newdata: Any,
        *,
        groups: Groups = "all",
        new_levels: NewLevels = "error",
        back_transform: bool = False,
        summary: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        num_draws: int | None = None,
        seed: Seed = None,
    ) -> xr.DataTree | pd.DataFrame:
        """Draw responses of further rows; see `Fit.predict`."""
        request = Request("predict", groups, new_levels, seed, num_draws, back_transform)
        return self._answer(newdata, request, summary, ci_prob, ci_kind)

    def _answer(
        self,
        newdata: Any,
        request: Request,
        summary: bool,
        ci_prob: float,
        ci_kind: IntervalKind,
    ) -> xr.DataTree | pd.DataFrame:
        interval = Interval(ci_prob, ci_kind) if summary else None
        return answer(self.spec, self.idata, self._fitted, newdata, request, interval)
