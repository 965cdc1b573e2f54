"""What an engine is, and which one runs.

An engine turns a specification and rows into draws. Engines publish the same names, dims and
groups: nothing after them knows which one ran.
"""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hierlm.design import Design
from hierlm.errors import EngineError
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts

_SEEDS = 2**63  # a saved fit holds its seed as a signed integer of 64 bits


@dataclass(frozen=True)
class Settings:
    """How to sample.

    Parameters
    ----------
    draws, tune : int
        Iterations kept and iterations of warm-up, per chain.
    chains, cores : int
    seed : int
        Fixes the draws: the same seed gives the same draws.
    target_accept : float
        Between 0 and 1; nearer to 1 means smaller steps.
    progress : bool
    sampler : str
        Which NUTS the PyMC engine uses.
    keep_standardized : bool
        Whether the standardised effects ``z_g`` are kept.
    options : dict
        Passed to the sampler as they are.
    effects : {"draws", "summary"}
        Whether draws of the group-specific effects are kept, or their means and sds only.
    earlier : xarray.DataTree, optional
        A posterior of the same model with fewer rows, for engines that can start from it.
    """

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    cores: int = 1
    seed: int = 0
    target_accept: float = 0.9
    progress: bool = True
    sampler: str = "nutpie"
    keep_standardized: bool = False
    options: dict[str, Any] | None = None
    effects: str = "draws"
    earlier: xr.DataTree | None = None

    def __post_init__(self) -> None:
        for name, least in (("draws", 1), ("tune", 0), ("chains", 1), ("cores", 1)):
            value = getattr(self, name)
            if not _is_whole(value) or value < least:
                raise EngineError(f"{name} is a whole number of at least {least}; came {value!r}.")
            object.__setattr__(self, name, int(value))
        if not isinstance(self.target_accept, Real) or not 0 < self.target_accept < 1:
            raise EngineError(f"target_accept lies between 0 and 1; came {self.target_accept!r}.")
        if self.effects not in ("draws", "summary"):
            raise EngineError(f"effects is 'draws' or 'summary'; came {self.effects!r}.")


def settings(
    *,
    seed: int | np.random.Generator | None,
    cores: int | None,
    chains: int,
    **others: Any,
) -> Settings:
    """Return `Settings` with a seed drawn, and cores counted, where they are not given.

    Raises
    ------
    EngineError
        If a value is out of range.
    """
    made = Settings(chains=chains, cores=1, seed=_seed(seed), **others)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    free = min(chains, available or os.cpu_count() or 1)
    return replace(made, cores=free if cores is None else cores)


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _seed(seed: int | np.random.Generator | None) -> int:
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**31 - 1))
    if seed is None:
        return int(np.random.default_rng().integers(2**31 - 1))
    if not _is_whole(seed) or not 0 <= seed < _SEEDS:
        raise EngineError(
            "seed is a whole number from 0 (below 2**63) or a numpy.random.Generator; came "
            f"{seed!r}."
        )
    return int(seed)


Sampler = Callable[[Design, Settings], xr.DataTree]


class Engine(ABC):
    """A way to sample a model."""

    name: str
    default_tune: int  # iterations of warm-up that its geometry needs
    warm_tune: int  # the same where an earlier posterior is given to start from
    default_target_accept: float
    without: tuple[str, ...] = ()  # settings that mean nothing to it

    def check_given(self, **given: object) -> None:
        """Refuse settings that mean nothing to this engine, or that it cannot run with.

        Parameters
        ----------
        **given
            By name; None, or empty, where nothing was given.

        Raises
        ------
        EngineError
        """
        tune = given.get("tune")
        if "tune" not in self.without and isinstance(tune, int) and tune < 1:
            raise EngineError(
                f"tune is a whole number of at least 1; came {tune!r}.\n"
                "  NUTS finds the size of its steps in the warm-up."
            )
        for name in self.without:
            if given.get(name) not in (None, {}):
                raise EngineError(
                    f"the {self.name} engine has no {name}; came {given[name]!r}. It proposes "
                    "independent draws and weighs them: there is no warm-up, and there are no "
                    f"steps.\n  Leave {name} out, or choose an engine that samples."
                )

    @abstractmethod
    def refuses(self, spec: ModelSpec) -> str | None:
        """Return why this engine cannot take a model, or None when it can."""

    def target_accept(self, spec: ModelSpec) -> float:
        """Return the acceptance that steps are adapted to where none is given."""
        return self.default_target_accept

    def defaults(self, spec: ModelSpec) -> dict[str, Any]:
        """Return the settings of a model that depend on the engine, where none are given."""
        return {"tune": self.default_tune, "target_accept": self.target_accept(spec)}

    def plan(self, spec: ModelSpec) -> str:
        """Return how this engine goes about a model, and what that costs; empty where all alike."""
        return ""

    @abstractmethod
    def sample(
        self, spec: ModelSpec, design: Design | CrossProducts, settings: Settings
    ) -> xr.DataTree:
        """Draw from the posterior.

        Parameters
        ----------
        spec : ModelSpec
        design : Design or CrossProducts
            The rows; or their sums, which are enough for the collapsed engine.
        settings : Settings

        Returns
        -------
        xarray.DataTree
            With the groups posterior and sample_stats; observed_data and constant_data where
            there are rows; and effects, where `settings` asks for a summary of them.
        """

    def prepare(self, spec: ModelSpec, design: Design) -> Sampler:
        """Return the function that samples for one response after another on the same rows.

        Parameters
        ----------
        spec : ModelSpec
        design : Design
            Its response is not used.

        Returns
        -------
        callable
            From a design, which differs from this one in its response alone, and settings to what
            `sample` returns.
        """
        return functools.partial(self.sample, spec)
