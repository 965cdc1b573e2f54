r"""A change of variables that makes effects nearly independent standard normals, and its adjoint.

Weights and working responses are those of a Laplace approximation at one point and never change;
T does. Factors are taken in order, the largest first. For level j of factor k let :math:`I_{kj}`
be its information once the factors before it are eliminated (at the same point),
:math:`h_{kj}` the right-hand side and :math:`C_{kj}` the coupling with the columns after it:

.. math::
    A_{kj} = I + T_k' I_{kj} T_k = L L', \quad
    w = T_k'(h_{kj} - C_{kj} b_{later}), \quad
    u_{kj} = L'^{-1}(L^{-1} w + \epsilon_{kj}), \quad b_{kj} = T_k u_{kj}

and the same for all columns that are left at the end, densely: :math:`A = \Pi + S'CS`. Then
:math:`\epsilon \to u` has the log Jacobian :math:`-\sum \log \mathrm{diag}\, L`, whatever the
quality of the approximation. Effects are standardised, so that no covariance is ever inverted.
Where these would be too many, large factors are taken level by level too, their crossed levels as
if they did not couple (`hierlm.engines.crossed`).

The adjoint. With :math:`f = L^{-1} w`, :math:`s = f + \epsilon`, :math:`a = L^{-1}\bar u` and
:math:`\Phi` the lower triangle with its diagonal halved,

.. math::
    \bar\epsilon = a, \quad \bar w = L'^{-1} a, \quad
    \bar A = -\mathrm{sym}\left(L'^{-1}\, \Phi(s a' + a f' + I)\, L^{-1}\right)

since :math:`\bar L = -\mathrm{tril}(u a' + \bar w f') - \mathrm{diag}(1/L)`, the upper triangles
drop out of :math:`\Phi(L'\bar L)`, and :math:`L'u = s`, :math:`L'\bar w = a` (Murray 2016,
arXiv:1602.07527, for the reverse mode of a Cholesky factor). The I is the Jacobian's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import inlined, kernel
from hierlm.kernels.dense import cholesky, scale_both, scale_columns, solve_lower, solve_upper
from hierlm.kernels.linear import dot
from hierlm.kernels.problem import Pattern, scale_rows

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Whitening(NamedTuple):
    """The frozen information; N columns: the effects of all factors, then the coefficients.

    The first `chain` factors are eliminated level by level, the others and the coefficients, m
    columns from `dense_at` on, together. G: levels of the factors of the chain.
    """

    chain: int
    sizes: Index  # (factors,) coefficients of each
    starts: Index  # (factors + 1,) first column of each factor, then of the coefficients
    level_at: Index  # (chain + 1,) first level of each factor of the chain among the G
    information: Array  # (G, q, q)
    h: Array  # (N,)
    ptr: Index  # (G + 1,)
    cols: Index  # (nnz,)
    vals: Array  # (q, nnz)
    dense: Pattern  # what the m columns are; no levels
    C: Array  # (m, m) their information
    directions: Array  # (r, w) orthonormal, of the noise of w columns after the first factor's
    stretch: Array  # (r,) by how much the noise is longer along them
    priors: Array  # (p, WIDTH) of the coefficients
    lapack: Index  # addresses, see `hierlm.kernels.lapack`


class Tape(NamedTuple):
    """What the adjoint needs of the forward pass."""

    b: Array  # (N,) effects and coefficients
    u: Array  # (N,) standardised
    f: Array  # (N,)
    r: Array  # (N,) right-hand side, less what later columns take of it
    L: Array  # (G, q, q)
    D: Array  # (m, m) Cholesky factor of the dense part
    CS: Array  # (m, m)


@kernel
def empty_tape(whitening: Whitening) -> Tape:
    """Return a tape to write on."""
    N, m = whitening.h.shape[0], whitening.C.shape[0]
    return Tape(
        np.empty(N), np.empty(N), np.empty(N), np.empty(N), np.empty(whitening.information.shape),
        np.empty((m, m)), np.empty((m, m)),
    )  # fmt: skip


@kernel
def stretch(whitening: Whitening, noise: Array) -> None:
    """Multiply noise along each direction v: e becomes e + v (s - 1) v'e; its own adjoint."""
    if whitening.directions.shape[0] == 0:
        return
    first, w = whitening.starts[1], whitening.directions.shape[1]
    part, along = noise[first : first + w], np.empty(whitening.directions.shape[0])
    for r in range(along.shape[0]):
        along[r] = (whitening.stretch[r] - 1.0) * dot(whitening.directions[r], part)
    for r in range(along.shape[0]):
        v, length = whitening.directions[r], along[r]
        for i in range(w):
            part[i] += length * v[i]


