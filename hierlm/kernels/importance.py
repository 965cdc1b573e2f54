r"""Importance ratios in whitened coordinates, with the largest factor integrated level by level.

Given the parameters and the columns after it, the levels of the first factor are independent, and
so is their integral. With candidates :math:`\epsilon_{jr} \sim N(0, I)`, r = 1 ... R, for level j,

.. math:: \hat Z_j = \frac1R \sum_r w_{jr}, \qquad
          w_{jr} = |L_j|^{-1} \exp\left(\ell_j(b_{jr}) - \tfrac12 u_{jr}'u_{jr}
                   + \tfrac12 \epsilon_{jr}'\epsilon_{jr}\right)

is unbiased for it; one candidate is kept, with the probability :math:`w_{jr} / \sum_r w_{jr}`. The
product of the :math:`\hat Z_j` then takes the place of the likelihood in the ratio, and the draws
are properly weighted for any R (Tran, Scharth, Pitt and Kohn 2013, doi:10.48550/arXiv.1309.3339);
the ratio varies less the larger R is, and no more the more levels there are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import entry_point, kernel
from hierlm.kernels.likelihood import chunk_density, shape_density
from hierlm.kernels.posterior import Layout, pull_back, unpack
from hierlm.kernels.priors import log_density
from hierlm.kernels.rows import Rows, predict
from hierlm.kernels.whitening import Tape, Whitening, empty_tape, forward

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@kernel
def level_effects(
    whitening: Whitening, T: Array, tape: Tape, j: int, noise: Array, b: Array
) -> float:
    """Write the effects of level j of the first factor at its noise, of shape (q,).

    Returns
    -------
    float
        (noise'noise - u'u) / 2.
    """
    q, at, L = whitening.sizes[0], j * whitening.sizes[0], tape.L[whitening.level_at[0] + j]
    u, ratio = tape.u, 0.0
    for a in range(q - 1, -1, -1):
        total = tape.f[at + a] + noise[a]
        for c in range(a + 1, q):
            total -= L[c, a] * u[at + c]
        u[at + a] = total / L[a, a]
        ratio += 0.5 * (noise[a] * noise[a] - u[at + a] * u[at + a])
    for a in range(q):
        b[a] = 0.0
        for c in range(a + 1):
            b[a] += T[0, a, c] * u[at + c]
    return ratio


@kernel
def later_ratio(whitening: Whitening, tape: Tape, noise: Array) -> float:
    """Return what the columns after the first factor add: priors, less the density of the noise."""
    factors = whitening.starts.shape[0] - 1
    first = whitening.starts[min(1, factors)]
    effects, total = whitening.starts[factors], 0.0
    for r in range(first, effects):
        total += 0.5 * (noise[r] * noise[r] - tape.u[r] * tape.u[r])
    for c in range(whitening.priors.shape[0]):
        r = effects + c
        total += log_density(whitening.priors[c], tape.b[r])[0]
        total += 0.5 * noise[r] * noise[r] + 0.9189385332046727
    return total


@entry_point
def log_ratios(
    xs: Array, candidates: Array, picks: Array, level_rows: Index, rows: Rows,
    whitening: Whitening, layout: Layout, out: Array,
) -> None:  # fmt: skip
    """Write log p(x) - log N(noise) of many points, their first factor integrated.

    Parameters
    ----------
    xs : ndarray of shape (S, d + N)
        Parameters, then noise; that of the first factor is written: the candidates kept.
    candidates : ndarray of shape (S, R, J q)
        Noise of the first factor.
    picks : ndarray of shape (S, J)
        Uniform numbers, which choose among the candidates.
    level_rows : ndarray of shape (J + 1,), int64
        Where the rows of each level begin; (0, n) without factors, and J is 0.
    out : ndarray of shape (S,)
    """
    N, R, J, n = whitening.h.shape[0], candidates.shape[1], picks.shape[1], rows.offset.shape[0]
    d, q = xs.shape[1] - N, whitening.sizes[0] if J > 0 else 1
    sd, T, C = np.empty(layout.sd_at.shape), np.empty(layout.C_fixed.shape), layout.C_fixed.copy()
    shapes, zero, scratch = np.empty(layout.beta_at.shape[0]), np.zeros(T.shape), np.empty(d)
    dshapes, eta, slope = np.zeros(shapes.shape[0]), np.empty(n), np.empty(n)
    base, weights, b, tape = np.empty(n), np.empty(R), np.empty(q), empty_tape(whitening)
    kept = rows.beta_at + rows.X.shape[0] - N  # coefficients that are among the parameters
    rest = np.zeros(N + kept)
    for s in range(xs.shape[0]):
        noise = xs[s, d:]
        unpack(xs[s, :d], layout, T, C, sd, shapes)
        total = pull_back(xs[s, :d], layout, sd, C, zero, 0.0, dshapes, scratch)
        total += forward(whitening, T, noise, tape) + later_ratio(whitening, tape, noise)
        total += rows.constant + shape_density(rows.kind, rows.table, shapes, dshapes)
        for r in range(J * q, N):
            rest[r] = tape.b[r]
        for c in range(kept):
            rest[N + c] = shapes[shapes.shape[0] - kept + c]
        predict(rows, rest, 0, base)
        if J == 0:
            total += chunk_density(rows.kind, base, rows.data, 0, shapes, slope, dshapes)
        for j in range(J):
            first, end = level_rows[j], level_rows[j + 1]
            largest = -math.inf
            for r in range(R):
                own = candidates[s, r, j * q : (j + 1) * q]
                weights[r] = level_effects(whitening, T, tape, j, own, b)
                for i in range(first, end):
                    eta[i] = base[i]
                    for a in range(q):
                        eta[i] += rows.Z[a, i] * b[a]
                weights[r] += chunk_density(
                    rows.kind, eta[first:end], rows.data, first, shapes, slope[first:end], dshapes
                )
                if not math.isfinite(weights[r]):
                    weights[r] = -math.inf
                largest = max(largest, weights[r])
            if largest == -math.inf:
                total = -math.inf
                break
            amount = 0.0
            for r in range(R):
                weights[r] = math.exp(weights[r] - largest)
                amount += weights[r]
            total += largest + math.log(amount / R)
            chosen, left = 0, picks[s, j] * amount - weights[0]
            while left > 0.0 and chosen < R - 1:
                chosen += 1
                left -= weights[chosen]
            for a in range(q):
                noise[j * q + a] = candidates[s, chosen, j * q + a]
        out[s] = total if math.isfinite(total) else -math.inf
