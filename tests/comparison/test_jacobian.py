"""Densities of a transformed response, brought to the scale of its column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm.comparison import compare
from hierlm.comparison.jacobian import log_jacobian
from hierlm.errors import DataError

RNG = np.random.default_rng(8)
DATA = pd.DataFrame(
    {
        "y": RNG.uniform(0.2, 3.0, 30).round(3),
        "g": np.resize(list("abcdef"), 30),
        "x": RNG.normal(size=30),
    }
)
Y = DATA["y"].to_numpy()


def _model(response: str, **options: object) -> hl.Model:
    return hl.Model(f"{response} ~ x + (1 | g)", DATA, **options)


CASES = {
    "y": np.ones(30),
    "log(y)": 1 / Y,
    "log2(y)": 1 / Y / np.log(2),
    "log10(y)": 1 / Y / np.log(10),
    "log1p(y)": 1 / (1 + Y),
    "exp(y)": np.exp(Y),
    "expm1(y)": np.exp(Y),
    "sqrt(y)": 0.5 / np.sqrt(Y),
    "I(y**2)": 2 * Y,
    "I(1 / y)": 1 / Y**2,
    "I((y + 1) * y - -2)": 2 * Y + 1,
    "log(sqrt(y) / 100)": 0.5 / Y,
    "scale(y)": np.full(30, 1 / Y.std()),
    "center(y)": np.ones(30),
}


@pytest.mark.parametrize("response", CASES)
def test_the_derivative(response: str) -> None:
    model = _model(response)
    found = log_jacobian(model.spec, model.frame)
    np.testing.assert_allclose(found, np.log(CASES[response]), rtol=1e-9, atol=1e-9)


def test_a_function_of_the_caller_by_differences() -> None:
    model = _model("cube(y)", functions={"cube": lambda y: y**3})
    expected = np.log(3 * Y**2)
    np.testing.assert_allclose(log_jacobian(model.spec, model.frame), expected, atol=1e-9)


@pytest.mark.parametrize("response", ["abs(center(y))", "I((y - 1)**2)"])
def test_what_is_not_one_to_one_is_refused(response: str) -> None:
    model = _model(response)
    with pytest.raises(DataError, match="does not rise or fall throughout"):
        log_jacobian(model.spec, model.frame)


def test_a_response_of_two_columns_has_no_scale() -> None:
    model = _model("I(y + x)")
    with pytest.raises(DataError, match=r"is made of 2 columns \(y, x\)"):
        log_jacobian(model.spec, model.frame)


@pytest.mark.parametrize("unit", ["g", None])
def test_a_lognormal_and_a_gaussian_of_the_log_are_one_model(unit: str | None) -> None:
    priors = {"Intercept": hl.Normal(0, 1), "beta": hl.Normal(0, 1), "sd": 0.5, "sigma": 1.0}
    lognormal = synthetic_fit(_model("y", family="lognormal", priors=priors), draws=50)
    logs = synthetic_fit(_model("log(y)", priors=priors), draws=50)
    found = compare({"lognormal": lognormal, "logs": logs}, unit=unit, jacobian=True)
    a, b = (found.results[name].elpd_i for name in ("lognormal", "logs"))
    np.testing.assert_allclose(a, b, rtol=1e-10)
    assert found.table["elpd_diff"].abs().max() < 1e-8
    assert found.results["logs"].se == pytest.approx(found.results["lognormal"].se)
