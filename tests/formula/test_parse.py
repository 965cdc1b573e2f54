import dataclasses

import pytest

from hierlm.errors import FormulaError, FormulaWarning
from hierlm.formula import Binary, Call, Name, Number, Unary, model_terms, names, parse, unparse
from hierlm.formula.functions import ELEMENTWISE, TRANSFORMS

DESIGN_TABLE = {  # written: canonical
    "y ~ x + (x | g)": "y ~ x + (x | g)",
    "y ~ x + (1 + x | g)": "y ~ x + (1 + x | g)",
    "y ~ x + (x || g)": "y ~ x + (x || g)",
    "y ~ x + (0+x|g)": "y ~ x + (0 + x | g)",
    "y ~ x + (-1+x|g)": "y ~ x + (-1 + x | g)",
    "y ~ x + (x-1|g)": "y ~ x + (x - 1 | g)",
    "y ~ (1|g) + (0 + x|g)": "y ~ 1 + (1 | g) + (0 + x | g)",
    "y ~ (1 | a/b)": "y ~ 1 + (1 | a) + (1 | a:b)",
    "y ~ (1 | a*b)": "y ~ 1 + (1 | a) + (1 | b) + (1 | a:b)",
    "y ~ (1 | a + b)": "y ~ 1 + (1 | a) + (1 | b)",
    "y ~ 1 | g": "y ~ 1 + (1 | g)",
    "y ~ x | g": "y ~ 1 + (x | g)",
    "y ~ x + 1|g": "y ~ 1 + (x + 1 | g)",
    "y ~ x || a/b": "y ~ 1 + (x || a) + (x || a:b)",
    "y ~ x | (a + b)": "y ~ 1 + (x | a) + (x | b)",
    "y ~ (f | g)": "y ~ 1 + (f | g)",
    "y ~ (0 + f | g)": "y ~ 1 + (0 + f | g)",
    "y ~ (x*f | g)": "y ~ 1 + (x * f | g)",
    "y ~ (poly(x, 2) | g)": "y ~ 1 + (poly(x, 2) | g)",
    "y ~ (bs(x, df=4) | g)": "y ~ 1 + (bs(x, df=4) | g)",
    "exp(y) ~ x": "exp(y) ~ x",
    "log(y) ~ x": "log(y) ~ x",
    "p(successes, trials) ~ x": "successes | trials(trials) ~ x",
    "prop(a, n) ~ x": "a | trials(n) ~ x",
    "proportion(a, 10) ~ x": "a | trials(10) ~ x",
    "p(a, a + b) ~ x": "a | trials(I(a + b)) ~ x",
    "y | trials(n) ~ x": "y | trials(n) ~ x",
    "y | se(s) ~ x": "y | se(s) ~ x",
    "y | weights(w) ~ x": "y ~ x + weights(w)",
    "y | trials(n) + weights(w) ~ x": "y | trials(n) ~ x + weights(w)",
    "y ~ x + offset(log(n)) + weights(w)": "y ~ x + offset(log(n)) + weights(w)",
    "y ~ offset(log(n) - 1) + (1|g)": "y ~ 1 + (1 | g) + offset(I(log(n) - 1))",
    "I(a - b) ~ b": "I(a - b) ~ b",
    "y ~ 0 + (1|g)": "y ~ 0 + (1 | g)",
    "y ~ x - 1": "y ~ x - 1",
    "y ~ -1 + x": "y ~ -1 + x",
    "y ~ +x + -1": "y ~ x - 1",
    "y ~ a + (b + (c + (1|g)))": "y ~ a + b + c + (1 | g)",
    "y ~ a*b - a:b": "y ~ a * b - a:b",
    "y ~ a/(b + c)": "y ~ a / (b + c)",
    "y ~ (a + b)**2:c": "y ~ (a + b)**2:c",
    "y ~ {a + b} + I((a+b)*c)": "y ~ I(a + b) + I((a + b) * c)",
    "y ~ I(-x**2) + I((-x)**2)": "y ~ I(-x**2) + I((-x)**2)",
    "y ~ I(a**b**c) + I((a**b)**c)": "y ~ I(a**b**c) + I((a**b)**c)",
    "y ~ I(a - (b - c)) + I(a/b/c)": "y ~ I(a - (b - c)) + I(a / b / c)",
    "y ~ I((x > 3) * (x <= 5))": "y ~ I((x > 3) * (x <= 5))",
    "y ~ np.log(x) + numpy.sqrt(x)": "y ~ log(x) + sqrt(x)",
    "y ~ factor(f) + C(h, Sum)": "y ~ C(f) + C(h, Sum())",
    "y ~ C(f, contrast=Treatment('b'))": 'y ~ C(f, contrast=Treatment("b"))',
    "y ~ Treatment + Sum": "y ~ Treatment + Sum",
    "y ~ poly(x, 2, raw=True)": "y ~ poly(x, 2, raw=True)",
    "y ~ `my x` + `x` + `True` + (1|`g 1`:h)": "y ~ `my x` + x + `True` + (1 | `g 1`:h)",
    "total.fruits ~ nutrient\n  + (1 | gen)": "total.fruits ~ nutrient + (1 | gen)",
}


