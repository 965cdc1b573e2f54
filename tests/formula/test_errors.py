import pytest

from hierlm.errors import FormulaError
from hierlm.formula import parse

EXAMPLE = """\
'|' needs a grouping factor on its right.
    Reaction ~ Days + (Days | )
                            ^
  Write (Days | Subject), or (Days || Subject) for uncorrelated effects."""

# formula; the same with ^ under the characters marked; words of the message
ERRORS = """
y ~ ( | g)
      ^                       '|' needs effects on its left
y ~ | g
    ^                         '|' needs effects on its left
y ~ (poly(x, 2) | )
                ^             Write (poly(x, 2) | Subject)
y ~ x |
      ^                       Write (x | Subject)
y | ~ x
  ^                           '|' needs trials(n), weights(w) or se(s) on its right
y ~ (1|ID|g)
         ^                    Correlations across formulas, (1 | ID | g), are not supported
y ~ 1|g + 1|h
        ^                     Give each bar its own parentheses
y ~ x + 1 | g + (1|h)
              ^               ambiguous
y ~ x | g - z
          ^                   ambiguous
y ~ x | g | h
          ^                   ambiguous
y ~ (1|h) + x | g
    ^^^^^                     A bar cannot be inside another bar
y ~ ((1|h) + x | g)
     ^^^^^                    A bar cannot be inside another bar
y ~ (x | (1|g))
         ^^^^^                A bar cannot be inside another bar
y ~ x (1|g)
      ^                       An operator is missing before '('
y ~ x z
      ^                       An operator is missing before 'z'
y ~ x(1|g)
       ^                      '|' cannot be inside a call
y ~ {x|g}
      ^                       '|' cannot be inside a call
y ~ x * (1|g)
        ^^^^^                 A bar term can only be added
y ~ - (1|g)
      ^^^^^                   A bar term can only be added
y ~ x - (1|g)
        ^^^^^                 A bar term can only be added
y ~ x:(1|g)
      ^^^^^                   A bar term can only be added
y ~ (1|g)**2
    ^^^^^                     A bar term can only be added
y ~ (g | g)
     ^                        'g' is on both sides of one bar
y ~ (x:g|g)
       ^                      'g' is on both sides of one bar
y ~ (0 | g)
     ^                        There is nothing here to vary by group
y ~ (x - x - 1 | g)
     ^^^^^^^^^                There is nothing here to vary by group
y ~ (1|g) + (1|g)
            ^^^^^             (1 | g) is in the formula twice
y ~ (1|a/b) + (1|b:a)
              ^^^^^^^         (1 | a:b) is in the formula twice
y ~ (1|a:b) + (1|`a:b`)
                 ^^^^^        Two different grouping factors would be called 'a:b'
y ~ (1 | factor(g))
         ^^^^^^^^^            Grouping columns are always categorical
y ~ (1 | C(g))
         ^^^^                 Write (1 | g)
y ~ (1 | log(g))
         ^^^^^^               A grouping factor is a column, not the call log()
y ~ (1 | mm(a, b))
         ^^^^^^^^             Multi-membership groups are not supported
y ~ (1 | gr(g))
         ^^^^^                Write the grouping column alone
y ~ (1 | 1)
         ^                    A grouping factor is a column, not a number
y ~ (1 | 'g')
         ^^^                  A grouping factor is a column
y ~ (1 | (a + b)**2)
         ^^^^^^^^^^           '**' has no meaning between grouping factors
y ~ (1 | a - b)
         ^^^^^                '-' has no meaning between grouping factors
y ~ (1 | a:a)
         ^^^                  'a' is crossed with itself
y ~ (1 | a/(b + a))
         ^^^^^^^^^            'a' is crossed with itself
y ~ x + y
        ^                     The response 'y' is also on the right of '~'
log(y) ~ y
         ^                    The response 'y' is also on the right
y ~ log(y)
        ^                     The response 'y' is also on the right
y ~ (1 | y)
         ^                    The response 'y' is also on the right
y ~ (y | g)
     ^                        The response 'y' is also on the right
y ~ I(x * (2 - 3)**0.5)
          ^^^^^^^^^^^^         This power has no real value
y ~ log((x, z))
          ^                   ',' only separates the arguments of a call
y ~ x**2
    ^^^^                      Write I(x**2) or poly(x, 2) for powers
y ~ (a:b)**2
    ^^^^^^^^                  A power of a single term is that term again
y ~ (a + b)**0
             ^                The power of a sum is a whole number from 1
y ~ (a + b)**c
             ^                The power of a sum is a whole number from 1
y ~ 2
    ^                         A term cannot be the number 2
y ~ x + 1.0
        ^^^                   A term cannot be the number 1.0
y ~ 2 * x
    ^                         Arithmetic goes inside I(): I(2 * x)
y ~ x:1
      ^                       A number cannot be part of a term
y ~ -x
    ^^                        There is nothing to remove this from
y ~ x - z
        ^                     There is no term z to remove
y ~ x * (a - b)
        ^^^^^^^               '-' cannot be inside a product of terms
y ~ 'x'
    ^^^                       Column names take no quotes
y ~ True
    ^^^^                      Write `True` for a column of this name
y ~ poly(x, 2, raw=TRUE)
                   ^^^^       Write True in a call
y ~ x > 3
      ^                       I(x > 3)
y ~ x, z
     ^                        ',' only separates the arguments of a call
y = x
  ^                           Write '~' between response and predictors
y ~ x +
      ^                       '+' needs a term on its right
y ~ x + * z
      ^                       '+' needs a term on its right
y ~ * z
    ^                         '*' needs a term on its left
y ~
  ^                           '~' needs predictors on its right
~ x
^                             There is no response left of '~'
y + x
^^^^^                         There is no '~' in this formula
y ~ x ~ z
      ^                       There is a second '~'
y ~ ~ x
    ^                         There is a second '~'
(y ~ x)
   ^                          '~' cannot be inside brackets
y ~ I(~ x)
      ^                       '~' cannot be inside brackets
y ~ (x
    ^                         '(' is never closed
y ~ (
    ^                         '(' is never closed
y ~ log(x + (1|g)
              ^               '|' cannot be inside a call
y ~ x + log(z
           ^                  '(' is never closed
y ~ x)
     ^                        ')' closes nothing
y ~ )
    ^                         ')' closes nothing
y ~ {x)
      ^                       ')' cannot close '{'
y ~ ()
    ^^                        There is nothing between these brackets
y ~ x + ( )
        ^^^                   There is nothing between these brackets
y ~ x*offset(z)
      ^^^^^^^^^               offset(...) is a term of its own
y ~ log(offset(z))
        ^^^^^^^^^             offset(...) is a term of its own
y ~ offset(offset(z))
           ^^^^^^^^^          offset() cannot stand here
y ~ x - offset(z)
        ^^^^^^^^^             offset() cannot stand here
y ~ (offset(z) | g)
     ^^^^^^^^^                offset() cannot stand here
offset(y) ~ x
^^^^^^^^^                     offset() cannot stand here
y ~ offset(a, b)
    ^^^^^^^^^^^^              offset() takes one argument
y ~ offset(2)
           ^                  Wanted a column, got 2
y ~ x:weights(w)
      ^^^^^^^^^^              weights() cannot stand here
y | weights(w) ~ weights(w)
                 ^^^^^^^^^^   The weights are given twice
y ~ weights(w) + weights(v)
                 ^^^^^^^^^^   The weights are given twice
y | trials(n) + trials(m) ~ x
                ^^^^^^^^^     trials() is given twice
p(y, n) | trials(n) ~ x
^^^^^^^                       The trials are given twice
y | trials(0) ~ x
           ^                  Wanted a column or a whole number from 1, got 0
y || trials(n) ~ x
^^^^^^^^^^^^^^                '||' has no meaning in the response
y | z ~ x
    ^                         z cannot follow the bar of a response
y | cens(c) ~ x
    ^^^^^^^                   Censored and truncated responses are not supported
p(y) ~ x
^^^^                          p() takes two arguments
y ~ p(a, n)
    ^^^^^^^                   p(successes, trials) is a whole response
y ~ trials(n)
    ^^^^^^^^^                 trials(n) follows the response
y ~ se(s)
    ^^^^^                     se(s) follows the response
cbind(a, b) ~ x
^^^^^^^^^^^                   Write p(successes, trials) ~ x
a + b ~ x
^^^^^                         Arithmetic goes inside I(): I(a - b) ~ x
poly(y, 2) ~ x
^^^^^^^^^^                    poly() cannot be a response
1 ~ x
^                             The response must be a column
log(2) ~ x
^^^^^^                        The response names no column
y ~ s(x)
    ^^^^                      use a spline basis
y ~ ns(x, 3)
    ^^^^^^^^                  Write cr(x, df=5) for a natural spline
y ~ expp(x)
    ^^^^^^^                   Did you mean 'exp'?
y ~ bump(x)
    ^^^^^^^                   pass functions={"bump": bump}
y ~ eval("x")
    ^^^^^^^^^                 eval() is not a function of formulas
y ~ os.system('id')
    ^^^^^^^^^^^^^^^           os.system() is not a function of formulas
y ~ __import__('os').system('id')
                    ^         cannot reach into objects
y ~ __import__('os')
    ^^^^^^^^^^^^^^^^          __import__() is not a function of formulas
y ~ I(open('f'))
      ^^^^^^^^^               open() is not a function of formulas
y ~ x.__class__
    ^^^^^^^^^^^               looks like an attribute
y ~ f(x)(z)
        ^                     An operator is missing before '('
y ~ Sum(x)
    ^^^^^^                    Sum() is a contrast: it belongs inside C()
y ~ T(f, Sum(x))
         ^^^^^^               Sum() is a contrast: it belongs inside C()
y ~ log()
    ^^^^^                     log() takes one argument
y ~ log(x, 2)
    ^^^^^^^^^                 log() takes one argument
y ~ bs(4)
    ^^^^^                     bs() needs a column as its first argument
y ~ log(2):x
    ^^^^^^                    log(2) names no column
y ~ bs(x, df=4, 3)
                ^             Arguments without a name come first
y ~ bs(x, df=4, df=5)
                ^^            'df' is given twice
y ~ bs(x,)
        ^                     ',' needs another argument after it
y ~ bs(, x)
       ^                      ',' needs an argument on its left
y ~ bs(x, df=)
            ^                 '=' needs a value on its right
y ~ I(x = 3 = 4)
            ^                 '=' must follow the name of an argument
y ~ I(x:z)
       ^                      ':' cannot be inside a call
y ~ I(a < x < b)
            ^                 Comparisons cannot be chained
"""


