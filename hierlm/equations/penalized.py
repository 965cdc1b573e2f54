"""The notation of penalised regression: what the model shrinks, and how strongly."""

from __future__ import annotations

from hierlm.equations.effects import elided, predictor, sigma_lines, sigma_symbol
from hierlm.equations.equation import Line
from hierlm.equations.expressions import (
    BAR,
    MINUS,
    SPACE,
    Math,
    call,
    fraction,
    number,
    plus,
    row,
    script,
    squared,
    sum_over,
    symbol,
    times,
    total,
    word,
)
from hierlm.equations.likelihood import distributed, is_normal, mean
from hierlm.equations.matrices import BETA, Y, grouped, sizes, systematic
from hierlm.equations.symbols import Factor, Symbols

_LAMBDA = symbol(r"\lambda", "λ")


def penalized(symbols: Symbols) -> list[Line]:
    r"""Write the effects as minimisers of a penalised loss; its lambda is a ratio of variances."""
    quadratic = is_normal(symbols.spec) and symbols.spec.encoding.values.se is None
    left = row(
        hat(BETA), *(part for f in symbols.factors for part in (symbol(", "), hat(f.vector())))
    )
    arguments = ", ".join([r"\boldsymbol{\beta}", *(f.vector().latex for f in symbols.factors)])
    shown = ",".join(["β", *(f.effect for f in symbols.factors)])
    minimum = Math(rf"\operatorname*{{arg\,min}}_{{{arguments}}} ", symbol(f"argmin_{shown} ").box)
    terms = [_loss(symbols, quadratic), *(_penalty(symbols, f) for f in symbols.factors)]
    first, *rest = plus(terms)
    lines = [Line(left, "=", (minimum, first, *rest))]
    if not is_normal(symbols.spec) or not quadratic or symbols.weight is not None:
        lines += distributed(symbols, predictor(symbols))
    for factor in symbols.factors:
        lines += _definitions(symbols, factor, quadratic)
    given = word("At given variances, with a flat prior on the common effects")
    return [*lines, Line(note=given), *sizes(symbols)]


def hat(x: Math) -> Math:
    """Return the symbol of an estimate."""
    return Math(rf"\hat{{{x.latex}}}", row(x, symbol("\N{COMBINING CIRCUMFLEX ACCENT}")).box)


def _loss(symbols: Symbols, quadratic: bool) -> Math:
    """Return the residual sum of squares, or minus the log likelihood (doubled)."""
    fit = [*systematic(symbols), *grouped(symbols)]
    if quadratic and symbols.weight is None:
        residual = row(Y, *(row(MINUS, term) for term in fit))
        return squared(row(symbol(r"\lVert ", "‖"), residual, symbol(r" \rVert", "‖")))
    y = script(symbol("y"), ("i",))
    weight = symbols.weight
    if is_normal(symbols.spec):
        error = squared(row(symbol("("), y, MINUS, mean(symbols.spec, "i"), symbol(")")))
        if not quadratic:
            error = fraction(error, squared(symbols.row_sd))
        return row(sum_over("i"), error if weight is None else times(weight, error))
    p = call(symbol("p"), row(y, BAR, mean(symbols.spec, "i")))
    log = row(symbol(r"\log ", "log "), p)
    inside = log if weight is None else times(weight, log)
    whole = row(number("2"), SPACE, sum_over("i"), inside)
    return Math(whole.latex, whole.box, negative=True)


def _penalty(symbols: Symbols, factor: Factor) -> Math:
    """Return what the effects of a factor cost: lambda times their squares, or a matrix form."""
    j = factor.index
    if factor.group.covariance.pairs:
        u = factor.vector(j)
        return row(sum_over(j), script(u, sup="T"), _penalties(symbols, factor), SPACE, u)
    terms = [
        row(_strength(symbols, factor, k), SPACE, sum_over(j), squared(factor.effect_of(slot, j)))
        for k, slot in enumerate(factor.slots)
    ]
    return total(elided(terms))


def _strength(symbols: Symbols, factor: Factor, k: int) -> Math:
    """Return the symbol of the penalty of the k-th effect of a factor."""
    sub = (factor.effect,) if len(symbols.factors) > 1 or factor.size > 1 else ()
    return script(_LAMBDA, (*sub, *((str(factor.slots[k].number),) if factor.size > 1 else ())))


def _penalties(symbols: Symbols, factor: Factor) -> Math:
    """Return the symbol of the matrix of penalties of effects that correlate."""
    sub = (factor.effect,) if len(symbols.factors) > 1 else ()
    return script(symbol(r"\boldsymbol{\Lambda}", "Λ"), sub)


def _definitions(symbols: Symbols, factor: Factor, quadratic: bool) -> list[Line]:
    """Return what lambda is: the residual variance over that of the effects."""
    over = squared(symbols.shape("sigma")) if quadratic else number("1")
    note = word(f"{factor.label}, {factor.n_levels} levels")
    if factor.group.covariance.pairs:
        inverse = script(sigma_symbol(factor), sup="-1")
        form = row(over, SPACE, inverse) if quadratic else inverse
        first = Line(_penalties(symbols, factor), "=", (form,), note)
        return [first, *sigma_lines(symbols, factor)]
    lines = []
    for k in range(factor.size):
        ratio = fraction(over, squared(symbols.sd(factor, k)))
        value = symbols.values.get(f"lambda_{symbols.sd_name(factor, k)}")
        about = () if value is None else (row(symbol(r" \approx ", " ≈ "), number(value)),)
        label = note if factor.size == 1 else word(f"{factor.label}, {factor.slots[k].label}")
        lines.append(Line(_strength(symbols, factor, k), "=", (ratio, *about), label))
    return lines
