"""LAPACK's Cholesky factor and inverse, through SciPy's own copy, called from machine code.

Addresses of functions differ between processes, and machine code is kept on disk: so the addresses
are data, which a `Problem` carries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address
from numpy.typing import NDArray

from hierlm.compiling import code_generator

Index = NDArray[np.int64]

FACTOR, INVERT = 0, 1  # positions in `addresses()`


def addresses() -> Index:
    """Return the addresses of dpotrf and dpotri."""
    module = "scipy.linalg.cython_lapack"
    found = [get_cython_function_address(module, name) for name in ("dpotrf", "dpotri")]
    return np.array(found, np.int64)


@code_generator
def potr(context: Any, address: Any, data: Any, n: Any) -> Any:
    """Call dpotrf or dpotri on the lower triangle of a C-contiguous matrix; return info.

    ``potr(address, A.ctypes.data, n)``. What is the lower triangle to C is the upper to Fortran.
    """
    signature = types.int32(types.int64, types.intp, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer, character = ir.IntType(32), ir.IntType(8)
        uplo = cgutils.alloca_once_value(builder, ir.Constant(character, ord("U")))
        size = cgutils.alloca_once_value(builder, builder.trunc(arguments[2], integer))
        info = cgutils.alloca_once_value(builder, ir.Constant(integer, 0))
        pointers = [
            character.as_pointer(),
            integer.as_pointer(),
            ir.DoubleType().as_pointer(),
            integer.as_pointer(),
            integer.as_pointer(),
        ]
        function = builder.inttoptr(
            arguments[0], ir.FunctionType(ir.VoidType(), pointers).as_pointer()
        )
        matrix = builder.inttoptr(arguments[1], pointers[2])
        builder.call(function, [uplo, size, matrix, size, info])
        return builder.load(info)

    return signature, generate
