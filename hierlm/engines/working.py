r"""The mode of effects and coefficients given the parameters, by Newton's method.

.. math:: \hat v = \arg\max_v\; \ell(\eta(v)) - \tfrac12 u'u + \log p(\beta),
          \qquad v = (u, \beta),\; b = T u

Each step is the mode of a Gaussian model with weights W (`hierlm.kernels.working`); a step that
does not climb is halved. `EliminatedModel` finds it by the collapsed engine's elimination;
`hierlm.engines.crossed` has another way, for designs too large for that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierlm.engines.freezing import freeze
from hierlm.engines.rowpacking import information
from hierlm.kernels.dense import LARGE
from hierlm.kernels.elimination import conditional_mode
from hierlm.kernels.envelope import Envelope
from hierlm.kernels.lapack import addresses
from hierlm.kernels.problem import Pattern, Problem
from hierlm.kernels.rows import Rows, row_slopes
from hierlm.kernels.whitened import coefficient_priors
from hierlm.kernels.whitening import Whitening
from hierlm.kernels.working import add_working_rows

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_STEPS = 60
_HALVINGS = 25
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Mode:
    """Where the joint density of effects and coefficients has its maximum.

    Parameters
    ----------
    v : ndarray of shape (N,)
        Standardised effects, then coefficients.
    value : float
        The log density there, without constants of the effects' prior.
    log_det : float
        Of the negative Hessian in v.
    """

    v: Array
    value: float
    log_det: float


class WorkingModel(ABC):
    """Rows, sizes and levels of the factors, the largest first, and priors of the coefficients."""

    def __init__(self, rows: Rows, sizes: Index, levels: Index, priors: Array) -> None:
        self.rows, self.sizes, self.levels, self.priors = rows, sizes, levels, priors
        self.center, self.scale = _centers(priors)

    @abstractmethod
    def weigh(
        self, T: Array, v: Array, W: Array, r: Array, curvature: Array, prior_slope: Array
    ) -> None:
        """Take the working model at v.

        Parameters
        ----------
        T : ndarray of shape (factors, q, q)
        v : ndarray of shape (N,)
        W, r : ndarray of shape (n,)
            Weights, and weights times working responses, of the rows.
        curvature, prior_slope : ndarray of shape (p,)
            Of the coefficients' log priors; the curvature with its sign changed.
        """

    @abstractmethod
    def target(self) -> Array:
        """Return the mode of the working model."""

    @abstractmethod
    def log_det(self) -> float:
        """Return the log determinant of its negative Hessian in v, or about that."""

    @abstractmethod
    def whitening(self) -> Whitening:
        """Return the whitening that it gives."""

    def scaled(self, T: Array, v: Array) -> Array:
        """Return b, the effects and coefficients, of the standardised v."""
        b, at = v.copy(), 0
        for k, (J, q) in enumerate(zip(self.levels, self.sizes, strict=True)):
            part = slice(at, at + J * q)
            b[part] = (v[part].reshape(J, q) @ T[k, :q, :q].T).ravel()
            at += J * q
        return b

    def standardized(self, T: Array, b: Array) -> Array:
        """Return the v whose effects are nearest to those of b."""
        v, at = b.copy(), 0
        for k, (J, q) in enumerate(zip(self.levels, self.sizes, strict=True)):
            part = slice(at, at + J * q)
            v[part] = (b[part].reshape(J, q) @ np.linalg.pinv(T[k, :q, :q]).T).ravel()
            at += J * q
        return v

    def density(self, T: Array, shapes: Array, v: Array) -> tuple[float, Array, Array, Array]:
        """Return the log density, eta, its slopes, and the slopes of the coefficients' priors."""
        n, effects = self.rows.data.shape[1], self.rows.beta_at
        eta, slope, prior_slope = np.empty(n), np.empty(n), np.empty(len(self.priors))
        value = row_slopes(self.rows, self.scaled(T, v), shapes, eta, slope)
        value += coefficient_priors(self.priors, v[effects:], prior_slope)
        value -= 0.5 * float(v[:effects] @ v[:effects])
        return (value if np.isfinite(value) else -np.inf), eta, slope, prior_slope

    def mode(self, T: Array, shapes: Array, v: Array) -> Mode:
        """Climb to the mode from v.

        Raises
        ------
        ArithmeticError
            If it is not reached.
        """
        value, eta, slope, prior_slope = self.density(T, shapes, v)
        if not np.isfinite(value):
            raise ArithmeticError("the density at the start is zero.")
        for _ in range(_STEPS):
            self._touch(T, shapes, v, eta, slope, prior_slope)
            target = self.target()
            if not np.all(np.isfinite(target)):
                raise ArithmeticError("the information is singular.")
            step, scale = target - v, 1.0
            for _ in range(_HALVINGS):
                moved = v + scale * step
                found = self.density(T, shapes, moved)
                if found[0] >= value - _TOLERANCE:
                    break
                scale /= 2
            else:
                raise ArithmeticError("no step climbs.")
            gain, v = found[0] - value, moved
            value, eta, slope, prior_slope = found
            if gain < _TOLERANCE * max(1.0, abs(value)):
                self._touch(T, shapes, v, eta, slope, prior_slope)
                log_det = self.log_det()
                if not np.isfinite(log_det):
                    raise ArithmeticError("the information is singular.")
                return Mode(v, value, log_det)
        raise ArithmeticError(f"no mode within {_STEPS} steps.")

    def weigh_nothing(self, T: Array) -> None:
        """Take the working model of no rows: its whitening is non-centered."""
        n, N = self.rows.data.shape[1], self.rows.beta_at + len(self.priors)
        v, precision = np.zeros(N), np.minimum(self.scale, 10.0) ** -2
        v[self.rows.beta_at :] = self.center
        self.weigh(T, v, np.zeros(n), np.zeros(n), precision, np.zeros(len(self.priors)))

    def _touch(
        self, T: Array, shapes: Array, v: Array, eta: Array, slope: Array, prior_slope: Array
    ) -> None:
        """Take the working model that touches the density at v."""
        W, beta = information(self.rows, eta, shapes), v[self.rows.beta_at :]
        with np.errstate(divide="ignore", invalid="ignore"):
            curvature = -prior_slope / (beta - self.center)
        cap = 4.0 / np.square(self.scale)
        curvature = np.clip(np.where(np.isnan(curvature), cap, curvature), 0.0, cap)
        self.weigh(T, v, W, W * (eta - self.rows.offset) + slope, curvature, prior_slope)


