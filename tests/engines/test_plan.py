"""What a model says of how it will be sampled, before it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hierlm as hl
from hierlm.engines.plan import Plan


@pytest.mark.parametrize(
    ("dataset", "formula", "plan"),
    [
        (
            "sleepstudy",
            "Reaction ~ Days + (Days | Subject)",
            "18 levels of Subject one by one; 2 coefficients together; some 2 µs for a gradient",
        ),
        (
            "Pastes",
            "strength ~ 1 + (1 | batch/cask)",
            "30 levels of batch:cask and 10 levels of batch one by one; 1 coefficient together; "
            "some 4 µs for a gradient",
        ),
        (
            "Penicillin",
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            "24 levels of plate one by one; 7 columns together (sample and coefficients); some "
            "5 µs for a gradient",
        ),
        ("sleepstudy", "Reaction ~ Days", "2 coefficients together; some 2 µs for a gradient"),
    ],
)
def test_the_plan_is_printed_with_the_model(dataset: str, formula: str, plan: str) -> None:
    model = hl.Model(formula, hl.load_dataset(dataset))
    assert str(Plan.of(model.spec)) == plan
    assert plan in " ".join(str(model).split("\n\nEngine\n")[1].split())


def test_other_engines_have_no_plan() -> None:
    model = hl.Model(
        "p(incidence, size) ~ period + (1 | herd)", hl.load_dataset("cbpp"), family="binomial"
    )
    assert "one by one" not in str(model)


def test_costs_grow_with_the_levels_and_the_cube_of_crossed_columns() -> None:
    def nanoseconds(n_outer: int, n_crossed: int) -> float:
        n = 20 * n_outer
        rng = np.random.default_rng(0)
        columns = {"g": np.arange(n) % n_outer, "h": np.arange(n) % n_crossed}
        frame = pd.DataFrame({"y": rng.normal(size=n), **columns})
        formula = "y ~ 1 + (1 | g)" + " + (1 | h)" * (n_crossed > 1)
        return Plan.of(hl.Model(formula, frame).spec).nanoseconds

    assert nanoseconds(4000, 1) / nanoseconds(400, 1) == pytest.approx(10, rel=0.2)
    assert nanoseconds(4000, 1201) > 4 * nanoseconds(4000, 601)
