"""The estimates that lme4 prints beside the posterior."""

from __future__ import annotations

from typing import Protocol

import pandas as pd
import xarray as xr

from hierlm import names
from hierlm.design import Design
from hierlm.mle import MaximumLikelihood, mle
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, summary
from hierlm.tables import Table


class Fitted(Protocol):
    """A `Fit`."""

    spec: ModelSpec
    design: Design
    idata: xr.DataTree


def beside_lme4(fit: Fitted, *, reml: bool = True, ci_prob: float = 0.89) -> pd.DataFrame:
    """Put the REML or ML estimates of a gaussian model beside its posterior.

    With weak priors they agree within what the data leave open. An sd of few levels has a posterior
    with a long right tail: its mean lies above the estimate, which is near the mode.

    Parameters
    ----------
    fit : Fit
        Gaussian with an identity link.
    reml : bool
        Restricted maximum likelihood, or maximum likelihood.
    ci_prob : float
        Probability inside the interval.

    Returns
    -------
    pandas.DataFrame
        A row per sd, correlation, residual sd and common effect: ``estimate`` and ``se`` as lme4
        has them (no ``se`` of sds and correlations), and the posterior's mean, sd and interval.

    Examples
    --------
    >>> import hierlm as hl
    >>> fit = hl.fit("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"), seed=1, progress=False)
    >>> beside_lme4(fit)["estimate"].round(2).to_dict()
    {'sd_Batch[Intercept]': 42.0, 'sigma': 49.51, 'Intercept': 1527.5}
    """
    interval = Interval(ci_prob)
    found = _estimates(fit.spec, mle(fit.spec, fit.design, reml=reml))
    draws = summary(fit.spec, fit.idata, interval)
    coefs = {names.element(names.BETA, coef): coef for coef in fit.spec.coefs}
    return Table(found.join(draws.rename(coefs)[["mean", "sd", *interval.columns]].astype(float)))


def _estimates(spec: ModelSpec, estimates: MaximumLikelihood) -> pd.DataFrame:
    rows: dict[str, tuple[float, float]] = {}
    missing = float("nan")
    for group in spec.groups:
        table = estimates.varcorr.loc[group.factor]
        for coef, sd in table["sd"].items():
            rows[names.element(names.sd(group.factor), str(coef))] = (float(sd), missing)
        for i, j in group.covariance.pairs:
            first, second = group.coefs[i], group.coefs[j]
            name = names.element(names.cor(group.factor), names.pair(first, second))
            rows[name] = (float(table[f"cor[{second}]"].iloc[i]), missing)
    rows["sigma"] = (estimates.sigma, missing)
    for coef, row in estimates.fixef.iterrows():
        rows[str(coef)] = (float(row["estimate"]), float(row["se"]))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "se"])
