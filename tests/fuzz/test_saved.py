"""Saved fits, cut off, scratched and edited: the same fit, or DataError; never another answer."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from helpers.fuzzing import attempt, cases
from helpers.saved import edited
from hypothesis import given
from hypothesis import strategies as st

import hierlm as hl


@contextmanager
def saved() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.nc"
        path.write_bytes(CONTENT)
        yield path


def _content() -> bytes:
    data = hl.load_dataset("cbpp").assign(size2=1.0)
    model = hl.Model(
        "p(incidence, size) ~ period + offset(log(size2)) + (1 | herd)",
        data,
        family="binomial",
        priors={"beta": "normal(0, 2)"},
        parameterization="centered",
    )
    with tempfile.TemporaryDirectory() as folder:
        synthetic_fit(model, chains=2, draws=12).save(Path(folder) / "fit.nc")
        return (Path(folder) / "fit.nc").read_bytes()


CONTENT = _content()
ANYWHERE = st.integers(0, len(CONTENT) - 1)


@functools.cache
def estimates() -> pd.DataFrame:
    """Return what the untouched file says."""
    with saved() as path:
        return hl.load(path).summary()


@cases(short=15, nightly=400)
@given(ANYWHERE)
def test_cut_off_at_any_byte(end: int) -> None:
    with saved() as path:
        path.write_bytes(CONTENT[:end])
        with pytest.raises(hl.DataError, match=r"cut off|not as it was written"):
            hl.load(path)


@cases(short=15, nightly=400)
@given(ANYWHERE, st.integers(1, 255))
def test_scratched_at_any_byte(place: int, bits: int) -> None:
    changed = bytearray(CONTENT)
    changed[place] ^= bits
    with saved() as path:
        path.write_bytes(changed)
        with pytest.raises(hl.DataError, match=r"cut off|not as it was written"):
            hl.load(path)


def _places() -> list[tuple[str, str]]:
    """Return group or variable, and attribute, for all that the file has."""
    found: list[tuple[str, str]] = []
    with saved() as path, h5py.File(path) as file:
        file.visititems(lambda name, node: found.extend((name, key) for key in node.attrs))
        found += [("/", key) for key in file.attrs]
    own = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_FillValue"}  # of HDF5 itself
    return [(name, key) for name, key in found if key not in own and "_Netcdf4" not in key]


VALUES = [
    *("", "x", "null", "[]", "{}", "gaussian", "1", '{"x": 1}', "[1, 2]", '{"total": 1}', "\ud7ff"),
    *(
        0,
        -1,
        1,
        10**9,
        2.5,
        np.nan,
        b"\xff",
        b"abc",
        np.arange(3),
        np.array(["a", "b"], dtype="S1"),
    ),
    *('{"beta": "normal(0, 3)"}', '{"rows": 3, "total": 2, "by_column": []}', "__import__('os')"),
]


@cases(short=15, nightly=400)
@given(st.sampled_from(_places()), st.sampled_from(VALUES) | st.none())
def test_edited_attributes(place: tuple[str, str], value: Any) -> None:
    """What the report of the fit depends on is refused, or is what it was; other notes are free."""
    name, key = place

    def edit(file: h5py.File) -> None:
        del file[name].attrs[key]
        if value is not None:
            file[name].attrs[key] = value

    check_loads_or_refuses(edit)


def _nodes() -> list[str]:
    found: list[str] = []
    with saved() as path, h5py.File(path) as file:
        file.visit(found.append)
    return found


@cases(short=10, nightly=150)
@given(st.sampled_from(_nodes()), st.sampled_from(["delete", "rename", "text", "short", "empty"]))
def test_edited_groups_and_variables(name: str, how: str) -> None:
    def edit(file: h5py.File) -> None:
        node = file[name]
        values = node[()] if isinstance(node, h5py.Dataset) else np.zeros(3)
        if how == "rename":
            file.move(name, f"{name}_")
            return
        del file[name]
        if how == "text":
            file[name] = "some text"
        elif how == "short":
            file[name] = values[:1]
        elif how == "empty":
            file.create_group(name)

    check_loads_or_refuses(edit)


def check_loads_or_refuses(edit: Callable[[h5py.File], None]) -> None:
    with saved() as path:
        with edited(path) as file:
            edit(file)
        fit = attempt(lambda: hl.load(path))
        if isinstance(fit, hl.Fit):
            assert str(fit)
            pd.testing.assert_frame_equal(fit.summary(), estimates())
