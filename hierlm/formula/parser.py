"""Tokens to a tree: recursive descent with binding powers.

From loose to tight, as in R: ``~``, then ``|`` and ``||``, then ``+ -``, ``* /``, ``:``, ``**``,
signs. Inside a call or braces the text is arithmetic: comparisons, ``+ -``, ``* /``, signs,
``**`` (grouping from the right), as in Python. Whatever follows a complete formula is an error.
"""

from __future__ import annotations

import dataclasses

from hierlm.formula.faults import BARS, CLOSER, missing_operand, unexpected
from hierlm.formula.functions import canonical_call
from hierlm.formula.syntax import (
    BarNode,
    Binary,
    Constant,
    Name,
    Node,
    Number,
    String,
    Unary,
    height,
)
from hierlm.formula.tokens import COMPARISONS, Token, fault, tokenize
from hierlm.formula.writing import CONSTANTS, R_CONSTANTS

MAX_NESTING = 100  # operators and brackets within one another: 350 Python frames, measured
MAX_HEIGHT = 300  # the tree of a + b + ... is as high as it has terms; walkers use a frame each

_LOOSEST, _COMPARISON, _SUM, _PRODUCT, _SIGN, _POWER = 0, 1, 2, 3, 5, 6
_SUMS = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "**": _POWER}
_FORMULA = {"|": 1, "||": 1, ":": 4, **_SUMS}
_ARITHMETIC = {**dict.fromkeys(COMPARISONS, _COMPARISON), **_SUMS}


def parse_tree(text: str) -> tuple[Node, Node]:
    """Read a formula into the trees left and right of its tilde.

    Parameters
    ----------
    text : str
        A formula.

    Returns
    -------
    left, right : Node

    Raises
    ------
    FormulaError
        With the place of what cannot be read.

    Examples
    --------
    >>> parse_tree("y ~ x")
    (Name(name='y'), Name(name='x'))
    """
    parser = _Parser(text)
    left, right = parser.formula()
    if max(height(left), height(right)) > MAX_HEIGHT:
        hint = f"At most about {MAX_HEIGHT} terms can be joined."
        raise fault(text, (0, len(text)), "The formula has too many terms.", hint)
    return left, right


