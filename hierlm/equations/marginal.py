"""Notations in which the effects are integrated out: what they do to the covariance of rows."""

from __future__ import annotations

from hierlm.equations.effects import (
    common_terms,
    levels_note,
    sigma_lines,
    sigma_symbol,
    vector_lines,
)
from hierlm.equations.equation import Line
from hierlm.equations.expressions import (
    BAR,
    DDOTS,
    DOTS,
    EQUALS,
    LDOTS,
    OTHER_ROW,
    PLUS,
    RHO,
    ROW,
    SPACE,
    VDOTS,
    ZERO,
    ZEROS,
    Math,
    bold,
    call,
    cases,
    fraction,
    indicator,
    matrix,
    normal,
    number,
    operator,
    parenthesised,
    plus,
    row,
    script,
    squared,
    symbol,
    times,
    total,
    word,
)
from hierlm.equations.likelihood import is_latent, is_linear, is_normal, latent_variance
from hierlm.equations.matrices import (
    G,
    V,
    Y,
    Z,
    below,
    conditional_lines,
    group_covariance,
    identity,
    numbers_line,
    residual_covariance,
    side_by_side,
    sizes,
    stacked,
    systematic,
)
from hierlm.equations.scalar import columns_line, finite, residual_variance, threshold
from hierlm.equations.symbols import Factor, Symbols


def _covariance_lines(symbols: Symbols) -> list[Line]:
    """Return V, what it is made of, and G."""
    own = latent_identity(symbols) if is_latent(symbols.spec) else residual_covariance(symbols)
    if not symbols.factors:
        return [Line(V, "=", (own,))]
    whole = row(Z, SPACE, G, SPACE, script(Z, sup="T"))
    lines = [Line(V, "=", plus([whole, own])), Line(G, "=", (group_covariance(symbols),))]
    for factor in symbols.factors:
        lines += sigma_lines(symbols, factor)
    if len(symbols.factors) > 1:
        lines.append(Line(Z, "=", (side_by_side(symbols),)))
    return lines


def latent_identity(symbols: Symbols) -> Math:
    """Return the covariance matrix of the errors of latent responses."""
    size = identity(number(str(symbols.spec.n_rows)))
    own = latent_variance(symbols.spec)
    return size if own.latex == "1" else row(own, SPACE, size)


def conditional_and_marginal(symbols: Symbols) -> list[Line]:
    """Write the response given the effects, and with the effects integrated out."""
    spec = symbols.spec
    fixed = systematic(symbols)
    if not is_linear(spec) or not is_normal(spec):
        return _integral(symbols)
    if not symbols.factors:
        return multivariate_normal(symbols)
    b = stacked(symbols)
    law_ = normal(total([*fixed, row(Z, b)]), residual_covariance(symbols))
    lines = [Line(row(Y, BAR, b), "~", (law_,), word("conditional"))]
    lines.append(Line(b, "~", (normal(ZEROS, G),)))
    lines.append(Line(Y, "~", (normal(total(fixed) if fixed else ZEROS, V),), word("marginal")))
    lines += _covariance_lines(symbols)
    lines += [Line(b, "=", (below(symbols),))] if len(symbols.factors) > 1 else []
    return lines + numbers_line(symbols) + sizes(symbols)


def _integral(symbols: Symbols) -> list[Line]:
    """Return the marginal distribution where it has no closed form."""
    lines = conditional_lines(symbols)
    if not symbols.factors:
        return lines + numbers_line(symbols) + sizes(symbols)
    for factor in symbols.factors:
        lines += vector_lines(symbols, factor)
    b = stacked(symbols)
    density = call(symbol("p"), row(script(symbol("y"), ("i",)), BAR, b))
    product = row(Math(r"\prod_{i} ", symbol("∏ᵢ ").box), density, SPACE)
    differential = Math(rf"d{b.latex}", row(symbol("d"), b).box)
    sign = Math(r"\int ", symbol("∫ ").box)
    whole = row(sign, product, call(symbol("p"), b), SPACE, differential)
    lines.append(Line(call(symbol("p"), Y), "=", (whole,), word("marginal: no closed form")))
    if len(symbols.factors) > 1:
        lines.append(Line(b, "=", (below(symbols),)))
    if is_linear(symbols.spec):  # a t distribution: the moments of the marginal are known
        own = residual_covariance(symbols)
        whole = row(Z, SPACE, G, SPACE, script(Z, sup="T"))
        lines.append(Line(call(operator("Var"), Y), "=", plus([whole, own]), finite(symbols)))
        lines.append(Line(G, "=", (group_covariance(symbols),)))
        lines += [Line(Z, "=", (side_by_side(symbols),))] if len(symbols.factors) > 1 else []
    return lines + numbers_line(symbols) + sizes(symbols)


