"""What dependence does to means, and how many parameters its description takes."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd

from hierlm.design import Design, Encoding
from hierlm.errors import DataError
from hierlm.formula import names, parse, unparse
from hierlm.seeds import generator
from hierlm.spec import ModelSpec


class Tabled(Protocol):
    """A model with its rows, as numbers and as they were: `Model` and `Fit` alike."""

    spec: ModelSpec
    design: Design
    frame: pd.DataFrame


def effective_rows(n: int, rho: float, *, clusters: int = 1) -> float:
    r"""Return how many independent rows have a mean as precise as that of correlated ones.

    .. math:: \mathrm{Var}(\bar y) = \frac{\sigma^2}{mn}\left[1 + (n - 1)\rho\right], \qquad
              n_{\text{eff}} = \frac{mn}{1 + (n - 1)\rho}

    Dependence costs rows where the correlation is positive, and wins some where it is negative: at
    its bound, -1/(n - 1), the mean of a cluster has no variance at all.

    Parameters
    ----------
    n : int
        Rows per cluster.
    rho : float
        Correlation of two rows of a cluster, from -1/(n - 1) to 1.
    clusters : int
        m, independent of each other.

    Raises
    ------
    DataError
        If no n variables can have this correlation, all with all.

    Examples
    --------
    >>> effective_rows(10, 0.0), effective_rows(10, 0.5), effective_rows(10, 1.0)
    (10.0, 1.8181818181818181, 1.0)
    >>> effective_rows(2, -0.5), effective_rows(2, -1.0)
    (4.0, inf)
    """
    least = -1 / (n - 1) if n > 1 else -1.0
    if not least <= rho <= 1:
        raise DataError(f"{n} rows can all correlate by {least:.3g} to 1; came {rho!r}.")
    inflation = 1 + (n - 1) * rho
    return clusters * n / inflation if inflation > 1e-12 else float("inf")


def icc_two_ways(
    tau: float, sigma: float, *, pairs: int = 10_000, seed: int | np.random.Generator | None = 0
) -> pd.Series[float]:
    r"""Return the intraclass correlation as a share of variance, and as a correlation.

    .. math:: \frac{\tau^2}{\tau^2 + \sigma^2} = \mathrm{Cor}(y_{ci}, y_{cj})

    Parameters
    ----------
    tau, sigma : float
        Sd between clusters, and within.
    pairs : int
        Clusters of two rows that are simulated.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    pandas.Series
        ``share`` of the variance; ``correlation`` of two rows of a cluster, from V = tau^2 11' +
        sigma^2 I; and that of the ``simulated`` pairs.

    Examples
    --------
    >>> icc_two_ways(0.5, 1.0).round(2).to_dict()
    {'share': 0.2, 'correlation': 0.2, 'simulated': 0.19}
    """
    V = np.array([[tau**2 + sigma**2, tau**2], [tau**2, tau**2 + sigma**2]])
    rng = generator(seed)
    y = tau * rng.normal(size=(pairs, 1)) + sigma * rng.normal(size=(pairs, 2))
    correlation = [V[0, 1] / V[0, 0], np.corrcoef(y[:, 0], y[:, 1])[0, 1]]
    found = [tau**2 / (tau**2 + sigma**2), *correlation]
    return pd.Series(found, ["share", "correlation", "simulated"], dtype=float)


def covariance_parameters(n: int) -> int:
    r"""Return how many parameters an unstructured covariance matrix of n effects has.

    .. math:: p = \frac{n(n + 1)}{2}

    Examples
    --------
    >>> [covariance_parameters(n) for n in (16, 12, 4)]
    [136, 78, 10]
    """
    return n * (n + 1) // 2


def maximal_parameters(model: Tabled) -> pd.DataFrame:
    """Count the covariance parameters of a model, and of its maximal one.

    In the maximal model of Barr, Levy, Scheepers and Tily (2013), doi:10.1016/j.jml.2012.11.001,
    every common effect whose predictors vary within the levels of a grouping factor varies by it,
    and all of these correlate. `Model.check` says which they are.

    Parameters
    ----------
    model : Model or Fit

    Returns
    -------
    pandas.DataFrame
        A row per grouping factor: ``levels``; ``effects`` that vary in this model and their
        covariance ``parameters``; ``maximal_effects`` and ``maximal_parameters``; and the
        ``maximal`` bar.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Reaction ~ Days + (1 | Subject)", hl.load_dataset("sleepstudy"))
    >>> table = maximal_parameters(model)
    >>> print(table[["parameters", "maximal_parameters", "maximal"]].to_string())
             parameters  maximal_parameters               maximal
    Subject           1                   3  (1 + Days | Subject)
    """
    response = model.spec.formula.partition("~")[0]
    rows = {}
    for block in model.design.blocks:
        by_level = model.frame.groupby(block.codes)
        inside = set(block.factor.split(":"))
        terms = ["1"]
        for product in model.spec.encoding.common.terms.products:
            used = {name for atom in product for name in names(atom)}
            if not used & inside and all((by_level[name].nunique() > 1).any() for name in used):
                terms.append(":".join(map(unparse, product)))
        bar = f"({' + '.join(terms)} | {block.factor})"
        largest = Encoding.learn(parse(f"{response} ~ 1 + {bar}"), model.frame)[1].blocks[0]
        now = (block.n_levels, block.n_coefs, block.covariance.n_parameters)
        rows[block.factor] = (*now, largest.n_coefs, largest.covariance.n_parameters, bar)
    columns = ["levels", "effects", "parameters", "maximal_effects", "maximal_parameters"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*columns, "maximal"])
