"""Formulas drawn at random: what is written reads back, and nothing else than FormulaError."""

import warnings

from hypothesis import assume, given
from hypothesis import strategies as st

from hierlm.errors import FormulaError, FormulaWarning
from hierlm.formula import parse, to_formulae

columns = st.sampled_from(["a", "b", "c.d", "`my col`", "`1`", "größe", "`True`"])
numbers = st.sampled_from(["2", "0.5", "1e-3"])


def joined(operators, parts):
    return st.builds("({} {} {})".format, parts, st.sampled_from(operators), parts)


arithmetic = st.recursive(
    columns | numbers,
    lambda inner: (
        joined(["+", "-", "*", "/", "**", "<", "=="], inner)
        | inner.map("(-{})".format)
        | inner.map("log({})".format)
    ),
    max_leaves=6,
)
calls = st.builds("I({} + {})".format, columns, arithmetic) | st.builds(
    "bs({}, df={})".format, columns, arithmetic
)
terms = st.recursive(
    columns | calls, lambda inner: joined(["+", "*", ":", "/"], inner), max_leaves=6
)
sums = st.builds(
    "{}{}{}".format, st.sampled_from(["", "0 + ", "-1 + ", "1 + "]), terms, st.just("")
)
factors = st.sampled_from(["g", "g/h", "`g 1`:h", "g*h", "(g + h)/k", "g + h"])
bars = st.builds("({} {} {})".format, sums, st.sampled_from(["|", "||"]), factors)
responses = st.sampled_from(["y", "log(y)", "p(y, n)", "y | se(s)", "I(y - z) | trials(10)"])
extras = st.sampled_from(["", " + offset(log(e))", " + weights(w) + offset(e / 2)"])
formulas = st.builds("{} ~ {} + {}{}".format, responses, sums, bars, extras)


def _parse(text):
    """Parse a generated formula; one with a power like (-2)**0.5 is refused, and is no case."""
    try:
        return parse(text)
    except FormulaError as error:
        assume("no real value" not in str(error) and "too large" not in str(error))
        raise


@given(formulas)
def test_round_trip(text):
    formula = _parse(text)
    assert parse(str(formula)) == formula
    assert str(parse(str(formula))) == str(formula)
    assert set(formula.factors) <= {"g", "h", "g:h", "g 1:h", "g:h:k"}


@given(formulas)
def test_expanding_is_idempotent(text):
    expanded = to_formulae(_parse(text).common)
    assert to_formulae(parse(f"y0 ~ {expanded}").common).count("+") == expanded.count("+")


def check_only_formula_errors(text):
    error = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FormulaWarning)
        try:
            formula = parse(text)
        except FormulaError as caught:
            error = caught
        else:
            assert parse(str(formula)) == formula
    if error is not None and error.start is not None:
        assert 0 <= error.start < error.end <= len(text)


@given(st.text())
def test_any_text(text):
    check_only_formula_errors(text)


PIECES = [
    *"~|+-*/:,=(){}<>`'\"^.%[]1023xyg ",
    *("||", "**", "<=", "y ~ ", "(1 | g)", "log(", "offset(", "weights(", "trials(", "p(", "C(f, "),
    *("Sum", "True", "TRUE", "`a b`", "df=", "a.b", "1e5", "'s'", "I(", "poly(x, 2)"),
]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_pieces(text):
    check_only_formula_errors(text)


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_right_side(text):
    check_only_formula_errors(f"y ~ {text}")