class EliminatedModel(WorkingModel):
    """By elimination: a dense matrix over all columns but those of the first factor."""

    def __init__(self, rows: Rows, sizes: Index, levels: Index, priors: Array) -> None:
        super().__init__(rows, sizes, levels, priors)
        self.slots, pattern = meeting_pattern(rows, sizes, levels)
        J, q = (int(levels[0]), int(sizes[0])) if len(sizes) else (0, 1)
        m1, p = len(pattern.factor), len(rows.X)
        m = m1 + p
        every = np.zeros(m, np.int64), np.full(m, m), m * np.arange(m)
        envelope = Envelope(*every, addresses() if m >= LARGE else np.zeros(0, np.int64))
        self.problem = Problem(
            n=0.0, log_constant=0.0, ee=0.0, ZZ=np.zeros((q, q, J)), Ze=np.zeros((q, J)),
            ZX=np.zeros((q, p, J)), ZN=np.zeros((q, 0, J)), pattern=pattern,
            envelope=envelope, K=np.zeros(m * m), Ke=np.zeros(m), KN=np.zeros((m, 0)),
            Ne=np.zeros(0), NN=np.zeros((0, 0)), precision=np.zeros((p, p)), h=np.zeros(p), c=0.0,
        )  # fmt: skip

    def weigh(
        self, T: Array, v: Array, W: Array, r: Array, curvature: Array, prior_slope: Array
    ) -> None:
        """Sum the working rows up in `problem`, and eliminate."""
        problem, rows, m1 = self.problem, self.rows, len(self.problem.pattern.factor)
        for array in (problem.ZZ, problem.Ze, problem.ZX, problem.pattern.vals, problem.K,
                      problem.Ke):  # fmt: skip
            array[...] = 0.0
        if len(self.sizes):
            add_working_rows(rows, W, r, self.slots, problem)
        K = problem.K.reshape(2 * (len(problem.Ke),))
        K[m1:, m1:] = (rows.X * W) @ rows.X.T
        problem.Ke[m1:] = rows.X @ r
        np.fill_diagonal(problem.precision, curvature)
        problem.h[:] = curvature * v[rows.beta_at :] + prior_slope
        self._T, self._found = T, conditional_mode(problem, T, 1.0)

    def target(self) -> Array:
        """Return the mode."""
        _, _, u, trailing, _ = self._found
        return np.concatenate([u.T.ravel(), trailing])

    def log_det(self) -> float:
        """Return the log determinant, exactly."""
        return float(self._found[0])

    def whitening(self) -> Whitening:
        """Return the whitening."""
        return freeze(self.problem, self._T, self.sizes, self.levels, self.priors)


