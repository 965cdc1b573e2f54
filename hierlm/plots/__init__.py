"""Pictures of a model and of its posterior, one file per family of plots.

Every plot returns ArviZ's `PlotCollection`: ``pc.savefig(path)``, ``pc.viz["figure"].item()`` for
the figure, ``pc.viz["plot"].sel(panel=name).item()`` for the axes of a panel. Nothing is shown,
no setting is changed: ArviZ styles (``arviz.style.use``) apply.

``backend``
    ``"matplotlib"``, ``"plotly"``, ``"bokeh"`` or ``"none"``; ArviZ's ``rcParams["plot.backend"]``
    when not given. What needs images or three dimensions (`plot_covariance`, `plot_mvn`,
    `plot_design`, `plot_model`) is drawn by matplotlib, and has no such argument.
``ax``
    Axes of matplotlib to draw on, one per panel, in place of a new figure. What ArviZ itself draws
    (`plot_ppc`, `plot_trace`, `plot_prior_posterior`) has no such argument.

The colours are Okabe and Ito's, and mean the same everywhere: blue is partial pooling (the
posterior), vermilion is no pooling, black is the population, orange is the prior, grey the data.
"""

from hierlm.plots.chains import plot_prior_posterior, plot_trace
from hierlm.plots.covariance import plot_covariance
from hierlm.plots.design import cross_table, factors_of, plot_design
from hierlm.plots.diagram import diagram, plot_model
from hierlm.plots.effects import plot_correlation, plot_ranef
from hierlm.plots.groups import plot_groups
from hierlm.plots.mvn import plot_mvn
from hierlm.plots.ppc import plot_ppc
from hierlm.plots.predictions import plot_icc, plot_predictions
from hierlm.plots.residuals import plot_residuals
from hierlm.plots.shrinkage import plot_shrinkage
from hierlm.plots.varcorr import plot_varcorr

__all__ = [
    "cross_table",
    "diagram",
    "factors_of",
    "plot_correlation",
    "plot_covariance",
    "plot_design",
    "plot_groups",
    "plot_icc",
    "plot_model",
    "plot_mvn",
    "plot_ppc",
    "plot_predictions",
    "plot_prior_posterior",
    "plot_ranef",
    "plot_residuals",
    "plot_shrinkage",
    "plot_trace",
    "plot_varcorr",
]
