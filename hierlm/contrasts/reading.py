"""A hypothesis: two expressions and a comparison, or an expression between two bounds.

The grammar, from loose to tight, is that of arithmetic in Python::

    hypothesis  sum ("<" | ">" | "=") sum  |  sum "<" sum "<" sum  |  sum ">" sum ">" sum
    sum         product (("+" | "-") product)*
    product     signed (("*" | "/") signed)*
    signed      ("+" | "-") signed  |  power
    power       operand ("**" signed)?
    operand     number  |  name  |  function "(" sum ")"  |  "(" sum ")"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hierlm.contrasts.expressions import (
    Constant,
    Expression,
    Function,
    Negative,
    Operation,
    Quantity,
    Span,
    quantities,
)
from hierlm.contrasts.lexing import COMPARISONS, Namespace, Token, fault, tokenize

MAX_NESTING = 50

_CONTINUOUS = {"<=": "<", ">=": ">", "==": "="}  # parameters are continuous: the same event


@dataclass(frozen=True)
class Hypothesis:
    """A comparison of expressions.

    Parameters
    ----------
    text : str
        As written.
    comparison : {"<", ">", "="}
    sides : tuple of two or three Expression
        What is compared; three for a range.
    """

    text: str
    comparison: Literal["<", ">", "="]
    sides: tuple[Expression, ...]

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of the quantities on all sides, each once."""
        found = (name for side in self.sides for name in quantities(side))
        return tuple(dict.fromkeys(found))


def parse(text: str, namespace: Namespace) -> Hypothesis:
    """Read a hypothesis.

    Parameters
    ----------
    text : str
    namespace : Namespace
        What the names in it can mean.

    Returns
    -------
    Hypothesis

    Raises
    ------
    FormulaError
        With the place of what cannot be read.
    """
    parser = _Parser(text, namespace)
    hypothesis = parser.hypothesis()
    if not hypothesis.quantities:
        hint = "Name a coefficient, as in Days > 5, or an sd, as in sd_Subject[Days] > 2."
        raise fault(text, (0, len(text)), "A hypothesis is about a quantity of the model.", hint)
    return hypothesis


class _Parser:
    """The tokens, the position among them, and the parentheses that are open."""

    def __init__(self, text: str, namespace: Namespace) -> None:
        self.text = text
        self.tokens = tokenize(text, namespace)
        self.position = 0
        self.open: list[Token] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def advance(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def hypothesis(self) -> Hypothesis:
        sides, signs = [self.sum()], []
        while self.token.text in COMPARISONS:
            signs.append(self.advance())
            sides.append(self.sum())
        if self.token.kind != "end":
            raise self.unexpected()
        kinds = [_CONTINUOUS.get(sign.text, sign.text) for sign in signs]
        hint = "Write a comparison, as in Days > 0 or Days = 0; or a range, as in 2 < Days < 5."
        if not signs:
            span = (0, len(self.text))
            raise fault(self.text, span, "There is no '<', '>' or '=' in this hypothesis.", hint)
        if len(signs) > 2 or len(set(kinds)) > 1 or kinds == ["=", "="]:
            span = signs[-1].span
            raise fault(self.text, span, "These comparisons do not make a range.", hint)
        comparison: Literal["<", ">", "="]
        comparison = "=" if kinds[0] == "=" else "<" if kinds[0] == "<" else ">"
        return Hypothesis(self.text, comparison, tuple(sides))

    def sum(self) -> Expression:
        left = self.product()
        while self.token.text in ("+", "-"):
            left = self.operation(left, self.product)
        return left

    def product(self) -> Expression:
        left = self.signed()
        while self.token.text in ("*", "/"):
            left = self.operation(left, self.signed)
        return left

    def operation(self, left: Expression, read: Callable[[], Expression]) -> Expression:
        operator = self.advance()
        right = read()
        return Operation(operator.text, left, right, (left.span[0], right.span[1]))

    def signed(self) -> Expression:
        if self.token.text not in ("+", "-"):
            return self.power()
        sign = self.advance()
        self.deeper(sign)
        operand = self.signed()
        self.open.pop()
        span = (sign.start, operand.span[1])
        return operand if sign.text == "+" else Negative(operand, span)

    def power(self) -> Expression:
        base = self.operand()
        if self.token.text != "**":
            return base
        self.deeper(self.token)
        power = self.operation(base, self.signed)
        self.open.pop()
        return power

    def operand(self) -> Expression:
        token = self.token
        match token.kind:
            case "number":
                self.advance()
                return Constant(float(token.text), token.span)
            case "name":
                self.advance()
                return Quantity(token.text, token.span)
            case "function":
                self.advance()
                inner, span = self.bracket()
                return Function(token.text, inner, (token.start, span[1]))
        if token.text == "(":
            return self.bracket()[0]
        raise self.missing()

    def bracket(self) -> tuple[Expression, Span]:
        opening = self.advance()
        self.deeper(opening)
        inner = self.sum()
        if self.token.text != ")":
            raise self.unexpected()
        self.open.pop()
        return inner, (opening.start, self.advance().end)

    def deeper(self, token: Token) -> None:
        self.open.append(token)
        if len(self.open) > MAX_NESTING:
            hint = "Take out parentheses."
            raise fault(self.text, token.span, "The hypothesis is nested too deeply.", hint)

    def missing(self) -> Exception:
        """Say what is missing where an operand was expected."""
        token = self.token
        if self.position == 0 or self.tokens[self.position - 1].text == "(":
            if token.kind == "end" and self.position == 0:
                hint = "Write a comparison, as in Days > 0."
                return fault(self.text, (0, 1), "The hypothesis is empty.", hint)
            if token.text == ")" and self.open:
                span = (self.open[-1].start, token.end)
                return fault(self.text, span, "There is nothing between these parentheses.")
            if token.text == ")":
                return self.unexpected()
            if token.kind == "end":
                return self.unclosed()
            return fault(self.text, token.span, f"'{token.text}' needs a term on its left.")
        previous = self.tokens[self.position - 1]
        message = f"'{previous.text}' needs a term on its right."
        return fault(self.text, previous.span, message)

    def unclosed(self) -> Exception:
        opening = next(token for token in reversed(self.open) if token.text == "(")
        return fault(self.text, opening.span, "'(' is never closed.", "Add the missing ')'.")

    def unexpected(self) -> Exception:
        """Say why a token cannot follow a complete expression."""
        token = self.token
        brackets = any(opened.text == "(" for opened in self.open)
        if token.text == ")":
            return fault(self.text, token.span, "')' closes nothing.", "Remove it.")
        if token.text in COMPARISONS:
            message = f"'{token.text}' cannot be inside parentheses."
            return fault(self.text, token.span, message, "Compare whole expressions: a + b > c.")
        if token.kind == "end" and brackets:
            return self.unclosed()
        message = f"An operator is missing before '{self.text[slice(*token.span)]}'."
        hint = "Write '*' to multiply; a name with spaces goes in backticks: `my x`."
        return fault(self.text, token.span, message, hint)
