"""Formulas drawn at random: right ones, those with a slip of the pen, and rubbish."""

from __future__ import annotations

from hypothesis import strategies as st

COLUMNS = ["a", "b", "c.d", "`my col`", "`1`", "größe", "`True`"]
FACTORS = ["g", "g/h", "`g 1`:h", "g*h", "(g + h)/k", "g + h"]
PIECES = [
    *"~|+-*/:,=(){}<>`'\"^.%[]1023xyg ",
    *("||", "**", "<=", "y ~ ", "(1 | g)", "log(", "offset(", "weights(", "trials(", "p(", "C(f, "),
    *("Sum", "True", "TRUE", "`a b`", "df=", "a.b", "1e5", "'s'", "I(", "poly(x, 2)"),
]

columns = st.sampled_from(COLUMNS)
numbers = st.sampled_from(["2", "0.5", "1e-3"])


def joined(operators: list[str], parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("({} {} {})".format, parts, st.sampled_from(operators), parts)


arithmetic = st.recursive(
    columns | numbers,
    lambda inner: (
        joined(["+", "-", "*", "/", "**", "<", "=="], inner)
        | inner.map("(-{})".format)
        | inner.map("log({})".format)
    ),
    max_leaves=6,
)
calls = st.builds("I({} + {})".format, columns, arithmetic) | st.builds(
    "bs({}, df={})".format, columns, arithmetic
)
terms = st.recursive(
    columns | calls, lambda inner: joined(["+", "*", ":", "/"], inner), max_leaves=6
)
sums = st.builds("{}{}".format, st.sampled_from(["", "0 + ", "-1 + ", "1 + "]), terms)
bars = st.builds("({} {} {})".format, sums, st.sampled_from(["|", "||"]), st.sampled_from(FACTORS))
responses = st.sampled_from(["y", "log(y)", "p(y, n)", "y | se(s)", "I(y - z) | trials(10)"])
extras = st.sampled_from(["", " + offset(log(e))", " + weights(w) + offset(e / 2)"])
formulas = st.builds("{} ~ {} + {}{}".format, responses, sums, bars, extras)
pieces = st.lists(st.sampled_from(PIECES)).map("".join)


@st.composite
def slips(draw: st.DrawFn) -> str:
    """Draw a right formula, and lose, double, swap or insert some of its characters."""
    text = draw(formulas)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        new = draw(st.sampled_from(["", text[at : at + 1] * 2, draw(st.sampled_from(PIECES))]))
        text = text[:at] + new + text[at + draw(st.integers(0, 2)) :]
    return text
