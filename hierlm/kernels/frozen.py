r"""The dense part of a whitening with its correlations frozen, and both parts together.

With :math:`A_j = I + T' C_{jj} T = L_j L_j'` of every level, :math:`\Lambda` their block diagonal
(1 for coefficients), and :math:`R R' = \Lambda^{-1} A \Lambda'^{-1}` at one point, never changed,

.. math:: y = \Lambda^{-1} w, \quad f = R^{-1} y, \quad s = f + \epsilon, \quad
          z = R'^{-1} s, \quad u = \Lambda'^{-1} z

costs m^2, and follows T block by block. Its adjoint is that of `hierlm.kernels.whitening` with
:math:`\bar z = \Lambda^{-1} \bar u`, :math:`\bar\epsilon = R^{-1} \bar z`,
:math:`\bar y = R'^{-1} \bar\epsilon`, :math:`\bar w = \Lambda'^{-1} \bar y` and

.. math:: \bar A_j = -\mathrm{sym}\left(L'^{-1}\, \Phi(z \bar z' + \bar y y' + I)\, L^{-1}\right)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import kernel
from hierlm.kernels.dense import solve_lower, solve_upper
from hierlm.kernels.problem import scale_rows
from hierlm.kernels.whitening import (
    Tape,
    Whitening,
    backward_dense,
    backward_levels,
    congruence,
    forward_dense,
    forward_levels,
)

Array = NDArray[np.float64]


@kernel
def block_factor(C: Array, r: int, T: Array, q: int, L: Array) -> None:
    """Write the Cholesky factor of I + T' C_jj T for the q columns from r on."""
    for a in range(q):
        for c in range(a + 1):
            total = 1.0 if a == c else 0.0
            for d in range(a, q):
                for e in range(c, q):
                    total += T[d, a] * C[r + d, r + e] * T[e, c]
            for d in range(c):
                total -= L[a, d] * L[c, d]
            L[a, c] = math.sqrt(total) if a == c else total / L[c, c]


@kernel
def solve_blocks(whitening: Whitening, tape: Tape, transposed: bool, x: Array) -> None:
    """Replace x, of shape (m,), by Lambda^{-1} x or Lambda'^{-1} x."""
    dense, r, D = whitening.dense, 0, tape.D  # D holds the blocks
    while r < dense.factor.shape[0]:
        q = dense.sizes[dense.factor[r]]
        if transposed:
            for a in range(q - 1, -1, -1):
                for c in range(a + 1, q):
                    x[r + a] -= D[r + c, r + a] * x[r + c]
                x[r + a] /= D[r + a, r + a]
        else:
            for a in range(q):
                for c in range(a):
                    x[r + a] -= D[r + a, r + c] * x[r + c]
                x[r + a] /= D[r + a, r + a]
        r += q


@kernel
def forward_frozen(whitening: Whitening, T: Array, noise: Array, tape: Tape) -> float:
    """Write b, u and y (as f) of the dense columns; return their log Jacobian."""
    dense, m, R, D = whitening.dense, whitening.C.shape[0], whitening.R, tape.D
    m1, first = dense.factor.shape[0], whitening.h.shape[0] - whitening.C.shape[0]
    r, log_jacobian = 0, 0.0
    while r < m1:
        k = dense.factor[r]
        q = dense.sizes[k]
        block_factor(whitening.C, r, T[k], q, D[r : r + q, r : r + q])
        for a in range(q):
            log_jacobian -= math.log(D[r + a, r + a])
        r += q
    w = scale_rows(dense, T, whitening.h[first:])
    solve_blocks(whitening, tape, False, w)
    y, u = tape.f[first:], tape.u[first:]
    for r in range(m):
        y[r] = w[r]
        log_jacobian -= math.log(R[r, r])
    solve_lower(R, w)
    for r in range(m):
        u[r] = w[r] + noise[first + r]
    solve_upper(R, u)
    z = tape.r[first:]
    for r in range(m):
        z[r] = u[r]
    solve_blocks(whitening, tape, True, u)
    for r in range(m):
        total = u[r]
        if r < m1:
            k, c = dense.factor[r], dense.coef[r]
            total = 0.0
            for d in range(c + 1):
                total += T[k, c, d] * u[r - c + d]
        tape.b[first + r] = total
    return log_jacobian


