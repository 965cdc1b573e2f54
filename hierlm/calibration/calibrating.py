"""`calibrate`: simulation-based calibration of any model with any engine, in one call."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Mapping
from numbers import Real
from typing import Any, Protocol

import numpy as np

from hierlm.calibration.ledger import Ledger, code, digest, seed_of
from hierlm.calibration.progress import Progress
from hierlm.calibration.quantities import FITTED, Quantity, parameters
from hierlm.calibration.replicating import Replicating, Sample, draw_data
from hierlm.calibration.result import Calibration
from hierlm.calibration.workers import check_whole, processes, run_all
from hierlm.design import Design
from hierlm.engines import Settings, choose_engine, settings
from hierlm.errors import DataError, HierlmWarning
from hierlm.simulation.responses import check_weights
from hierlm.spec import ModelSpec

_NOT_RECORDED = ("seed", "cores", "progress")  # of the settings: results do not depend on them


class HasModel(Protocol):
    """A `hierlm.Model`."""

    spec: ModelSpec

    @property
    def design(self) -> Design:
        """The rows."""


def calibrate(
    model: HasModel,
    *,
    replications: int = 200,
    seed: int | np.random.Generator | None = None,
    engine: str = "auto",
    draws: int = 250,
    tune: int | None = None,
    chains: int = 2,
    target_accept: float | None = None,
    cores: int | None = None,
    path: str | os.PathLike[str] | None = None,
    level: float = 0.01,
    ranked: int = 99,
    quantities: Mapping[str, Quantity] | None = None,
    sample: Sample | None = None,
    progress: bool = True,
) -> Calibration:
    r"""Check that posteriors of a model are right: simulation-based calibration.

    .. math:: \theta_0 \sim p(\theta), \quad y \sim p(y \mid \theta_0), \quad
              \theta_1, \dots, \theta_L \sim p(\theta \mid y)

    Parameters drawn from the priors make a response, on the model's own design; the model is
    fitted to it; and the rank of the true value among the draws is noted, for every parameter, for
    the log likelihood and for the covariance of response and predictor. Over replications the
    ranks are uniform if, and for what is ranked only if, the draws come from the posterior. The
    observed response plays no part, but for the default priors, which are held as they are.

    Parameters
    ----------
    model : Model
        All of its priors proper.
    replications : int
    seed : int or numpy.random.Generator, optional
        Replication k is the same for the same seed, whatever the number of replications and cores,
        and whether or not the run was interrupted.
    engine : str
        As in `Model.fit`.
    draws, tune, chains, target_accept
        As in `Model.fit`, for each replication. Where the draws' effective sample size is below
        `ranked`, a replication is fitted again with more draws.
    cores : int, optional
        Replications at the same time, each in a process; as many as there are cores when not given.
        With 1, all is done in this process.
    path : path, optional
        A file to which each replication is written as it ends. A run that finds its file goes on
        where it stopped, and may ask for more replications than before. It refuses a file of
        another model, rows, settings, seed or version of hierlm, or where the code of `quantities`
        or `sample` was another; what that code calls is not compared.
    level : float
        Decided on before the run: the probability of rejecting a right sampler, over all
        quantities together.
    ranked : int
        Draws kept after thinning, L. The default gives 100 possible ranks.
    quantities : dict of str to callable, optional
        Further quantities to rank: ``f(values, design)`` gets arrays by canonical name, the draws
        on the first axis, and returns a number per draw; ``design.response`` is the simulated one.
    sample : callable, optional
        A sampler of your own in the engine's place: ``sample(spec, design, settings)`` returns a
        DataTree with the group ``posterior`` in canonical names.
    progress : bool
        Whether to say how far it is.

    Returns
    -------
    Calibration
        Printed, a verdict. ``.ranks``, ``.tests``, ``.recovery`` are data frames, ``.plot()``
        draws the ECDFs of ranks with their bands.

    Raises
    ------
    PriorError
        If a prior is improper, with its name and a remedy.
    EngineError, DataError

    Warns
    -----
    HierlmWarning
        If a worker process died; its replication is redone.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari and Gelman (2018), arXiv:1804.06788. Modrák, Moon, Kim,
    Bürkner, Huurre, Faltejsková, Gelman and Vehtari (2023), doi:10.1214/23-BA1404. Säilynoja,
    Bürkner and Vehtari (2022), doi:10.1007/s11222-022-10090-6.

    Examples
    --------
    Twenty replications only see gross errors; two hundred are a check.

    >>> import hierlm as hl
    >>> from hierlm.calibration import calibrate
    >>> model = hl.Model("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"))
    >>> result = calibrate(model, replications=20, seed=1, cores=1, progress=False)
    >>> result.ok
    True
    """
    if not (hasattr(model, "spec") and hasattr(model, "design")):
        raise DataError(f"calibrate takes a hierlm.Model; came {type(model).__name__}.")
    spec, design = model.spec, model.design
    own = quantities or {}
    _check(spec, design, replications, level, ranked)
    if sample is not None and not callable(sample):
        raise DataError(f"sample is a function of spec, design and settings; came {sample!r}.")
    _check_names(own, _refuse(spec, design))
    name = "its own sampler" if sample is not None else choose_engine(spec, engine).engine.name
    workers = processes(cores)
    seed = seed_of(path) if seed is None else seed
    sampling = {"draws": draws, "tune": tune, "chains": chains, "target_accept": target_accept}
    chosen = _settings(spec, engine if sample is None else "auto", seed, sampling)
    task = Replicating(spec, design, engine, chosen, ranked, sample, dict(own))
    ledger = Ledger(path, _header(task, name))
    todo = [k for k in range(replications) if k not in ledger.records]
    shown = Progress(replications, replications - len(todo), enabled=progress)
    notes: list[str] = []

    def done(record: dict[str, Any]) -> None:
        ledger.add(record)
        shown.step()

    run_all(task, todo, cores=workers, done=done, lost=notes.append)
    records = [ledger.records[k] for k in range(replications)]
    return Calibration.of(
        spec, name, records, seed=chosen.seed, ranked=ranked, level=level, own=tuple(own),
        notes=tuple(notes),
    )  # fmt: skip


def _check(spec: ModelSpec, design: Design, replications: int, level: float, ranked: int) -> None:
    check_whole("replications", replications, 1)
    check_whole("ranked", ranked, 9)
    if not isinstance(level, Real) or not 0 < level < 1:
        raise DataError(f"level lies between 0 and 1; came {level!r}.")
    check_weights(design)


def _refuse(spec: ModelSpec, design: Design) -> tuple[str, ...]:
    """Refuse improper and absurd priors; return the names of what is ranked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HierlmWarning)
        truth = draw_data(spec, design, np.random.default_rng(0))[0]
    return (*parameters(spec, truth), *FITTED)


