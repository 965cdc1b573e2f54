from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import hierlm as hl
from hierlm.checking import Report, check_fit
from hierlm.results import Fit
from hierlm.results.checking import Checking
from hierlm.simulation import simulate

Known = Callable[..., Fit]


class Checked(Checking):
    """The methods, on whatever `Fit` has."""


def check(fit: Fit) -> Report:
    return check_fit(fit.spec, fit.design, fit.idata, fit.convergence)


def test_a_model_that_made_its_data_is_fine() -> None:
    plan = {"x": np.tile(np.linspace(-1, 1, 8), 40), "g": np.repeat(np.arange(40), 8)}
    params = {"Intercept": 3, "x": 2, "sd_g": [1, 0.7], "cor_g": 0.3, "sigma": 1}
    fake = simulate("y ~ x + (x | g)", plan, params, seed=8)
    report = check(hl.fit("y ~ x + (x | g)", fake, seed=1, progress=False))
    assert report.ok, str(report)
    assert {f.topic for f in report} >= {"convergence", "learning", "residuals"}
    assert "Nothing to worry about" in str(report)


def test_nothing_between_batches_is_a_note_not_a_warning() -> None:
    fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff2"), seed=1, progress=False)
    report = check(fit)
    assert report.ok
    assert "sd_Batch[Intercept] may be zero" in report.about("rank")[0].text


def test_a_planted_level_and_planted_rows_are_found() -> None:
    plan = {"g": np.repeat(np.arange(30), 12)}
    params = {"Intercept": 0, "sd_g": 1, "sigma": 1}
    fake = simulate("y ~ 1 + (1 | g)", plan, params, seed=9)
    fake.loc[fake["g"] == 3, "y"] += 12
    fake.loc[[40, 90, 150], "y"] += 9
    report = check(hl.fit("y ~ 1 + (1 | g)", fake, seed=1, progress=False))
    assert not report.ok
    assert report.about("levels")[0].text.startswith("Level 3 of g is farther")
    assert any("three sds out" in f.text and "student" in f.text for f in report)
    assert any("effects r_g[Intercept] are not normal" in f.text for f in report)


def test_overdispersion_is_a_warning_with_the_remedy(known: Known) -> None:
    plan = {"g": np.repeat(np.arange(40), 10)}
    params = {"Intercept": 1, "sd_g": 0.5, "alpha": 1}
    fake = simulate("y ~ 1 + (1 | g)", plan, params, family="negbinomial", seed=10)
    used = fake.attrs["parameters"]
    rng = np.random.default_rng(0)
    effects = np.array([[v] for k, v in used.items() if k.startswith("r_g")])
    values = {
        "beta": 1 + 0.05 * rng.normal(size=(800, 1)),
        "sd_g": 0.5 + 0.05 * rng.normal(size=(800, 1)),
        "r_g": effects + 0.05 * rng.normal(size=(800, 40, 1)),
    }
    report = check(known(hl.Model("y ~ 1 + (1 | g)", fake, family="poisson"), values, draws=800))
    found = " ".join(f.text for f in report if f.severity == "warning")
    assert "varies more than the poisson says" in found
    assert "family='negbinomial'" in found
    assert "rows of y are zero, where the model expects" in found


def test_chains_in_different_places_stop_the_check(known: Known) -> None:
    model = hl.Model("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"))
    rng = np.random.default_rng(0)
    values = {
        "beta": 1500 + rng.normal(size=(400, 1)) + np.repeat([0.0, 50.0], 200)[:, None],
        "sd_Batch": 40 + rng.normal(size=(400, 1)),
        "r_Batch": rng.normal(size=(400, 6, 1)),
        "sigma": 50 + rng.normal(size=400),
    }
    report = check(known(model, values, draws=400))
    assert not report.ok
    assert report.findings[-1].severity == "problem"
    assert "The chains disagree" in str(report)
    assert "the chains are in different places" in " ".join(str(report).split())
    assert not report.about("learning")


def test_a_check_says_the_same_twice() -> None:
    fit = hl.fit("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"), seed=1, progress=False)
    assert str(check(fit)) == str(check(fit))


def test_the_methods_delegate() -> None:
    data = hl.load_dataset("Dyestuff")
    fit = hl.fit("Yield ~ 1 + (1 | Batch)", data, seed=1, progress=False)
    checked = Checked(fit.spec, fit.design, fit.frame, fit.idata)
    assert isinstance(checked.check(), Report)
    assert len(checked.residuals("pearson", groups="new", samples=50)) == 30
    assert checked.residual_draws("normal").shape == (4, 1000, 30)
    assert "dispersion" in checked.residual_tests(groups="new").index
    assert checked.predictive_checks(["max"], ci_prob=0.5).columns[2] == "eti50_lb"
    assert "posterior_predictive" in checked.predictive_tree(samples=10)
    assert "sigma" in checked.prior_sensitivity(["sigma"]).index


@pytest.mark.mcmc
@pytest.mark.filterwarnings("ignore::hierlm.errors.ConvergenceWarning")
def test_a_model_of_the_pymc_engine_is_checked_too() -> None:
    fit = hl.fit(
        "count ~ zBase + Trt + (1 | patient)",
        hl.load_dataset("epilepsy"),
        family="poisson",
        seed=3,
        progress=False,
    )
    report = check(fit)
    assert "count varies more than the poisson says" in str(report)
    assert "(1 | row)" in str(report)
