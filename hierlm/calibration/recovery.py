"""`recovery`: what a study of a given size would find, by simulating it many times."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hierlm import names
from hierlm.building import build
from hierlm.calibration.ledger import Ledger, seed_of
from hierlm.calibration.progress import Progress
from hierlm.calibration.quantities import parameters
from hierlm.calibration.recovered import INTERVALS, recovered
from hierlm.calibration.replicating import FIELDS, Record, place, posterior_values
from hierlm.calibration.workers import check_whole, processes, run_all
from hierlm.engines import choose_engine, settings
from hierlm.errors import DataError, FamilyError, HierlmWarning, warn
from hierlm.families import Family
from hierlm.priors import PriorLike
from hierlm.simulation import simulate
from hierlm.spec import ModelSpec

_DESIGN, _PARAMETER = "design", "parameter"


@dataclass(frozen=True, eq=False)
class Study:
    """A data set simulated and analysed as it would be, default priors learnt from it and all.

    Parameters
    ----------
    formula : str
    designs : dict of str to pandas.DataFrame
    params : dict
    family, link, priors
        As in `hierlm.Model`.
    engine : str
    sampling : dict
        Of `hierlm.engines.settings`.
    seed : int
    """

    formula: str
    designs: Mapping[str, Any]
    params: Mapping[str, Any]
    family: str | Family
    link: str | None
    priors: Mapping[str, PriorLike] | None
    engine: str
    sampling: Mapping[str, Any]
    seed: int

    def start(self) -> Callable[[int], Record]:
        """Return the function from a number to a record: of design k modulo their number."""

        def replicate(k: int) -> Record:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", HierlmWarning)  # one data set of many
                return self._replicate(k)

        return replicate

    def _replicate(self, k: int) -> Record:
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(k,)))
        data = list(self.designs.values())[k % len(self.designs)]
        kind: dict[str, Any] = {"family": self.family, "link": self.link}
        frame = simulate(self.formula, data, self.params, seed=rng, **kind)
        truth = frame.attrs["parameters"]
        spec, design, _ = build(self.formula, frame, priors=self.priors, **kind)
        engine = choose_engine(spec, self.engine).engine
        chosen = settings(
            seed=rng, cores=1, progress=False, **engine.defaults(spec) | dict(self.sampling)
        )
        tree = engine.sample(spec, design, chosen)
        drawn = parameters(spec, posterior_values(spec, tree))
        signed, positive = _population(spec)
        found = {
            name: place(truth[name], drawn[name], 99, rng)
            for name in drawn
            if name in signed | positive and np.ptp(drawn[name]) > 0
        }
        return {"k": k, "quantities": found, "rows": design.n, "signed": sorted(signed)}


def recovery(
    formula: str,
    designs: Mapping[str, Any],
    params: Mapping[str, Any],
    *,
    family: str | Family = "gaussian",
    link: str | None = None,
    priors: Mapping[str, PriorLike] | None = None,
    replications: int = 100,
    seed: int | np.random.Generator | None = None,
    engine: str = "auto",
    draws: int = 500,
    chains: int = 2,
    cores: int | None = None,
    path: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Simulate studies with known parameters and analyse them: bias, precision, coverage, power.

    Parameters
    ----------
    formula, params
        As in `hierlm.simulate`. A number is the truth in every replication, a prior draws one in
        each.
    designs : dict of str to data
        The studies to compare, predictors and grouping factors by label: sample sizes, say.
    family, link, priors
        As in `hierlm.Model`; default priors are learnt from each simulated table, as they would be.
    replications : int
        Of each design.
    seed : int or numpy.random.Generator, optional
    engine, draws, chains
        As in `Model.fit`.
    cores, path, progress
        As in `calibrate`.

    Returns
    -------
    pandas.DataFrame
        A row per design and parameter: ``rows``, ``n`` replications, mean ``truth``, ``bias`` and
        ``rmse`` of posterior means, ``mean_sd`` (posterior), ``coverage_50``, ``_89`` and ``_95``
        of central intervals, ``width_95``, and of coefficients and correlations ``excludes_0``,
        the share of 95% intervals without zero: the power, where the truth is not zero. ``mcse_*``
        are Monte Carlo standard errors.

    Raises
    ------
    FormulaError, DataError, FamilyError, PriorError, EngineError

    Warns
    -----
    HierlmWarning
        If replications failed; they are left out of ``n``.

    Examples
    --------
    Are six batches enough to learn how much batches differ?

    >>> import numpy as np
    >>> from hierlm.calibration import recovery
    >>> plans = {f"{n} batches": {"batch": np.repeat(np.arange(n), 5)} for n in (6, 24)}
    >>> found = recovery("y ~ 1 + (1 | batch)", plans,
    ...                  {"Intercept": 1500, "sd_batch": 40, "sigma": 50},
    ...                  replications=5, seed=1, cores=1, progress=False)
    >>> rmse = found["rmse"].xs("sd_batch[Intercept]", level="parameter")
    >>> bool(rmse["24 batches"] < rmse["6 batches"])
    True
    """
    if not isinstance(designs, Mapping) or not designs:
        raise DataError(f"designs are a dict of label and data; came {type(designs).__name__}.")
    seed = seed_of(path) if seed is None else seed
    sampling = {"draws": draws, "chains": chains}
    number = settings(seed=seed, cores=1, **sampling).seed
    given: dict[str, Any] = {"family": family, "link": link}
    check_whole("replications", replications, 1)
    workers = processes(cores)
    tables = {
        label: simulate(formula, data, params, seed=0, **given) for label, data in designs.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HierlmWarning)
        for table in tables.values():  # a mistake is said once, and now
            with contextlib.suppress(DataError, FamilyError):  # of this one response
                choose_engine(build(formula, table, priors=priors, **given)[0], engine)
    study = Study(formula, designs, params, family, link, priors, engine, sampling, number)
    ledger = Ledger(path, _header(study, tables))
    total = replications * len(designs)
    todo = [k for k in range(total) if k not in ledger.records]
    shown = Progress(total, total - len(todo), enabled=progress)

    def done(record: Record) -> None:
        ledger.add(record)
        shown.step()

    run_all(study, todo, cores=workers, done=done, lost=lambda _: None)
    return _table(study, [ledger.records[k] for k in range(total)])


