"""An encoding learnt once gives the same rows whatever table they come in, and keeps none."""

import gc
import sys
import types

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hierlm.design import Design, Encoding
from hierlm.errors import DataError, MissingColumnError
from hierlm.formula import parse


def make_rows(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.gamma(2.0, size=n) + 0.1,
            "z": rng.normal(50, 5, size=n),
            "k": rng.choice([10, 2, 3], size=n),
            "f": rng.choice(["b", "a", "c"], size=n),
            "o": pd.Categorical(rng.choice([*"lmh"], size=n), categories=[*"lmh"], ordered=True),
            "u": pd.Categorical(rng.choice([*"pq"], size=n), categories=[*"qxp"]),
            "t": rng.random(n) < 0.4,
            "g": rng.integers(0, 12, size=n),
            "s": rng.choice(["s1", "s2", "s10"], size=n),
            "n": rng.integers(5, 9, size=n),
            "w": rng.integers(1, 4, size=n),
        }
    )


ROWS = make_rows(60)

SIDES = [
    *("x", "0 + x", "k", "f", "o", "u", "t", "f:o", "f * o", "f * x", "0 + f:x", "t:x", "f / o"),
    *("C(k)", "0 + C(k)", "C(k) * x", "C(f)", "C(o)", "C(f, Sum)", "C(f, Treatment('b'))"),
    *("T(f, 'c')", "T(k, 3)", "S(f)", "S(o, 'm')", "I(t * x)", "I(x > 1)", "C(t)"),
    *("center(x)", "scale(x)", "standardize(z)", "f * scale(z)", "center(x):scale(z)"),
    *("log(x)", "scale(log(x))", "I((x - z)**2)", "poly(z, 3)", "f:poly(x, 2)", "bs(x, df=4)"),
    *("bs(scale(z), df=5, degree=2)", "cr(x, df=4)", "cc(z, df=4, period=60)", "tp(x, df=4)"),
]
FORMULAS = [
    *(f"y ~ {side} + ({side} | g)" for side in SIDES),
    "y ~ x + (x || s/g) + (0 + scale(z) | s)",
    "y ~ 1 + (1 | g*s) + (1 | u:t)",
    "log(x) ~ f + offset(log(n)) + offset(z) + weights(w) + (1 | g)",
    "p(w, n) ~ scale(x) + (1 | g)",
    "scale(z) | se(x) ~ f + (1 | g)",
]


def rows_of(design: Design) -> dict[str, np.ndarray]:
    """Every array of a design that has a row per row."""
    arrays = {"X": design.X, "y": design.y, "offset": design.offset, "weights": design.weights}
    arrays |= {"trials": design.trials, "se": design.se}
    for block in design.blocks:
        arrays |= {f"Z {block.factor}": block.Z, f"codes {block.factor}": block.codes}
    return {name: array for name, array in arrays.items() if array is not None}


def learn(formula: str, rows: pd.DataFrame = ROWS) -> tuple[Encoding, Design]:
    return Encoding.learn(parse(formula), rows)[:2]


@pytest.mark.parametrize("formula", FORMULAS)
def test_chunks_and_permutations(formula):
    encoding, whole = learn(formula)
    everything = np.arange(len(ROWS))
    chunks = [*np.array_split(everything, 7), everything[::-1], everything[17:18]]
    chunks.append(np.random.default_rng(1).permutation(everything))
    for chunk in chunks:
        part = encoding.apply(ROWS.iloc[chunk], response=True)
        found, expected = rows_of(part), rows_of(whole)
        assert found.keys() == expected.keys()
        for name, array in found.items():
            np.testing.assert_allclose(array, expected[name][chunk], rtol=1e-12, atol=1e-12)
        assert part.coefs == whole.coefs
        assert [b.levels for b in part.blocks] == [b.levels for b in whole.blocks]


TABLES = {
    "dict": lambda rows: rows.to_dict(orient="list"),
    "polars": lambda rows: pl.from_pandas(rows),
    "arrow": lambda rows: pa.Table.from_pandas(rows),
    "text instead of categories": lambda rows: rows.assign(o=rows.o.astype(str)),
    "other categories": lambda rows: rows.assign(o=pd.Categorical(rows.o, categories=[*"hlm"])),
    "groups as text": lambda rows: rows.assign(g=rows.g.astype(str)),
    "groups as floats": lambda rows: rows.assign(g=rows.g.astype(float)),
    "groups as categories": lambda rows: rows.assign(g=rows.g.astype("category")),
}


@pytest.mark.parametrize("kind", TABLES)
def test_other_kinds_of_table(kind):
    encoding, whole = learn("y ~ o * x + (o | g) + (1 | g:s)")
    part = encoding.apply(TABLES[kind](ROWS.iloc[5:20]), response=True)
    for name, array in rows_of(part).items():
        np.testing.assert_array_equal(array, rows_of(whole)[name][5:20])


def test_new_levels_of_grouping_factors():
    encoding, whole = learn("y ~ x + (x | g) + (1 | s) + (1 | g:s)")
    new = ROWS.iloc[:4].copy()
    new["g"] = [99, *ROWS.g[1:4]]
    new["s"] = ["s1", "s3", *ROWS.s[2:4]]
    codes = {block.factor: block.codes for block in encoding.apply(new).blocks}
    known = {block.factor: block.codes for block in whole.blocks}
    assert codes["g"].tolist() == [-1, *known["g"][1:4]]
    assert codes["s"][1] == -1
    assert codes["g:s"].tolist() == [-1, -1, *known["g:s"][2:4]]


