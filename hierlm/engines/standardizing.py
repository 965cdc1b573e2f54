r"""Coordinates in which a posterior of few parameters is nearly standard normal.

.. math:: x = \hat x + S z, \quad S S' = \left[-\nabla^2 \log p(\hat x)\right]^{-1}

at the mode: a change of variables with a constant Jacobian, so the posterior is exact whatever the
mode is worth, and NUTS has little left to adapt to. The mode is found with the gradient, the second
derivatives are differences of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hierlm.engines.packing import Packed
from hierlm.kernels.native import Affine, collapsed_posterior
from hierlm.kernels.table import evaluate, tabulate
from hierlm.kernels.transforms import FOLDED

Array = NDArray[np.float64]
Density = Callable[[Array], tuple[float, Array]]

_STEP = 1e-3  # of differences, in coordinates such as the logs of sds
_DEEP = 1e300  # what is minimised where there is no finite density
_SEARCH: Any = {"gtol": 1e-3, "maxiter": 200}
_NEAR = 3.0  # sds from the mode to the fold that leave draws on both sides
_LEAST = 1e-3  # curvature along an axis of the scaled Hessian that counts as one


@dataclass(frozen=True, eq=False)
class Standardized:
    """The change of variables, and whether a mode was found to base it on.

    Parameters
    ----------
    affine : Affine
    found : bool
        Without a mode, coordinates stay as they are, around the start.
    """

    affine: Affine
    found: bool


def standardize(packed: Packed, start: Array) -> Standardized:
    """Return coordinates around the mode of the collapsed posterior.

    Parameters
    ----------
    packed : Packed
    start : ndarray of shape (d,)
        Where the search begins.
    """
    found = around_mode(density_of(packed), start)
    center, scale = found.affine
    spread = np.sqrt(np.square(scale).sum(axis=1))
    folded = np.flatnonzero(packed.layout.priors[:, 4] == FOLDED)
    if (np.abs(center[folded]) < _NEAR * spread[folded]).any():
        # beyond the fold the posterior is turned the other way, so axes stay as they are
        return Standardized(Affine(center, np.diag(spread)), found.found)
    return found


def around_mode(density: Density, start: Array) -> Standardized:
    """Return coordinates around the mode of a log density.

    Parameters
    ----------
    density : callable
        Takes x, of shape (d,), and returns the log density and its gradient.
    start : ndarray of shape (d,)
        Where the search begins.
    """

    def depth(x: Array) -> tuple[float, Array]:
        value, slope = density(x)
        return (-value, -slope) if np.isfinite(value) else (_DEEP, np.zeros(len(x)))

    scale, mode = None, start
    if len(start):
        with np.errstate(all="ignore"):  # a step too far is taken back
            found = optimize.minimize(depth, start, jac=True, method="BFGS", options=_SEARCH)
            mode = np.asarray(found.x, np.float64)
            scale = _scale(density, mode) if np.isfinite(mode).all() else None
    if scale is None:
        return Standardized(Affine(start.copy(), np.eye(len(start))), found=False)
    return Standardized(Affine(mode, scale), found=True)


def _scale(density: Density, mode: Array) -> Array | None:
    """Return S at the mode, lower triangular; None where the density does not curve down."""
    d = len(mode)
    curvature = np.empty((d, d))
    for k in range(d):
        step = np.zeros(d)
        step[k] = _STEP
        curvature[k] = (density(mode - step)[1] - density(mode + step)[1]) / (2 * _STEP)
    curvature = (curvature + curvature.T) / 2
    diagonal = np.diag(curvature)
    if not np.isfinite(curvature).all() or (diagonal <= 0).any():
        return None
    sizes = 1 / np.sqrt(diagonal)
    if np.linalg.eigvalsh(curvature * sizes * sizes[:, None])[0] < _LEAST:
        return None
    scale: Array = np.linalg.cholesky(np.linalg.inv(curvature))
    return np.ascontiguousarray(scale)


def density_of(packed: Packed) -> Density:
    """Return the collapsed log density, in machine code, as a function of the coordinates."""
    d = len(packed.start)
    owned = packed.problem, packed.layout, Affine(np.zeros(d), np.eye(d))
    table = tabulate(*owned)

    def density(x: Array, _alive: Any = owned) -> tuple[float, Array]:  # the table has addresses
        return evaluate(collapsed_posterior, table, x)

    return density
