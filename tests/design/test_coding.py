"""The columns and levels that a formula means, worked by hand: R's coding, both sides of a bar."""

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.interpolate import BSpline

from hierlm.design import Design, Encoding
from hierlm.errors import DataError, FormulaError
from hierlm.formula import parse

X = np.array([1.0, 2, 4, 7, 1, 3, 5, 6, 9, 2])
Z = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3])
F = np.array(list("abcabcabca"))
H = np.array(list("uuuuuvvvvv"))
K = np.array([10, 2, 2, 10, 3, 3, 2, 10, 2, 3])
T = X > 3
ROWS = {"x": X, "z": Z, "f": F, "h": H, "k": K, "t": T, "g": list("pqpqpqpqpq"), "y": np.arange(10)}
ONE, A, B, C, U, V = np.ones(10), F == "a", F == "b", F == "c", H == "u", H == "v"


def learn(formula: str, rows: object = ROWS) -> Design:
    return Encoding.learn(parse(formula), rows)[1]


def orthogonal(x, degree):
    """R's poly(): orthonormal, each column rising to the right in its leading power."""
    powers = np.vander(x, degree + 1, increasing=True)
    Q, R = np.linalg.qr(powers)
    return (Q * np.sign(np.diag(R)))[:, 1:].T


P1, P2 = orthogonal(X, 2)
CODED = {
    "1": {"Intercept": ONE},
    "x": {"Intercept": ONE, "x": X},
    "0 + x": {"x": X},
    "x - 1": {"x": X},
    "x:z": {"Intercept": ONE, "x:z": X * Z},
    "x * z": {"Intercept": ONE, "x": X, "z": Z, "x:z": X * Z},
    "f": {"Intercept": ONE, "f[b]": B, "f[c]": C},
    "0 + f": {"f[a]": A, "f[b]": B, "f[c]": C},
    "0 + f + h": {"f[a]": A, "f[b]": B, "f[c]": C, "h[v]": V},
    "0 + x + f": {"x": X, "f[a]": A, "f[b]": B, "f[c]": C},
    "f + h": {"Intercept": ONE, "f[b]": B, "f[c]": C, "h[v]": V},
    "f + x": {"Intercept": ONE, "f[b]": B, "f[c]": C, "x": X},
    # main effects come before interactions, whatever their order in the formula
    "f:x + x": {"Intercept": ONE, "x": X, "f[b]:x": B * X, "f[c]:x": C * X},
    "x * f": {
        "Intercept": ONE,
        "x": X,
        "f[b]": B,
        "f[c]": C,
        "x:f[b]": X * B,
        "x:f[c]": X * C,
    },
    "x + f:x": {"Intercept": ONE, "x": X, "f[b]:x": B * X, "f[c]:x": C * X},
    "f:x": {"Intercept": ONE, "f[a]:x": A * X, "f[b]:x": B * X, "f[c]:x": C * X},
    "0 + f:x": {"f[a]:x": A * X, "f[b]:x": B * X, "f[c]:x": C * X},
    "0 + f + f:x": {
        "f[a]": A,
        "f[b]": B,
        "f[c]": C,
        "f[a]:x": A * X,
        "f[b]:x": B * X,
        "f[c]:x": C * X,
    },
    "f / x": {
        "Intercept": ONE,
        "f[b]": B,
        "f[c]": C,
        "f[a]:x": A * X,
        "f[b]:x": B * X,
        "f[c]:x": C * X,
    },
    "f * h": {
        "Intercept": ONE,
        "f[b]": B,
        "f[c]": C,
        "h[v]": V,
        "f[b]:h[v]": B & V,
        "f[c]:h[v]": C & V,
    },
    "f + f:h": {
        "Intercept": ONE,
        "f[b]": B,
        "f[c]": C,
        "f[a]:h[v]": A & V,
        "f[b]:h[v]": B & V,
        "f[c]:h[v]": C & V,
    },
    # the last factor varies fastest (in R the first does)
    "0 + f:h": {
        "f[a]:h[u]": A & U,
        "f[a]:h[v]": A & V,
        "f[b]:h[u]": B & U,
        "f[b]:h[v]": B & V,
        "f[c]:h[u]": C & U,
        "f[c]:h[v]": C & V,
    },
    # R adds six columns to the intercept here, one too many; here they keep full rank
    "f:h": {
        "Intercept": ONE,
        "h[v]": V,
        "f[b]:h[u]": B & U,
        "f[b]:h[v]": B & V,
        "f[c]:h[u]": C & U,
        "f[c]:h[v]": C & V,
    },
    "f * h - f:h": {"Intercept": ONE, "f[b]": B, "f[c]": C, "h[v]": V},
    "(f + x)**2": {
        "Intercept": ONE,
        "f[b]": B,
        "f[c]": C,
        "x": X,
        "f[b]:x": B * X,
        "f[c]:x": C * X,
    },
    "t": {"Intercept": ONE, "t[True]": T},
    "0 + t": {"t[False]": ~T, "t[True]": T},
    "t:x": {"Intercept": ONE, "t[False]:x": ~T * X, "t[True]:x": T * X},
    "I(t * x)": {"Intercept": ONE, "I(t * x)": T * X},
    "I(t + t)": {"Intercept": ONE, "I(t + t)": 2 * T},
    "I(1 - t)": {"Intercept": ONE, "I(1 - t)": 1 - T},
    "C(t)": {"Intercept": ONE, "C(t)[1]": T},
    "T(t, True)": {"Intercept": ONE, "T(t, True)[0]": ~T},
    "k": {"Intercept": ONE, "k": K},
    "C(k)": {"Intercept": ONE, "C(k)[3]": K == 3, "C(k)[10]": K == 10},
    "0 + C(k)": {"C(k)[2]": K == 2, "C(k)[3]": K == 3, "C(k)[10]": K == 10},
    "k + C(k):x": {
        "Intercept": ONE,
        "k": K,
        "C(k)[2]:x": (K == 2) * X,
        "C(k)[3]:x": (K == 3) * X,
        "C(k)[10]:x": (K == 10) * X,
    },
    "C(f, Treatment('b'))": {
        "Intercept": ONE,
        'C(f, Treatment("b"))[a]': A,
        'C(f, Treatment("b"))[c]': C,
    },
    "T(f, 'b')": {"Intercept": ONE, 'T(f, "b")[a]': A, 'T(f, "b")[c]': C},
    "T(k, 3)": {"Intercept": ONE, "T(k, 3)[2]": K == 2, "T(k, 3)[10]": K == 10},
    "S(f)": {"Intercept": ONE, "S(f)[a]": A * 1 - C, "S(f)[b]": B * 1 - C},
    "S(f, 'a')": {"Intercept": ONE, 'S(f, "a")[b]': B * 1 - A, 'S(f, "a")[c]': C * 1 - A},
    "C(f, Sum)": {"Intercept": ONE, "C(f, Sum())[a]": A * 1 - C, "C(f, Sum())[b]": B * 1 - C},
    "C(f, Sum) * x": {
        "Intercept": ONE,
        "C(f, Sum())[a]": A * 1 - C,
        "C(f, Sum())[b]": B * 1 - C,
        "x": X,
        "C(f, Sum())[a]:x": (A * 1 - C) * X,
        "C(f, Sum())[b]:x": (B * 1 - C) * X,
    },
    "center(x)": {"Intercept": ONE, "center(x)": X - X.mean()},
    # the sd divides by n; R's scale() by n - 1
    "scale(x)": {"Intercept": ONE, "scale(x)": (X - X.mean()) / X.std()},
    "center(log(x))": {"Intercept": ONE, "center(log(x))": np.log(X) - np.log(X).mean()},
    "I(x**2)": {"Intercept": ONE, "I(x ** 2)": X**2},
    "I((x + z) / 2)": {"Intercept": ONE, "I((x + z) / 2)": (X + Z) / 2},
    "poly(x, 2)": {"Intercept": ONE, "poly(x, 2)[0]": P1, "poly(x, 2)[1]": P2},
    "h:poly(x, 2)": {
        "Intercept": ONE,
        "h[u]:poly(x, 2)[0]": U * P1,
        "h[u]:poly(x, 2)[1]": U * P2,
        "h[v]:poly(x, 2)[0]": V * P1,
        "h[v]:poly(x, 2)[1]": V * P2,
    },
    "poly(x, 2, raw=True)": {
        "Intercept": ONE,
        "poly(x, 2, raw=True)[0]": X,
        "poly(x, 2, raw=True)[1]": X**2,
    },
}


