"""What a person reads: ``print(model)``, ``print(fit)``, the verdict on convergence."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import convergence
from hierlm.convergence import diagnose
from hierlm.tables import supported


def test_the_model_says_what_a_statistician_asks() -> None:
    data = hl.load_dataset("sleepstudy")
    text = repr(
        hl.Model("Reaction ~ Days + (Days | Subject)", data, priors={"Days": "normal(0,9)"})
    )
    for fragment in (
        "Reaction ~ Days + (Days | Subject)",
        "gaussian, identity link",
        "180 (no row dropped)",
        "Subject, 18 levels: Intercept, Days; correlated (3 parameters)",
        "Normal(298.5, 141)",
        "HalfStudentT(3, 56.3)",
        "LKJ(2)",
        "Engine",
    ):
        assert fragment in text
    assert "Days                   Normal(0, 9)           given" in text
    assert max(map(len, text.split("\n"))) <= 100


def test_the_model_names_the_class_a_prior_was_given_for() -> None:
    data = hl.load_dataset("sleepstudy")
    text = repr(
        hl.Model("Reaction ~ Days + (Days | Subject)", data, priors={"sd": "halfnormal(9)"})
    )
    assert "given as 'sd'" in text


def test_the_model_says_what_success_is() -> None:
    data = hl.load_dataset("VerbAgg")
    text = repr(hl.Model("r2 ~ Anger + (1 | id) + (1 | item)", data, family="bernoulli"))
    assert "r2, success is 'Y'" in text
    assert "316 levels" in text


def test_the_model_keeps_its_notes() -> None:
    data = hl.load_dataset("Machines")
    with pytest.warns(hl.DesignWarning, match="Machine' has 3 levels"):
        model = hl.Model("score ~ 1 + (1 | Machine)", data)
    assert "Notes" in repr(model)
    assert "has 3 levels" in repr(model)


def test_the_report_has_the_parts_of_lme4() -> None:
    data = hl.load_dataset("sleepstudy")
    text = repr(synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data)))
    for fragment in (
        "gaussian family, identity link",
        "180 observations",
        "Group-specific effects of Subject (18 levels)",
        "sd(Intercept)",
        "cor(Intercept, Days)",
        "Common effects",
        "Residual",
        "The draws can be trusted.",
        "5.5%  94.5%  R-hat",
    ):
        assert fragment in text
    assert max(map(len, text.split("\n"))) <= 100


@pytest.mark.parametrize(
    ("value", "mcse", "expected"),
    [
        (251.4391, 0.17, "251"),
        (0.0703, 0.0076, "0.07"),
        (0.0703, 0.0011, "0.07"),
        (0.0703, 0.0009, "0.070"),
        (1234.5, 30.0, "1200"),
        (-0.001, 0.02, "0.0"),
        (3.0, 0.0, "3"),
        (np.nan, 0.1, "-"),
    ],
)
def test_digits_are_those_that_the_error_supports(value: float, mcse: float, expected: str) -> None:
    assert supported(value, mcse) == expected


def _broken(**changes: object) -> hl.Fit:
    fit = synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff")), draws=200)
    posterior = fit.idata["posterior"].to_dataset().copy(deep=True)
    if changes.get("stuck"):
        posterior["sigma"][0] += 5
    if changes.get("sticky"):
        rng = np.random.default_rng(1)
        walk = np.cumsum(rng.normal(size=(4, 200)), axis=1)
        posterior["sigma"][:] = 10 + walk - walk.mean(axis=1, keepdims=True)
    if changes.get("diverging"):
        fit.idata["sample_stats"]["diverging"][0, :3] = True
    fit.idata["posterior"] = type(fit.idata)(posterior)
    return fit


def test_divergences_are_said_with_a_remedy() -> None:
    text = repr(_broken(diverging=True))
    assert "Do not trust these draws yet. 3 divergences" in text
    assert "Raise target_accept" in text


def test_chains_that_disagree_are_said() -> None:
    verdict = diagnose(_broken(stuck=True).idata)
    assert verdict.r_hat.parameter == "sigma"
    assert "the chains disagree" in str(verdict)


def test_too_few_effective_draws_are_said() -> None:
    verdict = diagnose(_broken(sticky=True).idata)
    assert verdict.ess_bulk.parameter == "sigma"
    assert "too few effective draws" in str(verdict)
    assert not verdict.trusted


def test_one_chain_is_said() -> None:
    fit = synthetic_fit(
        hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff")), chains=1, draws=800
    )
    assert "a single chain cannot disagree" in repr(fit)


@pytest.mark.parametrize("draws", [1, 3])
def test_too_few_draws_to_tell(draws: int) -> None:
    model = hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"))
    text = repr(synthetic_fit(model, draws=draws))
    assert f"too few draws to tell: {draws} per chain" in text
    assert "nan" not in text
    assert "disagree" not in text


def test_a_chain_that_does_not_move_is_said() -> None:
    fit = _broken()
    fit.idata["posterior"]["sigma"][0, 3] = np.nan
    assert "R-hat or ESS cannot be computed for sigma" in str(diagnose(fit.idata))


def test_of_a_large_factor_evenly_spaced_levels_are_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convergence, "_MAX_ELEMENTS", 9)
    fit = synthetic_fit(
        hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    )
    verdict = diagnose(fit.idata)
    assert (verdict.checked, verdict.parameters) == (6 + 4 * 2, 6 + 18 * 2)
    assert "those of 14 of 42 parameters" in str(verdict)
    fit.idata["posterior"]["r_Subject"][0, :, -1, 1] += 1000  # the last level is one of the four
    assert diagnose(fit.idata).r_hat.parameter == "r_Subject[372, Days]"