@kernel
def forward_dense(whitening: Whitening, T: Array, noise: Array, tape: Tape) -> float:
    """Write b, u and f of the dense columns; return their log Jacobian."""
    dense, m = whitening.dense, whitening.C.shape[0]
    m1, first = dense.factor.shape[0], whitening.h.shape[0] - whitening.C.shape[0]
    f, u, D = tape.f[first:], tape.u[first:], tape.D
    CS = scale_columns(dense, T, whitening.C)
    A, w = scale_both(dense, T, CS), scale_rows(dense, T, whitening.h[first:])
    for r in range(m):
        f[r] = w[r]
        for c in range(m):
            D[r, c], tape.CS[r, c] = A[r, c], CS[r, c]
    for r in range(m1):
        D[r, r] += 1.0
    cholesky(D, whitening.lapack)
    solve_lower(D, f)
    log_jacobian = 0.0
    for r in range(m):
        u[r] = f[r] + noise[first + r]
        log_jacobian -= math.log(D[r, r])
    solve_upper(D, u)
    for r in range(m):
        total = u[r]
        if r < m1:
            k, c = dense.factor[r], dense.coef[r]
            total = 0.0
            for d in range(c + 1):
                total += T[k, c, d] * u[r - c + d]
        tape.b[first + r] = total
    return log_jacobian


@inlined
def congruence(L: Array, q: int, N: Array, Y: Array) -> None:
    """Write Y = L'^{-1} N L^{-1} for matrices of q rows and columns."""
    for a in range(q - 1, -1, -1):
        for c in range(q):
            Y[a, c] = N[a, c]
        for d in range(a + 1, q):
            t = L[d, a]
            for c in range(q):
                Y[a, c] -= t * Y[d, c]
        t = 1.0 / L[a, a]
        for c in range(q):
            Y[a, c] *= t
    for a in range(q):
        for d in range(q - 1, -1, -1):
            t = Y[a, d] / L[d, d]
            Y[a, d] = t
            for c in range(d):
                Y[a, c] -= t * L[d, c]


@inlined
def _forward_levels(
    q: int, whitening: Whitening, k: int, T: Array, noise: Array, tape: Tape
) -> float:
    """Write b, u, f and L of the levels of factor k of the chain; return their log Jacobian."""
    at = whitening.starts[k]
    b, u, f, r, log_jacobian = tape.b, tape.u, tape.f, tape.r, 0.0
    IT = np.empty((q, q))
    for g in range(whitening.level_at[k], whitening.level_at[k + 1]):
        J, L = whitening.information[g], tape.L[g]
        for a in range(q):
            total = whitening.h[at + a]
            for t in range(whitening.ptr[g], whitening.ptr[g + 1]):
                total -= whitening.vals[a, t] * b[whitening.cols[t]]
            r[at + a] = total
            for c in range(q):
                IT[a, c] = 0.0
                for d in range(c, q):
                    IT[a, c] += J[a, d] * T[k, d, c]
        for a in range(q):
            total = 0.0
            for d in range(a, q):
                total += T[k, d, a] * r[at + d]
            for c in range(a + 1):
                A = 1.0 if a == c else 0.0
                for d in range(a, q):
                    A += T[k, d, a] * IT[d, c]
                for d in range(c):
                    A -= L[a, d] * L[c, d]
                L[a, c] = math.sqrt(A) if a == c else A / L[c, c]
            for c in range(a):
                total -= L[a, c] * f[at + c]
            f[at + a] = total / L[a, a]
            log_jacobian -= math.log(L[a, a])
        for a in range(q - 1, -1, -1):
            total = f[at + a] + noise[at + a]
            for c in range(a + 1, q):
                total -= L[c, a] * u[at + c]
            u[at + a] = total / L[a, a]
        for a in range(q):
            total = 0.0
            for c in range(a + 1):
                total += T[k, a, c] * u[at + c]
            b[at + a] = total
        at += q
    return log_jacobian


