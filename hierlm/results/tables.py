"""The tables of a fit. Each method delegates; the work is in the modules it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from hierlm import summaries, variance
from hierlm.results.base import Posterior
from hierlm.summaries import Interval, IntervalKind

if TYPE_CHECKING:
    from hierlm.mle import MaximumLikelihood


class Tables(Posterior):
    """Data frames of the posterior."""

    def summary(
        self,
        var_names: str | Sequence[str] | None = None,
        *,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
    ) -> pd.DataFrame:
        """Return ArviZ's table: mean, sd, interval, ESS, R-hat and Monte Carlo errors.

        Parameters
        ----------
        var_names : str or sequence of str, optional
            Posterior variables; those that describe the model as a whole when not given.
        ci_prob : float
            Probability inside the interval.
        ci_kind : {"eti", "hdi"}
            Equal tails, or highest density.

        Returns
        -------
        pandas.DataFrame
            A row per parameter that is not fixed.

        Raises
        ------
        DataError
            If a variable is not there.
        """
        return summaries.summary(self.spec, self.idata, Interval(ci_prob, ci_kind), var_names)

    def fixef(self, *, ci_prob: float = 0.89, ci_kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the common ("fixed") effects, on the raw scale of the data.

        Parameters
        ----------
        ci_prob, ci_kind
            See `summary`.

        Returns
        -------
        pandas.DataFrame
            A row per coefficient: mean, sd and interval.
        """
        return summaries.fixef(self.spec, self.idata, Interval(ci_prob, ci_kind))

    def ranef(
        self, factor: str | None = None, *, ci_prob: float = 0.89, ci_kind: IntervalKind = "eti"
    ) -> pd.DataFrame:
        """Return the group-specific ("random") effects: deviations from the common ones.

        Parameters
        ----------
        factor : str, optional
            The grouping factor; may be left out when there is one.
        ci_prob, ci_kind
            See `summary`.

        Returns
        -------
        pandas.DataFrame
            A row per level and coefficient: mean, sd and interval.

        Raises
        ------
        DataError
            If there is no such factor.
        """
        return summaries.ranef(self.spec, self.idata, factor, Interval(ci_prob, ci_kind))

    def coef(
        self, factor: str | None = None, *, ci_prob: float = 0.89, ci_kind: IntervalKind = "eti"
    ) -> pd.DataFrame:
        """Return each level's own coefficients: common effect plus deviation.

        Parameters and result as for `ranef`; coefficients that do not vary by this factor are
        there too, the same for every level. A coefficient that varies without a common one is
        its deviation from zero.

        Raises
        ------
        DataError
            If there is no such factor; or if the bar codes a predictor otherwise than the common
            part, as in ``y ~ f + (0 + f | g)``, where the sum would be nobody's coefficient.
        """
        interval = Interval(ci_prob, ci_kind)
        return summaries.coef(self.spec, self.rows, self.idata, factor, interval)

    def varcorr(
        self, factor: str | None = None, *, ci_prob: float = 0.89, ci_kind: IntervalKind = "eti"
    ) -> pd.DataFrame:
        """Return sds, variances and correlation matrices of the group-specific effects.

        Parameters
        ----------
        factor : str, optional
            One grouping factor; all of them when not given.
        ci_prob, ci_kind
            See `summary`.

        Returns
        -------
        pandas.DataFrame
            A row per factor and coefficient: posterior means of sd and variance, the interval of
            the sd, and the row of the correlation matrix.
        """
        return summaries.varcorr(self.spec, self.idata, factor, Interval(ci_prob, ci_kind))

    def sigma(self, *, ci_prob: float = 0.89, ci_kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the constant distributional parameters that the family has.

        Returns
        -------
        pandas.DataFrame
            A row each for sigma, nu, alpha or kappa; empty for a Poisson or a binomial.
        """
        return summaries.shapes(self.spec, self.idata, Interval(ci_prob, ci_kind))

    def icc(
        self,
        *,
        at: Mapping[str, Sequence[Any]] | None = None,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
    ) -> pd.DataFrame:
        """Return the intraclass correlation: each factor's share of the variance.

        On the scale of the link, averaged over the rows where slopes vary; `hierlm.variance` has
        the definition.

        Parameters
        ----------
        at : dict of str to sequence, optional
            Values of predictors that every row is given in turn, crossed: the shares as a curve
            over the x of a varying slope, as in ``at={"Days": [0, 3, 9]}``.
        ci_prob, ci_kind
            See `summary`.

        Returns
        -------
        pandas.DataFrame
            A row per grouping factor and one for the residual, whose means add up to one; with
            `at` these rows for each combination of values.

        Raises
        ------
        FamilyError
            If family and link have no variance on the scale of the link: a beta, inverse and
            sqrt links, and counts and gammas with an identity link.
        DataError
            If `at` names a column that no group-specific effect depends on.
        """
        interval = Interval(ci_prob, ci_kind)
        return variance.icc(self.spec, self.design, self.idata, interval, frame=self.frame, at=at)

    def mle(self, *, reml: bool = True) -> MaximumLikelihood:
        """Return REML or ML estimates and BLUPs, as lme4 gives them, to put beside the posterior.

        Parameters
        ----------
        reml : bool
            Restricted maximum likelihood, or maximum likelihood.

        Returns
        -------
        MaximumLikelihood
            Printed in the shape of lme4's report; priors play no part.

        Raises
        ------
        EngineError
            If the model is not gaussian with an identity link.
        """
        from hierlm.mle import mle  # loads numba, which tables do without

        return mle(self.spec, self.rows, reml=reml)
