from __future__ import annotations

import pickle

import numpy as np
import pymc as pm
import pytensor
import pytest
from scipy import integrate

from hierlm.errors import FamilyError
from hierlm.families import FAMILIES, Family, family_names, get_family, get_link
from hierlm.priors import parse_prior

# family: means, shapes, trials
POINTS = {
    "gaussian": ([-1.0, 2.0], {"sigma": 1.5}, None),
    "student": ([-1.0, 2.0], {"sigma": 1.5, "nu": 5.0}, None),
    "lognormal": ([-0.5, 0.4], {"sigma": 0.6}, None),
    "gamma": ([0.8, 3.0], {"alpha": 2.5}, None),
    "beta": ([0.3, 0.6], {"kappa": 6.0}, None),
    "bernoulli": ([0.2, 0.7], {}, None),
    "binomial": ([0.2, 0.7], {}, [4, 9]),
    "poisson": ([0.7, 5.0], {}, None),
    "negbinomial": ([0.7, 5.0], {"alpha": 1.8}, None),
}
CONTINUOUS = [name for name in POINTS if not FAMILIES[name].discrete]
DISCRETE = [name for name in POINTS if FAMILIES[name].discrete]
BOUNDS = {"gaussian": (-np.inf, np.inf), "student": (-np.inf, np.inf), "beta": (0, 1)}


def test_every_family_has_a_point() -> None:
    assert sorted(POINTS) == family_names()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_densities_integrate_to_one(name: str) -> None:
    mu, shapes, _ = POINTS[name]
    family = get_family(name)
    low, high = BOUNDS.get(name, (0, np.inf))
    for m in mu:
        for power, wanted in ((0, 1.0), (1, float(family.mean(m, **shapes)))):
            area, _ = integrate.quad(
                lambda y, m=m, k=power: y**k * np.exp(family.logpdf(y, m, **shapes)), low, high
            )
            assert area == pytest.approx(wanted, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("name", DISCRETE)
def test_masses_sum_to_one_and_have_the_stated_moments(name: str) -> None:
    mu, shapes, trials = POINTS[name]
    family = get_family(name)
    y = np.arange(400.0)[:, None]
    mass = np.exp(family.logpdf(y, mu, trials=trials, **shapes))
    mean = family.mean(mu, trials=trials, **shapes)
    np.testing.assert_allclose(mass.sum(axis=0), 1.0, rtol=1e-10)
    np.testing.assert_allclose((y * mass).sum(axis=0), mean, rtol=1e-8)
    np.testing.assert_allclose(
        ((y - mean) ** 2 * mass).sum(axis=0),
        family.variance(mu, trials=trials, **shapes),
        rtol=1e-8,
    )
    np.testing.assert_allclose(
        np.cumsum(mass, axis=0)[:4], family.cdf(y[:4], mu, trials=trials, **shapes), rtol=1e-10
    )


def test_log_densities_are_those_of_pymc() -> None:
    # as arrays: PyTensor takes a Python float for a float32
    mu = {name: np.array(point[0]) for name, point in POINTS.items()}
    shape = {
        name: {key: np.asarray(value) for key, value in point[1].items()}
        for name, point in POINTS.items()
    }
    alpha, kappa = shape["gamma"]["alpha"], shape["beta"]["kappa"]
    distributions = {
        "gaussian": pm.Normal.dist(mu["gaussian"], **shape["gaussian"]),
        "student": pm.StudentT.dist(mu=mu["student"], **shape["student"]),
        "lognormal": pm.LogNormal.dist(mu["lognormal"], **shape["lognormal"]),
        "gamma": pm.Gamma.dist(alpha=alpha, beta=alpha / mu["gamma"]),
        "beta": pm.Beta.dist(mu["beta"] * kappa, (1 - mu["beta"]) * kappa),
        "bernoulli": pm.Bernoulli.dist(mu["bernoulli"]),
        "binomial": pm.Binomial.dist(np.array(POINTS["binomial"][2]), mu["binomial"]),
        "poisson": pm.Poisson.dist(mu["poisson"]),
        "negbinomial": pm.NegativeBinomial.dist(mu=mu["negbinomial"], **shape["negbinomial"]),
    }
    y = {name: np.array([1, 3]) if FAMILIES[name].discrete else [0.3, 0.9] for name in POINTS}
    y["bernoulli"] = np.array([0, 1])
    graphs = [pm.logp(distributions[name], y[name]) for name in POINTS]
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        reference = pytensor.function([], graphs)()
    for (name, (_, _, trials)), wanted in zip(POINTS.items(), reference, strict=True):
        ours = get_family(name).logpdf(y[name], mu[name], trials=trials, **shape[name])
        np.testing.assert_allclose(ours, wanted, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", POINTS)
def test_draws_have_the_stated_moments(name: str) -> None:
    mu, shapes, trials = POINTS[name]
    family = get_family(name)
    draws = 40_000
    many = np.broadcast_to(mu, (draws, 2))
    y = family.rvs(np.random.default_rng(7), many, trials=trials, **shapes)
    assert y.dtype.kind == ("i" if family.discrete else "f")
    mean = family.mean(mu, trials=trials, **shapes)
    variance = family.variance(mu, trials=trials, **shapes)
    np.testing.assert_array_less(np.abs(y.mean(axis=0) - mean) / np.sqrt(variance / draws), 4)
    squares = (y - mean) ** 2
    se = squares.std(axis=0) / np.sqrt(draws)
    np.testing.assert_array_less(np.abs(squares.mean(axis=0) - variance) / se, 5)
    assert np.isfinite(family.logpdf(y, many, trials=trials, **shapes)).all()


def test_draws_follow_the_generator_and_the_broadcast_shape() -> None:
    family = get_family("gaussian")
    first, second = (
        family.rvs(np.random.default_rng(3), np.zeros(4), sigma=np.ones((2, 1))) for _ in range(2)
    )
    assert first.shape == (2, 4)
    np.testing.assert_array_equal(first, second)


def test_negbinomial_tends_to_poisson_and_bernoulli_is_one_trial() -> None:
    y = np.arange(6.0)
    np.testing.assert_allclose(
        get_family("negbinomial").logpdf(y, 3.0, alpha=1e7),
        get_family("poisson").logpdf(y, 3.0),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        get_family("binomial").logpdf([0, 1], 0.3, trials=1),
        get_family("bernoulli").logpdf([0, 1], 0.3),
        rtol=1e-14,
    )


def test_beta_draws_survive_a_mean_that_rounds_to_one() -> None:
    y = get_family("beta").rvs(np.random.default_rng(1), [0.0, 1.0], kappa=5.0)
    assert y[0] < 1e-12
    assert y[1] == pytest.approx(1.0)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_outside_the_support_there_is_no_density(name: str) -> None:
    mu, shapes, _ = POINTS[name]
    outside = {"gaussian": np.inf, "student": np.inf}.get(name, -1.0)
    assert get_family(name).logpdf(outside, mu[0], **shapes) == -np.inf


def test_links() -> None:
    bernoulli = get_family("bernoulli")
    assert bernoulli.link is get_link("logit")
    probit = bernoulli.with_link("probit")
    assert probit.link is get_link("probit")
    assert repr(probit) == "Family('bernoulli', link='probit')"
    assert probit.with_link("logit") == bernoulli != probit
    assert get_family("bernoulli", link="probit") == get_family(probit) == probit
    with pytest.raises(FamilyError, match=r"family poisson has no link 'logit'.*\n  It takes: log"):
        get_family("poisson").with_link("logit")
    for family in FAMILIES.values():
        assert all(get_link(name).name == name for name in family.links)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("normal", "gaussian"),
        ("Gamma", "gamma"),
        ("negative_binomial", "negbinomial"),
        ("negbin", "negbinomial"),
        ("t", "student"),
        ("student_t", "student"),
        ("StudentT", "student"),
        ("log-normal", "lognormal"),
    ],
)
def test_other_names(written: str, name: str) -> None:
    assert get_family(written).name == name


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("poison", r"no family is called 'poison'\. Did you mean 'poisson'\?\n  There are: bern"),
        ("zebra", r"no family is called 'zebra'\.\n  There are: bernoulli, beta, binomial"),
        ("categorical", r"'categorical' is not supported\. With two .*bernoulli"),
        ("Zero_Inflated_Poisson", r"is not supported\."),
        (3, r"a family is a name or a Family; came 3"),
    ],
)
def test_unknown_families(written: str, message: str) -> None:
    with pytest.raises(FamilyError, match=message):
        get_family(written)