@inlined
def _backward_levels(
    q: int, whitening: Whitening, k: int, T: Array, noise: Array, tape: Tape, b_bar: Array,
    dT: Array, dnoise: Array,
) -> None:  # fmt: skip
    """Add to dT, dnoise and the b_bar of later columns what b_bar of factor k makes of them."""
    at, f = whitening.starts[k], tape.f
    N, Y, w_bar, TA = np.empty((q, q)), np.empty((q, q)), np.empty(q), np.empty(q)
    for g in range(whitening.level_at[k], whitening.level_at[k + 1]):
        J, L = whitening.information[g], tape.L[g]
        for a in range(q):
            total = -tape.u[at + a]  # the standard normal prior
            for d in range(a, q):
                total += T[k, d, a] * b_bar[at + d]
            for c in range(a):
                total -= L[a, c] * dnoise[at + c]
            dnoise[at + a] = total / L[a, a]
        for a in range(q - 1, -1, -1):
            total = dnoise[at + a]
            for c in range(a + 1, q):
                total -= L[c, a] * w_bar[c]
            w_bar[a] = total / L[a, a]
        for a in range(q):
            back = 0.0
            for c in range(a + 1):
                back += T[k, a, c] * w_bar[c]
            for t in range(whitening.ptr[g], whitening.ptr[g + 1]):
                b_bar[whitening.cols[t]] -= whitening.vals[a, t] * back
        for a in range(q):
            for c in range(q):
                s = f[at + a] + noise[at + a]
                value = s * dnoise[at + c] + dnoise[at + a] * f[at + c]
                N[a, c] = value if c < a else (0.5 * (value + 1.0) if c == a else 0.0)
        congruence(L, q, N, Y)
        for a in range(q):
            for c in range(q):
                TA[c] = 0.0
                for d in range(a + 1):  # T A-bar, with A-bar = -(Y + Y') / 2
                    TA[c] -= 0.5 * T[k, a, d] * (Y[d, c] + Y[c, d])
            for d in range(q):
                for c in range(d + 1):
                    dT[k, d, c] += 2.0 * J[d, a] * TA[c]
            for c in range(a + 1):
                dT[k, a, c] += b_bar[at + a] * tape.u[at + c] + tape.r[at + a] * w_bar[c]
        at += q


@kernel
def forward_levels(whitening: Whitening, k: int, T: Array, noise: Array, tape: Tape) -> float:
    """Return `_forward_levels`, its loops unrolled for one coefficient or two."""
    q = whitening.sizes[k]
    if q == 1:
        return _forward_levels(1, whitening, k, T, noise, tape)
    if q == 2:
        return _forward_levels(2, whitening, k, T, noise, tape)
    return _forward_levels(q, whitening, k, T, noise, tape)


@kernel
def backward_levels(
    whitening: Whitening, k: int, T: Array, noise: Array, tape: Tape, b_bar: Array, dT: Array,
    dnoise: Array,
) -> None:  # fmt: skip
    """Do `_backward_levels`, its loops unrolled for one coefficient or two."""
    q = whitening.sizes[k]
    if q == 1:
        _backward_levels(1, whitening, k, T, noise, tape, b_bar, dT, dnoise)
    elif q == 2:
        _backward_levels(2, whitening, k, T, noise, tape, b_bar, dT, dnoise)
    else:
        _backward_levels(q, whitening, k, T, noise, tape, b_bar, dT, dnoise)


@kernel
def backward_dense(
    whitening: Whitening, T: Array, noise: Array, tape: Tape, b_bar: Array, dT: Array,
    dnoise: Array,
) -> None:  # fmt: skip
    """Add to dT and dnoise what the b_bar of the dense columns makes of them."""
    dense, m = whitening.dense, whitening.C.shape[0]
    m1, first = dense.factor.shape[0], whitening.h.shape[0] - whitening.C.shape[0]
    a, f, u, D = dnoise[first:], tape.f[first:], tape.u[first:], tape.D
    scaled = scale_rows(dense, T, b_bar[first:])
    for r in range(m):
        a[r] = scaled[r] - (u[r] if r < m1 else 0.0)
    solve_lower(D, a)
    if m1 == 0:
        return
    w_bar = a.copy()
    solve_upper(D, w_bar)
    N, Y = np.zeros((m, m)), np.empty((m, m))
    for r in range(m):
        s = f[r] + noise[first + r]
        for c in range(r):
            N[r, c] = s * a[c] + a[r] * f[c]
        N[r, r] = 0.5 * (s * a[r] + a[r] * f[r] + 1.0)
    congruence(D, m, N, Y)
    for r in range(m):
        for c in range(r + 1):
            Y[r, c] += Y[c, r]
            Y[c, r] = Y[r, c]
    for r in range(m1):
        k, c = dense.factor[r], dense.coef[r]
        for d in range(c + 1):
            other = r - c + d
            dT[k, c, d] += (
                b_bar[first + r] * u[other] + whitening.h[first + r] * w_bar[other]
                - dot(tape.CS[r], Y[other])
            )  # fmt: skip


@inlined
def forward(whitening: Whitening, T: Array, noise: Array, tape: Tape) -> float:
    """Write the effects and coefficients of the noise; return the log Jacobian of noise -> u."""
    log_jacobian = forward_dense(whitening, T, noise, tape)
    for k in range(whitening.chain - 1, -1, -1):
        log_jacobian += forward_levels(whitening, k, T, noise, tape)
    return log_jacobian


@inlined
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
    backward_dense(whitening, T, noise, tape, b_bar, dT, dnoise)
