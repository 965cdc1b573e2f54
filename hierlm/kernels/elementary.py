r"""Exponentials and logistic functions whose loops vectorise, and the digamma function.

libm is called one number at a time, which makes it dearer than all else that is done for a row.
With :math:`x = k \log 2 + r`, :math:`|r| \le \tfrac12 \log 2`, and s = e / (2 + e),

.. math:: e^x = 2^k e^r, \qquad \log(1 + e) = 2\,\mathrm{artanh}(s)

e^r and artanh(s) / s, for e in [0, 1], are Chebyshev polynomials in r and in s^2 of 12 and 11 terms
whose largest errors are 3 and 1.3 parts in 10^18.
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
    p = 2.5110037605963777e-08
    p = p * r + 2.763263963904103e-07
    p = p * r + 2.755724091857897e-06
    p = p * r + 2.4801485482328494e-05
    p = p * r + 0.00019841269890047113
    p = p * r + 0.0013888888952314775
    p = p * r + 0.008333333333319601
    p = p * r + 0.0416666666664881
    p = p * r + 0.1666666666666668
    p = p * r + 0.5000000000000019
    p = p * r + 1.0
    p = p * r + 1.0
    value: float = p * _power_of_two(k)
    return value


@inlined
def logistic(x: float) -> tuple[float, float]:
    """Return log(1 + e^x) and its derivative 1 / (1 + e^-x)."""
    e = exponential(-abs(x))
    inverse = 1.0 / ((1.0 + e) * (2.0 + e))  # of both denominators
    q, s = (2.0 + e) * inverse, e * (1.0 + e) * inverse
    z = s * s
    p = 0.08522081781390699
    p = p * z + 0.0416225325593041
    p = p * z + 0.06055084364034609
    p = p * z + 0.06650187016337313
    p = p * z + 0.07693307021152004
    p = p * z + 0.09090870416252403
    p = p * z + 0.11111112040373837
    p = p * z + 0.14285714272727057
    p = p * z + 0.20000000000092874
    p = p * z + 0.33333333333333076
    p = p * z + 1.0
    return max(x, 0.0) + 2.0 * s * p, (q if x >= 0.0 else e * q)


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
