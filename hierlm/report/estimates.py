"""The posterior in tables, with the digits that the draws support."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names, shrinkage
from hierlm.engines.tree import is_approximate
from hierlm.errors import FamilyError
from hierlm.report.markup import Html, code, details, join, paragraph, subsection, table
from hierlm.report.source import Source
from hierlm.report.words import response_name
from hierlm.spec import ModelSpec
from hierlm.tables import supported
from hierlm.variance import icc, r2

Array = NDArray[np.float64]

_LEVELS = 200  # rows of a table of levels; who wants more has fit.shrinkage()
_RATIOS = {"logit": "odds ratio", "log": "ratio", "cloglog": "hazard ratio"}


def estimates_section(source: Source) -> Html:
    """Return the tables of coefficients, sds and correlations, and of the residual."""
    spec = source.spec
    said = (
        f"Posterior means and sds, and {source.interval_in_words}: given model and data, the "
        f"parameter is inside with that probability. {'R-hat and ' if _chains(source) else ''}ESS "
        "(effective sample size): see under convergence."
    )
    parts: list[Html] = [paragraph(said)]
    if spec.coefs:
        parts.append(_common(source))
    parts += [_group(source, k) for k in range(len(spec.groups))]
    if spec.shapes:
        parts.append(_residual(source))
    return join(parts)


def _common(source: Source) -> Html:
    spec, link = source.spec, source.spec.family.link.name
    ratio = _RATIOS.get(link)
    header = ["coefficient", *_header(source), *([ratio] if ratio else [])]
    rows = []
    for k, coef in enumerate(spec.coefs):
        draws = _draws(source.idata, names.BETA, k)
        extra = [_ratio(draws, source) if coef != names.INTERCEPT else ""] if ratio else []
        rows.append([coef, *_numbers(draws, source), *extra])
    text = (
        "The same for all levels (fixed effects): the difference that one unit more of a predictor "
        f"makes, on {_scale(spec)}."
    )
    if ratio:
        text += f" The {ratio} is the exponential of the coefficient: its median and interval."
    return subsection(
        "Common effects", paragraph(text), table("Posterior of the common effects", header, rows)
    )


def _scale(spec: ModelSpec) -> str:
    if spec.family.name == "lognormal":
        return f"the scale of the logarithm of {response_name(spec)}"
    if spec.family.link.name == "identity":
        return f"the scale of {response_name(spec)}"
    return f"the {spec.family.link.name} scale"


def _group(source: Source, k: int) -> Html:
    group = source.spec.groups[k]
    rows = [
        [f"sd({coef})", *_numbers(_draws(source.idata, names.sd(group.factor), i), source)]
        for i, coef in enumerate(group.coefs)
    ]
    for i, (a, b) in enumerate(group.covariance.pairs):
        label = f"cor({names.pair(group.coefs[a], group.coefs[b])})"
        rows.append([label, *_numbers(_draws(source.idata, names.cor(group.factor), i), source)])
    caption = f"Posterior between the {len(group.levels.labels):,} levels of {group.factor}"
    text = (
        f"How much the levels of {group.factor} differ: the sd of each coefficient between them"
        + (", and how the coefficients go together." if group.covariance.pairs else ".")
    )
    header = ["parameter", *_header(source)]
    return subsection(f"Varying by {group.factor}", paragraph(text), table(caption, header, rows))


def _residual(source: Source) -> Html:
    shapes = source.spec.shapes
    rows = [[s.name, *_numbers(_draws(source.idata, s.name), source)] for s in shapes]
    meanings = "; ".join(f"{s.name}: {s.meaning}" for s in shapes)
    made = table("Posterior of the parameters of the family", ["parameter", *_header(source)], rows)
    return subsection("Within levels", paragraph(f"{meanings}."), made)


def shares_section(source: Source) -> Html:
    """Return the shares of variance, and R2."""
    spec = source.spec
    try:
        shares = icc(spec, source.design, source.idata, source.interval)
        explained = r2(spec, source.design, source.idata, source.interval)
    except FamilyError as error:
        return paragraph(str(error))
    averaged = any(len(group.coefs) > 1 for group in spec.groups)
    text = (
        "Of the variance that predictors do not explain, on the scale of the link, how much is "
        "between the levels of each factor (intraclass correlation)?"
        + (" Where slopes vary it depends on the predictors, and is averaged over the rows."
           if averaged else "")
    )  # fmt: skip
    header = ["", "mean", "sd", *source.bounds]
    return join(
        [
            paragraph(text),
            table("Shares of variance", header, _shares(shares)),
            paragraph(
                "The share of the whole variance that the predictors explain (marginal), and that "
                "predictors and levels explain together (conditional), after Nakagawa and "
                "colleagues (2017)."
            ),
            table("R²", header, _shares(explained)),
        ]
    )


def _shares(frame: pd.DataFrame) -> Iterator[list[str]]:
    for name, row in frame.iterrows():
        yield [str(name), *(f"{value:.2f}" if np.isfinite(value) else "-" for value in row)]


def shrinkage_section(source: Source) -> Html:
    """Return how far levels are pooled, and a table of the levels of each factor."""
    spec = source.spec
    found = shrinkage.pooling(spec, source.idata)
    rows = [
        [": ".join(key), _percent(pooled), f"{levels:,.0f}"]
        for key, pooled, levels in zip(found.index, found["pooling"], found["levels"], strict=True)
    ]
    text = (
        "How far the levels are pulled towards the population: 0% where each level speaks for "
        "itself, 100% where all are alike (Gelman and Pardoe 2006)."
    )
    parts = [paragraph(text), table("Pooling", ["coefficient", "pooling", "levels"], rows)]
    return join([*parts, *(_levels(source, group.factor) for group in spec.groups)])


def _levels(source: Source, factor: str) -> Html:
    full = shrinkage.shrinkage(source.spec, source.design, source.idata, factor, source.interval)
    shown = full.iloc[:_LEVELS]
    lower, upper = source.interval.columns
    header = [
        "level",
        "coefficient",
        "rows",
        "on its own",
        "in the model",
        *source.bounds,
        "pooling",
    ]
    rows = []
    for (level, coef), (_, row) in zip(shown.index, shown.iterrows(), strict=True):
        # of draws that can be trusted the Monte Carlo error is below a tenth of the sd
        fine, own = row["sd"] / 10, row["no_pooling_se"] / 10
        numbers = [supported(row[c], fine) for c in ("mean", lower, upper)]
        alone = supported(row["no_pooling"], own)
        rows.append([level, coef, f"{row['rows']:,}", alone, *numbers, _percent(row["pooling"])])
    more = len(full) - len(shown)
    said = f" The first {_LEVELS} of {len(full):,} rows; " if more > 0 else " "
    note = paragraph(
        "Each level by its own rows alone, and as the model estimates it.", said,
        *(["all are in ", code(f"fit.shrinkage({factor!r})"), "."] if more > 0 else []),
    )  # fmt: skip
    caption = f"The levels of {factor}"
    return details(caption, note, table(caption, header, rows, words=2))


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%" if np.isfinite(value) else "-"


def _header(source: Source) -> list[str]:
    return ["mean", "sd", *source.bounds, *(["R-hat"] if _chains(source) else []), "ESS"]


def _chains(source: Source) -> bool:
    """Whether there are chains, which could disagree."""
    return not is_approximate(source.idata)


def _draws(idata: xr.DataTree, variable: str, k: int | None = None) -> Array:
    values = idata["posterior"][variable].transpose(*names.SAMPLE_DIMS, ...).to_numpy()
    return np.asarray(values if k is None else values[..., k])


def _numbers(draws: Array, source: Source) -> list[str]:
    """Return mean, sd, interval, R-hat and ESS of draws of shape (chains, draws)."""
    mean = float(draws.mean())
    if np.ptp(draws) == 0:
        return [f"{mean:.6g}", "fixed", *[""] * (len(_header(source)) - 2)]
    r_hat = [_plain(float(array_stats.rhat(draws)), 2)] if _chains(source) else []
    return [
        supported(mean, float(array_stats.mcse(draws, method="mean"))),
        supported(float(draws.std(ddof=1)), float(array_stats.mcse(draws, method="sd"))),
        *_ends(draws, source),
        *r_hat,
        _plain(float(array_stats.ess(draws, method="bulk")), 0),
    ]


def _ends(draws: Array, source: Source) -> list[str]:
    tail = (1 - source.interval.prob) / 2
    ends = source.interval.of(draws.ravel())
    errors = [array_stats.mcse(draws, method="quantile", prob=p) for p in (tail, 1 - tail)]
    return [supported(float(x), float(e)) for x, e in zip(ends, errors, strict=True)]


def _ratio(draws: Array, source: Source) -> str:
    ratios = np.exp(draws)
    error = float(array_stats.mcse(ratios, method="quantile", prob=0.5))
    lower, upper = _ends(ratios, source)
    return f"{supported(float(np.median(ratios)), error)} [{lower}, {upper}]"


def _plain(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else "-"
