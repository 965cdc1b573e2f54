"""Hypotheses about the parameters of a fit; the work is in `hierlm.contrasts.hypotheses`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hierlm.contrasts import hypotheses as questions
from hierlm.contrasts.hypotheses import Hypotheses
from hierlm.results.base import Posterior
from hierlm.summaries import Interval, IntervalKind


class Hypothesis(Posterior):
    """Questions about parameters, put as text."""

    def hypothesis(
        self,
        hypotheses: Hypotheses,
        *,
        ci_prob: float = 0.89,
        ci_kind: IntervalKind = "eti",
        seed: int | np.random.Generator = 0,
    ) -> pd.DataFrame:
        """Ask how probable hypotheses about the parameters are.

        Parameters
        ----------
        hypotheses : str, sequence of str, or dict of name to str
            A direction ``"Days > 5"``, a range ``"2 < Days < 5"``, or a point ``"Days = 0"``,
            between quantities named as they are reported (``treat[B]``, ``sd_Subject[Days]``,
            ``cor_Subject``, ``r_Subject[308, Days]``, ``sigma``), numbers, ``+ - * / **``,
            parentheses, abs, exp, log and sqrt. Names with spaces go in backticks.
        ci_prob, ci_kind
            See `summary`.
        seed : int or numpy.random.Generator
            For the prior of a point hypothesis that has no exact density.

        Returns
        -------
        pandas.DataFrame
            A row per hypothesis: mean, sd and interval of left minus right (of a range, of its
            middle); ``evidence_ratio``, for a direction or range the posterior odds P / (1 - P),
            for a point the Savage-Dickey Bayes factor of it against the model; its Monte Carlo
            error ``mcse_ratio``; ``post_prob``, for a point when both were as probable before;
            and the ``method``: Savage-Dickey with ``prior drawn`` where the prior's density is not
            exact but estimated from draws, and ``tail`` where the posterior's is that of a normal.

        Raises
        ------
        FormulaError
            With the place of what cannot be read.
        PriorError
            If a point has no prior density: improper priors, group-specific effects, an sd of
            zero and other edges.

        Warns
        -----
        ConvergenceWarning
            If a point lies where hardly a draw is.

        Examples
        --------
        >>> import hierlm as hl
        >>> data = hl.load_dataset("sleepstudy")
        >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
        >>> asked = ["Days > 5", "cor_Subject = 0", "r_Subject[308,Days] > r_Subject[309,Days]"]
        >>> fit.hypothesis(asked)[["post_prob", "method"]].round(1)  # doctest: +ELLIPSIS
                                                   post_prob          method
        hypothesis...
        Days > 5                                         1.0  posterior odds
        cor_Subject = 0                                  0...   Savage-Dickey
        r_Subject[308,Days] > r_Subject[309,Days]        1.0  posterior odds
        """
        interval = Interval(ci_prob, ci_kind)
        return questions.hypothesis(self.spec, self.idata, hypotheses, interval, seed=seed)
