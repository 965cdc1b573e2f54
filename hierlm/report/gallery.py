"""The pictures of the results, each with a sentence on how to read it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hierlm import names, plots
from hierlm.design import GroupBlock
from hierlm.report.markup import Html, code, join, paragraph
from hierlm.report.pictures import picture
from hierlm.report.source import Source
from hierlm.summaries import draws_of

_PANELS = 20  # levels that have a panel each
_OF_MORE = 12  # panels where there are more levels, evenly spaced
_FACTORS = 3  # with pictures; a page with more is not read


def pictures_section(source: Source) -> Html:
    """Return the pictures: predictions, levels, shrinkage, effects, sds and shares."""
    spec = source.spec
    parts = [*_predictions(source)]
    for block in source.design.blocks[:_FACTORS]:
        parts += [*_of_factor(source, block)]
    if len(spec.groups) > _FACTORS:
        kept = ", ".join(block.factor for block in source.design.blocks[:_FACTORS])
        parts.append(paragraph(f"Of {len(spec.groups)} factors, the first have pictures: {kept}."))
    parts += [*_variances(source)]
    return join(parts)


def _predictions(source: Source) -> Iterator[Html]:
    spec = source.spec
    if not spec.encoding.common.terms.products:
        return
    yield picture(
        lambda: plots.plot_predictions(*source.rows, interval=source.interval),
        f"The expected {spec.response} along a predictor, with its interval.",
        "What the model expects on average, at deviations of zero, with its interval; the points "
        "are the rows. Other predictors are held at typical values.",
    )


def _of_factor(source: Source, block: GroupBlock) -> Iterator[Html]:
    factor, interval = block.factor, source.interval
    levels, chosen = _some_levels(source, block)
    single = np.bincount(block.codes, minlength=block.n_levels).max() == 1
    if not single:  # a row by itself has no line of its own
        yield picture(
            lambda: plots.plot_groups(*source.rows, factor, levels=levels, interval=interval),
            f"A panel for each level of {factor}: its rows, and the estimates without and with "
            "partial pooling.",
            f"Levels of {factor}{chosen}. Where a level has few rows, the estimate from its own "
            "rows (no pooling) and that of the model (partial pooling) differ most.",
            *_all_of("plot_groups", factor, chosen),
        )
        yield picture(
            lambda: plots.plot_shrinkage(*source.rows, factor, interval=interval),
            f"Arrows from each level's own estimate to that of the model, for {factor}.",
            f"Shrinkage: what each level of {factor} says by itself, and where the model puts it.",
        )
    yield picture(
        lambda: plots.plot_ranef(*source.draws, factor, interval=interval),
        f"The deviations of the levels of {factor}, sorted, with intervals.",
        f"How far each level of {factor} lies from the common effects, with its interval.",
    )


def _some_levels(source: Source, block: GroupBlock) -> tuple[list[str] | None, str]:
    """Return the levels with a panel: of many, evenly spaced ones from low to high."""
    if block.n_levels <= _PANELS:
        return None, ""
    means = draws_of(source.idata, names.effects(block.factor))[:, 0].mean(axis=-1)
    order = np.argsort(means, kind="stable")
    places = np.linspace(0, block.n_levels - 1, _OF_MORE).astype(int)
    said = (
        f": {_OF_MORE} of {block.n_levels:,}, evenly spaced from the lowest effect of "
        f"{block.coefs[0]} to the highest"
    )
    return [block.levels[k] for k in order[places]], said


def _all_of(plot: str, factor: str, chosen: str) -> list[object]:
    if not chosen:
        return []
    return [" Others: ", code(f"fit.{plot}({factor!r}, levels=[...])"), "."]


def _variances(source: Source) -> Iterator[Html]:
    if not (source.spec.groups or source.spec.shapes):
        return
    yield picture(
        lambda: plots.plot_varcorr(*source.draws, interval=source.interval),
        "Posterior densities of sds and correlations over their priors.",
        "What the data have made of the priors of sds and correlations.",
    )
    if source.spec.groups:
        yield picture(
            lambda: plots.plot_icc(*source.rows, interval=source.interval),
            "Each factor's share of the variance, with its interval.",
            "Shares of the variance that predictors do not explain.",
        )
