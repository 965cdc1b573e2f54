"""The line of progress: redrawn on a terminal, a line a quarter elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from hierlm.calibration.progress import Progress as Counting
from hierlm.engines import settings
from hierlm.engines.progress import Progress


def _report(*, progress: bool = True) -> None:
    """Report 100 draws of each of two chains, in steps of 10, and 3 divergences."""
    given = settings(
        seed=1, cores=1, chains=2, draws=60, tune=40, target_accept=0.9, progress=progress
    )
    with Progress(given) as report:
        if report.callback is None:
            return
        for done in range(0, 101, 10):
            both = [SimpleNamespace(finished_draws=done, divergences=k) for k in (1, 2)]
            report.callback(both)


def test_a_line_a_quarter_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    _report()
    said = capsys.readouterr().err
    shares = [line.split(":")[1].split(",")[0].strip() for line in said.splitlines()]
    assert shares == ["30%", "50%", "80%", "100%"]
    assert said.startswith("sampling 2 chains:  30%, 0 s, 3 divergences\n")


def test_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _report()
    said = capsys.readouterr().err
    assert "\n" not in said
    drawn = said.split("\r\x1b[K")
    assert drawn[6] == f"[{'#' * 12}{'.' * 12}] sampling 2 chains:  50%, 0 s, 3 divergences"
    assert drawn[-1] == ""  # wiped at the end


def test_nothing_when_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _report(progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("live", [True, False])
def test_replications(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: live)
    report = Counting(8, 2, enabled=True)
    for _ in range(6):
        report.step()
    said = capsys.readouterr().err
    assert said.startswith("2 of 8 replications were done before\n")
    lines = said.split("\n")[:-1]
    if live:
        assert len(lines) == 2
        assert lines[1].count("\r\x1b[K") == 6
    else:
        assert [line.split(" ")[0] for line in lines[1:]] == ["4", "6", "8"]
    assert said.endswith("8 of 8 replications, 0 s\n")
