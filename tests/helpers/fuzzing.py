"""How many cases a property is tried on, and tables drawn at random with what they must become."""

from __future__ import annotations

import datetime
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hierlm.errors import FormulaError, HierlmError, HierlmWarning

NIGHTLY = "HIERLM_FUZZ"  # the environment variable; set to "nightly"


def cases(short: int, nightly: int) -> Callable[..., Any]:
    """Return a decorator that sets how many cases a property is tried on."""
    long = os.environ.get(NIGHTLY) == "nightly"
    checks = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
    return settings(
        max_examples=nightly if long else short,
        deadline=None,
        suppress_health_check=checks,
        derandomize=not long,  # CI tries the same cases until a test changes
        database=None,
    )


@contextmanager
def notes_allowed() -> Iterator[None]:
    """Let hierlm warn; other warnings stay errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HierlmWarning)
        yield


def attempt[T](make: Callable[[], T], allowed: type[HierlmError] = HierlmError) -> T | HierlmError:
    """Return what is made, or hierlm's error; nothing else may be raised, and no warning escape."""
    with notes_allowed():
        try:
            return make()
        except allowed as error:
            found = error
    assert str(found)
    if isinstance(found, FormulaError) and found.start is not None:
        assert 0 <= found.start < found.end <= len(found.text)
    return found


NASTY_NAMES = [
    *("y", "x", "g", "my col", " lead", "trail ", "größe", "数", "e\u0301", "\u200b", "a\nb"),
    *("a\tb", "a`b", "`", "``", "a/b", "/", "a:b", ":", "a*b", "(1 | g)", "a|b", "~", "y ~ x"),
    *("a[b]", "[0]", "'", '"', "it's", "a\\b", "%d", "{x}", "{", "\0", "a\0b", "a.b", ".", ".."),
    *("1", "0x", "-1", "'; DROP TABLE fits; --", "<b>x</b>", "<script>alert(1)</script>", "&amp;"),
    *("$x$", "\\alpha", "True", "None", "NULL", "Intercept", "beta", "sd", "cor", "sigma", "nu"),
    *("alpha", "kappa", "chain", "draw", "sample", "coef", "__obs__", "sd_g", "r_g", "z_g"),
    *("cor_g", "g_coef", "slope", "C", "log", "np", "I", "offset", "weights", "trials", "lambda"),
    *("class", "__class__", "nan", "index", "level_0", "x" * 300, "\ud800", "🐍", "\u202e"),
    *("posterior", "effects", "name"),
]
names = st.sampled_from(NASTY_NAMES) | st.text(min_size=1, max_size=6)

TEXTS = ["a", "b", "A", " a", "", "nan", "None", "1", "1.0", "01", "a:b", "é", "<i>", "a\nb", "x/y"]
FLOATS = [0.0, -0.0, 1.0, -1.5, 1e-300, 5e-324, 1e300, -1e308, 2.0**53, 0.1, 1e16]
_SMALL = st.integers(-3, 3)
_DATES = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))


