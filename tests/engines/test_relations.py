"""Relations that hold whatever the model: they catch what is wired wrongly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.densities import components, numpy_log_joint, random_values

import hierlm as hl


@pytest.fixture
def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 90
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "count": rng.poisson(3, n),
            "binary": rng.integers(0, 2, n),
            "one": 1,
            "x": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "g": rng.choice(list("pqrstu"), n),
            "k": rng.integers(0, 4, n),
        }
    )


def _prior_text(model: hl.Model) -> dict[str, str]:
    return {item.name: str(item.prior) for item in model.spec.priors}


def test_rows_in_another_order_change_nothing(data: pd.DataFrame) -> None:
    formula = "y ~ x * f + (x | g)"
    here, there = hl.Model(formula, data), hl.Model(formula, data.sample(frac=1, random_state=1))
    assert _prior_text(here) == _prior_text(there)
    values = random_values(here, np.random.default_rng(1))
    assert numpy_log_joint(here, values) == pytest.approx(numpy_log_joint(there, values))


def test_terms_and_bars_in_another_order_change_only_order(data: pd.DataFrame) -> None:
    data["h"] = np.random.default_rng(2).choice(list("klmno"), len(data))
    here = hl.Model("y ~ x + f + (1 | g) + (x | h)", data)
    there = hl.Model("y ~ (x | h) + f + (1 | g) + x", data)
    assert _prior_text(here) == _prior_text(there)
    values = random_values(here, np.random.default_rng(1))
    beta = dict(zip(here.spec.coefs, values["beta"], strict=True))
    moved = values | {"beta": np.array([beta[c] for c in there.spec.coefs])}
    assert numpy_log_joint(here, values) == pytest.approx(numpy_log_joint(there, moved))


def test_level_names_change_nothing(data: pd.DataFrame) -> None:
    renamed = data.assign(g="level " + data["g"])
    here, there = (hl.Model("y ~ x + (x | g)", frame) for frame in (data, renamed))
    values = random_values(here, np.random.default_rng(1))
    assert numpy_log_joint(here, values) == numpy_log_joint(there, values)


def test_bernoulli_is_a_binomial_of_one_trial(data: pd.DataFrame) -> None:
    here = hl.Model("binary ~ x + (1 | g)", data, family="bernoulli")
    there = hl.Model("p(binary, one) ~ x + (1 | g)", data, family="binomial")
    assert _prior_text(here) == _prior_text(there)
    values = random_values(here, np.random.default_rng(1))
    assert components(numpy_log_joint(here, values)) == pytest.approx(
        components(numpy_log_joint(there, values))
    )


def test_a_row_of_weight_k_is_k_rows(data: pd.DataFrame) -> None:
    repeated = data.loc[data.index.repeat(data["k"])]
    here = hl.Model("y ~ x + weights(k) + (1 | g)", data)
    there = hl.Model("y ~ x + (1 | g)", repeated)
    values = random_values(here, np.random.default_rng(1))
    assert numpy_log_joint(here, values)["likelihood"] == pytest.approx(
        numpy_log_joint(there, values)["likelihood"]
    )


def test_an_offset_is_a_coefficient_of_one(data: pd.DataFrame) -> None:
    here = hl.Model("count ~ f + offset(x) + (1 | g)", data, family="poisson")
    there = hl.Model("count ~ f + x + (1 | g)", data, family="poisson", priors={"x": 1})
    values = random_values(there, np.random.default_rng(1))
    beta = dict(zip(there.spec.coefs, values["beta"], strict=True))
    without = values | {"beta": np.array([beta[c] for c in here.spec.coefs])}
    assert numpy_log_joint(here, without)["likelihood"] == pytest.approx(
        numpy_log_joint(there, values)["likelihood"]
    )


def test_rescaling_the_response_rescales_the_defaults(data: pd.DataFrame) -> None:
    here = hl.Model("y ~ x + (x | g)", data)
    there = hl.Model("y ~ x + (x | g)", data.assign(y=1000 * data["y"]))
    for name in ("Intercept_centered", "x"):
        a, b = here.spec.priors[name], there.spec.priors[name]
        assert b.sigma == pytest.approx(1000 * a.sigma)
    a, b = (m.spec.priors["sd_g[x]"] for m in (here, there))
    assert b.sigma == pytest.approx(1000 * a.sigma)


def test_treatment_and_sum_coding_span_the_same_columns(data: pd.DataFrame) -> None:
    here = hl.Model("y ~ x * f + (1 | g)", data).design.X
    there = hl.Model("y ~ x * C(f, Sum) + (1 | g)", data).design.X
    projection = here @ np.linalg.lstsq(here, there, rcond=None)[0]
    assert projection == pytest.approx(there)
