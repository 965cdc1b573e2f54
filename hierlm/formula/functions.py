"""What a formula may call, and what to write instead of what it may not.

A formula can come from a file: every call is checked against these tables before anything is
evaluated. The caller's own functions are admitted by name, and only those.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Collection

from hierlm.errors import FormulaError, did_you_mean
from hierlm.formula.syntax import (
    Binary,
    Call,
    Name,
    Node,
    Number,
    Span,
    Unary,
    children,
    names,
)
from hierlm.formula.tokens import fault

ELEMENTWISE = {
    "log": "natural logarithm",
    "log2": "logarithm to base 2",
    "log10": "logarithm to base 10",
    "log1p": "log(1 + x)",
    "exp": "exponential",
    "expm1": "exp(x) - 1",
    "sqrt": "square root",
    "abs": "absolute value",
}
"""NumPy functions of one array, under NumPy's names."""

TRANSFORMS = {
    "I": "arithmetic: I(x**2), I(a / b)",
    "center": "x minus its mean in the data of the fit",
    "scale": "center(x) divided by its standard deviation",
    "standardize": "the same as scale",
    "poly": "orthogonal polynomial: poly(x, 2)",
    "bs": "B-spline: bs(x, df=4)",
    "cr": "natural cubic regression spline: cr(x, df=5)",
    "cc": "cyclic cubic spline: cc(x, df=5)",
    "tp": "thin plate regression spline: tp(x, df=5)",
    "C": "categorical, with a contrast if wanted: C(f, Sum)",
    "T": "treatment contrast with a reference level: T(f, 'b')",
    "S": "sum contrast: S(f)",
}
"""Transforms that remember what they learnt from the data of the fit."""

CONTRASTS = {"Sum": "sum to zero", "Treatment": "against a reference level"}
"""Contrasts, as the second argument of C()."""

STRUCTURAL = {
    "offset": "offset(...) is a term of its own on the right of '~': y ~ x + offset(log(n)).",
    "weights": "weights(w) is a term of its own on the right of '~': y ~ x + weights(w).",
    "p": "p(successes, trials) is a whole response: p(successes, trials) ~ x.",
    "trials": "trials(n) follows the response: y | trials(n) ~ x.",
    "se": "se(s) follows the response: y | se(s) ~ x.",
}
"""Calls that are part of the grammar, and where they belong."""

ALIASES = {
    **{f"{module}.{name}": name for module in ("np", "numpy") for name in ELEMENTWISE},
    "factor": "C",
    "prop": "p",
    "proportion": "p",
}

FORMULAE = ("B", "binary", "np", "numpy", "factor_treatment", "factor_sum")
"""Names that mean something where formulae evaluates a call, beside those above."""

RESPONSE = {*ELEMENTWISE, "I", "center", "scale", "standardize"}
"""What a response may be wrapped in: functions that give one number per row."""

_SPLINE = "Smooths by penalty are not supported; use a spline basis: bs(x, df=5) or cr(x, df=5)."
_PROCESS = "Gaussian processes are not supported; use a spline basis: bs(x, df=5) or tp(x, df=5)."
_CENSORED = "Censored and truncated responses are not supported."
_SERIES = "Residual correlation is not supported; a lagged column can be computed in the table."
_ERRORS_IN = "Missing values and measurement error are not modelled; impute in the table first."
_COMPUTE = "Compute this column in the table, then name it."
_FACTOR = "Write C(f), or T(f, 'level') to choose the reference level."
REMEDIES = {
    **dict.fromkeys(("s", "t2", "te", "ti"), _SPLINE),
    **dict.fromkeys(("gp", "hsgp"), _PROCESS),
    **dict.fromkeys(("me", "mi"), _ERRORS_IN),
    **dict.fromkeys(("ar", "ma", "arma", "cosy", "lag"), _SERIES),
    **dict.fromkeys(("cens", "censored", "trunc", "truncated"), _CENSORED),
    **dict.fromkeys(("dec", "thres", "cat"), "This kind of response is not supported."),
    **dict.fromkeys(("as.factor", "as.ordered", "ordered", "relevel"), _FACTOR),
    **dict.fromkeys(("ifelse", "cut", "round", "diff"), _COMPUTE),
    **dict.fromkeys(("as.numeric", "as.integer"), _COMPUTE),
    "mo": "Monotonic effects are not supported; write C(f), or the column as a number.",
    "mm": "Multi-membership groups are not supported; write (1 | g1) + (1 | g2).",
    "gr": "Write the grouping column alone: (1 | g).",
    "cs": "Category-specific effects are not supported.",
    "cbind": "Write p(successes, trials) ~ x; trials = successes + failures.",
    "mvbind": "One response per model: fit a model for each.",
    "ns": "Write cr(x, df=5) for a natural spline, or bs(x, df=5).",
    "rate": "Write offset(log(n)) on the right of '~'.",
    "weighted": "Write y ~ x + weights(w).",
    "binary": "Compute a column of 0 and 1 in the table, then name it.",
    "pow": "Write I(x**2), or poly(x, 2).",
    "ln": "Write log(x).",
}


