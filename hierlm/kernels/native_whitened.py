"""The whitened posterior as a C function, which a sampler calls without going through Python.

A module of its own: C functions are compiled when their module is imported.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from hierlm.compiling import c_function, inlined
from hierlm.kernels.rows import Rows
from hierlm.kernels.table import (
    COLUMNS,
    DENSITY,
    LAYOUT_ROWS,
    Table,
    code_matrix,
    codes,
    cube,
    matrix,
    number,
    read_layout,
    read_pattern,
    vector,
    verdict,
)
from hierlm.kernels.whitened import log_posterior
from hierlm.kernels.whitening import Whitening

_ROWS_ROWS, _WHITENING_ROWS = 18, 20


@inlined
def _rows(t: Table) -> Rows:
    return Rows(
        t[0, 0], matrix(t[1]), vector(t[2]), t[3, 0], matrix(t[4]), codes(t[5]), matrix(t[6]),
        codes(t[7]), codes(t[8]), codes(t[9]), code_matrix(t[10]), codes(t[11]),
        code_matrix(t[12]), code_matrix(t[13]), code_matrix(t[14]), t[15, 0], matrix(t[16]),
        number(t[17]),
    )  # fmt: skip


@inlined
def _whitening(t: Table) -> Whitening:
    return Whitening(
        t[0, 0], codes(t[1]), codes(t[2]), codes(t[3]), cube(t[4]), vector(t[5]),
        codes(t[6]), codes(t[7]), matrix(t[8]), read_pattern(t[9:]), matrix(t[15]), matrix(t[16]),
        vector(t[17]), matrix(t[18]), codes(t[19]),
    )  # fmt: skip


@c_function(DENSITY)
def whitened_posterior(d: Any, x: Any, gradient: Any, value: Any, table: Any) -> int:
    """Write log density and gradient at x; return zero, or nutpie's code for a bad point."""
    t = numba.carray(table, (_ROWS_ROWS + _WHITENING_ROWS + LAYOUT_ROWS, COLUMNS), np.int64)
    slope = numba.carray(gradient, (d,))
    rows, whitening = _rows(t), _whitening(t[_ROWS_ROWS:])
    layout = read_layout(t[_ROWS_ROWS + _WHITENING_ROWS :])
    logp = log_posterior(numba.carray(x, (d,)), slope, rows, whitening, layout)
    numba.carray(value, (1,))[0] = logp
    return verdict(logp, slope)
