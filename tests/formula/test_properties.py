"""Formulas drawn at random: what is written reads back, and nothing else than FormulaError."""

from __future__ import annotations

import warnings

from helpers.formulas import formulas, pieces, slips
from helpers.fuzzing import cases
from hypothesis import assume, given
from hypothesis import strategies as st

from hierlm.errors import FormulaError, FormulaWarning
from hierlm.formula import Formula, parse, to_formulae


def _parse(text: str) -> Formula:
    """Parse a generated formula; one with a power like (-2)**0.5 is refused, and is no case."""
    try:
        return parse(text)
    except FormulaError as error:
        assume("no real value" not in str(error) and "too large" not in str(error))
        raise


@cases(short=100, nightly=2500)
@given(formulas)
def test_round_trip(text: str) -> None:
    formula = _parse(text)
    assert parse(str(formula)) == formula
    assert str(parse(str(formula))) == str(formula)
    assert set(formula.factors) <= {"g", "h", "g:h", "g 1:h", "g:h:k"}


@cases(short=100, nightly=1000)
@given(formulas)
def test_expanding_is_idempotent(text: str) -> None:
    expanded = to_formulae(_parse(text).common)
    assert to_formulae(parse(f"y0 ~ {expanded}").common).count("+") == expanded.count("+")


def check_only_formula_errors(text: str) -> None:
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


@cases(short=100, nightly=2500)
@given(st.text())
def test_any_text(text: str) -> None:
    check_only_formula_errors(text)


@cases(short=100, nightly=2500)
@given(pieces)
def test_any_pieces(text: str) -> None:
    check_only_formula_errors(text)


@cases(short=100, nightly=2500)
@given(pieces)
def test_any_right_side(text: str) -> None:
    check_only_formula_errors(f"y ~ {text}")


@cases(short=200, nightly=3000)
@given(slips())
def test_a_slip_of_the_pen(text: str) -> None:
    check_only_formula_errors(text)