def canonical_call(
    name: str, args: tuple[Node, ...], keywords: tuple[tuple[str, Node], ...], span: Span
) -> Call:
    """Build a call with one spelling for each function, and contrasts of C() as calls."""
    name = ALIASES.get(name, name)
    if name == "C":
        args = (*args[:1], *(_contrast(arg) for arg in args[1:]))
        keywords = tuple((key, _contrast(value)) for key, value in keywords)
    return Call(name, args, keywords, span)


def _contrast(node: Node) -> Node:
    if isinstance(node, Name) and node.name in CONTRASTS:
        return Call(node.name, (), span=node.span)
    return node


def check_functions(functions: Collection[str]) -> None:
    """Refuse functions of the caller that would change what a formula means."""
    taken = {*ELEMENTWISE, *TRANSFORMS, *CONTRASTS, *STRUCTURAL, *ALIASES, *FORMULAE}
    for name in functions:
        if name in taken:
            message = f"The name {name!r} in functions already has a meaning in every formula."
            raise FormulaError(message, hint=f"Choose another, such as 'my_{name}'.")


def check_calls(node: Node, text: str, functions: Collection[str] = ()) -> None:
    """Refuse every call in a node that is neither in the tables nor in ``functions``.

    Parameters
    ----------
    node : Node
        Any part of a formula, the calls of the grammar (offset and so on) taken off.
    text : str
        The formula, for messages.
    functions : collection of str
        Names of the caller's own functions.

    Raises
    ------
    FormulaError
        With the remedy where one is known, else with the nearest known name.

    Examples
    --------
    >>> check_calls(Call("system", (Name("x"),), span=(4, 13)), "y ~ system(x)")
    Traceback (most recent call last):
        ...
    hierlm.errors.FormulaError: system() is not a function of formulas.
        y ~ system(x)
            ^^^^^^^^^
      To use a function of your own, pass functions={"system": system}.
    """
    stack: list[tuple[Node, bool]] = [(node, False)]
    while stack:
        node, is_contrast = stack.pop()
        if isinstance(node, Call) and not is_contrast:
            _check_call(node, text, functions)
        if isinstance(node, Binary) and node.op == "**" and not names(node):
            _check_constant(node, text)
        categorical = isinstance(node, Call) and node.function == "C"
        below = children(node)
        stack.extend(
            (child, categorical and position > 0 and _is_contrast(child))
            for position, child in reversed(list(enumerate(below)))
        )


def _is_contrast(node: Node) -> bool:
    return isinstance(node, Call) and node.function in CONTRASTS


def _check_call(call: Call, text: str, functions: Collection[str]) -> None:
    name = call.function
    if name in functions or name in TRANSFORMS or name in ELEMENTWISE:
        _check_arguments(call, text)
        return
    if name in STRUCTURAL:
        raise fault(text, call.span, f"{name}() cannot stand here.", STRUCTURAL[name])
    if name in CONTRASTS:
        message = f"{name}() is a contrast: it belongs inside C()."
        raise fault(text, call.span, message, f"Write C(f, {name}).")
    if name in REMEDIES:
        raise fault(text, call.span, f"{name}() is not available.", REMEDIES[name])
    known = {*ELEMENTWISE, *TRANSFORMS, *STRUCTURAL, *functions}
    bare = name.rpartition(".")[2]
    near = did_you_mean(bare, sorted(known))
    hint = f'To use a function of your own, pass functions={{"{bare}": {bare}}}.'
    if "__" in name or hasattr(builtins, bare):
        hint = "A formula runs no code: it names columns and calls a few known functions."
    raise fault(text, call.span, f"{name}() is not a function of formulas.{near}", hint)


_LARGEST = 1e15


def _check_constant(power: Binary, text: str) -> None:
    """Refuse 10**10**10, which Python would compute to the last digit."""
    value = constant_value(power) or 0.0
    if math.isnan(value):
        raise fault(text, power.span, "This power has no real value.", "Write a number.")
    if not abs(value) <= _LARGEST:
        raise fault(text, power.span, "This number is too large.", "Write it as in 1e20.")


def constant_value(node: Node) -> float | None:
    """Return the value of arithmetic on numbers, and None for other nodes.

    It is infinite when too large, and NaN when not real.

    Examples
    --------
    >>> constant_value(Binary("**", Number("10"), Number("3")))
    1000.0
    """
    match node:
        case Number(text):
            return float(text)
        case Unary(op, operand):
            value = constant_value(operand)
            return -value if op == "-" and value is not None else value
        case Binary(op, left, right):
            a, b = constant_value(left), constant_value(right)
            return None if a is None or b is None else _compute(op, a, b)
        case _:
            return None


def _compute(op: str, a: float, b: float) -> float | None:
    try:
        match op:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
            case "/":
                return a / b
            case "**":
                return math.pow(a, b)
    except ValueError:
        return math.nan
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return None


def _check_arguments(call: Call, text: str) -> None:
    name = call.function
    single = name in ELEMENTWISE or name == "I"
    if single and (len(call.args) != 1 or call.keywords):
        raise fault(text, call.span, f"{name}() takes one argument.", f"Write {name}(x).")
    if name in TRANSFORMS and not single and not (call.args and names(call.args[0])):
        hint = f"Write {name}(x)."
        raise fault(text, call.span, f"{name}() needs a column as its first argument.", hint)
