from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierlm.errors import PriorError
from hierlm.priors import (
    LKJ,
    Exponential,
    Fixed,
    Flat,
    Gamma,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    Laplace,
    LogNormal,
    Normal,
    Prior,
    StudentT,
    Uniform,
    as_prior,
    parse_prior,
    values,
)


@pytest.mark.parametrize(
    ("text", "prior"),
    [
        ("normal(0, 20)", Normal(0, 20)),
        ("Normal(mu=0, sigma=20)", Normal(0, 20)),
        ("NORMAL(sigma = 20)", Normal(0, 20)),
        ("Normal(1, sigma=20)", Normal(1, 20)),
        ("  normal ( -2.5 ,\t1e-3 )\n", Normal(-2.5, 0.001)),
        ("normal()", Normal(0, 1)),
        ("student_t(3, 0, 10)", StudentT(3, 0, 10)),
        ("StudentT(nu=4)", StudentT(4, 0, 1)),
        ("half_normal(50)", HalfNormal(50)),
        ("HalfStudentT(3, 50)", HalfStudentT(3, 50)),
        ("half_student_t(3, .5)", HalfStudentT(3, 0.5)),
        ("exponential(1.)", Exponential(1)),
        ("gamma(2, 0.1)", Gamma(2, 0.1)),
        ("inv_gamma(0.4, 0.3)", InverseGamma(0.4, 0.3)),
        ("inverse_gamma(0.4, 0.3)", InverseGamma(0.4, 0.3)),
        ("lognormal(0, 1)", LogNormal(0, 1)),
        ("double_exponential(0, 1)", Laplace(0, 1)),
        ("uniform(-1E2, +1e2)", Uniform(-100, 100)),
        ("lkj(2)", LKJ(2)),
        ("LKJ(eta=2)", LKJ(2)),
        ("flat()", Flat()),
        ("constant(4)", Fixed(4)),
        ("-4.5", Fixed(-4.5)),
    ],
)
def test_text(text: str, prior: Prior) -> None:
    assert parse_prior(text) == prior


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("normal(0, 1", r"'normal\(0, 1': the parentheses do not match\.\n.*normal\(0, 20\)"),
        ("normal 0, 1)", r"the parentheses do not match"),
        (")normal(", r"'\)normal\(' is not a prior"),
        ("normal", r"'normal' is not a prior: .*\n  Write it as in Normal\(mu=0, sigma=1\)\."),
        ("", r"'' is not a prior: wanted a name .*\n  Write it as in normal\(0, 20\)\."),
        ("0, 20", r"is not a prior"),
        ("nan", r"is not a prior"),
        ("normal(0, 1) + 1", r"is not a prior"),
        (
            "norml(0, 1)",
            r"no prior is called 'norml'\. Did you mean 'Normal'\?\n  There are: Beta,",
        ),
        ("zebra(1)", r"no prior is called 'zebra'\.\n  There are: Beta, Cauchy, "),
        ("normal(0, 1, 2)", r"2 parameters, and 3 came\.\n  Write Normal\(mu=0, sigma=1\)\."),
        ("half_normal(0, 1)", r"1 parameter, and 2 came\.\n  Write HalfNormal\(sigma\)\."),
        ("flat(1)", r"no parameters, and 1 came\.\n  Write Flat\(\)\."),
        ("gamma(2)", r"beta missing; it has 2 parameters\.\n  Write Gamma\(alpha, beta\)\."),
        ("student_t()", r"nu missing; it has 3 parameters"),
        ("gamma()", r"alpha and beta missing"),
        ("normal(0, wide)", r"'wide' is not a number\.\n  Write Normal"),
        ("normal(0, nan)", r"'nan' is not a number"),
        ("normal(0, 1_0)", r"'1_0' is not a number"),
        ("normal(0, 1/2)", r"'1/2' is not a number"),
        ("normal(0, (1))", r"'\(1\)' is not a number"),
        ("normal(0,)", r"'' is not a number"),
        ("normal(0, __import__('os'))", r"is not a number"),
        ("normal(mu=0, 1)", r"'1' follows a named parameter and needs a name"),
        ("normal(0, mu=1)", r"mu is given twice"),
        ("normal(0, sigm=1)", r"no parameter is called 'sigm'\. Did you mean 'sigma'\?\n  Write"),
        ("normal(0, -20)", r"^'normal\(0, -20\)': Normal: sigma must be positive; came -20\."),
        ("normal(0, 1e400)", r"sigma must be finite; came inf"),
        ("lkj(-1)", r"LKJ: eta must be positive; came -1"),
    ],
)
def test_text_that_is_no_prior(text: str, message: str) -> None:
    with pytest.raises(PriorError, match=message):
        parse_prior(text)


ABSTRACT = {"Prior", "ScalarPrior", "Density"}
CLASSES = [getattr(values, name) for name in values.__all__ if name not in ABSTRACT]


@st.composite
def any_prior(draw: st.DrawFn) -> Prior:
    cls = draw(st.sampled_from(CLASSES))
    real = st.floats(-1e12, 1e12)
    positive = st.floats(1e-12, 1e12)
    if cls is Uniform:
        lower = draw(real)
        return Uniform(lower, draw(st.floats(lower, 1e13, exclude_min=True)))
    return cls(**{f.name: draw(positive if f.name in cls.positive else real) for f in fields(cls)})


@given(any_prior())
def test_repr_reads_back(prior: Prior) -> None:
    assert parse_prior(repr(prior)) == prior


@given(any_prior())
def test_named_parameters_read_back(prior: Prior) -> None:
    inside = ", ".join(f"{name}={value!r}" for name, value in prior.parameters.items())
    assert parse_prior(f"{type(prior).__name__.upper()}({inside})") == prior


@given(st.text())
def test_any_text_is_a_prior_or_a_prior_error(text: str) -> None:
    try:
        prior = parse_prior(text)
    except PriorError:
        return
    assert isinstance(prior, Prior)


def test_as_prior() -> None:
    assert as_prior(Normal(0, 1)) == as_prior("normal(0, 1)") == Normal(0, 1)
    assert as_prior(4) == as_prior(4.0) == as_prior(np.float32(4)) == Fixed(4)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, r"fixes the parameter; came True"),
        (None, r"a prior is a value such as hl\.Normal\(0, 20\), .*came None"),
        ([0, 20], r"came \[0, 20\]"),
        (HalfNormal, r"came <class .*>\.\n  Give it parameters: HalfNormal\(sigma\)\."),
        (float("nan"), r"must be finite; came nan"),
        (float("inf"), r"must be finite; came inf"),
    ],
)
def test_what_is_no_prior(value: object, message: str) -> None:
    with pytest.raises(PriorError, match=message):
        as_prior(value)
