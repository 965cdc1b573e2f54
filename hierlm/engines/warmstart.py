"""Where to start when the model has been sampled before, with fewer rows: at its draws.

Draws of the posterior before more rows came are spread as it is, wider than the one that is wanted:
starts near enough to need no search, and far enough apart for R-hat to mean something.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.engines.packing import Packed
from hierlm.kernels.transforms import FOLDED, INTERVAL, POSITIVE
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

_POINTS = 64
_TINY = 1e-12  # distance from the border of a support, where a coordinate would be infinite


def starting_points(spec: ModelSpec, packed: Packed, earlier: xr.DataTree) -> Array:
    """Return coordinates of draws of an earlier posterior of the same model.

    The inverse of `hierlm.kernels.posterior.parameters`.

    Parameters
    ----------
    spec : ModelSpec
    packed : Packed
    earlier : xarray.DataTree
        With the group posterior, of the same parameters.

    Returns
    -------
    ndarray of shape (points, d)
    """
    posterior = earlier["posterior"].to_dataset()
    wanted = [name for name in posterior if not str(name).startswith(("r_", "z_"))]
    draws = posterior[wanted].stack(sample=names.SAMPLE_DIMS, create_index=False)
    total = draws.sizes["sample"]
    draws = draws.isel(sample=np.unique(np.linspace(0, total - 1, _POINTS).astype(np.int64)))

    def values(name: str) -> Array:
        return np.asarray(draws[name].transpose("sample", ...).to_numpy(), np.float64)

    layout, c = packed.layout, packed.coefficients
    points = np.zeros((draws.sizes["sample"], len(packed.start)))
    for k, position in enumerate(packed.order):
        group = spec.groups[position]
        sds = values(names.sd(group.factor))
        for a in range(len(group.coefs)):
            _place(points, packed, int(layout.sd_at[k, a]), sds[:, a])
        if group.covariance.pairs:
            R = group.covariance.correlation(values(names.cor(group.factor)))
            for factor, first, size, at in layout.parts:
                if factor == k:
                    block = R[:, first : first + size, first : first + size]
                    points[:, at : at + size * (size - 1) // 2] = partial_correlations(block)
    if layout.sigma_at >= 0:
        _place(points, packed, layout.sigma_at, values("sigma"))
    if (layout.beta_at >= 0).any():
        model = np.linalg.solve(c.to_raw, values(names.BETA).T).T
        for column, at in zip(c.kept, layout.beta_at, strict=True):
            _place(points, packed, int(at), model[:, column])
    return points


def _place(points: Array, packed: Packed, at: int, values: Array) -> None:
    """Write the coordinates of a scalar parameter, unless it is fixed."""
    if at < 0:
        return
    kind, lower, upper = packed.layout.priors[at, 4:7]
    if kind == POSITIVE:
        values = np.log(np.maximum(values - lower, _TINY * np.maximum(1.0, np.abs(values))))
    elif kind == FOLDED:
        values = np.arcsinh(values / upper)
    elif kind == INTERVAL:
        share = np.clip((values - lower) / (upper - lower), _TINY, 1 - _TINY)
        values = np.log(share) - np.log1p(-share)
    points[:, at] = values


def partial_correlations(R: Array) -> Array:
    r"""Return the coordinates of correlation matrices.

    .. math:: x_{ij} = \operatorname{artanh}(C_{ij} / s_{ij}), \quad s_{i0} = 1, \quad
              s_{i,j+1}^2 = s_{ij}^2 - C_{ij}^2

    with C the Cholesky factor; the inverse of `hierlm.kernels.transforms.correlation_factor`.

    Parameters
    ----------
    R : ndarray of shape (S, q, q)

    Returns
    -------
    ndarray of shape (S, q (q - 1) / 2)
    """
    q = R.shape[-1]
    C = np.linalg.cholesky(R + _TINY * np.eye(q))
    columns = []
    for i in range(1, q):
        s = np.ones(len(R))
        for j in range(i):
            z = np.clip(C[:, i, j] / s, _TINY - 1, 1 - _TINY)
            columns.append(np.arctanh(z))
            s = s * np.sqrt(1 - z * z)
    return np.stack(columns, axis=1) if columns else np.empty((len(R), 0))
