"""The generative diagram of a model: what is drawn from what, as a picture and for graphviz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arviz_plots import PlotCollection

from hierlm import names
from hierlm.plots.canvas import DATA, POOLED, SMALL, WIDTH, Panel, adopt, shorten
from hierlm.spec import ModelSpec

_TALL = 0.66  # of a node, where rows of nodes are 1 apart
_WIDE = 1.9


@dataclass(frozen=True)
class Node:
    """A quantity of the model.

    Parameters
    ----------
    name : str
    says : str
        Its distribution or definition.
    kind : {"random", "computed", "observed", "fixed"}
    plate : str
        What it is repeated over; empty when it is not.
    row, column : float
        Where it stands, from the top left.
    """

    name: str
    says: str
    kind: str
    plate: str
    row: float
    column: float


@dataclass(frozen=True)
class Diagram:
    """Quantities, and which is needed to draw which.

    Parameters
    ----------
    nodes : tuple of Node
    edges : tuple of (str, str)
        From, to; by name.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    @property
    def plates(self) -> dict[str, list[Node]]:
        """The nodes of each plate."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            if node.plate:
                found.setdefault(node.plate, []).append(node)
        return found

    def dot(self) -> str:
        """Return the diagram in the language of graphviz."""
        ids = {node.name: f"n{k}" for k, node in enumerate(self.nodes)}
        lines = ["digraph model {", "  node [fontname=Helvetica, fontsize=11];"]
        for k, (plate, members) in enumerate(self.plates.items()):
            lines += [f"  subgraph cluster{k} {{", f"    label={_quote(plate)}; labeljust=r;"]
            lines += [f"    {ids[node.name]};" for node in members] + ["  }"]
        for node in self.nodes:
            text = _quote(f"{node.name}\n{node.says}" if node.says else node.name)
            lines.append(f"  {ids[node.name]} [label={text}, {_DOT[node.kind]}];")
        lines += [f"  {ids[a]} -> {ids[b]};" for a, b in self.edges]
        return "\n".join([*lines, "}"])


_DOT = {
    "random": "shape=ellipse",
    "computed": "shape=box",
    "observed": "shape=ellipse, style=filled, fillcolor=lightgrey",
    "fixed": "shape=plaintext",
}


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def diagram(spec: ModelSpec) -> Diagram:
    """Return the generative diagram of a model.

    Parameters
    ----------
    spec : ModelSpec

    Returns
    -------
    Diagram
        From the top: priors of sds and correlations; effects and coefficients; the linear
        predictor; the response. Effects are in a plate per factor, rows in another.
    """
    nodes: list[Node] = []
    edges: list[tuple[str, str]] = []
    rows = f"{spec.n_rows:,} rows"
    mean, column = "mean" if spec.response != "mean" else "mean of response", 0.0
    if spec.coefs:
        prior = _several([str(spec.priors[name]) for name in _coefficients(spec)])
        nodes.append(Node(names.BETA, prior, "random", "", 1, column))
        edges.append((names.BETA, mean))
        column += 1
    for group in spec.groups:
        effects = names.effects(group.factor)
        tops = [names.sd(group.factor)]
        priors = [str(p) for p in spec.priors.group_sds(group.factor, group.coefs)]
        says = [_several(priors)]
        if group.covariance.pairs:
            tops.append(names.cor(group.factor))
            says.append(str(spec.priors[tops[1]]))
        for k, (top, said) in enumerate(zip(tops, says, strict=True)):
            nodes.append(Node(top, said, "random", "", 0, column + k))
        covariance = "sd²" if len(group.coefs) == 1 else "Sigma"
        middle = column + (len(tops) - 1) / 2
        plate = f"{group.factor}: {len(group.levels.labels):,} levels"
        says_effects = f"Normal(0, {covariance})"
        nodes.append(Node(effects, says_effects, "random", plate, 1, middle))
        edges += [(top, effects) for top in tops] + [(effects, mean)]
        column += len(tops)
    shapes = [shape.name for shape in spec.shapes]
    center = max(column - 1, 0) / 2
    for k, name in enumerate(shapes):
        nodes.append(Node(name, str(spec.priors[name]), "random", "", 2, center + 1.2 + k))
        edges.append((name, spec.response))
    nodes.append(Node(mean, _mean_says(spec), "computed", rows, 2, center))
    trials = ["trials"] if spec.family.response == "trials" else []
    told = f"{spec.family.name}({', '.join([*trials, 'mean'])}" + "".join(f", {s}" for s in shapes)
    told += ")"
    nodes.append(Node(spec.response, told, "observed", rows, 3, center))
    edges.append((mean, spec.response))
    return Diagram(tuple(nodes), tuple(edges))


def _coefficients(spec: ModelSpec) -> list[str]:
    """Return the names under which the coefficients have their priors."""
    return [name if name in spec.priors else names.INTERCEPT_CENTERED for name in spec.coefs]


def _several(priors: list[str]) -> str:
    different = list(dict.fromkeys(priors))
    if len(different) < 3:
        return "\n".join(different)
    return f"{different[0]}\nand {len(different) - 1} others"


def _mean_says(spec: ModelSpec) -> str:
    parts = ["X beta"] if spec.coefs else []
    parts += [f"Z r_{group.factor}" for group in spec.groups]
    if spec.encoding.values.offsets:
        parts.append("offset")
    shown = parts[:4] + (["..."] if len(parts) > 4 else [])
    lines = [" + ".join(shown[k : k + 2]) for k in (0, 2) if shown[k : k + 2]]
    eta = "\n+ ".join(lines) or "0"
    link = spec.family.link.name
    return eta if link == "identity" else f"{link}(mean) =\n{eta}"


def plot_model(spec: ModelSpec, *, ax: Any = None) -> PlotCollection:
    """Draw the generative diagram: what is drawn from what. Needs no graphviz.

    Ellipses are unknown or observed (grey) quantities with their distributions, the box is
    computed, and a frame holds what is repeated. ``diagram(spec).dot()`` is the same for
    graphviz.

    Parameters
    ----------
    spec : ModelSpec
    ax : Axes, optional
        Of matplotlib.

    Returns
    -------
    PlotCollection
        On matplotlib.
    """
    import matplotlib.pyplot as plt

    made = diagram(spec)
    columns = max(node.column for node in made.nodes) + 1
    size = (max(WIDTH, 1.75 * columns), 5.2)
    drawn = adopt(
        ["model"], plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax
    )
    panel = drawn.first
    places = {node.name: (node.column * 2.2, -1.25 * node.row) for node in made.nodes}
    for plate, members in made.plates.items():
        _frame(panel, plate, [places[node.name] for node in members])
    for start, end in made.edges:
        _edge(panel, places[start], places[end])
    for node in made.nodes:
        _node(panel, node, *places[node.name])
    panel.limits(x=(-1.3, 2.2 * (columns - 1) + 1.3), y=(-1.25 * 3 - 0.75, 0.55))
    panel.target.set_axis_off()
    return drawn.collection


def _node(panel: Panel, node: Node, x: float, y: float) -> None:
    from matplotlib.patches import Ellipse, Rectangle

    face = "0.85" if node.kind == "observed" else "white"
    style: dict[str, Any] = {"facecolor": face, "edgecolor": POOLED, "linewidth": 1.3, "zorder": 3}
    if node.kind == "computed":
        tall = max(_TALL, 0.19 * (node.says.count("\n") + 2))
        corner = (x - _WIDE / 2, y - tall / 2)
        panel.target.add_patch(Rectangle(corner, _WIDE, tall, **style))
    else:
        panel.target.add_patch(Ellipse((x, y), _WIDE * 1.08, _TALL * 1.25, **style))
    says = [shorten(line, 26) for line in node.says.split("\n")]
    top = 0.085 * len(says)
    panel.text(x, y + top, shorten(node.name, 20), size=SMALL + 1, color="black", zorder=4)
    for k, line in enumerate(says):
        size = SMALL - 1 if len(line) < 23 else SMALL - 2
        panel.text(x, y + top - 0.17 * (k + 1), line, size=size, color="0.25", zorder=4)


def _frame(panel: Panel, plate: str, places: list[tuple[float, float]]) -> None:
    from matplotlib.patches import FancyBboxPatch

    xs, ys = zip(*places, strict=True)
    low, high = min(xs) - _WIDE / 2 - 0.08, max(xs) + _WIDE / 2 + 0.08
    bottom, top = min(ys) - _TALL / 2 - 0.24, max(ys) + _TALL / 2 + 0.08
    frame = FancyBboxPatch(
        (low, bottom),
        high - low,
        top - bottom,
        boxstyle="round,pad=0.02",
        facecolor="none",
        edgecolor="0.55",
        linewidth=1,
        zorder=1,
    )
    panel.target.add_patch(frame)
    style: dict[str, Any] = {
        "horizontal_align": "right",
        "size": SMALL - 1,
        "color": DATA,
        "zorder": 2.5,
    }
    style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.9}
    panel.text(high - 0.04, bottom + 0.07, shorten(plate, 30), **style)


def _edge(panel: Panel, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow from the foot of one node to the head of another."""
    head = (end[0], end[1] + _TALL * 0.62)
    foot = (start[0], start[1] - _TALL * 0.6)
    style = {"arrowstyle": "-|>", "color": "0.4", "linewidth": 1, "shrinkA": 1, "shrinkB": 1}
    panel.target.annotate("", xy=head, xytext=foot, arrowprops=style, zorder=2)
