r"""Variance partition: which share of the variance is between the levels of each factor.

.. math:: ICC_k = \frac{v_k}{\sum_l v_l + v_\varepsilon}, \qquad
          v_k = \frac{\sum_i w_i z_{ki}' \Sigma_k z_{ki}}{\sum_i w_i}

:math:`v_k` averages over the rows where slopes vary, since a factor's variance then depends on x
(Johnson 2014, doi:10.1111/2041-210X.12225); a row of frequency weight :math:`w_i` counts as so
many rows, here and in the mean response. :math:`v_\varepsilon` is the variance of one
observation on the scale of the link (Nakagawa, Johnson and Schielzeth 2017,
doi:10.1098/rsif.2017.0213): sigma^2, pi^2/3 for logit, 1 for probit, pi^2/6 for cloglog, and
log(1 + variance / mean^2) for a log link, at the mean response of the data.

A student response has variance sigma^2 nu / (nu - 2), without bound as nu falls to two and
infinite from there on. A draw with nu <= 2 therefore counts with shares of zero and a residual of
one, the limits of the shares: leaving such draws out would condition on light tails.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design
from hierlm.errors import FamilyError
from hierlm.families import Family
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, draws_of, tabulate

Array = NDArray[np.float64]

_LATENT = {"logit": np.pi**2 / 3, "probit": 1.0, "cloglog": np.pi**2 / 6}


def icc(spec: ModelSpec, design: Design, idata: xr.DataTree, interval: Interval) -> pd.DataFrame:
    """Return the intraclass correlation of every grouping factor, and the residual's share.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The rows over which a varying slope's variance is averaged.
    idata : xarray.DataTree
    interval : Interval

    Returns
    -------
    pandas.DataFrame
        A row per grouping factor and one called ``residual``; the mean shares add up to one.

    Raises
    ------
    FamilyError
        If the family and link have no variance on the scale of the link, or the mean response
        has no logarithm.
    """
    parts = [_group_variance(spec, design, idata, k) for k in range(len(spec.groups))]
    parts.append(_residual_variance(spec, design, idata))
    variances = np.stack(np.broadcast_arrays(*parts))
    shares = variances[:-1] / variances.sum(axis=0)  # zero where the residual's is infinite
    index = pd.Index([*(g.factor for g in spec.groups), "residual"], name="group")
    return tabulate(np.vstack([shares, 1 - shares.sum(axis=0)]), index, interval)


def _mean(design: Design, values: Array) -> Array:
    """Return the mean of a quantity over the rows, an array of shape (...) of one of (n, ...)."""
    return np.asarray(np.average(values, axis=0, weights=design.weights))


def _group_variance(spec: ModelSpec, design: Design, idata: xr.DataTree, k: int) -> Array:
    group, Z = spec.groups[k], design.blocks[k].Z
    sd = draws_of(idata, names.sd(group.factor)).T
    cor = np.empty((len(sd), 0))
    if group.covariance.pairs:
        cor = draws_of(idata, names.cor(group.factor)).T
    rows = np.ones(len(Z)) if design.weights is None else design.weights
    # the mean of z' Sigma z is the trace of Sigma times this
    moments = (Z * rows[:, None]).T @ Z / rows.sum()
    return np.asarray(np.einsum("sij,ij->s", group.covariance.covariance(sd, cor), moments))


def _residual_variance(spec: ModelSpec, design: Design, idata: xr.DataTree) -> Array:
    family, link = spec.family, spec.family.link.name
    if link in _LATENT and family.discrete:
        return np.array([_LATENT[link]])
    shapes = {shape.name: draws_of(idata, shape.name) for shape in spec.shapes}
    if design.se is not None:
        shapes["sigma"] = np.sqrt(_mean(design, np.square(design.se)))[None]
    mean = _mean(design, design.response)[None]
    if family.name in ("gaussian", "student") and link == "identity":
        return _variance(family, mean, shapes)
    if family.name == "lognormal":
        return np.square(shapes["sigma"])
    if link == "log" and mean <= 0:
        raise FamilyError(
            f"the intraclass correlation takes the logarithm of the mean response, {mean[0]:g}."
        )
    if link == "log":
        return np.log1p(_variance(family, mean, shapes) / np.square(mean))
    raise FamilyError(
        f"the intraclass correlation is not defined for family {family.name} with the {link} link."
    )


def _variance(family: Family, mean: Array, shapes: dict[str, Array]) -> Array:
    """Return the variance of a response, infinite where SciPy says there is none (nu <= 1)."""
    variance = family.variance(mean, **shapes)
    return np.where(np.isnan(variance), np.inf, variance)
