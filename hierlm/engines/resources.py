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


def check_size(spec: ModelSpec, settings: Settings, *, holds_effects: bool = True) -> None:
    """Raise if the draws would not fit in memory.

    Parameters
    ----------
    spec : ModelSpec
    settings : Settings
    holds_effects : bool
        Whether the engine holds draws of the effects even where only a summary of them is kept.

    Raises
    ------
    EngineError
    """
    effects = sum(len(g.levels.labels) * len(g.coefs) for g in spec.groups)
    held = effects if holds_effects or settings.effects == "draws" else 0
    each = 8 * settings.chains * (held + len(tuple(spec.priors)))
    if each * settings.draws > _MAX_BYTES:
        what = f"{held:,} effects" if held else "the parameters"
        remedy = "Ask"
        if held and not holds_effects:
            remedy = "Write fit(effects='summary') to keep only their means and sds, or ask"
        raise EngineError(
            f"the draws of {what} would take {each * settings.draws / 2**30:.1f} GiB.\n"
            f"  {remedy} for fewer draws: {_MAX_BYTES // each:,} per chain fit in "
            f"{_MAX_BYTES // 2**30} GiB."
        )
