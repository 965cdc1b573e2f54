r"""Shrinkage: each level on its own, each level as the model sees it, and the population.

A level's coefficients are the common effects on its columns plus its deviation,
:math:`\theta_j = A\beta + b_j`, where A writes the columns of X that lie in the span of the bar's
columns Z in terms of Z (for ``Days + (Days | Subject)`` it is the identity, for
``f + (0 + f | g)`` it turns contrasts into cell means). The no-pooling estimate of the same
coefficients uses the level's rows alone, everything else of the model being an offset at its
posterior mean: least squares for a gaussian response, otherwise iteratively reweighted
(`hierlm.shrinkage.own`), with sigma and the other shapes at their posterior means too. What a
level's rows do not determine, or determine only as infinite, is NaN with a reason.

How much the model pools, from 0 (a level speaks for itself) to 1 (it is the population):

.. math:: \lambda_k = 1 - \frac{V_j\,(E[b_{jk}])}{E\,[V_j(b_{jk})]}, \qquad
          \omega_{jk} = \frac{\mathrm{var}(b_{jk})}{E[\sigma_k^2]}

for a coefficient (Gelman and Pardoe 2006, doi:10.1198/004017005000000517; V_j is the variance over
levels) and for one level of it (Gelman and Hill 2007, Data Analysis Using Regression and
Multilevel/Hierarchical Models, section 21.6).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design, GroupBlock
from hierlm.errors import DataError
from hierlm.shrinkage.own import no_pooling
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, draws_of, tabulate
from hierlm.tables import Table

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def shrinkage(
    spec: ModelSpec, design: Design, idata: xr.DataTree, factor: str | None, interval: Interval
) -> pd.DataFrame:
    """Return no-pooling, partially pooled and population values of a factor's coefficients.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The rows of the fit.
    idata : xarray.DataTree
    factor : str or None
        The grouping factor; None where there is one.
    interval : Interval

    Returns
    -------
    pandas.DataFrame
        A row per level and coefficient that varies. ``no_pooling`` and ``no_pooling_se`` are the
        level's own estimate; ``mean``, ``sd`` and the interval the partially pooled one;
        ``population`` the posterior mean for a level without deviation; ``pooling`` how far the
        level is pooled; ``rows`` how many rows it has; ``reason`` why there is no estimate of its
        own, else empty.

    Raises
    ------
    DataError
        If there is no such factor.

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("sleepstudy")
    >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, draws=500, tune=500,
    ...              progress=False)
    >>> table = shrinkage(fit.spec, fit.design, fit.idata, "Subject", Interval())
    >>> table.loc[("308", "Days"), ["no_pooling", "no_pooling_se"]].astype(float).round().tolist()
    [22.0, 3.0]
    """
    block = _block(spec, design, factor)
    A, inside = _translation(block, design)
    effects = draws_of(idata, names.effects(block.factor))
    beta = draws_of(idata, names.BETA) if spec.coefs else np.zeros((0, effects.shape[-1]))
    population = A @ beta
    total = effects + population
    own = no_pooling(spec, design, idata, block, inside)
    sd = draws_of(idata, names.sd(block.factor))
    variance = effects.var(axis=-1, ddof=1) if effects.shape[-1] > 1 else np.nan * effects[..., 0]
    index = pd.MultiIndex.from_product([block.levels, block.coefs], names=[block.factor, "coef"])
    table = Table(
        {"no_pooling": own.estimate.ravel(), "no_pooling_se": own.se.ravel()}, index=index
    )
    table = table.join(tabulate(total.reshape(-1, total.shape[-1]), index, interval))
    J, q = own.estimate.shape
    table["population"] = np.tile(population.mean(axis=-1), J)
    table["pooling"] = (variance / np.square(sd).mean(axis=-1)).ravel()
    table["rows"] = np.repeat(np.bincount(block.codes, minlength=J), q)
    table["reason"] = own.reason.ravel()
    return table


def pooling(spec: ModelSpec, idata: xr.DataTree, factor: str | None = None) -> pd.DataFrame:
    """Return the pooling factor of every coefficient that varies.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    factor : str or None
        One grouping factor; all of them when not given.

    Returns
    -------
    pandas.DataFrame
        A row per factor and coefficient: ``pooling`` (0 without, 1 complete; NaN for one level),
        ``variance``, the posterior mean of the variance over the levels of the data, and
        ``levels``, their number.

    Raises
    ------
    DataError
        If there is no such factor.

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("Penicillin")
    >>> fit = hl.fit("diameter ~ 1 + (1 | plate) + (1 | sample)", data, seed=1, draws=500,
    ...              tune=500, target_accept=0.95, progress=False)
    >>> table = pooling(fit.spec, fit.idata)
    >>> [str(name) for name, _ in table.index], bool((table["pooling"] < 0.3).all())
    (['plate', 'sample'], True)
    """
    chosen = spec.groups if factor is None else (spec.group(factor),)
    tables = []
    for group in chosen:
        b = draws_of(idata, names.effects(group.factor))
        J = len(b)
        within = b.var(axis=0, ddof=1).mean(axis=-1) if J > 1 else np.full(b.shape[1], np.nan)
        between = b.mean(axis=-1).var(axis=0, ddof=1) if J > 1 else within
        with np.errstate(invalid="ignore", divide="ignore"):
            factors = 1 - between / within
        index = pd.MultiIndex.from_product([[group.factor], group.coefs], names=["group", "coef"])
        columns = {"pooling": factors, "variance": within, "levels": np.full(len(index), J)}
        tables.append(Table(columns, index=index))
    empty = Table(columns=["pooling", "variance", "levels"])
    return pd.concat(tables) if tables else empty


def _block(spec: ModelSpec, design: Design, factor: str | None) -> GroupBlock:
    if not spec.groups:
        raise DataError(
            "this model has no grouping factor.\n  A bar makes one: y ~ x + (1 | group)."
        )
    name = spec.group(factor).factor
    return next(block for block in design.blocks if block.factor == name)


def _translation(block: GroupBlock, design: Design) -> tuple[Array, Mask]:
    """Return A, of shape (q, p), with X = Z A on the columns of X in the span of Z; and which."""
    sizes = np.linalg.norm(block.Z, axis=0)
    sizes = np.where(sizes > 0, sizes, 1.0)
    A = np.linalg.lstsq(block.Z / sizes, design.X, rcond=None)[0] / sizes[:, None]
    rest = np.linalg.norm(design.X - block.Z @ A, axis=0)
    inside = rest <= 1e-8 * np.linalg.norm(design.X, axis=0)
    A[np.abs(A) * sizes[:, None] <= 1e-10 * np.linalg.norm(design.X, axis=0)] = 0.0
    return np.where(inside, A, 0.0), inside
