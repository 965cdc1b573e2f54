"""Right formulas against a table that has their columns, of any kind: a model or hierlm's error."""

from __future__ import annotations

import numpy as np
import pandas as pd
from helpers.formulas import formulas, slips
from helpers.fuzzing import attempt, cases
from hypothesis import given
from hypothesis import strategies as st

import hierlm as hl

N = 40


def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    names = ["a", "b", "c.d", "my col", "1", "größe", "True", "z", "e", "s", "y"]
    data = pd.DataFrame({name: rng.uniform(0.5, 3, N) for name in names})
    data["n"], data["w"] = 9, 1 + np.arange(N) % 2
    data["g"], data["h"] = np.arange(N) % 8, np.repeat(list("pqrst"), 8)
    data["g 1"], data["k"] = np.arange(N) % 10, np.tile([True, False], N // 2)
    return data.assign(b=np.tile(list("uvwx"), N // 4), größe=np.arange(N) % 3 == 0)


DATA = table()


@cases(short=30, nightly=1000)
@given(formulas | slips(), st.sampled_from(["gaussian", "gamma", "binomial"]))
def test_a_model_or_an_error_of_hierlm(text: str, family: str) -> None:
    model = attempt(lambda: hl.Model(text, DATA, family=family))
    if isinstance(model, hl.Model):
        assert np.isfinite(model.design.X).all()
        assert str(model)
