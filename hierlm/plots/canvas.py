"""What every plot is drawn with: panels of an ArviZ `PlotCollection`, on any of its back ends.

The colours are Okabe and Ito's, told apart by colour-blind readers, and mean the same in every
plot. "B1" to "B3" are ArviZ's greys, which follow the background of the style in use.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr
from arviz_base import rcParams
from arviz_plots import PlotCollection
from numpy.typing import ArrayLike, NDArray

from hierlm.errors import DataError, MissingDependencyError

Array = NDArray[np.float64]

DATA = "B2"
POPULATION = "B1"
POOLED = "#0072B2"  # partial pooling: what the model says of a level
UNPOOLED = "#D55E00"  # no pooling: what the level's own rows say
PRIOR = "#E69F00"
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHED = "C1"  # ArviZ's alias of each back end's second line style

WIDTH = 6.4  # inches: 640 pixels at matplotlib's resolution
SMALL, NORMAL = 8, 10  # points

_DIM = "panel"
_LONGEST = 28  # characters of a name on an axis or above a panel
_BACKENDS = ("matplotlib", "plotly", "bokeh", "none")


def shorten(name: str, longest: int = _LONGEST) -> str:
    """Return a name on one line, cut in the middle where it is long.

    Examples
    --------
    >>> shorten("a name that goes on and on for ever", 20)
    'a name tha…or ever'
    """
    name = " ".join(str(name).split()) or " "
    if len(name) <= longest:
        return name
    head = longest // 2
    return f"{name[:head].rstrip()}…{name[head + 3 - longest :].lstrip()}"


def shorten_lines(text: str) -> str:
    """Return text of one or more lines, each cut where it is long."""
    return "\n".join(shorten(line, 2 * _LONGEST) for line in text.split("\n"))


@dataclass(frozen=True)
class Panel:
    """One set of axes; its methods draw on it, alike on every back end.

    Parameters
    ----------
    target : object
        What the back end draws on: matplotlib's Axes.
    backend : str
    """

    target: Any
    backend: str

    @property
    def _draw(self) -> Any:
        return import_module(f"arviz_plots.backend.{self.backend}")

    def _known(self, style: dict[str, Any]) -> dict[str, Any]:
        """Return a style without what only matplotlib has: the others draw in order."""
        if self.backend == "matplotlib":
            return style
        return {key: value for key, value in style.items() if key != "zorder"}

    @contextmanager
    def _added(self) -> Iterator[None]:
        """Add points or areas without scaling the axes at once; they are scaled when drawn.

        matplotlib scales every axis of a shared group for each of them: quadratic in the panels.
        """
        if self.backend != "matplotlib":
            yield
            return
        axes = self.target
        on = {"x": axes.get_autoscalex_on(), "y": axes.get_autoscaley_on()}
        axes.autoscale(False)
        yield
        for axis in (name for name, scaled in on.items() if scaled):
            axes.autoscale(True, axis=axis)

    def literal(self, text: str) -> str:
        """Return text that shows as it is, where the back end would read it as mathematics."""
        if self.backend == "matplotlib":
            return text.replace("$", r"\$")
        return html.escape(text).replace("$", "&#36;") if self.backend == "plotly" else text

    def line(self, x: ArrayLike, y: ArrayLike, **style: Any) -> None:
        """Draw a line; NaN breaks it."""
        self._draw.line(np.asarray(x), np.asarray(y), self.target, **self._known(style))

    def points(self, x: ArrayLike, y: ArrayLike, *, size: float = 16, **style: Any) -> None:
        """Draw points; `size` is matplotlib's, an area in square points."""
        style.setdefault("marker", "C0")
        size = size**0.5 if self.backend == "bokeh" else size
        style = self._known(style)
        with self._added():
            self._draw.scatter(np.asarray(x), np.asarray(y), self.target, size=size, **style)

    def band(self, x: ArrayLike, lower: ArrayLike, upper: ArrayLike, **style: Any) -> None:
        """Fill between two curves."""
        style.setdefault("alpha", 0.25)
        edges = np.asarray(lower), np.asarray(upper)
        with self._added():
            self._draw.fill_between_y(np.asarray(x), *edges, self.target, **style)

    def segments(self, starts: Array, ends: Array, **style: Any) -> None:
        """Draw separate segments, as one line that NaN breaks: quick for hundreds.

        Parameters
        ----------
        starts, ends : ndarray of shape (k, 2)
        **style
            As for `line`.
        """
        gaps = np.full_like(starts, np.nan, dtype=float)
        path = np.stack([starts, ends, gaps], axis=1).reshape(-1, 2)
        self.line(path[:, 0], path[:, 1], **style)

    def arrows(self, starts: Array, ends: Array, *, color: str, alpha: float = 0.7) -> None:
        """Draw arrows; where the back end has none, segments with a point at the end."""
        if self.backend == "matplotlib":
            x, y = starts.T
            u, v = (ends - starts).T
            frame = {"angles": "xy", "scale_units": "xy", "scale": 1}
            head = {
                "width": 1.2,
                "headwidth": 5,
                "headlength": 6,
                "headaxislength": 6,
                "units": "dots",
            }
            style = plain(color=color, alpha=alpha, zorder=2)
            with self._added():
                self.target.quiver(x, y, u, v, **style, **frame, **head)
            return
        self.segments(starts, ends, color=color, alpha=alpha)

    def vline(self, x: float, **style: Any) -> None:
        """Draw a vertical line across the panel."""
        self._draw.vline(x, self.target, **self._known(style))

    def hline(self, y: float, **style: Any) -> None:
        """Draw a horizontal line across the panel."""
        self._draw.hline(y, self.target, **self._known(style))

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write text at a place."""
        self._draw.text(x, y, self.literal(text), self.target, **style)

    def labels(
        self, *, x: str | None = None, y: str | None = None, title: str | None = None, size: int = 0
    ) -> None:
        """Write the names of the axes, and the title."""
        size = size or NORMAL
        for write, text in ((self._draw.xlabel, x), (self._draw.ylabel, y)):
            if text is not None:
                write(self.literal(shorten_lines(text)), self.target, size=size)
        if title is not None:
            self._draw.title(self.literal(title), self.target, size=size)

    def ticks(self, axis: str, places: ArrayLike, names: Sequence[str], **style: Any) -> None:
        """Write names at places along an axis, cut where they are long."""
        write = self._draw.xticks if axis == "x" else self._draw.yticks
        written = [self.literal(shorten(name)) for name in names]
        write(np.asarray(places), written, self.target, **{"size": SMALL} | style)

    def no_ticks(self, axis: str) -> None:
        """Take the numbers along an axis away."""
        self._draw.remove_ticks(self.target, axis=axis)

    def limits(self, *, x: tuple[float, float] | None = None, y: Any = None) -> None:
        """Set the ends of the axes."""
        if x is not None:
            self._draw.xlim(x, self.target)
        if y is not None:
            self._draw.ylim(y, self.target)

    def small_ticks(self) -> None:
        """Make the numbers along the axes small, for panels that share a page."""
        self._draw.ticklabel_props(self.target, axis="both", size=SMALL)

    def equal(self) -> None:
        """Give both axes the same scale, where the back end can."""
        if self.backend == "matplotlib":
            self.target.set_aspect("equal", adjustable="datalim")

    def tidy(self) -> None:
        """Take the frame away above and at the right, where the back end draws one."""
        if self.backend == "matplotlib" and "top" in self.target.spines:
            self.target.spines[["top", "right"]].set_visible(False)


@dataclass(frozen=True)
class Canvas:
    """Panels by name, and the ArviZ collection that they make.

    Parameters
    ----------
    collection : PlotCollection
        What a plot returns.
    panels : dict of str to Panel
    adopted : bool
        Whether the axes were given, and so belong to somebody else's figure.
    cols : int
        Panels in a row.
    """

    collection: PlotCollection
    panels: Mapping[str, Panel] = field(repr=False)
    adopted: bool = False
    cols: int = 1

    def __iter__(self) -> Iterator[Panel]:
        return iter(self.panels.values())

    def __getitem__(self, name: str) -> Panel:
        return self.panels[name]

    @property
    def first(self) -> Panel:
        """The first panel, or the only one."""
        return next(iter(self))

    def outer(self, *, x: str, y: str) -> None:
        """Name axes that all panels share: once for the figure, or at every panel."""
        figure = self.collection.viz["figure"].item()
        if self.first.backend == "matplotlib" and not self.adopted and len(self.panels) > 1:
            figure.supxlabel(self.first.literal(shorten_lines(x)), fontsize=NORMAL)
            figure.supylabel(self.first.literal(shorten_lines(y)), fontsize=NORMAL)
            return
        for k, panel in enumerate(self):
            below = k >= len(self.panels) - self.cols
            panel.labels(x=x if below else None, y=None if k % self.cols else y, size=SMALL)

    def legend(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Say what colours and signs mean, outside the panels.

        Parameters
        ----------
        entries : dict of str to dict
            By what is said: ``color``, and ``linestyle`` or ``marker``.
        """
        if self.first.backend == "matplotlib":
            _matplotlib_legend(self, entries)
        elif self.first.backend != "none":
            styles = [{k: v for k, v in e.items() if k != "marker"} for e in entries.values()]
            draw = import_module(f"arviz_plots.backend.{self.first.backend}")
            names = [self.first.literal(name) for name in entries]
            top: dict[str, Any] = {"legend_orientation": "h", "legend_y": 1.1, "legend_x": 0}
            top["legend_yanchor"] = "bottom"
            place = top if self.first.backend == "plotly" else {}
            draw.legend(
                self.collection, styles, names, legend_dim=(), update_visuals=False, **place
            )


