"""Tables drawn at random: a model is right, or its table is refused with hierlm's own error."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from helpers.fuzzing import KINDS, attempt, cases, column, container, names, notes_allowed
from hypothesis import given
from hypothesis import strategies as st

import hierlm as hl

RIGHT = [
    *(
        "{x}",
        "1",
        "0 + {x}",
        "{x} + {z}",
        "{x} * {z}",
        "{x}:{z}",
        "C({x})",
        "log({x})",
        "I({x}**2)",
    ),
    *("(1 | {g})", "{x} + (1 | {g})", "({x} | {g})", "{x} + ({x} || {g})", "(0 + {x} | {g})"),
    *("(1 | {g}/{z})", "(1 | {g}:{z})", "(1 | {g}) + (1 | {z})", "{x} + offset({z})", "scale({x})"),
    *("{x} + weights({z})", "poly({x}, 2)", "bs({x}, df=4)", "I({x} > 0)", "{x} | {g}"),
]
LEFT = ["{y}", "{y}", "{y}", "log({y})", "{y} | se({z})", "p({y}, {z})", "{y} | trials(9)"]
GOOD = ["float", "int", "bool", "Int64", "arrow int", "constant", "float with gaps"]
FAMILIES = ["gaussian", "gaussian", "student", "poisson", "bernoulli", "binomial", "gamma", "beta"]
ROWS = [0, 1, 2, 3, 5, 8, 13, 30]


@st.composite
def tables(
    draw: st.DrawFn, called: st.SearchStrategy[str] = names
) -> tuple[str, Any, dict[str, Any]]:
    """Draw a formula, a table, and the table's columns by what they are for."""
    n = draw(st.sampled_from(ROWS))
    own = draw(st.lists(called, min_size=4, max_size=4, unique=True))
    parts = dict(zip("yxzg", own, strict=True))
    columns = {
        name: draw(column(n, GOOD if role == "y" and draw(st.booleans()) else None))
        for role, name in parts.items()
    }
    quoted = {role: f"`{name}`" for role, name in parts.items()}
    formula = draw(st.sampled_from(LEFT)) + " ~ " + draw(st.sampled_from(RIGHT))
    return formula.format(**quoted), container(draw, columns, n), columns


def build(formula: str, data: Any, family: str = "gaussian") -> hl.Model | None:
    """Return the model, or None where hierlm refuses; nothing else may be raised."""
    found = attempt(lambda: hl.Model(formula, data, family=family))
    return found if isinstance(found, hl.Model) else None


def check_design(model: hl.Model, columns: dict[str, pd.Series]) -> None:
    """Hold the arrays of a model to the cells of its table."""
    design, formula = model.design, model.spec.encoding.formula
    used = [columns[name] for name in formula.columns]
    complete = ~np.any([values.isna().to_numpy() for values in used], axis=0)
    if design.weights is None:
        assert design.n == model.spec.n_rows == complete.sum()
        for block in design.blocks:
            parents = [columns[name] for name in block.factor.split(":") if name in columns]
            if len(parents) == 1:
                same_partition(block.codes, parents[0][complete])
        for place, coef in enumerate(design.coefs):
            values = columns.get(coef)
            if values is not None and pd.api.types.is_numeric_dtype(values):
                expected = values[complete].to_numpy(dtype=float)
                np.testing.assert_array_equal(design.X[:, place], expected)
    arrays = [design.X, design.response, design.offset, design.weights, design.trials, design.se]
    arrays += [block.Z for block in design.blocks]
    for array in arrays:
        assert array is None or (np.isfinite(array).all() and len(array) == design.n)
    for block in design.blocks:
        assert set(block.codes) == set(range(block.n_levels))
        assert len(set(block.levels)) == len(block.levels)
    assert len(set(design.coefs)) == len(design.coefs) == design.X.shape[1]


