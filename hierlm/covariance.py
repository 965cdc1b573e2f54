r"""Covariance structures of a block of group-specific effects.

The q effects of one level are :math:`b = T u`, :math:`u \sim N(0, I)`, with
:math:`T = \mathrm{diag}(sd)\, C` and :math:`C` the Cholesky factor of the correlation matrix.
A structure says which of the q(q-1)/2 correlations are free: it is a partition of the
coefficients into parts that correlate within, and not between. ``(x | g)`` is one part,
``(x || g)`` is q parts of one, ``(1 | g) + (0 + x | g)`` is two.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Covariance:
    """Which coefficients of a block correlate.

    Parameters
    ----------
    parts : tuple of tuple of int
        A partition of ``range(q)`` into runs of correlated coefficients, in order.

    Examples
    --------
    >>> Covariance.unstructured(3).pairs
    ((0, 1), (0, 2), (1, 2))
    >>> Covariance.diagonal(2)
    Covariance(parts=((0,), (1,)))
    """

    parts: tuple[tuple[int, ...], ...]

    @classmethod
    def unstructured(cls, q: int) -> Covariance:
        """Return the structure in which all `q` coefficients correlate."""
        return cls((tuple(range(q)),))

    @classmethod
    def diagonal(cls, q: int) -> Covariance:
        """Return the structure in which none of the `q` coefficients correlate."""
        return cls(tuple((i,) for i in range(q)))

    def then(self, other: Covariance) -> Covariance:
        """Return the block-diagonal structure of this one followed by `other`."""
        shifted = tuple(tuple(i + self.size for i in part) for part in other.parts)
        return Covariance(self.parts + shifted)

    @property
    def size(self) -> int:
        """Number of coefficients, q."""
        return sum(len(part) for part in self.parts)

    @property
    def correlated_parts(self) -> tuple[tuple[int, ...], ...]:
        """The parts that have a correlation."""
        return tuple(part for part in self.parts if len(part) > 1)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of coefficients that correlate, part by part, each pair once."""
        return tuple(pair for part in self.parts for pair in itertools.combinations(part, 2))

    @property
    def n_parameters(self) -> int:
        """Number of sds and correlations: q(q+1)/2 for one unstructured part."""
        return self.size + len(self.pairs)

    @property
    def kind(self) -> str:
        """What ``print(model)`` calls the structure."""
        if self.size == 1:
            return "one sd"
        if not self.correlated_parts:
            return "uncorrelated"
        return "correlated" if len(self.parts) == 1 else "correlated within bars"

    def correlation(self, cor: Array) -> Array:
        """Return correlation matrices from vectors of pairs.

        Parameters
        ----------
        cor : ndarray of shape (..., n_pairs)
            Correlations in the order of `pairs`.

        Returns
        -------
        ndarray of shape (..., q, q)
        """
        matrix = np.broadcast_to(np.eye(self.size), (*cor.shape[:-1], self.size, self.size)).copy()
        for k, (i, j) in enumerate(self.pairs):
            matrix[..., i, j] = matrix[..., j, i] = cor[..., k]
        return matrix

    def covariance(self, sd: Array, cor: Array) -> Array:
        """Return covariance matrices from sds and correlations.

        Parameters
        ----------
        sd : ndarray of shape (..., q)
        cor : ndarray of shape (..., n_pairs)

        Returns
        -------
        ndarray of shape (..., q, q)
        """
        return np.asarray(sd[..., :, None] * self.correlation(cor) * sd[..., None, :])