def test_a_new_combination_of_known_levels_is_new():
    rows = {"y": [1, 2, 3], "a": ["p", "p", "q"], "b": ["r", "s", "r"]}
    encoding = Encoding.learn(parse("y ~ 1 + (1 | a/b)"), rows)[0]
    a, ab = encoding.apply({"a": ["q", "q"], "b": ["s", "r"]}).blocks
    assert a.codes.tolist() == [1, 1]
    assert ab.codes.tolist() == [-1, 2]


UNSEEN = {
    # formula: a column, its new value, what the message says
    "y ~ f": ("f", "d", "'f' has the level 'd'"),
    "y ~ 1 + (0 + f | g)": ("f", "d", "'f' has the level 'd'"),
    "y ~ f:x": ("f", "d", "'f' has the level 'd'"),
    "y ~ o": ("o", "L", "Its levels: l, m, h"),
    "y ~ u": ("u", "x", "'u' has the level 'x'"),  # a category without rows is not learnt
    "y ~ t": ("t", "maybe", "'t' has the level 'maybe'"),
    "y ~ C(f, Sum)": ("f", "d", "'f' has the level 'd'"),
    "y ~ C(k)": ("k", 4, r"'C\(k\)' cannot be computed on these rows: The levels \(4\)"),
    "y ~ x + T(k, 3)": ("k", 4, r"'T\(k, 3\)' cannot be computed on these rows"),
    "y ~ x": ("x", "many", "'x' was a column of numbers"),
    "y ~ log(x)": ("x", 0.0, r"'log\(x\)' is not finite in 1 row"),
    "y ~ z": ("z", np.inf, "'z' is infinite in 1 row"),
    "y ~ x + f": ("x", np.nan, "'x' has 1 missing value"),
    "y ~ 1 + (1 | s)": ("s", None, "'s' has 1 missing value"),
}


@pytest.mark.parametrize("formula", UNSEEN)
def test_values_that_cannot_be_coded(formula):
    column, value, message = UNSEEN[formula]
    encoding = learn(formula)[0]
    new = ROWS.iloc[:1].assign(**{column: [value]})
    with pytest.raises(DataError, match=message):
        encoding.apply(new)


def test_columns_needed():
    encoding, _ = learn("log(x) ~ f + offset(log(n)) + weights(w) + (0 + z | g:s)")
    needed = ["f", "n", "z", "g", "s"]
    design = encoding.apply(ROWS[needed])
    assert design.y is None
    assert design.weights is None
    assert design.offset is not None
    for column in needed:
        with pytest.raises(MissingColumnError, match=f"'{column}'"):
            encoding.apply(ROWS[needed].drop(columns=column))
    for column in ("x", "w"):
        with pytest.raises(MissingColumnError, match=f"'{column}'"):
            encoding.apply(ROWS.drop(columns=column), response=True)
    with pytest.raises(ValueError, match="without a response"):
        _ = design.response


def test_trials_are_needed_without_the_response():
    encoding, _ = learn("p(w, n) ~ x + (1 | g)")
    design = encoding.apply(ROWS[["n", "x", "g"]])
    assert design.y is None
    np.testing.assert_array_equal(design.trials, ROWS.n)


def test_functions_of_the_caller():
    formula = parse("y ~ f + double(x)", functions=("double",))
    encoding, design, *_ = Encoding.learn(formula, ROWS, {"double": lambda x: 2 * x})
    np.testing.assert_array_equal(design.X[:, 3], 2 * ROWS.x)
    np.testing.assert_array_equal(encoding.apply(ROWS[3:9]).X, design.X[3:9])


def reachable(root: object) -> tuple[int, list[object]]:
    """Bytes of what an object keeps alive, code apart; and the arrays and tables among it."""
    seen: dict[int, object] = {}
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, np.ufunc)
    stack = [root]
    while stack:
        item = stack.pop()
        if id(item) in seen or isinstance(item, code):
            continue
        seen[id(item)] = item
        stack.extend(gc.get_referents(item))
    rows = (np.ndarray, pd.DataFrame, pd.Series, pd.api.extensions.ExtensionArray)
    found = [item for item in seen.values() if isinstance(item, rows)]
    sizes = [i.nbytes if isinstance(i, np.ndarray) else sys.getsizeof(i) for i in seen.values()]
    return sum(sizes), found


MANY = make_rows(200_000)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x * f + (x | g)",
        "log(w) ~ C(k) + T(f, 'b') * scale(x) + offset(log(n)) + weights(n) + (S(o) + t || s/g)",
        "p(w, n) ~ poly(z, 3) + bs(scale(z), df=5) + (center(log(x)) | g)",
        "y ~ cr(x, df=5) + cc(z, df=4, period=60) + (1 | g)",
    ],
)
def test_an_encoding_keeps_no_rows(formula):
    encoding = learn(formula, MANY)[0]
    size, arrays = reachable(encoding)
    assert size < 200_000  # bytes: one, per row
    assert max(len(array) for array in arrays) < 100
