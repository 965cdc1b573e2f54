"""Notations that show the clusters: one at a time, or stacked in blocks."""

from __future__ import annotations

from hierlm.equations.effects import sigma_lines, vector_lines
from hierlm.equations.equation import Line
from hierlm.equations.expressions import (
    CROSS,
    DDOTS,
    DOTS,
    VDOTS,
    ZEROS,
    Math,
    bold,
    call,
    column,
    diagonal,
    matrix,
    normal,
    number,
    operator,
    plus,
    row,
    script,
    squared,
    symbol,
    word,
)
from hierlm.equations.likelihood import is_linear, is_normal
from hierlm.equations.matrices import (
    BETA,
    EPSILON,
    below,
    design_matrix,
    error_vector_line,
    group_covariance,
    independent_line,
    joined,
    linked_mean,
    numbers_line,
    response_lines,
    side_by_side,
    sizes,
    systematic,
    with_indicators,
)
from hierlm.equations.structure import chain
from hierlm.equations.symbols import Factor, Symbols


def per_cluster(symbols: Symbols) -> list[Line]:
    """Write the rows of one cluster at a time."""
    if not symbols.factors:
        return with_indicators(symbols)
    nested = chain(symbols)
    cluster = nested[-1] if nested else symbols.factors[0]
    others = [factor for factor in symbols.factors if factor != cluster]
    j = cluster.index
    terms = [bold("o", j)] if symbols.offsets else []
    terms += [row(bold("X", j), BETA)] if symbols.slots else []
    one = not others
    terms.append(row(bold("Z", *(() if one else (cluster.effect,)), j), cluster.vector(j)))
    for other in others:
        own = other.vector() if nested is None else bold(other.effect, "(" + j + ")")
        terms.append(row(bold("Z", other.effect, j), own))
    lines = _cluster_response(symbols, cluster, terms)
    lines += vector_lines(symbols, cluster)
    for other in others:
        lines += vector_lines(symbols, other)
        lines.append(Line(note=_shared(symbols, cluster, other, nested is not None)))
    size = script(symbol("n"), (j,))
    parts = [row(bold("y", j), word(": the "), size, word(" rows of level "), symbol(j))]
    parts += (
        [row(bold("X", j), word(": "), size, CROSS, number(str(len(symbols.slots))))]
        if symbols.slots
        else []
    )
    z = bold("Z", *(() if one else (cluster.effect,)), j)
    parts.append(row(z, word(": "), size, CROSS, number(str(cluster.size))))
    return lines + numbers_line(symbols) + [Line(note=joined(parts))]


def _cluster_response(symbols: Symbols, cluster: Factor, terms: list[Math]) -> list[Line]:
    spec, j = symbols.spec, cluster.index
    left = bold("y", j)
    if not is_linear(spec):
        return [independent_line(symbols), Line(linked_mean(symbols, j), "=", plus(terms))]
    eps = script(EPSILON, (j,))
    lines = [Line(left, "=", plus([*terms, eps]))]
    if not is_normal(spec):
        return [*lines, error_vector_line(symbols)]
    size = script(symbol("n"), (j,))
    sd = squared(symbols.row_sd)
    identity_ = Math(rf"\mathbf{{I}}_{{{size.latex}}}", symbol("Iₙ" + size.text[1:]).box)
    covariance = row(sd, identity_)
    if spec.encoding.values.se is not None:
        covariance = call(operator("diag"), row(sd, word(" of its rows")))
    return [*lines, Line(eps, "~", (normal(ZEROS, covariance),))]


def _shared(symbols: Symbols, cluster: Factor, other: Factor, nested: bool) -> Math:
    """Return whose effects stand beside those of the cluster."""
    if nested:
        inner = bold(other.effect, "(" + cluster.index + ")")
        return row(
            inner, word(f": the effects of {other.label} within that level of {cluster.label}")
        )
    return row(
        other.vector(),
        word(f": all effects of {other.label}, shared between levels of {cluster.label}"),
    )


def block_form(symbols: Symbols) -> list[Line]:
    """Write the matrices opened: rows sorted by level make Z block-diagonal."""
    if not symbols.factors:
        return with_indicators(symbols)
    if len(symbols.factors) > 1:
        return _partitioned(symbols)
    (factor,) = symbols.factors
    shown = _shown(factor.n_levels)
    terms = [_stack([bold("o", k) for k in shown], factor)] if symbols.offsets else []
    if symbols.slots:
        terms.append(row(_stack([bold("X", k) for k in shown], factor), BETA))
    effects = _stack([factor.vector(k) for k in shown], factor)
    terms.append(row(_blocks([bold("Z", k) for k in shown], factor), effects))
    if is_linear(symbols.spec):
        terms.append(_stack([script(EPSILON, (k,)) for k in shown], factor))
        responses = _stack([bold("y", k) for k in shown], factor)
        lines = [Line(responses, "=", plus(terms)), error_vector_line(symbols)]
    else:
        means = _stack([linked_mean(symbols, k) for k in shown], factor)
        lines = [independent_line(symbols), Line(means, "=", plus(terms))]
    lines += vector_lines(symbols, factor) + numbers_line(symbols)
    sorted_ = word(f"Rows sorted by {factor.label}; zeros where a row is of another level")
    return [*lines, Line(note=sorted_)]


def _shown(n_levels: int) -> list[str]:
    """Return the levels that a stack shows: of many the first two and the last."""
    few = [str(k + 1) for k in range(min(n_levels, 3))]
    return few if n_levels <= 3 else ["1", "2", str(n_levels)]


def _stack(items: list[Math], factor: Factor) -> Math:
    """Return a column of blocks, dots standing for what is not shown."""
    dots = [VDOTS] if factor.n_levels > 3 else []
    return column([*items[:-1], *dots, items[-1]] if len(items) > 1 else items)


def _blocks(items: list[Math], factor: Factor) -> Math:
    """Return a block-diagonal matrix, dots standing for what is not shown."""
    if factor.n_levels <= 3:
        return diagonal(items, ZEROS) if len(items) > 1 else items[0]
    first, second, last = items
    return matrix(
        [
            [first, ZEROS, DOTS, ZEROS],
            [ZEROS, second, DOTS, ZEROS],
            [VDOTS, VDOTS, DDOTS, VDOTS],
            [ZEROS, ZEROS, DOTS, last],
        ]
    )


def _partitioned(symbols: Symbols) -> list[Line]:
    """Return the form of several factors: Z side by side, effects below each other."""
    zs, us = side_by_side(symbols), below(symbols)
    terms = [*systematic(symbols), row(zs, us)]
    lines = response_lines(symbols, terms)
    lines.append(Line(us, "~", (normal(ZEROS, group_covariance(symbols)),)))
    for factor in symbols.factors:
        lines += sigma_lines(symbols, factor)
    lines += numbers_line(symbols)
    lines += [Line(note=_which(symbols, factor)) for factor in symbols.factors]
    return lines + sizes(symbols)


def _which(symbols: Symbols, factor: Factor) -> Math:
    Zf = design_matrix(factor, symbols)
    return row(Zf, word(f" is block-diagonal when rows are sorted by {factor.label}"))