def correlated_errors(symbols: Symbols) -> list[Line]:
    """Write one regression whose errors correlate within levels."""
    spec = symbols.spec
    latent = is_latent(spec)
    left = script(symbol("y^{*}", "y*"), ("i",)) if latent else symbols.response("i")
    lines = threshold(symbols, left) if latent else []
    e, other = script(symbol("e"), ("i",)), script(symbol("e"), ("i'",))
    lines.append(Line(left, "=", plus([*common_terms(symbols), e])))
    exact = is_normal(spec) or spec.family.link.name == "probit"
    if exact:
        lines.append(Line(bold("e"), "~", (normal(ZEROS, V),)))
    own = latent_variance(spec) if latent else residual_variance(symbols)
    covariance = call(operator("Cov"), e, other)
    simple = len(symbols.factors) == 1 and _constant(symbols.factors[0])
    if simple:
        lines += _compound(symbols, covariance, own)
    else:
        lines.append(Line(covariance, "=", plus(_pairwise(symbols, own))))
        for factor in symbols.factors:
            lines += [] if factor.size == 1 else [columns_line(factor)]
        lines += _covariance_lines(symbols)
    if latent and not exact:
        words = word(" is the variance of the error of a latent response")
        lines.append(Line(note=row(latent_variance(spec), words)))
    return lines


def _constant(factor: Factor) -> bool:
    """Return whether only an intercept varies."""
    return factor.size == 1 and factor.slots[0].constant


def _compound(symbols: Symbols, covariance: Math, own: Math) -> list[Line]:
    """Return compound symmetry: one covariance for any two rows of a level."""
    (factor,) = symbols.factors
    between = squared(symbols.sd(factor, 0))
    both = row(between, PLUS, own)
    same = row(ROW, EQUALS, OTHER_ROW)
    j, k = _level_of(factor, ROW), _level_of(factor, OTHER_ROW)
    level = row(j, EQUALS, k, symbol(", "), ROW, symbol(r" \ne ", " ≠ "), OTHER_ROW)
    rows = [(both, same), (between, level), (ZERO, word("otherwise"))]
    body = matrix(
        [
            [both, between, DOTS, between],
            [between, both, DOTS, between],
            [VDOTS, VDOTS, DDOTS, VDOTS],
            [between, between, DOTS, both],
        ]
    )
    lines = [Line(covariance, "=", (cases(rows),))]
    if symbols.spec.encoding.values.se is not None:
        return lines
    first, last = (bold("V", index) for index in ("1", str(factor.n_levels)))
    lines.append(Line(V, "=", (call(operator("diag"), first, LDOTS, last),)))
    lines.append(Line(bold("V", factor.index), "=", (body,), levels_note(factor)))
    note = word("correlation of two rows of a level")
    lines.append(Line(RHO, "=", (_ratio(between, both),), note))
    return lines


def _ratio(over: Math, under: Math) -> Math:
    plain = fraction(over, under)
    return Math(plain.latex, fraction(over, parenthesised(under)).box)


def _level_of(factor: Factor, of: Math) -> Math:
    """Return the level of a row."""
    return row(symbol(factor.index), symbol("["), of, symbol("]"))


def _pairwise(symbols: Symbols, own: Math) -> list[Math]:
    """Return the covariance of the errors of two rows, factor by factor."""
    terms = []
    for factor in symbols.factors:
        same = indicator(row(_level_of(factor, ROW), EQUALS, _level_of(factor, OTHER_ROW)))
        if factor.size == 1:
            columns = [x for i in ("i", "i'") if (x := factor.slots[0].column(i)) is not None]
            terms.append(times(squared(symbols.sd(factor, 0)), *columns, same))
            continue
        zi = script(symbol(r"\mathbf{z}", "z"), (factor.effect, "i"))
        zk = script(symbol(r"\mathbf{z}", "z"), (factor.effect, "i'"))
        terms.append(row(script(zi, sup="T"), SPACE, sigma_symbol(factor), SPACE, zk, SPACE, same))
    equal = row(ROW, EQUALS, OTHER_ROW)
    return [*terms, times(own, indicator(equal))]


def multivariate_normal(symbols: Symbols) -> list[Line]:
    """Write the whole response as one draw."""
    spec = symbols.spec
    fixed = systematic(symbols)
    center = total(fixed) if fixed else ZEROS
    if is_latent(spec):
        star = symbol(r"\mathbf{y}^{*}", "y*")
        lines = threshold(symbols, script(symbol("y^{*}", "y*"), ("i",)))
        lines.append(Line(star, "~", (_with_size(center, spec.n_rows),)))
    else:
        lines = [Line(Y, "~", (_with_size(center, spec.n_rows),))]
    return lines + _covariance_lines(symbols) + numbers_line(symbols) + sizes(symbols)


def _with_size(center: Math, n: int) -> Math:
    size = str(n)
    return call(script(symbol(r"\mathcal{N}", "N"), (size,)), center, V)
