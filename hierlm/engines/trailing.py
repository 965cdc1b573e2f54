"""The columns that are left when the first factor is eliminated: their order and their envelope.

Factors that the first is nested in come level by level, each level after those that lie in it; then
the other factors; then the collapsed coefficients. `hierlm.kernels.envelope` says why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierlm.design.crossproducts import CrossProducts
from hierlm.engines.nesting import heaviest_chain
from hierlm.kernels.envelope import Envelope
from hierlm.kernels.lapack import addresses

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LARGE = 48  # columns from which on LAPACK is faster than a loop
_FULL = 0.5  # share of the entries from which on LAPACK is faster than leaving the others out


@dataclass(frozen=True, eq=False)
class Trailing:
    """Where the trailing columns stand.

    Parameters
    ----------
    order : tuple of int
        Positions of the grouping factors, the eliminated one first, then its chain, then the rest.
    starts : tuple of ndarray of shape (J,), int64
        The first column of each level, for each factor of `order` but the first.
    columns : ndarray of shape (m,), int64
        All columns, factor by factor, then the coefficients.
    factor, coef : ndarray of shape (m1,), int64
        What each column is: a position in `order`, and the coefficient.
    """

    order: tuple[int, ...]
    starts: tuple[Index, ...]
    columns: Index
    factor: Index
    coef: Index

    @classmethod
    def of(cls, products: CrossProducts, n_coefs: int) -> Trailing:
        """Order the trailing columns, with `n_coefs` collapsed coefficients."""
        shapes = [f.Zy.shape for f in products.factors]
        chain = heaviest_chain([J for J, _ in shapes], [q for _, q in shapes], products.nested())
        rest = sorted(set(range(len(shapes))) - set(chain), key=lambda k: -np.prod(shapes[k]))
        order = (*chain, *rest)
        starts = _nested_starts(products, chain[1:])
        m1 = sum(int(np.prod(shapes[k])) for k in chain[1:])
        for k in rest:
            J, q = shapes[k]
            starts.append(m1 + q * np.arange(J))
            m1 += J * q
        own = [
            (start[:, None] + np.arange(shapes[k][1])).ravel()
            for k, start in zip(order[1:], starts, strict=True)
        ]
        factor, coef = np.zeros(m1, np.int64), np.zeros(m1, np.int64)
        for position, columns in enumerate(own, 1):
            factor[columns] = position
            coef[columns] = np.arange(len(columns)) % shapes[order[position]][1]
        columns = np.concatenate([*own, m1 + np.arange(n_coefs)]).astype(np.int64)
        return cls(order, tuple(starts), columns, factor, coef)

    def envelope(self, products: CrossProducts) -> Envelope:
        """Return the envelope of what is left of M when the first factor is eliminated."""
        m1, m = len(self.factor), len(self.columns)
        first = np.arange(m, dtype=np.int64)
        first[:m1] -= self.coef
        first[m1:] = 0
        widths = [products.factors[k].Zy.shape[1] for k in self.order[1:]]
        end = np.full(m, m, np.int64)
        end[:m1] = first[:m1] + np.array([0, *widths])[self.factor]
        for start, width, reach in zip(self.starts, widths, self._reach(products), strict=True):
            first[start[:, None] + np.arange(width)] = reach[:, None]
        if m >= LARGE and (np.arange(m) - first).sum() >= _FULL * m * (m - 1) / 2:
            return Envelope(np.zeros(m, np.int64), end, m * np.arange(m), addresses())
        at = np.concatenate([[0], np.cumsum(end - first)[:-1]])[:m] - first
        return Envelope(first, end, at.astype(np.int64), np.zeros(0, np.int64))

    def _reach(self, products: CrossProducts) -> list[Index]:
        """Return the first trailing column that each level meets, itself or through the first."""
        reach = [start.copy() for start in self.starts]
        for j, b in enumerate(self.order[1:]):
            for start, a in zip(self.starts[:j], self.order[1:], strict=False):
                cells, _ = products.cells(a, b)
                np.minimum.at(reach[j], cells[:, 1], start[cells[:, 0]])
        if not reach:
            return reach
        eliminated = self.order[0]
        met = [products.cells(eliminated, k)[0] for k in self.order[1:]]
        lowest = np.full(len(products.factors[eliminated].Zy), len(self.columns), np.int64)
        for start, cells in zip(self.starts, met, strict=True):
            np.minimum.at(lowest, cells[:, 0], start[cells[:, 1]])
        for own, cells in zip(reach, met, strict=True):
            np.minimum.at(own, cells[:, 1], lowest[cells[:, 0]])
        return reach


def _nested_starts(products: CrossProducts, chain: list[int]) -> list[Index]:
    """Return the first columns of the levels of a chain, each level after those that lie in it."""
    paths = []  # of each level: what it lies in, then itself, then a number above all codes
    for t, k in enumerate(chain):
        code = np.arange(len(products.factors[k].Zy))
        path = [np.full(len(code), np.iinfo(np.int64).max)] * t + [code]
        for inner, outer in zip(chain[t:], chain[t + 1 :], strict=False):
            code = np.where(code < 0, -1, _parents(products, inner, outer)[code])
            path.append(code)
        paths.append(np.array(path))
    if not chain:
        return []
    sort = np.lexsort(np.concatenate(paths, axis=1))  # the last key, the outermost, counts most
    J, q = zip(*(products.factors[k].Zy.shape for k in chain), strict=True)
    widths = np.repeat(q, J)
    starts = np.empty(len(widths), np.int64)
    starts[sort] = np.cumsum(widths[sort]) - widths[sort]
    return np.split(starts, np.cumsum(J)[:-1])


def _parents(products: CrossProducts, inner: int, outer: int) -> Index:
    """Return the level of the outer factor that each level of the inner one lies in.

    -1 for a level without rows.
    """
    cells = products.cells(inner, outer)[0]
    found = np.full(len(products.factors[inner].Zy), -1, np.int64)
    found[cells[:, 0]] = cells[:, 1]
    return found