@kernel
def backward_frozen(
    whitening: Whitening, T: Array, tape: Tape, b_bar: Array, dT: Array, dnoise: Array
) -> None:
    """Add to dT and write to dnoise what the b_bar of the dense columns makes of them."""
    dense, m, C = whitening.dense, whitening.C.shape[0], whitening.C
    m1, first = dense.factor.shape[0], whitening.h.shape[0] - whitening.C.shape[0]
    h, u, y, z = whitening.h[first:], tape.u[first:], tape.f[first:], tape.r[first:]
    z_bar = scale_rows(dense, T, b_bar[first:])
    for r in range(m1):
        z_bar[r] -= u[r]
    solve_blocks(whitening, tape, False, z_bar)
    a_bar = dnoise[first:]
    for r in range(m):
        a_bar[r] = z_bar[r]
    solve_lower(whitening.R, a_bar)
    y_bar = a_bar.copy()
    solve_upper(whitening.R, y_bar)
    w_bar = y_bar.copy()
    solve_blocks(whitening, tape, True, w_bar)
    r = 0
    while r < m1:
        k = dense.factor[r]
        q = dense.sizes[k]
        N, Y, TA = np.zeros((q, q)), np.empty((q, q)), np.empty(q)
        for a in range(q):
            for c in range(a + 1):
                value = z[r + a] * z_bar[r + c] + y_bar[r + a] * y[r + c]
                N[a, c] = value if c < a else 0.5 * (value + 1.0)
        congruence(tape.D[r : r + q, r : r + q], q, N, Y)
        for a in range(q):
            for c in range(q):
                TA[c] = 0.0
                for d in range(a + 1):
                    TA[c] -= 0.5 * T[k, a, d] * (Y[d, c] + Y[c, d])
            for d in range(q):
                for c in range(d + 1):
                    dT[k, d, c] += 2.0 * C[r + d, r + a] * TA[c]
            for c in range(a + 1):
                dT[k, a, c] += b_bar[first + r + a] * u[r + c] + h[r + a] * w_bar[r + c]
        r += q


@kernel
def forward(whitening: Whitening, T: Array, noise: Array, tape: Tape) -> float:
    """Write the effects and coefficients of the noise; return the log Jacobian of noise -> u."""
    if whitening.R.shape[0] > 0:
        log_jacobian = forward_frozen(whitening, T, noise, tape)
    else:
        log_jacobian = forward_dense(whitening, T, noise, tape)
    for k in range(whitening.chain - 1, -1, -1):
        log_jacobian += forward_levels(whitening, k, T, noise, tape)
    return log_jacobian


@kernel
def backward(
    whitening: Whitening, T: Array, noise: Array, tape: Tape, b_bar: Array, dT: Array,
    dnoise: Array,
) -> None:  # fmt: skip
    """Write the gradient in T and the noise; prior of u and Jacobian included.

    Parameters
    ----------
    b_bar : ndarray of shape (N,)
        The gradient of the rest of the density in b; used up.
    """
    for k in range(dT.shape[0]):
        for r in range(dT.shape[1]):
            for c in range(dT.shape[2]):
                dT[k, r, c] = 0.0
    for k in range(whitening.chain):
        backward_levels(whitening, k, T, noise, tape, b_bar, dT, dnoise)
    if whitening.R.shape[0] > 0:
        backward_frozen(whitening, T, tape, b_bar, dT, dnoise)
    else:
        backward_dense(whitening, T, noise, tape, b_bar, dT, dnoise)
