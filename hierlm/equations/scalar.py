"""Notations that follow one row: coefficients and errors by name."""

from __future__ import annotations

from hierlm.equations.effects import (
    all_effects,
    common_terms,
    drawn,
    effect_terms,
    elided,
    levels_note,
    quadratic,
    sigma_lines,
    spread,
    with_column,
)
from hierlm.equations.equation import Line
from hierlm.equations.expressions import (
    GREATER,
    MINUS,
    NU,
    ZERO,
    Math,
    call,
    indicator,
    number,
    operator,
    parenthesised,
    plus,
    row,
    script,
    squared,
    symbol,
    times,
    word,
)
from hierlm.equations.likelihood import (
    error,
    error_line,
    is_linear,
    latent_line,
    latent_variance,
    law_note,
    mean,
    observed,
)
from hierlm.equations.symbols import Factor, Symbols

_XI = symbol(r"\xi", "ξ")


def varying_coefficients(symbols: Symbols) -> list[Line]:
    """Write coefficients that vary by level around common ones."""
    if len(symbols.factors) != 1:
        return [*observed(symbols, _gathered(symbols)), *all_effects(symbols)]
    (factor,) = symbols.factors
    terms = []
    for slot in symbols.all_slots:
        if slot in factor.slots:
            terms.append(with_column(symbols.beta_symbol(slot, factor.of_row), slot))
        else:
            terms.append(with_column(symbols.beta(slot), slot))
    items = [symbols.beta_symbol(slot, factor.index) for slot in factor.slots]
    means = [symbols.beta(slot) if slot.common else ZERO for slot in factor.slots]
    lines = observed(symbols, [*symbols.offsets, *elided(terms)])
    return lines + drawn(symbols, factor, items, means, levels_note(factor))


def _gathered(symbols: Symbols) -> list[Math]:
    """Return the linear predictor with all that multiplies a column in parentheses."""
    terms = []
    for slot in symbols.all_slots:
        parts = [symbols.beta(slot)] if slot.common else []
        parts += [f.effect_of(slot, f.of_row) for f in symbols.factors if slot in f.slots]
        terms += spread(parts, slot)
    return [*symbols.offsets, *elided(terms)] or [ZERO]


def error_components(symbols: Symbols) -> list[Line]:
    """Write effects as further errors, and the variances that they add up to."""
    spec = symbols.spec
    latent = not is_linear(spec)
    index = ("i", "t") if spec.family.response == "trials" else ("i",)
    left = script(symbol("y^{*}", "y*"), index) if latent else symbols.response("i")
    xi = script(_XI, index)
    lines = threshold(symbols, left) if latent else []
    lines.append(Line(left, "=", plus([*common_terms(symbols), xi])))
    lines.append(Line(xi, "=", plus([*effect_terms(symbols), error(*index)])))
    lines += all_effects(symbols)
    if latent:
        lines.append(latent_line(spec, error(*index)))
        own = latent_variance(spec)
    else:
        lines.append(error_line(symbols, law_note(symbols, ZERO)))
        own = residual_variance(symbols)
    for factor in symbols.factors:
        if factor.size > 2:
            lines.append(columns_line(factor))
            lines += [] if factor.size > 3 else sigma_lines(symbols, factor)
    parts = [term for factor in symbols.factors for term in quadratic(symbols, factor, "i")]
    lines.append(Line(call(operator("Var"), xi), "=", plus([*parts, own]), finite(symbols)))
    return lines


def finite(symbols: Symbols) -> Math | None:
    """Return when the variance of a t distribution is finite."""
    if symbols.spec.family.name != "student" or symbols.shape("nu").numeric:
        return None
    return row(word("for "), NU, GREATER, number("2"))


def columns_line(factor: Factor) -> Line:
    """Return what the vector z of row i holds."""
    columns = [slot.column() or number("1") for slot in factor.slots]
    shown = (
        columns
        if len(columns) <= 4
        else [columns[0], columns[1], symbol(r"\dots", "…"), columns[-1]]
    )
    z = script(symbol(r"\mathbf{z}", "z"), (factor.effect, "i"))
    return Line(z, "=", (script(call(symbol(""), *shown), sup="T"),))


def residual_variance(symbols: Symbols) -> Math:
    """Return the variance of the residual of row i."""
    sd = squared(symbols.row_sd)
    if symbols.spec.family.name != "student":
        return sd
    nu = symbols.shape("nu")
    below = row(nu, MINUS, number("2"))
    if nu.numeric:
        factor = row(nu, symbol(" / ("), below, symbol(")"))
        return times(sd, factor)
    ratio = Math(
        rf"\frac{{{nu.latex}}}{{{below.latex}}}",
        row(nu, symbol(" / "), parenthesised(below)).box,
    )
    return times(sd, ratio)


def threshold(symbols: Symbols, left: Math) -> list[Line]:
    """Return how a binary response comes of a latent one."""
    positive = row(left, GREATER, ZERO)
    above = indicator(positive)
    note = law_note(symbols, mean(symbols.spec, "i"))
    if symbols.trials is None:
        return [Line(symbols.response("i"), "=", (above,), note)]
    upper = symbols.trials
    terms = row(Math(rf"\sum_{{t=1}}^{{{upper.latex}}} ", symbol("∑ₜ ").box), above)
    trials = row(symbol("t"), symbol(" = 1, "), symbol(r"\dots", "…"), symbol(", "), upper)
    return [Line(symbols.response("i"), "=", (terms,), trials)]
