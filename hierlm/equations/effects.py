"""The group-specific effects: linear predictors, and the covariance matrices they come from."""

from __future__ import annotations

from collections.abc import Sequence

from hierlm.equations.equation import Line
from hierlm.equations.expressions import (
    DDOTS,
    DOTS,
    EQUALS,
    LDOTS,
    SPACE,
    VDOTS,
    ZERO,
    ZEROS,
    Math,
    bold,
    call,
    column,
    diagonal,
    listed,
    matrix,
    normal,
    number,
    operator,
    parenthesised,
    row,
    script,
    squared,
    symbol,
    times,
    total,
    word,
)
from hierlm.equations.symbols import Factor, Slot, Symbols

_MOST_TERMS = 14
_EXPLICIT = 3  # coefficients of which the covariance matrix is written element by element
_LISTED = 6


def with_column(coefficient: Math, slot: Slot, index: str = "i") -> Math:
    """Return a coefficient times its column."""
    x = slot.column(index)
    return coefficient if x is None else times(coefficient, x)


def elided(terms: Sequence[Math]) -> list[Math]:
    """Return the terms of a sum, the middle left out where there are many."""
    if len(terms) <= _MOST_TERMS:
        return list(terms)
    return [*terms[:4], DOTS, terms[-1]]


def common_terms(symbols: Symbols, without: Sequence[Slot] = ()) -> list[Math]:
    """Return offsets and common effects times their columns."""
    slots = [slot for slot in symbols.slots if slot not in without]
    return [*symbols.offsets, *elided([with_column(symbols.beta(s), s) for s in slots])]


def effect_terms(symbols: Symbols) -> list[Math]:
    """Return the deviations of the levels of row i times their columns, factor by factor."""
    return [
        term
        for factor in symbols.factors
        for term in elided(
            [with_column(factor.effect_of(s, factor.of_row), s) for s in factor.slots]
        )
    ]


def predictor(symbols: Symbols) -> list[Math]:
    """Return the linear predictor of row i: common effects, then deviations."""
    return [*common_terms(symbols), *effect_terms(symbols)] or [ZERO]


def levels_note(factor: Factor) -> Math:
    """Return ``Subject j = 1, …, 18``."""
    count = factor.n_levels
    shown = [number(str(k + 1)) for k in range(count)] if count <= 3 else None
    levels = listed(shown or [number("1"), LDOTS, number(str(count))])
    return row(word(f"{factor.label} "), symbol(factor.index), EQUALS, levels)


def sigma_symbol(factor: Factor) -> Math:
    """Return the symbol of the covariance matrix of a level's effects."""
    if factor.size == 1:
        return squared(Symbols.sd_symbol(factor, 0))
    return script(symbol(r"\boldsymbol{\Sigma}", "Σ"), (factor.effect,))


def variance(symbols: Symbols, factor: Factor) -> Math:
    """Return the covariance matrix of a level's effects where it is short, else its symbol."""
    if factor.size == 1:
        return squared(symbols.sd(factor, 0))
    if factor.size <= _EXPLICIT:
        size = range(factor.size)
        return matrix([[covariance(symbols, factor, a, b) for b in size] for a in size])
    return sigma_symbol(factor)


def covariance(symbols: Symbols, factor: Factor, a: int, b: int) -> Math:
    """Return an element of the covariance matrix of a level's effects."""
    if a == b:
        return squared(symbols.sd(factor, a))
    a, b = sorted((a, b))
    if (a, b) not in factor.group.covariance.pairs:
        return ZERO
    return times(symbols.cor(factor, a, b), symbols.sd(factor, a), symbols.sd(factor, b))


def correlation(symbols: Symbols, factor: Factor) -> Math:
    """Return the correlation matrix of a level's effects, elided where it is large."""
    pairs = factor.group.covariance.pairs

    def element(a: int, b: int) -> Math:
        if a == b:
            return number("1")
        a, b = sorted((a, b))
        return symbols.cor(factor, a, b) if (a, b) in pairs else ZERO

    q = factor.size
    if q <= _LISTED:
        return matrix([[element(a, b) for b in range(q)] for a in range(q)])
    first, last = range(2), q - 1
    rows = [[element(a, b) for b in first] + [DOTS, element(a, last)] for a in first]
    rows.append([VDOTS, VDOTS, DDOTS, VDOTS])
    rows.append([element(last, 0), element(last, 1), DOTS, element(last, last)])
    return matrix(rows)


def scales(symbols: Symbols, factor: Factor, *, squares: bool = False) -> Math:
    """Return the diagonal matrix of a factor's sds, or of their squares."""
    sds = [symbols.sd(factor, k) for k in range(factor.size)]
    return call(operator("diag"), *_short([squared(sd) if squares else sd for sd in sds]))


