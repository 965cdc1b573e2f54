"""The examples of the pages: find them, run them, and write down what they print.

``python docs/examples.py docs/priors.md`` runs the blocks marked ``pycon`` of a page, in one
namespace, and replaces the output that stands there. `tests/docs/test_pages.py` runs the same
blocks and compares: text exactly, numbers to the digits that another machine's random numbers
leave alone, ``...`` for anything.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(r"^(`{3,})(?:pycon|\{eval-rst\})\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?(?![\w])")

# What differs from run to run: seconds, and which parameter has the worst diagnostic
VOLATILE = re.compile(
    r"[\d.]+ s(?=; engine)|(?<=\d) \([\w.:]+(\[[^\]]*\])?\)(?= bulk|; small| tail)"
)

RELATIVE, ABSOLUTE = 0.25, 0.12  # two runs of one example on two machines


def examples(text: str) -> Iterator[doctest.Example]:
    """Yield the examples of a page; ``lineno`` counts from its top.

    Output goes on to the next example or to the end of the block: unlike in a docstring, a blank
    line does not end it.
    """
    for fence in FENCE.finditer(text):
        first = text.count("\n", 0, fence.start(2))
        lines = fence[2].splitlines(keepends=True)
        starts = [i for i, line in enumerate(lines) if line.lstrip().startswith(">>> ")]
        for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
            yield _example(lines[start:stop], first + start)


def _example(lines: list[str], lineno: int) -> doctest.Example:
    indent = len(lines[0]) - len(lines[0].lstrip())
    cut = [line[indent:] for line in lines]
    more = next((i for i, x in enumerate(cut[1:], 1) if not x.startswith("... ")), len(cut))
    directive = (i for i, line in enumerate(cut) if i >= more and line.startswith(".. "))
    want = "".join(cut[more : next(directive, len(cut))]).rstrip()
    error = doctest.DocTestParser._EXCEPTION_RE.match(want)
    return doctest.Example(
        "".join(line[4:] for line in cut[:more]),
        want,
        exc_msg=error["msg"] if error else None,
        lineno=lineno,
        indent=indent,
    )


class Checker(doctest.OutputChecker):
    """Compare what an example prints with what the page says."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        """Return whether the text is the same, and every number near."""
        if super().check_output(want, got, optionflags):
            return True
        pattern = "".join(_piece(part) for part in re.split(r"(\.\.\.)", _plain(want)))
        match = re.fullmatch(pattern, _plain(got), re.DOTALL)
        wanted = NUMBER.findall(_plain(want))
        return match is not None and all(map(_near, wanted, match.groups()))


def _plain(text: str) -> str:
    return VOLATILE.sub("", " ".join(text.split()))


def _piece(text: str) -> str:
    """Return a pattern of the text with a group in place of each number."""
    if text == "...":
        return ".*?"
    return f"({NUMBER.pattern})".join(map(re.escape, NUMBER.split(text)))


def _near(want: str, got: str) -> bool:
    a, b = (float(number.replace(",", "")) for number in (want, got))
    return abs(a - b) <= max(ABSOLUTE, RELATIVE * abs(a))


def rewritten(text: str) -> str:
    """Return a page with the output of its examples as they print it now."""
    namespace: dict[str, object] = {}
    lines = text.splitlines(keepends=True)
    changes = []
    for example in examples(text):
        got = _printed(example, namespace)
        start = example.lineno + example.source.count("\n")
        stop = start + example.want.count("\n")
        if not _says(example.want, got):
            changes.append((start, stop, " " * example.indent, got.rstrip() + "\n" * bool(got)))
    for start, stop, indent, got in reversed(changes):
        lines[start:stop] = [indent + line for line in got.splitlines(keepends=True)]
    return "".join(lines)


def _says(want: str, got: str) -> bool:
    """Return whether the page has the output as it is, or what it leaves out with ``...``."""
    if "..." in want:
        return Checker().check_output(want, got, doctest.ELLIPSIS)
    return VOLATILE.sub("", want).rstrip() == VOLATILE.sub("", got).rstrip()


def _printed(example: doctest.Example, namespace: dict[str, object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(example.source, "<page>", "single"), namespace)
        except Exception as error:
            if example.exc_msg is None and example.want.strip():
                raise
            name = f"{type(error).__module__}.{type(error).__qualname__}"
            out.write(f"Traceback (most recent call last):\n    ...\n{name}: {error}\n")
    return out.getvalue()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(rewritten(page.read_text()))
