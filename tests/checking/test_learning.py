from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import hierlm as hl
from hierlm import names
from hierlm.checking.divergences import divergences
from hierlm.checking.draws import posterior_values, spread
from hierlm.checking.effects import distances, normality, outlying
from hierlm.checking.learning import learning
from hierlm.results import Fit
from hierlm.simulation import draw_effects, draw_prior

Known = Callable[..., Fit]

DRAWS = 1000


def sleep(**options: object) -> hl.Model:
    return hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"), **options)


def certain(model: hl.Model, seed: int = 0) -> dict[str, np.ndarray]:
    """Return draws of a posterior from which the data have learnt everything."""
    rng = np.random.default_rng(seed)
    center = {"beta": [251.0, 10.5], "sd_Subject": [25.0, 6.0], "cor_Subject": [0.1], "sigma": 25.0}
    values = {
        name: np.asarray(v) * (1 + 0.02 * rng.standard_normal((DRAWS, *np.shape(v))))
        for name, v in center.items()
    }
    group = model.spec.groups[0]
    values["r_Subject"] = draw_effects(
        group.covariance, values["sd_Subject"], values["cor_Subject"], 18, rng
    )
    return values


def said(model: hl.Model, values: dict[str, np.ndarray]) -> str:
    return " | ".join(f"{f.severity}: {f.text}" for f in learning(model.spec, values))


def test_a_posterior_much_narrower_than_its_prior_is_fine() -> None:
    model = sleep()
    assert said(model, certain(model)) == (
        "ok: The data say more than the priors on every parameter."
    )


def test_a_posterior_that_is_its_prior_is_named() -> None:
    model = sleep()
    prior = draw_prior(model.spec, DRAWS, np.random.default_rng(1))
    text = said(model, certain(model) | {"sd_Subject": prior["sd_Subject"]})
    assert "warning: The data say nothing about the sds between groups sd_Subject[Inter" in text
    assert "sd_Subject[Days] (90% from" in text
    text = said(model, certain(model) | {"cor_Subject": prior["cor_Subject"]})
    assert "note: The data say nothing about the correlation cor_Subject[Intercept, Days]" in text
    assert "'||' in place of '|'" in text
    text = said(model, certain(model) | {"beta": prior["beta"]})
    assert "common effects Intercept_centered" in text


def test_a_posterior_a_little_narrower_than_its_prior_is_a_note() -> None:
    model = sleep()
    values = certain(model)
    rng = np.random.default_rng(2)
    slope = 0.7 * model.spec.priors["Days"].sigma * rng.standard_normal(DRAWS)
    values["beta"] = np.column_stack([values["beta"][:, 0] - 4.5 * slope, slope])
    assert "note: The data say little about the common effect Days" in said(model, values)


def test_an_sd_that_may_be_zero() -> None:
    model = sleep()
    values = certain(model)
    values["sd_Subject"][:, 1] = np.abs(np.random.default_rng(3).normal(0, 1, DRAWS))
    text = said(model, values)
    assert "note: sd_Subject[Days] may be zero:" in text
    assert "lme4 would call such a fit singular" in text


def test_an_sd_that_is_small_and_well_known_is_not_zero() -> None:
    model = sleep()  # the prior of the sd has a twentieth of its mass below 1.2
    values = certain(model)
    values["sd_Subject"][:, 1] /= 60
    assert model.spec.priors["sd_Subject[Days]"].cdf(values["sd_Subject"][:, 1].max()) < 0.05
    assert "may be zero" not in said(model, values)


@pytest.mark.parametrize(("rho", "sign"), [(0.99, "+"), (-0.99, "-")])
def test_a_correlation_at_its_end_is_a_lost_rank(rho: float, sign: str) -> None:
    model = sleep()
    text = said(model, certain(model) | {"cor_Subject": np.full((DRAWS, 1), rho)})
    assert f"their correlation is nearly {sign}1 (median {rho:.2f})" not in text  # fixed: no news
    drawn = np.random.default_rng(4).normal(rho, 0.001, (DRAWS, 1))
    text = said(model, certain(model) | {"cor_Subject": drawn})
    assert f"warning: The effects Intercept and Days of Subject hardly vary in 2 directions: " \
        f"their correlation is nearly {sign}1 (median {rho:.2f})" in text  # fmt: skip


