"""The words of matrix notation, and the notation with an indicator matrix Z."""

from __future__ import annotations

from hierlm.equations.effects import block_diagonal, sigma_lines, sigma_symbol
from hierlm.equations.equation import Line
from hierlm.equations.expressions import (
    BAR,
    CROSS,
    LDOTS,
    SPACE,
    ZERO,
    ZEROS,
    Math,
    bold,
    call,
    column,
    matrix,
    normal,
    number,
    operator,
    plus,
    row,
    script,
    squared,
    symbol,
    total,
    word,
)
from hierlm.equations.likelihood import is_linear, is_normal, law, law_note, linked, mean
from hierlm.equations.scalar import residual_variance
from hierlm.equations.symbols import Factor, Symbols

BETA = symbol(r"\boldsymbol{\beta}", "β")
EPSILON = symbol(r"\boldsymbol{\varepsilon}", "ε")
Y, X, Z, U, V, G = (bold(letter) for letter in "yXZuVG")
MU = symbol(r"\boldsymbol{\mu}", "μ")
PI = symbol(r"\boldsymbol{\pi}", "π")
KRON = symbol(r" \otimes ", " ⊗ ")


def identity(size: Math) -> Math:
    """Return the symbol of an identity matrix."""
    return Math(rf"\mathbf{{I}}_{{{size.latex}}}", script(symbol("I"), (size.text,)).box)


def design_matrix(factor: Factor, symbols: Symbols) -> Math:
    """Return the symbol of a factor's indicator matrix."""
    return Z if len(symbols.factors) == 1 else bold("Z", factor.effect)


def systematic(symbols: Symbols) -> list[Math]:
    """Return the linear predictor of all rows: offset, X beta, Z u for each factor."""
    terms = [bold("o")] if symbols.offsets else []
    terms += [row(X, BETA)] if symbols.slots else []
    return terms


def grouped(symbols: Symbols) -> list[Math]:
    """Return Z u for each factor."""
    return [row(design_matrix(factor, symbols), factor.vector()) for factor in symbols.factors]


def residual_covariance(symbols: Symbols) -> Math:
    """Return the covariance matrix of the residuals."""
    n = number(str(symbols.spec.n_rows))
    known = symbols.spec.encoding.values.se
    if known is None:
        gap = SPACE if symbols.spec.family.name == "student" else symbol("")
        return row(residual_variance(symbols), gap, identity(n))
    first, last = (squared(script(word(known.text), (index,))) for index in ("1", n.text))
    return call(operator("diag"), first, LDOTS, last)


def error_vector_line(symbols: Symbols) -> Line:
    """Return the distribution of all residuals."""
    spec = symbols.spec
    if is_normal(spec):
        return Line(EPSILON, "~", (normal(ZEROS, residual_covariance(symbols)),))
    t = call(operator("StudentT"), symbols.shape("nu"), ZERO, symbols.row_sd)
    note = row(word("independent; "), law_note(symbols, ZERO) or word(""))
    return Line(script(symbol(r"\varepsilon", "ε"), ("i",)), "~", (t,), note)


def response_lines(symbols: Symbols, terms: list[Math]) -> list[Line]:
    """Return how the vector of responses arises from the linear predictor."""
    if is_linear(symbols.spec):
        return [Line(Y, "=", plus([*terms, EPSILON])), error_vector_line(symbols)]
    return [independent_line(symbols), Line(linked_mean(symbols), "=", plus(terms or [ZEROS]))]


def conditional_lines(symbols: Symbols) -> list[Line]:
    """Return the distribution of the responses given the effects."""
    terms = [*systematic(symbols), *grouped(symbols)]
    return [independent_line(symbols), Line(linked_mean(symbols), "=", plus(terms or [ZEROS]))]


def linked_mean(symbols: Symbols, *index: str) -> Math:
    """Return the link of the vector of means: of all rows, or of those of a level."""
    mu = PI if symbols.spec.family.response in ("binary", "trials") else MU
    return linked(symbols.spec, script(mu, index))


def independent_line(symbols: Symbols) -> Line:
    """Return the distribution of row i, which given the effects is independent of the others."""
    mu = mean(symbols.spec, "i")
    y = script(symbol("y"), ("i",))
    given = row(y, BAR, stacked(symbols)) if symbols.factors else y
    note = law_note(symbols, mu)
    words = word("independent") if note is None else row(word("independent; "), note)
    return Line(given, "~", (law(symbols, mu),), words)


def stacked(symbols: Symbols) -> Math:
    """Return the symbol of all effects: b where several factors have some."""
    return U if len(symbols.factors) == 1 else bold("b")


def below(symbols: Symbols) -> Math:
    """Return the effects of all factors, below each other."""
    return column([factor.vector() for factor in symbols.factors])


def side_by_side(symbols: Symbols) -> Math:
    """Return the indicator matrices of all factors, side by side."""
    return matrix([[design_matrix(factor, symbols) for factor in symbols.factors]])


def sizes(symbols: Symbols) -> list[Line]:
    """Return what the symbols stand for: names and dimensions."""
    n, p = symbols.spec.n_rows, len(symbols.slots)
    items = [row(Y, word(": "), symbols.response(), word(f", {n} rows"))]
    if p:
        items.append(size_of(X, n, p))
    for factor in symbols.factors:
        items.append(size_of(design_matrix(factor, symbols), n, factor.n_levels * factor.size))
    lines = [Line(note=joined(items))]
    if symbols.offsets:
        terms = row(bold("o"), word(": the offset, "), total(symbols.offsets))
        lines.append(Line(note=terms))
    return lines


def size_of(what: Math, rows: int, columns: int) -> Math:
    """Return a matrix with its dimensions."""
    return row(what, word(": "), number(str(rows)), CROSS, number(str(columns)))


def joined(items: list[Math]) -> Math:
    """Set items side by side with space between them."""
    separator = symbol(r"\quad ", "   ")
    return row(
        *(part for k, item in enumerate(items) for part in ((separator, item) if k else (item,)))
    )


def with_indicators(symbols: Symbols) -> list[Line]:
    """Write one regression whose matrix Z marks the level of every row."""
    lines = response_lines(symbols, [*systematic(symbols), *grouped(symbols)])
    for factor in symbols.factors:
        copies = row(identity(number(str(factor.n_levels))), KRON, sigma_symbol(factor))
        if factor.size == 1:
            sd = squared(symbols.sd(factor, 0))
            copies = row(sd, identity(number(str(factor.n_levels))))
        lines.append(Line(factor.vector(), "~", (normal(ZEROS, copies),), _count(factor)))
        lines += sigma_lines(symbols, factor)
    return lines + numbers_line(symbols) + sizes(symbols)


def _count(factor: Factor) -> Math:
    levels = word(f"{factor.label}: {factor.n_levels} levels")
    return levels if factor.size == 1 else row(levels, CROSS, word(f"{factor.size} effects"))


def numbers_line(symbols: Symbols) -> list[Line]:
    """Return the common effects, where they stand as numbers."""
    if not any(symbols.beta(slot).numeric for slot in symbols.slots):
        return []
    values = column([symbols.beta(slot) for slot in symbols.slots])
    return [Line(BETA, "=", (values,))]


def group_covariance(symbols: Symbols) -> Math:
    """Return the covariance matrix of all effects."""
    blocks = []
    for factor in symbols.factors:
        size = identity(number(str(factor.n_levels)))
        if factor.size == 1:
            blocks.append(row(squared(symbols.sd(factor, 0)), size))
        else:
            blocks.append(row(size, KRON, sigma_symbol(factor)))
    return block_diagonal(blocks)
