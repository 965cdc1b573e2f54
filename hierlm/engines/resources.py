"""What a run costs: seconds of each stage, bytes of the draws, columns that stay dense."""

from __future__ import annotations

import time

from hierlm.engines.base import Settings
from hierlm.errors import EngineError
from hierlm.spec import ModelSpec

MAX_TRAILING = 2000  # dense columns
_MAX_BYTES = 4 * 2**30


class Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Note how long it took since the last lap."""
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now


def check_size(spec: ModelSpec, settings: Settings) -> None:
    """Raise if the draws of the effects would not fit in memory.

    Raises
    ------
    EngineError
    """
    if settings.effects == "summary":
        return
    effects = sum(len(g.levels.labels) * len(g.coefs) for g in spec.groups)
    size = 8 * effects * settings.chains * settings.draws
    if size > _MAX_BYTES:
        raise EngineError(
            f"the draws of {effects:,} effects would take {size / 2**30:.1f} GiB.\n"
            "  Write fit(effects='summary') to keep only their means and sds, or ask for fewer "
            f"draws: {_MAX_BYTES // (8 * effects * settings.chains):,} per chain fit in "
            f"{_MAX_BYTES // 2**30} GiB."
        )
