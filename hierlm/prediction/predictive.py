"""Predictions as their users get them: draws in a DataTree, or a table with a row per row.

Rows are computed `BLOCK` at a time, whatever their number, so that a table of a million rows needs
the memory of a few blocks. Every block has a stream of random numbers of its own, keyed on the seed
and the number of the block: draws depend on the seed and the position of a row, not on memory, the
number of threads, or the rows that come after.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design
from hierlm.errors import DataError
from hierlm.prediction.backtransform import inverse_response, response_name
from hierlm.prediction.newlevels import NewLevels, keyed, root_seed
from hierlm.prediction.predictor import BLOCK, Predictor, Seed, read_rows, row_blocks
from hierlm.prediction.selection import Groups, select
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval
from hierlm.tables import Table

Array = NDArray[np.float64]
Kind = Literal["linpred", "epred", "predict"]

MAX_BYTES = 2**30
"""The largest tree of draws that is made."""

_WORKERS = min(4, os.cpu_count() or 1)

# what the rows must have beside predictors and offsets
NEEDS: dict[Kind, tuple[str, ...]] = {
    "linpred": (),
    "epred": ("trials",),
    "predict": ("trials", "se"),
}


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Parameters
    ----------
    kind : {"linpred", "epred", "predict"}
    groups : str or sequence of str
    new_levels : {"error", "sample", "population"}
    seed : int or numpy.random.Generator, optional
    num_draws : int, optional
        Draws used, as many of each chain, evenly spaced; all of them when not given.
    back_transform : bool
        Whether draws are taken to the scale of the data where the response is transformed.
    """

    kind: Kind
    groups: Groups = "all"
    new_levels: NewLevels = "error"
    seed: Seed = None
    num_draws: int | None = None
    back_transform: bool = False


def answer(
    spec: ModelSpec,
    idata: xr.DataTree,
    fitted: Callable[[], Design],
    newdata: Any,
    request: Request,
    interval: Interval | None,
) -> xr.DataTree | pd.DataFrame:
    """Return a table where an interval is given, else draws, of new rows or of those of the fit.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    fitted : callable
        Returns the rows of the fit, which may not have been kept.
    newdata : data frame of any kind, dict of columns, path, or None
        None for the rows of the fit. The table has the index of a pandas frame.
    request : Request
    interval : Interval, optional
    """
    check_request(spec, request)
    index, observed = None, None
    if newdata is not None:
        design = read_rows(spec, newdata, request.groups, values=NEEDS[request.kind])
        index = newdata.index if isinstance(newdata, pd.DataFrame) else None
    else:
        design = fitted()
        observed = design.response if request.kind == "predict" else None
    if interval is None:
        return predictive_tree(spec, idata, design, request, observed)
    return predictive_table(spec, idata, design, request, interval, index)


def check_request(spec: ModelSpec, request: Request) -> None:
    """Refuse averages over effects of what is not an expectation.

    Raises
    ------
    DataError
    """
    if not select(spec, request.groups).integrate or request.kind == "epred":
        return
    if request.kind == "linpred":
        raise DataError(
            "groups='integrate' averages a response over group-specific effects; the mean of the "
            "linear predictor is that with effects at zero.\n  Write groups='none', or use epred."
        )
    raise DataError(
        "groups='integrate' gives an expectation, and predict() draws responses.\n"
        "  For a member of a new group give it a level of its own in newdata, and "
        "new_levels='sample'. For the average use epred."
    )


def predictive_tree(
    spec: ModelSpec,
    idata: xr.DataTree,
    design: Design,
    request: Request,
    observed: Array | None = None,
) -> xr.DataTree:
    """Return draws, paired one to one with those of the posterior.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    design : Design
    request : Request
    observed : ndarray of shape (n,), optional
        The response, where these are the rows of the fit and responses are drawn: the groups are
        then ``posterior_predictive`` and ``observed_data``, else ``predictions``.

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    DataError
        If the draws would take more than `MAX_BYTES`.
    """
    chains, draws = _kept(idata, request.num_draws)
    size = len(chains) * len(draws)
    _check_size(size, design.n, len(chains))
    blocks = _Blocks(spec, idata, design, request)
    values = np.empty((size, design.n), dtype=blocks.dtype)

    def keep(rows: slice, block: Array) -> None:
        values[:, rows] = block.T

    blocks.each(keep)
    variable: str = request.kind
    if request.kind == "predict":
        variable = response_name(spec, back_transform=request.back_transform)
    coords = {"chain": chains, "draw": draws, names.OBS: np.arange(design.n)}
    dims = (*names.SAMPLE_DIMS, names.OBS)
    shaped = values.reshape(len(chains), len(draws), -1)
    predicted = xr.Dataset({variable: (dims, shaped)}, coords=coords)
    groups = {"predictions": predicted}
    if observed is not None:
        y = inverse_response(spec)(observed) if request.back_transform else observed
        seen = xr.Dataset({variable: (names.OBS, y)}, coords={names.OBS: coords[names.OBS]})
        groups = {"posterior_predictive": predicted, "observed_data": seen}
    tree = xr.DataTree.from_dict(groups)
    tree.attrs |= {"formula": spec.formula, "kind": request.kind, "seed": blocks.seed}
    return tree


