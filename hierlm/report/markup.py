"""HTML that cannot forget to escape: what is not `Html` already is text, and is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

# controls and halves of characters, which no document may have, and what turns a line around
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_VOID = frozenset({"meta", "img", "br", "hr"})


class Html(str):
    """Text that is HTML already; only the functions of this file and templates make it."""

    __slots__ = ()


def escape(text: object) -> Html:
    """Return text as HTML; what no document may contain is shown as a replacement sign.

    Examples
    --------
    >>> escape("<script>alert(1)</script>")
    '&lt;script&gt;alert(1)&lt;/script&gt;'
    >>> escape(escape("a & b"))
    'a &amp; b'
    """
    if isinstance(text, Html):
        return text
    return Html(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(text))))


def element(tag: str, *children: object, **attributes: str | None) -> Html:
    """Return an element; children that are not `Html` are escaped, and so are attributes.

    Parameters
    ----------
    tag : str
    *children : object
    **attributes : str or None
        ``class_="note"``, ``aria_label="..."``; one that is None is left out.

    Examples
    --------
    >>> element("th", "a < b", scope="col")
    '<th scope="col">a &lt; b</th>'
    """
    words = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    spelled = "".join(f' {k}="{escape(v)}"' for k, v in words.items() if v is not None)
    if tag in _VOID:
        return Html(f"<{tag}{spelled}>")
    return Html(f"<{tag}{spelled}>{join(children)}</{tag}>")


def join(parts: Iterable[object], between: str = "") -> Html:
    """Return the parts one after the other, each escaped unless it is `Html`."""
    return Html(between.join(escape(part) for part in parts))


def paragraph(*children: object, class_: str | None = None) -> Html:
    """Return a paragraph."""
    return element("p", *children, class_=class_)


def code(text: object) -> Html:
    """Return a formula, a name or a call."""
    return element("code", text)


def bullets(items: Iterable[object], class_: str | None = None) -> Html:
    """Return a list."""
    return element("ul", *(element("li", item) for item in items), class_=class_)


def facts(pairs: Iterable[tuple[object, object]], class_: str | None = "facts") -> Html:
    """Return names with what they are."""
    rows = (element("div", element("dt", a), element("dd", b)) for a, b in pairs)
    return element("dl", *rows, class_=class_)


def details(summary: object, *children: object) -> Html:
    """Return what is closed until it is asked for."""
    return element("details", element("summary", summary), *children)


def subsection(title: object, *children: object) -> Html:
    """Return a part of a section, with its heading."""
    return join([element("h3", title), *children])


def table(
    caption: str, header: Sequence[object], rows: Iterable[Sequence[object]], *, words: int = 1
) -> Html:
    """Return a table in a box of its own to scroll in.

    Parameters
    ----------
    caption : str
    header : sequence
        One per column.
    rows : iterable of sequence
        The first cell names the row.
    words : int
        How many columns, from the left, hold words; those after them hold numbers.
    """
    kinds = [None if k < words else "number" for k in range(len(header))]
    heads = [element("th", h, scope="col", class_=k) for h, k in zip(header, kinds, strict=True)]
    body = []
    for first, *rest in rows:
        cells = [element("td", c, class_=k) for c, k in zip(rest, kinds[1:], strict=True)]
        body.append(element("tr", element("th", first, scope="row"), *cells))
    made = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *body),
    )
    # what scrolls has to be reached with the keyboard too
    return element("div", made, class_="scroll", role="region", aria_label=caption, tabindex="0")