def _centers(priors: Array) -> tuple[Array, Array]:
    """Return location and scale of the coefficients' priors; an infinite scale where flat."""
    # by class: Flat; Normal, Cauchy, Laplace(location, scale); StudentT(nu, location, scale)
    student, flat = priors[:, 0] == 2, priors[:, 0] == 0
    center = np.where(student, priors[:, 2], priors[:, 1])
    scale = np.where(student, priors[:, 3], priors[:, 2])
    return np.where(flat, 0.0, center), np.where(flat, np.inf, scale)


def meeting_pattern(rows: Rows, sizes: Index, levels: Index) -> tuple[Index, Pattern]:
    """Return where each row's columns are in the pattern, and the pattern of the factors."""
    none, K = np.zeros(0, np.int64), len(sizes)
    slots = np.zeros((max(K, 1), rows.data.shape[1]), np.int64)
    trailing = sizes[1:] * levels[1:]
    levels_of, begins, owner = none, none, none  # of the pairs of levels that occur
    for k in range(1, K):
        width = int(trailing.sum())
        keys = rows.at[0] // sizes[0] * width + rows.at[k] - int(sizes[0] * levels[0])
        pairs, where = np.unique(keys, return_inverse=True)
        slots[k] = where.ravel() + len(owner)
        levels_of = np.concatenate([levels_of, pairs // width])
        begins = np.concatenate([begins, pairs % width])
        owner = np.concatenate([owner, np.full(len(pairs), k)])
    widths, order = sizes[owner], np.lexsort((begins, levels_of))
    ends = np.concatenate([[0], np.cumsum(widths[order])])
    place = np.empty(len(order), np.int64)  # where a pair's first column stands in the pattern
    place[order] = ends[:-1]
    for k in range(1, K):
        slots[k] = place[slots[k]]
    ptr = ends[np.searchsorted(levels_of[order], np.arange((levels[0] if K else 0) + 1))]
    within = np.arange(ends[-1]) - np.repeat(ends[:-1], widths[order])
    coef = [np.tile(np.arange(q), J) for q, J in zip(sizes[1:], levels[1:], strict=True)]
    return slots, Pattern(
        ptr=ptr.astype(np.int64),
        cols=(np.repeat(begins[order], widths[order]) + within).astype(np.int64),
        vals=np.zeros((int(sizes[0]) if K else 1, int(ends[-1]))),
        factor=np.repeat(np.arange(1, max(K, 1)), trailing).astype(np.int64),
        coef=np.concatenate([none, *coef]).astype(np.int64),
        sizes=np.asarray(sizes if K else [1], np.int64),
    )
