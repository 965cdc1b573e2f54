r"""Large crossed designs: the mode by conjugate gradients, and whitening level by level.

No matrix over all effects is formed. In standardised coordinates the mode solves

.. math:: (\Pi + S'IS) v = S'D'r + h_0, \qquad I = D'WD

by conjugate gradients, preconditioned level by level; I is applied row by row
(`hierlm.kernels.crossed`). Columns are of three kinds: those of the first factor, F, whose levels
do not couple; those of other large factors, L; and the few that are left, R, with the
coefficients. What whitens them is, at the mode,

- for R the information once F and L are eliminated, by conjugate gradients for each column;
- for each level of L its own information once F is eliminated, around the exact conditional mode
  given R; factors that are nested in others of L are eliminated like those of F;
- for the levels of F what they have given all others.

Only correlations between levels of crossed factors in L are left. They are weak, but for a few
directions such as the mean of all levels (decision 0007); along those that Lanczos's method finds
the noise is stretched.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, eigsh

from hierlm.engines.freezing import assemble, eliminating
from hierlm.engines.working import WorkingModel, meeting_pattern
from hierlm.kernels.crossed import (
    add_blocks,
    add_couplings,
    add_left,
    add_nested,
    apply_information,
    eliminate_first,
    eliminate_nested,
    weigh_columns,
)
from hierlm.kernels.rows import Rows
from hierlm.kernels.whitening import Whitening

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_ROUGH, _FINE = 1e-3, 1e-8  # of conjugate gradients, in a Newton step and in the whitening
_ITERATIONS = 500
_DIRECTIONS = 8
_FAR = 0.4  # from one, in logs of the variance, for a direction to be stretched


class LevelBlocks(WorkingModel):
    """The blocks of levels, and systems solved by conjugate gradients.

    Parameters
    ----------
    rows : Rows
    sizes, levels : ndarray of shape (factors,)
    priors : ndarray of shape (p, WIDTH)
    nested : collection of (int, int)
        Factors of which the first is nested in the second.
    few : float
        How many columns of factors at most are whitened together.
    """

    def __init__(
        self, rows: Rows, sizes: Index, levels: Index, priors: Array,
        nested: Collection[tuple[int, int]], few: float,
    ) -> None:  # fmt: skip
        super().__init__(rows, sizes, levels, priors)
        self.starts = np.concatenate([[0], np.cumsum(sizes * levels)]).astype(np.int64)
        left = self.starts[-1] - self.starts[:-1]
        self.chain = max(1, int(np.count_nonzero(left > few)))
        self.level_at = np.concatenate([[0], np.cumsum(levels[: self.chain])]).astype(np.int64)
        self.L = slice(int(self.starts[1]), int(self.starts[self.chain]))
        self.R = slice(self.L.stop, int(self.starts[-1]) + len(priors))
        self.slots, self.pattern = meeting_pattern(rows, sizes, levels)
        q = int(sizes.max())
        self.blocks = np.zeros((int(self.level_at[-1]), q, q))
        self.ZX = np.zeros((int(sizes[0]), len(priors), int(levels[0])))
        owner, at = self.pattern.factor, np.arange(self.L.start, self.starts[-1])
        level = (at - self.starts[owner]) // sizes[owner]
        in_chain = np.append(self.level_at, 0)[np.minimum(owner, self.chain)]
        self.block_of = np.where(owner < self.chain, in_chain + level, -1).astype(np.int64)
        self.parents = {
            (k, o): self._parents(k, o)
            for k, o in combinations(range(1, self.chain), 2)
            if (k, o) in nested
        }

    def weigh(
        self, T: Array, v: Array, W: Array, r: Array, curvature: Array, prior_slope: Array
    ) -> None:
        """Sum up the blocks, and factor them for the preconditioner."""
        self.T, self.v, self.W, self.curvature = T, v, W, curvature
        self.unshifted = self.rows._replace(offset=np.zeros(len(W)))
        self.right = np.empty(len(v))
        weigh_columns(self.rows, r, self.right)
        beta = self.rows.beta_at
        self.right[beta:] += curvature * v[beta:] + prior_slope
        self.blocks[...] = 0.0
        add_blocks(self.rows, W, self.sizes, self.starts, self.level_at, self.blocks)
        self.inverses = [np.linalg.inv(A) for A in self._standardized(self.blocks)]
        A, m = self._left_information(), beta - self.R.start
        S = linalg.block_diag(
            *(
                self.T[k, : self.sizes[k], : self.sizes[k]]
                for k in range(self.chain, len(self.sizes))
                for _ in range(self.levels[k])
            ),
            np.eye(len(curvature)),
        )[: len(A), : len(A)]
        A = S.T @ A @ S
        A[range(len(A)), range(len(A))] += np.concatenate([np.ones(m), curvature])
        self.left = linalg.cho_factor(A, lower=True) if len(A) else None

    def _parents(self, k: int, other: int) -> Index:
        """Return the level of another factor that each level of factor k lies in."""
        parent = np.zeros(int(self.levels[k]), np.int64)
        inner, outer = ((self.rows.at[f] - self.starts[f]) // self.sizes[f] for f in (k, other))
        parent[inner] = outer
        return parent

    def _eliminate(self) -> None:
        """Write `partial` and `nested`: blocks and couplings once the ones before are gone."""
        self.pattern.vals[...], self.ZX[...] = 0.0, 0.0
        add_couplings(self.rows, self.W, self.slots, self.pattern.vals, self.ZX)
        Q = self._eliminating(0, self.blocks)
        self.partial = self.blocks.copy()
        eliminate_first(self.pattern, Q, self.block_of, self.partial)
        self.nested = {}
        for (k, o), parent in self.parents.items():
            coupling = np.zeros((int(self.levels[k]), int(self.sizes[k]), int(self.sizes[o])))
            add_nested(self.rows, self.W, k, o, self.sizes, self.starts, coupling)
            first = self.starts[:-1] - self.starts[1]
            eliminate_nested(self.pattern, Q, k, o, first, parent, coupling)
            self.nested[k, o] = coupling
        for k in range(1, self.chain):
            outer = [o for inner, o in self.parents if inner == k]
            Q = self._eliminating(k, self.partial)
            for o in outer:
                QB, parent = Q @ self.nested[k, o], self.parents[k, o]
                taken = self.nested[k, o].transpose(0, 2, 1) @ QB
                q, first = int(self.sizes[o]), self.level_at[o]
                np.subtract.at(self.partial[:, :q, :q], first + parent, taken)
                for other in outer:
                    if (o, other) in self.nested:
                        taken = QB.transpose(0, 2, 1) @ self.nested[k, other]
                        np.subtract.at(self.nested[o, other], parent, taken)
        if self.parents:  # exact for nested factors; where others cross them, perhaps negative
            values, vectors = np.linalg.eigh(self.partial)
            values = np.maximum(values, 0.0)[:, None, :]
            self.partial = (vectors * values) @ vectors.transpose(0, 2, 1)

    def _eliminating(self, k: int, blocks: Array) -> Array:
        q = int(self.sizes[k])
        own = blocks[self.level_at[k] : self.level_at[k + 1], :q, :q]
        return eliminating(own, self.T[k, :q, :q])

    def _standardized(self, blocks: Array) -> list[Array]:
        """Return I + T' J T of all levels, factor by factor."""
        found = []
        for k in range(self.chain):
            q = int(self.sizes[k])
            T, own = self.T[k, :q, :q], blocks[self.level_at[k] : self.level_at[k + 1], :q, :q]
            found.append(np.eye(q) + T.T @ own @ T)
        return found

    def _partially(self, b: Array) -> Array:
        """Return what the whitening has of the information times b, level by level."""
        out = np.zeros(len(b))
        for k in range(1, self.chain):
            q, part = int(self.sizes[k]), slice(int(self.starts[k]), int(self.starts[k + 1]))
            own = self.partial[self.level_at[k] : self.level_at[k + 1], :q, :q]
            total = np.einsum("jab,jb->ja", own, b[part].reshape(-1, q))
            for (inner, o), parent in self.parents.items():
                if inner == k:
                    outer = b[self.starts[o] : self.starts[o + 1]].reshape(-1, int(self.sizes[o]))
                    total += np.einsum("jab,jb->ja", self.nested[inner, o], outer[parent])
            out[part] = total.ravel()
        return out

    def _left_information(self) -> Array:
        """Return the information of R by itself."""
        size, m = self.R.stop - self.R.start, self.rows.beta_at - self.R.start
        A = np.zeros((size, size))
        A[m:, m:] = (self.rows.X * self.W) @ self.rows.X.T
        add_left(self.rows, self.W, self.R.start, A)
        return A

    def _information(self, b: Array) -> Array:
        out = np.empty(len(b))
        apply_information(self.unshifted, self.W, b, out)
        return out

    def _standard(self, b: Array) -> Array:
        """Return S' b."""
        return self.scaled(self.T.transpose(0, 2, 1), b)

    def _hessian(self, v: Array) -> Array:
        out, beta = self._standard(self._information(self.scaled(self.T, v))), self.rows.beta_at
        out[:beta] += v[:beta]
        out[beta:] += self.curvature * v[beta:]
        return out

    def _precondition(self, x: Array) -> Array:
        out = np.empty(len(x))
        for k, inverse in enumerate(self.inverses):
            part, q = slice(int(self.starts[k]), int(self.starts[k + 1])), inverse.shape[1]
            out[part] = np.einsum("jab,jb->ja", inverse, x[part].reshape(-1, q)).ravel()
        if self.left is not None:
            out[self.R] = linalg.cho_solve(self.left, x[self.R])
        return out

    def _solve(self, right: Array, tolerance: float, upto: int) -> Array:
        """Return what the Hessian takes to `right`; columns from `upto` on are held at zero."""
        x, residual = np.zeros(len(right)), right.copy()
        residual[upto:] = 0.0
        p = self._precondition(residual)
        product = float(residual @ p)
        enough = tolerance**2 * product
        for _ in range(_ITERATIONS):
            if product <= enough:
                break
            Ap = self._hessian(p)
            Ap[upto:] = 0.0
            step = product / float(p @ Ap)
            x, residual = x + step * p, residual - step * Ap
            z = self._precondition(residual)
            product, last = float(residual @ z), product
            p = z + product / last * p
        return x


