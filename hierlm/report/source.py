"""What a report is made from."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pandas as pd
import xarray as xr

from hierlm.checking import Report, check_fit, check_model, prior_sensitivity
from hierlm.convergence import Verdict
from hierlm.design import Design
from hierlm.errors import HierlmError
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval

_ENOUGH = 100  # effective draws from which weights can be taken


@dataclass(frozen=True, eq=False)
class Source:
    """A fit, and what its report is to say of it; the checks run once.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    frame : pandas.DataFrame
    idata : xarray.DataTree
    convergence : Verdict
    interval : Interval
    seed : int
        Of what is drawn for the checks: the same fit gives the same report.
    """

    spec: ModelSpec
    design: Design
    frame: pd.DataFrame
    idata: xr.DataTree
    convergence: Verdict
    interval: Interval
    seed: int

    @functools.cached_property
    def before(self) -> Report:
        """The check of the design."""
        return check_model(self.spec, self.design, self.frame)

    @functools.cached_property
    def after(self) -> Report:
        """The check of the fit."""
        return check_fit(self.spec, self.design, self.idata, self.convergence, seed=self.seed)

    @functools.cached_property
    def sensitivity(self) -> pd.DataFrame | str:
        """How much each parameter depends on the priors, or why that is not known."""
        if not self.convergence.effective >= _ENOUGH:
            return "How much the priors matter is not known: there are too few effective draws."
        try:
            return prior_sensitivity(self.spec, self.design, self.idata)
        except HierlmError as error:
            return str(error)

    @property
    def rows(self) -> tuple[ModelSpec, Design, pd.DataFrame, xr.DataTree]:
        """What a plot of rows begins with."""
        return self.spec, self.design, self.frame, self.idata

    @property
    def draws(self) -> tuple[ModelSpec, xr.DataTree, pd.DataFrame]:
        """What a plot of draws begins with."""
        return self.spec, self.idata, self.frame

    @property
    def bounds(self) -> tuple[str, str]:
        """What the ends of the interval are called in a table."""
        prob = self.interval.prob
        if self.interval.kind == "hdi":
            return f"{100 * prob:g}% from", "to"
        tail = 100 * (1 - prob) / 2
        return f"{tail:g}%", f"{100 - tail:g}%"

    @property
    def interval_in_words(self) -> str:
        """What the interval is."""
        percent = f"{100 * self.interval.prob:g}%"
        kind = "equal tails" if self.interval.kind == "eti" else "highest density"
        return f"{percent} credible intervals ({kind})"
