"""The plots of a fit. Each method delegates; `hierlm.plots` has the work, and the colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from hierlm.results.plots_effects import EffectPlots
from hierlm.summaries import Interval, IntervalKind

if TYPE_CHECKING:
    from arviz_plots import PlotCollection


class Plots(EffectPlots):
    """Pictures of levels, shrinkage, predictions and shares of the variance.

    Every method returns ArviZ's ``PlotCollection``.
    """

    def plot_groups(
        self,
        factor: str | None = None,
        *,
        x: str | None = None,
        levels: str | Sequence[str] | None = None,
        page: int = 1,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        backend: str | None = None,
        ax: Any = None,
    ) -> PlotCollection:
        """Draw a panel per level: rows, no pooling, partial pooling with interval, population.

        Other predictors stay at the level's own mean, or its most frequent category.

        Parameters
        ----------
        factor : str, optional
            The grouping factor; may be left out when there is one.
        x : str, optional
            The predictor along the axis; one that varies by the factor when not given.
        levels : str or sequence of str, optional
            Which to show, in this order; all when not given.
        page : int
            From 1; a page has 40 levels.
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
            If a factor, level, predictor or page is not there.
        """
        from hierlm import plots  # matplotlib takes a second to import

        interval = Interval(ci_prob, ci_kind)
        own: Any = {"x": x, "levels": levels, "page": page, "interval": interval}
        return plots.plot_groups(*self._parts, factor, **own, backend=backend, ax=ax)

    def plot_shrinkage(
        self,
        factor: str | None = None,
        *,
        coefs: str | Sequence[str] | None = None,
        levels: str | Sequence[str] | None = None,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        backend: str | None = None,
        ax: Any = None,
    ) -> PlotCollection:
        """Draw an arrow per level, from its own estimate to the partially pooled one.

        Two coefficients make a plane, with the population and the ellipses that hold 50% and 90%
        of its levels; one has the levels below each other.

        Parameters
        ----------
        factor : str, optional
            The grouping factor; may be left out when there is one.
        coefs : str or sequence of str, optional
            One, or a plane per pair of several; all when not given.
        levels : str or sequence of str, optional
            Which to show; all when not given.
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

        own: Any = {"coefs": coefs, "levels": levels, "interval": Interval(ci_prob, ci_kind)}
        return plots.plot_shrinkage(*self._parts, factor, **own, backend=backend, ax=ax)

    def plot_predictions(
        self,
        x: str | None = None,
        *,
        by: str | None = None,
        groups: Literal["none", "integrate"] = "none",
        lines: str | None = None,
        levels: str | Sequence[str] | None = None,
        data: bool = True,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        backend: str | None = None,
        ax: Any = None,
    ) -> PlotCollection:
        """Draw the expected response along a predictor, with its interval and the rows.

        Parameters
        ----------
        x : str, optional
            The predictor along the axis; the first that has numbers when not given. Others stay
            at their means, or their most frequent category.
        by : str, optional
            A predictor of which each category, or mean and one sd to either side, has a line.
        groups : {"none", "integrate"}
            Effects at zero, or averaged over.
        lines : str, optional
            A grouping factor, each of whose levels has a thin line.
        levels : str or sequence of str, optional
            Which of those levels; all when not given.
        data : bool
            Whether to draw the rows.
        ci_prob, ci_kind
            See `summary`.
        backend : {"matplotlib", "plotly", "bokeh"}, optional
            ArviZ's ``plot.backend`` when not given.
        ax : Axes, optional
            Of matplotlib, in place of a new figure.

        Returns
        -------
        PlotCollection
            ``.savefig(path)`` saves it.

        Raises
        ------
        DataError
            If a predictor, factor or level is not there, or the model has no predictor.
        """
        from hierlm import plots

        own: Any = {"by": by, "groups": groups, "lines": lines, "levels": levels, "data": data}
        return plots.plot_predictions(
            *self._parts, x, **own, interval=Interval(ci_prob, ci_kind), backend=backend, ax=ax
        )

    def plot_icc(
        self,
        x: str | None = None,
        *,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        backend: str | None = None,
        ax: Any = None,
    ) -> PlotCollection:
        """Draw each factor's share of the variance, or its course along a predictor.

        Parameters
        ----------
        x : str, optional
            A predictor with a varying slope.
        ci_prob, ci_kind
            See `summary`.
        backend : {"matplotlib", "plotly", "bokeh"}, optional
            ArviZ's ``plot.backend`` when not given.
        ax : Axes, optional
            Of matplotlib, in place of a new figure.

        Returns
        -------
        PlotCollection
            ``.savefig(path)`` saves it.

        Raises
        ------
        DataError
            If no effect varies with `x`.
        FamilyError
            As `icc`.
        """
        from hierlm import plots

        interval = Interval(ci_prob, ci_kind)
        return plots.plot_icc(*self._parts, x, interval=interval, backend=backend, ax=ax)
