import pytest

from hierlm.formula import parse

ALGEBRA = {
    "g": ["g"],
    "(g)": ["g"],
    "a:b": ["a:b"],
    "a:b:c": ["a:b:c"],
    "a/b": ["a", "a:b"],
    "a/b/c": ["a", "a:b", "a:b:c"],
    "a/(b/c)": ["a", "a:b", "a:b:c"],
    "a/(b + c)": ["a", "a:b", "a:c"],
    "(a + b)/c": ["a", "b", "a:b:c"],
    "a*b": ["a", "b", "a:b"],
    "a*b*c": ["a", "b", "a:b", "c", "a:c", "b:c", "a:b:c"],
    "a + b": ["a", "b"],
    "(a + b):c": ["a:c", "b:c"],
    "a/b + a/c": ["a", "a:b", "a:c"],
    "a:b + b:a": ["a:b"],
    "a + a": ["a"],
    "`my g`/b": ["my g", "my g:b"],
    ":".join(f"v{i}" for i in range(40)): [":".join(f"v{i}" for i in range(40))],
}


@pytest.mark.parametrize(("written", "factors"), ALGEBRA.items())
def test_right_side_of_a_bar(written, factors):
    formula = parse(f"y ~ x + (x | {written})")
    assert [group.name for group in formula.groups] == factors
    assert parse(str(formula)) == formula


def test_one_combination_of_columns_has_one_name():
    formula = parse("y ~ (1 | a:b) + (0 + x | b:a)")
    assert [group.factor for group in formula.groups] == [("a", "b"), ("a", "b")]
    assert formula.factors == ("a:b",)
