"""How far the replications are, on the standard error: redrawn on a terminal, else by quarters."""

from __future__ import annotations

import sys
import time


class Progress:
    """Count records as they come.

    Parameters
    ----------
    total : int
    before : int
        Of them, done in an earlier run.
    enabled : bool
    """

    def __init__(self, total: int, before: int, *, enabled: bool) -> None:
        self._total, self._done = total, before
        self._enabled = enabled and before < total
        self._live = sys.stderr.isatty()
        self._started = time.perf_counter()
        self._quarter = 4 * before // max(total, 1)
        if self._enabled and before:
            self._write(f"{before} of {total} replications were done before\n")

    def step(self) -> None:
        """Say that one more is done."""
        self._done += 1
        if not self._enabled:
            return
        seconds = time.perf_counter() - self._started
        text = f"{self._done} of {self._total} replications, {seconds:.0f} s"
        if self._live:
            self._write(f"\r\x1b[K{text}" + ("\n" if self._done == self._total else ""))
        elif 4 * self._done // self._total > self._quarter:
            self._quarter = 4 * self._done // self._total
            self._write(text + "\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