def canvas(
    names: Sequence[str],
    *,
    cols: int = 4,
    height: float = 3.6,
    backend: str | None = None,
    ax: Any = None,
    sharex: bool | str = False,
    sharey: bool | str = False,
) -> Canvas:
    """Return empty panels in rows.

    Parameters
    ----------
    names : sequence of str
        One per panel, all different: ``pc.viz["plot"].sel(panel=name)`` finds it again.
    cols : int
        Panels in a row, at most.
    height : float
        Of one row, in inches.
    backend : {"matplotlib", "plotly", "bokeh", "none"}, optional
        ArviZ's ``plot.backend`` when not given.
    ax : Axes or sequence of Axes, optional
        Axes of matplotlib to draw on, one per panel, in place of a new figure.
    sharex, sharey : bool or str
        As in `matplotlib.pyplot.subplots`.

    Raises
    ------
    DataError
        If there is no such back end, or the number of axes is wrong.
    """
    if ax is not None:
        return adopt(names, ax)
    backend = check_backend(backend)
    cols = min(cols, len(names))
    rows = -(-len(names) // cols)
    settings: dict[str, Any] = {"sharex": sharex, "sharey": sharey}
    settings["figsize"] = (WIDTH, height * rows + 0.4)
    if backend == "matplotlib":
        settings["layout"] = "constrained"
    else:
        width, tall = settings["figsize"]
        settings["figsize"] = (100 * width, 120 * tall)  # their margins are wider
        settings["figsize_units"] = "dots"
    made = PlotCollection.wrap(
        _facets(names), cols=[_DIM], col_wrap=cols, backend=backend, figure_kwargs=settings
    )
    targets = made.viz["plot"].to_numpy().ravel()
    if sharex and backend == "matplotlib":  # a short last row leaves columns without numbers
        for target in targets[len(names) - cols :]:
            target.tick_params(labelbottom=True)
    return Canvas(made, _panels(names, targets, backend), adopted=False, cols=cols)


def adopt(names: Sequence[str], ax: Any) -> Canvas:
    """Return a canvas of axes that exist: those of a figure of the caller's own."""
    axes = np.asarray(ax, dtype=object).ravel()
    if len(axes) != len(names) or not all(hasattr(one, "figure") for one in axes):
        raise DataError(
            f"ax is matplotlib's Axes, {len(names)} of them for this plot; came {len(axes)} of "
            f"type {type(axes[0]).__name__ if len(axes) else 'nothing'}.\n"
            f"  Make them with plt.subplots(ncols={len(names)}), or leave ax out."
        )
    figure = np.empty((), dtype=object)
    figure[()] = axes[0].figure
    viz = _facets(names).assign(figure=((), figure), plot=(_DIM, axes)).drop_vars("value")
    made = PlotCollection(_facets(names), xr.DataTree(viz), backend="matplotlib")
    panels = _panels(names, axes, "matplotlib")
    return Canvas(made, panels, adopted=True, cols=len(panels))


def _facets(names: Sequence[str]) -> xr.Dataset:
    return xr.Dataset({"value": (_DIM, np.zeros(len(names)))}, coords={_DIM: list(names)})


def _panels(names: Sequence[str], targets: Any, backend: str) -> dict[str, Panel]:
    panels = {name: Panel(one, backend) for name, one in zip(names, targets, strict=True)}
    for panel in panels.values():
        panel.tidy()
    return panels


def check_backend(backend: str | None) -> str:
    """Return the name of a back end that is there, ArviZ's ``plot.backend`` by default."""
    name = rcParams["plot.backend"] if backend is None else backend
    if name not in _BACKENDS:
        raise DataError(f"backend is {name!r}; allowed: {', '.join(map(repr, _BACKENDS))}.")
    try:
        import_module(f"arviz_plots.backend.{name}")
    except ImportError as error:
        raise MissingDependencyError(
            f"the {name} back end needs a package that is not there ({error.name}).\n"
            f"  Install it: pip install 'arviz[{name}]'."
        ) from error
    return str(name)


def plain(**style: Any) -> dict[str, Any]:
    """Return matplotlib's words for ArviZ's: "B1", "C1" of a line style, ..."""
    from arviz_plots.backend.matplotlib.core import expand_aesthetic_aliases

    return dict(expand_aesthetic_aliases(dict)(**style))


def _matplotlib_legend(made: Canvas, entries: Mapping[str, Mapping[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for style in entries.values():
        only = {"linestyle": "none"} if "marker" in style else {}
        handles.append(Line2D([], [], **plain(**style) | only))
    # matplotlib leaves names that begin with an underscore out of legends
    names = [made.first.literal(n) if n[:1] != "_" else f"\u200b{n}" for n in entries]
    style = {"frameon": False, "fontsize": SMALL + 1, "handlelength": 1.6}
    if made.adopted:
        made.first.target.legend(handles, names, **style)
        return
    figure = made.collection.viz["figure"].item()
    wide = sum(len(name) + 6 for name in names)
    rows = -(-wide // 92)
    columns = -(-len(names) // rows)
    figure.legend(handles, names, loc="outside upper center", ncols=columns, **style)
