"""Where divergences are: which parameter is unusually small or large in the draws that diverged.

The rank of a parameter among all draws, between 0 and 1, has mean 1/2 and sd 1 / sqrt(12) where
divergences do not depend on it; over m draws that diverged the mean is that far from 1/2, in
standard errors 1 / sqrt(12 m).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from hierlm import names
from hierlm.checking.findings import Finding
from hierlm.checking.parameters import learnt
from hierlm.simulation.responses import Values
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

_LEAST = 3
_STANDARD_ERRORS = 4.0  # the farthest of many parameters


def divergences(spec: ModelSpec, idata: xr.DataTree, values: Values) -> Iterator[Finding]:
    """Yield where divergent transitions concentrate, and the likely cause.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
        With ``diverging`` among the sample_stats.
    values : dict of str to ndarray of shape (S, ...)
        All draws of the posterior.
    """
    statistics = idata["sample_stats"]
    if "diverging" not in statistics:
        return
    diverging = statistics["diverging"].transpose(*names.SAMPLE_DIMS).to_numpy().ravel() > 0
    count = int(diverging.sum())
    if count < _LEAST:
        return
    found = [(item, _excess(item.draws, diverging)) for item in learnt(spec, values)]
    if not found:
        return
    item, excess = max(found, key=lambda pair: abs(pair[1]))
    if abs(excess) < _STANDARD_ERRORS:
        text = (
            f"The {count} divergences are not in one place: no parameter is unusually small or "
            "large there. Raising target_accept to 0.99 may be enough."
        )
    else:
        small = excess < 0
        there, overall = np.median(item.draws[diverging]), np.median(item.draws)
        text = (
            f"The {count} divergences are where {item.name} is {'small' if small else 'large'} "
            f"(median {there:.2g} there, {overall:.2g} overall). {_cause(spec, item.name, small)}"
        )
    yield Finding("warning", "divergences", text)


def _excess(draws: Array, diverging: NDArray[np.bool_]) -> float:
    """Return how far the mean rank of the divergent draws is from 1/2, in standard errors."""
    ranks = (stats.rankdata(draws) - 0.5) / len(draws)
    count = diverging.sum()
    return float((ranks[diverging].mean() - 0.5) * np.sqrt(12.0 * count))


def _cause(spec: ModelSpec, name: str, small: bool) -> str:
    group = next((g for g in spec.groups if name.startswith(names.sd(g.factor) + "[")), None)
    if group is None:
        return "Look at its prior: is there a border, or a scale far from that of the data?"
    centered = spec.parameterization[group.factor] == "centered"
    if small and centered:
        return (
            "That is the neck of a funnel: effects centred on a small sd. Use "
            f"parameterization={{{group.factor!r}: 'noncentered'}}."
        )
    if small:
        return (
            f"The levels of {group.factor} say little about so small an sd. Raise target_accept "
            "to 0.99; a prior with less mass next to zero, or leaving the term out, helps more."
        )
    return (
        f"The levels of {group.factor} are rich in data, and their effects are known well. Use "
        f"parameterization={{{group.factor!r}: 'centered'}}."
        if not centered
        else "Large values are hardly excluded by the data: a tighter prior on this sd helps."
    )
