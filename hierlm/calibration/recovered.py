"""How well posteriors recover parameters that are known: bias, error, coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd

INTERVALS = {50: ("q0.25", "q0.75"), 89: ("q0.055", "q0.945"), 95: ("q0.025", "q0.975")}


def recovered(replicates: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Summarise replications.

    Parameters
    ----------
    replicates : pandas.DataFrame
        With the columns ``truth``, ``mean``, ``sd`` and the quantiles of `INTERVALS`.
    by : list of str
        Columns that say what is alike.

    Returns
    -------
    pandas.DataFrame
        In the order of `replicates`: ``n``, ``bias``, ``mcse_bias``, ``rmse``, ``mean_sd`` (the
        posterior's), ``coverage_50``, ``mcse_50`` and so on.
    """
    table = replicates[by].copy()
    error = replicates["mean"] - replicates["truth"]
    table["error"], table["square"], table["mean_sd"] = error, error**2, replicates["sd"]
    for share, (lower, upper) in INTERVALS.items():
        inside = replicates["truth"].between(replicates[lower], replicates[upper])
        table[f"coverage_{share}"] = inside.astype(float)
    groups = table.groupby(by, sort=False)
    means, n = groups.mean(), groups.size()
    found = pd.DataFrame({"n": n, "bias": means["error"]})
    found["mcse_bias"] = groups["error"].std() / np.sqrt(n)
    found["rmse"] = np.sqrt(means["square"])
    found["mean_sd"] = means["mean_sd"]
    for share in INTERVALS:
        p = means[f"coverage_{share}"]
        found[f"coverage_{share}"] = p
        # with none or all inside, p (1 - p) would say that there is no error
        near = (p * n + 1) / (n + 2)
        found[f"mcse_{share}"] = np.sqrt(near * (1 - near) / n)
    return found