def test_three_effects_in_a_plane_are_a_lost_rank_without_a_correlation_of_one() -> None:
    model = hl.Model("score ~ Machine + (Machine | Worker)", hl.load_dataset("Machines"))
    values = draw_prior(model.spec, DRAWS, np.random.default_rng(5))
    a = np.array([[1.0, 0.0], [0.0, 1.0], [np.sqrt(0.5), np.sqrt(0.5)]])
    R = a @ a.T
    cor = 0.999 * np.array([R[i, j] for i, j in model.spec.groups[0].covariance.pairs])
    noise = 1e-4 * np.random.default_rng(6).standard_normal((DRAWS, 3))
    text = said(model, values | {"cor_Worker": cor + noise})
    assert "one of them is nearly a combination of the others" in text


class TestDivergences:
    def test_a_funnel_is_located(self, known: Known) -> None:
        model = sleep(parameterization="centered")
        values = certain(model)
        small = np.zeros(DRAWS, bool)
        small[::50] = True
        values["sd_Subject"][small, 1] = 0.01
        fit = known(model, values, draws=DRAWS, diverging=small)
        (finding,) = divergences(fit.spec, fit.idata, posterior_values(fit.spec, fit.idata))
        assert "The 20 divergences are where sd_Subject[Days] is small (median 0.01 there" in (
            finding.text
        )
        assert "parameterization={'Subject': 'noncentered'}" in finding.text

    def test_scattered_divergences_are_said_to_be(self, known: Known) -> None:
        model = sleep()
        flags = np.random.default_rng(7).uniform(size=DRAWS) < 0.02
        fit = known(model, certain(model), draws=DRAWS, diverging=flags)
        (finding,) = divergences(fit.spec, fit.idata, posterior_values(fit.spec, fit.idata))
        assert "not in one place" in finding.text

    def test_two_divergences_have_no_place(self, known: Known) -> None:
        model = sleep()
        flags = np.zeros(DRAWS, bool)
        flags[:2] = True
        fit = known(model, certain(model), draws=DRAWS, diverging=flags)
        assert not list(divergences(fit.spec, fit.idata, posterior_values(fit.spec, fit.idata)))


class TestEffects:
    noise = np.random.default_rng(0).normal(size=120)
    model = hl.Model("y ~ 1 + (1 | g)", {"y": noise, "g": np.tile(range(60), 2)})

    def values(self, effects: np.ndarray) -> dict[str, np.ndarray]:
        noise = 0.02 * np.random.default_rng(1).standard_normal((50, 60))
        return {"sd_g": np.ones((50, 1)), "r_g": (effects + noise)[..., None]}

    def test_normal_effects_are_rejected_as_often_as_the_test_says(self) -> None:
        p = [
            normality(self.model.spec, self.values(np.random.default_rng(k).normal(size=60)))[
                0
            ].p_value
            for k in range(100)
        ]
        assert 1 <= np.sum(np.array(p) < 0.1) <= 22  # two-sided at 1e-3: 2 to 21

    def test_levels_of_two_kinds_are_not_normal(self) -> None:
        effects = np.repeat([-1.0, 1.0], 30) + 0.1 * np.random.default_rng(2).normal(size=60)
        (test,) = normality(self.model.spec, self.values(effects))
        assert test.p_value < 1e-4
        assert test.observed < test.expected
        assert test.name == "normality of r_g[Intercept]"

    def test_a_level_that_stands_out_is_named(self) -> None:
        effects = np.random.default_rng(3).normal(size=60).clip(-2, 2)
        values = self.values(effects)
        assert outlying(self.model.spec.groups[0], values) == []
        effects[7] = 5.0
        found = outlying(self.model.spec.groups[0], self.values(effects))
        assert [label for label, _ in found] == ["7"]
        assert found[0][1] == pytest.approx(25, abs=1)

    def test_distances_take_the_correlation_into_account(self) -> None:
        group = sleep().spec.groups[0]
        sd, cor = np.array([2.0, 0.5]), np.array([0.8])
        b = np.random.default_rng(4).normal(size=(3, 18, 2))
        values = {
            names.sd("Subject"): np.tile(sd, (3, 1)),
            names.cor("Subject"): np.tile(cor, (3, 1)),
            names.effects("Subject"): b,
        }
        inverse = np.linalg.inv(group.covariance.covariance(sd, cor))
        expected = np.einsum("sji,ik,sjk->sj", b, inverse, b)
        assert distances(group, values) == pytest.approx(expected)

    def test_few_levels_are_not_tested(self) -> None:
        model = hl.Model("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"))
        values = {"sd_Batch": np.ones((5, 1)), "r_Batch": np.zeros((5, 6, 1))}
        assert normality(model.spec, values) == []


def test_draws_are_spread_from_first_to_last() -> None:
    assert spread(1000, 3).tolist() == [0, 499, 999]
