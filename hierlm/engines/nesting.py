"""Which grouping factors lie in which, and which chain of them is eliminated without fill-in.

A factor is nested in another when each of its levels meets one level of the other: classes in
schools. Along a chain, innermost first, eliminating a level joins nothing but the levels that it
lies in and the columns that meet every level.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from hierlm.spec import ModelSpec

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


def trailing_size(spec: ModelSpec) -> int:
    """Return how large a dense matrix costs as much to factor as what the engine has to factor.

    That is the columns that are left when a chain of nested factors is eliminated, and the rows
    that these have beside the chain's outer levels.
    """
    n_levels = [len(group.levels.labels) for group in spec.groups]
    n_coefs = [len(group.coefs) for group in spec.groups]
    sizes = [J * q for J, q in zip(n_levels, n_coefs, strict=True)]
    chain = heaviest_chain(n_levels, n_coefs, spec.encoding.nested)
    dense = sum(sizes) - sum(sizes[k] for k in chain) + len(spec.coefs)
    outer = sum(sizes[k] for k in chain[1:])
    return round(float(np.cbrt(dense**3 + 3 * outer * dense**2)))
