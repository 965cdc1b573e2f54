"""The plots that check a fit, and those of its design. Each method delegates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from hierlm.design import Design
from hierlm.results.base import Posterior
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

    from hierlm.plots.ppc import PpcKind
    from hierlm.plots.residuals import ResidualPanel


class CheckPlots(Posterior):
    """Pictures of predictive checks, residuals, chains, priors, and of the design."""

    @property
    def _parts(self) -> tuple[ModelSpec, Design, pd.DataFrame, xr.DataTree]:
        return self.spec, self.design, self.frame, self.idata

    @property
    def _draws(self) -> tuple[ModelSpec, xr.DataTree, pd.DataFrame]:
        return self.spec, self.idata, self.frame

    def plot_ppc(
        self,
        kind: PpcKind = "auto",
        *,
        groups: Literal["all", "new"] = "all",
        samples: int = 200,
        statistic: str = "mean",
        seed: int | np.random.Generator = 0,
        backend: str | None = None,
    ) -> PlotCollection:
        """Draw replicated responses and those observed.

        Parameters
        ----------
        kind : str
            ``"dist"``, ``"ecdf"``, ``"rootogram"`` (counts), ``"calibration"`` (yes or no),
            ``"interval"``, ``"statistic"``; ``"auto"`` is what suits the response.
        groups : {"all", "new"}
            Given the effects of the levels, or with effects drawn anew.
        samples : int
            Replicated data sets.
        statistic : str
            Of ``kind="statistic"``: ``"mean"``, ``"median"``, ``"std"``, ``"min"``, ``"max"``.
        seed : int or numpy.random.Generator
        backend : {"matplotlib", "plotly", "bokeh"}, optional
            ArviZ's ``plot.backend`` when not given.

        Returns
        -------
        PlotCollection
            ``.savefig(path)`` saves it.

        Raises
        ------
        DataError
            If there is no such kind, or it does not suit the response.
        """
        from hierlm import plots  # matplotlib takes a second to import

        own: Any = {"groups": groups, "samples": samples, "statistic": statistic, "seed": seed}
        return plots.plot_ppc(*self._parts, kind, **own, backend=backend)

    def plot_residuals(
        self,
        panels: ResidualPanel | Sequence[ResidualPanel] | None = None,
        *,
        x: str | None = None,
        groups: Literal["all", "new"] = "all",
        seed: int | np.random.Generator = 0,
        backend: str | None = None,
        ax: Any = None,
    ) -> PlotCollection:
        """Draw residuals against fitted values, their spread, and quantiles against the normal.

        The residuals are normal scores of quantile residuals: standard normal if the model is
        right, whatever the family.

        Parameters
        ----------
        panels : str or sequence of str, optional
            Of ``"fitted"``, ``"scale"``, ``"qq"`` and ``"effects"``; all when not given.
        x : str, optional
            A predictor in place of the fitted values.
        groups : {"all", "new"}
            Given the effects of the levels, or with effects drawn anew.
        seed : int or numpy.random.Generator
        backend : {"matplotlib", "plotly", "bokeh"}, optional
            ArviZ's ``plot.backend`` when not given.
        ax : sequence of Axes, optional
            Of matplotlib, one per panel, in place of a new figure.

        Returns
        -------
        PlotCollection
            ``.savefig(path)`` saves it.

        Raises
        ------
        DataError
            If a panel or predictor is not there.
        """
        from hierlm import plots

        own: Any = {"x": x, "groups": groups, "seed": seed, "backend": backend, "ax": ax}
        return plots.plot_residuals(*self._parts, panels, **own)

    def plot_trace(
        self,
        var_names: str | Sequence[str] | None = None,
        *,
        kind: Literal["trace", "rank"] = "trace",
        page: int = 1,
        backend: str | None = None,
    ) -> PlotCollection:
        """Draw the density and the trace, or ranks, of each parameter, a colour per chain.

        Parameters
        ----------
        var_names : str or sequence of str, optional
            Variables (``"sd_Subject"``) or elements (``"sd_Subject[Days]"``); those that describe
            the model as a whole when not given.
        kind : {"trace", "rank"}
        page : int
            From 1; a page has 18 parameters.
        backend : {"matplotlib", "plotly", "bokeh"}, optional
            ArviZ's ``plot.backend`` when not given.

        Returns
        -------
        PlotCollection
            ``.savefig(path)`` saves it.

        Raises
        ------
        DataError
            If a variable or page is not there.
        """
        from hierlm import plots

        own: Any = {"kind": kind, "page": page, "backend": backend}
        return plots.plot_trace(self.spec, self.idata, var_names, **own)

    def plot_prior_posterior(
        self,
        var_names: str | Sequence[str] | None = None,
        *,
        draws: int = 2000,
        page: int = 1,
        seed: int | np.random.Generator = 0,
        backend: str | None = None,
    ) -> PlotCollection:
        """Draw the prior and the posterior of each parameter.

        Parameters
        ----------
        var_names, page
            As in `plot_trace`.
        draws : int
            Draws from the prior.
        seed : int or numpy.random.Generator
            Of those draws.
        backend : {"matplotlib", "plotly", "bokeh"}, optional
            ArviZ's ``plot.backend`` when not given.

        Returns
        -------
        PlotCollection
            ``.savefig(path)`` saves it.

        Raises
        ------
        DataError
            If a variable or page is not there.
        PriorError
            If a prior is improper.
        """
        from hierlm import plots

        own: Any = {"draws": draws, "page": page, "seed": seed, "backend": backend}
        return plots.plot_prior_posterior(self.spec, self.idata, var_names, **own)

    def plot_design(
        self, first: str | None = None, second: str | None = None, *, ax: Any = None
    ) -> PlotCollection:
        """Draw how the rows are spread over two factors: nested, crossed, balanced or not.

        Parameters
        ----------
        first, second : str, optional
            Columns of the formula, or crossed ones (``"batch:cask"``); the first two grouping
            factors when not given.
        ax : sequence of Axes, optional
            Of matplotlib, one per panel, in place of a new figure.

        Returns
        -------
        PlotCollection
            ``.savefig(path)`` saves it.

        Raises
        ------
        DataError
            If there is no such column.
        """
        from hierlm import plots

        return plots.plot_design(self.frame, *plots.factors_of(self.spec, first, second), ax=ax)

    def plot_model(self, *, ax: Any = None) -> PlotCollection:
        """Draw the generative diagram: what is drawn from what, with the priors.

        Parameters
        ----------
        ax : Axes, optional
            Of matplotlib, in place of a new figure.

        Returns
        -------
        PlotCollection
            ``.savefig(path)`` saves it.
        """
        from hierlm import plots

        return plots.plot_model(self.spec, ax=ax)