def same_partition(codes: np.ndarray, values: pd.Series) -> None:
    keys = [str(value + 0.0) if isinstance(value, float) else str(value) for value in values]
    pairs = set(zip(codes.tolist(), keys, strict=True))  # -0.0 is 0.0
    assert len(pairs) == len(set(codes))


@cases(short=80, nightly=1500)
@given(tables(), st.sampled_from(FAMILIES))
def test_any_table(table: tuple[str, Any, dict[str, Any]], family: str) -> None:
    formula, data, columns = table
    model = build(formula, data, family)
    if model is not None:
        check_design(model, columns)
        assert str(model.spec.formula) in str(model).replace("\n", " ") or len(str(model)) > 50


# hypothesis prints what is drawn, and pandas 2.2 compares halves with a million to do so
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning:pandas.io.formats")
@cases(short=60, nightly=800)
@given(st.data(), st.sampled_from(list(KINDS)), st.sampled_from(list(KINDS)))
def test_a_right_response_with_any_predictor_and_group(data: Any, x: str, g: str) -> None:
    n = data.draw(st.sampled_from([12, 30]))
    columns = {"y": pd.Series(np.random.default_rng(n).normal(size=n))}
    columns |= {name: data.draw(column(n, [kind])) for name, kind in [("x", x), ("g", g)]}
    formula = data.draw(st.sampled_from(["y ~ x", "y ~ (1 | g)", "y ~ x + (x | g)", "y ~ x:g"]))
    table = container(data.draw, columns, n)
    model = build(formula, table)
    if model is not None:
        check_design(model, columns)


@cases(short=4, nightly=120)
@given(tables())
def test_a_model_that_builds_can_be_used(table: tuple[str, Any, dict[str, Any]]) -> None:
    model = build(*table[:2])
    if model is None:
        return
    with notes_allowed(), tempfile.TemporaryDirectory() as folder:
        use(model, Path(folder) / "fit.nc")


def use(model: hl.Model, path: Path) -> None:
    """Ask for what a user asks first."""
    fit = synthetic_fit(model, chains=2, draws=10)
    assert str(fit)
    fit.summary()
    for group in model.spec.groups:
        fit.ranef(group.factor)
    model.check()
    model.equations().latex  # noqa: B018
    fit.epred(model.frame, groups="all")
    try:
        fit.save(path)
    except hl.DataError:
        return  # labels that netCDF cannot hold
    loaded = hl.load(path)
    assert str(loaded.spec) == str(fit.spec)
    np.testing.assert_array_equal(loaded.design.X, fit.design.X)


@cases(short=40, nightly=300)
@given(names)
def test_a_column_of_any_name(name: str) -> None:
    """The same model whatever a column is called; or the name is refused, and said."""
    rng = np.random.default_rng(1)
    n = 24
    data = pd.DataFrame({"resp": rng.normal(size=n), "num": rng.normal(size=n)})
    data["grp"] = np.repeat(list("abcdef"), 4)
    plain = hl.Model("resp ~ num + (num | grp)", data)
    for old in ("resp", "num", "grp"):
        parts = {"resp": "resp", "num": "num", "grp": "grp"} | {old: f"`{name}`"}
        formula = "{resp} ~ {num} + ({num} | {grp})".format(**parts)
        model = build(formula, {name if key == old else key: data[key] for key in data})
        if model is None:
            continue
        np.testing.assert_array_equal(model.design.X, plain.design.X)
        np.testing.assert_array_equal(model.design.blocks[0].codes, plain.design.blocks[0].codes)
        assert str(model)


def test_a_hundred_thousand_levels() -> None:
    n = 100_000
    data = pd.DataFrame({"y": np.random.default_rng(1).normal(size=n), "x": np.arange(n) % 7.0})
    data["g"] = [f"level {i}" for i in range(n)]
    with pytest.warns(hl.DesignWarning, match="every level of 'g' has a single row"):
        model = hl.Model("y ~ x + (1 | g)", data)
    check_design(model, dict(data.items()))
    assert "100,000" in str(model)
