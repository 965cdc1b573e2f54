r"""Posterior predictive checks: whether the model makes data like these.

.. math:: p_T = \Pr\left(T(y^{rep}) > T(y)\right) + \tfrac12 \Pr\left(T(y^{rep}) = T(y)\right)

over one replicated data set per posterior draw (Gelman, Meng and Stern 1996, Statistica Sinica 6,
733-760). It is near zero or one where the model cannot make such a T, and not uniform otherwise: a
statistic that a parameter fits, as the mean of a gaussian response, is always near one half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.checking.draws import Groups, posterior_values, with_groups
from hierlm.design import Design
from hierlm.errors import DataError, did_you_mean
from hierlm.seeds import generator
from hierlm.simulation.responses import chunks, draw_responses
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval
from hierlm.tables import Table

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]

# Each takes responses of shape (S, n) and returns an array of shape (S,).
STATISTICS: dict[str, Statistic] = {
    "mean": lambda y: np.asarray(y.mean(axis=-1)),
    "sd": lambda y: np.asarray(y.std(axis=-1)),
    "min": lambda y: np.asarray(y.min(axis=-1)),
    "max": lambda y: np.asarray(y.max(axis=-1)),
    "zeros": lambda y: np.asarray(np.mean(y == 0, axis=-1)),
}


def replicate(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    *,
    groups: Groups = "all",
    samples: int | None = None,
    seed: int | np.random.Generator = 0,
) -> Iterator[Array]:
    """Yield replicated responses, a few posterior draws at a time: arrays of shape (s, n).

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    idata : xarray.DataTree
    groups : {"all", "new"}
        Given the effects of the fitted levels, or with effects drawn anew.
    samples : int, optional
        Posterior draws to use at most; all when not given.
    seed : int or numpy.random.Generator
    """
    rng = generator(seed)
    values = with_groups(spec, posterior_values(spec, idata, samples), groups, rng)
    for draws in chunks(len(values[names.BETA]), design.n):
        some = {name: array[draws] for name, array in values.items()}
        yield draw_responses(spec, design, some, rng)


def predictive_tree(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    *,
    groups: Groups = "all",
    samples: int = 500,
    seed: int | np.random.Generator = 0,
) -> xr.DataTree:
    """Return groups ``posterior_predictive`` and ``observed_data``, as ArviZ's plots take them.

    Parameters as for `replicate`. The draws are one chain; they are draws times rows in memory.
    """
    y = np.concatenate(
        list(replicate(spec, design, idata, groups=groups, samples=samples, seed=seed))
    )
    rows = {names.OBS: np.arange(design.n)}
    axes = {"chain": np.arange(1), "draw": np.arange(len(y))}
    predicted = {spec.response: ((*names.SAMPLE_DIMS, names.OBS), y[None])}
    observed = {spec.response: (names.OBS, design.response.astype(y.dtype))}
    return xr.DataTree.from_dict(
        {
            "posterior_predictive": xr.Dataset(predicted, coords=axes | rows),
            "observed_data": xr.Dataset(observed, coords=rows),
        }
    )


def predictive_checks(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    statistics: Sequence[str] | Mapping[str, Statistic] = ("mean", "sd", "min", "max"),
    *,
    by: str | None = None,
    groups: Groups = "all",
    samples: int = 500,
    seed: int | np.random.Generator = 0,
    interval: Interval | None = None,
) -> pd.DataFrame:
    """Compare statistics of the response with those of replicated responses.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The fitted rows.
    idata : xarray.DataTree
    statistics : sequence of str, or dict of str to callable
        Of ``"mean"``, ``"sd"``, ``"min"``, ``"max"`` and ``"zeros"`` (the share of zeros); or
        functions of your own, from an array of shape (S, n) to one of shape (S,).
    by : str, optional
        A grouping factor, for statistics of each of its levels.
    groups : {"all", "new"}
    samples : int
    seed : int or numpy.random.Generator
    interval : Interval, optional

    Returns
    -------
    pandas.DataFrame
        A row per statistic (and level): observed, mean and interval of the replicates, p-value.

    Raises
    ------
    DataError
        If there is no such statistic or grouping factor.
    """
    interval = interval or Interval()
    functions = _functions(statistics)
    parts, levels = _parts(spec, design, by)
    observed = _apply(functions, parts, design.response[None])[0]
    made = [
        _apply(functions, parts, np.asarray(y, dtype=float))
        for y in replicate(spec, design, idata, groups=groups, samples=samples, seed=seed)
    ]
    drawn = np.concatenate(made).T  # statistics by draws
    above = np.mean(drawn > observed[:, None], axis=1) + 0.5 * np.mean(
        drawn == observed[:, None], axis=1
    )
    bounds = interval.of(drawn)
    lower, upper = interval.columns
    columns = {"observed": observed, "mean": drawn.mean(axis=1)}
    columns |= {lower: bounds[:, 0], upper: bounds[:, 1], "p_value": above}
    index: pd.Index = pd.Index(list(functions), name="statistic")
    if by is not None:
        index = pd.MultiIndex.from_product([levels, functions], names=[by, "statistic"])
    return Table(columns, index=index)


def _functions(statistics: Sequence[str] | Mapping[str, Statistic]) -> Mapping[str, Statistic]:
    if isinstance(statistics, Mapping):
        return statistics
    chosen = [statistics] if isinstance(statistics, str) else list(statistics)
    for name in chosen:
        if name not in STATISTICS:
            raise DataError(
                f"no statistic is called {name!r}.{did_you_mean(name, STATISTICS)}\n"
                f"  There are: {', '.join(STATISTICS)}; or give a dict of functions."
            )
    return {name: STATISTICS[name] for name in chosen}


def _parts(
    spec: ModelSpec, design: Design, by: str | None
) -> tuple[list[NDArray[np.int64] | slice], tuple[str, ...]]:
    """Return which rows belong to each level."""
    if by is None:
        return [slice(None)], ()
    group = spec.group(by)
    codes = next(block.codes for block in design.blocks if block.factor == by)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(group.levels.labels)))
    return list(np.split(order, ends[:-1])), group.levels.labels


def _apply(
    functions: Mapping[str, Statistic],
    parts: list[NDArray[np.int64] | slice],
    y: Array,
) -> Array:
    """Return every statistic of every part, an array of shape (S, parts * statistics)."""
    return np.stack([f(y[:, rows]) for rows in parts for f in functions.values()], axis=1)
