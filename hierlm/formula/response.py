"""The left side of the tilde."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hierlm.formula.functions import REMEDIES, RESPONSE, STRUCTURAL, check_calls
from hierlm.formula.syntax import BarNode, Binary, Call, Name, Node, Number, Unary, names
from hierlm.formula.terms import summands
from hierlm.formula.tokens import fault
from hierlm.formula.writing import unparse

_ADDITIONS = ("trials", "weights", "se")
_FORMS = "Write y | trials(n), y | weights(w) or y | se(s)."


@dataclass(frozen=True, slots=True)
class Response:
    """What is modelled, and what is known about each of its observations.

    Parameters
    ----------
    expression : Node
        A column, or a call such as ``log(y)``.
    trials : Node, optional
        Number of trials: a column, a call or a number.
    weights : Node, optional
        Frequency weights, wherever the formula has them.
    se : Node, optional
        Known standard errors.
    """

    expression: Node
    trials: Node | None = None
    weights: Node | None = None
    se: Node | None = None

    def __str__(self) -> str:
        given = {"trials": self.trials, "se": self.se}
        additions = [f"{name}({unparse(node)})" for name, node in given.items() if node is not None]
        text = unparse(self.expression)
        return f"{text} | {' + '.join(additions)}" if additions else text


def read_response(node: Node, text: str, functions: Collection[str]) -> Response:
    """Read the left side of the tilde."""
    found: dict[str, Node] = {}
    if isinstance(node, BarNode):
        if not node.correlated:
            raise fault(text, node.span, "'||' has no meaning in the response.", _FORMS)
        for sign, part in summands(node.right):
            name, value = _read_addition(sign, part, text, functions)
            if name in found:
                raise fault(text, part.span, f"{name}() is given twice.", "Remove one.")
            found[name] = value
        node = node.left
    if isinstance(node, Call) and node.function == "p":
        if "trials" in found:
            raise fault(text, node.span, "The trials are given twice.", "Write p(y, n) alone.")
        node, found["trials"] = _read_proportion(node, text, functions)
    _check_expression(node, text, functions)
    return Response(node, found.get("trials"), found.get("weights"), found.get("se"))


def read_argument(
    call: Call, text: str, functions: Collection[str], *, constant: bool = False
) -> Node:
    """Return the one argument of offset(), weights(), se() or trials(); arithmetic within I()."""
    if len(call.args) != 1 or call.keywords:
        hint = STRUCTURAL[call.function]
        raise fault(text, call.span, f"{call.function}() takes one argument.", hint)
    return _value(call.args[0], text, functions, constant=constant)


def _value(node: Node, text: str, functions: Collection[str], *, constant: bool = False) -> Node:
    check_calls(node, text, functions)
    if constant and isinstance(node, Number) and node.text.isdecimal() and int(node.text):
        return node
    if not names(node):
        allowed = "a column or a whole number from 1" if constant else "a column"
        raise fault(text, node.span, f"Wanted {allowed}, got {unparse(node)}.")
    if isinstance(node, Binary | Unary):
        return Call("I", (node,), span=node.span)
    return node


def _read_addition(
    sign: str, node: Node, text: str, functions: Collection[str]
) -> tuple[str, Node]:
    if isinstance(node, Call) and node.function in REMEDIES:
        message = f"{node.function}() is not available."
        raise fault(text, node.span, message, REMEDIES[node.function])
    if sign == "-" or not isinstance(node, Call) or node.function not in _ADDITIONS:
        message = f"{unparse(node)} cannot follow the bar of a response."
        raise fault(text, node.span, message, _FORMS)
    constant = node.function == "trials"
    return node.function, read_argument(node, text, functions, constant=constant)


def _read_proportion(call: Call, text: str, functions: Collection[str]) -> tuple[Node, Node]:
    if len(call.args) != 2 or call.keywords:
        message = "p() takes two arguments."
        raise fault(text, call.span, message, "Write p(successes, trials) ~ x.")
    successes, trials = call.args
    return _value(successes, text, functions), _value(trials, text, functions, constant=True)


def _check_expression(node: Node, text: str, functions: Collection[str]) -> None:
    match node:
        case Name():
            return
        case Call(function=function) if function in functions or function in RESPONSE:
            check_calls(node, text, functions)
            if not names(node):
                raise fault(text, node.span, "The response names no column.", "Write y ~ x.")
        case Call(function=function):
            check_calls(node, text, functions)
            message = f"{function}() cannot be a response."
            raise fault(text, node.span, message, "Write the column, or a function such as log(y).")
        case Binary() | Unary():
            hint = "Arithmetic goes inside I(): I(a - b) ~ x. One model has one response."
            raise fault(text, node.span, "The response is not one column.", hint)
        case _:
            raise fault(text, node.span, "The response must be a column.", "Write y ~ x.")
