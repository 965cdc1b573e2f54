"""The PyMC model: names, dims, defaults that ignore the origin of x, prior draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from helpers.densities import components, numpy_log_joint, pymc_log_joint, random_values

import hierlm as hl
from hierlm import names
from hierlm.priors import LKJ


def test_variables_dims_and_coords() -> None:
    model = hl.Model("strength ~ 1 + (1 | batch/cask)", hl.load_dataset("Pastes")).pymc()
    dims = {name: tuple(model.named_vars_to_dims[name]) for name in model.named_vars_to_dims}
    assert dims["beta"] == ("coef",)
    assert dims["sd_batch:cask"] == ("batch:cask_coef",)
    assert dims["r_batch:cask"] == dims["z_batch:cask"] == ("batch:cask", "batch:cask_coef")
    assert dims["strength"] == ("__obs__",)
    assert model.coords["batch:cask"][:2] == ("A:a", "A:b")
    assert model.coords["coef"] == ("Intercept",)


def test_correlations_are_a_vector_of_pairs() -> None:
    data = hl.load_dataset("Machines")
    model = hl.Model("score ~ Machine + (0 + Machine | Worker)", data).pymc()
    assert tuple(model.named_vars_to_dims["cor_Worker"]) == ("Worker_cor",)
    assert model.coords["Worker_cor"] == (
        "Machine[A], Machine[B]",
        "Machine[A], Machine[C]",
        "Machine[B], Machine[C]",
    )


@pytest.mark.parametrize("parameterization", ["noncentered", "centered"])
def test_parameterization(parameterization: str) -> None:
    data = hl.load_dataset("sleepstudy")
    formula = "Reaction ~ Days + (Days | Subject)"
    free = {
        rv.name for rv in hl.Model(formula, data, parameterization=parameterization).pymc().free_RVs
    }
    assert ("r_Subject" in free) == (parameterization == "centered")
    assert ("z_Subject" in free) == (parameterization == "noncentered")


@pytest.mark.parametrize(
    ("formula", "coefs", "eta"),
    [
        ("y ~ 1 + (1 + x | g)", 2, 2.0),
        ("y ~ 1 + (1 + x + w | g)", 3, 1.0),
        ("y ~ 1 + (1 + x + w + v | g)", 4, 2.5),
    ],
)
def test_prior_draws_of_correlations_have_the_marginals_of_lkj(
    formula: str, coefs: int, eta: float
) -> None:
    """Each correlation is 2 Beta(a, a) - 1 with a = eta - 1 + q/2; PyMC before 6.4 had it wrong."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(120, 4)), columns=list("yxwv"))
    data["g"] = np.repeat(list("abcdefghij"), 12)
    model = hl.Model(formula, data, priors={"cor": LKJ(eta)}).pymc()
    n = 4000
    draws = pm.draw(model["cor_g"], draws=n, random_seed=5)
    assert draws.shape == (n, coefs * (coefs - 1) // 2)
    marginal = LKJ(eta).marginal(coefs)
    for correlation in draws.T:
        ranks = marginal.cdf(correlation)  # uniform when the marginal is right
        assert abs(ranks.mean() - 0.5) < 5 * np.sqrt(1 / 12 / n)
        assert abs(np.square(ranks - 0.5).mean() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)


def _growth(shift: float) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    year = np.tile(np.arange(10.0), 8)
    frame = pd.DataFrame({"year": year + shift, "g": np.repeat(list("abcdefgh"), 10)})
    frame["treat"] = rng.choice(["A", "B"], len(frame))
    return frame.assign(y=5 + 0.5 * year + rng.normal(size=len(frame)))


def test_defaults_do_not_depend_on_the_origin_of_x() -> None:
    formula = "y ~ year + treat + (1 | g)"
    near, far = (hl.Model(formula, _growth(shift)) for shift in (0, 2000))
    assert [(p.name, p.prior) for p in near.spec.priors] == [
        (p.name, p.prior) for p in far.spec.priors
    ]
    values = random_values(near, np.random.default_rng(2))
    moved = values | {"beta": values["beta"].copy()}
    moved["beta"][0] -= 2000 * moved["beta"][1]  # the same line, seen from year zero
    expected = components(numpy_log_joint(near, values))
    assert components(numpy_log_joint(far, moved)) == pytest.approx(expected, rel=1e-9)
    assert pymc_log_joint(far, moved) == pytest.approx(expected, rel=1e-9)


def test_a_varying_slope_far_from_its_origin_warns_and_keeps_its_defaults() -> None:
    formula = "y ~ year + (year | g)"
    near = hl.Model(formula, _growth(0))
    with pytest.warns(hl.DesignWarning, match=r"refer to\s+year = 0.*center\(year\)"):
        far = hl.Model(formula, _growth(2000))
    assert [p.prior for p in near.spec.priors] == [p.prior for p in far.spec.priors]


def test_the_intercept_given_is_the_intercept_reported() -> None:
    data = hl.load_dataset("sleepstudy")
    model = hl.Model("Reaction ~ Days + (1 | Subject)", data, priors={"Intercept": (0.5)})
    assert model.spec.priors[names.INTERCEPT].value == 0.5
    draws = pm.draw(model.pymc()["beta"], draws=3, random_seed=1)
    assert draws[:, 0] == pytest.approx(0.5)


def test_interactions_keep_the_scale_of_their_parts() -> None:
    near = hl.Model("y ~ year * treat + (1 | g)", _growth(0))
    with pytest.warns(hl.DesignWarning, match="main effects beside"):
        far = hl.Model("y ~ year * treat + (1 | g)", _growth(2000))
    assert near.spec.priors["year:treat[B]"] == far.spec.priors["year:treat[B]"]
