"""Which grouping factors lie in which, and which chain of them is eliminated without fill-in.

A factor is nested in another when each of its levels meets one level of the other: classes in
schools. Along a chain, innermost first, eliminating a level joins nothing but the levels that it
lies in and the columns that meet every level.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from hierlm.design.crossproducts import CrossProducts

Nested = Collection[tuple[int, int]]


def heaviest_chain(n_levels: Sequence[int], n_coefs: Sequence[int], nested: Nested) -> list[int]:
    """Return the chain of nested factors that has the most columns, innermost first.

    Parameters
    ----------
    n_levels, n_coefs : sequence of int
        Of each grouping factor.
    nested : collection of (int, int)
        Positions (inner, outer) of factors of which one is nested in the other.

    Returns
    -------
    list of int
        Without any nesting, the factor with the most columns; empty without factors.

    Examples
    --------
    >>> heaviest_chain([20, 90, 40], [1, 1, 2], {(1, 0)})
    [1, 0]
    >>> heaviest_chain([20, 90, 40], [1, 1, 3], {(1, 0)})
    [2]
    """
    chains: dict[int, tuple[int, list[int]]] = {}
    for k in sorted(range(len(n_levels)), key=lambda k: -n_levels[k]):  # inner before outer
        inner = [chains[i] for i in chains if (i, k) in nested]
        columns, chain = max(inner, key=lambda found: found[0], default=(0, []))
        chains[k] = columns + n_levels[k] * n_coefs[k], [*chain, k]
    return max((chains[k] for k in sorted(chains)), key=lambda c: c[0], default=(0, []))[1]


def observed_nesting(products: CrossProducts) -> set[tuple[int, int]]:
    """Return the positions (inner, outer) of factors that are nested in the rows seen so far."""
    found = set()
    for (a, b), pair in products.pairs.items():
        for side, key in enumerate([(a, b), (b, a)]):
            if len(np.unique(pair.cells[:, side])) == len(pair.cells):
                found.add(key)
    return found


def parents(products: CrossProducts, inner: int, outer: int) -> NDArray[np.int64]:
    """Return the level of the outer factor that each level of the inner one lies in.

    Returns
    -------
    ndarray of shape (J,), int64
        -1 for a level without rows.
    """
    cells = products.cells(inner, outer)[0]
    found = np.full(len(products.factors[inner].Zy), -1, np.int64)
    found[cells[:, 0]] = cells[:, 1]
    return found
