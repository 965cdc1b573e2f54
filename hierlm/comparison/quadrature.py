r"""Group-specific effects integrated out by adaptive Gauss-Hermite quadrature.

.. math:: \log \int \exp f(u)\, N(u; 0, I)\, du \approx
          -\log|L| + \log \sum_k W_k
          \exp\left(f(u_k) - \tfrac12 u_k'u_k + \tfrac12 x_k'x_k\right),
          \qquad u_k = \hat u + L^{-T} x_k

with :math:`\hat u` the mode of :math:`f(u) - u'u/2`, :math:`LL'` minus its second derivative
there, and :math:`(x_k, W_k)` the rule for expectations over N(0, I) (Liu and Pierce 1994,
doi:10.1093/biomet/81.3.624; Pinheiro and Bates 1995, doi:10.1080/10618600.1995.10474663).

The effects are b = T u: T is never inverted, and a standard deviation of zero is no exception.
Any centre and scale give a valid rule, and only its accuracy depends on them: derivatives are
finite differences.

A factor nested in another is integrated within it: the integrals over the inner levels are part
of the outer integrand. Every integral is done for all draws (and all inner levels) at once.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hierlm.comparison.smallmatrix import backward, cholesky, forward, multiply

Array = NDArray[np.float64]
Index = NDArray[np.int64]

MAX_COEFS = 3
_NODES = {1: 21, 2: 13, 3: 9}  # per dimension
_LONGEST = 1.0  # step of the search, in sds of the effects
_ITERATIONS = 40
_STARTS = (0.0, -1.5, 1.5, -3.0, 3.0)


@dataclass(frozen=True)
class _Search:
    """How a mode is sought.

    An integrand that contains integrals knows them to the accuracy of their own modes: its
    differences are taken wider apart, and those modes are found more closely.

    Parameters
    ----------
    step : float
        Between the points of a difference, in standard deviations of the effects.
    close : float
        Distance from the mode, in standard deviations of the integrand.
    """

    step: float
    close: float


_OF_ROWS = _Search(1e-3, 1e-4)
_OF_INTEGRALS = _Search(0.05, 1e-3)


@dataclass(frozen=True, eq=False)
class Part:
    """The effects of one factor that are integrated out.

    Parameters
    ----------
    Z : ndarray of shape (r, q)
        The columns they multiply.
    T : ndarray of shape (q, q, S)
        Their covariance is T T'.
    codes : ndarray of shape (r,), int64
        The level of every row, from zero and increasing.
    starts : ndarray, int64
        Where each level begins among the levels of the next part (among rows, in the last one).
    """

    Z: Array
    T: Array
    codes: Index
    starts: Index


@dataclass(eq=False)
class NestedIntegral:
    """The integral over the effects of factors, each nested in the one before it.

    Parameters
    ----------
    density : callable
        From the linear predictors, shape (r, S), to the log densities of the rows.
    eta : ndarray of shape (r, S)
        The linear predictors without the effects.
    parts : tuple of Part
        Outermost first.
    starts : ndarray, int64
        Where each unit begins among the levels of the first part (among rows, if there is none).
    """

    density: Callable[[Array], Array]
    eta: Array
    parts: tuple[Part, ...]
    starts: Index
    _modes: dict[int, Array] = field(default_factory=dict)  # where to start the next time

    def log(self, weights: Array) -> Array:
        """Return the log of the integral, for every unit.

        Parameters
        ----------
        weights : ndarray of shape (r,)
            How many observations a row stands for; zero leaves it out.

        Returns
        -------
        ndarray of shape (U, S)
        """
        levels = self._level(0, self.eta, weights[:, None], coarse=False)
        return np.asarray(np.add.reduceat(levels, self.starts, axis=0))

    def _level(self, k: int, eta: Array, weights: Array, *, coarse: bool) -> Array:
        if k == len(self.parts):
            # zero times minus infinity is zero: a row left out says nothing
            return np.where(weights > 0, weights * self.density(eta), 0.0)
        part = self.parts[k]

        def integrand(u: Array, *, coarse: bool) -> Array:
            b = multiply(part.T[:, :, None], u)
            moved = eta
            for column, effect in zip(part.Z.T, b, strict=True):
                moved = moved + column[:, None] * effect[part.codes]
            inner = self._level(k + 1, moved, weights, coarse=coarse)
            return np.asarray(np.add.reduceat(inner, part.starts, axis=0))

        if k not in self._modes:
            shape = (part.Z.shape[1], len(part.starts), eta.shape[1])
            self._modes[k] = _start(functools.partial(integrand, coarse=True), shape)
        start = self._modes[k]
        search = _OF_ROWS if k == len(self.parts) - 1 else _OF_INTEGRALS
        found, self._modes[k] = _integrate(integrand, start, search, coarse=coarse)
        return found


def _integrate(
    f: Callable[..., Array], start: Array, search: _Search, *, coarse: bool
) -> tuple[Array, Array]:
    """Return the log of the integral of exp f(u) over N(0, I), and the mode.

    Parameters
    ----------
    f : callable
        ``f(u, coarse=...)`` with u of shape (q, ...), to an array of shape (...); `coarse` is
        whether a rough value will do, as it does for finding the mode.
    start : ndarray of shape (q, ...)
        Where to look for the mode.
    search : _Search
    coarse : bool
        Whether one node is enough: Laplace's approximation.

    Returns
    -------
    log_integral : ndarray of shape (...)
    mode : ndarray of shape (q, ...)
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mode, L = _mode(functools.partial(f, coarse=True), start, search)
        nodes, log_weights = _rule(len(start), 1 if coarse else _NODES[len(start)])
        top = np.full(start.shape[1:], -np.inf)
        total = np.zeros(start.shape[1:])
        for x, log_weight in zip(nodes, log_weights, strict=True):
            shift = x.reshape(-1, *[1] * (start.ndim - 1))
            u = mode + backward(L, shift)
            value = f(u, coarse=coarse) - 0.5 * np.sum(u * u, axis=0)
            value += 0.5 * x @ x + log_weight
            highest = np.maximum(top, value)
            finite = np.where(np.isfinite(highest), highest, 0.0)
            total = total * np.exp(top - finite) + np.exp(value - finite)
            top = highest
    with np.errstate(divide="ignore"):
        finite = np.where(np.isfinite(top), top, 0.0)
        scale = np.sum([np.log(L[i, i]) for i in range(len(L))], axis=0)
        return finite + np.log(total) - scale, mode


