r"""Names and labels of the data, as LaTeX.

What LaTeX reads as a command is written in math mode, between runs of ``\text{}``: there one
spelling serves LaTeX, KaTeX and MathJax, whose ``\text`` shows the backslash of ``\_``.
"""

from __future__ import annotations

import itertools
import unicodedata

_LONGEST = 40

_IN_MATH = {
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"{\sim}",
    "^": r"{}^{\wedge}",
    "\\": r"\backslash ",
    "<": "{<}",
    ">": "{>}",
    "|": "{|}",
}


def printable(text: str) -> str:
    """Return `text` on one line: what does not print, or turns the direction, is a space.

    Examples
    --------
    >>> printable("a" + chr(9) + "b")
    'a b'
    """
    # Cc and Cf are controls and marks of direction, Cs is half a character
    keep = (" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return "".join(keep)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return the text, its middle left out where it is long.

    Examples
    --------
    >>> shortened("a" * 100, 7)
    'aaa…aaa'
    """
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[: longest - 1 - half]}…{text[-half:]}"


def escape(text: str) -> str:
    r"""Return LaTeX (math mode) that shows `text` upright.

    Examples
    --------
    >>> print(escape("log_radon"), escape("50 %"), escape("温度"))
    {\text{log}\_\text{radon}} {\text{50 }\%} \text{温度}
    """
    runs = []
    for special, characters in itertools.groupby(printable(text), key=_IN_MATH.__contains__):
        run = "".join(characters)
        runs.append("".join(map(_IN_MATH.__getitem__, run)) if special else _text(run))
    latex = "".join(runs) or r"\text{ }"
    return latex if len(runs) < 2 and latex.startswith(r"\text") else f"{{{latex}}}"


def _text(run: str) -> str:
    # two hyphens or quotes would join into another character
    for pair in ("--", "``", "''", ",,", "!`", "?`"):
        while pair in run:
            run = run.replace(pair, f"{pair[0]}{{}}{pair[1]}")
    return rf"\text{{{run}}}"
