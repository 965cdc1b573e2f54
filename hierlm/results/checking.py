"""Checks of a fit: draws, priors, residuals, predictions. Each method delegates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from hierlm.results.base import Posterior
from hierlm.summaries import Interval, IntervalKind

if TYPE_CHECKING:
    from hierlm.checking import Groups, Kind, Report

Seed = int | np.random.Generator


class Predictive(Posterior):
    """Whether the model makes data like these, and how much depends on the priors."""

    def predictive_checks(
        self,
        statistics: Sequence[str] | Mapping[str, Callable[[Any], Any]] = (
            "mean",
            "sd",
            "min",
            "max",
        ),
        *,
        by: str | None = None,
        groups: Groups = "all",
        samples: int = 500,
        seed: Seed = 0,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
    ) -> pd.DataFrame:
        """Compare statistics of the response with those of responses that the model makes.

        Parameters
        ----------
        statistics : sequence of str, or dict of str to callable
            Of ``"mean"``, ``"sd"``, ``"min"``, ``"max"`` and ``"zeros"`` (the share of zeros); or
            functions of your own, from an array of shape (S, n) to one of shape (S,).
        by : str, optional
            A grouping factor, for statistics of each of its levels.
        groups : {"all", "new"}
            Given the effects of the fitted levels, or with effects drawn anew.
        samples : int
            Replicated responses, one per posterior draw.
        seed : int or numpy.random.Generator
        ci_prob, ci_kind
            See `summary`.

        Returns
        -------
        pandas.DataFrame
            A row per statistic (and level): ``observed``, ``mean`` and interval of the
            replicates, and ``p_value``, the probability of more than observed. Values near zero
            or one say that the model makes no such data.

        Raises
        ------
        DataError
            If there is no such statistic or grouping factor.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), seed=1,
        ...              progress=False)
        >>> fit.predictive_checks(["min", "max"])["observed"].tolist()
        [1440.0, 1635.0]
        """
        from hierlm.checking import predictive_checks

        return predictive_checks(
            self.spec,
            self.design,
            self.idata,
            statistics,
            by=by,
            groups=groups,
            samples=samples,
            seed=seed,
            interval=Interval(ci_prob, ci_kind),
        )

    def predictive_tree(
        self, *, groups: Groups = "all", samples: int = 500, seed: Seed = 0
    ) -> xr.DataTree:
        """Return replicated responses beside the observed ones, for ArviZ's ``plot_ppc_*``.

        Parameters
        ----------
        groups, samples, seed
            See `predictive_checks`.

        Returns
        -------
        xarray.DataTree
            Groups ``posterior_predictive`` and ``observed_data``.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), seed=1,
        ...              progress=False)
        >>> fit.predictive_tree(samples=100)["posterior_predictive"]["Yield"].shape
        (1, 100, 30)
        """
        from hierlm.checking import predictive_tree

        return predictive_tree(
            self.spec, self.design, self.idata, groups=groups, samples=samples, seed=seed
        )

    def prior_sensitivity(
        self, priors: list[str] | None = None, *, threshold: float = 0.05
    ) -> pd.DataFrame:
        """Return how much each parameter depends on the priors, by power scaling.

        Only the priors of coefficients, sds, correlations and the family's parameters are scaled;
        the distribution of the group-specific effects is part of the model. Nothing is refitted
        (Kallioinen et al. 2024, doi:10.1007/s11222-023-10366-5).

        Parameters
        ----------
        priors : list of str, optional
            The parameters whose priors are scaled: ``["sd_Subject[Days]"]``; all when not given.
        threshold : float
            Sensitivity worth a word.

        Returns
        -------
        pandas.DataFrame
            A row per parameter that is not fixed: sensitivity to ``prior`` and ``likelihood``
            (given the effects), and a ``diagnosis``.

        Raises
        ------
        DataError
            If a name in `priors` has no prior, or there is nothing to scale.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), seed=1,
        ...              progress=False)
        >>> fit.prior_sensitivity().columns.tolist()
        ['prior', 'likelihood', 'diagnosis']
        """
        from hierlm.checking import prior_sensitivity

        return prior_sensitivity(self.spec, self.design, self.idata, priors, threshold=threshold)


class Checking(Predictive):
    """Whether to trust the draws, what the data have said, and how the model fits."""

    def check(self, *, seed: Seed = 0) -> Report:
        """Check the fit, in sentences.

        Convergence, and where divergences are; parameters about which the data say nothing; sds
        that may be zero and covariances close to rank-deficient; levels that stand out; tests of
        residuals and of the normality of the group-specific effects. A test below 0.01 is a
        warning, below 0.05 a note: of a dozen tests of a right model one may well be below 0.1.

        Parameters
        ----------
        seed : int or numpy.random.Generator
            Of the residuals' randomisation; fixed, so that the check says the same twice.

        Returns
        -------
        Report
            To print; ``report.ok`` and ``bool(report)`` are whether there is no warning or
            problem, ``report.to_frame()`` has a row per finding.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"),
        ...              seed=1, progress=False)
        >>> report = fit.check()
        >>> print(report.about("residuals")[-1].text[:68])  # two nights that no normal would have
        3 rows of Reaction are more than three sds out, where 0.5 are expect
        """
        from hierlm.checking import check_fit  # loads scipy.stats

        return check_fit(self.spec, self.design, self.idata, self.convergence, seed=seed)

    def residuals(
        self,
        kind: Kind = "quantile",
        *,
        groups: Groups = "all",
        samples: int | None = None,
        seed: Seed = 0,
    ) -> pd.Series[float]:
        """Return the residual of every row.

        Parameters
        ----------
        kind : {"quantile", "normal", "pearson", "response"}
            Quantile residuals are uniform on (0, 1) if the model is right, whatever the family
            (Dunn and Smyth 1996; DHARMa's); ``"normal"`` is their normal score. ``"pearson"`` is
            the response less its expectation, over its sd; ``"response"`` is not divided.
        groups : {"all", "new"}
            Given the effects of the fitted levels; or with the effects of all levels drawn anew
            from their distribution, as DHARMa redraws them: such residuals contain the effect of
            their level. `hierlm.checking.residuals` has the definitions.
        samples : int, optional
            Posterior draws to use at most; all when not given.
        seed : int or numpy.random.Generator
            Of what is drawn.

        Returns
        -------
        pandas.Series of length n
            In the order of ``fit.frame``.

        Raises
        ------
        DataError
            If `kind` or `groups` is none of those.
        FamilyError
            If Pearson residuals are asked of a response without a variance.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"),
        ...              seed=1, progress=False)
        >>> fit.residuals("pearson").abs().nlargest(1).index.tolist()
        [56]
        """
        from hierlm.checking import residuals

        return residuals(
            self.spec, self.design, self.idata, kind, groups=groups, samples=samples, seed=seed
        )

    def residual_draws(
        self, kind: Kind = "response", *, groups: Groups = "all", seed: Seed = 0
    ) -> xr.DataArray:
        """Return the residuals of every row given each posterior draw.

        Parameters
        ----------
        kind, groups, seed
            See `residuals`.

        Returns
        -------
        xarray.DataArray
            With dims chain, draw and ``__obs__``: draws times rows are in memory.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), seed=1,
        ...              progress=False)
        >>> dict(fit.residual_draws("pearson").sizes)
        {'chain': 4, 'draw': 1000, '__obs__': 30}
        """
        from hierlm.checking import residual_draws

        return residual_draws(self.spec, self.design, self.idata, kind, groups=groups, seed=seed)

    def residual_tests(
        self, *, groups: Groups = "all", samples: int | None = None, seed: Seed = 0
    ) -> pd.DataFrame:
        """Test residuals: uniformity, dispersion, zeros, outliers; and normality of the effects.

        Parameters
        ----------
        groups : {"all", "new"}
            Given the effects of the fitted levels; or against replicated data sets with effects
            drawn anew, which is without the test of the effects.
        samples : int, optional
            Posterior draws to use at most: 100 for ``"all"``, 250 for ``"new"`` when not given.
        seed : int or numpy.random.Generator

        Returns
        -------
        pandas.DataFrame
            A row per test: ``observed``, ``expected`` and ``p_value``. What they are and why they
            have the right size is in `hierlm.checking.residual_tests` and
            `hierlm.checking.replicates`.

        Examples
        --------
        >>> import hierlm as hl
        >>> fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), seed=1,
        ...              progress=False)
        >>> fit.residual_tests().index.tolist()
        ['uniformity', 'dispersion', 'outliers']
        """
        from hierlm.checking import residual_tests

        return residual_tests(
            self.spec, self.design, self.idata, groups=groups, samples=samples, seed=seed
        )