def _population(spec: ModelSpec) -> tuple[set[str], set[str]]:
    """Return the parameters that are no effects of levels: of either sign, and positive ones."""
    signed, positive = set(spec.coefs), {shape.name for shape in spec.shapes}
    for group in spec.groups:
        positive |= {names.element(names.sd(group.factor), coef) for coef in group.coefs}
        pairs = [names.pair(group.coefs[i], group.coefs[j]) for i, j in group.covariance.pairs]
        signed |= {names.element(names.cor(group.factor), pair) for pair in pairs}
    return signed, positive


def _table(study: Study, records: list[Record]) -> pd.DataFrame:
    failed = [record for record in records if "error" in record]
    if failed:
        warn(
            f"{len(failed)} of {len(records)} replications failed and are left out. The first one "
            f"said: {failed[0]['error']}",
            HierlmWarning,
        )
    labels = list(study.designs)
    rows = [
        (labels[record["k"] % len(labels)], name, record["rows"], *values)
        for record in records
        for name, values in record.get("quantities", {}).items()
    ]
    long = pd.DataFrame(rows, columns=[_DESIGN, _PARAMETER, "rows", *FIELDS])
    long = long.sort_values(_DESIGN, key=lambda c: c.map(labels.index), kind="stable")
    by = [_DESIGN, _PARAMETER]
    found = recovered(long, by)
    lower, upper = (long[name] for name in INTERVALS[95])
    long["width_95"] = upper - lower
    signed = long[_PARAMETER].isin(
        {name for record in records for name in record.get("signed", ())}
    )
    long["excludes_0"] = ((lower > 0) | (upper < 0)).astype(float).where(signed)
    means = long.groupby(by, sort=False)[["rows", "truth", "width_95", "excludes_0"]].mean()
    found.insert(0, "rows", means["rows"].astype(np.int64))
    found.insert(2, "truth", means["truth"])
    return found.assign(width_95=means["width_95"], excludes_0=means["excludes_0"])


def _header(study: Study, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return what a record depends on: of designs and parameters, a table that they lead to."""
    return {
        "formula": study.formula,
        "designs": {label: _fingerprint(table) for label, table in tables.items()},
        "params": {name: str(value) for name, value in study.params.items()},
        "family": str(study.family),
        "link": study.link,
        "priors": {name: str(prior) for name, prior in (study.priors or {}).items()},
        "engine": study.engine,
        "sampling": dict(study.sampling),
        "seed": study.seed,
    }


def _fingerprint(table: pd.DataFrame) -> str:
    """Return what tells tables apart: names, types, categories and values of columns."""
    found = hashlib.sha256()
    for name, column in table.items():
        kind = column.dtype
        levels = list(kind.categories) if isinstance(kind, pd.CategoricalDtype) else []
        found.update(repr((str(name), str(kind), list(map(str, levels)))).encode())
        found.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
    return found.hexdigest()[:16]
