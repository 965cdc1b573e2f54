"""The response given its linear predictor: distribution, link, errors."""

from __future__ import annotations

from collections.abc import Sequence

from hierlm.equations.equation import Line
from hierlm.equations.expressions import (
    BAR,
    MINUS,
    NEGATIVE,
    PLUS,
    ZERO,
    Math,
    call,
    fraction,
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
    word,
)
from hierlm.equations.symbols import Symbols
from hierlm.spec import ModelSpec

_MU = symbol(r"\mu", "μ")
_PI = symbol(r"\pi", "π")
_EPSILON = symbol(r"\varepsilon", "ε")
_ONE = number("1")

# How a binary response comes of a continuous one that exceeds zero: its distribution, its variance.
_LATENT = {
    "logit": (("Logistic", "0", "1"), (r"\pi^2/3", "π²/3")),
    "probit": (None, ("1", "1")),
    "cloglog": (("Gumbel", "0", "1"), (r"\pi^2/6", "π²/6")),
}


def is_linear(spec: ModelSpec) -> bool:
    """Return whether the response is the linear predictor plus an error."""
    linear = spec.family.name in ("gaussian", "student", "lognormal")
    return linear and spec.family.link.name == "identity"


def is_normal(spec: ModelSpec) -> bool:
    """Return whether that error is normal."""
    return is_linear(spec) and spec.family.name != "student"


def is_latent(spec: ModelSpec) -> bool:
    """Return whether a binary response stands for a continuous one."""
    return spec.family.response in ("binary", "trials") and spec.family.link.name in _LATENT


def error(*index: str) -> Math:
    """Return the symbol of the residual."""
    return script(_EPSILON, index)


def error_line(symbols: Symbols, note: Math | None = None) -> Line:
    """Return the distribution of the residual of row i."""
    if symbols.spec.family.name == "student":
        law = call(operator("StudentT"), symbols.shape("nu"), ZERO, symbols.row_sd)
    else:
        law = normal(ZERO, squared(symbols.row_sd))
    return Line(error("i"), "~", (law,), note)


def latent_line(spec: ModelSpec, of: Math) -> Line:
    """Return the distribution of the error of a latent response, with its variance."""
    law, (latex, text) = _LATENT[spec.family.link.name]
    if law is None:
        return Line(of, "~", (normal(ZERO, _ONE),))
    kind, *numbers = law
    note = row(word("variance "), symbol(latex, text))
    return Line(of, "~", (call(operator(kind), *map(number, numbers)),), note)


def latent_variance(spec: ModelSpec) -> Math:
    """Return the variance of the error of a latent response."""
    return symbol(*_LATENT[spec.family.link.name][1])


def mean(spec: ModelSpec, *index: str) -> Math:
    """Return the mean parameter: a probability is called pi."""
    return script(_PI if spec.family.response in ("binary", "trials") else _MU, index)


def linked(spec: ModelSpec, mu: Math) -> Math:
    """Return the link of the mean."""
    match spec.family.link.name:
        case "identity":
            return mu
        case "inverse":
            return fraction(_ONE, mu)
        case "sqrt":
            return Math(rf"\sqrt{{{mu.latex}}}", row(symbol("√"), mu).box)
        case "log":
            return call(symbol(r"\log", "log"), mu)
        case "probit":
            return call(script(symbol(r"\Phi", "Φ"), sup="-1"), mu)
        case "cloglog":
            log = symbol(r"\log", "log")
            return call(log, row(NEGATIVE, call(log, _complement(mu))))
        case other:
            return call(operator(other), mu)


def law(symbols: Symbols, mu: Math) -> Math:
    """Return the distribution of one response given its mean."""
    family, shape = symbols.spec.family.name, symbols.shape
    match family:
        case "gaussian" | "lognormal":
            return normal(mu, squared(symbols.row_sd))
        case "student":
            return call(operator("StudentT"), shape("nu"), mu, symbols.row_sd)
        case "bernoulli":
            return call(operator("Bernoulli"), mu)
        case "binomial":
            return call(operator("Binomial"), symbols.trials or _ONE, mu)
        case "poisson":
            return call(operator("Poisson"), mu)
        case "negbinomial":
            return call(operator("NegBinomial"), mu, shape("alpha"))
        case "gamma":
            alpha = shape("alpha")
            return call(operator("Gamma"), alpha, fraction(alpha, mu))
        case _:
            kappa = shape("kappa")
            complement = parenthesised(_complement(mu))
            return call(operator("Beta"), times(mu, kappa), times(complement, kappa))


def _complement(mu: Math) -> Math:
    """Return one minus a probability."""
    return row(_ONE, MINUS, mu)


def law_note(symbols: Symbols, mu: Math) -> Math | None:
    """Return what the parameters of a distribution mean, where that is not plain."""
    spec = symbols.spec
    match spec.family.name:
        case "student":
            return word("d.f., location, scale")
        case "negbinomial":
            spread = row(mu, PLUS, fraction(squared(mu), symbols.shape("alpha")))
        case "gamma":
            spread = fraction(squared(mu), symbols.shape("alpha"))
            return row(word("mean "), mu, word(", variance "), spread)
        case "beta":
            kappa = symbols.shape("kappa")
            spread = fraction(times(mu, parenthesised(_complement(mu))), _sum_in_text(_ONE, kappa))
            return row(word("mean "), mu, word(", variance "), spread)
        case "bernoulli":
            value = spec.encoding.values.response
            levels = None if value is None else value.levels
            return word(f"1 is {levels[-1]!r}") if levels else None
        case _:
            return None
    return row(word("variance "), spread)


def _sum_in_text(a: Math, b: Math) -> Math:
    """Return a sum that stands below a fraction bar, in parentheses where that is a slash."""
    whole = row(a, PLUS, b)
    return Math(whole.latex, parenthesised(whole).box)


def observed(symbols: Symbols, predictor: Sequence[Math], given: str = "") -> list[Line]:
    """Return how row i arises from its linear predictor.

    Parameters
    ----------
    symbols : Symbols
    predictor : sequence of Math
        The terms of the linear predictor.
    given : str
        What the distribution is conditional on, as LaTeX.

    Returns
    -------
    list of Line
    """
    spec = symbols.spec
    if is_linear(spec):
        lines = [
            Line(symbols.response("i"), "=", plus([*predictor, error("i")])),
            error_line(symbols, law_note(symbols, ZERO)),
        ]
    else:
        lines = distributed(symbols, predictor, given)
    return lines


def distributed(symbols: Symbols, predictor: Sequence[Math], given: str = "") -> list[Line]:
    """Return the distribution of row i, and its mean."""
    spec = symbols.spec
    mu = mean(spec, "i")
    left = symbols.response("i")
    if given:
        left = row(left, BAR, symbol(rf"\mathbf{{{given}}}", given))
    return [
        Line(left, "~", (law(symbols, mu),), law_note(symbols, mu)),
        Line(linked(spec, mu), "=", plus(predictor)),
    ]


def remarks(symbols: Symbols) -> list[Line]:
    """Return what a reader must know of weights."""
    weight = symbols.weight
    if weight is None:
        return []
    words = (word("row "), symbol("i"), word(" counts as "), weight, word(" equal rows"))
    return [Line(note=row(*words))]
