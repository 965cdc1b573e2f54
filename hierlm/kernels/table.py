"""Named tuples of arrays as a table of 64-bit integers, which C functions take as user data.

One row for each field, in their order: the address of an array and its shape, or the bits of a
number.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from hierlm.compiling import c_function, code_generator, inlined, kernel
from hierlm.kernels.posterior import Layout
from hierlm.kernels.problem import Pattern

Table = NDArray[np.int64]

COLUMNS = 4  # an address and up to three sizes
REJECTED = 4  # nutpie's code for a point without a finite density

_doubles = types.CPointer(types.float64)
DENSITY = types.int64(types.uint64, _doubles, _doubles, _doubles, types.voidptr)
EXPAND = types.int64(types.uint64, types.uint64, _doubles, _doubles, types.voidptr)


def tabulate(*parts: Any) -> Table:
    """Return the table of the fields of named tuples, which must outlive it.

    Parameters
    ----------
    *parts : Problem, Rows, Whitening or Layout
        Their arrays are C-contiguous, of float64 or int64, with at most three dimensions.
    """
    rows: list[list[int]] = []
    for value in _fields(parts):
        if isinstance(value, np.ndarray):
            if not value.flags.c_contiguous or value.dtype not in (np.float64, np.int64):
                raise TypeError(f"an array of {value.dtype}, strides {value.strides}, is no field.")
            row = [value.ctypes.data, *value.shape]
        else:
            row = [int(np.float64(value).view(np.int64)) if isinstance(value, float) else value]
        rows.append(row + [0] * (COLUMNS - len(row)))
    return np.array(rows, dtype=np.int64)


def _fields(parts: Any) -> Any:
    for value in parts:
        if isinstance(value, tuple):
            yield from _fields(value)
        else:
            yield value


def evaluate(density: Any, table: Table, x: NDArray[np.float64]) -> tuple[float, Any]:
    """Call a density in machine code.

    Parameters
    ----------
    density : numba cfunc
        With the signature `DENSITY`.
    table : ndarray of int64
    x : ndarray of shape (d,)

    Returns
    -------
    float, ndarray of shape (d,)
        The log density and its gradient; minus infinity and zeros where either is not finite.
    """
    slope, value = np.zeros(len(x)), np.zeros(1)
    doubles = ctypes.POINTER(ctypes.c_double)
    arrays = np.ascontiguousarray(x, np.float64), slope, value
    pointers = [array.ctypes.data_as(doubles) for array in arrays]
    if density.ctypes(len(x), *pointers, table.ctypes.data) != 0:
        return -math.inf, np.zeros(len(x))
    return float(value[0]), slope


@code_generator
def pointer(context: Any, address: Any) -> Any:
    """Return an address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(address), generate


@kernel
def number(row: Table) -> Any:
    """Return a number from its bits."""
    return row[:1].view(np.float64)[0]


@kernel
def vector(row: Table) -> Any:
    """Return an array of one dimension."""
    return numba.carray(pointer(row[0]), (row[1],), np.float64)


@kernel
def matrix(row: Table) -> Any:
    """Return an array of two dimensions."""
    return numba.carray(pointer(row[0]), (row[1], row[2]), np.float64)


@kernel
def cube(row: Table) -> Any:
    """Return an array of three dimensions."""
    return numba.carray(pointer(row[0]), (row[1], row[2], row[3]), np.float64)


@kernel
def codes(row: Table) -> Any:
    """Return an array of integers."""
    return numba.carray(pointer(row[0]), (row[1],), np.int64)


@kernel
def code_matrix(row: Table) -> Any:
    """Return a matrix of integers."""
    return numba.carray(pointer(row[0]), (row[1], row[2]), np.int64)


@inlined
def read_pattern(t: Table) -> Pattern:
    """Return the pattern of six rows."""
    return Pattern(codes(t[0]), codes(t[1]), matrix(t[2]), codes(t[3]), codes(t[4]), codes(t[5]))


@inlined
def read_layout(t: Table) -> Layout:
    """Return the layout of ten rows."""
    return Layout(
        matrix(t[0]), code_matrix(t[1]), matrix(t[2]), cube(t[3]), code_matrix(t[4]),
        vector(t[5]), t[6, 0], number(t[7]), codes(t[8]), vector(t[9]),
    )  # fmt: skip


LAYOUT_ROWS = 10


@kernel
def verdict(logp: float, slope: Any) -> int:
    """Return zero, or nutpie's code for a bad point."""
    for k in range(slope.shape[0]):
        if not math.isfinite(slope[k]):
            return REJECTED
    return 0 if math.isfinite(logp) else REJECTED


@c_function(EXPAND)
def copy_point(d: Any, _: Any, x: Any, out: Any, table: Any) -> int:
    """Record the coordinates as they are."""
    for k in range(d):
        out[k] = x[k]
    return 0
