"""A small table for tests that only build models, and what building says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import hierlm as hl

N = 60


def table(**columns: Any) -> pd.DataFrame:
    """Return 60 rows: one response for each family, predictors, and crossed groups.

    ``columns`` replace or add to them.
    """
    rng = np.random.default_rng(7)
    data = {
        "y": rng.normal(size=N),
        "positive": rng.gamma(2.0, size=N) + 0.1,
        "share": rng.uniform(0.1, 0.9, N),
        "count": rng.poisson(3.0, N),
        "success": np.tile([0, 1, 1], 20),
        "hits": rng.integers(0, 11, N),
        "tries": np.full(N, 10),
        "answer": np.tile(["no", "yes"], 30),
        "x": rng.normal(size=N),
        "z": rng.normal(size=N),
        "year": np.tile(np.arange(1990, 2020), 2),
        "f": np.tile(["A", "B", "C"], 20),
        "g": np.repeat([f"g{i:02d}" for i in range(12)], 5),
        "h": np.tile(list("abcdef"), 10),
        "row": np.arange(N),
        "w": np.tile([1, 2], 30),
        "s": np.full(N, 0.5),
    }
    return pd.DataFrame(data | columns)


def changed(column: str, values: dict[int, Any]) -> dict[str, Any]:
    """Return a column of the table, as floats, with other values in some rows."""
    series = table()[column].astype(float)
    for row, value in values.items():
        series[row] = value
    return {column: series}


def refusal(formula: Any, data: Any = None, **options: Any) -> hl.HierlmError:
    """Return the error that building a model raises."""
    try:
        hl.Model(formula, table() if data is None else data, **options)
    except hl.HierlmError as error:
        return error
    raise AssertionError(f"{formula!r} was accepted")


def check_message(error: Exception, kind: type[Exception], fragments: tuple[str, ...]) -> None:
    """Check an error's class and words, and that a person can read it."""
    message = str(error)
    assert type(error) is kind, message
    assert [part for part in fragments if part not in message] == [], message
    assert max(map(len, message.splitlines())) <= 240, message
    assert "builtins." not in message
    assert ".." not in message.replace("...", ""), message
