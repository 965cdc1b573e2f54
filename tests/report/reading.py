"""A strict reader of HTML: what opens is closed, and what was read can be asked for."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from hierlm.report import render
from hierlm.results import Fit

EVIL = "<script>alert(1)</script>"
ATTRIBUTE = '"><img src=x onerror=alert(2)>'
COLUMN = "<b>Days & $x_1$"
VOID = {"meta", "img", "br", "hr", "link"}


class Page(HTMLParser):
    """Elements and text of a page; raises AssertionError where they are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.stack: list[str] = []
        self.feed(text)
        self.close()
        assert not self.stack, self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, tag
        assert self.stack.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.stack[-1] if self.stack else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str | None = None) -> str:
        kept = (t for where, t in self.texts if where != "style" and tag in (None, where))
        return "\n".join(kept)


def made(fit: Fit, **options: Any) -> str:
    return render(fit.spec, fit.design, fit.frame, fit.idata, fit.convergence, **options)
