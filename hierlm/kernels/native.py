"""The collapsed posterior as a C function, which a sampler calls without going through Python.

The function finds its data in a table of 64-bit integers, one row for each field of `Problem` and
of `Layout`, in their order: the address of an array and its shape, or the bits of a number.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from hierlm.compiling import c_function, code_generator, inlined, kernel
from hierlm.kernels.envelope import Envelope
from hierlm.kernels.posterior import Layout, log_posterior
from hierlm.kernels.problem import Pattern, Problem

Table = NDArray[np.int64]

_COLUMNS = 4  # an address and up to three sizes
_REJECTED = 4  # nutpie's code for a point without a finite density

_doubles = types.CPointer(types.float64)
DENSITY = types.int64(types.uint64, _doubles, _doubles, _doubles, types.voidptr)
_EXPAND = types.int64(types.uint64, types.uint64, _doubles, _doubles, types.voidptr)


def tabulate(*parts: Any) -> Table:
    """Return the table of the fields of named tuples, which must outlive it.

    Parameters
    ----------
    *parts : Problem, Layout
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
        rows.append(row + [0] * (_COLUMNS - len(row)))
    return np.array(rows, dtype=np.int64)


def _fields(parts: Any) -> Any:
    for value in parts:
        if isinstance(value, tuple):
            yield from _fields(value)
        else:
            yield value


@code_generator
def _pointer(context: Any, address: Any) -> Any:
    """Return an address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(address), generate


@kernel
def _number(row: Table) -> Any:
    return row[:1].view(np.float64)[0]


@kernel
def _vector(row: Table) -> Any:
    return numba.carray(_pointer(row[0]), (row[1],), np.float64)


@kernel
def _matrix(row: Table) -> Any:
    return numba.carray(_pointer(row[0]), (row[1], row[2]), np.float64)


@kernel
def _cube(row: Table) -> Any:
    return numba.carray(_pointer(row[0]), (row[1], row[2], row[3]), np.float64)


@kernel
def _codes(row: Table) -> Any:
    return numba.carray(_pointer(row[0]), (row[1],), np.int64)


@kernel
def _code_matrix(row: Table) -> Any:
    return numba.carray(_pointer(row[0]), (row[1], row[2]), np.int64)


@inlined
def _problem(t: Table) -> Problem:
    pattern = Pattern(
        _codes(t[7]), _codes(t[8]), _matrix(t[9]), _codes(t[10]), _codes(t[11]), _codes(t[12])
    )
    envelope = Envelope(_codes(t[13]), _codes(t[14]), _codes(t[15]), _codes(t[16]))
    return Problem(
        _number(t[0]), _number(t[1]), _number(t[2]),
        _cube(t[3]), _matrix(t[4]), _cube(t[5]), _cube(t[6]), pattern, envelope,
        _vector(t[17]), _vector(t[18]), _matrix(t[19]), _vector(t[20]), _matrix(t[21]),
        _matrix(t[22]), _vector(t[23]), _number(t[24]),
    )  # fmt: skip


@inlined
def _layout(t: Table) -> Layout:
    return Layout(
        _matrix(t[0]), _code_matrix(t[1]), _matrix(t[2]), _cube(t[3]), _code_matrix(t[4]),
        _vector(t[5]), t[6, 0], _number(t[7]), _codes(t[8]), _vector(t[9]),
    )  # fmt: skip


_PROBLEM_ROWS, _LAYOUT_ROWS = 25, 10


@c_function(DENSITY)
def collapsed_posterior(d: Any, x: Any, gradient: Any, value: Any, table: Any) -> int:
    """Write log density and gradient at x; return zero, or nutpie's code for a bad point."""
    rows = numba.carray(table, (_PROBLEM_ROWS + _LAYOUT_ROWS, _COLUMNS), np.int64)
    slope = numba.carray(gradient, (d,))
    problem, layout = _problem(rows), _layout(rows[_PROBLEM_ROWS:])
    logp = log_posterior(numba.carray(x, (d,)), slope, problem, layout)
    numba.carray(value, (1,))[0] = logp
    for k in range(slope.shape[0]):
        if not math.isfinite(slope[k]):
            return _REJECTED
    return 0 if math.isfinite(logp) else _REJECTED


@c_function(_EXPAND)
def copy_point(d: Any, _: Any, x: Any, out: Any, table: Any) -> int:
    """Record the coordinates as they are."""
    for k in range(d):
        out[k] = x[k]
    return 0
