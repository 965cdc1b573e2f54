r"""The effects of new levels given rows of theirs, for every draw of the other parameters.

Effects are standardised, :math:`b = T u`, :math:`u \sim N(0, I)`, so that a singular covariance
needs no care. For one draw of :math:`\theta`, with rows :math:`\eta = a + M u`,

.. math::

    \ell(u) = \sum_i w_i \log p(y_i \mid \eta_i, \theta) - \tfrac12 u'u - \tfrac m2 \log 2\pi,
    \qquad H = I + M' W M, \quad W = -\partial^2 \log p / \partial \eta^2

A gaussian response makes :math:`\ell` quadratic: :math:`u \mid y \sim N(\hat u, H^{-1})` and
:math:`\log p(y \mid \theta) = \ell(\hat u) + \tfrac m2 \log 2\pi - \tfrac12 \log |H|`, exactly.
Otherwise K draws from a multivariate t around the mode have importance weights
:math:`\omega_k = e^{\ell(u_k)} / q(u_k)`, whose mean is an unbiased estimate of
:math:`p(y \mid \theta)` and which choose among the K (Rue, Martino and Chopin 2009,
doi:10.1111/j.1467-9868.2008.00700.x, for the approximation that q is).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hierlm.families import Family

Array = NDArray[np.float64]

_CANDIDATES = 32  # K
_STEPS = 50
_HALVINGS = 12
_TOLERANCE = 1e-10
_DIFFERENCE = 1e-3  # of the natural unit of eta, for derivatives


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that share new levels with each other and with no other row.

    Parameters
    ----------
    family : Family
    y : ndarray of shape (n,)
    weights : ndarray of shape (n,) or None
    trials : ndarray of shape (n,) or None
    a : ndarray of shape (S, n)
        The linear predictor without the new effects.
    M : ndarray of shape (S, n, m)
        What the standardised effects are multiplied by.
    shapes : dict of str to ndarray of shape (S, 1) or (1, n)
    """

    family: Family
    y: Array
    weights: Array | None
    trials: Array | None
    a: Array
    M: Array
    shapes: dict[str, Array]

    @property
    def is_gaussian(self) -> bool:
        """Whether the log likelihood is quadratic in the linear predictor."""
        normal = self.family.name in ("gaussian", "lognormal")
        return normal and self.family.link.name == "identity"

    def row_logp(self, eta: Array) -> Array:
        """Return weighted log densities of the rows, for `eta` of shape (..., S, n)."""
        with np.errstate(all="ignore"):
            mu = self.family.link.inverse(eta)
            extra = {} if self.trials is None else {"trials": self.trials}
            found = self.family.logpdf(self.y, mu, **extra, **self.shapes)
        found = np.where(np.isnan(found), -np.inf, found)  # a mean outside its domain
        return found if self.weights is None else found * self.weights

    def log_joint(self, u: Array) -> Array:
        """Return l(u), for `u` of shape (..., S, m)."""
        eta = self.a + np.einsum("snm,...sm->...sn", self.M, u)
        prior = 0.5 * np.square(u).sum(axis=-1) + 0.5 * u.shape[-1] * np.log(2 * np.pi)
        return np.asarray(self.row_logp(eta).sum(axis=-1) - prior)

    def slopes(self, eta: Array) -> tuple[Array, Array]:
        """Return first derivatives and W, arrays of shape (S, n).

        By differences but for a gaussian: they only shape a proposal, which weights correct.
        """
        if self.is_gaussian:
            precision = np.broadcast_to(1 / np.square(self.shapes["sigma"]), eta.shape)
            if self.weights is not None:
                precision = precision * self.weights
            return (self.family.working(self.y) - eta) * precision, precision
        h = self._unit(eta) * _DIFFERENCE
        below, here, above = (self.row_logp(eta + k * h) for k in (-1, 0, 1))
        with np.errstate(invalid="ignore"):
            first = (above - below) / (2 * h)
            second = (below - 2 * here + above) / np.square(h)
        usable = np.isfinite(first) & np.isfinite(second)
        return np.where(usable, first, 0.0), np.where(usable, np.maximum(-second, 0.0), 0.0)

    def _unit(self, eta: Array) -> Array:
        """Return the natural unit of eta: one, sigma, or its own size."""
        link = self.family.link
        if link.relative:
            return np.ones_like(eta)
        if link.name == "identity" and "sigma" in self.shapes:
            return np.broadcast_to(self.shapes["sigma"], eta.shape)
        return np.maximum(np.abs(eta), 1e-8)


