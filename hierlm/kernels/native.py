"""The collapsed posterior as a C function, which a sampler calls without going through Python."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import c_function, inlined, kernel
from hierlm.kernels.envelope import Envelope
from hierlm.kernels.posterior import log_posterior
from hierlm.kernels.problem import Problem
from hierlm.kernels.table import (
    COLUMNS,
    DENSITY,
    EXPAND,
    LAYOUT_ROWS,
    Table,
    codes,
    cube,
    matrix,
    number,
    read_layout,
    read_pattern,
    vector,
    verdict,
)

_PROBLEM_ROWS = 25
_ROWS = _PROBLEM_ROWS + LAYOUT_ROWS + 2

Array = NDArray[np.float64]


class Affine(NamedTuple):
    """The coordinates x = center + scale z that a sampler moves in as z."""

    center: Array  # (d,)
    scale: Array  # (d, d), lower triangular


@inlined
def _problem(t: Table) -> Problem:
    envelope = Envelope(codes(t[13]), codes(t[14]), codes(t[15]), codes(t[16]))
    return Problem(
        number(t[0]), number(t[1]), number(t[2]),
        cube(t[3]), matrix(t[4]), cube(t[5]), cube(t[6]), read_pattern(t[7:]), envelope,
        vector(t[17]), vector(t[18]), matrix(t[19]), vector(t[20]), matrix(t[21]),
        matrix(t[22]), vector(t[23]), number(t[24]),
    )  # fmt: skip


@inlined
def _affine(t: Table) -> Affine:
    return Affine(vector(t[0]), matrix(t[1]))


@kernel
def _place(affine: Affine, z: Any, x: Any) -> None:
    """Write x = center + scale z."""
    for r in range(x.shape[0]):
        x[r] = affine.center[r]
        for c in range(r + 1):
            x[r] += affine.scale[r, c] * z[c]


@c_function(DENSITY)
def collapsed_posterior(d: Any, z: Any, gradient: Any, value: Any, table: Any) -> int:
    """Write log density and gradient at z; return zero, or nutpie's code for a bad point."""
    rows = numba.carray(table, (_ROWS, COLUMNS), np.int64)
    out = numba.carray(gradient, (d,))
    problem, layout = _problem(rows), read_layout(rows[_PROBLEM_ROWS:])
    affine = _affine(rows[_PROBLEM_ROWS + LAYOUT_ROWS :])
    x, slope = np.empty(d), np.empty(d)
    _place(affine, numba.carray(z, (d,)), x)
    logp = log_posterior(x, slope, problem, layout)
    for c in range(d):
        out[c] = 0.0
        for r in range(c, d):
            out[c] += affine.scale[r, c] * slope[r]
    numba.carray(value, (1,))[0] = logp
    return verdict(logp, out)


@c_function(EXPAND)
def collapsed_point(d: Any, _: Any, z: Any, out: Any, table: Any) -> int:
    """Record the coordinates x."""
    rows = numba.carray(table, (_ROWS, COLUMNS), np.int64)
    affine = _affine(rows[_PROBLEM_ROWS + LAYOUT_ROWS :])
    _place(affine, numba.carray(z, (d,)), numba.carray(out, (d,)))
    return 0
