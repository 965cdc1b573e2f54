"""What to_formulae writes is what the formulae library understands."""

import formulae
import numpy as np
import pandas as pd
import pytest

from hierlm.formula import parse, to_formulae

N = 12
X, Z, M = np.random.default_rng(1).uniform(1, 3, size=(3, N))
DATA = pd.DataFrame(
    {"x": X, "z": Z, "a.b": M, "my col": M, "_u": M, "True": M, "größe": M}
    | {"f": list("abc") * 4, "h": list("uv") * 6, "Sum": X}
)

TEXTS = {
    "1": "1",
    "0 + x": "0 + x",
    "x - 1": "0 + x",
    "a.b + `my col`:x": "`a.b` + `my col`:x",
    "_u + `True` + größe": "`_u` + `True` + größe",
    "x*z - z:x": "x + z",
    "I(-x**2)": "I(-I(x**2))",
    "I(2**-x)": "I(2**I(-x))",
    "I(x**z**2)": "I(x**I(z**2))",
    "I((x + z) * a.b)": "I(I(x + z) * `a.b`)",
    "I(1e-3 * x + .5 + 2.)": "I(0.001 * x + 0.5 + 2.0)",
    "C(f, Sum)": "C(f, Sum())",
}


@pytest.mark.parametrize(("written", "expected"), TEXTS.items())
def test_text(written, expected):
    assert to_formulae(parse(f"y ~ {written}").common) == expected


COLUMNS = {
    "a.b": M,
    "_u": M,
    "`True`": M,
    "größe": M,
    "I(`my col` + a.b)": 2 * M,
    "log(`my col`)": np.log(M),
    "np.log(a.b)": np.log(M),
    "I(-x**2)": -(X**2),
    "I((-x)**2)": X**2,
    "I(2**-x)": 2**-X,
    "I(x**z**2)": X ** (Z**2),
    "I((x**z)**2)": (X**Z) ** 2,
    "I(x - (z - 1))": X - (Z - 1),
    "I(x / z / 2)": X / Z / 2,
    "I(x / (z / 2))": X / (Z / 2),
    "I(1e-3 * x + .5 + 2.)": 1e-3 * X + 2.5,
    "I((x > 2) * (z <= 2))": (X > 2) * (Z <= 2),
    "I((x + z) * 2 > x + 4)": (X + Z) * 2 > X + 4,
    "{-x + -z}": -X - Z,
    "center(`my col`)": M - M.mean(),
    "x:a.b": X * M,
}


@pytest.mark.parametrize(("written", "expected"), COLUMNS.items())
def test_values(written, expected):
    text = to_formulae(parse(f"y ~ 0 + {written}").common)
    namespace = {"log": np.log}
    matrix = formulae.design_matrices(text, DATA, extra_namespace=namespace).common
    np.testing.assert_allclose(matrix.design_matrix[:, 0], np.asarray(expected, dtype=float))
    assert matrix.design_matrix.shape == (N, 1)


SHAPES = {
    "f": 3,
    "f*h": 6,
    "(f + h + x)**2": 10,
    "x*z*x": 4,
    "x:z + z:x": 2,
    "x*z - z:x": 3,
    "C(f, Sum) + T(h, 'v') + S(h)": 5,
    "bs(`my col`, df=4)": 5,
    "cr(a.b, df=5)": 6,
    "poly(x, 2, raw=True):z": 3,
    "I((x + z) * a.b) + I(x + z * a.b)": 3,
    "0 + f + x": 4,
}


@pytest.mark.parametrize(("written", "columns"), SHAPES.items())
def test_shapes(written, columns):
    text = to_formulae(parse(f"y ~ {written}").common)
    assert formulae.design_matrices(text, DATA).common.design_matrix.shape == (N, columns)
