"""``print(fit)``: a report in the shape of lme4's, with only the digits that the draws support."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names
from hierlm.convergence import Verdict
from hierlm.engines.tree import is_approximate
from hierlm.formula import unparse
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval
from hierlm.tables import fill, numeric_table, supported

Array = NDArray[np.float64]


def report(spec: ModelSpec, idata: xr.DataTree, convergence: Verdict, interval: Interval) -> str:
    """Return the report of a fit.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    convergence : Verdict
    interval : Interval
    """
    chains = not is_approximate(idata)
    header = ["", "mean", "sd", *_bounds(interval), *(["R-hat"] if chains else []), "ESS"]

    def table(rows: list[tuple[str, Array]]) -> list[str]:
        lines = [_row(label, draws, interval) for label, draws in rows]
        return numeric_table(header, lines if chains else [[*r[:-2], r[-1]] for r in lines])

    lines = [*_heading(spec, idata)]
    for group in spec.groups:
        count = f"{len(group.levels.labels):,} levels"
        rows = [
            (f"sd({name})", _draws(idata, names.sd(group.factor), k))
            for k, name in enumerate(group.coefs)
        ]
        rows += [
            (f"cor({name})", _draws(idata, names.cor(group.factor), k))
            for k, name in enumerate(_pairs(group.coefs, group.covariance.pairs))
        ]
        title = f"Group-specific effects of {group.factor} ({count})"
        lines += ["", title, *table(rows)]
    if spec.coefs:
        rows = [(name, _draws(idata, names.BETA, k)) for k, name in enumerate(spec.coefs)]
        lines += ["", "Common effects", *table(rows)]
    if spec.shapes:
        rows = [(s.name, _draws(idata, s.name)) for s in spec.shapes]
        meanings = "; ".join(f"{s.name}: {s.meaning}" for s in spec.shapes)
        lines += ["", f"Residual ({meanings})", *table(rows)]
    lines += ["", *_verdict(convergence)]
    return "\n".join(lines)


def _heading(spec: ModelSpec, idata: xr.DataTree) -> Iterator[str]:
    attrs = idata.attrs
    yield f"hierlm fit: {spec.family.name} family, {spec.family.link.name} link"
    yield f"  {spec.formula}"
    dropped = f" ({spec.dropped})" if spec.dropped.rows else ""
    response = spec.encoding.values.response
    success = ""
    if response is not None and response.levels:
        success = f"; success is {unparse(spec.encoding.formula.response.expression)} = "
        success += response.levels[-1]
    yield f"  {spec.n_rows:,} observations{dropped}{success}"
    if is_approximate(idata):
        made = f"{attrs['chains'] * attrs['draws']:,} draws from {attrs['proposals']:,} proposals"
        made += ", reweighted" if attrs["reweighted"] else ", not reweighted"
    else:
        made = (
            f"{attrs['chains']} chains of {attrs['draws']} draws after {attrs['tune']} of warm-up"
        )
    yield (
        f"  {made}, {attrs['sampling_time']:.1f} s; engine {attrs['engine']} "
        f"({attrs['sampler']}), seed {attrs['seed']}"
    )
    if names.EFFECTS in idata:
        yield "  of the group-specific effects, means and sds were kept, and no draws"


def _verdict(convergence: Verdict) -> Iterator[str]:
    for k, line in enumerate(str(convergence).split("\n")):
        bullet = "- " if line.startswith("- ") else ("" if k == 0 else "  ")
        yield fill(line.removeprefix("- "), bullet)


def _pairs(coefs: tuple[str, ...], pairs: tuple[tuple[int, int], ...]) -> list[str]:
    return [names.pair(coefs[i], coefs[j]) for i, j in pairs]


def _bounds(interval: Interval) -> tuple[str, str]:
    if interval.kind == "hdi":
        return f"{100 * interval.prob:g}% from", "to"
    tail = 100 * (1 - interval.prob) / 2
    return f"{tail:g}%", f"{100 - tail:g}%"


def _draws(idata: xr.DataTree, variable: str, k: int | None = None) -> Array:
    values = idata["posterior"][variable].transpose(*names.SAMPLE_DIMS, ...).to_numpy()
    return np.asarray(values if k is None else values[..., k])


def _row(label: str, draws: Array, interval: Interval) -> list[str]:
    """Return one line of a table for draws of shape (chains, draws)."""
    mean = float(draws.mean())
    if draws.size == 1:  # says nothing of a spread
        return [label, f"{mean:.4g}", "-", "-", "-", "-", "-"]
    if np.ptp(draws) == 0:
        return [label, f"{mean:.6g}", "fixed", "", "", "", ""]
    sd = float(draws.std(ddof=1))
    lower, upper = interval.of(draws.ravel())
    tails = (1 - interval.prob) / 2
    errors = [float(array_stats.mcse(draws, method="quantile", prob=p)) for p in (tails, 1 - tails)]
    return [
        label,
        supported(mean, float(array_stats.mcse(draws, method="mean"))),
        supported(sd, float(array_stats.mcse(draws, method="sd"))),
        supported(float(lower), errors[0]),
        supported(float(upper), errors[1]),
        _number(float(array_stats.rhat(draws)), 2),
        _number(float(array_stats.ess(draws, method="bulk")), 0),
    ]


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else "-"