class _Parser:
    """The tokens, the position among them, and the brackets that are open."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.position = 0
        self.open: list[Token] = []
        self.nesting = 0
        self.tilde: Token | None = None

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    @property
    def previous(self) -> Token | None:
        return self.tokens[self.position - 1] if self.position else None

    def at_end(self) -> bool:
        return self.token.kind == "end"

    def advance(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def formula(self) -> tuple[Node, Node]:
        first = self.token
        if first.text == "~":
            hint = "Write the response before it: y ~ x."
            raise fault(self.text, first.span, "There is no response left of '~'.", hint)
        left = self.expression(_LOOSEST, arithmetic=False)
        if self.at_end():
            span = (first.start, self.tokens[self.position - 1].end)
            hint = "Write the response, '~', and the predictors: y ~ x + (x | g)."
            raise fault(self.text, span, "There is no '~' in this formula.", hint)
        if self.token.text != "~":
            raise self.unexpected(arithmetic=False)
        self.tilde = self.advance()
        right = self.expression(_LOOSEST, arithmetic=False)
        if not self.at_end():
            raise self.unexpected(arithmetic=False)
        return left, right

    def unexpected(self, arithmetic: bool) -> Exception:
        opening = self.open[-1] if self.open else None
        return unexpected(self.text, self.token, opening, arithmetic)

    def expression(self, least: int, arithmetic: bool) -> Node:
        """Read operands joined by operators that bind at least as tightly as ``least``."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            hint = "Take out parentheses, or compute columns in the table."
            raise fault(self.text, self.token_span(), "The formula is nested too deeply.", hint)
        powers = _ARITHMETIC if arithmetic else _FORMULA
        left = self.operand(arithmetic)
        while self.token.kind == "op":
            power = powers.get(self.token.text)
            if power is None or power < least:
                break
            operator = self.advance()
            if operator.text in BARS:
                left = self.bar(left, operator)
            else:
                left = self.binary(left, operator, power, arithmetic)
        self.nesting -= 1
        return left

    def token_span(self) -> tuple[int, int]:
        """Return the place of the current token, or of the last one at the end of the text."""
        token = self.tokens[self.position - self.at_end()]
        return token.span

    def binary(self, left: Node, operator: Token, power: int, arithmetic: bool) -> Node:
        from_right = arithmetic and operator.text == "**"
        right = self.expression(_SIGN if from_right else power + 1, arithmetic)
        if operator.text in COMPARISONS and self.token.text in COMPARISONS:
            hint = "Write I((a < x) * (x < b))."
            raise fault(self.text, self.token.span, "Comparisons cannot be chained.", hint)
        return Binary(operator.text, left, right, (left.span[0], right.span[1]))

    def bar(self, left: Node, operator: Token) -> Node:
        """Read the grouping side; a bar without parentheses must be the whole right side."""
        bare = not self.open and self.tilde is not None
        right = self.expression(_PRODUCT if bare else _SUM, arithmetic=False)
        following = self.token
        if bare and following.text in ("+", "-", *BARS):
            message = f"'{following.text}' after a bar without parentheses is ambiguous."
            hint = "Give each bar its own parentheses: y ~ x + (x | g) + (1 | h)."
            raise fault(self.text, following.span, message, hint)
        if following.text in BARS:
            hint = "Correlations across formulas, (1 | ID | g), are not supported: write (1 | g)."
            raise fault(self.text, following.span, "A second bar in one term.", hint)
        span = (left.span[0], right.span[1])
        return BarNode(left, right, operator.text == "|", span)

    def operand(self, arithmetic: bool) -> Node:
        token = self.token
        match token.kind:
            case "name":
                return self.named(arithmetic)
            case "quoted":
                self.advance()
                return Name(token.text[1:-1], token.span)
            case "number":
                self.advance()
                return Number(token.text, token.span)
            case "string":
                self.advance()
                return String(token.text[1:-1], token.span)
        match token.text:
            case "+" | "-":
                return self.signed(arithmetic)
            case "(":
                return self.group(arithmetic)
            case "{":
                node = self.group(arithmetic=True)
                return canonical_call("I", (node,), (), node.span)
        enclosing = self.open[-1] if self.open else self.tilde
        raise missing_operand(self.text, self.previous, token, enclosing)

    def signed(self, arithmetic: bool) -> Node:
        sign = self.advance()
        operand = self.expression(_SIGN, arithmetic)
        if sign.text == "+" and not arithmetic:
            return operand
        return Unary(sign.text, operand, (sign.start, operand.span[1]))

    def group(self, arithmetic: bool) -> Node:
        opening = self.advance()
        self.open.append(opening)
        node = self.expression(_LOOSEST, arithmetic)
        end = self.close(arithmetic)
        return dataclasses.replace(node, span=(opening.start, end))

    def close(self, arithmetic: bool) -> int:
        """Consume the bracket that closes the innermost one, and return where it ends."""
        if self.token.text != CLOSER[self.open[-1].text]:
            raise self.unexpected(arithmetic)
        self.open.pop()
        return self.advance().end

    def named(self, arithmetic: bool) -> Node:
        token = self.advance()
        if self.token.text == "(" and self.token.start == token.end:
            return self.call(token)
        if token.text in CONSTANTS:
            return Constant(token.text, token.span)
        if token.text in R_CONSTANTS:
            hint = f"Write {R_CONSTANTS[token.text]} in a call, or `{token.text}` for a column."
            raise fault(self.text, token.span, f"'{token.text}' is a constant of R.", hint)
        if ".__" in token.text:
            hint = "A formula cannot reach into objects; a column of this name goes in backticks."
            raise fault(self.text, token.span, f"'{token.text}' looks like an attribute.", hint)
        return Name(token.text, token.span)

    def call(self, function: Token) -> Node:
        self.open.append(self.advance())
        args: list[Node] = []
        keywords: dict[str, Node] = {}
        while self.token.text != ")" or self.tokens[self.position - 1].text == ",":
            key = self.keyword()
            value = self.expression(_LOOSEST, arithmetic=True)
            if key is None:
                args.append(value)
            elif key.text in keywords:
                raise fault(self.text, key.span, f"'{key.text}' is given twice.")
            else:
                keywords[key.text] = value
            if key is None and keywords:
                hint = "Arguments without a name come first: bs(x, df=4)."
                raise fault(self.text, value.span, "An argument without a name.", hint)
            if self.token.text != ",":
                break
            self.advance()
        end = self.close(arithmetic=True)
        span = (function.start, end)
        return canonical_call(function.text, tuple(args), tuple(keywords.items()), span)

    def keyword(self) -> Token | None:
        """Consume ``name =`` before the value of an argument."""
        following = self.tokens[min(self.position + 1, len(self.tokens) - 1)].text
        if self.token.kind != "name" or following != "=":
            return None
        key = self.advance()
        self.advance()
        return key
