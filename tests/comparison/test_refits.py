"""Leave-one-group-out without refitting, against refitting."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import hierlm as hl
from hierlm.comparison import Elpd, KFoldElpd, kfold, loo, refitter

pytestmark = pytest.mark.mcmc


@pytest.fixture(scope="module")
def fit() -> hl.Fit:
    data = hl.load_dataset("sleepstudy")
    return hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)


@pytest.fixture(scope="module")
def without_refits(fit: hl.Fit) -> Elpd:
    return loo(fit.spec, fit.design, fit.idata, unit="Subject")


@pytest.fixture(scope="module")
def refits(fit: hl.Fit) -> KFoldElpd:
    again = refitter(fit.spec, fit.idata)
    return kfold(fit.spec, fit.design, fit.idata, again, k=18, unit="Subject", seed=2)


def test_sleepstudy_equals_its_18_refits(without_refits: Elpd, refits: KFoldElpd) -> None:
    difference = (without_refits.elpd_i - refits.elpd_i).to_numpy()
    assert abs(difference.sum()) < 2 * np.sqrt(18 * difference.var())
    k = without_refits.pareto_k.to_numpy()
    assert np.all(np.abs(difference)[k < 0.5] < 0.1)
    assert np.all(np.abs(difference)[k <= without_refits.good_k] < 0.3)
    assert list(without_refits.elpd_i["Subject"].values) == list(refits.elpd_i["Subject"].values)


def test_refitting_the_doubtful_ones_equals_refitting_all(
    fit: hl.Fit, without_refits: Elpd, refits: KFoldElpd
) -> None:
    again = refitter(fit.spec, fit.idata)
    found = loo(fit.spec, fit.design, fit.idata, unit="Subject", refit=again, seed=3)
    bad = without_refits.pareto_k.to_numpy() > without_refits.good_k
    assert bad.any()
    np.testing.assert_allclose(found.elpd_i[bad], refits.elpd_i[bad], atol=0.3)
    assert not found.warning


def test_conditional_terms_do_not_answer_for_new_levels(fit: hl.Fit, refits: KFoldElpd) -> None:
    """Adding up rows that were left out one by one is far from leaving levels out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)
        rows = loo(fit.spec, fit.design, fit.idata)
    assert rows.elpd - refits.elpd > 15