def table():
    lines = ERRORS.strip("\n").split("\n")
    for text, below in zip(lines[::2], lines[1::2], strict=True):
        start = len(below) - len(below.lstrip())
        carets, _, words = below.strip().partition(" ")
        yield pytest.param(text, start, start + len(carets), words.strip(), id=text)


@pytest.mark.parametrize(("text", "start", "end", "words"), list(table()))
def test_message_and_caret(text, start, end, words):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert (caught.value.start, caught.value.end) == (start, end)


def test_whole_message():
    with pytest.raises(FormulaError) as caught:
        parse("Reaction ~ Days + (Days | )")
    assert str(caught.value) == EXAMPLE


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "The formula is empty"),
        (" \n", "The formula is empty"),
        (None, "A formula is text, got NoneType"),
        (3, "A formula is text, got int"),
        (b"y ~ x", "A formula is text, got bytes"),
    ],
)
def test_no_formula_at_all(value, words):
    with pytest.raises(FormulaError, match=words):
        parse(value)


@pytest.mark.parametrize(
    "text",
    [
        "y ~ " + "(" * 5000 + "x" + ")" * 5000,
        "y ~ I(" + "-" * 5000 + "x)",
        "y ~ " + "log(" * 5000 + "x" + ")" * 5000,
        "y ~ I(" + "x**" * 5000 + "x)",
        "y ~ " + "{" * 5000,
        "y ~ " + " + ".join("x" * 5000),
        "y ~ I(" + " * ".join("x" * 5000) + ")",
        "y ~ (1 | " + "/".join(f"g{i}" for i in range(5000)) + ")",
        "y ~ " + " * ".join(f"x{i}" for i in range(40)),
        "y ~ (" + " + ".join(f"x{i}" for i in range(60)) + ")**8",
    ],
    ids=lambda text: text[:12],
)
def test_too_much_is_a_formula_error(text):
    with pytest.raises(FormulaError, match=r"nested too deeply|too many terms|expands to more"):
        parse(text)


def test_fifty_parentheses_are_read():
    assert parse("y ~ " + "(" * 50 + "x" + ")" * 50) == parse("y ~ x")