@pytest.mark.parametrize("written", CODED)
def test_columns_on_both_sides(written):
    expected = np.column_stack(list(CODED[written].values()))
    common, varying = learn(f"y ~ {written}"), learn(f"y ~ 1 + ({written} | g)").blocks[0]
    assert common.coefs == varying.coefs == tuple(CODED[written])
    np.testing.assert_allclose(common.X, expected, atol=1e-14)
    np.testing.assert_allclose(varying.Z, expected, atol=1e-14)
    assert varying.covariance.parts == (tuple(range(len(varying.coefs))),)


def test_spline_spans_the_b_splines_of_its_knots():
    design = learn("y ~ bs(x, df=4) + (bs(x, df=4) | g)")
    knots = np.concatenate([[X.min()] * 4, [np.median(X)], [X.max()] * 4])
    basis = BSpline.design_matrix(X, knots, 3).toarray()
    fitted = design.X @ np.linalg.lstsq(design.X, basis)[0]
    np.testing.assert_allclose(fitted, basis, atol=1e-12)
    np.testing.assert_allclose(design.X[:, 1:].sum(axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(design.blocks[0].Z, design.X)
    assert design.coefs == ("Intercept", *(f"bs(x, df=4)[{i}]" for i in range(4)))


def test_three_factors_count_the_cells():
    rows = pd.DataFrame(
        {"y": range(12), "a": [*"pq"] * 6, "b": [*"uvw"] * 4, "c": np.repeat([1, 2], 6)}
    )
    design = learn("y ~ a * b * C(c)", rows)
    assert len(design.coefs) == np.linalg.matrix_rank(design.X) == 12


PREDICTORS = {
    # name: values, the levels in order (the first is the base)
    "text": (["b", "a", "c", "a"], ["a", "b", "c"]),
    "text of numbers sorts as text": (["2", "10", "2", "9"], ["10", "2", "9"]),
    "category order": (pd.Categorical([*"bacb"], categories=[*"cab"]), ["c", "a", "b"]),
    "ordered": (pd.Categorical([*"bacb"], categories=[*"bca"], ordered=True), ["b", "c", "a"]),
    "unused categories": (pd.Categorical([*"babb"], categories=[*"zbxa"]), ["b", "a"]),
    "number categories": (pd.Categorical([5, 1, 5, 3], categories=[5, 3, 1]), ["5", "3", "1"]),
    "booleans": ([True, False, True, True], ["False", "True"]),
    "polars enum": (pl.Series([*"bacb"], dtype=pl.Enum([*"cab"])), ["c", "a", "b"]),
}


@pytest.mark.parametrize("case", PREDICTORS)
def test_levels_of_a_predictor(case):
    values, levels = PREDICTORS[case]
    labels = np.array([str(value) for value in values])
    rows = {"y": [1.0, 2, 3, 4], "f": values, "g": [1, 1, 2, 2]}
    design = learn("y ~ f + (0 + f | g)", rows)
    assert design.coefs == ("Intercept", *(f"f[{level}]" for level in levels[1:]))
    indicators = labels[:, None] == np.array(levels)
    np.testing.assert_array_equal(design.X[:, 1:], indicators[:, 1:])
    np.testing.assert_array_equal(design.blocks[0].Z, indicators)


GROUPS = {
    "integers": ([10, 2, 10, 1], ["1", "2", "10"]),
    "negative integers": ([-1, 2, -10, 2], ["-10", "-1", "2"]),
    "whole floats": ([308.0, 1.0, 308.0, 20.0], ["1", "20", "308"]),
    "floats": ([2.5, 10.0, 2.5, -1.0], ["-1", "2.5", "10"]),
    "text": (["b", "a", "c", "a"], ["a", "b", "c"]),
    "text of numbers sorts as numbers": (["10", "2", "10", "1"], ["1", "2", "10"]),
    "text of some numbers sorts as text": (["10", "2", "x", "2"], ["10", "2", "x"]),
    "booleans": ([True, False, True, False], ["False", "True"]),
    "categories": (pd.Categorical([*"bacb"], categories=[*"cab"]), ["c", "a", "b"]),
    "unused categories": (pd.Categorical([*"babb"], categories=[*"zbxa"]), ["b", "a"]),
    "categories of numbers keep their order": (
        pd.Categorical(["2", "10", "2", "9"], categories=["10", "9", "2"]),
        ["10", "9", "2"],
    ),
    "nullable integers": (pd.array([10, 2, 10, 1], dtype="Int64"), ["1", "2", "10"]),
    "polars text": (pl.Series(["b", "a", "c", "a"]), ["a", "b", "c"]),
    "polars enum": (pl.Series([*"bacb"], dtype=pl.Enum([*"cab"])), ["c", "a", "b"]),
}


@pytest.mark.parametrize("case", GROUPS)
def test_levels_of_a_grouping_factor(case):
    values, levels = GROUPS[case]
    labels = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    (block,) = learn("y ~ 1 | g", {"y": [1.0, 2, 3, 4], "g": values}).blocks
    assert list(block.levels) == levels
    assert block.codes.dtype == np.int64
    assert [levels[code] for code in block.codes] == labels


def test_labels_that_clash_are_refused():
    rows = {"y": [1, 2, 3], "g": pd.Categorical([1, "1", 2], categories=[1, "1", 2])}
    with pytest.raises(DataError):
        learn("y ~ 1 | g", rows)


def test_columns_that_clash_are_refused():
    rows = {"y": [1.0, 2, 4], "f": ["a", "b", "b"], "f[b]": [0.0, 1, 3]}
    with pytest.raises(FormulaError, match=r"'f\[b\]' names two different columns of the design"):
        learn("y ~ f + `f[b]`", rows)


@pytest.mark.parametrize("term", ["poly(x, 2)", "bs(x, df=4)"])
def test_an_offset_is_one_number_per_row(term):
    rows = {"y": np.arange(9.0), "x": np.arange(9.0) ** 2}
    with pytest.raises(FormulaError, match="is not one number per row") as caught:
        learn(f"y ~ 1 + offset({term})", rows)
    assert caught.value.text[caught.value.start : caught.value.end] == term


def test_a_code_of_no_level_is_an_error():
    """Compiled code would read whatever lies there."""
    (block,) = learn("y ~ 1 | g", {"y": [1.0, 2], "g": ["a", "b"]}).blocks
    with pytest.raises(IndexError, match="a code of 'g' is outside"):
        dataclasses.replace(block, codes=np.array([0, 2]))


BARS = {
    # bars: coefficients, the parts that correlate within
    "(1 | g)": ("Intercept", [[0]]),
    "(x | g)": ("Intercept x", [[0, 1]]),
    "(x || g)": ("Intercept x", [[0], [1]]),
    "(0 + x | g)": ("x", [[0]]),
    "(x + z | g)": ("Intercept x z", [[0, 1, 2]]),
    "(x + z || g)": ("Intercept x z", [[0], [1], [2]]),
    # lme4's (f || g) keeps the levels of f correlated, with all of them; here all are uncorrelated
    "(f || g)": ("Intercept f[b] f[c]", [[0], [1], [2]]),
    "(0 + f || g)": ("f[a] f[b] f[c]", [[0], [1], [2]]),
    "(1 | g) + (0 + x | g)": ("Intercept x", [[0], [1]]),
    "(1 | g) + (0 + f | g)": ("Intercept f[a] f[b] f[c]", [[0], [1, 2, 3]]),
    "(x | g) + (0 + f | g)": ("Intercept x f[a] f[b] f[c]", [[0, 1], [2, 3, 4]]),
    "(x || g) + (0 + z | g)": ("Intercept x z", [[0], [1], [2]]),
    "(0 + z | g) + (1 | g)": ("z Intercept", [[0], [1]]),
    "(1 | g) + (1 | h) + (0 + x | g)": ("Intercept x", [[0], [1]]),
}


@pytest.mark.parametrize("bars", BARS)
def test_bars_on_one_factor_make_one_block(bars):
    coefs, parts = BARS[bars]
    block = learn(f"y ~ 1 + {bars}").blocks[0]
    assert block.factor == "g"
    assert block.coefs == tuple(coefs.split())
    assert [list(part) for part in block.covariance.parts] == parts
    columns = {"Intercept": ONE, "x": X, "z": Z, "f[a]": A, "f[b]": B, "f[c]": C}
    np.testing.assert_array_equal(block.Z, np.column_stack([columns[c] for c in block.coefs]))


NESTED = pd.DataFrame(
    {
        "y": [1.0, 2, 3, 4, 5, 6],
        "x": [1.0, 2, 1, 2, 1, 2],
        "a": pd.Categorical([*"qqppqp"], categories=[*"qp"]),
        "b": [10, 9, 9, 9, 9, 9],  # q has 10 and 9, p has 9 only
        "c": [*"rsrsrr"],
    }
)
A_ = {"a": ["q", "p"]}
B_ = {"b": ["9", "10"]}
AB = {"a:b": ["q:9", "q:10", "p:9"]}
FACTORS = {
    "(1 | a/b)": A_ | AB,
    "(1 | a:b)": AB,
    "(1 | a*b)": A_ | B_ | AB,
    "(1 | a + b)": A_ | B_,
    "(1 | a) + (1 | b)": A_ | B_,
    "(1 | a) + (1 | a:b)": A_ | AB,
    "(1 | b:a)": {"b:a": ["9:q", "9:p", "10:q"]},
    "(1 | a:b) + (0 + x | b:a)": AB,
    "(1 | a/b/c)": A_ | AB | {"a:b:c": ["q:9:r", "q:9:s", "q:10:r", "p:9:r", "p:9:s"]},
    "(1 | (a + c):b)": AB | {"c:b": ["r:9", "r:10", "s:9"]},
}


@pytest.mark.parametrize("bars", FACTORS)
def test_crossed_levels_are_those_that_occur(bars):
    design = learn(f"y ~ 1 + {bars}", NESTED)
    assert {block.factor: list(block.levels) for block in design.blocks} == FACTORS[bars]
    for block in design.blocks:
        labels = NESTED[block.factor.split(":")].astype(str).agg(":".join, axis=1)
        assert [block.levels[code] for code in block.codes] == labels.tolist()


def test_parents_of_nested_levels():
    encoding = Encoding.learn(parse("y ~ 1 | a:b"), NESTED)[0]
    first, second = encoding.groups[0].levels.parent_codes()
    assert first.tolist() == [0, 0, 1]  # q, q, p
    assert second.tolist() == [0, 1, 0]  # 9, 10, 9


def test_labels_with_a_colon():
    plain = learn("y ~ 1 | g", {"y": [1, 2, 3], "g": ["a:b", "c", "a:b"]})
    assert plain.blocks[0].levels == ("a:b", "c")
    clash = {"y": [1, 2, 3], "a": ["p:q", "p", "p"], "b": ["r", "q:r", "s"]}
    with pytest.raises(DataError, match="two combinations of a and b"):
        learn("y ~ 1 | a:b", clash)
