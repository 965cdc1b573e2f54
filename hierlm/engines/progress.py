"""A progress line while chains run: redrawn in place on a terminal, a line a quarter elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any

from hierlm.engines.base import Settings


class Progress:
    """Report how far the chains are, on the standard error.

    The callback is called on a thread of the sampler's.
    """

    def __init__(self, settings: Settings) -> None:
        self._enabled = settings.progress
        self._total = settings.chains * (settings.draws + settings.tune)
        self._live = sys.stderr.isatty()
        self._started = time.perf_counter()
        self._quarter = 0
        self._lock = threading.Lock()

    @property
    def callback(self) -> Any:
        """What the sampler calls with the state of its chains, or None when quiet."""
        return self._update if self._enabled else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._enabled and self._live:
            self._write("\r\x1b[K")

    def _update(self, chains: list[Any]) -> None:
        with self._lock:
            done = sum(chain.finished_draws for chain in chains)
            divergences = sum(chain.divergences for chain in chains)
            share = min(1.0, done / self._total)
            seconds = time.perf_counter() - self._started
            text = f"sampling {len(chains)} chains: {share:4.0%}, {seconds:.0f} s"
            text += f", {divergences} divergences" if divergences else ""
            if self._live:
                filled = round(24 * share)
                self._write(f"\r\x1b[K[{'#' * filled}{'.' * (24 - filled)}] {text}")
            elif int(4 * share) > self._quarter:
                self._quarter = int(4 * share)
                self._write(text + "\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
