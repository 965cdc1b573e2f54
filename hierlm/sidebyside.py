"""Fits side by side: the table of a paper, as text, Markdown, LaTeX or HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design
from hierlm.equations.escaping import escape
from hierlm.errors import DataError, FamilyError, did_you_mean
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, draws_of
from hierlm.tables import supported
from hierlm.variance import icc

Array = NDArray[np.float64]
Format = Literal["text", "markdown", "latex", "html"]


class Rendered(str):
    """Text that shows as it is: in a console printed, in a notebook as HTML where it is that."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str | None:
        return str(self) if self.startswith("<table") else None


@dataclass(frozen=True)
class Column:
    """One fit: its name, and its cells by section and row.

    Parameters
    ----------
    name : str
    cells : dict of (str, str) to str
    """

    name: str
    cells: Mapping[tuple[str, str], str]


def column(
    name: str,
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    interval: Interval,
    elpd: tuple[float, float] | None = None,
) -> Column:
    """Return the column of a fit: means, intervals, shares of the variance, and counts.

    Parameters
    ----------
    name : str
    spec : ModelSpec
    design : Design
    idata : xarray.DataTree
    interval : Interval
    elpd : float and float, optional
        Expected log predictive density of leave-one-out, and its standard error.
    """
    cells = {("Common effects", coef): _cell(idata, names.BETA, interval, k)
             for k, coef in enumerate(spec.coefs)}  # fmt: skip
    for group in spec.groups:
        section = f"Varying by {group.factor}"
        for k, coef in enumerate(group.coefs):
            cells[section, f"sd({coef})"] = _cell(idata, names.sd(group.factor), interval, k)
        for k, (i, j) in enumerate(group.covariance.pairs):
            label = f"cor({names.pair(group.coefs[i], group.coefs[j])})"
            cells[section, label] = _cell(idata, names.cor(group.factor), interval, k)
    for shape in spec.shapes:
        cells["Residual", shape.name] = _cell(idata, shape.name, interval)
    try:
        shares = dict(icc(spec, design, idata, interval)["mean"]) if spec.groups else {}
    except FamilyError:  # not defined on this link
        shares = {}
    for group in spec.groups:
        if group.factor in shares:
            cells["Summary", f"ICC {group.factor}"] = f"{shares[group.factor]:.2f}"
    cells["Summary", "Observations"] = f"{spec.n_rows:,}"
    for group in spec.groups:
        cells["Summary", f"Levels of {group.factor}"] = f"{len(group.levels.labels):,}"
    if elpd is not None:
        cells["Summary", "ELPD (LOO)"] = f"{elpd[0]:.1f} ± {elpd[1]:.1f}"
    return Column(name, cells)


def _cell(idata: xr.DataTree, variable: str, interval: Interval, k: int | None = None) -> str:
    values = idata["posterior"][variable].transpose(*names.SAMPLE_DIMS, ...).to_numpy()
    draws = values if k is None else values[..., k]
    mean = float(draws.mean())
    if np.ptp(draws) == 0:
        return f"{mean:.6g} (fixed)"
    tails = (1 - interval.prob) / 2
    errors = [float(array_stats.mcse(draws, method="quantile", prob=p)) for p in (tails, 1 - tails)]
    flat = draws_of(idata, variable)
    lower, upper = interval.of(flat if k is None else flat[k])
    middle = supported(mean, float(array_stats.mcse(draws, method="mean")))
    return f"{middle} [{supported(lower, errors[0])}, {supported(upper, errors[1])}]"


def render(columns: Sequence[Column], fmt: Format, interval: Interval) -> Rendered:
    """Return the table of several fits.

    Parameters
    ----------
    columns : sequence of Column
    fmt : {"text", "markdown", "latex", "html"}
    interval : Interval
        For the note below the table.

    Returns
    -------
    Rendered
        A str.

    Raises
    ------
    DataError
        If the format is not one of these.
    """
    if fmt not in get_args(Format):
        raise DataError(
            f"no table has the format {fmt!r}.{did_you_mean(str(fmt), get_args(Format))}\n"
            f"  There are: {', '.join(get_args(Format))}."
        )
    keys = list(dict.fromkeys(key for c in columns for key in c.cells))
    order = list(dict.fromkeys(section for section, _ in keys))
    order.sort(key=lambda s: (s == "Summary", s == "Residual", s.startswith("Varying")))
    sections = {
        s: [(row, [c.cells.get((s, row), "") for c in columns]) for t, row in keys if t == s]
        for s in order
    }
    note = f"Posterior mean [{100 * interval.prob:g}% {interval.kind.upper()}]"
    header = [c.name for c in columns]
    return Rendered(_RENDERERS[fmt](header, sections, note))


type Sections = Mapping[str, Sequence[tuple[str, Sequence[str]]]]


def _text(header: Sequence[str], sections: Sections, note: str) -> str:
    rows = [["", *header]]
    for section, body in sections.items():
        rows += [[section, *[""] * len(header)], *([f"  {row}", *cells] for row, cells in body)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ["   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, note])


def _markdown(header: Sequence[str], sections: Sections, note: str) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    lines = [line(["", *header]), line(["---", *["---:"] * len(header)])]
    for section, body in sections.items():
        lines.append(line([f"**{section}**", *[""] * len(header)]))
        lines += [line([row, *cells]) for row, cells in body]
    return "\n".join([*lines, "", note])


def _latex(header: Sequence[str], sections: Sections, note: str) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(cells) + r" \\"

    lines = [rf"\begin{{tabular}}{{l{'r' * len(header)}}}", r"\hline"]
    lines += [line(["", *map(_tex, header)]), r"\hline"]
    for section, body in sections.items():
        title = rf"\textit{{{_tex(section)}}}"
        lines.append(line([rf"\multicolumn{{{1 + len(header)}}}{{l}}{{{title}}}"]))
        lines += [line([r"\quad " + _tex(row), *map(_tex, cells)]) for row, cells in body]
    foot = rf"\multicolumn{{{1 + len(header)}}}{{l}}{{\footnotesize {_tex(note)}}}"
    return "\n".join([*lines, r"\hline", line([foot]), r"\end{tabular}"])


def _tex(text: str) -> str:
    """Return text for a cell, minus signs as such: in text they would be hyphens."""
    if not text:
        return ""
    signs = f"${escape(text)}$".replace("±", r"}\pm\text{")
    return re.sub(r"(?<=[{ \[])-(?=\d)", r"}{-}\\text{", signs)


def _html(header: Sequence[str], sections: Sections, note: str) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        first, *rest = map(html.escape, cells)
        return f'<tr><th scope="row">{first}</th>' + "".join(
            f"<{tag}>{cell}</{tag}>" for cell in rest
        ) + "</tr>"  # fmt: skip

    lines = ["<table>", f"<caption>{html.escape(note)}</caption>", "<thead>"]
    lines += [line(["", *header], "th"), "</thead>"]
    for section, body in sections.items():
        title = f'<th scope="rowgroup" colspan="{1 + len(header)}">{html.escape(section)}</th>'
        lines += ["<tbody>", f"<tr>{title}</tr>"]
        lines += [*(line([row, *cells], "td") for row, cells in body), "</tbody>"]
    return "\n".join([*lines, "</table>"])


_RENDERERS: dict[str, Callable[[Sequence[str], Sections, str], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": _latex,
    "html": _html,
}
