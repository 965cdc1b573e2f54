r"""One replication: parameters from the prior, a response from them, the posterior, and ranks.

.. math:: \theta_0 \sim p(\theta), \quad y \sim p(y \mid \theta_0), \quad
          \theta_1, \dots, \theta_L \sim p(\theta \mid y), \qquad
          r = \#\{l : f(\theta_l, y) < f(\theta_0, y)\}

Given y, :math:`\theta_0` and the draws are alike, so r is uniform on 0, ..., L for any f: Talts et
al. (2018), arXiv:1804.06788. Draws of a chain depend on each other, so more are made, and thinned.

The priors are those of the specification. Defaults learnt from a simulated response would make
every replication a different model.
"""

from __future__ import annotations

import dataclasses
import functools
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names
from hierlm.calibration.quantities import Quantity, Values, quantities
from hierlm.design import Design
from hierlm.engines import Sampler, Settings, choose_engine
from hierlm.errors import EngineError, FamilyError, HierlmWarning, PriorError
from hierlm.simulation import draw_prior, draw_responses
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Sample = Callable[[ModelSpec, Design, Settings], xr.DataTree]
Record = dict[str, Any]

PROBS = (0.025, 0.055, 0.25, 0.5, 0.75, 0.945, 0.975)  # central intervals of 95, 89 and 50%
FIELDS = ("truth", "rank", "pit", "mean", "sd", *(f"q{p:g}" for p in PROBS))
_ATTEMPTS = 3  # at enough effective draws
_DATA_SETS = 200  # drawn before giving up on one that the family can hold
_LARGEST_COUNT = 1e9


@dataclass(frozen=True, eq=False)
class Replicating:
    """How to replicate; `start` gives the function that does it.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        Its response is not used.
    engine : str
    settings : Settings
        Its seed is that of the calibration.
    ranked : int
        Draws kept after thinning, L: ranks go from 0 to L.
    sample : callable, optional
        ``sample(spec, design, settings)`` in place of the engine.
    own : dict of str to callable
        Further quantities.
    """

    spec: ModelSpec
    design: Design
    engine: str
    settings: Settings
    ranked: int
    sample: Sample | None
    own: Mapping[str, Quantity]

    def start(self) -> Callable[[int], Record]:
        """Return the function from the number of a replication to its record.

        What it returns depends on that number and on the seed of the calibration, on nothing else.
        """
        run = self._sampler()

        def replicate(k: int) -> Record:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", HierlmWarning)  # extremes that priors reach
                return _replicate(self, run, k)

        return replicate

    def _sampler(self) -> Sampler:
        """Return the function that samples for a response, compiled once where that can be."""
        if self.sample is not None:
            return functools.partial(self.sample, self.spec)
        return choose_engine(self.spec, self.engine).engine.prepare(self.spec, self.design)


def _replicate(task: Replicating, run: Sampler, k: int) -> Record:
    started = time.perf_counter()
    spec, settings = task.spec, task.settings
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(k,)))
    truth, y, redrawn = draw_data(spec, task.design, rng)
    design = dataclasses.replace(task.design, y=y)
    at_truth = quantities(spec, design, truth, task.own)
    own = dataclasses.replace(settings, seed=int(rng.integers(2**31 - 1)))
    for attempt in range(_ATTEMPTS):
        tree = run(design, own)
        draws = quantities(spec, design, posterior_values(spec, tree), task.own)
        chains = tree["posterior"].sizes["chain"]
        ess = _least_ess({name: draws[name].reshape(chains, -1) for name in draws})
        if ess >= task.ranked or attempt == _ATTEMPTS - 1:
            break
        more = float(np.clip(1.2 * task.ranked / max(ess, 1.0), 1.5, 8.0))
        own = dataclasses.replace(own, draws=int(np.ceil(own.draws * more)))
    found = {
        name: place(at_truth[name].item(), draws[name], task.ranked, rng)
        for name in at_truth
        if not np.allclose(draws[name], at_truth[name], rtol=1e-9, atol=0)  # fixed by its prior
    }
    return {
        "k": k,
        "quantities": found,
        "divergences": _divergences(tree),
        "ess": ess,
        "draws": own.draws,
        "redrawn": redrawn,
        "seconds": round(time.perf_counter() - started, 3),
    }


