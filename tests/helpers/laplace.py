r"""Laplace's approximation of a marginal likelihood, in plain NumPy.

.. math:: \log p(y \mid \beta, \Sigma) \approx \log p(y \mid \hat b) + \log p(\hat b) +
          \tfrac{q}{2} \log 2\pi - \tfrac12 \log |Z'WZ + \Sigma^{-1}|

at the mode of the effects b, where W is the curvature of the rows. It is what lme4 and glmmTMB
maximise. Slopes and curvatures of the rows are differences of the family's own density.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

import hierlm as hl

Array = np.ndarray
_STEP = 1e-3


def laplace(model: hl.Model, beta: Array, covariances: dict[str, Array], **shapes: float):
    """Return the log marginal likelihood, and the modes of the effects by factor."""
    design, family = model.design, model.spec.family
    fixed = design.linear_predictor(
        beta, {b.factor: np.zeros((b.n_levels, b.n_coefs)) for b in design.blocks}
    )
    Z = np.hstack([_columns(block) for block in design.blocks])
    parts = [
        np.kron(np.eye(b.n_levels), np.linalg.inv(covariances[b.factor])) for b in design.blocks
    ]
    P = linalg.block_diag(*parts)

    def rows(eta: Array) -> Array:
        mu = family.link.inverse(eta)
        return family.logpdf(design.response, mu, trials=design.trials, **shapes)

    def joint(b: Array) -> float:
        return float(rows(fixed + Z @ b).sum() - 0.5 * b @ P @ b)

    b, value = np.zeros(Z.shape[1]), joint(np.zeros(Z.shape[1]))
    for _ in range(100):
        slope, curvature = _derivatives(rows, fixed + Z @ b)
        H = Z.T @ (curvature[:, None] * Z) + P
        step = np.linalg.solve(H, Z.T @ slope - P @ b)
        while (moved := joint(b + step)) < value - 1e-9:
            step = step / 2
        b, value = b + step, moved
        if np.abs(step).max() < 1e-9:
            break
    else:
        raise AssertionError("no mode was found")
    log_dets = -np.linalg.slogdet(P)[1] + np.linalg.slogdet(H)[1]
    ends = np.cumsum([block.n_levels * block.n_coefs for block in design.blocks])
    modes = {
        block.factor: part.reshape(block.n_levels, block.n_coefs)
        for block, part in zip(design.blocks, np.split(b, ends[:-1]), strict=True)
    }
    return value - 0.5 * log_dets, modes


def _columns(block: object) -> Array:
    n, (J, q) = len(block.codes), (block.n_levels, block.n_coefs)
    Z = np.zeros((n, J, q))
    Z[np.arange(n), block.codes] = block.Z
    return Z.reshape(n, J * q)


def _derivatives(rows, eta: Array) -> tuple[Array, Array]:
    """Return slopes and negative curvatures; the errors of the differences are of order h^4."""
    h = _STEP
    low2, low, mid, high, high2 = (rows(eta + k * h) for k in (-2, -1, 0, 1, 2))
    slope = (low2 - 8 * low + 8 * high - high2) / (12 * h)
    curvature = (low2 - 16 * low + 30 * mid - 16 * high + high2) / (12 * h**2)
    return slope, curvature