def _few(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def _gaps(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.none()


def _categorical(values: list[Any], *, ordered: bool) -> Any:
    kinds = sorted({v for v in values if v is not None}, key=str)
    return pd.Categorical(values, [*kinds[::-1], *_unused(kinds)], ordered=ordered)


def _unused(kinds: list[Any]) -> list[Any]:
    extra = {str: "unused", int: 99, float: 9.5}.get(type(kinds[0]) if kinds else str)
    return [] if extra is None else [extra]


def _objects(values: list[Any]) -> pd.Series:
    return pd.Series(values, dtype=object)


# What a cell may hold, and how cells become a column.
KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[list[Any]], Any]]] = {
    "float": (st.floats(-5, 5), lambda v: pd.Series(v, dtype="float64")),
    "float with gaps": (st.floats(-5, 5) | _few([np.nan]), lambda v: pd.Series(v, dtype="float64")),
    "float, any": (_few([*FLOATS, np.nan]), lambda v: pd.Series(v, dtype="float64")),
    "float, infinite": (_few([1.0, np.inf, -np.inf]), lambda v: pd.Series(v, dtype="float64")),
    "float32": (st.floats(-5, 5, width=32), lambda v: pd.Series(v, dtype="float32")),
    "float16": (st.floats(-5, 5, width=16), lambda v: pd.Series(v, dtype="float16")),
    "int": (_SMALL, lambda v: pd.Series(v, dtype="int64")),
    "int8": (st.integers(-128, 127), lambda v: pd.Series(v, dtype="int8")),
    "int64, large": (st.integers(-(2**63), 2**63 - 1), lambda v: pd.Series(v, dtype="int64")),
    "uint64": (st.integers(0, 2**64 - 1), lambda v: pd.Series(v, dtype="uint64")),
    "Int64": (_gaps(_SMALL), lambda v: pd.Series(v, dtype="Int64")),
    "UInt8": (_gaps(st.integers(0, 3)), lambda v: pd.Series(v, dtype="UInt8")),
    "Float64": (_gaps(st.floats(-5, 5)), lambda v: pd.Series(v, dtype="Float64")),
    "bool": (st.booleans(), lambda v: pd.Series(v, dtype="bool")),
    "boolean": (_gaps(st.booleans()), lambda v: pd.Series(v, dtype="boolean")),
    "text": (_gaps(_few(TEXTS)), lambda v: pd.Series(v, dtype="str")),
    "text, python": (_gaps(_few(TEXTS)), lambda v: pd.Series(v, dtype="string[python]")),
    "text, any": (st.text(max_size=3), lambda v: pd.Series(v, dtype=object)),
    "arrow text": (_gaps(_few(TEXTS)), lambda v: pd.Series(v, dtype="string[pyarrow]")),
    "arrow int": (_gaps(_SMALL), lambda v: pd.Series(v, dtype="int64[pyarrow]")),
    "arrow float": (_gaps(st.floats(-5, 5)), lambda v: pd.Series(v, dtype="double[pyarrow]")),
    "arrow bool": (_gaps(st.booleans()), lambda v: pd.Series(v, dtype="bool[pyarrow]")),
    "arrow dictionary": (
        _gaps(_few(["a", "b"])),
        lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
    ),
    "arrow date": (
        _gaps(_few([datetime.date(2020, 1, d) for d in (1, 2, 3)])),
        lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.date32())),
    ),
    "category": (_gaps(_few(["a", "b", "c"])), lambda v: pd.Series(_categorical(v, ordered=False))),
    "category, ordered": (_few(["b", "a"]), lambda v: pd.Series(_categorical(v, ordered=True))),
    "category of ints": (_gaps(_SMALL), lambda v: pd.Series(_categorical(v, ordered=False))),
    "category of floats": (_few([0.5, 1.0]), lambda v: pd.Series(_categorical(v, ordered=True))),
    "category of bools": (st.booleans(), lambda v: pd.Series(pd.Categorical(v))),
    "category of mixed": (_few(["a", 1, 2.5]), lambda v: pd.Series(_categorical(v, ordered=False))),
    "intervals": (_few([0.5, 1.5, 2.5]), lambda v: pd.Series(pd.cut(v, [0, 1, 2, 3]))),
    "times": (_gaps(_DATES), lambda v: pd.Series(pd.to_datetime(v))),
    "times, zoned": (_DATES, lambda v: pd.Series(pd.to_datetime(v).tz_localize("UTC"))),
    "durations": (_gaps(_SMALL), lambda v: pd.Series(pd.to_timedelta(v, unit="D"))),
    "periods": (_few(["2020-01", "2020-02"]), lambda v: pd.Series(pd.PeriodIndex(v, freq="M"))),
    "complex": (st.complex_numbers(max_magnitude=3), lambda v: pd.Series(v, dtype="complex128")),
    "sparse": (_few([0.0, 1.0, 2.0]), lambda v: pd.Series(v, dtype="Sparse[float64]")),
    "objects, ints": (_gaps(_SMALL), _objects),
    "objects, huge": (_few([1, 2, 2**70]), _objects),
    "objects, decimals": (_few([Decimal(1), Decimal("0.5")]), _objects),
    "objects, dates": (_few([datetime.date(2020, 1, 1), None]), _objects),
    "objects, mixed": (_few(["a", 1, 2.5, None, True]), _objects),
    "objects, lists": (_few([[1], [2]]), _objects),
    "objects, any": (_few([object(), pd.NA, b"x"]), _objects),
    "missing": (st.none(), lambda v: pd.Series(v, dtype=object)),
    "constant": (st.just(2.0), lambda v: pd.Series(v, dtype="float64")),
}  # fmt: skip


@st.composite
def column(draw: st.DrawFn, n: int, kinds: list[str] | None = None) -> pd.Series:
    """Draw a column of n rows, of one of the kinds."""
    cells, made = KINDS[draw(st.sampled_from(kinds or list(KINDS)))]
    few = draw(st.booleans())  # a factor has few levels, and each in several rows
    values = [draw(cells) for _ in range(min(n, 3) if few else n)]
    return made(
        [values[draw(st.integers(0, len(values) - 1))] for _ in range(n)] if few else values
    )


def _index(draw: st.DrawFn, n: int) -> Any:
    kind = draw(st.sampled_from(["range", "duplicated", "two", "text", "times", "gaps"]))
    match kind:
        case "duplicated":
            return [draw(st.integers(0, 2)) for _ in range(n)]
        case "two":
            return pd.MultiIndex.from_arrays([np.arange(n) // 2, np.arange(n)], names=["g", "x"])
        case "text":
            return pd.Index([f"r{i}" for i in range(n)], name="y")
        case "times":
            return pd.date_range("2020-01-01", periods=n)
        case "gaps":
            return np.arange(n) * 3 + 7
        case _:
            return None


def container(draw: st.DrawFn, columns: dict[str, pd.Series], n: int) -> Any:
    """Return the columns as one of the kinds of tables that hierlm reads."""
    kind = draw(st.sampled_from(["pandas", "pandas", "pandas", "dict", "polars", "arrow"]))
    index = _index(draw, n) if n else None
    try:
        frame = pd.DataFrame(columns)
        frame.index = frame.index if index is None else index
        match kind:
            case "polars":
                return pl.from_pandas(frame.reset_index(drop=True))
            case "arrow":
                return pa.Table.from_pandas(frame, preserve_index=False)
            case "pandas":
                return frame
    except Exception:  # what that library cannot hold comes as a dict
        return dict(columns)
    return dict(columns)
