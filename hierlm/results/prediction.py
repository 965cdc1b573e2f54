"""What a fit predicts. Each method delegates; the work is in `hierlm.prediction`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hierlm.prediction import Conditioned, Groups, NewLevels, Request, answer, condition
from hierlm.results.base import Posterior
from hierlm.summaries import Interval, IntervalKind

type Predicted = xr.DataTree | pd.DataFrame


class Prediction(Posterior):
    """Draws of the linear predictor, of the expected response, and of responses."""

    def linpred(
        self,
        newdata: Any = None,
        *,
        groups: Groups = "all",
        new_levels: NewLevels = "error",
        summary: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        num_draws: int | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> Predicted:
        """Return the linear predictor, on the scale of the link, offset included.

        Parameters
        ----------
        newdata : data frame of any kind, dict of columns, or path, optional
            Rows to predict; those of the fit when not given. The response is not needed, and
            neither are columns of grouping factors that `groups` leaves out. Rows must be
            complete.
        groups : {"all", "none", "integrate"}, or str or sequence of str
            Whose group-specific effects enter: all of them, none (a group whose effects are
            zero), or those of the grouping factors named. ``"integrate"``, in `epred`, averages
            over the effects: the mean response of the population of groups.
        new_levels : {"error", "sample", "population"}
            What the effects of a level are that the model has not seen: an error that names it;
            a draw from N(0, Sigma) for every posterior draw and new level, the same in every row
            and in every call with one seed; or zero.
        summary : bool
            Whether to return a table instead of draws; its memory does not grow with the draws.
        ci_prob : float
            Probability inside the table's interval.
        ci_kind : {"eti", "hdi"}
            Equal tails, or highest density.
        num_draws : int, optional
            Draws used, evenly spaced, as many of every chain (rounded up); all of them when not
            given.
        seed : int or numpy.random.Generator, optional
            For what is drawn. The same seed gives the same draws.

        Returns
        -------
        xarray.DataTree or pandas.DataFrame
            Draws of ``linpred`` with dims chain, draw and ``__obs__`` in the group
            ``predictions``, one for each draw of the posterior. With ``summary=True`` a row for
            each row: mean, sd and interval, with the index of `newdata`.

        Raises
        ------
        DataError
            If a column is missing or incomplete, a level is new and may not be, no factor has
            the name, or the draws would take more than 1 GiB.

        Notes
        -----
        In lme4, ``groups="none"`` is ``re.form=NA``, a list of factors is ``re.form=~(1 | g)``,
        and ``new_levels="population"`` is ``allow.new.levels=TRUE``. In brms they are
        ``re_formula``, and ``new_levels="sample"`` is ``sample_new_levels="gaussian"``.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> table = fit.linpred({"Days": [0, 9], "Subject": [308, 309]}, summary=True)
        >>> table[["mean", "sd"]].round(-1)
            mean    sd
        0  250.0  10.0
        1  230.0  10.0
        """
        request = Request("linpred", groups, new_levels, seed, num_draws)
        return self._answer(newdata, request, summary, ci_prob, ci_kind)

    def epred(
        self,
        newdata: Any = None,
        *,
        groups: Groups = "all",
        new_levels: NewLevels = "error",
        summary: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        num_draws: int | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> Predicted:
        """Return the expected response, on the scale of the response in the formula.

        The expected number of successes where there are trials; of ``log(y) ~`` the mean of
        log(y), whose exponential is not the mean of y (`predict` has that). For a student
        response its centre, which is the mean wherever there is one.

        Parameters
        ----------
        newdata, groups, new_levels, summary, ci_prob, ci_kind, num_draws, seed
            See `linpred`.

        Returns
        -------
        xarray.DataTree or pandas.DataFrame
            As for `linpred`; the variable is ``epred``.

        Raises
        ------
        DataError
            See `linpred`.
        FamilyError
            With ``groups="integrate"`` and the inverse link, for which the average does not
            exist.

        Notes
        -----
        With ``groups="integrate"`` the average is exact to 1e-10, not simulated: the effects
        enter a row as one normal variable; see `hierlm.prediction.integration`.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> tree = fit.epred({"Days": [0, 9]}, groups="none", num_draws=8)
        >>> dict(tree["predictions"]["epred"].sizes)
        {'chain': 4, 'draw': 2, '__obs__': 2}
        """
        request = Request("epred", groups, new_levels, seed, num_draws)
        return self._answer(newdata, request, summary, ci_prob, ci_kind)

    def predict(
        self,
        newdata: Any = None,
        *,
        groups: Groups = "all",
        new_levels: NewLevels = "error",
        back_transform: bool = False,
        summary: bool = False,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        num_draws: int | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> Predicted:
        """Draw responses: the posterior predictive distribution.

        Parameters
        ----------
        newdata, groups, new_levels, summary, ci_prob, ci_kind, num_draws, seed
            See `linpred`. `groups` cannot be ``"integrate"``.
        back_transform : bool
            Of a transformed response, such as ``log(y) ~``, whether to return y itself; exact,
            draw by draw.

        Returns
        -------
        xarray.DataTree or pandas.DataFrame
            Draws under the name of the response, in the group ``predictions``. For the rows of
            the fit the groups are ``posterior_predictive`` and ``observed_data``, so that
            ArviZ's predictive checks take the tree as it is.

        Raises
        ------
        DataError
            See `linpred`; or if a transformed response has no inverse that is known.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> list(fit.predict(num_draws=8, seed=2))
        ['posterior_predictive', 'observed_data']
        >>> new = {"Days": [0, 9], "Subject": ["new", "new"]}
        >>> table = fit.predict(new, new_levels="sample", summary=True, seed=2)
        >>> table["mean"].round(-1).tolist()
        [250.0, 350.0]
        """
        request = Request("predict", groups, new_levels, seed, num_draws, back_transform)
        return self._answer(newdata, request, summary, ci_prob, ci_kind)

    def condition(
        self, newdata: Any, *, seed: int | np.random.Generator | None = None
    ) -> Conditioned:
        """Learn the effects of new levels from rows of theirs, without fitting again.

        "A new patient with three visits: what comes next?" The result is the posterior given the
        rows of the fit and these: the draws are reweighted by how well each foresaw the new
        rows, and the new effects drawn given each, exactly for a gaussian response, else by
        importance sampling around the mode.

        Parameters
        ----------
        newdata : data frame of any kind, dict of columns, or path
            Rows with a response. Each has a new level of some grouping factor; of the other
            factors the level may be known or new. Several new levels, and nested ones, are
            learnt together.
        seed : int or numpy.random.Generator, optional
            The same seed gives the same draws.

        Returns
        -------
        Conditioned
            With ``summary()``, draws of the ``effects``, ``pareto_k``, and ``linpred``,
            ``epred`` and ``predict`` of further rows of the same groups.

        Raises
        ------
        DataError
            If a row has no new level; rows of known levels need a new fit.
        FamilyError
            If a response is outside the family's support.

        Warns
        -----
        ConvergenceWarning
            If the new rows move the posterior too far for weights (`pareto_k`).

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> visits = {"Reaction": [330, 350, 345], "Days": [0, 1, 2], "Subject": ["Ann"] * 3}
        >>> ann = fit.condition(visits, seed=2)
        >>> ann.levels
        {'Subject': ('Ann',)}
        >>> next_visits = {"Days": [3, 9], "Subject": ["Ann", "Ann"]}
        >>> ann.predict(next_visits, summary=True, seed=3)[["mean", "sd"]].round(-1)
            mean    sd
        0  350.0  30.0
        1  430.0  60.0
        """
        found = condition(self.spec, self.idata, newdata, seed)
        return Conditioned(self.spec, *found, lambda: self.design)

    def _answer(
        self,
        newdata: Any,
        request: Request,
        summary: bool,
        ci_prob: float,
        ci_kind: IntervalKind,
    ) -> Predicted:
        interval = Interval(ci_prob, ci_kind) if summary else None
        return answer(self.spec, self.idata, lambda: self.design, newdata, request, interval)
