"""The notation with every prior: the model as it is sampled."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from hierlm import names
from hierlm.equations.effects import correlation_symbol, predictor, vector_lines
from hierlm.equations.equation import Line
from hierlm.equations.escaping import shortened
from hierlm.equations.expressions import (
    SPACE,
    Math,
    bold,
    call,
    column,
    listed,
    name,
    normal,
    number,
    operator,
    overline,
    plus,
    row,
    script,
    squared,
    sum_over,
    symbol,
    times,
    word,
)
from hierlm.equations.likelihood import distributed
from hierlm.equations.symbols import Factor, Slot, Symbols
from hierlm.priors import Fixed, Flat, Normal, Prior
from hierlm.priors.base import number_text

_MEANS = 3  # slopes whose means are written out
_LONG = 48  # characters of a note


def bayesian(symbols: Symbols) -> list[Line]:
    """Write likelihood, effects, and the prior of every parameter.

    Parameters stay symbols, for a prior of a number says nothing; numbers of a fit are notes.
    """
    plain = replace(symbols, values={}, fixed=False)
    lines = [*distributed(plain, predictor(plain))]
    for factor in plain.factors:
        lines += _effects(plain, factor)
    lines += _coefficients(symbols)
    for factor in plain.factors:
        lines += _sds(symbols, factor) + _correlations(symbols, factor)
    for shape in plain.spec.shapes:
        note = _note(symbols, [shape.meaning.partition(":")[0]], [shape.name])
        lines.append(_prior(symbols.shape_symbol(shape.name), plain.spec.priors[shape.name], note))
    return lines


def _effects(plain: Symbols, factor: Factor) -> list[Line]:
    """Return the distribution of a factor's effects, sds and correlations apart."""
    first, *rest = vector_lines(plain, factor, split=True)
    items = column([factor.effect_of(slot, factor.index) for slot in factor.slots])
    return [replace(first, left=items), *rest]


def prior_law(prior: Prior) -> Math:
    """Return a prior as it is written: a normal with its variance, others as hierlm spells them."""
    values = [number(number_text(value)) for value in prior.parameters.values()]
    if isinstance(prior, Normal):
        mean, sd = values
        return normal(mean, squared(sd) if prior.sigma != 1 else sd)
    return call(operator(type(prior).__name__), *(value.signed for value in values))


def _prior(left: Math, prior: Prior, note: Math | None) -> Line:
    if isinstance(prior, Fixed):
        fixed = word("fixed") if note is None else row(note, word(", fixed"))
        return Line(left, "=", (number(number_text(prior.value)).signed,), fixed)
    if isinstance(prior, Flat):
        return Line(call(symbol("p"), left), "prop", (number("1"),), note)
    return Line(left, "~", (prior_law(prior),), note)


def _note(symbols: Symbols, labels: Sequence[str], parameters: Sequence[str]) -> Math | None:
    """Return what parameters are called in tables, and their posterior means."""
    known = [symbols.values[key] for key in parameters if key in symbols.values]
    text = ", ".join(labels)
    if len(text) > _LONG:
        text = shortened(f"{labels[0]}, …, {labels[-1]}" if len(labels) > 2 else text, _LONG)
    if not known:
        return word(text) if text else None
    means = listed([number(value).signed for value in known], most=4)
    return row(word(f"{text}: posterior mean "), means)


def _coefficients(symbols: Symbols) -> list[Line]:
    """Return the priors of the common effects, neighbours of one prior together."""
    priors, lines = symbols.spec.priors, []
    slots = list(symbols.slots)
    if names.INTERCEPT_CENTERED in priors:
        prior = priors[names.INTERCEPT_CENTERED]
        lines += _centered(symbols, prior, [slot for slot in slots if not slot.constant])
        slots = [slot for slot in slots if not slot.constant]
    for prior, same in itertools.groupby(slots, key=lambda slot: priors[slot.label]):
        group = list(same)
        betas = listed([symbols.beta_symbol(slot) for slot in group], most=4)
        labels = [slot.label for slot in group]
        lines.append(_prior(betas, prior, _note(symbols, labels, labels)))
    return lines


def _centered(symbols: Symbols, prior: Prior, slopes: list[Slot]) -> list[Line]:
    """Return the prior of the intercept, which is that of the predictor at average columns."""
    intercept = next(slot for slot in symbols.slots if slot.constant)
    beta = symbols.beta_symbol(intercept)
    posterior = _note(symbols, [names.INTERCEPT], [names.INTERCEPT])
    if not slopes:
        return [_prior(beta, prior, posterior)]
    if len(slopes) <= _MEANS:
        terms = [times(symbols.beta_symbol(slot), overline(name(slot.label))) for slot in slopes]
    else:
        x = script(overline(symbol("x")), ("k",))
        bar = Math(x.latex, script(symbol("x\N{COMBINING OVERLINE}"), ("k",)).box)
        terms = [row(sum_over("k"), script(symbol(r"\beta", "β"), ("k",)), SPACE, bar)]
    centered = script(symbol(r"\beta", "β"), ("0",), sup="c")
    about = word("intercept at average predictors")
    first = Line(centered, "=", plus([beta, *terms]), about)
    known = symbols.values.get(names.INTERCEPT)
    note = None if known is None else row(beta, word(": posterior mean "), number(known))
    return [first, _prior(centered, prior, note)]


def _sds(symbols: Symbols, factor: Factor) -> list[Line]:
    """Return the priors of a factor's sds, neighbours of one prior together."""
    priors, lines = symbols.spec.priors, []
    keys = [symbols.sd_name(factor, k) for k in range(factor.size)]
    for prior, same in itertools.groupby(range(factor.size), key=lambda k: priors[keys[k]]):
        ks = list(same)
        sds = listed([symbols.sd_symbol(factor, k) for k in ks], most=4)
        parameters = [keys[k] for k in ks]
        lines.append(_prior(sds, prior, _note(symbols, parameters, parameters)))
    return lines


def _correlations(symbols: Symbols, factor: Factor) -> list[Line]:
    """Return the prior of the correlations of each bar."""
    covariance = factor.group.covariance
    if not covariance.pairs:
        return []
    plain = replace(symbols, values={}, fixed=False)
    variable = names.cor(factor.label)
    prior = symbols.spec.priors[variable]
    labels = [factor.slots[k].label for pair in covariance.pairs for k in pair]
    keys = [
        names.element(variable, names.pair(*pair))
        for pair in zip(labels[::2], labels[1::2], strict=True)
    ]
    note = _note(symbols, [variable], keys)
    if isinstance(prior, Fixed):
        rhos = listed([plain.cor(factor, a, b) for a, b in covariance.pairs], most=4)
        return [_prior(rhos, prior, note)]
    if len(covariance.parts) == 1:
        return [_prior(correlation_symbol(factor), prior, note)]
    lines = []
    parts = covariance.correlated_parts
    for k, part in enumerate(parts):
        block = (
            correlation_symbol(factor) if len(parts) == 1 else bold("R", factor.effect, str(k + 1))
        )
        labels = [factor.slots[m].label for m in part]
        shown = ", ".join(labels) if len(labels) < 4 else f"{labels[0]}, …, {labels[-1]}"
        lines.append(_prior(block, prior, word(f"the block of {shown}")))
    return lines
