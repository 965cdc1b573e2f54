"""Mistakes in the text of a formula, in what is no text, and in functions of one's own."""

from typing import Any

import numpy as np
import pytest
from formulae.categorical import ENCODINGS
from formulae.transforms import TRANSFORMS
from helpers.tables import check_message, refusal, table

import hierlm as hl
from hierlm.design.columns import environment

# formula; what the message says
FORMULAS = [
    ("y ~ (x + (1|g)", "'(' is never closed", "Add the missing ')'"),
    ("y ~ x + log(z", "'(' is never closed", "Add the missing ')'"),
    ("y ~ x + (x | )", "'|' needs a grouping factor on its right", "Write (x | Subject)"),
    ("y ~ ( | g)", "'|' needs effects on its left", "Write (1 | g)"),
    ("y ~ x^2", "'^' is not an operator here", "I(x**2) or poly(x, 2)"),
    ("y ~ x + h %in% g", "'%in%' is not an operator", "(1 | a/b)"),
    ("y ~ . + (1|g)", "'.' does not stand for all columns", "y ~ a + b + c"),
    ("y ~ x ~ z", "There is a second '~'", "One '~' separates"),
    ("y ~ log(x | g)", "'|' cannot be inside a call", "parentheses of its own"),
    ("y ~ I((1 | g))", "'|' cannot be inside a call", "parentheses of its own"),
    ("y ~ x + (g | g)", "'g' is on both sides of one bar", "write (1 | g)"),
    ("y ~ x + (x:g | g)", "'g' is on both sides of one bar", "write (1 | g)"),
    ("y ~ (1|g) + (x|g)", "'Intercept' varies by 'g' in two bars", "begin the second with 0"),
    ("y ~ (1|g) + (1|g)", "is in the formula twice", "Remove one"),
    ("y ~ x + y", "'y' is also on the right of '~'", "Remove it there"),
    ("y", "There is no '~'", "Write the response, '~', and the predictors"),
    ("~ x", "no response left of '~'", "y ~ x"),
    ("y ~", "'~' needs predictors on its right", "y ~ 1"),
    ("y = x", "'=' has no meaning between terms", "Write '~'"),
    ("", "The formula is empty", "y ~ x + (x | g)"),
    ("y ~ lg(x)", "lg() is not a function of formulas", "Did you mean 'log'?"),
    ("y ~ s(x)", "s() is not available", "bs(x, df=5)"),
    ("y ~ log(f)", "log() needs numbers", "'f' is text or categories", "pd.to_numeric(df['f'])"),
    ("y ~ (center(f) | g)", "center() needs numbers", "pd.to_numeric(df['f'])"),
    ("y ~ I(f * x)", "arithmetic needs numbers", "'f' is text or categories"),
    ("log(answer) ~ x", "log() needs numbers", "'answer' is text or categories"),
    ("y ~ x + offset(f)", "offset() needs numbers", "'f' is text or categories"),
    ("y ~ x + weights(f)", "weights() needs numbers", "'f' is text or categories"),
    ("hits | trials(f) ~ x", "trials() needs numbers", "'f' is text or categories"),
    ("y | se(f) ~ x", "se() needs numbers", "'f' is text or categories"),
]


@pytest.mark.parametrize(("formula", "fragments"), [(row[0], row[1:]) for row in FORMULAS])
def test_formula(formula: str, fragments: tuple[str, ...]) -> None:
    error = refusal(formula)
    check_message(error, hl.FormulaError, fragments)
    assert not formula or f"    {formula}\n" in f"{error}\n"


@pytest.mark.parametrize("formula", [None, 3, b"y ~ x", ["y", "x"]])
def test_no_text(formula: Any) -> None:
    kind = type(formula).__name__
    check_message(refusal(formula), hl.FormulaError, (f"is text, got {kind}", 'Write "y ~ x"'))


def test_two_factors_of_one_name() -> None:
    data = table(**{"a/b": table().g, "a_b": table().h})
    error = refusal("y ~ (1 | `a/b`) + (1 | a_b)", data)
    check_message(error, hl.FormulaError, ("'a/b' and 'a_b'", "both be called", "Rename one"))


def test_a_column_called_as_an_interaction() -> None:
    error = refusal("y ~ `x:z` + x:z", table(**{"x:z": table().year}))
    check_message(error, hl.FormulaError, ("two different terms", "called 'x:z'", "Rename"))


def test_every_name_that_formulae_looks_up_is_taken() -> None:
    for name in (*TRANSFORMS, *ENCODINGS, *environment({}).namespace.keys()[1]):
        error = refusal("y ~ x", functions={name: np.sign})
        assert f"{name!r} in functions already has a meaning" in str(error)


FUNCTIONS: list[tuple[Any, tuple[str, ...]]] = [
    ([np.log], ("functions are a dict of name and function", "functions={'f': f}")),
    ("log", ("functions are a dict of name and function", "came 'log'")),
    (np.log, ("functions are a dict of name and function", "came <ufunc 'log'>")),
    ({"mine": 3}, ("came 'mine': 3", "as a formula calls it: f(x)")),
    ({"my log": np.log}, ("came 'my log'", "letters, digits and underscores")),
    ({3: np.log}, ("came 3", "letters, digits and underscores")),
    ({"log": np.log}, ("'log' in functions already has a meaning", "'my_log'")),
    ({"binary": np.sign}, ("'binary' in functions already has a meaning", "'my_binary'")),
    ({"np": np.sign}, ("'np' in functions already has a meaning", "'my_np'")),
]


@pytest.mark.parametrize(("functions", "fragments"), FUNCTIONS)
def test_functions(functions: Any, fragments: tuple[str, ...]) -> None:
    check_message(refusal("y ~ x", functions=functions), hl.FormulaError, fragments)


def test_function_that_fails() -> None:
    error = refusal("y ~ mine(x)", functions={"mine": lambda x: 1 / 0})
    check_message(error, hl.FormulaError, ("'mine(x)' cannot be computed", "division by zero"))


PARAMETERIZATIONS: list[tuple[Any, tuple[str, ...]]] = [
    ("center", ("parameterization is 'center'", "'noncentered', 'centered'")),
    (3, ("parameterization is 3", "'noncentered', 'centered'", "a dict of grouping factor")),
    (["centered"], ("parameterization is ['centered']", "a dict of grouping factor")),
    ({"g": "cent"}, ("parameterization of 'g' is 'cent'", "'noncentered', 'centered'")),
    ({"G": "centered"}, ("'G', which is no grouping factor", "mean 'g'?", "There are: g.")),
]


@pytest.mark.parametrize(("given", "fragments"), PARAMETERIZATIONS)
def test_parameterization(given: Any, fragments: tuple[str, ...]) -> None:
    error = refusal("y ~ x + (1 | g)", parameterization=given)
    check_message(error, hl.EngineError, fragments)


def test_parameterization_without_groups() -> None:
    error = refusal("y ~ x", parameterization="center")
    check_message(error, hl.EngineError, ("'center'", "allowed: 'noncentered', 'centered'"))