@pytest.mark.parametrize(("written", "canonical"), DESIGN_TABLE.items())
def test_canonical_text(written, canonical):
    formula = parse(written)
    assert str(formula) == canonical
    assert parse(canonical) == formula
    assert formula.text == written


def test_parts():
    formula = parse("y | trials(n) ~ a * b + (1 + a || g/h) + offset(log(e)) + weights(w)")
    assert formula.response.expression == Name("y")
    assert formula.response.trials == Name("n")
    assert formula.weights == Name("w")
    assert formula.common == Binary("*", Name("a"), Name("b"))
    assert formula.offsets == (Call("log", (Name("e"),)),)
    assert [(group.name, group.correlated) for group in formula.groups] == [
        ("g", False),
        ("g:h", False),
    ]
    assert formula.columns == ("y", "n", "a", "b", "g", "h", "e", "w")
    assert formula.response_columns == ("y",)
    assert formula.factors == ("g", "g:h")


def test_values_are_frozen():
    formula = parse("y ~ x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        formula.common = Number("1")
    assert hash(formula) == hash(parse("y~x"))


def test_places_do_not_count_for_equality():
    assert parse("y~x+(x|g)") == parse("y ~ x + ( x | g )")


def test_common_part_of_bars_alone_is_the_intercept():
    assert parse("y ~ (1 | g) + offset(z)").common == Number("1")


def test_single_uncorrelated_coefficient_warns():
    with pytest.warns(FormulaWarning, match="nothing to correlate with") as caught:
        formula = parse("y ~ (1 || g)")
    assert "        ^^^^^^^^" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert not formula.groups[0].correlated
    with pytest.warns(FormulaWarning):
        assert parse(str(formula)) == formula


@pytest.mark.parametrize("name", [*ELEMENTWISE, *TRANSFORMS])
def test_every_function_of_the_tables_is_callable(name):
    assert parse(f"y ~ {name}(x)").columns == ("y", "x")


def test_functions_of_the_caller():
    assert names(parse("y ~ bump(x, k=z) + s(x)", {"bump", "s"}).common) == ("x", "z")
    assert str(parse("bump(y) ~ x", ["bump"])) == "bump(y) ~ x"
    with pytest.raises(FormulaError, match="already has a meaning in every formula"):
        parse("y ~ x", {"log"})


TERMS = {
    "1": (True, []),
    "0": (False, []),
    "x - 1": (False, ["x"]),
    "-1 + x": (False, ["x"]),
    "0 + x + 1": (True, ["x"]),
    "a*b - b:a": (True, ["a", "b"]),
    "a:b + b:a": (True, ["a:b"]),
    "a*b*a": (True, ["a", "b", "a:b"]),
    "(a + b + c)**2": (True, ["a", "b", "c", "a:b", "a:c", "b:c"]),
    "(a*b)**2": (True, ["a", "b", "a:b"]),
    "(a + b)**9": (True, ["a", "b", "a:b"]),
    "a/b": (True, ["a", "a:b"]),
    "(a + b)/c": (True, ["a", "b", "a:b:c"]),
    "log(x):f": (True, ["log(x):f"]),
    "a + b + c - (a + b)": (True, ["c"]),
}


@pytest.mark.parametrize(("written", "expected"), TERMS.items())
def test_model_terms(written, expected):
    intercept, terms = model_terms(parse(f"y ~ {written}").common)
    assert (intercept, [":".join(map(unparse, term)) for term in terms]) == expected


def test_long_sums_are_not_deep():
    columns = [f"x{i}" for i in range(290)]
    formula = parse(f"y ~ {' + '.join(columns)} + (1 | g)")
    assert formula.columns == ("y", *columns, "g")
    assert parse(str(formula)) == formula
    assert repr(formula)


def test_signs():
    assert parse("y ~ I(- -x)").common == Call("I", (Unary("-", Unary("-", Name("x"))),))
