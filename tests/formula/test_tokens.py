import pytest

from hierlm.errors import FormulaError
from hierlm.formula.tokens import is_identifier, tokenize

TOKENS = {
    "y ~ x": [("name", "y", 0), ("op", "~", 2), ("name", "x", 4)],
    "total.fruits": [("name", "total.fruits", 0)],
    "np.log(n)": [("name", "np.log", 0), ("op", "(", 6), ("name", "n", 7), ("op", ")", 8)],
    "`my col`:b": [("quoted", "`my col`", 0), ("op", ":", 8), ("name", "b", 9)],
    "`~ | (`": [("quoted", "`~ | (`", 0)],
    "größe_2": [("name", "größe_2", 0)],
    "身長": [("name", "身長", 0)],
    "_x": [("name", "_x", 0)],
    "x||g": [("name", "x", 0), ("op", "||", 1), ("name", "g", 3)],
    "a**2*b": [
        ("name", "a", 0),
        ("op", "**", 1),
        ("number", "2", 3),
        ("op", "*", 4),
        ("name", "b", 5),
    ],
    "1.5e-3": [("number", "1.5e-3", 0)],
    ".5 2.": [("number", ".5", 0), ("number", "2.", 3)],
    "'a b' \"c\"": [("string", "'a b'", 0), ("string", '"c"', 6)],
    "a<=b!=c": [
        ("name", "a", 0),
        ("op", "<=", 1),
        ("name", "b", 3),
        ("op", "!=", 4),
        ("name", "c", 6),
    ],
    "f(x, df=4)": [
        ("name", "f", 0),
        ("op", "(", 1),
        ("name", "x", 2),
        ("op", ",", 3),
        ("name", "df", 5),
        ("op", "=", 7),
        ("number", "4", 8),
        ("op", ")", 9),
    ],
    "a\n\t b": [("name", "a", 0), ("name", "b", 4)],
    "": [],
}


@pytest.mark.parametrize(("text", "expected"), TOKENS.items())
def test_tokens_have_kind_text_and_place(text, expected):
    *tokens, end = tokenize(text)
    assert [(token.kind, token.text, token.start) for token in tokens] == expected
    assert all(text[token.start : token.end] == token.text for token in tokens)
    assert (end.kind, end.start, end.end) == ("end", len(text), len(text))


REFUSED = [
    ("x^2", "^", "Write (a + b)**2 for interactions, I(x**2) or poly(x, 2) for powers."),
    ("x²", "²", "I(x**2)"),
    ("a %in% b", "%in%", "Write a:b for b within a, (1 | a/b) for nested groups."),
    ("a %o% b", "%o%", "'%o%' is not an operator here."),
    ("a % b", "%", "'%' is not an operator here."),
    ("y ~ .", ".", "Name the columns"),
    ("y ~ . - x", ".", "does not stand for all columns"),
    ("y ~ .x", ".", "cannot begin or end with a dot"),
    ("y ~ x.", ".", "cannot begin or end with a dot"),
    ("f(x).real", ".", "cannot reach into objects"),
    ("x[1]", "[", "Levels by index are not supported"),
    ("x]", "]", "Levels by index are not supported"),
    ("'abc", "'", "This quote is never closed."),
    ("y ~ `abc", "`", "This backtick is never closed."),
    ("``", "``", "no name between these backticks"),
    ('T(f, "it\'s")', '"it\'s"', "A string cannot contain a quote."),
    ("a & b", "&", "Write a:b"),
    ("df$x", "$", "Name the column alone"),
    ("a # b", "#", "A formula cannot contain '#' (U+0023)."),
    ("x \u2212 1", "\u2212", "Write - from the keyboard."),
    ("2x", "2x", "A name cannot begin with a digit."),
    ("1e999", "1e999", "This number is too large."),
]


@pytest.mark.parametrize(("text", "marked", "words"), REFUSED)
def test_refused_characters_are_marked_and_explained(text, marked, words):
    with pytest.raises(FormulaError) as caught:
        tokenize(text)
    assert words in str(caught.value)
    assert text[caught.value.start : caught.value.end] == marked


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.b", True), ("a b", False), ("", False), ("1a", False), ("a.", False), ("ä", True)],
)
def test_is_identifier(name, expected):
    assert is_identifier(name) is expected