def _start(f: Callable[[Array], Array], shape: tuple[int, ...]) -> Array:
    """Return the best of a few points for f(u) - u'u/2: a lower mode may be nearer to zero."""
    best, at = np.full(shape[1:], -np.inf), np.zeros(shape)
    for k in range(shape[0]):
        for value in _STARTS:
            u = np.zeros(shape)
            u[k] = value
            found = f(u) - 0.5 * value**2
            better = found > best
            best, at = np.where(better, found, best), np.where(better, u, at)
    return at


def _mode(f: Callable[[Array], Array], start: Array, search: _Search) -> tuple[Array, Array]:
    """Return the mode of f(u) - u'u/2 and the Cholesky factor of minus its second derivative."""
    u = start
    for _ in range(_ITERATIONS):
        gradient, H = _derivatives(f, u, search.step)
        L = _factor(H)
        half = forward(L, gradient - u)
        # where the integrand is zero there is no way to go: it is integrated as it stands
        half = np.where(np.isfinite(half), half, 0.0)
        step = backward(L, half)
        length = np.sqrt(np.sum(step * step, axis=0))
        u = u + step * np.minimum(1.0, _LONGEST / np.maximum(length, _LONGEST))
        if np.all(np.sum(half * half, axis=0) < search.close**2):
            break
    return u, L


def _factor(H: Array) -> Array:
    """Return the Cholesky factor of I + H, of its diagonal where H is far from concave."""
    identity = np.eye(len(H)).reshape(len(H), len(H), *[1] * (H.ndim - 2))
    H = np.where(np.isfinite(H), H, 0.0)
    L = cholesky(identity + H)
    diagonal = np.stack([L[i, i] for i in range(len(L))])
    bad = np.any(diagonal < 0.5, axis=0)  # the prior alone gives one
    return np.where(bad, np.sqrt(identity * (1.0 + np.maximum(H, 0.0))), L)


def _derivatives(f: Callable[[Array], Array], u: Array, h: float) -> tuple[Array, Array]:
    """Return the gradient of f and minus its second derivatives, by differences."""
    q = len(u)
    steps = h * np.eye(q).reshape(q, q, *[1] * (u.ndim - 1))
    here = f(u)
    up = [f(u + step) for step in steps]
    down = [f(u - step) for step in steps]
    gradient = np.stack([(a - b) / (2 * h) for a, b in zip(up, down, strict=True)])
    H = np.empty((q, *gradient.shape))
    for i in range(q):
        H[i, i] = (2 * here - up[i] - down[i]) / h**2
        for j in range(i):
            both = f(u + steps[i] + steps[j])
            H[i, j] = H[j, i] = (up[i] + up[j] - here - both) / h**2
    return gradient, H


@functools.cache
def _rule(q: int, per_dimension: int) -> tuple[Array, Array]:
    """Return nodes, shape (K, q), and log weights of the expectation over N(0, I)."""
    x, w = np.polynomial.hermite_e.hermegauss(per_dimension)
    nodes = np.array(list(itertools.product(x, repeat=q)))
    weights = np.array([np.prod(c) for c in itertools.product(w, repeat=q)])
    return nodes, np.log(weights / weights.sum())
