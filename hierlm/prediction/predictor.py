r"""The core of every prediction: draws of the linear predictor and of the expected response.

.. math::

    \eta_{is} = o_i + x_i' \beta_s + \sum_k z_{ki}' b_{k, g_k(i), s}, \qquad
    \mathrm{epred}_{is} = E[y_i \mid \eta_{is}, \theta_s]

Rows of new data become a `Design` by `read_rows`, which replays the encoding of the fit; then
`linear_predictor` and `expected_response` are arrays of shape (S, n), paired one to one with the
posterior's draws (chain after chain, as `hierlm.summaries.draws_of` has them). `Predictor` does
the same block of rows by block of rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design, Encoding, Levels, RowValues
from hierlm.errors import DataError, FamilyError, MissingColumnError
from hierlm.formula import GroupTerm
from hierlm.formula import names as column_names
from hierlm.prediction.effects import FactorEffects, Samples, covariances
from hierlm.prediction.integration import LOG, normal_expectation
from hierlm.prediction.newlevels import NewLevels, check_policy, name_levels, root_seed
from hierlm.prediction.selection import Groups, select
from hierlm.sources import read_columns
from hierlm.spec import ModelSpec
from hierlm.summaries import draws_of

Array = NDArray[np.float64]
type Seed = int | np.random.Generator | None

BLOCK = 64
"""Rows that are computed at a time, and that share a stream of random numbers."""

# a factor of no columns has one level, which all rows share
_ANYONE = Levels((), (), ("(anyone)",), ())


def read_rows(
    spec: ModelSpec,
    newdata: Any,
    groups: Groups = "all",
    *,
    values: Collection[str] = ("trials",),
) -> Design:
    """Return new rows as numbers, by replaying what the encoding learnt.

    Parameters
    ----------
    spec : ModelSpec
    newdata : data frame of any kind, dict of columns, or path
        The response is not needed, and neither are the columns of factors that are not in
        `groups`.
    groups : str or sequence of str
        As in `linear_predictor`. With ``"integrate"`` the grouping columns are not needed, only
        the predictors that vary by them.
    values : collection of str
        Which of ``"response"``, ``"weights"``, ``"trials"`` and ``"se"`` are read beside the
        predictors and offsets, where the formula has them.

    Returns
    -------
    Design
        Blocks of the factors in `groups` only. Levels that were not learnt come after those that
        were, under their own labels.

    Raises
    ------
    DataError
        If a column is missing, has missing values, or a categorical predictor has a level that
        was not learnt.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    >>> rows = read_rows(model.spec, {"Days": [0, 9], "Subject": ["308", "new"]})
    >>> rows.X.tolist(), rows.blocks[0].levels[-1], rows.blocks[0].codes.tolist()
    ([[1.0, 0.0], [1.0, 9.0]], 'new', [0, 18])
    >>> read_rows(model.spec, {"Days": [0, 9]}, "none").blocks
    ()
    """
    selection, encoding = select(spec, groups), spec.encoding
    chosen = tuple(group for group in encoding.groups if group.factor in selection.factors)
    terms = tuple(
        term
        for term in encoding.formula.groups
        if names.factor_name(term.factor) in selection.factors
    )
    if selection.integrate:
        chosen = tuple(replace(group, levels=_ANYONE) for group in chosen)
        terms = tuple(replace(term, factor=()) for term in terms)
    known = encoding.values
    wanted = {key: getattr(known, key) for key in ("response", "trials", "weights", "se")}
    wanted = {key: value if key in values else None for key, value in wanted.items()}
    reduced = replace(
        encoding,
        formula=replace(encoding.formula, groups=terms),
        groups=chosen,
        values=RowValues(**wanted, offsets=known.offsets),
    )
    if not _columns(reduced):  # intercepts alone: rows are only counted
        rows = pd.DataFrame(index=range(len(read_columns(newdata))))
        blocks = tuple(group.block(rows, rows) for group in chosen)
        return Design(reduced.common.apply(rows), spec.coefs, blocks)
    try:
        design = reduced.apply(newdata, response=True)
    except MissingColumnError as error:
        raise _without_grouping(error, terms) from None
    return design if selection.integrate else name_levels(spec, design, newdata)


def _columns(encoding: Encoding) -> set[str]:
    """Return the columns that new rows must have."""
    formula = encoding.formula
    parts = [formula.common, *(term.left for term in formula.groups)]
    found = {name for part in parts for name in column_names(part)}
    found |= {name for term in formula.groups for name in term.factor}
    return found | set(encoding.values.columns)


def _without_grouping(
    error: MissingColumnError, terms: tuple[GroupTerm, ...]
) -> MissingColumnError:
    """Return the error, with what to do about a grouping column that is not there."""
    columns = {name for term in terms for name in term.factor}
    if not any(str(error).startswith(f"no column is called {name!r}.") for name in columns):
        return error
    return MissingColumnError(
        f"{error}\n  Without a grouping column: groups='none' sets the effects to zero, "
        "groups='integrate' averages over them (epred)."
    )


def linear_predictor(
    spec: ModelSpec,
    idata: xr.DataTree,
    design: Design,
    *,
    groups: Groups = "all",
    new_levels: NewLevels = "error",
    seed: Seed = None,
    samples: Samples | None = None,
) -> Array:
    """Return draws of the linear predictor, offset included.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    design : Design
        The rows of the fit, or those of `read_rows`.
    groups : {"all", "none", "integrate"}, or str or sequence of str
        Whose group-specific effects enter; those of other factors are zero. ``"integrate"`` is
        ``"none"`` here, for the mean effect is zero.
    new_levels : {"error", "sample", "population"}
        What the effects of levels are that the model has not seen: an error, a draw from
        N(0, Sigma) per posterior draw and level, or zero.
    seed : int or numpy.random.Generator, optional
        For ``new_levels="sample"``. With one whole number a new level has the same effects in
        every call.
    samples : slice or ndarray of int, optional
        Which of the posterior's draws; all of them when not given.

    Returns
    -------
    ndarray of shape (S, n)

    Raises
    ------
    DataError
        If there is no such factor, or a level is new and may not be.

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("sleepstudy")
    >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
    >>> rows = read_rows(fit.spec, {"Days": [0, 9], "Subject": ["308", "new"]})
    >>> eta = linear_predictor(fit.spec, fit.idata, rows, new_levels="sample", seed=1)
    >>> eta.shape
    (4000, 2)
    """
    predictor = Predictor.of(spec, idata, design, groups, new_levels, seed, samples)
    return _all_rows(predictor.linear, design, predictor.size)


def expected_response(
    spec: ModelSpec,
    idata: xr.DataTree,
    design: Design,
    *,
    groups: Groups = "all",
    new_levels: NewLevels = "error",
    seed: Seed = None,
    samples: Samples | None = None,
) -> Array:
    """Return draws of the expected response, on the scale of the response in the formula.

    Parameters
    ----------
    spec, idata, design, groups, new_levels, seed, samples
        As for `linear_predictor`; with ``groups="integrate"`` the mean over the effects, see
        `hierlm.prediction.integration`.

    Returns
    -------
    ndarray of shape (S, n)
        Successes, not a proportion, where there are trials. The centre of a student response,
        which is its mean wherever it has one.

    Raises
    ------
    DataError
        If there is no such factor, or a level is new and may not be.
    FamilyError
        If the mean over the effects does not exist (inverse link).

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("sleepstudy")
    >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
    >>> mean = expected_response(fit.spec, fit.idata, fit.design, samples=slice(0, None, 10))
    >>> mean.shape
    (400, 180)
    """
    predictor = Predictor.of(spec, idata, design, groups, new_levels, seed, samples)
    return _all_rows(predictor.expected, design, predictor.size)


def take_rows(design: Design, index: slice | NDArray[np.int64]) -> Design:
    """Return some rows of a design."""
    blocks = tuple(replace(b, codes=b.codes[index], Z=b.Z[index]) for b in design.blocks)
    optional = {key: getattr(design, key) for key in ("y", "offset", "weights", "trials", "se")}
    cut = {key: None if value is None else value[index] for key, value in optional.items()}
    return Design(design.X[index], design.coefs, blocks, **cut)


def row_blocks(n: int) -> Iterator[slice]:
    """Return the blocks of rows, in order."""
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def _all_rows(compute: Any, design: Design, size: int) -> Array:
    found = np.empty((design.n, size))
    for rows in row_blocks(design.n):
        found[rows] = compute(take_rows(design, rows))
    return found.T


@dataclass(frozen=True, eq=False)
class Predictor:
    """The draws that predictions need, as arrays whose last axis is the S draws.

    Parameters
    ----------
    spec : ModelSpec
    size : int
        Number of draws, S.
    beta : ndarray of shape (p, S)
    shapes : dict of str to ndarray of shape (S,)
        The constant distributional parameters.
    effects : dict of str to FactorEffects
        By factor, those that enter.
    covariances : dict of str to ndarray of shape (q, q, S)
        By factor, those whose effects are averaged over.
    """

    spec: ModelSpec
    size: int
    beta: Array
    shapes: dict[str, Array]
    effects: dict[str, FactorEffects]
    covariances: dict[str, Array]

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        idata: xr.DataTree,
        design: Design,
        groups: Groups,
        new_levels: NewLevels,
        seed: Seed,
        samples: Samples | None = None,
    ) -> Predictor:
        """Read the draws, for the rows of `design` and any of its parts.

        Raises
        ------
        DataError
            If a level is new and may not be, or a factor was not read.
        """
        check_policy(new_levels)
        selection, cut = select(spec, groups), slice(None) if samples is None else samples
        blocks = {block.factor: block for block in design.blocks}
        absent = [factor for factor in selection.factors if factor not in blocks]
        if absent:
            raise DataError(f"the rows were read without the factor {absent[0]!r}.")
        total = idata["posterior"].sizes["chain"] * idata["posterior"].sizes["draw"]
        size = len(np.arange(total)[cut])
        beta = draws_of(idata, names.BETA)[:, cut] if spec.coefs else np.empty((0, size))
        shapes = {shape.name: draws_of(idata, shape.name)[cut] for shape in spec.shapes}
        if selection.integrate:
            sigmas = {factor: covariances(spec, idata, factor, cut) for factor in selection.factors}
            return cls(spec, size, beta, shapes, {}, sigmas)
        root = root_seed(seed)
        effects = {
            factor: FactorEffects.of(spec, idata, blocks[factor], new_levels, root, cut)
            for factor in selection.factors
        }
        return cls(spec, size, beta, shapes, effects, {})

    def linear(self, design: Design) -> Array:
        """Return the linear predictor of some rows, an array of shape (n, S)."""
        eta = design.X @ self.beta
        if design.offset is not None:
            eta += design.offset[:, None]
        for block in design.blocks:
            if block.factor in self.effects:
                self.effects[block.factor].add(block, eta)
        return eta

    def expected(self, design: Design) -> Array:
        """Return the expected response of some rows, an array of shape (n, S)."""
        family = self.spec.family
        eta, link = self.linear(design), family.link
        if family.name == "lognormal":  # the only family whose mean is not linear in mu
            eta, link = eta + np.square(self.shapes["sigma"]) / 2, LOG
        if self.covariances:
            mean = normal_expectation(link, eta, self.variance(design))
        else:
            mean = link.inverse(eta)
        return mean if design.trials is None else mean * design.trials[:, None]

    def responses(self, design: Design, rng: np.random.Generator) -> NDArray[Any]:
        """Draw a response for every row and draw, an array of shape (n, S).

        Raises
        ------
        FamilyError
            If a mean is none that the family has, or so large that no draw fits in an integer.
        """
        family, extra = self.spec.family, {}
        if design.trials is not None:
            extra["trials"] = design.trials[:, None]
        if design.se is not None:
            extra["sigma"] = design.se[:, None]
        mu = family.link.inverse(self.linear(design))
        try:
            return family.rvs(rng, mu, **self.shapes, **extra)
        except FamilyError:
            raise FamilyError(
                f"no {family.name} response can be drawn in some rows: in some draws its mean there"
                f" is as low as {mu.min():.3g} or as high as {mu.max():.3g}.\n"
                "  Are these rows, or effects of new levels, far from what was fitted? "
                "linpred(..., summary=True) shows which rows it is."
            ) from None

    def variance(self, design: Design) -> Array:
        """Return the variance of z'b over the effects, an array of shape (n, S)."""
        total = np.zeros((design.n, self.size))
        for block in design.blocks:
            if block.factor in self.covariances:
                products = block.Z[:, :, None] * block.Z[:, None, :]
                sigma = self.covariances[block.factor]
                total += products.reshape(design.n, -1) @ sigma.reshape(-1, self.size)
        return np.maximum(total, 0.0)
