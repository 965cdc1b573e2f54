r"""The cross-products of a working Gaussian model: one step of Newton's method.

With :math:`W = -\partial^2 \ell / \partial \eta^2` and :math:`r = W (\eta - o) + \ell'`, the mode
of the Gaussian model with cross-products Z'WZ and Z'r is the next iterate (McCullagh and Nelder
1989, section 2.5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hierlm.compiling import entry_point
from hierlm.kernels.problem import Problem
from hierlm.kernels.rows import Rows

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@entry_point
def add_working_rows(rows: Rows, W: Array, r: Array, slots: Index, problem: Problem) -> None:
    """Write the cross-products of effects to the arrays of `problem`, which are zero.

    Parameters
    ----------
    W, r : ndarray of shape (n,)
    slots : ndarray of shape (factors, n), int64
        Where in the pattern the columns of the row's level of each factor begin.
    """
    q, p, m1 = problem.Ze.shape[0], rows.X.shape[0], problem.pattern.factor.shape[0]
    first, m = problem.Ze.shape[0] * problem.Ze.shape[1], problem.Ke.shape[0]
    for i in range(W.shape[0]):
        j = rows.at[0, i] // q
        for a in range(q):
            z = W[i] * rows.Z[a, i]
            problem.Ze[a, j] += r[i] * rows.Z[a, i]
            for b in range(q):
                problem.ZZ[a, b, j] += z * rows.Z[b, i]
            for s in range(p):
                problem.ZX[a, s, j] += z * rows.X[s, i]
            for c in range(q, rows.Z.shape[0]):
                slot = slots[rows.factor[c], i] + rows.coef[c]
                problem.pattern.vals[a, slot] += z * rows.Z[c, i]
        for c in range(q, rows.Z.shape[0]):
            row = rows.at[rows.factor[c], i] + rows.coef[c] - first
            z = W[i] * rows.Z[c, i]
            problem.Ke[row] += r[i] * rows.Z[c, i]
            for d in range(q, rows.Z.shape[0]):
                col = rows.at[rows.factor[d], i] + rows.coef[d] - first
                problem.K[row * m + col] += z * rows.Z[d, i]
            for s in range(p):
                problem.K[row * m + m1 + s] += z * rows.X[s, i]
                problem.K[(m1 + s) * m + row] += z * rows.X[s, i]
