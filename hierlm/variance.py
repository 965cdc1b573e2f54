r"""Variance partition: which share of the variance is between the levels of each factor.

.. math:: ICC_k = \frac{v_k}{\sum_l v_l + v_\varepsilon}, \qquad
          v_k = \frac1n \sum_i z_{ki}' \Sigma_k z_{ki}

:math:`v_k` averages over the rows where slopes vary, since a factor's variance then depends on x
(Johnson 2014, doi:10.1111/2041-210X.12225). :math:`v_\varepsilon` is the variance of one
observation on the scale of the link (Nakagawa, Johnson and Schielzeth 2017,
doi:10.1098/rsif.2017.0213): sigma^2, pi^2/3 for logit, 1 for probit, pi^2/6 for cloglog, and
log(1 + variance / mean^2) for a log link, at the mean response of the data.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design
from hierlm.errors import FamilyError
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
        A row per grouping factor and one called ``residual``; the shares add up to one.

    Raises
    ------
    FamilyError
        If the family and link have no variance on the scale of the link.
    """
    parts = [_group_variance(spec, design, idata, k) for k in range(len(spec.groups))]
    parts.append(_residual_variance(spec, design, idata))
    stacked = np.stack(np.broadcast_arrays(*parts))
    index = pd.Index([*(g.factor for g in spec.groups), "residual"], name="group")
    return tabulate(stacked / stacked.sum(axis=0), index, interval)


def _group_variance(spec: ModelSpec, design: Design, idata: xr.DataTree, k: int) -> Array:
    group, Z = spec.groups[k], design.blocks[k].Z
    sd = draws_of(idata, names.sd(group.factor)).T
    cor = np.empty((len(sd), 0))
    if group.covariance.pairs:
        cor = draws_of(idata, names.cor(group.factor)).T
    moments = Z.T @ Z / len(Z)  # the mean of z' Sigma z is the trace of Sigma times this
    return np.asarray(np.einsum("sij,ij->s", group.covariance.covariance(sd, cor), moments))


def _residual_variance(spec: ModelSpec, design: Design, idata: xr.DataTree) -> Array:
    family, link = spec.family, spec.family.link.name
    if link in _LATENT and family.discrete:
        return np.array([_LATENT[link]])
    shapes = {shape.name: draws_of(idata, shape.name) for shape in spec.shapes}
    if design.se is not None:
        shapes["sigma"] = np.array([np.sqrt(np.mean(np.square(design.se)))])
    mean = np.array([float(np.mean(design.response))])
    if family.name in ("gaussian", "student") and link == "identity":
        return family.variance(mean, **shapes)
    if family.name == "lognormal":
        return np.square(shapes["sigma"])
    if link == "log":
        return np.log1p(family.variance(mean, **shapes) / np.square(mean))
    raise FamilyError(
        f"the intraclass correlation is not defined for family {family.name} with the {link} link."
    )
