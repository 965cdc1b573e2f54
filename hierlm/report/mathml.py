r"""Equations as MathML, which every browser shows without a script and without a network.

The LaTeX of `hierlm.equations` is a small language; it is read whole, and what is not of it is an
error and no guess. Letters of vectors and matrices are Unicode's bold ones, as MathML Core wants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hierlm.report.markup import Html, element, join

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|[{}&_^]|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_GREEK = {
    "alpha": "α",  # noqa: RUF001
    "beta": "β",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",  # noqa: RUF001
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",  # noqa: RUF001
    "sigma": "σ",  # noqa: RUF001
    "varepsilon": "ε",
    "Lambda": "Λ",
    "Sigma": "Σ",
    "Phi": "Φ",
}
_RELATIONS = {"sim": "∼", "propto": "∝", "approx": "≈", "ne": "≠", "mid": "∣"}  # noqa: RUF001
_OPERATORS = {"times": "×", "otimes": "⊗", "cdot": "⋅", "wedge": "∧"}  # noqa: RUF001
_SIGNS = {
    "dots": "…",
    "cdots": "⋯",
    "vdots": "⋮",
    "ddots": "⋱",
    "top": "⊤",  # noqa: RUF001
    "backslash": "\\",
}
_NORMS = {"lVert": "prefix", "rVert": "postfix"}
_LARGE = {"sum": "∑", "prod": "∏"}
_SPACES = {",": "0.17em", ";": "0.28em", "!": "-0.17em", "quad": "1em", "qquad": "2em"}
_PLAIN = {"-": "−", "'": "′", "*": "∗"}  # noqa: RUF001
_CLOSING = tuple(f"{sign}</mo>" for sign in ")]}‖′")  # noqa: RUF001
_ORDINARY = {"<": "<", ">": ">", "|": "|", "\\sim": "~"}  # in braces a sign of a name, no relation
_STARTS = {"A": 0x1D400, "a": 0x1D41A, "0": 0x1D7CE, "Α": 0x1D6A8, "α": 0x1D736}  # noqa: RUF001


class UnknownLatexError(ValueError):
    """LaTeX that this reader does not know."""


def mathml(latex: str) -> Html:
    r"""Return display math.

    Parameters
    ----------
    latex : str
        As `hierlm.equations.Equation.latex` writes it.

    Returns
    -------
    Html
        A ``math`` element.

    Raises
    ------
    UnknownLatexError
        If it holds anything that the equations do not use.

    Examples
    --------
    >>> mathml(r"\sigma^{2}")
    '<math display="block"><msup><mi>σ</mi><mn>2</mn></msup></math>'
    """  # noqa: RUF002
    reader = _Reader(_TOKEN.findall(latex))
    parts = reader.row(())
    if reader.here:
        raise UnknownLatexError(f"{reader.here!r} closes nothing")
    return element("math", *parts, display="block")


def bold(character: str) -> str:
    """Return Unicode's bold letter or digit; small Greek letters are slanted as well.

    Examples
    --------
    >>> bold("X"), bold("0")
    ('𝐗', '𝟎')
    """  # noqa: RUF002
    for start, last in (("A", "Z"), ("a", "z"), ("0", "9"), ("Α", "Ω"), ("α", "ω")):  # noqa: RUF001
        if start <= character <= last:
            return chr(_STARTS[start] + ord(character) - ord(start))
    raise UnknownLatexError(f"no bold {character!r}")


@dataclass
class _Reader:
    """Reads tokens one by one; each method leaves it behind what it has read."""

    tokens: list[str]
    place: int = field(default=0)

    @property
    def here(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        token = self.here
        self.place += 1
        return token

    def expect(self, token: str) -> None:
        if self.here != token:
            raise UnknownLatexError(f"wanted {token!r}, came {self.here!r}")
        self.place += 1

    def row(self, ends: tuple[str, ...]) -> list[Html]:
        """Read expressions side by side, up to one of `ends` or the end of the text."""
        found: list[Html] = []
        while self.here and self.here not in (*ends, "}"):
            if self.here.isspace():
                self.place += 1
                continue
            sign = self.here in ("+", "-") and _opens(found)
            found.append(self.prefix() if sign else self.scripted())
        return found

    def prefix(self) -> Html:
        """Read a sign that stands before its number, and not between two."""
        sign = self.take()
        return _operator(_PLAIN.get(sign, sign), form="prefix")

    def scripted(self) -> Html:
        """Read an expression and the indices and powers behind it."""
        limits = self.here in ("\\sum", "\\prod", "\\operatorname*")
        base = self.atom()
        scripts: dict[str, Html] = {}
        while self.here and self.here in "_^":
            sign = self.take()
            scripts[sign] = self.argument()
        if not scripts:
            return base
        below, above = ("under", "over") if limits else ("sub", "sup")
        kind = (below if "_" in scripts else "") + (above if "^" in scripts else "")
        return element(f"m{kind}", base, *(scripts[sign] for sign in "_^" if sign in scripts))

    def argument(self) -> Html:
        """Read what stands in braces, or one expression."""
        if self.here != "{":
            return self.atom()
        self.place += 1
        parts = self.row(())
        self.expect("}")
        return parts[0] if len(parts) == 1 else element("mrow", *parts)

    def atom(self) -> Html:
        token = self.here
        if token == "{":
            lone = self.tokens[self.place + 1 : self.place + 3]
            if len(lone) == 2 and lone[0] in _ORDINARY and lone[1] == "}":
                self.place += 3
                return element("mtext", _ORDINARY[lone[0]])
            return self.argument()
        self.place += 1
        if token.startswith("\\"):
            return self.command(token[1:])
        if token[0].isdigit():
            return element("mn", token)
        if token.isalpha():
            return element("mi", token)
        if token in "()[]|":
            return _operator(token, stretchy="false")
        if token in "=<>":
            return _relation(token)
        if token in "+-,;:./!'*":
            return _operator(_PLAIN.get(token, token))
        raise UnknownLatexError(f"unknown sign {token!r}")

    def command(self, name: str) -> Html:
        for table, make in _TABLES:
            if name in table:
                return make(table[name])
        if name in "_%&#${}":
            return element("mtext", name)
        method = _COMMANDS.get(name)
        if method is None:
            raise UnknownLatexError(f"unknown command \\{name}")
        return method(self)

    def text(self) -> Html:
        """Read words, in which only braces have a meaning."""
        self.expect("{")
        words, depth = [], 1
        while depth:
            token = self.take()
            if not token:
                raise UnknownLatexError("text without an end")
            depth += (token == "{") - (token == "}")
            words.append("" if token in "{}" else token)
        # MathML trims the spaces at the ends
        return element("mtext", "".join(words).replace(" ", "\N{NO-BREAK SPACE}"))

    def bold(self) -> Html:
        self.expect("{")
        letter = self.take()
        letter = _GREEK.get(letter[1:], letter)
        self.expect("}")
        if len(letter) != 1:
            raise UnknownLatexError(f"no bold {letter!r}")
        return element("mn" if letter.isdigit() else "mi", bold(letter))

    def script_letter(self) -> Html:
        for token in "{N}":
            self.expect(token)
        return element("mi", "𝒩")  # noqa: RUF001

    def operator(self) -> Html:
        self.expect("{")
        words = []
        while self.here not in ("}", ""):
            token = self.take()
            words.append("\N{NO-BREAK SPACE}" if token == "\\," else token)
        self.expect("}")
        return element("mi", "".join(words), mathvariant="normal")

    def fraction(self) -> Html:
        return element("mfrac", self.argument(), self.argument())

    def root(self) -> Html:
        return element("msqrt", self.argument())

    def overline(self) -> Html:
        # browsers do not stretch the sign over a word: the style draws a line
        inside = element("mrow", self.argument(), arg="x")
        return element("mrow", inside, class_="overline", intent="mean($x)")

    def hat(self) -> Html:
        return element("mover", self.argument(), _operator("^", stretchy="false"), accent="true")

    def fenced(self) -> Html:
        left = self.take()
        parts = self.row(("\\right",))
        self.expect("\\right")
        return element("mrow", _operator(left), *parts, _operator(self.take()))

    def environment(self) -> Html:
        kind = self.braced()
        if kind not in _FENCES:
            raise UnknownLatexError(f"unknown environment {kind!r}")
        rows = [element("mtr", *cells) for cells in self.cells(align=kind == "aligned")]
        self.expect("\\end")
        if self.braced() != kind:
            raise UnknownLatexError(f"{kind} without an end")
        display = "true" if kind == "aligned" else None
        body = element("mtable", *rows, class_=kind, displaystyle=display)
        left, right = _FENCES[kind]
        if not left:
            return body
        fences = [_operator(fence) if fence else "" for fence in (left, right)]
        return element("mrow", fences[0], body, fences[1])

    def cells(self, align: bool) -> list[list[Html]]:
        rows: list[list[Html]] = [[]]
        while True:
            parts = self.row(("&", "\\\\", "\\end"))
            cell = element("mrow", *parts) if len(parts) > 1 else join(parts)
            rows[-1].append(element("mtd", cell))
            if self.here == "&":
                self.place += 1
            elif self.here == "\\\\":
                self.place += 1
                rows.append([])
            else:
                widest = max(map(len, rows))
                return [row + [element("mtd")] * (widest - len(row)) for row in rows]

    def braced(self) -> str:
        self.expect("{")
        letters = []
        while self.here.isalpha():
            letters.append(self.take())
        self.expect("}")
        return "".join(letters)


_FENCES = {"aligned": ("", ""), "bmatrix": ("[", "]"), "cases": ("{", "")}
_COMMANDS: Mapping[str, Callable[[_Reader], Html]] = {
    "text": _Reader.text,
    "mathbf": _Reader.bold,
    "boldsymbol": _Reader.bold,
    "mathcal": _Reader.script_letter,
    "operatorname": _Reader.operator,
    "operatorname*": _Reader.operator,
    "frac": _Reader.fraction,
    "sqrt": _Reader.root,
    "overline": _Reader.overline,
    "hat": _Reader.hat,
    "left": _Reader.fenced,
    "begin": _Reader.environment,
}


def _opens(found: list[Html]) -> bool:
    """Return whether a sign here has nothing on its left to add to or to subtract from."""
    return not found or (found[-1].startswith("<mo") and not found[-1].endswith(_CLOSING))


def _operator(sign: str, **attributes: str) -> Html:
    return element("mo", sign, **attributes)


def _relation(sign: str) -> Html:
    # where it begins a cell it would be taken for a prefix, and lose its space
    return _operator(sign, form="infix")


def _norm(form: str) -> Html:
    return _operator("‖", form=form, stretchy="false")


def _greek(letter: str) -> Html:
    return element("mi", letter, mathvariant="normal" if letter.isupper() else None)


def _word(text: str) -> Html:
    return element("mi", text, mathvariant="normal")


def _space(width: str) -> Html:
    return element("mspace", width=width)


_TABLES: tuple[tuple[Mapping[str, str], Callable[[str], Html]], ...] = (
    (_GREEK, _greek),
    (_RELATIONS, _relation),
    (_OPERATORS, _operator),
    (_SIGNS, _operator),
    (_NORMS, _norm),
    (_LARGE, _operator),
    ({"int": "∫"}, _operator),
    ({"log": "log", "arg": "arg"}, _word),
    (_SPACES, _space),
)
