"""The ECDF of ranks less that of the uniform distribution, with the band it should keep."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from arviz_plots import PlotCollection

from hierlm.calibration.uniformity import ecdf_band
from hierlm.plots.canvas import POOLED, UNPOOLED, canvas, shorten


def plot_ecdf(
    pit: pd.DataFrame,
    level: float,
    rejected: Collection[str],
    *,
    backend: str | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw a panel for each quantity.

    Parameters
    ----------
    pit : pandas.DataFrame
        Ranks in (0, 1), a row per replication and a column per quantity.
    level : float
        Of all bands together: Bonferroni's.
    rejected : collection of str
        Quantities to set off.
    backend : str, optional
    ax : sequence of Axes, optional

    Returns
    -------
    PlotCollection
    """
    made = canvas(
        list(pit.columns), cols=4, height=1.5, backend=backend, ax=ax, sharex=True, sharey=True
    )
    for name, panel in made.panels.items():
        values = np.sort(pit[name].dropna().to_numpy())
        z, lower, upper = ecdf_band(len(values), 1 - level / pit.shape[1])
        color = UNPOOLED if name in rejected else POOLED
        panel.band(z, lower - z, upper - z, color="B3", alpha=0.4)
        panel.hline(0.0, color="B2", linestyle="C1")
        heights = np.arange(len(values) + 1) / len(values)
        steps = np.repeat(np.concatenate([[0.0], values, [1.0]]), 2)[1:-1]
        panel.line(steps, np.repeat(heights, 2) - steps, color=color)
        panel.labels(title=shorten(str(name)), size=8)
        panel.small_ticks()
    made.outer(x="rank of the truth, from 0 to 1", y="ECDF less uniform")
    return made.collection