def _short(items: list[Math]) -> list[Math]:
    return items if len(items) <= _LISTED else [items[0], items[1], LDOTS, items[-1]]


def sigma_lines(symbols: Symbols, factor: Factor, *, split: bool = False) -> list[Line]:
    """Return what the covariance matrix of several effects is made of.

    Parameters
    ----------
    symbols : Symbols
    factor : Factor
    split : bool
        Into sds and correlations, however small it is.
    """
    if factor.size == 1:
        return []
    left = sigma_symbol(factor)
    if not factor.group.covariance.pairs and (split or factor.size > _EXPLICIT):
        return [Line(left, "=", (scales(symbols, factor, squares=True),))]
    if factor.size <= _EXPLICIT and not split:
        return [Line(left, "=", (variance(symbols, factor),))]
    R = correlation_symbol(factor)
    D = scales(symbols, factor)
    return [
        Line(left, "=", (D, row(SPACE, R, SPACE, D))),
        Line(R, "=", (correlation(symbols, factor),)),
    ]


def correlation_symbol(factor: Factor) -> Math:
    """Return the symbol of the correlation matrix of a level's effects."""
    return bold("R", factor.effect)


def effect_lines(symbols: Symbols, factor: Factor, *, noted: bool = True) -> list[Line]:
    """Return the distribution of the effects of one level, element by element."""
    items = [factor.effect_of(slot, factor.index) for slot in factor.slots]
    return drawn(symbols, factor, items, None, levels_note(factor) if noted else None)


def all_effects(symbols: Symbols) -> list[Line]:
    """Return the distributions of the effects of all factors."""
    return [line for factor in symbols.factors for line in effect_lines(symbols, factor)]


def drawn(
    symbols: Symbols,
    factor: Factor,
    items: Sequence[Math],
    means: Sequence[Math] | None,
    note: Math | None,
) -> list[Line]:
    """Return the normal distribution of what varies between the levels of a factor.

    Parameters
    ----------
    symbols : Symbols
    factor : Factor
    items : sequence of q Math
    means : sequence of q Math or None
        Zero when None.
    note : Math or None
    """
    if factor.size == 1:
        center = ZERO if means is None else means[0]
        return [Line(items[0], "~", (normal(center, variance(symbols, factor)),), note)]
    center = ZEROS if means is None else column(means)
    lines = [Line(column(items), "~", (normal(center, variance(symbols, factor)),), note)]
    return lines + (sigma_lines(symbols, factor) if factor.size > _EXPLICIT else [])


def vector_lines(symbols: Symbols, factor: Factor, *, split: bool = False) -> list[Line]:
    """Return the distribution of the vector of effects of one level, and its covariance."""
    if factor.size == 1:
        sd = symbols.sd(factor, 0)
        law = normal(ZERO, squared(sd))
        return [Line(factor.vector(factor.index), "~", (law,), levels_note(factor))]
    law = normal(ZEROS, sigma_symbol(factor))
    first = Line(factor.vector(factor.index), "~", (law,), levels_note(factor))
    return [first, *sigma_lines(symbols, factor, split=split)]


def quadratic(symbols: Symbols, factor: Factor, index: str) -> list[Math]:
    """Return z' Sigma z of row i: what a factor adds to the variance of the response."""
    if factor.size > 2:
        z = bold("z", factor.effect, index)
        return [row(script(z, sup="T"), SPACE, sigma_symbol(factor), SPACE, z)]
    terms = []
    for k, slot in enumerate(factor.slots):
        x = slot.column(index)
        sd = squared(symbols.sd(factor, k))
        terms.append(sd if x is None else times(sd, squared(x)))
    if factor.group.covariance.pairs:
        xs = [x for slot in factor.slots if (x := slot.column(index)) is not None]
        cross = times(number("2"), covariance(symbols, factor, 0, 1), *xs)
        terms.insert(1, cross)
    return terms


def spread(coefficients: Sequence[Math], slot: Slot) -> list[Math]:
    """Return the terms of a sum of coefficients times a column: in parentheses before a column."""
    if slot.constant:
        return list(coefficients)
    if len(coefficients) == 1:
        return [with_column(coefficients[0], slot)]
    return [with_column(parenthesised(total(coefficients)), slot)]


def block_diagonal(blocks: Sequence[Math]) -> Math:
    """Return a block-diagonal matrix, or the only block."""
    return blocks[0] if len(blocks) == 1 else diagonal(blocks, ZEROS)