def draw_data(
    spec: ModelSpec, design: Design, rng: np.random.Generator
) -> tuple[dict[str, Array], Array, int]:
    """Draw parameters from their priors, and a response that the family can hold.

    A response that cannot be (a beta of exactly 1 by rounding, a count beyond 1e9) is drawn anew,
    parameters and all. Whether it is depends on the response alone, so given a response that was
    kept the posterior is what it was.

    Returns
    -------
    dict of str to ndarray of shape (1, ...)
    ndarray of shape (n,)
    int
        How many were drawn anew.

    Raises
    ------
    PriorError
        If a prior is improper, or if the priors hardly ever lead to data that can be.
    """
    for redrawn in range(_DATA_SETS):
        truth = draw_prior(spec, 1, rng)
        try:
            y = np.asarray(draw_responses(spec, design, truth, rng)[0], dtype=float)
            spec.family.check_response(y, design.trials)
        except FamilyError:
            continue
        if not spec.family.discrete or y.max(initial=0.0) <= _LARGEST_COUNT:
            return truth, y, redrawn
    raise PriorError(
        f"{_DATA_SETS} times in a row, the priors led to a response that family "
        f"{spec.family.name} cannot hold.\n"
        "  Make them narrower, above all those of the slopes and the sds; "
        "model.prior_predictive() shows what they expect."
    )


def posterior_values(spec: ModelSpec, tree: xr.DataTree) -> Values:
    """Return the posterior as arrays, the draws of all chains one after the other."""
    posterior = tree["posterior"].to_dataset()
    wanted = [names.BETA] if spec.coefs else []
    for group in spec.groups:
        wanted += [names.sd(group.factor), names.effects(group.factor)]
        wanted += [names.cor(group.factor)] if group.covariance.pairs else []
    wanted += [shape.name for shape in spec.shapes]
    missing = [name for name in wanted if name not in posterior]
    if missing:
        raise EngineError(f"the draws lack {', '.join(map(repr, missing))}.")
    found = {}
    for name in wanted:
        values = posterior[name].transpose(*names.SAMPLE_DIMS, ...).to_numpy()
        found[name] = values.reshape(-1, *values.shape[2:])
        if not np.isfinite(found[name]).all():
            raise EngineError(f"a draw of {name!r} is not finite.")
    return found


def _least_ess(draws: Mapping[str, Array]) -> float:
    """Return the smallest effective sample size of those quantities that vary."""
    moving = [x for x in draws.values() if np.isfinite(x).all() and np.ptp(x) > 0]
    if not moving:
        return np.inf
    stacked = np.stack(moving)
    bulk = array_stats.ess(stacked, method="bulk")
    tail = array_stats.ess(stacked, method="tail", prob=(0.05, 0.95))
    return float(np.nanmin([bulk, tail]))


def place(truth: float, draws: Array, ranked: int, rng: np.random.Generator) -> list[float]:
    """Return what `FIELDS` names; ties are broken at random."""
    kept = draws[np.linspace(0, len(draws) - 1, ranked).round().astype(np.int64)]
    rank = int((kept < truth).sum() + rng.integers((kept == truth).sum() + 1))
    pit = (rank + rng.random()) / (ranked + 1)
    return [truth, rank, pit, draws.mean(), draws.std(), *np.quantile(draws, PROBS).tolist()]


def _divergences(tree: xr.DataTree) -> int:
    if "sample_stats" not in tree or "diverging" not in tree["sample_stats"]:
        return 0
    return int(tree["sample_stats"]["diverging"].sum())
