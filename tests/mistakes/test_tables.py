"""Mistakes in a table: columns, missing and infinite values, levels, linear dependence."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.tables import N, changed, check_message, refusal, table

import hierlm as hl

INF = float("inf")
NAMES = "The table has: y, positive, share"
DATES = pd.date_range("2020-01-01", periods=N)
EVERY = [f"s{i}" for i in range(N)]

MISSING = [
    ("y ~ yeer + (1|g)", "no column is called 'yeer'", "Did you mean 'year'?"),
    ("yy ~ x + (1|g)", "no column is called 'yy'", "Did you mean 'y'?"),
    ("y ~ x + (1|G)", "no column is called 'G'", "Did you mean 'g'?"),
    ("y ~ x + (1|school)", "no column is called 'school'."),
    ("y ~ x + (age|g)", "no column is called 'age'."),
    ("y ~ x + offset(log(nn)) + weights(ww)", "called 'nn'.", "called 'ww'. Did you mean 'w'?"),
    ("y ~ x.values", "no column is called 'x.values'."),
]


@pytest.mark.parametrize(("formula", "fragments"), [(row[0], row[1:]) for row in MISSING])
def test_missing_column(formula: str, fragments: tuple[str, ...]) -> None:
    check_message(refusal(formula), hl.MissingColumnError, (*fragments, NAMES))


# formula; columns; what the message says
TABLES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("y ~ x + (1|g)", {"g": ["all"] * N}, ("'g' has one level (all)", "Leave the bar out")),
    ("y ~ x", {"y": np.ones(N)}, ("the response y is constant: 1 in each of the 60", "filtered?")),
    ("y ~ x", changed("x", {4: INF, 6: -INF}), ("'x' is infinite in 2 row(s), first in row 4",)),
    ("y ~ x + weights(w)", changed("w", {3: INF}), ("'w' is infinite", "Drop these rows")),
    ("y ~ x + weights(w)", changed("w", {3: -1}), ("must not be negative", "'w' is -1 in row 3")),
    ("y ~ x + weights(w)", {"w": np.zeros(N)}, ("every weight is zero", "Weights count rows")),
    ("y | se(s) ~ x", changed("s", {3: 0}), ("must be positive", "'s' is 0 in row 3")),
    ("y | se(s) ~ x", changed("s", {3: -1}), ("must be positive", "'s' is -1 in row 3", "drop")),
    ("y ~ x", {"x": np.full(N, np.nan)}, ("each of the 60 rows", "(x 60)", "Leave x out")),
    (
        "y ~ x",
        changed("x", dict.fromkeys(range(30), np.nan))
        | changed("y", dict.fromkeys(range(30, N), np.nan)),
        ("each of the 60 rows has a missing value (y 30, x 30)", "no row has them all"),
    ),
    ("y ~ log(x)", {"x": np.zeros(N)}, ("'log(x)' is not finite in 60 row(s)", "log of zero")),
    ("y ~ I(z / x)", {"x": np.zeros(N)}, ("'I(z / x)' is not finite", "division by zero")),
    ("y ~ t", {"t": DATES}, ("'t' is of type datetime64", "df['t'].min()).dt.days")),
    ("t ~ x", {"t": DATES}, ("'t' is of type datetime64", "numbers or categories")),
    ("y ~ t", {"t": DATES - DATES[0]}, ("'t' is of type timedelta64", ".dt.days")),
    ("y ~ m", {"m": [1.5] * 59 + ["n/a"]}, ("'m' holds float and str", "errors='coerce'")),
    ("y ~ (1|m)", {"m": ["a"] * 59 + [3]}, ("'m' holds str and int", ".astype(str)")),
    ("y ~ m", {"m": [[1]] * N}, ("'m' holds list", "of one kind throughout")),
    ("y ~ m", {"m": np.full(N, 1j)}, ("'m' holds complex128", "of one kind throughout")),
    ("y ~ u", {"u": EVERY}, ("'u' has a different value in each of the 60 rows", "pd.to_numeric")),
    ("y ~ x:C(u)", {"u": EVERY}, ("'u' has a different value", "Leave the column out")),
    ("y ~ (u|g)", {"u": EVERY}, ("'u' has a different value", "Leave the column out")),
    ("y ~ x", changed("x", {3: 1e200}), ("'x' is 1e+200 in row 3", "square overflows", "missing")),
    ("y ~ x", changed("y", {3: -1e200}), ("'y' is -1e+200 in row 3", "square overflows")),
    ("y ~ x + k", {"k": ["a"] * N}, ("'k' has one level in all rows", "Leave it out")),
    ("y ~ C(k) + x", {"k": np.ones(N)}, ("'C(k)' has one level", "were filtered")),
    ("y ~ poly(x, 5000)", {}, ("'poly(x, 5000)' alone would be 5,000 columns", "at most 1,000")),
    ("y ~ bs(x, df=10**9)", {}, ("would be 1,000,000,000 columns", "at most 1,000")),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "columns", "fragments"), TABLES)
def test_table(formula: str, columns: dict[str, Any], fragments: tuple[str, ...]) -> None:
    check_message(refusal(formula, table(**columns)), hl.DataError, fragments)


# formula; columns; the columns at fault
DEPENDENT: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (
        "y ~ x + z + v",
        {"v": table().x + 2 * table().z},
        ("v is a combination of x, z\n", "Leave a term out"),
    ),
    ("y ~ v + x", {"v": 3 * table().x}, ("x is a combination of v\n",)),
    ("y ~ x + k", {"k": np.full(N, 4.0)}, ("k is the same in every row, as the intercept is",)),
    ("y ~ k + x", {"k": np.zeros(N)}, ("k is zero in every row",)),
    (
        "y ~ x + f + e",
        {"e": table().f.str.lower()},
        ("e[b] is a combination of f[B]\n", "e[c] is a combination of f[C]\n"),
    ),
    ("y ~ 0 + f + k", {"k": np.ones(N)}, ("k is a combination of f[A], f[B], f[C]\n",)),
]


@pytest.mark.parametrize(("formula", "columns", "fragments"), DEPENDENT)
def test_dependent(formula: str, columns: dict[str, Any], fragments: tuple[str, ...]) -> None:
    error = refusal(formula, table(**columns))
    check_message(error, hl.DataError, ("the common effects cannot be told apart", *fragments))


def test_more_columns_than_rows() -> None:
    error = refusal("y ~ poly(x, 80)")
    check_message(error, hl.DataError, ("81 columns (Intercept,", "and 73 more", "only 60 rows"))


def test_many_levels_are_refused_before_a_matrix_is_made() -> None:
    n = 10_000
    labels = pd.Series([f"s{i // 2}" for i in range(n)])
    data = pd.DataFrame({"y": np.arange(n) % 7.0, "u": labels, "g": np.arange(n) % 40})
    for formula in ("y ~ u + (1|g)", "y ~ C(u)", "y ~ (u|g)"):
        fragments = ("would be 4,999 columns", "at most 1,000", "(1 | u)")
        check_message(refusal(formula, data), hl.DataError, fragments)
    data["u"] = [f"s{i}" for i in range(n)]
    error = refusal("y ~ u + (1|g)", data)
    check_message(error, hl.DataError, ("'u' has a different value in each of the 10,000 rows",))


def test_rows_are_those_of_the_table() -> None:
    data = table(**changed("x", {2: np.nan, 5: INF}))
    check_message(refusal("y ~ x", data), hl.DataError, ("first in row 5",))


def test_half_a_character_in_a_name() -> None:
    data = {"y": [1.0, 2.0, 4.0], "\ud800": [0.0, 1.0, 3.0]}
    error = refusal("y ~ `\ud800`", data)
    check_message(error, hl.DataError, ("'\\ud800' has half a character", "Rename the column"))


def test_a_grouping_factor_is_a_known_sd_too() -> None:
    data = table(g=1 + table().row % 7)
    design = hl.Model("y | se(g) ~ x + (1 | g) + offset(g)", data).design
    assert design.se is not None
    assert (design.se == data.g).all()
    assert (design.blocks[0].codes == data.g - 1).all()


def test_duplicate_columns() -> None:
    data = pd.concat([table(), table()[["x"]]], axis=1)
    check_message(refusal("y ~ x", data), hl.DataError, ("more than one column", "'x'", "Rename"))
    hl.Model("y ~ z", data)


NO_TABLES: list[tuple[Any, tuple[str, ...]]] = [
    (None, ("the data are a NoneType", "Give a data frame", "a dict of equally long columns")),
    ([1, 2], ("the data are a list", "Give a data frame")),
    (np.ones((3, 2)), ("the data are a numpy.ndarray", "Give a data frame")),
    ("sleepstudy", ("'sleepstudy' is not a table", "hierlm.load_dataset(name)")),
    ("missing.csv", ("there is no file 'missing.csv'",)),
    ({"y": [1, 2], "x": [1]}, ("not equally long: y has 2, x has 1",)),
    ({"y": 1.0, "x": 2.0}, ("column 'y' is a float", "an array of one dimension")),
    (table().iloc[:0], ("the table has no rows", "at least one observation")),
    (table().iloc[:1], ("there is one row", "at least two", "filtered?")),
]


@pytest.mark.parametrize(("data", "fragments"), NO_TABLES)
def test_no_table(data: Any, fragments: tuple[str, ...]) -> None:
    try:
        hl.Model("y ~ x", data)
    except hl.DataError as error:
        check_message(error, hl.DataError, fragments)
    else:
        raise AssertionError("accepted")


# factors or a response whose names are taken; what the message says
TAKEN = [
    ("y ~ (x|g) + (1|g_coef)", {"g_coef": "h"}, ("'g_coef'", "grouping factor 'g'")),
    ("y ~ (x|g) + (1|g_cor)", {"g_cor": "h"}, ("'g_cor'", "grouping factor 'g'")),
    ("y ~ (x|g) + (1|r_g)", {"r_g": "h"}, ("'r_g'", "grouping factor 'g'")),
    ("y ~ (1|draw) + (1|draw_level)", {"draw": "g", "draw_level": "h"}, ("'draw_level'",)),
    ("sigma ~ x", {"sigma": "y"}, ("the response is called 'sigma'",)),
    ("beta ~ x", {"beta": "y"}, ("the response is called 'beta'",)),
    ("sd_g ~ (1|g)", {"sd_g": "y"}, ("the response is called 'sd_g'", "grouping factor 'g'")),
]


@pytest.mark.parametrize(("formula", "copies", "fragments"), TAKEN)
def test_taken_names(formula: str, copies: dict[str, str], fragments: tuple[str, ...]) -> None:
    data = table(**{name: table()[column] for name, column in copies.items()})
    check_message(refusal(formula, data), hl.DataError, (*fragments, "Rename the column"))


RESERVED = ["draw", "chain", "coef", "__obs__", "beta", "sd", "sigma", "Intercept"]


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_work(name: str) -> None:
    grouped = hl.Model(f"y ~ x + (x | {name})", table(**{name: table().g}))
    assert [group.factor for group in grouped.spec.groups] == [name]
    if name in RESERVED[:4]:
        sloped = hl.Model(f"y ~ {name} + ({name} | g)", table(**{name: table().x}))
        assert sloped.spec.coefs == ("Intercept", name)


# a column that a parameter or a class of them is called; formula; family
SHADOWING = [
    ("sigma", "y ~ sigma", "gaussian"),
    ("nu", "y ~ 0 + nu", "student"),
    ("alpha", "count ~ alpha + (1 | g)", "negbinomial"),
    ("kappa", "share ~ kappa", "beta"),
    ("beta", "y ~ beta", "gaussian"),
    ("sd", "y ~ sd + (1 | g)", "gaussian"),
    ("cor", "y ~ cor + (x | g)", "gaussian"),
    ("sd_g", "y ~ sd_g + (1 | g)", "gaussian"),
    ("sd_g[Intercept]", "y ~ `sd_g[Intercept]` + (1 | g)", "gaussian"),
    ("cor_g", "y ~ cor_g + (x | g)", "gaussian"),
]


@pytest.mark.parametrize(("name", "formula", "family"), SHADOWING)
def test_columns_called_as_a_parameter(name: str, formula: str, family: str) -> None:
    error = refusal(formula, table(**{name: table().x}), family=family)
    fragments = (f"the name {name!r} would stand for", "a common effect", "Rename the column")
    check_message(error, hl.PriorError, fragments)


def test_columns_called_as_a_parameter_of_other_models() -> None:
    names = {name: table().x + row for row, name in enumerate(("nu", "sd", "cor_h"))}
    assert hl.Model("y ~ nu", table(**names)).spec.coefs == ("Intercept", "nu")
    assert hl.Model("y ~ 0 + sd", table(**names)).spec.coefs == ("sd",)
    assert hl.Model("y ~ cor_h + (x | g)", table(**names)).spec.coefs == ("Intercept", "cor_h")


@pytest.mark.parametrize("name", ["Intercept", "Intercept_centered"])
@pytest.mark.parametrize("formula", ["y ~ 0 + {}", "y ~ x + {}", "y ~ x + (0 + {} | g)"])
def test_a_column_called_intercept(name: str, formula: str) -> None:
    error = refusal(formula.format(name), table(**{name: np.ones(N)}))
    fragments = (f"cannot be called {name!r}", "^", "intercept is written 1", "rename the column")
    check_message(error, hl.FormulaError, fragments)
