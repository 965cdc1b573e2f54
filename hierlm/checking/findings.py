"""What a check found: sentences with a severity, printed worst last so that they are seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from hierlm.tables import columns_of_text

Severity = Literal["ok", "note", "warning", "problem"]

_ORDER: dict[Severity, int] = {"ok": 0, "note": 1, "warning": 2, "problem": 3}


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Parameters
    ----------
    severity : {"ok", "note", "warning", "problem"}
        Nothing to do; worth knowing; think about it; do not use the results as they are.
    topic : str
        What was looked at.
    text : str
        A sentence or more, with the names of the data.
    """

    severity: Severity
    topic: str
    text: str


@dataclass(frozen=True)
class Report:
    """What a check found, to print, to ask for `ok`, or to turn into a frame.

    Parameters
    ----------
    title : str
    findings : tuple of Finding

    Examples
    --------
    >>> print(Report("Check of y ~ x", (Finding("note", "levels", "Four is few."),)))
    Check of y ~ x
      note  levels  Four is few.
    Nothing to worry about; 1 note.
    """

    title: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is neither a warning nor a problem."""
        return not any(_ORDER[finding.severity] >= 2 for finding in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def about(self, topic: str) -> tuple[Finding, ...]:
        """Return the findings on one topic."""
        return tuple(finding for finding in self.findings if finding.topic == topic)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per finding: severity, topic and text."""
        columns = ["severity", "topic", "text"]
        rows = [(f.severity, f.topic, f.text) for f in self.findings]
        return pd.DataFrame(rows, columns=columns)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [(f.severity, f.topic, f.text) for f in self.findings]
        return "\n".join([self.title, *columns_of_text(rows), _verdict(self.findings)])

    __repr__ = __str__


def report(title: str, findings: Iterator[Finding]) -> Report:
    """Return the findings in order of severity, mildest first."""
    return Report(title, tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity])))


def _verdict(findings: tuple[Finding, ...]) -> str:
    counts = {name: sum(f.severity == name for f in findings) for name in _ORDER}
    said = [_count(counts[name], name) for name in ("problem", "warning", "note") if counts[name]]
    tail = f"; {', '.join(said)}." if said else "."
    if counts["problem"]:
        return "Do not use these results yet" + tail
    return ("Think about the warnings" if counts["warning"] else "Nothing to worry about") + tail


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(texts: list[str], most: int = 5) -> str:
    """Return texts as an enumeration, of many the first.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], most=2)
    ('a, b and c', 'a, b and 1 more')
    """
    if len(texts) > most:
        return f"{', '.join(texts[:most])} and {len(texts) - most} more"
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
