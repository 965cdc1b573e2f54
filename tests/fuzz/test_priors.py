"""Priors drawn at random, their names and their text: a model that prints them, or PriorError."""

from __future__ import annotations

from typing import Any

import numpy as np
from helpers.fuzzing import NASTY_NAMES, attempt, cases
from helpers.tables import table
from hypothesis import given
from hypothesis import strategies as st

import hierlm as hl

FORMULA = "y ~ x + f + poly(z, 2) + (x | g) + (1 | h)"
KNOWN = [p.name for p in hl.Model(FORMULA, table()).spec.priors]
NAMES = [*KNOWN, "beta", "sd", "cor", "sd_g", "Intercept", "poly(z,2)[0]", "poly( z , 2 )[1]", "f"]
WORDS = [
    "normal",
    "Student_T",
    "halfnormal",
    "exponential",
    "lkj",
    "uniform",
    "flat",
    "cauchy",
    "x",
]
NUMBERS = [
    "0",
    "1",
    "-1",
    "1e400",
    "1e-400",
    "nan",
    "inf",
    "2.5",
    "",
    "1e308",
    "5e-324",
    "0x1",
    "²",
]
ARGUMENTS = ["mu=", "sigma=", "eta=", "nu=", "lower=", "upper=", "", "", ""]

argument = st.builds("{}{}".format, st.sampled_from(ARGUMENTS), st.sampled_from(NUMBERS))
calls = st.builds(
    lambda name, inside: f"{name}({', '.join(inside)})",
    st.sampled_from(WORDS),
    st.lists(argument, max_size=4),
)
numbers = st.floats() | st.integers() | st.sampled_from([np.float32(1), np.int8(2), True, 10**400])
objects = st.sampled_from(
    [None, [], {}, b"normal(0, 1)", hl.Normal, object(), np.nan, 1j, hl.LKJ(2)]
)
values = calls | calls | numbers | objects | st.text()


@cases(short=60, nightly=1500)
@given(st.dictionaries(st.sampled_from(NAMES) | st.sampled_from(NASTY_NAMES), values, max_size=3))
def test_any_priors(priors: dict[str, Any]) -> None:
    model = attempt(lambda: hl.Model(FORMULA, table(), priors=priors), hl.PriorError)
    if isinstance(model, hl.Model):
        given = [item for item in model.spec.priors if not item.is_default]
        assert bool(given) == bool(priors)
        assert str(model)


@cases(short=30, nightly=300)
@given(st.none() | st.text() | st.lists(st.integers()) | st.dictionaries(st.integers(), numbers))
def test_what_is_no_dict_of_priors(priors: Any) -> None:
    found = attempt(lambda: hl.Model(FORMULA, table(), priors=priors), hl.PriorError)
    assert isinstance(found, hl.PriorError) or not priors
