r"""Every level's regression on its own rows, all levels at once.

Iteratively reweighted least squares with the family's variance,

.. math:: \hat\theta_j = (Z_j' W_j Z_j)^{-1} Z_j' W_j z_j, \qquad
          z = \eta - o + \frac{y - \mu}{d\mu/d\eta}, \qquad
          W = w\,\frac{(d\mu/d\eta)^2}{\mathrm{var}(y)}

(McCullagh and Nelder 1989, Generalized Linear Models, section 2.5, doi:10.1201/9780203753736), o
the offset that the rest of the model is. Each :math:`Z_j` is taken to an orthonormal basis first,
so that normal equations lose nothing to the scale or the origin of x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design, GroupBlock
from hierlm.families import Family
from hierlm.spec import ModelSpec
from hierlm.summaries import draws_of

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_STEPS = 60
_SEPARATED = "its rows have no finite estimate: responses at the edge, or perfectly separated"


@dataclass(frozen=True, eq=False)
class Own:
    """What the levels' own rows say: arrays of shape (J, q)."""

    estimate: Array
    se: Array
    reason: NDArray[np.object_]


def no_pooling(
    spec: ModelSpec, design: Design, idata: xr.DataTree, block: GroupBlock, inside: Mask
) -> Own:
    """Return what every level's own rows say of its coefficients.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The rows of the fit.
    idata : xarray.DataTree
        For the rest of the model: coefficients outside the bar, other factors, shapes.
    block : GroupBlock
        The grouping factor, in `design`.
    inside : ndarray of shape (p,), bool
        Which columns of X the level's own coefficients stand for.

    Returns
    -------
    Own
    """
    order = np.argsort(block.codes, kind="stable")
    working = _Working.of(spec, design, idata, block, inside, order)
    basis = _Basis.of(block, order)
    gamma, covariance, finite = _reweighted(working, basis)
    estimate = np.einsum("jkl,jl->jk", basis.back, gamma)
    variance = np.einsum("jka,jab,jkb->jk", basis.back, covariance, basis.back)
    known = basis.determined & finite[:, None]
    reason = np.full(estimate.shape, "", object)
    reason[~finite] = _SEPARATED
    for j, k in zip(*np.nonzero(~basis.determined), strict=True):
        reason[j, k] = f"its {basis.counts[j]} row(s) do not determine it"
    se = np.sqrt(np.maximum(variance, 0.0))
    return Own(np.where(known, estimate, np.nan), np.where(known, se, np.nan), reason)


@dataclass(frozen=True, eq=False)
class _Basis:
    """Every level's columns as an orthonormal basis, so that no scale or origin of x matters.

    Parameters
    ----------
    U : ndarray of shape (n, q)
        Rows level by level, Z_j = U_j times what is inverted in `back`; zero beyond the rank.
    back : ndarray of shape (J, q, q)
        From coordinates in the basis to coefficients, the shortest ones if not determined.
    empty : ndarray of shape (J, q)
        Which directions are beyond the rank.
    determined : ndarray of shape (J, q)
        Which coefficients no null direction moves.
    counts : ndarray of shape (J,)
        Rows.
    """

    U: Array
    back: Array
    empty: Mask
    determined: Mask
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, block: GroupBlock, order: NDArray[np.int64]) -> _Basis:
        J, q, n = block.n_levels, block.n_coefs, len(order)
        counts = np.bincount(block.codes, minlength=J)
        stops = np.cumsum(counts)
        Z, U, back = block.Z[order], np.zeros((n, q)), np.zeros((J, q, q))
        empty, determined = np.ones((J, q), dtype=bool), np.zeros((J, q), dtype=bool)
        for j in range(J):
            rows = slice(stops[j] - counts[j], stops[j])
            sizes = np.linalg.norm(Z[rows], axis=0)
            sizes = np.where(sizes > 0, sizes, 1.0)
            u, values, v = np.linalg.svd(Z[rows] / sizes, full_matrices=False)
            rank = int(np.sum(values > 1e-9 * values.max(initial=0.0)))
            U[rows, :rank] = u[:, :rank]
            back[j, :, :rank] = v[:rank].T / values[:rank] / sizes[:, None]
            empty[j, :rank] = False
            determined[j] = 1 - np.square(v[:rank]).sum(axis=0) < 1e-10
        return cls(U, back, empty, determined, counts)


def _reweighted(working: _Working, basis: _Basis) -> tuple[Array, Array, Mask]:
    """Return each level's estimate and covariance in its basis, and whether it is finite."""
    J, q = basis.empty.shape
    gamma, covariance = np.zeros((J, q)), np.zeros((J, q, q))
    finite = np.zeros(J, dtype=bool)
    levels = np.flatnonzero(basis.counts)
    U, eta = basis.U, working.start(basis)
    with np.errstate(all="ignore"):
        for _ in range(_STEPS):
            counts = basis.counts[levels]
            starts, codes = np.cumsum(counts) - counts, np.repeat(np.arange(len(levels)), counts)
            z, weight, information = working.step(eta)
            A = _moments(U, weight, starts) + _diagonal(basis.empty[levels])
            b = np.add.reduceat(U * (weight * z)[:, None], starts, axis=0)
            found, sound = _solve(A, b)
            after = working.offset + (U * found[codes]).sum(axis=1)
            moved = np.maximum.reduceat(np.abs(after - eta), starts)
            size = 1 + np.maximum.reduceat(np.abs(after), starts)
            done = sound & (moved <= 1e-9 * size)
            gamma[levels[done]], finite[levels[done]] = found[done], True
            expected = _moments(U, information, starts) + _diagonal(basis.empty[levels])
            covariance[levels[done]] = np.linalg.inv(expected[done])
            open_ = sound & ~done
            if not open_.any():
                break
            rows = open_[codes]
            levels, U, eta = levels[open_], U[rows], after[rows]
            working = working.take(rows)
    return gamma, covariance, finite