class CrossedModel(LevelBlocks):
    """The mode by conjugate gradients, and the whitening level by level."""

    def target(self) -> Array:
        """Return the mode of the working model."""
        gradient = self._standard(self.right) - self._hessian(self.v)
        return self.v + self._solve(gradient, _ROUGH, len(self.v))

    def log_det(self) -> float:
        """Return the log determinant without what levels of crossed factors share."""
        self._eliminate()
        total = sum(float(np.linalg.slogdet(A)[1].sum()) for A in self._standardized(self.partial))
        if self.left is not None:
            total += 2.0 * float(np.log(np.diag(self.left[0])).sum())
        return total

    def whitening(self) -> Whitening:
        """Return the whitening."""
        self._eliminate()
        T, L, R, left = self.T, self.L, self.R, self.R.stop - self.R.start
        b, beta = self.scaled(T, self.v), self.rows.beta_at
        C, G = np.empty((left, left)), np.zeros((L.stop - L.start, left))
        for s in range(left):
            db = np.zeros(len(b))
            db[R.start + s] = 1.0
            db += self.scaled(
                T, self._solve(-self._standard(self._information(db)), _FINE, R.start)
            )
            moved = self._information(db)
            C[:, s], G[:, s] = moved[R], (moved - self._partially(db))[L]
        C = 0.5 * (C + C.T)
        p = len(self.priors)
        C[range(left - p, left), range(left - p, left)] += self.curvature
        h = self.right.copy()
        gradient = self.right - self._information(b)
        gradient[beta:] -= self.curvature * b[beta:]
        h[L] = gradient[L] + self._partially(b)[L] + G @ b[R]
        h[R] = gradient[R] + C @ b[R]
        couplings = [self._first_couplings()]
        couplings += [self._level_couplings(k, G) for k in range(1, self.chain)]
        return assemble(
            self.chain, self.sizes, self.levels, self.starts, [self.partial], couplings, h, C,
            self.priors, *self._directions(),
        )  # fmt: skip

    def _directions(self) -> tuple[Array, Array]:
        """Return directions in the noise of L that are far from white, and their sds."""
        n = self.L.stop - self.L.start
        if n < 4 * _DIRECTIONS:
            return np.zeros((0, n)), np.zeros(0)
        factors = [np.linalg.cholesky(A) for A in self._standardized(self.partial)]

        def information(noise: Array) -> Array:
            u = self._from_noise(factors, noise.ravel())
            out = self._standard(self._information(self.scaled(self.T, u)))
            first = np.zeros(len(u))
            first[: self.L.start] = -self._precondition(out)[: self.L.start]
            out += u + self._standard(self._information(self.scaled(self.T, first)))
            return self._to_noise(factors, out)

        values, vectors = eigsh(
            LinearOperator((n, n), matvec=information, dtype=np.float64),
            k=_DIRECTIONS, which="BE", tol=1e-2, v0=np.ones(n),
        )  # fmt: skip
        values = np.maximum(values, 1e-4)
        far = np.abs(np.log(values)) > _FAR
        return vectors[:, far].T, values[far] ** -0.5

    def _from_noise(self, factors: list[Array], noise: Array) -> Array:
        """Return u of the noise of L, R and the noise of F held at zero."""
        u = np.zeros(len(self.v))
        for k in range(self.chain - 1, 0, -1):
            q, part = int(self.sizes[k]), slice(int(self.starts[k]), int(self.starts[k + 1]))
            shift = np.zeros((int(self.levels[k]), q))
            for (inner, o), parent in self.parents.items():
                if inner == k:
                    width, start = int(self.sizes[o]), int(self.starts[o])
                    b = u[start : int(self.starts[o + 1])].reshape(-1, width)
                    b = b @ self.T[o, :width, :width].T
                    shift += np.einsum("jab,jb->ja", self.nested[inner, o], b[parent])
            own = noise[part.start - self.L.start : part.stop - self.L.start].reshape(-1, q, 1)
            own = own - np.linalg.solve(factors[k], (shift @ self.T[k, :q, :q])[:, :, None])
            u[part] = np.linalg.solve(factors[k].transpose(0, 2, 1), own).ravel()
        return u

    def _to_noise(self, factors: list[Array], u_bar: Array) -> Array:
        """Return the adjoint of `_from_noise`."""
        u_bar, noise = u_bar.copy(), np.zeros(self.L.stop - self.L.start)
        for k in range(1, self.chain):
            q, part = int(self.sizes[k]), slice(int(self.starts[k]), int(self.starts[k + 1]))
            own = np.linalg.solve(factors[k], u_bar[part].reshape(-1, q, 1))
            noise[part.start - self.L.start : part.stop - self.L.start] = own.ravel()
            back = np.linalg.solve(factors[k].transpose(0, 2, 1), own)[:, :, 0]
            back = back @ self.T[k, :q, :q].T
            for (inner, o), parent in self.parents.items():
                if inner == k:
                    width, start = int(self.sizes[o]), int(self.starts[o])
                    b = np.einsum("jab,ja->jb", self.nested[inner, o], back)
                    taken = np.zeros((int(self.levels[o]), width))
                    np.add.at(taken, parent, b @ self.T[o, :width, :width])
                    u_bar[start : int(self.starts[o + 1])] -= taken.ravel()
        return noise

    def _first_couplings(self) -> tuple[Index, Index, Array]:
        """Return how many columns each level of F meets, which, and the values."""
        pattern, p, J = self.pattern, len(self.priors), int(self.levels[0])
        q, counts = int(self.sizes[0]), np.diff(pattern.ptr)
        place = np.arange(len(pattern.cols)) + np.repeat(np.arange(J), counts) * p
        cols = np.empty(len(pattern.cols) + J * p, np.int64)
        vals = np.zeros((self.blocks.shape[1], len(cols)))
        cols[place], vals[:q, place] = pattern.cols + self.starts[1], pattern.vals
        place = (pattern.ptr[1:] + np.arange(J) * p)[:, None] + np.arange(p)
        cols[place] = self.rows.beta_at + np.arange(p)
        vals[:q, place] = self.ZX.transpose(0, 2, 1)
        return (counts + p).astype(np.int64), cols, vals

    def _level_couplings(self, k: int, G: Array) -> tuple[Index, Index, Array]:
        """Return the same of factor k in L: the levels that its levels lie in, then R."""
        J, q, left = int(self.levels[k]), int(self.sizes[k]), G.shape[1]
        cols, vals = [], []
        for (inner, o), parent in self.parents.items():
            if inner == k:
                width = int(self.sizes[o])
                cols.append(self.starts[o] + parent[:, None] * width + np.arange(width))
                vals.append(self.nested[inner, o])
        cols.append(np.tile(np.arange(self.R.start, self.R.stop), (J, 1)))
        at = int(self.starts[k]) - self.L.start
        vals.append(G[at : at + J * q].reshape(J, q, left))
        all_cols, found = np.concatenate(cols, axis=1), np.concatenate(vals, axis=2)
        padded = np.zeros((self.blocks.shape[1], found.shape[0] * found.shape[2]))
        padded[:q] = found.transpose(1, 0, 2).reshape(q, -1)
        counts = np.full(J, all_cols.shape[1], np.int64)
        return counts, all_cols.ravel().astype(np.int64), padded
