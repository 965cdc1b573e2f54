"""How kernels are compiled.

Every level of functions that call functions makes LLVM optimise the lower ones once more. So leaves
are kernels, called from machine code only; what strings them together is `inlined` into its
caller; and what Python calls is an `entry_point`, kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

# Sums may be reordered, so that they vectorise; infinities and NaN keep their meaning, and a
# division by zero gives them instead of raising.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz"},
}


def kernel[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that only other compiled functions call; a call from Python crashes."""
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def inlined[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function into each of its callers."""
    return _compile(function, inline="always", cache=True)


def entry_point[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that Python calls; its machine code stays on disk."""
    return _compile(function, no_cfunc_wrapper=True, cache=True)


def _compile[**P, R](function: Callable[P, R], **options: Any) -> Callable[P, R]:
    compiled: Callable[P, R] = numba.njit(**OPTIONS, **options)(function)
    return compiled
