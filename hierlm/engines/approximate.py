"""The laplace engine: draws from an approximation, reweighted, with a verdict on the weights.

Points are proposed around the mode of the parameters (`hierlm.engines.proposal`) and weighted by
the ratio of the exact density to theirs (`hierlm.engines.importance`). A pilot adapts the proposal.
For gaussian models the density is the collapsed one (`hierlm.engines.approximate_collapsed`); for
the others that of parameters and effects (`hierlm.engines.approximate_whitened`).
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hierlm.design import Design
from hierlm.engines.base import Engine, Settings
from hierlm.engines.collapsed import CollapsedEngine
from hierlm.engines.resources import Clock, check_size
from hierlm.engines.tree import build_tree
from hierlm.engines.whitened import WhitenedEngine
from hierlm.errors import EngineError
from hierlm.names import SAMPLE_DIMS
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts
    from hierlm.engines.proposal import Proposal

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_LEAST = 1000  # proposals, for a tail that can be smoothed
_PILOT = 1000


class LaplaceEngine(Engine):
    """Approximate the posterior around its mode, and say whether to believe it."""

    name = "laplace"
    default_tune = 0
    warm_tune = 0
    default_target_accept = 0.9
    without = ("tune", "target_accept", "sampler_options")

    def refuses(self, spec: ModelSpec) -> str | None:
        """Return why this engine cannot take a model, or None when it can."""
        refusal = CollapsedEngine().refuses(spec)
        return None if refusal is None else WhitenedEngine().refuses(spec)

    def sample(
        self, spec: ModelSpec, design: Design | CrossProducts, settings: Settings
    ) -> xr.DataTree:
        """Find the mode, propose around it, weigh and resample (see `Engine.sample`)."""
        check_size(spec, settings)
        exact = "whitened" if CollapsedEngine().refuses(spec) else "collapsed"
        if exact == "whitened" and not isinstance(design, Design):
            raise EngineError("the laplace engine reads rows here, and those were not kept.")
        clock = Clock()
        # numba exists from here on: building and printing a model does not load it
        target = importlib.import_module(f"hierlm.engines.approximate_{exact}").Target
        clock.lap("import_time")
        with threadpool_limits(1, "blas"):  # many small factorisations: threads would only wait
            task: Task = target(spec, design, settings)
            clock.lap("preparation_time")
            task.load_code()
            clock.lap("compile_time")
            count = max(_LEAST, task.per_draw * settings.chains * settings.draws)
            points, ratios, plain = _proposed(task, count, settings.seed)
            clock.lap("sampling_time")
            kept, facts = resampled(ratios, plain, settings, exact)
            posterior, effects = task.draws(points[kept])
            clock.lap("effects_time")
        axes = dict(zip(SAMPLE_DIMS, map(np.arange, kept.shape), strict=True))
        stats = xr.Dataset({"log_ratio": (SAMPLE_DIMS, ratios[kept])}, coords=axes)
        attrs = {"engine": self.name, "sampler": "importance", **clock.laps, **facts}
        return build_tree(spec, design, posterior, stats, settings, attrs, effects)


def resampled(
    ratios: Array, plain: Array, settings: Settings, exact: str
) -> tuple[Index, dict[str, Any]]:
    """Return which points become draws, of shape (chains, draws), and what is known of them.

    Where the weights cannot be trusted, a few points would become all draws; they are then those of
    the approximation by itself, which may not be right either, but is smooth.
    """
    importance = importlib.import_module("hierlm.engines.importance")
    if not np.isfinite(ratios).any():
        raise no_approximation("no point that it proposes is possible", exact)
    weights, limit = importance.smooth(ratios), importance.largest_k(len(ratios))
    believed = weights.pareto_k <= limit
    used = weights if believed else importance.smooth(plain)
    rng, shape = np.random.default_rng([settings.seed, 3]), (settings.chains, settings.draws)
    kept = importance.resample(used.values, shape[0] * shape[1], rng).reshape(shape)
    return kept, {
        "pareto_k": weights.pareto_k,
        "pareto_k_limit": limit,
        "importance_ess": weights.ess,
        "proposals": len(ratios),
        "reweighted": int(believed),
        "exact_engine": exact,
    }


class Task(ABC):
    """A posterior to be approximated; made with its mode found.

    Parameters
    ----------
    spec : ModelSpec
    design : Design or CrossProducts
    settings : Settings
    """

    per_draw: int  # proposals

    @abstractmethod
    def __init__(
        self, spec: ModelSpec, design: Design | CrossProducts, settings: Settings
    ) -> None: ...

    @abstractmethod
    def load_code(self) -> None:
        """Load or compile machine code, by calling it once."""

    @abstractmethod
    def proposal(self) -> Proposal:
        """Return what to propose parameters from."""

    @abstractmethod
    def weigh(self, parameters: Array, stream: int) -> tuple[Array, Array]:
        """Return points, and their log densities over those of what is drawn here.

        Parameters
        ----------
        parameters : ndarray of shape (M, d)
        stream : int
            Which of the random streams of the seed is used.

        Returns
        -------
        ndarray of shape (M, D)
            Parameters, and what is drawn given them.
        ndarray of shape (M,)
        """

    @abstractmethod
    def draws(self, points: Array) -> tuple[dict[str, Array], dict[str, Array] | None]:
        """Return the canonical variables, and a summary of effects where that is asked for.

        Parameters
        ----------
        points : ndarray of shape (chains, draws, D)
        """


def _proposed(task: Task, count: int, seed: int) -> tuple[Array, Array, Array]:
    """Return points, their log ratios, and those of the approximation by itself."""
    proposal = task.proposal()
    x, student, _ = proposal.draw(_PILOT, np.random.default_rng([seed, 0]))
    _, target = task.weigh(x, 1)
    proposal = proposal.adapted(x, target - student)
    x, student, normal = proposal.draw(count, np.random.default_rng([seed, 1]))
    points, target = task.weigh(x, 2)
    return points, target - student, normal - student


def no_approximation(why: str, exact: str) -> EngineError:
    """Return the error that there is none."""
    return EngineError(
        f"there is no Laplace approximation of this posterior: {why.rstrip('.')}.\n"
        f"  Write engine={exact!r}, which samples the posterior itself."
    )
