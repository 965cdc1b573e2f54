"""Ways to sample one specification: the contract in `base`, one file per engine."""

from hierlm.engines.base import Engine, Sampler, Settings, settings
from hierlm.engines.choice import Choice, choose_engine

__all__ = ["Choice", "Engine", "Sampler", "Settings", "choose_engine", "settings"]
