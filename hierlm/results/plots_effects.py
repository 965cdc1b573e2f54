"""The plots of group-specific effects and their covariance. Each method delegates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hierlm.results.plots_checks import CheckPlots
from hierlm.summaries import Interval, IntervalKind

if TYPE_CHECKING:
    from arviz_plots import PlotCollection


class EffectPlots(CheckPlots):
    """Pictures of effects, of their sds and correlations."""

    def plot_ranef(
        self,
        factor: str | None = None,
        *,
        coefs: str | Sequence[str] | None = None,
        levels: str | Sequence[str] | None = None,
        sort: str | None = "first",
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        backend: str | None = None,
        ax: Any = None,
    ) -> PlotCollection:
        """Draw the group-specific effects one below the other, sorted, with intervals.

        Parameters
        ----------
        factor : str, optional
            The grouping factor; may be left out when there is one.
        coefs, levels : str or sequence of str, optional
            Which to show; all when not given.
        sort : str or None
            The coefficient by whose mean all panels are sorted, the first one by default; None
            keeps the order of the levels.
        ci_prob, ci_kind
            See `summary`.
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
            If a factor, level or coefficient is not there.
        """
        from hierlm import plots

        own: Any = {"coefs": coefs, "levels": levels, "sort": sort}
        return plots.plot_ranef(
            *self._draws, factor, **own, interval=Interval(ci_prob, ci_kind), backend=backend, ax=ax
        )

    def plot_correlation(
        self,
        factor: str | None = None,
        *,
        coefs: Sequence[str] | None = None,
        levels: str | Sequence[str] | None = None,
        ci_prob: float = 0.5,
        backend: str | None = None,
        ax: Any = None,
    ) -> PlotCollection:
        """Draw the effects of each level against each other, with posterior ellipses.

        Parameters
        ----------
        factor : str, optional
            The grouping factor; may be left out when there is one.
        coefs : sequence of str, optional
            Two or more, a panel per pair; all when not given.
        levels : str or sequence of str, optional
            Which to show; all when not given.
        ci_prob : float
            Probability inside an ellipse.
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
            If fewer than two coefficients vary by the factor, or something named is not there.
        """
        from hierlm import plots

        own: Any = {"coefs": coefs, "levels": levels, "ci_prob": ci_prob}
        return plots.plot_correlation(*self._draws, factor, **own, backend=backend, ax=ax)

    def plot_varcorr(
        self,
        factor: str | None = None,
        *,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        backend: str | None = None,
        ax: Any = None,
    ) -> PlotCollection:
        """Draw the posterior of sds, correlations and sigma over their priors' exact densities.

        Parameters
        ----------
        factor : str, optional
            One grouping factor; all of them, and sigma, when not given.
        ci_prob, ci_kind
            See `summary`.
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
            If there is no such factor, or every parameter is fixed.
        """
        from hierlm import plots

        interval = Interval(ci_prob, ci_kind)
        return plots.plot_varcorr(*self._draws, factor, interval=interval, backend=backend, ax=ax)

    def plot_covariance(
        self,
        factor: str | None = None,
        *,
        levels: str | Sequence[str] | None = None,
        rows: int = 60,
        correlation: bool = False,
        ax: Any = None,
    ) -> PlotCollection:
        """Draw the covariance of a level's effects, and that of the rows, whose blocks show.

        Parameters
        ----------
        factor : str, optional
            One grouping factor, whose levels come first; all of them when not given.
        levels : str or sequence of str, optional
            The rows of these levels only.
        rows : int
            How many rows to show, at most.
        correlation : bool
            Correlations in place of covariances.
        ax : sequence of Axes, optional
            Of matplotlib, one per factor and one for the rows, in place of a new figure.

        Returns
        -------
        PlotCollection
            ``.savefig(path)`` saves it.

        Raises
        ------
        DataError
            If a factor or level is not there, or the model has none.
        """
        from hierlm import plots

        own: Any = {"levels": levels, "rows": rows, "correlation": correlation}
        return plots.plot_covariance(self.spec, self.design, self.idata, factor, **own, ax=ax)
