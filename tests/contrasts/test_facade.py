from __future__ import annotations

import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import shrinkage, variance
from hierlm.contrasts.hypotheses import hypothesis
from hierlm.results.contrasts import Contrasts
from hierlm.summaries import Interval


@pytest.fixture(scope="module")
def fit() -> Contrasts:
    data = hl.load_dataset("sleepstudy")
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data), draws=20)
    return Contrasts(fit.spec, fit.design, fit.frame, fit.idata)


def test_methods_hand_on_what_they_are_given(fit: Contrasts) -> None:
    half = Interval(0.5, "hdi")
    options = {"ci_prob": 0.5, "ci_kind": "hdi"}
    parts = fit.spec, fit.design, fit.idata
    for found, expected in (
        (fit.r2(**options), variance.r2(*parts, half)),
        (fit.bayes_r2(**options), variance.bayes_r2(*parts, half)),
        (fit.shrinkage(**options), shrinkage.shrinkage(*parts, "Subject", half)),
        (fit.pooling("Subject"), shrinkage.pooling(fit.spec, fit.idata)),
        (
            fit.hypothesis("Days > sigma", **options),
            hypothesis(fit.spec, fit.idata, "Days > sigma", half),
        ),
    ):
        pd.testing.assert_frame_equal(found, expected)
    for table in (
        fit.predictions(**options),
        fit.comparisons(**options),
        fit.slopes(**options),
    ):
        assert {"hdi50_lb", "hdi50_ub"} < set(table)
