"""Mathematical expressions, each both as LaTeX and as a block of text.

Whoever writes a notation composes these, and cannot let the two forms drift apart.
"""

# ruff: noqa: RUF001, RUF002 - signs and Greek letters are what this file is for

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hierlm.equations.boxes import Box, beside, fenced, grid
from hierlm.equations.escaping import escape, printable, shortened

_SUBSCRIPTS = str.maketrans(
    "0123456789+-=()[]aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
)
_SUPERSCRIPTS = {"2": "²", "-1": "⁻¹", "T": "ᵀ", "-1/2": "^(−1/2)", "+": "⁺", "c": "ᶜ"}
_EXPLICIT = 6  # rows of a matrix that is written out


@dataclass(frozen=True)
class Math:
    """An expression without its sign.

    Parameters
    ----------
    latex : str
    box : Box
        The same in Unicode.
    negative : bool
        Whether a minus belongs before it.
    numeric : bool
        Whether it begins with a digit, so that a factor before it needs a dot.
    """

    latex: str
    box: Box
    negative: bool = False
    numeric: bool = False

    @property
    def signed(self) -> Math:
        """The expression with its sign."""
        if not self.negative:
            return self
        return Math("-" + self.latex, beside([Box(("−",)), self.box]))

    @property
    def text(self) -> str:
        """The expression on one line, or the lines of it."""
        return "\n".join(self.signed.box.lines)


def symbol(latex: str, text: str | None = None) -> Math:
    """Return a symbol; `text` is the same in Unicode."""
    return Math(latex, Box((latex if text is None else text,)))


def bold(letter: str, *sub: str) -> Math:
    """Return the symbol of a vector or matrix, upright."""
    return script(symbol(rf"\mathbf{{{letter}}}", letter), sub)


def word(text: str) -> Math:
    """Return text of the data or of ours, upright and escaped."""
    return Math(escape(text), Box((printable(text),)))


def name(text: str) -> Math:
    """Return the name of a column, of which a long one loses its middle."""
    return word(shortened(text))


def number(text: str) -> Math:
    r"""Return a number as it is printed.

    Examples
    --------
    >>> number("-1.5e+07").signed.latex, number("-1.5e+07").text
    ('-1.5 \\times 10^{7}', '−1.5·10^7')
    """
    mantissa, _, power = text.removeprefix("-").partition("e")
    latex, shown = mantissa, mantissa
    if power:
        latex, shown = rf"{mantissa} \times 10^{{{int(power)}}}", f"{mantissa}·10^{int(power)}"
    return Math(latex, Box((shown,)), text.startswith("-"), numeric=True)


def row(*parts: Math) -> Math:
    """Set expressions side by side."""
    whole = [part.signed for part in parts]
    latex = "".join(part.latex for part in whole)
    return Math(latex, beside([part.box for part in whole]))


SPACE = symbol(r"\,", " ")
COMMA = symbol(", ", ", ")
DOTS = symbol(r"\cdots", "⋯")
LDOTS = symbol(r"\dots", "…")
VDOTS = symbol(r"\vdots", "⋮")
DDOTS = symbol(r"\ddots", "⋱")
PLUS = symbol(" + ")
MINUS = symbol(" - ", " − ")
NEGATIVE = symbol("-", "−")
EQUALS = symbol(" = ")
GREATER = symbol(" > ")
CROSS = symbol(r" \times ", " × ")
ALPHA = symbol(r"\alpha", "α")
KAPPA = symbol(r"\kappa", "κ")
NU = symbol(r"\nu", "ν")
RHO = symbol(r"\rho", "ρ")
SIGMA = symbol(r"\sigma", "σ")
ROW = symbol("i")
OTHER_ROW = symbol("i'", "i′")
RELATIONS = {
    "=": symbol("=", " = "),
    "~": symbol(r"\sim", " ∼ "),
    "prop": symbol(r"\propto", " ∝ "),
}
ZERO = symbol("0")
ZEROS = symbol(r"\mathbf{0}", "0")
BAR = symbol(r" \mid ", " | ")


def script(base: Math, sub: Sequence[str] = (), sup: str = "") -> Math:
    r"""Return an expression with indices, and a power.

    Parameters
    ----------
    base : Math
    sub : sequence of str
        Indices: digits, letters, ``j[i]``.
    sup : str
        ``"2"``, ``"T"``, ``"-1"``.

    Examples
    --------
    >>> x = script(symbol("u"), ("0", "j[i]"))
    >>> x.latex, x.text
    ('u_{0j[i]}', 'u₀ⱼ₍ᵢ₎')
    """
    latex, tail = base.latex, ""
    if sub:
        crowded = len(sub) > 1 and any(len(piece) > 1 and piece.isdigit() for piece in sub)
        latex += f"_{{{(',' if crowded else '').join(sub)}}}"
        ambiguous = crowded and sum(piece.isdigit() for piece in sub) > 1
        plain = ("," if ambiguous else "").join(sub).replace("'", "′")
        small = plain.translate(_SUBSCRIPTS)
        tail = f"_{plain}" if any(character.isascii() for character in small) else small
    if sup:
        latex += "^{" + {"T": r"\top"}.get(sup, sup) + "}"
        tail += _SUPERSCRIPTS.get(sup, f"^{sup}")
    box = beside([base.box, Box((tail,))]) if tail else base.box
    return Math(latex, box, base.negative, base.numeric)


