"""One spelling of a parameter's name: ``I(x**2)`` is the coefficient ``I(x ** 2)``."""

from __future__ import annotations

from collections.abc import Iterable

from hierlm import names
from hierlm.errors import FormulaError, PriorError
from hierlm.formula import Name, unparse
from hierlm.formula.parser import parse_tree

_QUOTES = "`'\""


def find_names(given: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the known name of each given one; what is not known stays as it is.

    Parameters
    ----------
    given, known : iterable of str

    Returns
    -------
    dict of str to str

    Raises
    ------
    PriorError
        If two given names are one.

    Examples
    --------
    >>> find_names(["sd_g[I( x**2 )]", "zebra"], ["x", "sd_g[I(x ** 2)]"])
    {'sd_g[I( x**2 )]': 'sd_g[I(x ** 2)]', 'zebra': 'zebra'}
    """
    known = dict.fromkeys(known)
    by_spelling: dict[str, list[str]] = {}
    for name in known:
        by_spelling.setdefault(canonical(name), []).append(name)
    found: dict[str, str] = {}
    for name in given:
        same = [name] if name in known else by_spelling.get(canonical(name), [])
        meant = same[0] if len(same) == 1 else name
        other = next((key for key, value in found.items() if value == meant), None)
        if other is not None:
            raise PriorError(
                f"{other!r} and {name!r} are two spellings of one parameter.\n  Give one of them."
            )
        found[name] = meant
    return found


def canonical(name: str) -> str:
    """Return a name with every call in it spelled as a formula's own text is.

    Examples
    --------
    >>> canonical("bs(x,df=4)[0]"), canonical("x:factor(f, Sum)[b]"), canonical("not (a name")
    ('bs(x, df=4)[0]', 'x:C(f, Sum())[b]', 'not (a name')
    """
    if not isinstance(name, str):
        return name
    brackets = _find("[", name)
    if name.startswith(names.sd("")) and name.endswith("]") and brackets:
        at = brackets[0]
        return names.element(name[:at], _coefficient(name[at + 1 : -1]))
    return _coefficient(name)


def _coefficient(name: str) -> str:
    cuts = _find(":", name)
    parts = [name[a:b] for a, b in zip([0, *(c + 1 for c in cuts)], [*cuts, None], strict=True)]
    return ":".join(map(_part, parts))


def _part(part: str) -> str:
    """Spell a part of a coefficient; the level in its brackets is data, and stays as it is."""
    head, level = part.strip(), ""
    brackets = _find("[", head)
    if brackets and head.endswith("]"):
        head, level = head[: brackets[-1]], head[brackets[-1] :]
    try:
        _, node = parse_tree(f"y ~ {head}")
    except FormulaError:
        return head + level
    return (node.name if isinstance(node, Name) else unparse(node)) + level


def _find(wanted: str, text: str) -> list[int]:
    """Return where a character stands outside brackets and quotes."""
    found: list[int] = []
    depth, quote = 0, ""
    for at, character in enumerate(text):
        if quote or character in _QUOTES:
            quote = "" if character == quote else quote or character
            continue
        depth -= character in ")]}"
        if depth == 0 and character == wanted:
            found.append(at)
        depth += character in "([{"
    return found