def sample_effects(rows: Rows, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw standardised effects given the rows.

    Parameters
    ----------
    rows : Rows
    rng : numpy.random.Generator

    Returns
    -------
    u : ndarray of shape (S, m)
        One draw for every draw of the parameters.
    log_evidence : ndarray of shape (S,)
        Of the rows given each draw of the parameters: exact for a gaussian response, else the
        logarithm of an unbiased estimate.
    """
    mode, H = _mode(rows)
    size, m = mode.shape
    root = np.linalg.cholesky(H)
    half_log_det = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    if rows.is_gaussian or m == 0:
        log_evidence = rows.log_joint(mode) + 0.5 * m * np.log(2 * np.pi) - half_log_det
        return mode + _solve_root(root, rng.standard_normal((size, m))), log_evidence
    z = rng.standard_normal((_CANDIDATES, size, m))
    # tails heavier than those of a posterior under a normal prior; with few degrees of freedom in
    # many dimensions, candidates would lie at distances where the posterior has no mass
    df = 5.0 + 2 * m
    stretch = np.sqrt(df / rng.chisquare(df, (_CANDIDATES, size, 1)))
    candidates = mode + stretch * _solve_root(root, z)
    log_q = _log_t(np.square(z * stretch).sum(axis=-1), m, df) + half_log_det
    log_weights = rows.log_joint(candidates) - log_q
    total = special.logsumexp(log_weights, axis=0)
    with np.errstate(invalid="ignore"):  # no candidate is possible: the draw has weight zero
        cumulative = np.cumsum(np.exp(log_weights - total), axis=0)
    chosen = (cumulative < rng.uniform(size=size)).sum(axis=0).clip(max=_CANDIDATES - 1)
    return candidates[chosen, np.arange(size)], total - np.log(_CANDIDATES)


def _mode(rows: Rows) -> tuple[Array, Array]:
    """Return the mode of l(u) and H there, by Newton's method with halved steps."""
    size, _, m = rows.M.shape
    u = np.zeros((size, m))
    value = rows.log_joint(u)
    for _ in range(_STEPS):
        gradient, H = _newton(rows, u)
        step = np.linalg.solve(H, gradient[..., None])[..., 0]
        gain = np.einsum("sm,sm->s", gradient, step)
        if not np.any(gain > _TOLERANCE):
            break
        u, reached = _search(rows, u, value, step)
        if rows.is_gaussian or np.array_equal(reached, value):  # quadratic: one step is all
            break
        value = reached
    return u, _newton(rows, u)[1]


def _newton(rows: Rows, u: Array) -> tuple[Array, Array]:
    """Return the gradient of l and H, arrays of shape (S, m) and (S, m, m)."""
    eta = rows.a + np.einsum("snm,sm->sn", rows.M, u)
    first, W = rows.slopes(eta)
    gradient = np.einsum("snm,sn->sm", rows.M, first) - u
    weighted = np.sqrt(W)[:, :, None] * rows.M
    return gradient, np.eye(u.shape[1]) + weighted.transpose(0, 2, 1) @ weighted


def _search(rows: Rows, u: Array, value: Array, step: Array) -> tuple[Array, Array]:
    """Take the step, halved for the draws where l would fall."""
    scale = np.ones((len(u), 1))
    moved = u + step
    reached = rows.log_joint(moved)
    for _ in range(_HALVINGS):
        worse = ~(reached >= value - 1e-12 * np.abs(value))
        if not worse.any():
            break
        scale[worse] /= 2
        moved = u + scale * step
        reached = rows.log_joint(moved)
    kept = reached >= value
    return np.where(kept[:, None], moved, u), np.where(kept, reached, value)


def _solve_root(root: Array, z: Array) -> Array:
    """Return the solution of root' x = z, for z of shape (..., S, m)."""
    return np.asarray(np.linalg.solve(root.transpose(0, 2, 1), z[..., None])[..., 0])


def _log_t(squared: Array, m: int, df: float) -> Array:
    """Return the log density of a standard multivariate t at points of this squared length."""
    constant = special.gammaln((df + m) / 2) - special.gammaln(df / 2)
    constant -= 0.5 * m * np.log(df * np.pi)
    return np.asarray(constant - 0.5 * (df + m) * np.log1p(squared / df))
