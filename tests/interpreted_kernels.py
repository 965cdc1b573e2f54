"""A pytest plugin that runs kernels as the Python they are written in, where coverage sees them.

    PYTHONPATH=tests coverage run -m pytest -p interpreted_kernels tests/engines -k "density"

A test fails here that goes where Python's floats raise and machine code gives an infinity, or that
calls machine code by its address.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hierlm import compiling


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


# What is written in instructions, as Python.
GENERATED = {"_power_of_two": lambda k: math.ldexp(1.0, int(k))}


def pytest_configure() -> None:
    """Put the decorators away; as a plugin's hook, so that collecting this file changes nothing."""
    for decorator in ("kernel", "inlined", "entry_point", "interpreted"):
        setattr(compiling, decorator, plain)
    compiling.code_generator = lambda function: GENERATED.get(function.__name__, function)
    compiling.c_function = lambda signature: plain
