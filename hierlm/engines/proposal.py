r"""What to propose from around a mode: independent Student t along the principal axes, two-sided.

.. math:: x = \hat x + V (s \odot t), \qquad t_i \sim t_\nu, \qquad
          s_i = s_i^+ \text{ where } t_i > 0, \text{ else } s_i^-

V V' is the inverse of the negative Hessian. The scale of each side keeps the largest ratio of the
log density f to the proposal small along the axis (in the spirit of Geweke 1989,
doi:10.2307/1913710):

.. math:: s_i^\pm = \arg\min_s\; \max_\delta\;
          [f(\hat x \pm \delta V_i) - f(\hat x)] - \log t_\nu(\delta / s) + \log s

A side has the probability :math:`s_i^\pm / (s_i^+ + s_i^-)`, so that the density is continuous:
:math:`q(x) = |V|^{-1} \prod_i 2\, t_\nu(t_i) / (s_i^+ + s_i^-)`. Along each axis its tails are
heavier than a normal's, as those of the log of an sd are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hierlm.engines.importance import smooth

Array = NDArray[np.float64]
Density = Callable[[Array], float]

FREEDOM = 5.0  # degrees of freedom
_DISTANCES = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0])  # in sds
_SCALES = np.geomspace(0.4, 6.0, 41)  # of a side, in sds
_FLATTEST = 0.02  # curvature of an axis, where that of the coordinates is about one
_DOUBT = 50.0  # effective draws at which a pilot is half believed
_ROUNDS = 8
_ENOUGH = 1e-3  # gain of a step to the mode


@dataclass(frozen=True, eq=False)
class Proposal:
    """A two-sided Student t.

    Parameters
    ----------
    mode : ndarray of shape (d,)
    axes : ndarray of shape (d, d)
        V: its columns are principal axes, of the length of an sd.
    lower, upper : ndarray of shape (d,)
        Scales of the two sides of each axis.
    """

    mode: Array
    axes: Array
    lower: Array
    upper: Array

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return points of shape (count, d), their log densities, and those of a normal instead.

        The normal has the same scales: the approximation by itself, without the heavier tails.
        """
        d = len(self.mode)
        t = np.abs(rng.standard_normal((count, d)))
        t *= np.sqrt(FREEDOM / rng.chisquare(FREEDOM, (count, d)))
        up = rng.random((count, d)) * (self.lower + self.upper) < self.upper
        x = self.mode + (np.where(up, self.upper, -self.lower) * t) @ self.axes.T
        volume = np.log(0.5 * (self.lower + self.upper)).sum()
        volume += np.linalg.slogdet(self.axes)[1]
        student = special.gammaln(0.5 * (FREEDOM + 1)) - special.gammaln(0.5 * FREEDOM)
        student = d * (student - 0.5 * np.log(FREEDOM * np.pi))
        student = student - 0.5 * (FREEDOM + 1) * np.log1p(np.square(t) / FREEDOM).sum(axis=1)
        normal = -0.5 * (d * np.log(2.0 * np.pi) + np.square(t).sum(axis=1))
        return x, student - volume, normal - volume

    def adapted(self, x: Array, log_ratios: Array) -> Proposal:
        """Return the proposal moved and stretched to mean and sds that weights give.

        Parameters
        ----------
        x : ndarray of shape (M, d)
            Drawn from this one.
        log_ratios : ndarray of shape (M,)
        """
        weights = smooth(log_ratios)
        at = np.linalg.solve(self.axes, (x - self.mode).T).T
        trust = weights.ess / (weights.ess + _DOUBT)
        mean, target = at.mean(axis=0), weights.values @ at
        sd, wanted = at.std(axis=0), np.sqrt(weights.values @ np.square(at - target))
        stretch = np.clip(wanted / sd, 0.5, 2.0) ** trust
        mode = self.mode + self.axes @ (mean + trust * (target - mean) - stretch * mean)
        return Proposal(mode, self.axes * stretch, self.lower, self.upper)


def around(density: Density, start: Array) -> Proposal:
    """Return the proposal around the mode that Newton's method finds from `start`.

    Parameters
    ----------
    density : callable
        The log density at coordinates of shape (d,); -inf or very low where there is none.
    start : ndarray of shape (d,)
        Near the mode.
    """
    x, value = start.copy(), density(start)
    axes = np.eye(len(x))
    for _ in range(_ROUNDS):
        axes, move = _newton(density, x, value)
        found = _climb(density, x, value, move)
        if found is None:
            break
        gain, x, value = found[1] - value, *found
        if gain < _ENOUGH:
            break
    lower, upper = np.ones((2, len(x)))
    for i, axis in enumerate(axes.T):
        lower[i], upper[i] = _side(density, x, value, -axis), _side(density, x, value, axis)
    return Proposal(x, axes, lower, upper)


def _newton(density: Density, x: Array, value: float) -> tuple[Array, Array]:
    """Return the principal axes of the curvature at x, and the step to where it says the mode is.

    Differences are taken over about an sd: the curvature of the bulk, not of the very mode.
    """
    d, steps = len(x), _steps(density, x, value)
    slope, A = np.zeros(d), np.zeros((d, d))
    shift = np.diag(steps)
    ahead = [density(x + h) for h in shift]
    behind = [density(x - h) for h in shift]
    for i in range(d):
        slope[i] = 0.5 * (ahead[i] - behind[i])
        A[i, i] = 2.0 * value - ahead[i] - behind[i]
        for j in range(i):
            both = density(x + shift[i] + shift[j]) + density(x - shift[i] - shift[j])
            A[i, j] = ahead[i] + behind[i] + ahead[j] + behind[j] - 2.0 * value - both
            A[i, j] = A[j, i] = 0.5 * A[i, j]
    scale = 1.0 / np.sqrt(np.maximum(np.diag(A), 1e-12))
    curvatures, V = np.linalg.eigh(scale[:, None] * A * scale)
    curvatures = np.maximum(curvatures, _FLATTEST)
    axes = (steps * scale)[:, None] * V / np.sqrt(curvatures)
    return axes, axes @ (axes.T @ (slope / steps))


def _steps(density: Density, x: Array, value: float) -> Array:
    """Return steps along each coordinate that lower the density by about a half."""
    steps = np.maximum(0.01, 0.01 * np.abs(x))
    for i in range(len(x)):
        for _ in range(60):
            h = np.zeros(len(x))
            h[i] = steps[i]
            fall = value - 0.5 * (density(x + h) + density(x - h))
            if 0.1 <= fall <= 1.0:
                break
            steps[i] *= 2.0 if fall < 0.1 else 0.5
    return steps


def _climb(density: Density, x: Array, value: float, move: Array) -> tuple[Array, float] | None:
    """Return the first point of a step halved again and again that is higher than x, if any."""
    for _ in range(6):
        found = density(x + move)
        if found > value:
            return x + move, found
        move = 0.5 * move
    return None


def _side(density: Density, x: Array, value: float, axis: Array) -> float:
    """Return the scale of one side of an axis."""
    fall = np.array([density(x + distance * axis) for distance in _DISTANCES]) - value
    t = _DISTANCES / _SCALES[:, None]
    ratio = fall + 0.5 * (FREEDOM + 1) * np.log1p(np.square(t) / FREEDOM)
    return float(_SCALES[np.argmin(ratio.max(axis=1) + np.log(_SCALES))])
