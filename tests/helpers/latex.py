"""A reader of the LaTeX that equations may use: what it does not know, it refuses."""

from __future__ import annotations

import re

ENVIRONMENTS = {"aligned": 4, "bmatrix": 20, "cases": 2}  # with the most columns of each
_KNOWN = """
text mathbf boldsymbol mathcal operatorname operatorname* frac sqrt overline hat left right
beta sigma Sigma rho varepsilon mu pi xi lambda Lambda nu alpha kappa Phi
sim propto mid times otimes cdot approx ne int sum prod log arg
cdots dots vdots ddots quad qquad lVert rVert top wedge backslash
"""
COMMANDS = set(_KNOWN.split())
SYMBOLS = set(",;!_%&#${}\\")

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|[{}&]|[^\\{}&]+", re.DOTALL)
_GROUP = re.compile(r"\{([a-z]+)\}")


def check(latex: str) -> None:
    """Raise AssertionError unless braces, environments, fences and columns are in order."""
    assert "\n\n" not in latex
    stack: list[list] = []  # [kind, columns of the present row]
    position = 0
    while position < len(latex):
        token = _TOKEN.match(latex, position)
        assert token, latex[position : position + 40]
        text, position = token.group(), token.end()
        if text in (r"\begin", r"\end"):
            group = _GROUP.match(latex, position)
            assert group is not None, latex[position : position + 20]
            assert group[1] in ENVIRONMENTS, group[1]
            position = group.end()
            _environment(stack, text, group[1])
        elif text == r"\text":
            position = _text_argument(latex, position)
        else:
            _token(stack, text)
    assert not stack, f"left open: {stack}"


def _top(stack: list[list]) -> str:
    return stack[-1][0] if stack else ""


def _environment(stack: list[list], text: str, name: str) -> None:
    if text == r"\begin":
        stack.append([name, 1])
    else:
        kind, _ = stack.pop()
        assert kind == name, f"{kind} is closed by {name}"


def _token(stack: list[list], text: str) -> None:
    if text == "{":
        stack.append(["{", 0])
    elif text == "}":
        assert _top(stack) == "{", "a brace too many"
        stack.pop()
    elif text == r"\left":
        stack.append(["left", 0])
    elif text == r"\right":
        assert _top(stack) == "left"
        stack.pop()
    elif text == r"\\":
        assert _top(stack) in ENVIRONMENTS, "a line ends inside a group"
        stack[-1][1] = 1
    elif text == "&":
        assert _top(stack) in ENVIRONMENTS, "a column ends inside a group"
        stack[-1][1] += 1
        assert stack[-1][1] <= ENVIRONMENTS[stack[-1][0]], "too many columns"
    elif text.startswith("\\"):
        name = text[1:]
        assert name in COMMANDS or name in SYMBOLS, f"unknown command {text}"
    else:
        assert not set(text) & set("$%#~\n\t") - {"\n"}, f"not escaped: {text!r}"
        assert text.isascii(), f"not in \\text: {text!r}"


def _text_argument(latex: str, position: int) -> int:
    r"""Return the end of the argument of \text: nothing in it may mean something to LaTeX."""
    assert latex[position] == "{"
    depth, start = 0, position
    while True:
        depth += {"{": 1, "}": -1}.get(latex[position], 0)
        position += 1
        if depth == 0:
            break
    inside = latex[start + 1 : position - 1].replace("{}", "")
    assert not set(inside) & set("\\$%#&_^~{}<>|\n"), f"not escaped: {inside!r}"
    return position
