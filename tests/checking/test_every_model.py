"""Every check takes every kind of model."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import checking
from hierlm.simulation import prior_predictive

RNG = np.random.default_rng(5)
N = 48
DATA = {
    "y": RNG.normal(size=N),
    "count": RNG.poisson(3, N),
    "yes": RNG.integers(0, 2, N),
    "share": RNG.uniform(0.1, 0.9, N),
    "n": np.full(N, 9),
    "k": RNG.binomial(9, 0.5, N),
    "s": RNG.uniform(0.5, 1, N),
    "w": RNG.integers(1, 4, N),
    "x": RNG.normal(size=N),
    "f": RNG.choice(["u", "v", "w"], N),
    "g": np.tile(np.arange(8), 6),
    "sample": np.repeat(np.arange(6), 8),
}

MODELS = {
    "no bar": ("y ~ x", {}),
    "no common effect": ("y ~ 0 + (1 | g)", {}),
    "no intercept": ("y ~ 0 + f + (1 | g)", {}),
    "known sds": ("y | se(s) ~ x + (1 | g)", {}),
    "weights": ("y | weights(w) ~ x + (1 | g)", {}),
    "offset": ("count ~ x + offset(log(s)) + (1 | g)", {"family": "poisson"}),
    "trials": ("p(k, n) ~ x + (x | g)", {"family": "binomial"}),
    "yes or no": ("yes ~ x + (1 | g)", {"family": "bernoulli", "link": "probit"}),
    "share": ("share ~ x + (1 | g)", {"family": "beta"}),
    "heavy tails": ("y ~ x + (1 | g)", {"family": "student"}),
    "two bars": ("y ~ x + (1 | g) + (0 + x | g)", {}),
    "two bars with correlations": ("y ~ x + f + (x | g) + (0 + f | g)", {}),
    "crossed, one called sample": ("y ~ x + (x || g) + (1 | sample)", {}),
    "nested": ("y ~ x + (1 | sample / f)", {}),
    "fixed": ("y ~ x + (x | g)", {"priors": {"sd": 0.5, "cor": 0.2, "sigma": 1.0}}),
}


@pytest.mark.filterwarnings("ignore::hierlm.errors.DesignWarning")
@pytest.mark.filterwarnings("ignore::hierlm.errors.HierlmWarning")
@pytest.mark.parametrize("name", MODELS)
def test_every_check_takes_it(name: str) -> None:
    formula, options = MODELS[name]
    model = hl.Model(formula, DATA, **options)
    fit = synthetic_fit(model, draws=50)
    args = fit.spec, fit.design, fit.idata
    assert str(checking.check_model(model.spec, model.design, model.frame))
    report = checking.check_fit(*args, fit.convergence)
    assert {finding.severity for finding in report} <= {"ok", "note", "warning", "problem"}
    for groups in ("all", "new"):
        for kind in ("quantile", "normal", "response", "pearson"):
            values = checking.residuals(*args, kind, groups=groups)
            assert np.isfinite(values).all()
        tests = checking.residual_tests(*args, groups=groups)
        assert tests["p_value"].between(0, 1).all()
    assert checking.predictive_checks(*args).notna().all(axis=None)
    assert checking.prior_sensitivity(*args).notna().all(axis=None)
    tree = prior_predictive(model.spec, model.design, draws=20, seed=1)
    assert np.isfinite(tree["prior_predictive"][model.spec.response]).all()
