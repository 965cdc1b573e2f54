"""Responses that a family cannot have produced; families and links that are not there."""

from typing import Any

import numpy as np
import pytest
from helpers.tables import N, changed, check_message, refusal, table

import hierlm as hl

INF = float("inf")

# family; formula; column; values of some rows; what the message says
SUPPORT: list[tuple[str, str, str, dict[int, float], tuple[str, ...]]] = [
    ("lognormal", "positive ~ x", "positive", {7: -1}, ("positive numbers", "row 7 = -1")),
    ("lognormal", "positive ~ x", "positive", {7: 0}, ("Zeros have no density", "'bernoulli'")),
    ("gamma", "positive ~ x", "positive", {7: -1, 9: -2}, ("2 of 60", "row 9 = -2", "'gaussian'")),
    ("gamma", "positive ~ x", "positive", {7: 0}, ("row 7 = 0", "Zeros have no density")),
    ("beta", "share ~ x", "share", {7: 1}, ("strictly between 0 and 1", "squeeze", "row 7 = 1")),
    ("beta", "share ~ x", "share", {7: 0}, ("Exact 0 and 1", "p(successes, trials)")),
    ("beta", "share ~ x", "share", {7: 65}, ("row 7 = 65", "percentages by 100")),
    ("bernoulli", "success ~ x", "success", {7: 2}, ("0 or 1", "row 7 = 2", "p(successes")),
    ("bernoulli", "success ~ x", "success", {7: -1}, ("row 7 = -1", "Recode")),
    ("bernoulli", "success ~ x", "success", {7: 0.4}, ("row 7 = 0.4", "A proportion")),
    ("poisson", "count ~ x", "count", {7: -1}, ("whole numbers", "row 7 = -1", "'gaussian'")),
    ("poisson", "count ~ x", "count", {7: 2.5}, ("row 7 = 2.5", "offset(log(exposure))")),
    ("negbinomial", "count ~ x", "count", {7: -1}, ("whole numbers", "row 7 = -1")),
    ("negbinomial", "count ~ x", "count", {7: 2.5}, ("row 7 = 2.5", "offset(log(exposure))")),
    ("binomial", "p(hits, tries) ~ x", "hits", {7: 11}, ("row 7 = 11 of 10", "swapped?")),
    ("binomial", "p(hits, tries) ~ x", "hits", {7: -1}, ("row 7 = -1 of 10", "negative")),
    ("binomial", "p(hits, tries) ~ x", "hits", {7: 0.5}, ("row 7 = 0.5", "Give the counts")),
    ("binomial", "hits | trials(tries) ~ x", "tries", {7: -1}, ("number of trials", "row 7 = -1")),
    ("binomial", "hits | trials(tries) ~ x", "tries", {7: 2.5}, ("trials", "row 7 = 2.5")),
]  # fmt: skip


@pytest.mark.parametrize(("family", "formula", "column", "values", "fragments"), SUPPORT)
def test_support(
    family: str, formula: str, column: str, values: dict[int, float], fragments: tuple[str, ...]
) -> None:
    error = refusal(f"{formula} + (1|g)", table(**changed(column, values)), family=family)
    check_message(error, hl.FamilyError, fragments)
    assert f"family {family}" in str(error) or "number of trials" in str(error)


RESPONSES = {
    "gaussian": "y",
    "student": "y",
    "lognormal": "positive",
    "gamma": "positive",
    "beta": "share",
    "bernoulli": "success",
    "binomial": "hits",
    "poisson": "count",
    "negbinomial": "count",
}


@pytest.mark.parametrize(("family", "column"), RESPONSES.items())
def test_infinite(family: str, column: str) -> None:
    response = "p(hits, tries)" if family == "binomial" else column
    data = table(**changed(column, {7: INF, 9: -INF}))
    error = refusal(f"{response} ~ x + (1|g)", data, family=family)
    fragments = (f"column '{column}' is infinite in 2 row(s), first in row 7", "Drop these rows")
    check_message(error, hl.DataError, fragments)


def test_rows_after_missing_ones() -> None:
    data = table(**changed("count", {7: -1})).astype({"x": float})
    data.loc[2, "x"] = np.nan
    with pytest.warns(hl.DataWarning):
        error = refusal("count ~ x", data, family="poisson")
    check_message(error, hl.FamilyError, ("1 of 59 rows", "row 6 of those used = -1"))


TEXT = table().y.round(2).astype(str)

# formula; columns; options; what the message says
KINDS: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    ("f ~ x", {}, {}, ("f is categorical (A, B, C)", "gaussian needs numbers", "'bernoulli'")),
    ("f ~ x", {}, {"family": "poisson"}, ("f is categorical", "poisson needs numbers")),
    (
        "f ~ x",
        {},
        {"family": "bernoulli"},
        ("3 categories (A, B, C)", "needs two", "(df['f'] == 'A').astype(int)"),
    ),
    ("f ~ x", {"f": ["A"] * N}, {"family": "bernoulli"}, ("1 category (A)", "filtered?")),
    ("y ~ x", {"y": TEXT}, {}, ("numbers stored as text", "pd.to_numeric(df['y'])")),
    ("hits ~ x", {}, {"family": "binomial"}, ("trials of 'hits'", "p(successes, trials)")),
    ("count | trials(tries) ~ x", {}, {"family": "poisson"}, ("poisson has none", "'binomial'")),
    ("success | trials(tries) ~ x", {}, {"family": "bernoulli"}, ("has none", "'binomial'")),
    ("count | se(s) ~ x", {}, {"family": "poisson"}, ("has no sigma", "gaussian and student")),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "columns", "options", "fragments"), KINDS)
def test_kind(
    formula: str, columns: dict[str, Any], options: dict[str, Any], fragments: tuple[str, ...]
) -> None:
    check_message(refusal(formula, table(**columns), **options), hl.FamilyError, fragments)


ALL = "bernoulli, beta, binomial, gamma, gaussian, lognormal, negbinomial, poisson, student"

UNKNOWN: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"family": "gausian"}, ("'gausian'", "Did you mean 'gaussian'?", ALL)),
    ({"family": "weibull"}, ("'weibull' is not supported", "'gamma' or 'lognormal'", ALL)),
    ({"family": None}, ("a family is a name or a Family; came None", ALL)),
    ({"family": 3}, ("a family is a name or a Family; came 3", ALL)),
    ({"link": "lg"}, ("gaussian has no link 'lg'", "mean 'log'?", "identity, log, inverse")),
    ({"link": 3}, ("gaussian has no link 3", "identity, log, inverse")),
    (
        {"family": "poisson", "link": "logit"},
        ("family poisson has no link 'logit'", "It takes: log, identity, sqrt"),
    ),
]


@pytest.mark.parametrize(("options", "fragments"), UNKNOWN)
def test_unknown(options: dict[str, Any], fragments: tuple[str, ...]) -> None:
    check_message(refusal("y ~ x + (1|g)", **options), hl.FamilyError, fragments)
