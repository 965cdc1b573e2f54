r"""Cross-products: all that a Gaussian likelihood needs to know of the rows.

With U = [1, X - x0] and y - y0, both shifted so that large means cost no digits, and weights w:

.. math:: U'WU,\; U'Wy,\; y'Wy, \quad Z_k'WZ_k,\; Z_k'WU,\; Z_k'Wy, \quad Z_k'WZ_l

The last are kept for the pairs of levels that occur. Cross-products of two sets of rows add up, so
that chunks, threads and tomorrow's rows are one operation; their size does not depend on the rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.design.design import Design, GroupBlock
from hierlm.design.summing import add_group, add_pairs

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class FactorProducts:
    """Cross-products of one grouping factor with J levels and q coefficients.

    Parameters
    ----------
    ZZ : ndarray of shape (J, q, q)
    ZU : ndarray of shape (J, q, 1 + p)
    Zy : ndarray of shape (J, q)
    """

    ZZ: Array
    ZU: Array
    Zy: Array

    @classmethod
    def zero(cls, J: int, q: int, P: int) -> FactorProducts:
        """Return the cross-products of no rows."""
        return cls(np.zeros((J, q, q)), np.zeros((J, q, P)), np.zeros((J, q)))

    def __add__(self, other: FactorProducts) -> FactorProducts:
        return FactorProducts(self.ZZ + other.ZZ, self.ZU + other.ZU, self.Zy + other.Zy)


@dataclass(frozen=True, eq=False)
class PairProducts:
    """Cross-products of two grouping factors, for the pairs of levels that occur.

    Parameters
    ----------
    cells : ndarray of shape (c, 2), int64
        Levels of the first and of the second factor, in increasing order.
    ZZ : ndarray of shape (c, q1, q2)
    """

    cells: Codes
    ZZ: Array

    @classmethod
    def zero(cls, q1: int, q2: int) -> PairProducts:
        """Return the cross-products of no rows."""
        return cls(np.zeros((0, 2), np.int64), np.zeros((0, q1, q2)))

    def __add__(self, other: PairProducts) -> PairProducts:
        cells = np.concatenate([self.cells, other.cells])
        blocks = np.concatenate([self.ZZ, other.ZZ])
        merged, where = np.unique(cells, axis=0, return_inverse=True)
        total = np.zeros((len(merged), *blocks.shape[1:]))
        np.add.at(total, where.ravel(), blocks)
        return PairProducts(merged, total)


@dataclass(frozen=True, eq=False)
class CrossProducts:
    """The cross-products of a set of rows.

    Parameters
    ----------
    x0 : ndarray of shape (p,)
        Shift of the columns of the common effects, the intercept left out.
    y0 : float
        Shift of the response.
    n : float
        Number of rows; the sum of the frequency weights where there are some.
    log_known : float
        Sum of the logs of known standard deviations, 0 without them.
    UU : ndarray of shape (1 + p, 1 + p)
    Uy : ndarray of shape (1 + p,)
    yy : float
    factors : tuple of FactorProducts
        In the order of the formula.
    pairs : dict of (int, int) to PairProducts
        By the positions k < l of two grouping factors.
    """

    x0: Array
    y0: float
    n: float
    log_known: float
    UU: Array
    Uy: Array
    yy: float
    factors: tuple[FactorProducts, ...]
    pairs: dict[tuple[int, int], PairProducts]

    @classmethod
    def zero(cls, design: Design) -> CrossProducts:
        """Return the cross-products of no rows, shifted by the means of `design`."""
        slopes = _slopes(design)
        P = 1 + len(slopes)
        y = design.response if design.offset is None else design.response - design.offset
        blocks = design.blocks
        return cls(
            x0=design.X.mean(axis=0)[slopes] if design.n else np.zeros(P - 1),
            y0=float(y.mean()) if len(y) else 0.0,
            n=0.0,
            log_known=0.0,
            UU=np.zeros((P, P)),
            Uy=np.zeros(P),
            yy=0.0,
            factors=tuple(FactorProducts.zero(b.n_levels, b.n_coefs, P) for b in blocks),
            pairs={
                (k, m): PairProducts.zero(blocks[k].n_coefs, blocks[m].n_coefs)
                for k, m in itertools.combinations(range(len(blocks)), 2)
            },
        )

    @classmethod
    def of(cls, design: Design) -> CrossProducts:
        """Return the cross-products of the rows of `design`.

        Parameters
        ----------
        design : Design of n rows, with a response
        """
        return cls.zero(design).add(design)

    def add(self, design: Design) -> CrossProducts:
        """Return these cross-products with further rows added."""
        y = design.response if design.offset is None else design.response - design.offset
        y = y - self.y0
        weights, n, log_known = _weights(design)
        UU, Uy = np.zeros_like(self.UU), np.zeros_like(self.Uy)
        sums = [replace(f, ZZ=f.ZZ.copy(), ZU=f.ZU.copy(), Zy=f.Zy.copy()) for f in self.factors]
        columns = _slopes(design)
        for start in range(0, design.n, _CHUNK):
            rows = slice(start, start + _CHUNK)
            U = np.empty((len(y[rows]), len(self.Uy)))
            U[:, 0] = 1.0
            np.subtract(design.X[rows, columns], self.x0, out=U[:, 1:])
            WU = U * weights[rows, None]
            UU += WU.T @ U
            Uy += WU.T @ y[rows]
            for total, block in zip(sums, design.blocks, strict=True):
                add_group(
                    block.codes[rows], block.Z[rows], U, y[rows], weights[rows],
                    total.ZZ, total.ZU, total.Zy,
                )  # fmt: skip
        return replace(
            self,
            n=self.n + n,
            log_known=self.log_known + log_known,
            UU=self.UU + UU,
            Uy=self.Uy + Uy,
            yy=self.yy + float(weights @ np.square(y)),
            factors=tuple(sums),
            pairs={
                (k, m): pair + _pair(design.blocks[k], design.blocks[m], weights)
                for (k, m), pair in self.pairs.items()
            },
        )

    def __add__(self, other: CrossProducts) -> CrossProducts:
        other = other.shifted(self.x0, self.y0)
        return replace(
            self,
            n=self.n + other.n,
            log_known=self.log_known + other.log_known,
            UU=self.UU + other.UU,
            Uy=self.Uy + other.Uy,
            yy=self.yy + other.yy,
            factors=tuple(a + b for a, b in zip(self.factors, other.factors, strict=True)),
            pairs={key: pair + other.pairs[key] for key, pair in self.pairs.items()},
        )

    def cells(self, a: int, b: int) -> tuple[Codes, Array]:
        """Return the pairs of levels of factors a and b that occur, and their blocks Z_a'Z_b.

        Returns
        -------
        ndarray of shape (c, 2), int64
        ndarray of shape (c, qa, qb)
        """
        if a < b:
            return self.pairs[a, b].cells, self.pairs[a, b].ZZ
        pair = self.pairs[b, a]
        return pair.cells[:, ::-1], pair.ZZ.transpose(0, 2, 1)

    def shifted(self, x0: Array, y0: float) -> CrossProducts:
        """Return the same cross-products around other shifts."""
        if y0 == self.y0 and np.array_equal(x0, self.x0):
            return self
        A = np.eye(len(self.Uy))  # new U = U A
        A[0, 1:] = self.x0 - x0
        step = self.y0 - y0  # new y = y + step
        UU = A.T @ self.UU @ A
        return replace(
            self,
            x0=np.asarray(x0, float),
            y0=float(y0),
            UU=UU,
            Uy=A.T @ (self.Uy + step * self.UU[:, 0]),
            yy=self.yy + 2 * step * self.Uy[0] + step**2 * self.UU[0, 0],
            factors=tuple(
                FactorProducts(f.ZZ, f.ZU @ A, f.Zy + step * f.ZU[:, :, 0]) for f in self.factors
            ),
        )

    def nested(self) -> frozenset[tuple[int, int]]:
        """Return the positions (inner, outer) of factors nested in one another in these rows."""
        found = set()
        for (a, b), pair in self.pairs.items():
            for side, key in enumerate([(a, b), (b, a)]):
                if len(np.unique(pair.cells[:, side])) == len(pair.cells):
                    found.add(key)
        return frozenset(found)

    def recoded(self, places: Sequence[Codes], sizes: Sequence[int]) -> CrossProducts:
        """Return the same sums where factors have further levels.

        Parameters
        ----------
        places : sequence of ndarray of shape (J,), int64
            Where the levels of each factor are now.
        sizes : sequence of int
            How many levels each factor has now.
        """

        def moved(x: Array, k: int) -> Array:
            wide = np.zeros((sizes[k], *x.shape[1:]))
            wide[places[k]] = x
            return wide

        return replace(
            self,
            factors=tuple(
                FactorProducts(moved(f.ZZ, k), moved(f.ZU, k), moved(f.Zy, k))
                for k, f in enumerate(self.factors)
            ),
            pairs={
                (k, m): PairProducts(
                    np.stack([places[k][pair.cells[:, 0]], places[m][pair.cells[:, 1]]], axis=1),
                    pair.ZZ,
                )
                for (k, m), pair in self.pairs.items()
            },
        )

    def alike(self, k: int) -> tuple[Array, Array, Array]:
        """Return a few rows A, [1, X, Z_k] with the cross-products of all: A'A = G.

        Half the digits are lost: a column that is a combination of others is one to 1e-8.

        Returns
        -------
        ndarray of shape (r, 1), (r, p) and (r, q)
        """
        factor, P = self.factors[k], len(self.Uy)
        ZU = factor.ZU.sum(axis=0)
        G = np.block([[self.UU, ZU.T], [ZU, factor.ZZ.sum(axis=0)]])
        sizes = np.sqrt(np.where(np.diag(G) > 0, np.diag(G), 1.0))
        values, vectors = np.linalg.eigh(G / sizes / sizes[:, None])
        A = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T * sizes
        return A[:, :1], A[:, 1:P] + self.x0 * A[:, :1], A[:, P:]

    def save(self, path: Any) -> None:
        """Write to a NumPy archive; it holds numbers only."""
        arrays: dict[str, Any] = {
            "scalars": np.array([self.y0, self.n, self.log_known, self.yy]),
            "x0": self.x0,
            "UU": self.UU,
            "Uy": self.Uy,
        }
        for k, factor in enumerate(self.factors):
            arrays |= {f"{name}_{k}": getattr(factor, name) for name in ("ZZ", "ZU", "Zy")}
        for (k, m), pair in self.pairs.items():
            arrays |= {f"cells_{k}_{m}": pair.cells, f"pair_{k}_{m}": pair.ZZ}
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Any) -> CrossProducts:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            y0, n, log_known, yy = arrays["scalars"].tolist()
            count = sum(name.startswith("Zy_") for name in arrays.files)
            factors = tuple(
                FactorProducts(arrays[f"ZZ_{k}"], arrays[f"ZU_{k}"], arrays[f"Zy_{k}"])
                for k in range(count)
            )
            pairs = {
                (k, m): PairProducts(arrays[f"cells_{k}_{m}"], arrays[f"pair_{k}_{m}"])
                for k, m in itertools.combinations(range(count), 2)
            }
            return cls(
                arrays["x0"], y0, n, log_known, arrays["UU"], arrays["Uy"], yy, factors, pairs
            )


def accumulate(designs: Iterable[Design]) -> CrossProducts:
    """Add up the cross-products of chunks of rows.

    Parameters
    ----------
    designs : iterable of Design
        At least one, all made by one `Encoding`.
    """
    total: CrossProducts | None = None
    for design in designs:
        total = CrossProducts.of(design) if total is None else total.add(design)
    if total is None:
        raise ValueError("there are no chunks to add up.")
    return total


def _slopes(design: Design) -> list[int]:
    return [k for k, name in enumerate(design.coefs) if name != names.INTERCEPT]


def _weights(design: Design) -> tuple[Array, float, float]:
    """Return row weights, the number of rows that they stand for, and the sum of log known sds.

    A row of weight k counts as k rows; a row of known sd s has precision 1/s^2.
    """
    frequency = np.ones(design.n) if design.weights is None else design.weights
    n = float(frequency.sum())
    if design.se is None:
        return frequency, n, 0.0
    return frequency / np.square(design.se), n, float(frequency @ np.log(design.se))


def _pair(first: GroupBlock, second: GroupBlock, weights: Array) -> PairProducts:
    cells, where = np.unique(first.codes * second.n_levels + second.codes, return_inverse=True)
    ZZ = np.zeros((len(cells), first.n_coefs, second.n_coefs))
    add_pairs(where.ravel(), first.Z, second.Z, weights, ZZ)
    both = np.stack(np.divmod(cells, second.n_levels), axis=1)
    return PairProducts(both.astype(np.int64), ZZ)
