"""A pytest plugin that runs kernels as the Python they are written in, where coverage sees them.

    coverage run -m pytest -p interpreted_kernels tests/engines -k "density or gradient"

A test fails here that goes where Python's floats raise and machine code gives an infinity, or that
calls machine code by its address.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hierlm import compiling


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


for decorator in ("kernel", "inlined", "entry_point", "code_generator", "interpreted"):
    setattr(compiling, decorator, plain)
compiling.c_function = lambda signature: plain
