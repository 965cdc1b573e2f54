"""Posterior means as text, with the digits that the draws support."""

from __future__ import annotations

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names
from hierlm.spec import ModelSpec
from hierlm.tables import supported

Array = NDArray[np.float64]


def posterior_means(spec: ModelSpec, idata: xr.DataTree) -> dict[str, str]:
    r"""Return the posterior mean of every parameter that describes a model, as text.

    Each sd also has its penalty, ``lambda_sd_g[a]``:
    :math:`\lambda = \bar\sigma^2 / \bar\sigma_u^2` (:math:`1 / \bar\sigma_u^2` without a sigma of
    normal errors), with the Monte Carlo error of the two means by the delta method.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree

    Returns
    -------
    dict of str to str
        By the names of `hierlm.priors.Priors`; correlations as ``cor_g[a, b]``.
    """
    found: dict[str, tuple[float, float]] = {}
    for k, coef in enumerate(spec.coefs):
        found[coef] = _mean(_draws(idata, names.BETA)[..., k])
    for shape in spec.shapes:
        found[shape.name] = _mean(_draws(idata, shape.name))
    penalties = {}
    for group in spec.groups:
        sds = [_mean(d) for d in np.moveaxis(_draws(idata, names.sd(group.factor)), -1, 0)]
        for coef, value in zip(group.coefs, sds, strict=True):
            key = names.element(names.sd(group.factor), coef)
            found[key] = value
            penalties[f"lambda_{key}"] = _penalty(spec, found.get("sigma"), value)
        for k, (i, j) in enumerate(group.covariance.pairs):
            pair = names.pair(group.coefs[i], group.coefs[j])
            draws = _draws(idata, names.cor(group.factor))[..., k]
            found[names.element(names.cor(group.factor), pair)] = _mean(draws)
    return {key: supported(*value, missing="?") for key, value in (found | penalties).items()}


def _penalty(
    spec: ModelSpec, sigma: tuple[float, float] | None, sd: tuple[float, float]
) -> tuple[float, float]:
    normal = spec.family.name in ("gaussian", "lognormal") and spec.family.link.name == "identity"
    over = sigma if normal and sigma is not None else (1.0, 0.0)
    ratio = (over[0] / sd[0]) ** 2
    a, b = (error / mean if np.isfinite(error) else 0.0 for mean, error in (over, sd))
    return ratio, 2 * ratio * float(np.hypot(a, b))


def _draws(idata: xr.DataTree, variable: str) -> Array:
    values = idata["posterior"][variable].transpose(*names.SAMPLE_DIMS, ...)
    return np.asarray(values.to_numpy())


def _mean(draws: Array) -> tuple[float, float]:
    """Return the mean and its Monte Carlo standard error; zero for what is fixed."""
    if np.ptp(draws) == 0:
        return float(draws.flat[0]), 0.0
    return float(draws.mean()), float(array_stats.mcse(draws, method="mean"))
