"""A Savage-Dickey ratio from draws, against marginal likelihoods by quadrature."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logsumexp

import hierlm as hl
from hierlm.results.contrasts import Contrasts

pytestmark = pytest.mark.mcmc


def _log_marginal(y: np.ndarray, X: np.ndarray, groups: np.ndarray) -> float:
    """Return log p(y) with b ~ N(0, 4 I), sds half-normal: the sds on a grid."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    sd, sigma = 3 * (nodes + 1) / 2, 0.05 + 2.95 * (nodes + 1) / 2
    same = (groups[:, None] == groups).astype(float)
    fixed = 4.0 * X @ X.T
    terms = []
    for s, ws in zip(sd, weights, strict=True):
        for e, we in zip(sigma, weights, strict=True):
            V = fixed + s**2 * same + e**2 * np.eye(len(y))
            density = stats.multivariate_normal(np.zeros(len(y)), V, allow_singular=True)
            prior = stats.halfnorm(scale=1).logpdf(s) + stats.halfnorm(scale=1).logpdf(e)
            terms.append(density.logpdf(y) + prior + np.log(ws * we))
    return float(logsumexp(terms))


def test_savage_dickey_of_a_fit_is_the_ratio_of_marginal_likelihoods() -> None:
    rng = np.random.default_rng(12)
    groups = np.repeat(np.arange(6), 4)
    x = rng.normal(size=24)
    y = 0.3 * x + 0.8 * rng.normal(size=6)[groups] + 0.7 * rng.normal(size=24)
    exact = np.exp(
        _log_marginal(y, np.zeros((24, 1)), groups) - _log_marginal(y, x[:, None], groups)
    )
    data = pd.DataFrame({"y": y, "x": x, "g": groups})
    priors = {"x": "normal(0, 2)", "sd": "halfnormal(1)", "sigma": "halfnormal(1)"}
    fit = hl.fit(
        "y ~ 0 + x + (1 | g)",
        data,
        priors=priors,
        seed=3,
        draws=4000,
        target_accept=0.95,
        progress=False,
    )
    row = Contrasts(fit.spec, fit.design, fit.frame, fit.idata).hypothesis("x = 0").iloc[0]
    assert abs(row["evidence_ratio"] - exact) < 4 * row["mcse_ratio"]
    assert row["mcse_ratio"] < 0.05 * exact
