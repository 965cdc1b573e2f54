"""Effects integrated out by quadrature: leaving a herd out equals refitting without it."""

from __future__ import annotations

import numpy as np
import pytest

import hierlm as hl
from hierlm.comparison import kfold, loo, refitter

pytestmark = pytest.mark.statistical  # sixteen models are compiled


def test_cbpp_equals_its_15_refits() -> None:
    formula = "p(incidence, size) ~ period + (1 | herd)"
    data = hl.load_dataset("cbpp")
    fit = hl.fit(formula, data, family="binomial", seed=1, target_accept=0.95, progress=False)
    found = loo(fit.spec, fit.design, fit.idata, unit="herd")
    again = refitter(fit.spec, fit.idata)
    refits = kfold(fit.spec, fit.design, fit.idata, again, k=15, unit="herd", seed=2)
    difference = (found.elpd_i - refits.elpd_i).to_numpy()
    assert not found.warning
    assert abs(difference.sum()) < 2 * np.sqrt(15 * difference.var())
    assert np.all(np.abs(difference) < 0.15)
