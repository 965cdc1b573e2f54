r"""Group-specific effects integrated out of Gaussian rows, in closed form.

With r = y - (linear predictor without these effects), known variances
:math:`s_i^2` (sigma^2, or those given), frequency weights :math:`w_i`, W = diag(w / s^2),
A = Z T and :math:`M = I + A'WA = I + T'(Z'WZ)T`,

.. math::
    \hat u = M^{-1} A'W r, \qquad e = r - A \hat u, \qquad
    \log p(y) = -\tfrac12 \Big[ \sum_i w_i \log 2\pi s_i^2 + \log|M| + e'We + \hat u'\hat u \Big]

which is the density of N(0, ZGZ' + W^{-1}) at r, without a matrix larger than the number of
effects. One observation of row i given all the others has, with
:math:`h_i = a_i'M^{-1}a_i / s_i^2`, the residual :math:`e_i / (1 - h_i)` and the variance
:math:`s_i^2 / (1 - h_i)`: the leave-one-out formulas of ridge regression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ELEMENTS = 2**22  # of the arrays held at a time


@dataclass(frozen=True, eq=False)
class Normal:
    """Rows of a Gaussian model, and the effects that are integrated out of them.

    Parameters
    ----------
    residual : ndarray of shape (r, S)
        Response less the linear predictor without these effects.
    sd : ndarray of shape (S,) or (r, 1)
        Of one observation.
    weights : ndarray of shape (r,)
        How many observations each row stands for.
    Z : ndarray of shape (r, d)
        The columns of the effects: block by block, level by level.
    blocks : tuple of (int, ndarray of shape (q, q, S))
        How many levels share a T, and T, in the order of the columns.
    """

    residual: Array
    sd: Array
    weights: Array
    Z: Array
    blocks: tuple[tuple[int, Array], ...]

    def log_density(self) -> Array:
        """Return the joint log density of the rows for every draw, an array of shape (S,)."""
        found = np.empty(self.residual.shape[1])
        w = self.weights[:, None]
        for part in self._slices():
            e, variance, M, _, u = self._solve(part)
            squares = np.sum(w * e * e / variance, axis=0) + np.sum(u * u, axis=1)
            constant = np.sum(w * np.log(2 * np.pi * variance), axis=0)
            found[part] = -0.5 * (constant + np.linalg.slogdet(M)[1] + squares)
        return found

    def log_density_given_rest(self) -> Array:
        """Return the log density of one observation of each row given all others: (r, S)."""
        found = np.empty(self.residual.shape)
        Z = self.Z
        squares = (Z[:, :, None] * Z[:, None, :]).reshape(len(Z), -1)
        for part in self._slices():
            e, variance, M, T, _ = self._solve(part)
            V = T @ np.linalg.solve(M, T.transpose(0, 2, 1))
            rest = 1.0 - squares @ V.reshape(len(V), -1).T / variance
            found[:, part] = -0.5 * (np.log(2 * np.pi * variance / rest) + e * e / variance / rest)
        return found

    def _solve(self, part: slice) -> tuple[Array, Array, Array, Array, Array]:
        """Return e (r, S), the variances, M, T of all effects (S, d, d), and the mode of u."""
        r, Z, w = self.residual[:, part], self.Z, self.weights
        if self.sd.ndim == 2:  # known, row by row
            variance, scale = np.square(self.sd), np.ones(r.shape[1])
            w = w / variance[:, 0]
        else:
            variance = np.square(self.sd[part])
            scale, variance = 1.0 / variance, variance[None]
        T = self._all_effects(part)
        Tt = T.transpose(0, 2, 1)
        WZ = w[:, None] * Z
        M = np.eye(Z.shape[1]) + scale[:, None, None] * (Tt @ (Z.T @ WZ) @ T)
        v = scale[:, None, None] * (Tt @ (WZ.T @ r).T[..., None])
        u = np.linalg.solve(M, v)
        e = r - Z @ (T @ u)[..., 0].T
        return e, variance, M, T, u[..., 0]

    def _all_effects(self, part: slice) -> Array:
        """Return the block-diagonal T of all levels, an array of shape (S, d, d)."""
        d = self.Z.shape[1]
        found = np.zeros((len(range(*part.indices(self.residual.shape[1]))), d, d))
        start = 0
        for levels, T in self.blocks:
            q = len(T)
            for first in range(start, start + levels * q, q):
                found[:, first : first + q, first : first + q] = np.moveaxis(T[..., part], -1, 0)
            start += levels * q
        return found

    def _slices(self) -> list[slice]:
        (rows, count), d = self.residual.shape, self.Z.shape[1]
        size = max(1, _ELEMENTS // max(1, d * d, rows))
        return [slice(start, start + size) for start in range(0, count, size)]