def predictive_table(
    spec: ModelSpec,
    idata: xr.DataTree,
    design: Design,
    request: Request,
    interval: Interval,
    index: pd.Index | None = None,
) -> pd.DataFrame:
    """Return mean, sd and interval of every row, in memory that does not grow with the draws.

    Parameters
    ----------
    spec, idata, design, request
        As in `predictive_tree`.
    interval : Interval
    index : pandas.Index of length n, optional
        Of the table; 0, 1, ... when not given.

    Returns
    -------
    pandas.DataFrame
    """
    table = np.empty((design.n, 4))

    def describe(rows: slice, block: Array) -> None:
        table[rows] = _describe(block, interval)

    _Blocks(spec, idata, design, request).each(describe)
    columns = ["mean", "sd", *interval.columns]
    return Table(table, columns=columns, index=index)


class _Blocks:
    """The blocks of rows, each with its draws: an array of shape (rows, S)."""

    def __init__(
        self, spec: ModelSpec, idata: xr.DataTree, design: Design, request: Request
    ) -> None:
        self.seed = root_seed(request.seed)
        self._spec, self._design, self._kind = spec, design, request.kind
        self._predictor = Predictor.of(
            spec,
            idata,
            design,
            request.groups,
            request.new_levels,
            self.seed,
            _samples(idata, request.num_draws),
        )
        self._back = inverse_response(spec) if request.back_transform else None

    @property
    def dtype(self) -> type[np.generic]:
        """Integers for counts as they are drawn, else floats."""
        whole = self._kind == "predict" and self._spec.family.discrete and self._back is None
        return np.int64 if whole else np.float64

    def each(self, use: Callable[[slice, Array], None]) -> None:
        """Compute every block, in threads, and hand it on with its rows."""

        def work(rows: slice) -> None:
            use(rows, self._compute(self._design.take(rows), rows.start // BLOCK))

        with ThreadPoolExecutor(_WORKERS) as pool:
            for _ in pool.map(work, row_blocks(self._design.n)):
                pass

    def _compute(self, rows: Design, number: int) -> Array:
        # a mean beyond the largest double is infinite, and shown so
        with np.errstate(over="ignore"):
            if self._kind == "linpred":
                return self._predictor.linear(rows)
            if self._kind == "epred":
                return self._predictor.expected(rows)
            drawn = self._predictor.responses(rows, keyed(self.seed, "response", str(number)))
            return drawn if self._back is None else self._back(drawn)


def _describe(draws: Array, interval: Interval) -> Array:
    """Return mean, sd and interval of each row, an array of shape (n, 4)."""
    values = np.asarray(draws, dtype=np.float64)
    count = values.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite draws there is no sd
        spread = values.std(axis=1, ddof=1) if count > 1 else np.full(len(values), np.nan)
        mean = values.mean(axis=1)
        if interval.kind == "hdi":
            bounds = interval.of(values)
        else:  # quantiles of sorted draws: eight times as fast as np.quantile of them
            ordered = np.sort(values, axis=1)
            tails = np.array([(1 - interval.prob) / 2, (1 + interval.prob) / 2]) * (count - 1)
            below = np.floor(tails).astype(int)
            lower, upper = ordered[:, below], ordered[:, np.minimum(below + 1, count - 1)]
            between = lower + (tails - below) * (upper - lower)
            bounds = np.where(lower == upper, lower, between)  # both may be infinite
    return np.column_stack([mean, spread, bounds])


def _kept(idata: xr.DataTree, num_draws: int | None) -> tuple[NDArray[np.int64], ...]:
    """Return the coordinates of the chains and of the draws that are used."""
    posterior = idata["posterior"]
    chains, draws = posterior["chain"].to_numpy(), posterior["draw"].to_numpy()
    return chains, draws[_thinned(len(chains), len(draws), num_draws)]


def _samples(idata: xr.DataTree, num_draws: int | None) -> NDArray[np.int64] | None:
    """Return the positions of the draws that are used, chain after chain."""
    if num_draws is None:
        return None
    chains, draws = (idata["posterior"].sizes[dim] for dim in names.SAMPLE_DIMS)
    kept = _thinned(chains, draws, num_draws)
    return (np.arange(chains)[:, None] * draws + kept).reshape(-1)


def _thinned(chains: int, draws: int, num_draws: int | None) -> NDArray[np.int64]:
    """Return which draws of every chain are used, evenly spaced."""
    if num_draws is None:
        return np.arange(draws)
    whole = isinstance(num_draws, int | np.integer) and not isinstance(num_draws, bool)
    if not whole or not 1 <= num_draws <= chains * draws:
        raise DataError(
            f"num_draws is a whole number from 1 to {chains * draws:,}, the draws of the "
            f"posterior; came {num_draws!r}."
        )
    count = -(-int(num_draws) // chains)
    return np.arange(count) * draws // count


def _check_size(size: int, rows: int, chains: int) -> None:
    needed = 8 * size * rows
    if needed > MAX_BYTES:
        fitting = MAX_BYTES // (8 * rows) // chains * chains
        remedy = "summary=True gives a table instead, in little memory"
        if fitting:
            remedy += f"; num_draws={fitting} would fit"
        raise DataError(
            f"{size:,} draws of {rows:,} rows take {needed / 2**30:.1f} GiB, and the limit is "
            f"{MAX_BYTES / 2**30:g} GiB.\n  {remedy}."
        )
