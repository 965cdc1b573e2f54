"""What every method of a fit works on: the specification, the rows and the draws."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from hierlm.convergence import Verdict, diagnose
from hierlm.design import Design
from hierlm.rows import WithRows
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts


class Posterior(WithRows):
    """A model, its rows and its posterior; `Fit` has the parameters."""

    def __init__(
        self,
        spec: ModelSpec,
        design: Design | CrossProducts,
        frame: pd.DataFrame | None,
        idata: xr.DataTree,
    ) -> None:
        super().__init__(spec, design, frame)
        self.idata = idata

    @property
    def engine(self) -> str:
        """Name of the engine that sampled."""
        return str(self.idata.attrs["engine"])

    @functools.cached_property
    def convergence(self) -> Verdict:
        """Divergences, R-hat and effective sample sizes, or Pareto's k of an approximation.

        Printed, it says whether to trust the draws.
        """
        return diagnose(self.idata)
