r"""Exponentials and logarithms whose loops vectorise, and the digamma function.

libm is called one number at a time, which makes it dearer than all else that is done for a row.
With :math:`x = k \log 2 + r`, :math:`|r| \le \tfrac12 \log 2`, and s = e / (2 + e),

.. math:: e^x = 2^k \sum_{i \le 13} r^i / i!, \qquad
          \log(1 + e) = 2\,\mathrm{artanh}(s) = 2 \sum_{i \le 16} s^{2i+1} / (2i + 1)

whose remainders are below one part in 10^16 for e in [0, 1].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from hierlm.compiling import code_generator, inlined, kernel

_LARGEST = 709.0  # exp overflows above 709.8


@code_generator
def _power_of_two(context: Any, k: Any) -> Any:
    """Return 2^k for a whole number k from -1022 to 1023, given as a float."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(64)
        exponent = builder.sext(builder.fptosi(arguments[0], ir.IntType(32)), integer)
        biased = builder.add(exponent, ir.Constant(integer, 1023))
        bits = builder.shl(biased, ir.Constant(integer, 52))
        return builder.bitcast(bits, ir.DoubleType())

    return types.float64(types.float64), generate


@inlined
def exponential(x: float) -> float:
    """Return e^x, held at e^-708 below and e^709 above."""
    x = min(max(x, -708.0), _LARGEST)
    k: float = np.floor(x * 1.4426950408889634 + 0.5)
    # log 2 in two parts: k times the first is exact
    r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    value: float = p * _power_of_two(k)
    return value


@inlined
def log_one_plus(e: float) -> float:
    """Return log(1 + e) for e in [0, 1]."""
    s = e / (2.0 + e)
    z = s * s
    p = 1.0 / 33.0
    p = p * z + 1.0 / 31.0
    p = p * z + 1.0 / 29.0
    p = p * z + 1.0 / 27.0
    p = p * z + 1.0 / 25.0
    p = p * z + 1.0 / 23.0
    p = p * z + 1.0 / 21.0
    p = p * z + 1.0 / 19.0
    p = p * z + 1.0 / 17.0
    p = p * z + 1.0 / 15.0
    p = p * z + 1.0 / 13.0
    p = p * z + 1.0 / 11.0
    p = p * z + 1.0 / 9.0
    p = p * z + 1.0 / 7.0
    p = p * z + 1.0 / 5.0
    p = p * z + 1.0 / 3.0
    p = p * z + 1.0
    return 2.0 * s * p


@kernel
def digamma(x: float) -> float:
    """Return the derivative of log Gamma at x > 0 (Abramowitz and Stegun 1972, 6.3.5, 6.3.18)."""
    total = 0.0
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    z = 1.0 / (x * x)
    series = 1.0 / 252.0 - z * (1.0 / 240.0 - z * (1.0 / 132.0 - z * 691.0 / 32760.0))
    series = 1.0 / 12.0 - z * (1.0 / 120.0 - z * series)
    return total + math.log(x) - 0.5 / x - z * series
