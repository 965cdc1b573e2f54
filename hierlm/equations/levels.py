"""Notations by level: equations of the rows, and equations of their coefficients."""

from __future__ import annotations

from collections.abc import Sequence

from hierlm.equations.effects import (
    all_effects,
    drawn,
    effect_lines,
    elided,
    levels_note,
    predictor,
    spread,
    with_column,
)
from hierlm.equations.equation import Line
from hierlm.equations.expressions import (
    CROSS,
    ZERO,
    Math,
    name,
    plus,
    row,
    script,
    symbol,
    times,
    total,
    word,
)
from hierlm.equations.likelihood import law, law_note, linked, mean, observed
from hierlm.equations.structure import LevelPredictor, chain, level_predictors
from hierlm.equations.symbols import Factor, Slot, Symbols

_LONG = 30  # columns of a mean that stands within a distribution


def multilevel(symbols: Symbols) -> list[Line]:
    """Write level 1 for the rows, level 2 for their groups, and so on."""
    if not symbols.factors:
        return [_heading("Level 1: rows"), *observed(symbols, predictor(symbols))]
    ordered = chain(symbols)
    if ordered is None:
        return _cross_classified(symbols)
    above = level_predictors(symbols)
    letters = dict(zip(ordered, "bcdefghopq", strict=False))
    lines = [
        _heading("Level 1: rows"),
        *observed(symbols, _level_one(symbols, ordered, letters, above)),
    ]
    for k, factor in enumerate(ordered):
        lines.append(_heading(f"Level {k + 2}: ", levels_note(factor)))
        for slot in factor.slots:
            coarser = next((f for f in ordered[k + 1 :] if slot in f.slots), None)
            lines.append(_level_line(symbols, factor, slot, coarser, letters, above))
        lines += effect_lines(symbols, factor, noted=False)
    return lines


def _level_one(
    symbols: Symbols,
    ordered: tuple[Factor, ...],
    letters: dict[Factor, str],
    above: Sequence[LevelPredictor],
) -> list[Math]:
    terms = []
    for slot in symbols.all_slots:
        finest = next((factor for factor in ordered if slot in factor.slots), None)
        if finest is not None:
            b = symbols.beta_symbol(slot, finest.of_row, letter=letters[finest])
            terms.append(with_column(b, slot))
        elif slot not in [p.slot for p in above]:
            terms.append(with_column(symbols.beta(slot), slot))
    return [*symbols.offsets, *elided(terms)]


def _level_line(
    symbols: Symbols,
    factor: Factor,
    slot: Slot,
    coarser: Factor | None,
    letters: dict[Factor, str],
    above: Sequence[LevelPredictor],
) -> Line:
    """Return what a level's coefficient is made of."""
    terms = []
    if coarser is not None:
        index = f"{coarser.index}[{factor.index}]"
        terms.append(symbols.beta_symbol(slot, index, letter=letters[coarser]))
    elif slot.common:
        terms.append(symbols.beta(slot))
    terms += _predicted(symbols, factor, slot, above)
    terms.append(factor.effect_of(slot, factor.index))
    b = symbols.beta_symbol(slot, factor.index, letter=letters[factor])
    return Line(b, "=", plus(terms))


def _cross_classified(symbols: Symbols) -> list[Line]:
    """Write level 1 for the rows, level 2 for the cells that crossed factors make."""
    terms, second = [], []
    for slot in symbols.all_slots:
        parts = [f.effect_of(slot, f.of_row) for f in symbols.factors if slot in f.slots]
        if not parts:
            terms.append(with_column(symbols.beta(slot), slot))
            continue
        b = symbols.beta_symbol(slot, "i", letter="b")
        terms.append(with_column(b, slot))
        second.append(Line(b, "=", plus([symbols.beta(slot), *parts] if slot.common else parts)))
    words = [word(factor.label) for factor in symbols.factors]
    crossed = row(*(part for k, w in enumerate(words) for part in ((CROSS, w) if k else (w,))))
    return [
        _heading("Level 1: rows"),
        *observed(symbols, [*symbols.offsets, *elided(terms)]),
        _heading("Level 2: ", crossed),
        *second,
        *all_effects(symbols),
    ]


def _heading(text: str, *more: Math) -> Line:
    return Line(note=row(word(text), *more))


def local_regressions(symbols: Symbols) -> list[Line]:
    """Write a regression within every level, and one of their coefficients."""
    if not symbols.factors:
        return observed(symbols, predictor(symbols))
    factor, *others = chain(symbols) or symbols.factors
    above = [p for p in level_predictors(symbols) if p.factor == factor]
    terms = []
    for slot in symbols.all_slots:
        parts = (
            [symbols.beta_symbol(slot, factor.index, letter="b")] if slot in factor.slots else []
        )
        if slot.common and not parts and slot not in [p.slot for p in above]:
            parts.append(symbols.beta(slot))
        parts += [f.effect_of(slot, f.of_row) for f in others if slot in f.slots]
        if parts:
            terms += spread(parts, slot)
    lines = _within(symbols, factor, [*symbols.offsets, *elided(terms)])
    items = [symbols.beta_symbol(slot, factor.index, letter="b") for slot in factor.slots]
    sums = [_mean_terms(symbols, factor, slot, above) for slot in factor.slots]
    means = [total(terms) for terms in sums]
    if max(mean_.box.width for mean_ in means) > _LONG:
        means = [symbols.beta_symbol(slot, factor.index, letter="m") for slot in factor.slots]
        lines += drawn(symbols, factor, items, means, levels_note(factor))
        lines += [Line(m, "=", plus(s or [ZERO])) for m, s in zip(means, sums, strict=True)]
    else:
        lines += drawn(symbols, factor, items, means, levels_note(factor))
    return lines + [line for other in others for line in effect_lines(symbols, other)]


def _within(symbols: Symbols, factor: Factor, terms: list[Math]) -> list[Line]:
    """Return the regression of the rows of one level."""
    spec = symbols.spec
    rows = row(symbol("i"), word(" of level "), symbol(factor.index), word(f" of {factor.label}"))
    heading = Line(note=row(word("For the rows "), rows, word(":")))
    mu = mean(spec, "i")
    first = Line(symbols.response("i"), "~", (law(symbols, mu),), law_note(symbols, mu))
    return [heading, first, Line(linked(spec, mu), "=", plus(terms))]


def _mean_terms(
    symbols: Symbols, factor: Factor, slot: Slot, above: Sequence[LevelPredictor]
) -> list[Math]:
    terms = [symbols.beta(slot)] if slot.common else []
    return terms + _predicted(symbols, factor, slot, above)


def _predicted(
    symbols: Symbols, factor: Factor, slot: Slot, above: Sequence[LevelPredictor]
) -> list[Math]:
    """Return what the predictors of a level add to one of its coefficients."""
    mine = [p for p in above if p.factor == factor and p.target == slot]
    return elided(
        [times(symbols.beta(p.slot), script(name(p.label), (factor.index,))) for p in mine]
    )
