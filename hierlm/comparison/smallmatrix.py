"""Algebra of many small matrices: the matrix axes come first, what they vary over comes last.

An operation on a q x q matrix is then q^2 NumPy operations on long vectors, and none on a million
small arrays. For q of one to four, which is what effects of one level have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cholesky(matrix: Array) -> Array:
    """Return the lower factor L, with L L' = A; a pivot below zero counts as zero.

    Parameters
    ----------
    matrix : ndarray of shape (q, q, ...)
        Symmetric, positive semi-definite; of others the factor has a zero on its diagonal.

    Returns
    -------
    ndarray of shape (q, q, ...)

    Examples
    --------
    >>> cholesky(np.array([[4.0, 2.0], [2.0, 2.0]]))
    array([[2., 0.],
           [1., 1.]])
    """
    L = np.zeros_like(matrix)
    for i in range(len(matrix)):
        for j in range(i + 1):
            rest = matrix[i, j] - np.sum(L[i, :j] * L[j, :j], axis=0)
            if i == j:
                L[i, i] = np.sqrt(np.maximum(rest, 0.0))
            else:
                L[i, j] = np.divide(rest, L[j, j], out=np.zeros_like(rest), where=L[j, j] > 0)
    return L


def forward(L: Array, b: Array) -> Array:
    """Return x with L x = b, for L of shape (q, q, ...) and b of shape (q, ...)."""
    x = np.empty(np.broadcast_shapes(b.shape, L.shape[1:]))
    for i in range(len(L)):
        x[i] = (b[i] - np.sum(L[i, :i] * x[:i], axis=0)) / L[i, i]
    return x


def backward(L: Array, b: Array) -> Array:
    """Return x with L' x = b, for L of shape (q, q, ...) and b of shape (q, ...)."""
    q = len(L)
    x = np.empty(np.broadcast_shapes(b.shape, L.shape[1:]))
    for i in reversed(range(q)):
        x[i] = (b[i] - np.sum(L[i + 1 :, i] * x[i + 1 :], axis=0)) / L[i, i]
    return x


def multiply(A: Array, x: Array) -> Array:
    """Return A x, for A of shape (q, q, ...) and x of shape (q, ...)."""
    return np.stack([np.sum(row * x, axis=0) for row in A])
