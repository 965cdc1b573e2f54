"""Mathematics as MathML, which browsers show by themselves: no script, no network.

latex2mathml converts expressions; lines that are aligned at ``&`` are put into a table here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

_log = logging.getLogger(__name__)

_ALIGNED = re.compile(r"\s*\\begin\{(aligned|align\*?)\}(.*)\\end\{\1\}\s*", re.DOTALL)
_TOKENS = re.compile(r"\\begin\{\w+\}|\\end\{\w+\}|\\\\|\\.|[{}&]|[^\\{}&]+", re.DOTALL)
_BOLD = re.compile(r'<m([in]) mathvariant="bold(?:-italic)?">(?:&#x0*(\w+);|(\d))</m\1>')
_FIXES = {  # "is distributed as" is a relation, a function has space around it
    "<mi>&#x0007E;</mi>": '<mo lspace="0.28em" rspace="0.28em">&#x0223C;</mo>',
    "<mi>log</mi>": '<mo lspace="0.17em" rspace="0.17em">log</mo>',
    "<mi>exp</mi>": '<mo lspace="0.17em" rspace="0.17em">exp</mo>',
    "<mi>tanh</mi>": '<mo lspace="0.17em" rspace="0.17em">tanh</mo>',
    "<mi>cosh</mi>": '<mo lspace="0.17em" rspace="0.17em">cosh</mo>',
    "<mi>&#x02032;</mi>": "<mo>&#x02032;</mo>",
    '<mspace width="negativethinmathspace" />': '<mspace width="-0.167em" />',
}


def render(latex: str, display: str) -> str:
    """Return MathML of one expression or of aligned lines.

    Examples
    --------
    >>> render("x", "inline").endswith("<mrow><mi>x</mi></mrow></math>")
    True
    >>> render("a &= b", "block").count("<mtd>")
    2
    """
    match = _ALIGNED.fullmatch(latex)
    rows = list(_rows(match[2] if match else latex))
    if len(rows) == 1 and len(rows[0]) == 1:
        return _fixed(convert(latex, display=display))
    cells = ("".join(f"<mtd>{_cell(cell)}</mtd>" for cell in row) for row in rows)
    table = "".join(f"<mtr>{row}</mtr>" for row in cells)
    return (
        f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="{display}">'
        f'<mtable class="aligned" displaystyle="true">{table}</mtable></math>'
    )


def _cell(latex: str) -> str:
    if not latex.strip():
        return ""
    inside = re.fullmatch(r"<math[^>]*>(.*)</math>", convert(latex), re.DOTALL)
    assert inside is not None, latex
    return _fixed(inside[1])


def _fixed(mathml: str) -> str:
    for wrong, right in _FIXES.items():
        mathml = mathml.replace(wrong, right)
    return _BOLD.sub(_bold, mathml)


def _bold(match: re.Match[str]) -> str:
    """Return a bold Greek letter or digit: MathML Core has no mathvariant for it."""
    tag, code, digit = match.groups()
    point = int(code, 16) if code else 0
    if digit:
        letter = chr(0x1D7CE + int(digit))
    elif 0x391 <= point <= 0x3A9:
        letter = chr(0x1D6A8 + point - 0x391)
    elif 0x3B1 <= point <= 0x3C9:
        letter = chr(0x1D736 + point - 0x3B1)
    else:
        return match[0]
    return f"<m{tag}>{letter}</m{tag}>"


def _rows(latex: str) -> Iterator[list[str]]:
    """Split at line breaks and alignment marks that are outside of braces and environments."""
    depth, row = 0, [""]
    for token in _TOKENS.findall(latex):
        depth += (token == "{" or token.startswith("\\begin{")) - (
            token == "}" or token.startswith("\\end{")
        )
        if depth == 0 and token == "&":
            row.append("")
        elif depth == 0 and token == "\\\\":
            yield row
            row = [""]
        else:
            row[-1] += token
    if any(cell.strip() for cell in row):
        yield row


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(_rendered(node, node.astext(), "inline"))
    raise nodes.SkipNode


def _block(self: Any, node: nodes.math_block) -> None:
    for latex in re.split(r"\n\s*\n", node.astext()):  # an empty line begins another equation
        self.body.append(f'<div class="math">{_rendered(node, latex, "block")}</div>\n')
    raise nodes.SkipNode


def _rendered(node: nodes.Element, latex: str, display: str) -> str:
    try:
        return render(latex, display)
    except Exception as error:  # whatever it is, the build says where
        _log.warning("this LaTeX has no MathML: %s (%r)", latex, error, location=node)
        return ""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
