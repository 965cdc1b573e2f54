"""Rows as numbers: what every engine reads.

A grouping factor is an index vector and the small dense columns of its left sides, never dummies:
memory grows with rows times coefficients, not with rows times levels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hierlm.covariance import Covariance

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GroupBlock:
    """The group-specific effects of one grouping factor.

    Parameters
    ----------
    factor : str
        Name of the grouping factor, ``Subject`` or ``batch:cask``.
    levels : tuple of str
        The J levels.
    coefs : tuple of str
        The q coefficients that vary.
    covariance : Covariance
        Which of them correlate.
    codes : ndarray of shape (n,), int64
        The level of every row, in [0, J); -1 marks a level that was not learnt.
    Z : ndarray of shape (n, q)
        The columns that the coefficients multiply.
    """

    factor: str
    levels: tuple[str, ...]
    coefs: tuple[str, ...]
    covariance: Covariance
    codes: Codes = field(repr=False)
    Z: Array = field(repr=False)

    def __post_init__(self) -> None:
        # Compiled code does not check bounds: a wrong code would read another level's effect.
        if self.codes.size and (self.codes.min() < -1 or self.codes.max() >= len(self.levels)):
            raise IndexError(f"a code of {self.factor!r} is outside [0, {len(self.levels)}).")

    @property
    def n_levels(self) -> int:
        """Number of levels, J."""
        return len(self.levels)

    @property
    def n_coefs(self) -> int:
        """Number of coefficients per level, q."""
        return len(self.coefs)

    def contribution(self, effects: Array) -> Array:
        """Return Z b, row by row.

        Parameters
        ----------
        effects : ndarray of shape (..., J, q)

        Returns
        -------
        ndarray of shape (..., n)

        Raises
        ------
        IndexError
            If a row has code -1: what the effects of a new level are is for the caller to say.
        """
        new = int(np.sum(self.codes < 0))
        if new:
            raise IndexError(
                f"{new} of {len(self.codes)} rows have a level of {self.factor!r} that was not "
                "learnt, and so has no effects."
            )
        return np.asarray(np.einsum("...nq,nq->...n", effects[..., self.codes, :], self.Z))


@dataclass(frozen=True, eq=False)
class Design:
    """The rows of a model as arrays.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Columns of the common effects.
    coefs : tuple of str
        Their names.
    blocks : tuple of GroupBlock
        One per grouping factor, in the order of the formula.
    y : ndarray of shape (n,) or None
        The response (successes for a binomial); None for new data without it.
    offset, weights, trials, se : ndarray of shape (n,) or None
        Known part of the linear predictor; frequency weights; binomial trials; known sds.
    """

    X: Array = field(repr=False)
    coefs: tuple[str, ...]
    blocks: tuple[GroupBlock, ...]
    y: Array | None = field(default=None, repr=False)
    offset: Array | None = field(default=None, repr=False)
    weights: Array | None = field(default=None, repr=False)
    trials: Array | None = field(default=None, repr=False)
    se: Array | None = field(default=None, repr=False)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.X)

    @property
    def response(self) -> Array:
        """The response of a design that has one."""
        if self.y is None:
            raise ValueError("this design was made without a response.")
        return self.y

    def take(self, rows: slice | Codes) -> Design:
        """Return some of the rows; levels and columns stay as they are."""
        blocks = tuple(replace(b, codes=b.codes[rows], Z=b.Z[rows]) for b in self.blocks)
        optional = ("y", "offset", "weights", "trials", "se")
        found = {name: getattr(self, name) for name in optional}
        kept = {name: None if value is None else value[rows] for name, value in found.items()}
        return Design(self.X[rows], self.coefs, blocks, **kept)

    def linear_predictor(self, beta: Array, effects: dict[str, Array]) -> Array:
        """Return offset + X beta + the sum of Z b over the grouping factors.

        Parameters
        ----------
        beta : ndarray of shape (..., p)
        effects : dict of str to ndarray of shape (..., J, q)
            By the name of the grouping factor.

        Returns
        -------
        ndarray of shape (..., n)
        """
        eta = beta @ self.X.T
        for block in self.blocks:
            eta = eta + block.contribution(effects[block.factor])
        return eta if self.offset is None else eta + self.offset
