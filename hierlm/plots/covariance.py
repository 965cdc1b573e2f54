r"""Heat maps of the covariance of a level's effects, and of the covariance of the rows.

.. math:: V = \sum_k Z_k (I_{J_k} \otimes \Sigma_k) Z_k' + \sigma^2 I
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from arviz_plots import PlotCollection
from numpy.typing import NDArray

from hierlm.design import Design
from hierlm.errors import DataError
from hierlm.plots.canvas import SMALL, WIDTH, Panel, adopt, shorten
from hierlm.plots.effects import posterior_covariance
from hierlm.plots.labels import choose_levels, varying
from hierlm.spec import ModelSpec
from hierlm.summaries import draws_of

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

_WRITTEN = 8  # the largest matrix whose numbers are written into it


def plot_covariance(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    factor: str | None = None,
    *,
    levels: str | Sequence[str] | None = None,
    rows: int = 60,
    correlation: bool = False,
    ax: Any = None,
) -> PlotCollection:
    """Draw the covariance matrix of each factor's effects, and that of the rows.

    The rows are ordered by grouping factor, the one with the fewest levels first, so that rows
    that share a level form a block. All at the posterior means of the matrices.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    idata : xarray.DataTree
    factor : str, optional
        One factor's effects, and its levels first in the order; all when not given.
    levels : str or sequence of str, optional
        Show the rows of these levels of the factor.
    rows : int
        How many rows to show, at most: the first ones in that order.
    correlation : bool
        Correlations in place of covariances.
    ax : sequence of Axes, optional
        Of matplotlib: one per factor and one for the rows.

    Returns
    -------
    PlotCollection
        On matplotlib. With a link, or where there is no sigma, the rows' matrix is that of the
        linear predictor, without the residual.

    Raises
    ------
    DataError
        If a factor or level is not there, or the model has none.
    """
    first = varying(spec, factor if factor or not spec.groups else spec.groups[0].factor)
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise DataError(f"rows is a whole number from 1; came {rows!r}.")
    groups = [first] if factor else list(spec.groups)
    Sigmas = {g.factor: posterior_covariance(idata, g).mean(axis=0) for g in spec.groups}
    chosen = choose_levels(first, levels) if levels is not None else None
    order, outer = _order(spec, design, first.factor if factor else None, chosen)
    order = order[:rows]
    V, residual = marginal_covariance(spec, design, idata, order, Sigmas)
    panels = [g.factor for g in groups]
    rows_name = "rows" if "rows" not in panels else "all rows"
    made = adopt([*panels, rows_name], _axes(len(groups)) if ax is None else ax)
    word = "correlation" if correlation else "covariance"
    for group in groups:
        panel = made[group.factor]
        _heat(panel, _scaled(Sigmas[group.factor], correlation))
        _name_both(panel, group.coefs)
        panel.labels(title=f"effects of {shorten(group.factor)}", size=SMALL + 1)
    panel = made[rows_name]
    _heat(panel, _scaled(V, correlation))
    _blocks(panel, design, order, outer)
    shown = f"{len(order)} of {design.n} rows" if len(order) < design.n else f"{design.n} rows"
    what = f"{word} of {'the responses' if residual else 'the linear predictor'}"
    panel.labels(title=f"{what}, {shown} by {shorten(outer, 20)}", size=SMALL + 1)
    return made.collection


def marginal_covariance(
    spec: ModelSpec, design: Design, idata: xr.DataTree, rows: Rows, Sigmas: dict[str, Array]
) -> tuple[Array, bool]:
    """Return Z Sigma Z' + sigma^2 I of some rows, and whether it has the residual.

    Parameters
    ----------
    spec, design, idata
    rows : ndarray of shape (m,)
    Sigmas : dict of str to ndarray of shape (q, q)

    Returns
    -------
    ndarray of shape (m, m)
    bool
        Whether the response has a residual on the scale of the linear predictor.
    """
    V = np.zeros((len(rows), len(rows)))
    for block in design.blocks:
        Z, codes = block.Z[rows], block.codes[rows]
        V += (Z @ Sigmas[block.factor] @ Z.T) * (codes[:, None] == codes)
    normal = spec.family.name in ("gaussian", "lognormal") and spec.family.link.name == "identity"
    if normal and design.se is not None:
        V += np.diag(np.square(design.se[rows]))
    elif normal:
        V += np.eye(len(rows)) * np.square(draws_of(idata, "sigma")).mean()
    return V, normal


def _order(
    spec: ModelSpec, design: Design, first: str | None, levels: list[str] | None
) -> tuple[Rows, str]:
    """Return the rows so that blocks show, and the factor whose levels are the largest blocks."""
    blocks = sorted(design.blocks, key=lambda b: (b.factor != first, b.n_levels))
    order = np.lexsort([block.codes for block in reversed(blocks)])
    outer = blocks[0]
    if levels is not None:
        outer = next(b for b in design.blocks if b.factor == (first or spec.groups[0].factor))
        wanted = [outer.levels.index(level) for level in levels]
        order = np.concatenate([order[outer.codes[order] == code] for code in wanted])
    return order.astype(np.int64), outer.factor


def _scaled(matrix: Array, correlation: bool) -> Array:
    if not correlation:
        return matrix
    sd = np.sqrt(np.diag(matrix))
    return np.asarray(matrix / np.outer(sd, sd))


def _axes(n: int) -> list[Any]:
    """Return new axes: small ones in a row, and below them a large one."""
    import matplotlib.pyplot as plt

    height = 1.9 if n > 1 else 2.4
    figure = plt.figure(figsize=(WIDTH, height + 4.6), layout="constrained")
    spec = figure.add_gridspec(2, n, height_ratios=[height, 4.6])
    return [*(figure.add_subplot(spec[0, k]) for k in range(n)), figure.add_subplot(spec[1, :])]


def _heat(panel: Panel, matrix: Array) -> None:
    """Draw a matrix in colours around zero; with its numbers, or a scale where they do not fit."""
    top = float(np.abs(matrix).max()) or 1.0
    image = panel.target.imshow(matrix, cmap="RdBu_r", vmin=-top, vmax=top)
    panel.target.spines[:].set_visible(False)
    if len(matrix) > _WRITTEN:
        bar = panel.target.figure.colorbar(image, ax=panel.target, shrink=0.85, pad=0.02)
        bar.ax.tick_params(labelsize=SMALL - 1)
        bar.outline.set_visible(False)
    else:
        size = SMALL if len(matrix) < 5 else SMALL - 2
        for (i, j), value in np.ndenumerate(matrix):
            color = "white" if abs(value) > 0.6 * top else "black"
            panel.text(j, i, f"{value:.3g}", color=color, size=size)


def _name_both(panel: Panel, names: Sequence[str]) -> None:
    places = np.arange(len(names))
    many = len(names) > 2
    style = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if many else {}
    short = [shorten(name, 14) for name in names]
    panel.ticks("x", places, short, size=SMALL - 1, **style)
    panel.ticks("y", places, short, size=SMALL - 1)


def _blocks(panel: Panel, design: Design, rows: Rows, factor: str) -> None:
    """Name the levels of the outer factor at the middle of their blocks, those that fit."""
    block = next(block for block in design.blocks if block.factor == factor)
    codes = block.codes[rows]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    ends = np.append(starts[1:], len(codes))
    middles = (starts + ends - 1) / 2
    every = -(-len(starts) // 24)
    names = [block.levels[codes[s]] for s in starts[::every]]
    panel.ticks("y", middles[::every], names, size=SMALL - 1)
    panel.ticks("x", [], [])
    panel.labels(y=factor, size=SMALL + 1)
