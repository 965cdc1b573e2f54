"""How kernels are compiled.

Every level of functions that call functions makes LLVM optimise the lower ones once more. So leaves
are kernels, called from machine code only; what strings them together is `inlined` into its
caller; and what Python calls is an `entry_point`, kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.extending import intrinsic

# Sums may be reordered, so that they vectorise; infinities and NaN keep their meaning, and a
# division by zero gives them instead of raising.
_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz"},
}


def kernel[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that only other compiled functions call; a call from Python crashes."""
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def inlined[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function into each of its callers."""
    return _kept(lambda **kept: _compile(function, inline="always", **kept))


def entry_point[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that Python calls; its machine code stays on disk."""
    return _kept(lambda **kept: _compile(function, no_cfunc_wrapper=True, **kept))


def c_function(signature: Any) -> Callable[[Callable[..., int]], Any]:
    """Compile a function that C code calls by its address; its machine code stays on disk."""

    def decorate(function: Callable[..., int]) -> Any:
        return _kept(lambda **kept: numba.cfunc(signature, **kept, **_OPTIONS)(function))

    return decorate


def code_generator(function: Callable[..., Any]) -> Any:
    """Return what compiled code calls where `function` says which instructions that is."""
    return intrinsic(function)


def interpreted[**P, R](compiled: Callable[P, R]) -> Callable[P, R]:
    """Return a kernel as the Python function that it was made from."""
    function: Callable[P, R] = compiled.py_func  # type: ignore[attr-defined]  # numba's
    return function


def _kept[T](make: Callable[..., T]) -> T:
    """Compile with machine code on disk; or without, where neither package nor home take a file."""
    try:
        return make(cache=True)
    except RuntimeError:  # numba finds no folder
        return make()


def _compile[**P, R](function: Callable[P, R], **options: Any) -> Callable[P, R]:
    compiled: Callable[P, R] = numba.njit(nogil=True, **_OPTIONS, **options)(function)
    return compiled
