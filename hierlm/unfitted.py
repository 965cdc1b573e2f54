"""What can be asked of a model before anything is sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hierlm.equations import Equation, equations
from hierlm.rows import ModelRows

if TYPE_CHECKING:
    import xarray as xr
    from arviz_plots import PlotCollection

    from hierlm.checking import Report
    from hierlm.plots.ppc import PpcKind


class Unfitted(ModelRows):
    """The design check, equations, prior predictive draws and pictures of a `Model`."""

    def equations(self, notation: str = "varying_coefficients") -> Equation:
        """Return the model as an equation.

        Parameters
        ----------
        notation : str
            One of `hierlm.equations.NOTATIONS`: ``"multilevel"``, ``"matrix"``, ``"bayesian"``.

        Returns
        -------
        Equation
            Printed, Unicode for a terminal; in a notebook, typeset; ``latex`` for a document.

        Raises
        ------
        FamilyError
            If no notation is called so, or the family has no such notation.
        """
        return equations(self.spec, notation, design=self.design)

    def check(self) -> Report:
        """Say what the design can and cannot tell, before anything is sampled.

        Which slopes could vary by group (the maximal model), how many covariance parameters are
        learnt from how many levels, nested or crossed factors, replication, few levels.

        Returns
        -------
        Report
            Sentences to print; ``report.ok`` is whether none is a warning.

        Examples
        --------
        >>> import hierlm as hl
        >>> model = hl.Model("Reaction ~ Days + (1 | Subject)", hl.load_dataset("sleepstudy"))
        >>> print(model.check().about("slopes")[0].text)
        Within Subject, Days varies: slopes by Subject are possible.
        """
        from hierlm.checking import check_model  # loads scipy.stats

        return check_model(self.spec, self.design, self.frame)

    def prior_predictive(
        self, *, draws: int = 500, seed: int | np.random.Generator | None = None
    ) -> xr.DataTree:
        """Draw parameters from their priors, and responses given them, in NumPy.

        Parameters
        ----------
        draws : int
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        xarray.DataTree
            Groups ``prior``, ``prior_predictive`` and ``observed_data``.

        Raises
        ------
        PriorError
            If a prior is improper, with the name of the parameter.
        FamilyError
            If the priors reach means that the family does not have.

        Examples
        --------
        >>> import hierlm as hl
        >>> model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
        >>> model.prior_predictive(draws=9, seed=1)["prior_predictive"]["Reaction"].shape
        (1, 9, 180)
        """
        from hierlm.simulation import prior_predictive

        return prior_predictive(self.spec, self.design, draws=draws, seed=seed)

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

        Raises
        ------
        DataError
            If there is no such column.
        """
        from hierlm import plots  # matplotlib takes a second to import

        return plots.plot_design(self.frame, *plots.factors_of(self.spec, first, second), ax=ax)

    def plot_model(self, *, ax: Any = None) -> PlotCollection:
        """Draw the generative diagram; ``hierlm.plots.diagram(model.spec).dot()`` for graphviz."""
        from hierlm import plots

        return plots.plot_model(self.spec, ax=ax)

    def plot_prior_predictive(
        self,
        kind: PpcKind = "auto",
        *,
        samples: int = 200,
        seed: int | np.random.Generator = 0,
        backend: str | None = None,
    ) -> PlotCollection:
        """Draw responses that the priors expect, and those observed.

        Parameters
        ----------
        kind, samples, seed, backend
            See `hierlm.plots.plot_ppc`.

        Returns
        -------
        PlotCollection
        """
        from hierlm import plots

        own: Any = {"samples": samples, "seed": seed, "backend": backend}
        return plots.plot_ppc(self.spec, self.design, self.frame, None, kind, **own)
