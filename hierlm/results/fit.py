"""Fit: a model, its rows and its posterior."""

from __future__ import annotations

import os

from hierlm import display, storage
from hierlm.results.checking import Checking
from hierlm.results.comparison import Comparison
from hierlm.results.contrasts import Contrasts
from hierlm.results.equations import Equations
from hierlm.results.plots import Plots
from hierlm.results.prediction import Prediction
from hierlm.results.report import Reporting
from hierlm.results.tables import Tables
from hierlm.results.tabling import Tabling
from hierlm.results.updating import Updating
from hierlm.summaries import Interval


class Fit(
    Tables,
    Tabling,
    Prediction,
    Contrasts,
    Comparison,
    Checking,
    Equations,
    Plots,
    Reporting,
    Updating,
):
    """A fitted model.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The rows.
    frame : pandas.DataFrame
        The columns of the formula, complete rows only.
    idata : xarray.DataTree
        Groups posterior, sample_stats, observed_data and constant_data; every ArviZ function
        takes it.
    """

    def __repr__(self) -> str:
        return display.report(self.spec, self.idata, self.convergence, Interval())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the fit to one netCDF file: draws, rows, formula and priors.

        Parameters
        ----------
        path : path
            Written beside and moved into place, so that a failure leaves an older file whole.

        Raises
        ------
        DataError
            If the folder is not there, or the rows would not be the same when loaded.
        OSError
            If the file cannot be written.
        """
        storage.save(path, self.spec, self.frame, self.idata)
