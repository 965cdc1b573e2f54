"""How variance is shared. Each method delegates; the work is in the modules it names."""

from __future__ import annotations

import pandas as pd

from hierlm import shrinkage, variance
from hierlm.results.base import Posterior
from hierlm.summaries import Interval, IntervalKind


class Shares(Posterior):
    """How variance is shared, and how far levels are pooled."""

    def r2(self, *, ci_prob: float = 0.89, ci_kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return marginal and conditional R2 of Nakagawa and colleagues, on the scale of the link.

        The share of the variance that predictors explain, and that predictors and groups explain
        together; slopes that vary count with their average over the rows, so that the origin of x
        does not matter. `hierlm.variance.r2` has the definition.

        Parameters
        ----------
        ci_prob, ci_kind
            See `summary`.

        Returns
        -------
        pandas.DataFrame
            Rows ``marginal`` and ``conditional``: mean, sd and interval.

        Raises
        ------
        FamilyError
            As `icc`; `bayes_r2` is there for every family.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> fit.r2()["mean"].round(1).to_dict()
        {'marginal': 0.3, 'conditional': 0.8}
        """
        return variance.r2(self.spec, self.design, self.idata, Interval(ci_prob, ci_kind))

    def bayes_r2(self, *, ci_prob: float = 0.89, ci_kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the Bayesian R2 of Gelman and colleagues, on the scale of the response.

        The variance of the expected responses, group-specific effects included, over itself plus
        the mean variance of a response. `hierlm.variance.bayes_r2` has the definition.

        Returns
        -------
        pandas.DataFrame
            One row, ``bayes``.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> fit.bayes_r2()["mean"].round(1).to_dict()
        {'bayes': 0.8}
        """
        return variance.bayes_r2(self.spec, self.design, self.idata, Interval(ci_prob, ci_kind))

    def shrinkage(
        self, factor: str | None = None, *, ci_prob: float = 0.89, ci_kind: IntervalKind = "eti"
    ) -> pd.DataFrame:
        """Return each level's coefficients three times: on its own, partially pooled, population.

        Parameters
        ----------
        factor : str, optional
            The grouping factor; may be left out when there is one.
        ci_prob, ci_kind
            See `summary`.

        Returns
        -------
        pandas.DataFrame
            A row per level and coefficient that varies: ``no_pooling`` with ``no_pooling_se``
            (the level's rows alone, the rest of the model as an offset; NaN with a ``reason``
            where they do not determine it), ``mean``, ``sd`` and interval (partially pooled),
            ``population``, ``pooling`` (0 the level speaks for itself, 1 it is the population)
            and ``rows``. `hierlm.shrinkage` has the definitions.

        Raises
        ------
        DataError
            If there is no such factor.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> columns = ["no_pooling", "mean", "population"]
        >>> fit.shrinkage().loc[("335", "Days"), columns].astype(float).round().tolist()
        [-3.0, -0.0, 10.0]
        """
        interval = Interval(ci_prob, ci_kind)
        return shrinkage.shrinkage(self.spec, self.design, self.idata, factor, interval)

    def pooling(self, factor: str | None = None) -> pd.DataFrame:
        """Return how far the model pools each coefficient: 0 not at all, 1 completely.

        Parameters
        ----------
        factor : str, optional
            One grouping factor; all of them when not given.

        Returns
        -------
        pandas.DataFrame
            A row per factor and coefficient: ``pooling``, the factor of Gelman and Pardoe (2006),
            ``variance`` over the levels, and ``levels``.

        Raises
        ------
        DataError
            If there is no such factor.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> fit.pooling()["pooling"].round(1).tolist()
        [0.3, 0.2]
        """
        return shrinkage.pooling(self.spec, self.idata, factor)