def squared(x: Math) -> Math:
    """Return the square."""
    return script(replace(x, negative=False), sup="2")


def times(*factors: Math) -> Math:
    """Return a product: a thin space between factors, a dot before a number."""
    latex, boxes = factors[0].latex, [factors[0].box]
    for factor in factors[1:]:
        latex += (r" \cdot " if factor.numeric else r"\, ") + factor.latex
        boxes += [Box(("·" if factor.numeric else " ",)), factor.box]
    negative = sum(factor.negative for factor in factors) % 2 == 1
    return Math(latex, beside(boxes), negative, factors[0].numeric)


def plus(terms: Sequence[Math]) -> tuple[Math, ...]:
    """Return the terms of a sum, each with the sign before it: where lines may break."""
    parts = []
    for k, term in enumerate(terms):
        if k == 0:
            parts.append(term.signed)
            continue
        sign = MINUS if term.negative else PLUS
        parts.append(row(sign, replace(term, negative=False)))
    return tuple(parts)


def total(terms: Sequence[Math]) -> Math:
    """Return a sum as one expression."""
    return row(*plus(terms)) if terms else ZERO


def listed(items: Sequence[Math], most: int = _EXPLICIT) -> Math:
    """Return items with commas between them, the middle left out where there are many."""
    items = list(items) if len(items) <= most else [items[0], items[1], LDOTS, items[-1]]
    return row(
        *(part for k, item in enumerate(items) for part in ((COMMA, item) if k else (item,)))
    )


def parenthesised(x: Math) -> Math:
    """Return an expression in parentheses as tall as it is."""
    return _fenced(x.signed, "(", ")")


def _fenced(x: Math, left: str, right: str) -> Math:
    box = fenced(x.box, left, right)
    if x.box.height == 1:
        return Math(f"{left}{x.latex}{right}", box)
    return Math(rf"\left{left}{x.latex}\right{right}", box)


def call(function: Math, *arguments: Math) -> Math:
    """Return ``function(arguments)``."""
    inside = listed(arguments, most=len(arguments))
    gap = symbol(r"\!", "") if inside.box.height > 1 else symbol("")
    return row(function, gap, _fenced(inside, "(", ")"))


def operator(text: str) -> Math:
    """Return the name of a function or distribution, upright."""
    return symbol(rf"\operatorname{{{text}}}", text)


def normal(mean: Math, variance: Math) -> Math:
    """Return the normal distribution of this mean and this variance (matrix)."""
    return call(symbol(r"\mathcal{N}", "N"), mean, variance)


def matrix(rows: Sequence[Sequence[Math]]) -> Math:
    """Return a matrix, written out."""
    cells = [[cell.signed for cell in line] for line in rows]
    body = r" \\ ".join(" & ".join(cell.latex for cell in line) for line in cells)
    box = fenced(grid([[cell.box for cell in line] for line in cells]), "[", "]")
    return Math(rf"\begin{{bmatrix}} {body} \end{{bmatrix}}", box)


def column(items: Sequence[Math]) -> Math:
    """Return a column vector, the middle left out where it is long."""
    shown = list(items) if len(items) <= _EXPLICIT else [items[0], items[1], VDOTS, items[-1]]
    return matrix([[item] for item in shown]) if len(shown) > 1 else shown[0]


def diagonal(items: Sequence[Math], zero: Math = ZERO) -> Math:
    """Return a matrix with `items` on its diagonal and zeros elsewhere."""
    size = range(len(items))
    return matrix([[items[i] if i == j else zero for j in size] for i in size])


def cases(rows: Sequence[tuple[Math, Math]]) -> Math:
    """Return values, each with the condition under which it holds."""
    body = r" \\ ".join(f"{value.signed.latex} & {when.latex}" for value, when in rows)
    cells = [[value.signed.box, when.box] for value, when in rows]
    box = fenced(grid(cells, gap=3, align="left"), "{", "")
    return Math(rf"\begin{{cases}} {body} \end{{cases}}", box)


def indicator(condition: Math) -> Math:
    """Return one where a condition holds, and zero elsewhere."""
    box = beside([Box(("1{",)), condition.box, Box(("}",))])
    return Math(rf"\mathbf{{1}}\{{{condition.latex}\}}", box)


def fraction(over: Math, under: Math) -> Math:
    """Return a fraction; in text it stays on one line."""
    box = beside([over.box, Box((" / ",)), under.box])
    return Math(rf"\frac{{{over.latex}}}{{{under.latex}}}", box)


def overline(x: Math) -> Math:
    """Return the mean of a column."""
    return Math(rf"\overline{{{x.latex}}}", beside([Box(("mean(",)), x.box, Box((")",))]))


def sum_over(index: str, last: Math | None = None) -> Math:
    """Return the sign of a sum over an index, from one to `last` where that is given."""
    bounds = rf"_{{{index}}}" if last is None else rf"_{{{index}=1}}^{{{last.latex}}}"
    return Math(rf"\sum{bounds} ", beside([script(symbol("∑"), (index,)).box, Box((" ",))]))
