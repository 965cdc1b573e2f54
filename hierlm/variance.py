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

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design
from hierlm.errors import DataError, FamilyError, did_you_mean
from hierlm.families import Family
from hierlm.formula import names as column_names
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, draws_of, tabulate

Array = NDArray[np.float64]

_LATENT = {"logit": np.pi**2 / 3, "probit": 1.0, "cloglog": np.pi**2 / 6}
_CELLS = 4_000_000  # rows times draws that are computed at a time: 32 MB


def icc(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    interval: Interval,
    *,
    frame: pd.DataFrame | None = None,
    at: Mapping[str, Sequence[Any]] | None = None,
) -> pd.DataFrame:
    """Return the intraclass correlation of every grouping factor, and the residual's share.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The rows over which a varying slope's variance is averaged.
    idata : xarray.DataTree
    interval : Interval
    frame : pandas.DataFrame, optional
        The same rows as they were; needed with `at`.
    at : dict of str to sequence, optional
        Values of predictors that every row is given in turn, crossed: the shares as a curve.

    Returns
    -------
    pandas.DataFrame
        A row per grouping factor and one called ``residual``; the mean shares add up to one.
        With `at` these rows for each combination of values.

    Raises
    ------
    FamilyError
        If the family and link have no variance on the scale of the link, or the mean response
        has no logarithm.
    DataError
        If `at` names a column that no group-specific effect depends on.

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("sleepstudy")
    >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, draws=500, tune=500,
    ...              progress=False)
    >>> curve = icc(fit.spec, fit.design, fit.idata, Interval(), frame=fit.frame,
    ...             at={"Days": [0, 5]})
    >>> curve["mean"].xs("Subject", level="group").round(1).to_dict()
    {0: 0.5, 5: 0.7}
    """
    residual = _residual_variance(spec, design, idata)
    groups = [*(g.factor for g in spec.groups), "residual"]
    if at is None:
        shares = _shares(spec, design, idata, residual)
        return tabulate(shares, pd.Index(groups, name="group"), interval)
    if frame is None:
        raise TypeError("with at, icc needs the frame of the rows.")
    values = _values(spec, at)
    curve = []
    for combination in itertools.product(*values.values()):
        changed = frame.assign(**dict(zip(values, combination, strict=True)))
        rows = replace(spec.encoding.apply(changed), weights=design.weights)
        curve.append(_shares(spec, rows, idata, residual))
    index = pd.MultiIndex.from_product([*values.values(), groups], names=[*values, "group"])
    return tabulate(np.concatenate(curve), index, interval)


