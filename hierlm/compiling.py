"""How kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable

import numba


def kernel[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function without the GIL and keep the machine code on disk.

    Sums may be reordered, so that they vectorise; infinities and NaN keep their meaning, and a
    division by zero gives them instead of raising.
    """
    decorate = numba.njit(
        cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"}
    )
    compiled: Callable[P, R] = decorate(function)
    return compiled