def _check_names(own: Mapping[str, Quantity], taken: tuple[str, ...]) -> None:
    if not isinstance(own, Mapping):
        raise DataError(f"quantities are a dict of name and function; came {own!r}.")
    for name, function in own.items():
        if not isinstance(name, str) or name in taken or not callable(function):
            raise DataError(
                f"quantities are a dict of name and function, with names that no parameter has; "
                f"came {name!r}: {function!r}."
            )


def _settings(
    spec: ModelSpec,
    engine: str,
    seed: int | np.random.Generator | None,
    sampling: dict[str, Any],
) -> Settings:
    """Return settings, with the defaults of the engine where nothing is given."""
    chosen = choose_engine(spec, engine).engine
    chosen.check_given(tune=sampling["tune"], target_accept=sampling["target_accept"])
    given = {key: value for key, value in sampling.items() if value is not None}
    return settings(cores=1, seed=seed, progress=False, **chosen.defaults(spec) | given)


def _header(task: Replicating, name: str) -> dict[str, Any]:
    """Return what a record depends on, in JSON's types."""
    spec, sample = task.spec, task.sample
    kept = dataclasses.asdict(task.settings)
    return {
        "formula": spec.formula,
        "family": repr(spec.family),
        "priors": {item.name: str(item.prior) for item in spec.priors},
        "parameterization": dict(spec.parameterization),
        "rows": digest(task.design),
        "engine": name,
        "sampler": None if sample is None else code(sample),
        "settings": {k: v for k, v in kept.items() if k not in _NOT_RECORDED},
        "ranked": task.ranked,
        "quantities": {name: code(function) for name, function in sorted(task.own.items())},
        "seed": task.settings.seed,
    }