def _values(spec: ModelSpec, at: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the values of each predictor as lists; refuse what does not matter to any factor."""
    varying = {name for term in spec.encoding.formula.groups for name in column_names(term.left)}
    for name in at:
        if name not in varying:
            raise DataError(
                f"no group-specific effect depends on {name!r}.{did_you_mean(name, varying)}\n"
                f"  They depend on: {', '.join(sorted(varying)) or 'nothing, they are intercepts'}."
            )
    values = {name: [v] if np.ndim(v) == 0 else list(v) for name, v in at.items()}
    if not values or not all(values.values()):
        raise DataError("at is a dict of predictor and values, as in at={'Days': [0, 3, 9]}.")
    return values


def _shares(spec: ModelSpec, design: Design, idata: xr.DataTree, residual: Array) -> Array:
    """Return the share of every factor and of the residual, an array of shape (K + 1, S)."""
    parts = [_group_variance(spec, design, idata, k) for k in range(len(spec.groups))]
    variances = np.stack(np.broadcast_arrays(*parts, residual))
    shares = variances[:-1] / variances.sum(axis=0)  # zero where the residual's is infinite
    return np.vstack([shares, 1 - shares.sum(axis=0)])


def r2(spec: ModelSpec, design: Design, idata: xr.DataTree, interval: Interval) -> pd.DataFrame:
    r"""Return marginal and conditional R2: the variance that predictors, and groups too, explain.

    .. math:: R^2_m = \frac{v_f}{v_f + \sum_k v_k + v_\varepsilon}, \qquad
              R^2_c = \frac{v_f + \sum_k v_k}{v_f + \sum_k v_k + v_\varepsilon}

    :math:`v_f` is the variance of :math:`x_i'\beta` over the rows, draw by draw, without offsets;
    the other variances are those of `icc` (Nakagawa, Johnson and Schielzeth 2017,
    doi:10.1098/rsif.2017.0213; Johnson 2014, doi:10.1111/2041-210X.12225).

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    idata : xarray.DataTree
    interval : Interval

    Returns
    -------
    pandas.DataFrame
        Rows ``marginal`` and ``conditional``.

    Raises
    ------
    FamilyError
        As `icc`.

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("sleepstudy")
    >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, draws=500, tune=500,
    ...              progress=False)
    >>> r2(fit.spec, fit.design, fit.idata, Interval())["mean"].round(1).to_dict()
    {'marginal': 0.3, 'conditional': 0.8}
    """
    fixed = _fixed_variance(spec, design, idata)
    groups = [_group_variance(spec, design, idata, k) for k in range(len(spec.groups))]
    total = np.sum(np.stack(np.broadcast_arrays(fixed, *groups)), axis=0)
    everything = total + _residual_variance(spec, design, idata)
    shares = np.stack(np.broadcast_arrays(fixed / everything, total / everything))
    return tabulate(shares, pd.Index(["marginal", "conditional"], name="r2"), interval)


def _fixed_variance(spec: ModelSpec, design: Design, idata: xr.DataTree) -> Array:
    """Return the variance of X beta over the rows, with n - 1, for every draw."""
    size = idata["posterior"].sizes["chain"] * idata["posterior"].sizes["draw"]
    if not spec.coefs:
        return np.zeros(size)
    beta, w = draws_of(idata, names.BETA), design.weights
    covariance = np.atleast_2d(np.cov(design.X, rowvar=False, ddof=0, aweights=w))
    count = design.n if w is None else w.sum()
    variance = np.einsum("ps,pq,qs->s", beta, covariance, beta, optimize=True)
    return np.asarray(np.maximum(variance, 0.0) * count / max(count - 1, 1))


def bayes_r2(
    spec: ModelSpec, design: Design, idata: xr.DataTree, interval: Interval
) -> pd.DataFrame:
    r"""Return the Bayesian R2, on the scale of the response.

    .. math:: R^2_s = \frac{V_i\,(E[y_i \mid \theta_s])}
                          {V_i\,(E[y_i \mid \theta_s]) + \overline{\mathrm{var}(y_i \mid \theta_s)}}

    The variance over the rows of the expected response, group-specific effects included, beside
    the mean over the rows of the variance that the family gives an observation (Gelman, Goodrich,
    Gabry and Vehtari 2019, doi:10.1080/00031305.2018.1549100). It is there for every family. Of
    successes in trials: where the numbers of trials differ much they explain much.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    idata : xarray.DataTree
    interval : Interval

    Returns
    -------
    pandas.DataFrame
        One row, ``bayes``.

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("sleepstudy")
    >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, draws=500, tune=500,
    ...              progress=False)
    >>> bayes_r2(fit.spec, fit.design, fit.idata, Interval())["mean"].round(1).to_dict()
    {'bayes': 0.8}
    """
    effects = {g.factor: draws_of(idata, names.effects(g.factor)) for g in spec.groups}
    shapes = {shape.name: draws_of(idata, shape.name) for shape in spec.shapes}
    size = idata["posterior"].sizes["chain"] * idata["posterior"].sizes["draw"]
    beta = draws_of(idata, names.BETA) if spec.coefs else np.empty((0, size))
    step = max(1, _CELLS // max(design.n, 1))
    found = []
    for start in range(0, size, step):
        cut = slice(start, start + step)
        moved = {factor: np.moveaxis(b[..., cut], -1, 0) for factor, b in effects.items()}
        eta = design.linear_predictor(beta[:, cut].T, moved)
        part = {name: values[cut, None] for name, values in shapes.items()}
        found.append(_explained(spec.family, design, eta, part))
    return tabulate(np.concatenate(found)[None], pd.Index(["bayes"], name="r2"), interval)


def _explained(family: Family, design: Design, eta: Array, shapes: dict[str, Array]) -> Array:
    """Return the Bayesian R2 of some draws, of linear predictors of shape (S, n)."""
    mu = family.link.inverse(eta)
    extra = {} if design.trials is None else {"trials": design.trials}
    if design.se is not None:
        shapes = shapes | {"sigma": design.se}
    # a proportion of trials; of a student its centre, for the mean has no bound as nu falls to one
    mean = mu * extra.get("trials", 1.0)
    if family.name == "lognormal":  # the only family whose mean is not linear in mu
        mean = family.mean(mu, **shapes)
    noise = _mean(design, _variance(family, mu, shapes | extra).T)
    weights = np.ones(design.n) if design.weights is None else design.weights
    centered = mean - (mean @ weights / weights.sum())[:, None]
    spread = np.square(centered) @ weights / max(weights.sum() - 1, 1)
    return np.asarray(spread / (spread + noise))


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
            "the variance of a response on the scale of the log link is that at the mean response, "
            f"which is {mean[0]:g} and has no logarithm.\n  bayes_r2() needs none."
        )
    if link == "log":
        return np.log1p(_variance(family, mean, shapes) / np.square(mean))
    raise FamilyError(
        f"with family {family.name} and the {link} link a response has no variance on the scale of "
        "the link, which icc() and r2() divide.\n  bayes_r2() is on the scale of the response."
    )


def _variance(family: Family, mean: Array, shapes: dict[str, Array]) -> Array:
    """Return the variance of a response, infinite where SciPy says there is none (nu <= 1)."""
    variance = family.variance(mean, **shapes)
    return np.where(np.isnan(variance), np.inf, variance)