def test_shapes_and_trials_are_asked_for() -> None:
    with pytest.raises(FamilyError, match=r"student needs the parameters: sigma, nu; came: sigma"):
        get_family("student").logpdf(0.0, 0.0, sigma=1.0)
    with pytest.raises(FamilyError, match=r"poisson needs the parameters: none; came: alpha"):
        get_family("poisson").logpdf(0.0, 1.0, alpha=1.0)
    with pytest.raises(FamilyError, match=r"binomial needs the argument trials"):
        get_family("binomial").mean(0.5)


def test_draws_that_cannot_be_made_say_why() -> None:
    message = r"poisson cannot draw responses with mu in \[1, 1e\+30\].*\n.*Make it narrower"
    with pytest.raises(FamilyError, match=message):
        get_family("poisson").rvs(np.random.default_rng(1), [1.0, 1e30])
    with pytest.raises(FamilyError, match=r"sigma in \[-1, -1\]"):
        get_family("gaussian").rvs(np.random.default_rng(1), 0.0, sigma=-1.0)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=repr)
def test_default_priors_of_shapes_can_be_read(family: Family) -> None:
    for shape in family.shapes:
        prior = parse_prior(shape.prior(12.3456789))
        assert ("12.3456789" in repr(prior)) == ("{scale}" in shape.default)
        assert prior.support == (0.0, np.inf)
        assert shape.reason
        assert shape.meaning


@pytest.mark.parametrize("family", FAMILIES.values(), ids=repr)
def test_families_survive_pickling(family: Family) -> None:
    assert pickle.loads(pickle.dumps(family)) == family
