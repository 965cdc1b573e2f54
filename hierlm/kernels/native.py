"""The collapsed posterior as a C function, which a sampler calls without going through Python."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from hierlm.compiling import c_function, inlined
from hierlm.kernels.envelope import Envelope
from hierlm.kernels.posterior import log_posterior
from hierlm.kernels.problem import Problem
from hierlm.kernels.table import (
    COLUMNS,
    DENSITY,
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


@inlined
def _problem(t: Table) -> Problem:
    envelope = Envelope(codes(t[13]), codes(t[14]), codes(t[15]), codes(t[16]))
    return Problem(
        number(t[0]), number(t[1]), number(t[2]),
        cube(t[3]), matrix(t[4]), cube(t[5]), cube(t[6]), read_pattern(t[7:]), envelope,
        vector(t[17]), vector(t[18]), matrix(t[19]), vector(t[20]), matrix(t[21]),
        matrix(t[22]), vector(t[23]), number(t[24]),
    )  # fmt: skip


@c_function(DENSITY)
def collapsed_posterior(d: Any, x: Any, gradient: Any, value: Any, table: Any) -> int:
    """Write log density and gradient at x; return zero, or nutpie's code for a bad point."""
    rows = numba.carray(table, (_PROBLEM_ROWS + LAYOUT_ROWS, COLUMNS), np.int64)
    slope = numba.carray(gradient, (d,))
    problem, layout = _problem(rows), read_layout(rows[_PROBLEM_ROWS:])
    logp = log_posterior(numba.carray(x, (d,)), slope, problem, layout)
    numba.carray(value, (1,))[0] = logp
    return verdict(logp, slope)
