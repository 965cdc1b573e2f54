"""Two factors of a design: nested, crossed or in between; balanced or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from arviz_plots import PlotCollection
from numpy.typing import NDArray

from hierlm.design.levels import Levels
from hierlm.errors import DataError, did_you_mean
from hierlm.plots.canvas import DATA, POOLED, SMALL, WIDTH, Panel, adopt, canvas, shorten
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

_WRITTEN = 30  # the most levels of a table whose counts are written into it
_LINKED = 40  # the most levels that are drawn as dots with links


@dataclass(frozen=True, eq=False)
class CrossTable:
    """How often the levels of two factors meet.

    Parameters
    ----------
    first, second : str
    rows, columns : tuple of str
        Their levels; those of `second` so ordered that what is nested stands together.
    counts : ndarray of shape (len(rows), len(columns)), int64
    """

    first: str
    second: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: Counts

    @property
    def relation(self) -> str:
        """What the design is, in words.

        Examples
        --------
        >>> rows = pd.DataFrame({"school": [1, 1, 2, 2], "class": list("abcd")})
        >>> cross_table(rows, "school", "class").relation
        'class is nested in school; balanced, 1 row in each cell'
        """
        met = self.counts > 0
        if (met.sum(axis=0) == 1).all():
            kind = f"{self.second} is nested in {self.first}"
        elif (met.sum(axis=1) == 1).all():
            kind = f"{self.first} is nested in {self.second}"
        elif met.all():
            kind = f"{self.first} and {self.second} are crossed"
        else:
            kind = f"{self.first} and {self.second} are partly crossed ({met.mean():.0%} of cells)"
        least, most = int(self.counts[met].min()), int(self.counts[met].max())
        many = "row" if most == 1 else "rows"
        if least == most:
            return f"{kind}; balanced, {most} {many} in each cell"
        return f"{kind}; unbalanced, {least} to {most} {many} in a cell"


def cross_table(data: pd.DataFrame, first: str, second: str) -> CrossTable:
    """Return how often the levels of two columns meet; crossed factors as in ``batch:cask``.

    Parameters
    ----------
    data : pandas.DataFrame
    first, second : str

    Returns
    -------
    CrossTable

    Raises
    ------
    DataError
        If there is no such column.
    """
    (a, i), (b, j) = _levels(data, first), _levels(data, second)
    counts = np.zeros((len(a), len(b)), dtype=np.int64)
    np.add.at(counts, (i, j), 1)
    if len(a) > len(b):  # the factor with fewer levels is that of the rows
        first, second, a, b, counts = second, first, b, a, counts.T
    place = (counts * np.arange(len(a))[:, None]).sum(axis=0) / counts.sum(axis=0)
    order = np.argsort(place, kind="stable") if (counts > 0).sum(axis=0).max() == 1 else slice(None)
    columns = tuple(np.asarray(b, dtype=object)[order])
    return CrossTable(first, second, a, columns, counts[:, order])


def _levels(data: pd.DataFrame, factor: str) -> tuple[tuple[str, ...], Counts]:
    columns = (factor,) if factor in data.columns else tuple(factor.split(":"))
    for name in columns:
        if name not in data.columns:
            raise DataError(
                f"the data have no column {name!r}.{did_you_mean(name, map(str, data.columns))}\n"
                f"  They have: {', '.join(map(str, data.columns))}."
            )
    levels, codes = Levels.learn(columns, data.dropna(subset=list(columns)))
    return levels.labels, codes


def plot_design(
    data: pd.DataFrame, first: str, second: str | None = None, *, ax: Any = None
) -> PlotCollection:
    """Draw how the rows are spread over the levels of two factors, or of one.

    Left, the levels as dots, linked where they meet; right, how many rows each pair has, darker
    the more. Nested factors show as a fan and a staircase, crossed ones as a web and a full
    table, holes as holes. One factor alone is a bar per level.

    Parameters
    ----------
    data : pandas.DataFrame
    first, second : str
        Columns, or crossed ones as in ``"batch:cask"``.
    ax : Axes or sequence of Axes, optional
        Of matplotlib: two for two factors, one for one.

    Returns
    -------
    PlotCollection
        On matplotlib. Above 40 levels the dots are left out, with the table alone.

    Raises
    ------
    DataError
        If there is no such column.

    Examples
    --------
    >>> import hierlm as hl, matplotlib.pyplot as plt
    >>> drawn = plot_design(hl.load_dataset("Pastes"), "batch", "cask")
    >>> plt.close("all")
    """
    if second is None or second == first:
        return _one_factor(data, first, ax)
    table = cross_table(data, first, second)
    linked = len(table.columns) <= _LINKED
    panels = ["links", "rows per cell"] if linked else ["rows per cell"]
    made = adopt(panels, _axes(table, linked) if ax is None else ax)
    if linked:
        _links(made["links"], table)
    _table(made["rows per cell"], table)
    if ax is None:
        figure = made.collection.viz["figure"].item()
        figure.suptitle(made.first.literal(table.relation), fontsize=SMALL + 2)
    else:
        made.first.labels(title=table.relation, size=SMALL)
    return made.collection


def factors_of(spec: ModelSpec, first: str | None, second: str | None) -> tuple[str, str | None]:
    """Return two factors to draw: those named, or the first two of a model."""
    known = [group.factor for group in spec.groups]
    if first is None and not known:
        raise DataError("this model has no grouping factor: name the columns to draw.")
    first = known[0] if first is None else first
    rest = [name for name in known if name != first]
    return first, second or (rest[0] if rest else None)


def _axes(table: CrossTable, linked: bool) -> Any:
    import matplotlib.pyplot as plt

    across = len(table.columns) > 1.6 * len(table.rows)
    height = float(np.clip(0.24 * len(table.columns) + 1.2, 3.2, 9 if not across else 5))
    ratios = [1, 1.35] if linked else [1]
    return plt.subplots(
        ncols=len(ratios), figsize=(WIDTH, height), width_ratios=ratios, layout="constrained"
    )[1]


def _links(panel: Panel, table: CrossTable) -> None:
    """Draw both factors as columns of dots, and a line for each pair that occurs."""
    left = -np.linspace(0, 1, len(table.rows) + 2)[1:-1]
    right = -np.linspace(0, 1, len(table.columns) + 2)[1:-1]
    i, j = np.nonzero(table.counts)
    starts = np.column_stack([np.zeros(len(i)), left[i]])
    ends = np.column_stack([np.ones(len(j)), right[j]])
    panel.segments(starts, ends, color=DATA, width=0.7, alpha=0.6)
    sides = ((0.0, left, table.rows, "right"), (1.0, right, table.columns, "left"))
    for x, places, names, side in sides:
        panel.points(np.full(len(places), x), places, color=POOLED, size=22, zorder=3)
        for y, name in zip(places, names, strict=True):
            away = x + (-0.06 if side == "right" else 0.06)
            size = SMALL if len(names) < 26 else SMALL - 2
            panel.text(away, y, shorten(name, 14), horizontal_align=side, size=size)
    panel.text(0.0, 0.02, table.first, size=SMALL + 1)
    panel.text(1.0, 0.02, table.second, size=SMALL + 1)
    panel.limits(x=(-0.55, 1.55), y=(-1.0, 0.08))
    panel.target.set_axis_off()


def _table(panel: Panel, table: CrossTable) -> None:
    counts = table.counts.astype(float)
    across = len(table.columns) > 1.6 * len(table.rows)
    rows, columns = table.rows, table.columns
    x, y = table.second, table.first
    if across and len(columns) <= _WRITTEN:  # long tables read downwards
        counts, rows, columns, x, y = counts.T, columns, rows, y, x
    top = counts.max() * (2 if (counts[counts > 0] == counts.max()).all() else 1)
    axes = panel.target
    shown = np.where(counts > 0, counts, np.nan)
    axes.imshow(shown, cmap="Blues", vmin=-0.35 * top, vmax=1.1 * top, aspect="auto")
    axes.spines[:].set_visible(False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    if max(counts.shape) <= _WRITTEN:
        for (i, j), count in np.ndenumerate(counts):
            color = "white" if count > 0.6 * top else "black"
            if count:
                panel.text(j, i, f"{count:g}", color=color, size=SMALL - 1)
        for side, n in ((axes.set_xticks, len(columns)), (axes.set_yticks, len(rows))):
            side(np.arange(n + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0)
    _some_ticks(panel, "x", columns, 12, rotation=0 if len(columns) <= 8 else 60)
    _some_ticks(panel, "y", rows, 30)
    panel.labels(x=x, y=y, size=SMALL + 1)


def _some_ticks(panel: Panel, axis: str, names: tuple[str, ...], most: int, **style: Any) -> None:
    every = -(-len(names) // most)
    places = np.arange(len(names))[::every]
    panel.ticks(axis, places, [shorten(names[k], 12) for k in places], size=SMALL - 1, **style)


def _one_factor(data: pd.DataFrame, factor: str, ax: Any) -> PlotCollection:
    names, codes = _levels(data, factor)
    counts = np.bincount(codes, minlength=len(names)).astype(float)
    made = canvas([factor], height=3.0, backend="matplotlib", ax=ax)
    panel = made.first
    places = np.arange(len(names), dtype=float)
    panel.target.bar(places, counts, color=POOLED, width=0.8)
    _some_ticks(panel, "x", names, 18, rotation=0 if len(names) <= 8 else 60)
    least, most = int(counts.min()), int(counts.max())
    said = f"{least} to {most} rows each" if least < most else f"{most} row{'s'[: most > 1]} each"
    panel.labels(
        x=factor, y="rows", title=f"{len(names)} levels of {factor}, {said}", size=SMALL + 1
    )
    return made.collection