def _solve(A: Array, b: Array) -> tuple[Array, Mask]:
    """Return A^-1 b for every level, and where that is sound."""
    sound = np.isfinite(A).all(axis=(1, 2)) & np.isfinite(b).all(axis=1)
    A = np.where(sound[:, None, None], A, np.eye(A.shape[-1]))
    extremes = np.linalg.eigvalsh(A)[:, [0, -1]]
    sound &= extremes[:, 0] > 1e-13 * extremes[:, 1]
    A = np.where(sound[:, None, None], A, np.eye(A.shape[-1]))
    b = np.where(sound[:, None], b, 0.0)
    return np.asarray(np.linalg.solve(A, b[..., None])[..., 0]), sound


def _moments(U: Array, weight: Array, starts: NDArray[np.int64]) -> Array:
    """Return U' W U for every level, an array of shape (levels, q, q)."""
    products = U[:, :, None] * (U * weight[:, None])[:, None, :]
    return np.asarray(np.add.reduceat(products, starts, axis=0))


def _diagonal(mask: Mask) -> Array:
    return mask[:, :, None] * np.eye(mask.shape[1])


@dataclass(frozen=True, eq=False)
class _Working:
    """Rows, level by level: responses, the offset that the rest of the model is, weights."""

    family: Family
    y: Array
    offset: Array
    weights: Array
    trials: Array
    shapes: dict[str, Array]

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        design: Design,
        idata: xr.DataTree,
        block: GroupBlock,
        inside: Mask,
        order: NDArray[np.int64],
    ) -> _Working:
        n = design.n
        offset = np.zeros(n) if design.offset is None else design.offset.copy()
        if spec.coefs:
            beta = draws_of(idata, names.BETA).mean(axis=-1)
            offset += design.X[:, ~inside] @ beta[~inside]
        for other in design.blocks:
            if other.factor != block.factor:
                effects = draws_of(idata, names.effects(other.factor)).mean(axis=-1)
                offset += other.contribution(effects)
        shapes = {s.name: np.full(n, draws_of(idata, s.name).mean()) for s in spec.shapes}
        if design.se is not None:
            shapes["sigma"] = design.se
        weights = np.ones(n) if design.weights is None else design.weights
        trials = np.ones(n) if design.trials is None else design.trials
        y = spec.family.working(design.response)  # the logarithm, for a lognormal
        return cls(spec.family, y, offset, weights, trials, shapes).take(order)

    def take(self, rows: Mask | NDArray[np.int64]) -> _Working:
        """Return some rows."""
        shapes = {name: values[rows] for name, values in self.shapes.items()}
        kept = (self.y[rows], self.offset[rows], self.weights[rows], self.trials[rows])
        return _Working(self.family, *kept, shapes)

    def start(self, basis: _Basis) -> Array:
        """Return linear predictors to begin with: halfway to the mean of all, in every family."""
        center = float(self.weights @ self.y / (self.weights @ self.trials))
        own = np.where(self.trials > 0, self.y / np.maximum(self.trials, 1.0), center)
        eta = self.family.link.link(0.5 * (own + center)) - self.offset
        starts = np.cumsum(basis.counts) - basis.counts
        there = basis.counts > 0
        gamma = np.add.reduceat(basis.U * eta[:, None], starts[there], axis=0)
        by_row = np.repeat(gamma, basis.counts[there], axis=0)
        return np.asarray(self.offset + (basis.U * by_row).sum(axis=1))

    def step(self, eta: Array) -> tuple[Array, Array, Array]:
        """Return working responses less the offset, their weights, and the Fisher information."""
        link = self.family.link
        mu, slope = link.inverse(eta), self.trials * link.derivative(eta)
        score, information = self._precisions(mu)
        z = eta - self.offset + (self.y - self.trials * mu) / slope
        scale = self.weights * np.square(slope)
        there = self.trials > 0  # a row without a trial says nothing
        return (
            np.where(there, z, 0.0),
            np.where(there, scale * score, 0.0),
            np.where(there, scale * information, 0.0),
        )

    def _precisions(self, mu: Array) -> tuple[Array, Array]:
        """Return the weights of residuals, and the Fisher information, per unit of the mean."""
        if self.family.name == "student":  # Lange, Little and Taylor 1989, doi:10.2307/2290063
            nu, variance = self.shapes["nu"], np.square(self.shapes["sigma"])
            residual = np.square(self.y - mu)
            return (nu + 1) / (nu * variance + residual), (nu + 1) / (nu + 3) / variance
        if self.family.name == "lognormal":
            precision = 1 / np.square(self.shapes["sigma"])
            return precision, precision
        extra = {"trials": self.trials} if self.family.response == "trials" else {}
        precision = 1 / self.family.variance(mu, **extra, **self.shapes)
        return precision, precision
