"""The posterior of a generalised model in whitened coordinates, with its gradient.

Coordinates: those of the parameters (sds, shapes, correlations; see `Layout`), then one for every
effect and coefficient (see `Whitening`). Likelihood and priors are evaluated as they are.
Coefficients with bounded priors are among the parameters, after the shapes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import entry_point, inlined, kernel
from hierlm.kernels.posterior import Layout, pull_back, unpack
from hierlm.kernels.priors import log_density
from hierlm.kernels.rows import Rows, log_likelihood
from hierlm.kernels.whitening import Whitening, backward, empty_tape, forward, stretch

Array = NDArray[np.float64]


@kernel
def add_coefficient_priors(whitening: Whitening, b: Array, b_bar: Array) -> float:
    """Return the log priors of the coefficients; add their derivatives to b_bar."""
    first, total = whitening.starts[whitening.starts.shape[0] - 1], 0.0
    for c in range(whitening.priors.shape[0]):
        density, slope = log_density(whitening.priors[c], b[first + c])
        total += density
        b_bar[first + c] += slope
    return total


@inlined
def log_posterior(x: Array, grad: Array, rows: Rows, whitening: Whitening, layout: Layout) -> float:
    """Return the log density at the coordinates x, and write its gradient."""
    N, effects = whitening.h.shape[0], whitening.starts[whitening.starts.shape[0] - 1]
    d, kept = x.shape[0] - N, rows.beta_at + rows.X.shape[0] - N
    sd, T, C = np.empty(layout.sd_at.shape), np.empty(layout.C_fixed.shape), layout.C_fixed.copy()
    dT, shapes = np.empty(T.shape), np.empty(layout.beta_at.shape[0])
    dshapes, b_bar, b = np.zeros(shapes.shape[0]), np.zeros(N + kept), np.empty(N + kept)
    unpack(x[:d], layout, T, C, sd, shapes)
    tape, noise = empty_tape(whitening), x[d:].copy()
    stretch(whitening, noise)
    total = forward(whitening, T, noise, tape)
    for r in range(whitening.stretch.shape[0]):
        total += math.log(whitening.stretch[r])
    for r in range(effects):
        total -= 0.5 * tape.u[r] * tape.u[r]
    total -= effects * 0.9189385332046727
    first_kept = shapes.shape[0] - kept
    for r in range(N):
        b[r] = tape.b[r]
    for c in range(kept):
        b[N + c] = shapes[first_kept + c]
    total += log_likelihood(rows, b, shapes, b_bar, dshapes)
    for c in range(kept):
        dshapes[first_kept + c] = b_bar[N + c]
    total += add_coefficient_priors(whitening, tape.b, b_bar)
    backward(whitening, T, noise, tape, b_bar[:N], dT, grad[d:])
    stretch(whitening, grad[d:])
    total += pull_back(x[:d], layout, sd, C, dT, 0.0, dshapes, grad[:d])
    return total if math.isfinite(total) else -math.inf


@entry_point
def log_density_at(
    x: Array, grad: Array, rows: Rows, whitening: Whitening, layout: Layout
) -> float:
    """Return `log_posterior`, for Python."""
    return log_posterior(x, grad, rows, whitening, layout)


@entry_point
def log_prior(x: Array, layout: Layout) -> float:
    """Return log priors and Jacobians of the parameters at the coordinates x, of shape (d,)."""
    sd, T, C = np.empty(layout.sd_at.shape), np.zeros(layout.C_fixed.shape), layout.C_fixed.copy()
    shapes = np.zeros(layout.beta_at.shape[0])
    unpack(x, layout, T, C, sd, shapes)
    return pull_back(x, layout, sd, C, T, 0.0, shapes, np.empty(x.shape[0]))


@entry_point
def expand(xs: Array, whitening: Whitening, layout: Layout, out: Array) -> None:
    """Write effects and coefficients of many points.

    Parameters
    ----------
    xs : ndarray of shape (S, d + N)
    out : ndarray of shape (S, N)
    """
    N = whitening.h.shape[0]
    d = xs.shape[1] - N
    sd, T, C = np.empty(layout.sd_at.shape), np.empty(layout.C_fixed.shape), layout.C_fixed.copy()
    shapes, tape = np.empty(layout.beta_at.shape[0]), empty_tape(whitening)
    for s in range(xs.shape[0]):
        unpack(xs[s, :d], layout, T, C, sd, shapes)
        noise = xs[s, d:].copy()
        stretch(whitening, noise)
        forward(whitening, T, noise, tape)
        for r in range(N):
            out[s, r] = tape.b[r]


@entry_point
def coefficient_priors(priors: Array, beta: Array, slope: Array) -> float:
    """Return the log priors of coefficients; write their derivatives to `slope`, of shape (p,)."""
    total = 0.0
    for c in range(beta.shape[0]):
        density, slope[c] = log_density(priors[c], beta[c])
        total += density
    return total
