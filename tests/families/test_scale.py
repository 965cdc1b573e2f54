from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from hierlm.families import get_family

Y = np.array([2.0, 3.0, 5.0, 10.0])
MEAN, SD = Y.mean(), Y.std(ddof=1)


@pytest.mark.parametrize(
    ("family", "link", "location", "scale"),
    [
        ("gaussian", "identity", MEAN, SD),
        ("student", "identity", MEAN, SD),
        ("gaussian", "log", np.log(MEAN), 1.0),
        ("gamma", "log", np.log(MEAN), 1.0),
        ("gamma", "inverse", 1 / MEAN, SD / MEAN**2),
        ("poisson", "sqrt", np.sqrt(MEAN), SD / (2 * np.sqrt(MEAN))),
        ("poisson", "identity", MEAN, SD),
        ("lognormal", "identity", np.log(Y).mean(), np.log(Y).std(ddof=1)),
    ],
)
def test_location_and_scale(family: str, link: str, location: float, scale: float) -> None:
    m, s = get_family(family, link).location_scale(Y)
    assert m == pytest.approx(location, rel=1e-12)
    assert s == pytest.approx(scale, rel=1e-12)


@pytest.mark.parametrize(
    ("link", "g"), [("logit", special.logit), ("probit", stats.norm.ppf), ("cloglog", None)]
)
def test_proportions_are_pooled_over_trials(link: str, g: object) -> None:
    m, s = get_family("binomial", link).location_scale([1, 8], trials=[2, 10])
    wanted = np.log(-np.log1p(-0.75)) if g is None else g(0.75)  # type: ignore[operator]
    assert (m, s) == (pytest.approx(wanted, rel=1e-12), 1.0)


@pytest.mark.parametrize("name", ["gaussian", "lognormal", "gamma", "poisson", "binomial"])
def test_a_row_of_weight_k_is_k_rows(name: str) -> None:
    family = get_family(name)
    k = np.array([1, 3, 2, 1])
    trials = np.array([10, 10, 12, 10]) if name == "binomial" else None
    repeated = None if trials is None else np.repeat(trials, k)
    weighted = family.location_scale(Y, trials, weights=k)
    np.testing.assert_allclose(
        weighted, family.location_scale(np.repeat(Y, k), repeated), rtol=1e-12
    )
    assert family.shape_scale(Y, weights=k) == pytest.approx(family.shape_scale(np.repeat(Y, k)))


def test_one_trial_is_bernoulli() -> None:
    y = [0, 1, 1, 1]
    bernoulli = get_family("bernoulli").location_scale(y)
    assert get_family("binomial").location_scale(y, trials=np.ones(4)) == bernoulli


@pytest.mark.parametrize(
    ("family", "y", "mean"),
    [("bernoulli", [0] * 10, 0.05), ("bernoulli", [1] * 10, 0.95), ("poisson", [0] * 10, 0.05)],
)
def test_a_mean_on_the_border_moves_by_half_an_observation(
    family: str, y: list[int], mean: float
) -> None:
    m, s = get_family(family).location_scale(y)
    assert m == pytest.approx(float(get_family(family).link.link(np.array(mean))), rel=1e-12)
    assert s == 1.0


def test_the_border_rule_leaves_responses_inside_alone() -> None:
    y = np.array([1e-6, 1e-6, 1.0])
    assert get_family("gamma").location_scale(y)[0] == pytest.approx(np.log(y.mean()), rel=1e-12)


def test_scales_follow_the_unit_of_the_response() -> None:
    family = get_family("gaussian")
    np.testing.assert_allclose(
        family.location_scale(1000 * Y), 1000 * np.array(family.location_scale(Y)), rtol=1e-12
    )
    assert family.with_link("log").shape_scale(1000 * Y) == pytest.approx(1000 * SD)


def test_a_constant_response_and_no_response_have_scale_one() -> None:
    family = get_family("gaussian")
    assert family.location_scale(np.full(7, 0.1)) == (pytest.approx(0.1), 1.0)
    assert family.location_scale([3.0]) == (3.0, 1.0)
    assert family.location_scale([]) == (0.0, 1.0)
