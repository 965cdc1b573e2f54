from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pymc as pm
import pytensor
import pytest
from scipy import integrate

from hierlm.errors import PriorError
from hierlm.priors import (
    Beta,
    Cauchy,
    Density,
    Exponential,
    Fixed,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    Laplace,
    LogNormal,
    Normal,
    Prior,
    StudentT,
    Uniform,
)

PROPER: list[Density] = [
    Normal(1, 2),
    StudentT(3, 1, 2),
    Cauchy(1, 2),
    Laplace(1, 2),
    HalfNormal(2),
    HalfStudentT(3, 2),
    HalfCauchy(2),
    Exponential(0.5),
    Gamma(2, 0.5),
    InverseGamma(3, 2),
    LogNormal(0.5, 0.7),
    Uniform(-1, 3),
    Beta(2, 3),
]
each = pytest.mark.parametrize("prior", PROPER, ids=repr)


@each
def test_density_integrates_to_the_distribution_function(prior: Density) -> None:
    lower, upper = prior.support
    for p in (0.2, 0.9):
        x = float(prior.ppf(p))
        area, _ = integrate.quad(lambda t: np.exp(prior.logpdf(t)), lower, x)
        assert area == pytest.approx(p, rel=1e-7)
        assert float(prior.cdf(x)) == pytest.approx(p, rel=1e-10)
    assert float(prior.cdf(upper)) == 1.0


@each
def test_nothing_lies_outside_the_support(prior: Density) -> None:
    lower, upper = prior.support
    outside = [edge + side for edge, side in ((lower, -0.5), (upper, 0.5)) if np.isfinite(edge)]
    assert (prior.logpdf(outside) == -np.inf).all()
    assert set(prior.cdf(outside)) <= {0.0, 1.0}


@each
def test_draws_follow_the_distribution_function(prior: Density) -> None:
    n = 20_000
    x = prior.rvs(np.random.default_rng(11), (n // 2, 2))
    assert x.shape == (n // 2, 2)
    p = np.array([0.1, 0.5, 0.9])
    below = (x.reshape(-1, 1) <= prior.ppf(p)).mean(axis=0)
    np.testing.assert_array_less(np.abs(below - p) / np.sqrt(p * (1 - p) / n), 4)
    assert prior.rvs(np.random.default_rng(11)).shape == ()


def test_names_parameters_and_densities_are_those_of_pymc() -> None:
    inside = [float(prior.ppf(0.3)) for prior in PROPER]
    graphs = [
        pm.logp(
            # as arrays: PyTensor takes a Python float for a float32
            getattr(pm, type(prior).__name__).dist(
                **{name: np.asarray(value) for name, value in prior.parameters.items()}
            ),
            np.asarray(x),
        )
        for prior, x in zip(PROPER, inside, strict=True)
    ]
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        reference = pytensor.function([], graphs)()
    ours = [float(prior.logpdf(x)) for prior, x in zip(PROPER, inside, strict=True)]
    # PyMC's HalfStudentT and HalfCauchy have log(2) in single precision: 1.9e-9 too large
    rounded = float(np.log(np.float32(2)) - np.log(2))
    excess = [rounded * isinstance(prior, HalfStudentT | HalfCauchy) for prior in PROPER]
    np.testing.assert_allclose(
        ours, np.array(reference, dtype=float) - excess, rtol=1e-12, atol=1e-14
    )


def test_half_student_tends_to_half_normal_and_is_half_cauchy() -> None:
    x = np.array([0.0, 0.3, 4.0])
    np.testing.assert_allclose(HalfStudentT(1, 2).logpdf(x), HalfCauchy(2).logpdf(x), rtol=1e-12)
    np.testing.assert_allclose(HalfStudentT(1, 2).cdf(x), HalfCauchy(2).cdf(x), rtol=1e-12)
    np.testing.assert_allclose(HalfStudentT(1e8, 2).logpdf(x), HalfNormal(2).logpdf(x), rtol=1e-6)


def test_flat_has_no_draws() -> None:
    assert Flat().support == (-np.inf, np.inf)
    assert float(Flat().logpdf(3.0)) == 0.0
    with pytest.raises(PriorError, match=r"Flat\(\) is improper.*\n.*Normal\(0, 100\)"):
        Flat().rvs(np.random.default_rng(1))


def test_fixed_is_its_value() -> None:
    prior = Fixed(4)
    assert prior.support == (4.0, 4.0)
    np.testing.assert_array_equal(prior.logpdf([3.0, 4.0]), [-np.inf, 0.0])
    np.testing.assert_array_equal(prior.rvs(np.random.default_rng(1), 3), [4.0, 4.0, 4.0])


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (Normal, (0, -20), r"^Normal: sigma must be positive; came -20\.$"),
        (HalfNormal, (0,), r"^HalfNormal: sigma must be positive; came 0\."),
        (StudentT, (-3,), r"^StudentT: nu must be positive; came -3\."),
        (Normal, (float("nan"), 1), r"^Normal: mu must be finite; came nan\."),
        (Normal, (0, float("inf")), r"^Normal: sigma must be finite; came inf\."),
        (Normal, (0, "20"), r"^Normal: sigma must be a number; came '20'\."),
        (Normal, (0, True), r"^Normal: sigma must be a number; came True\."),
        (Normal, (0, [1, 2]), r"^Normal: sigma must be a number; came \[1, 2\]\."),
        (Uniform, (2, 2), r"^Uniform: lower must be less than upper; came 2 and 2\."),
        (Gamma, (2, -0.1), r"^Gamma: beta must be positive; came -0\.1\."),
        (Fixed, (float("nan"),), r"^Fixed: value must be finite; came nan\."),
    ],
)
def test_parameters_are_checked(
    cls: type[Prior], arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(PriorError, match=message):
        cls(*arguments)


def test_priors_are_values() -> None:
    prior = Normal(0, np.int64(20))
    prior.logpdf(1.0)
    assert prior == Normal(0.0, 20.0) != Normal(0, 21)
    assert hash(prior) == hash(Normal(0, 20))
    assert HalfNormal(2) != HalfCauchy(2)
    assert replace(prior, sigma=5) == Normal(0, 5)
    assert pickle.loads(pickle.dumps(prior)) == prior
    assert prior.parameters == {"mu": 0.0, "sigma": 20.0}
    with pytest.raises(FrozenInstanceError):
        prior.sigma = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("prior", "text"),
    [
        (Normal(0, 20), "Normal(0, 20)"),
        (HalfStudentT(3, 56.32865712), "HalfStudentT(3, 56.32865712)"),
        (Normal(-2.5, 1e-7), "Normal(-2.5, 1e-07)"),
        (Flat(), "Flat()"),
        (Fixed(4), "Fixed(4)"),
    ],
)
def test_repr(prior: Prior, text: str) -> None:
    assert repr(prior) == text
