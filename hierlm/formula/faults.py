"""How a formula error is made: one helper, and the parser's wording for a token out of place."""

from __future__ import annotations

from hierlm.errors import FormulaError
from hierlm.formula.tokens import COMPARISONS, Token, fault

BARS = frozenset({"|", "||"})
CLOSER = {"(": ")", "{": "}"}


def missing_operand(
    text: str, previous: Token | None, token: Token, enclosing: Token | None
) -> FormulaError:
    """Say what is missing where an operand was expected and ``token`` came.

    ``enclosing`` is the innermost open bracket, else the tilde when it has been passed.
    """
    if previous is None or previous.text in ("(", "{", "~"):
        return _missing_first(text, previous, token)
    if previous.text in BARS:
        return _missing_factor(text, previous, enclosing)
    if previous.text == ",":
        return fault(text, previous.span, "',' needs another argument after it.", "Remove it.")
    what = "value" if previous.text in ("=", *COMPARISONS) else "term"
    hint = f"Write the {what}, or remove '{previous.text}'."
    return fault(text, previous.span, f"'{previous.text}' needs a {what} on its right.", hint)


def _missing_first(text: str, previous: Token | None, token: Token) -> FormulaError:
    """Nothing stands before ``token``: it is first in the formula, in a bracket, or after '~'."""
    if token.kind == "end" and previous is not None and previous.text == "~":
        hint = "Write y ~ 1 for an intercept alone."
        return fault(text, previous.span, "'~' needs predictors on its right.", hint)
    if token.kind == "end" and previous is not None:
        return unclosed(text, previous)
    if previous is not None and token.text == CLOSER.get(previous.text):
        span = (previous.start, token.end)
        return fault(text, span, "There is nothing between these brackets.", "Remove them.")
    if token.text in BARS:
        hint = "Write (1 | g) for intercepts that vary by g, (1 + x | g) for slopes of x as well."
        return fault(text, token.span, f"'{token.text}' needs effects on its left.", hint)
    if token.text == "~":
        return misplaced_tilde(text, token, previous)
    if token.text in (")", "}"):
        return stray_closer(text, token)
    what = "an argument" if token.text == "," else "a term"
    return fault(text, token.span, f"'{token.text}' needs {what} on its left.")


def _missing_factor(text: str, bar: Token, enclosing: Token | None) -> FormulaError:
    if enclosing is None:
        message = f"'{bar.text}' needs trials(n), weights(w) or se(s) on its right."
        return fault(text, bar.span, message, "Write y | trials(n) ~ x.")
    left = " ".join(text[enclosing.end : bar.start].split())
    return fault(
        text,
        bar.span,
        f"'{bar.text}' needs a grouping factor on its right.",
        f"Write ({left} | Subject), or ({left} || Subject) for uncorrelated effects.",
    )


def unexpected(text: str, token: Token, opening: Token | None, arithmetic: bool) -> FormulaError:
    """Say why ``token`` cannot follow a complete expression."""
    if token.kind == "end" and opening is not None:
        return unclosed(text, opening)
    if token.text in (")", "}"):
        return stray_closer(text, token, opening)
    if token.text == "~":
        return misplaced_tilde(text, token, opening)
    if arithmetic:
        return _unexpected_in_call(text, token)
    if token.text in COMPARISONS:
        hint = "Inside I() comparisons are arithmetic: I(x > 3)."
        return fault(text, token.span, f"'{token.text}' cannot compare terms here.", hint)
    if token.text == "=":
        hint = (
            "Write '~' between response and predictors; name=value goes inside a call: bs(x, df=4)."
        )
        return fault(text, token.span, "'=' has no meaning between terms.", hint)
    if token.text == ",":
        hint = "Write a + b to use both."
        return fault(text, token.span, "',' only separates the arguments of a call.", hint)
    return _missing_operator(text, token)


def _unexpected_in_call(text: str, token: Token) -> FormulaError:
    if token.text in BARS:
        hint = "Give the bar parentheses of its own: x + (1 | g)."
        return fault(text, token.span, f"'{token.text}' cannot be inside a call.", hint)
    if token.text == ":":
        hint = "Write a:b outside of it, or I(a * b) for the product of numbers."
        return fault(text, token.span, "':' cannot be inside a call.", hint)
    if token.text == "=":
        hint = "Write name=value for an argument, == to compare."
        return fault(text, token.span, "'=' must follow the name of an argument.", hint)
    if token.text == ",":
        return fault(text, token.span, "',' only separates the arguments of a call.")
    return _missing_operator(text, token)


def _missing_operator(text: str, token: Token) -> FormulaError:
    hint = "Write '+' between terms; a function's name touches its '(': log(x)."
    return fault(text, token.span, f"An operator is missing before '{token.text}'.", hint)


def unclosed(text: str, opening: Token) -> FormulaError:
    """Refuse an opening bracket without its partner."""
    message = f"'{opening.text}' is never closed."
    return fault(text, opening.span, message, f"Add the missing '{CLOSER[opening.text]}'.")


def stray_closer(text: str, token: Token, opening: Token | None = None) -> FormulaError:
    """Refuse a closing bracket that closes nothing, or closes the other kind."""
    if opening is not None and token.text != CLOSER[opening.text]:
        message = f"'{token.text}' cannot close '{opening.text}'."
        return fault(text, token.span, message, f"Write '{CLOSER[opening.text]}'.")
    return fault(text, token.span, f"'{token.text}' closes nothing.", "Remove it.")


def misplaced_tilde(text: str, token: Token, opening: Token | None) -> FormulaError:
    """Refuse a second tilde, or one inside brackets."""
    hint = "One '~' separates the response from everything else: y ~ x + (x | g)."
    if opening is not None and opening.text in CLOSER:
        return fault(text, token.span, "'~' cannot be inside brackets.", hint)
    return fault(text, token.span, "There is a second '~'.", hint)
