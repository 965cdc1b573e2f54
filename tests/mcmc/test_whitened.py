"""The whitened engine's posteriors equal the PyMC engine's, on data that are hard on it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from arviz_stats.base import array_stats
from helpers.nasty import NASTY, nasty

import hierlm as hl

pytestmark = pytest.mark.mcmc

LIMIT = 5.0  # Monte Carlo standard errors, of both sides together


@pytest.mark.parametrize("name", NASTY)
def test_posteriors_equal_the_pymc_engines(name: str) -> None:
    formula, data, family = nasty(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)  # what makes the data hard is noticed
        model = hl.Model(formula, data, family=family)
        options = {"seed": 4, "draws": 2000, "target_accept": 0.99, "progress": False}
        ours = model.fit(engine="whitened", **options)
        theirs = model.fit(engine="pymc", **options)
    assert ours.idata.attrs["coordinates"] == "whitened"
    assert ours.convergence.r_hat.value < 1.02
    assert ours.convergence.ess_bulk.value > 400
    for variable in theirs.idata["posterior"].data_vars:
        a, b = (_flat(fit, variable) for fit in (ours, theirs))
        for i in range(a.shape[2]):
            x, y = a[:, :, i], b[:, :, i]
            error = np.hypot(array_stats.mcse(x, method="mean"), array_stats.mcse(y, method="mean"))
            distance = abs(x.mean() - y.mean()) / error
            assert distance < LIMIT, f"{variable}[{i}]: {distance:.1f} standard errors away"


def _flat(fit: hl.Fit, variable: str) -> np.ndarray:
    values = fit.idata["posterior"][variable].to_numpy()
    return values.reshape(*values.shape[:2], -1)
