"""The PyMC engine: every model that hierlm can express, with NUTS."""

from __future__ import annotations

import importlib
import importlib.util
import time
import warnings
from typing import TYPE_CHECKING, Any

import xarray as xr

from hierlm import names
from hierlm.design import Design
from hierlm.engines.base import Engine, Sampler, Settings
from hierlm.engines.nuts import run_nutpie
from hierlm.engines.resources import check_size
from hierlm.engines.statistics import arviz_statistics
from hierlm.engines.tree import build_tree, dims
from hierlm.errors import EngineError, MissingDependencyError, did_you_mean
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    import pymc as pm

    from hierlm.design.crossproducts import CrossProducts

_COEFFICIENTS = (names.BETA, "slopes")  # common effects, or those beside a centred intercept
SAMPLERS = ("nutpie", "pymc", "numpyro", "blackjax")


class PymcEngine(Engine):
    """Sample the PyMC model with NUTS: nutpie's, or another sampler that PyMC knows."""

    name = "pymc"
    default_tune = 1000
    warm_tune = 1000  # it begins anew
    default_target_accept = 0.95  # at 0.9 a quarter of the crossed fits of the calibration diverged

    def refuses(self, spec: ModelSpec) -> str | None:
        """Return None: this engine takes every model."""
        return None

    def sample(
        self, spec: ModelSpec, design: Design | CrossProducts, settings: Settings
    ) -> xr.DataTree:
        """Build a fresh PyMC model and sample it (see `Engine.sample`)."""
        if not isinstance(design, Design):
            raise EngineError("the pymc engine reads rows, and those of this model were not kept.")
        check_sampler(settings.sampler)
        check_size(spec, settings)
        started = time.perf_counter()
        # PyMC only exists from here on: whoever takes another engine never imports it.
        build = model_source().build_pymc_model
        imported = time.perf_counter()
        model = build(spec, design)
        _check_free(model)
        run = _sample_nutpie if settings.sampler == "nutpie" else _sample_pymc
        raw, compiled = run(model, settings)
        done = time.perf_counter()
        times = {
            "import_time": imported - started,
            "compile_time": compiled - imported,
            "sampling_time": done - compiled,
        }
        return self._tree(spec, design, raw, settings, times)

    def prepare(self, spec: ModelSpec, design: Design) -> Sampler:
        """Compile once for many responses (see `Engine.prepare`)."""
        started = time.perf_counter()
        source = model_source()
        model = source.build_pymc_model(spec, design, replaceable=True)
        _check_free(model)
        compiled = _compile(model)
        prepared = time.perf_counter() - started

        def sample(design: Design, settings: Settings) -> xr.DataTree:
            ready = time.perf_counter()
            own = compiled.with_data(**{source.RESPONSE: source.response_values(spec, design)})
            raw = run_nutpie(own, settings, cores=settings.cores)
            sampling = time.perf_counter() - ready
            times = {"import_time": 0.0, "compile_time": prepared, "sampling_time": sampling}
            return self._tree(spec, design, raw, settings, times)

        return sample

    def _tree(
        self,
        spec: ModelSpec,
        design: Design,
        raw: xr.DataTree,
        settings: Settings,
        times: dict[str, float],
    ) -> xr.DataTree:
        wanted = [*dims(spec)]
        if settings.keep_standardized:
            wanted += [names.standardized(group.factor) for group in spec.groups]
        posterior = raw["posterior"].to_dataset()
        draws = {
            name: posterior[name].transpose(*names.SAMPLE_DIMS, ...).to_numpy()
            for name in wanted
            if name in posterior
        }
        stats = arviz_statistics(raw["sample_stats"].to_dataset())
        attrs = {"engine": self.name, "sampler": settings.sampler, **times}
        return build_tree(spec, design, draws, stats, settings, attrs)


def model_source() -> Any:
    """Return the module `hierlm.engines.pymc_model`, which imports PyMC.

    Raises
    ------
    EngineError
        If PyTensor has no folder for what it compiles.
    """
    source = importlib.import_module("hierlm.engines.pymc_model")
    try:
        importlib.import_module("pytensor").config.compiledir  # noqa: B018  # made when it is read
    except ValueError as error:
        raise EngineError(
            f"PyTensor, which runs PyMC's models, has no folder to compile in: {error}\n"
            "  Set PYTENSOR_FLAGS=base_compiledir=FOLDER to one that can be written to, before "
            "Python starts."
        ) from error
    return source


def _check_free(model: pm.Model) -> None:
    if not model.free_RVs:
        raise EngineError("every parameter is fixed: there is nothing to sample.")


def _sample_nutpie(model: pm.Model, settings: Settings) -> tuple[xr.DataTree, float]:
    compiled = _compile(model)
    ready = time.perf_counter()
    return run_nutpie(compiled, settings, cores=settings.cores), ready


def _compile(model: pm.Model) -> Any:
    """Return nutpie's compiled model."""
    nutpie = importlib.import_module("nutpie")
    with warnings.catch_warnings():
        # said of C code that computes the initial point; the sampler itself runs on numba
        warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS", UserWarning)
        # Chains start one unit apart, which for the slope of a predictor with a large sd is so far
        # that a log link overflows; the scale of coefficients is that of their predictors.
        spread = {rv for rv in model.free_RVs if rv.name not in _COEFFICIENTS}
        return nutpie.compile_pymc_model(model, jitter_rvs=spread)


def _sample_pymc(model: pm.Model, settings: Settings) -> tuple[xr.DataTree, float]:
    pm_module = importlib.import_module("pymc")
    ready = time.perf_counter()
    tree = pm_module.sample(
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.cores,
        random_seed=settings.seed,
        target_accept=settings.target_accept,
        nuts_sampler=settings.sampler,
        progressbar=settings.progress,
        quiet=not settings.progress,
        compute_convergence_checks=False,
        model=model,
        **(settings.options or {}),
    )
    drawn = tree["posterior"].sizes
    if (drawn["chain"], drawn["draw"]) != (settings.chains, settings.draws):
        raise KeyboardInterrupt  # PyMC takes it for "enough draws", of some chains only
    return tree, ready


def check_sampler(sampler: str) -> None:
    """Raise unless there is such a sampler, and it is installed.

    Raises
    ------
    EngineError, MissingDependencyError
    """
    if sampler not in SAMPLERS:
        raise EngineError(
            f"no sampler is called {sampler!r}.{did_you_mean(sampler, SAMPLERS)}\n"
            f"  There are: {', '.join(SAMPLERS)}."
        )
    if importlib.util.find_spec(sampler) is None:
        raise MissingDependencyError(
            f"the sampler {sampler!r} needs the package {sampler}, which is not installed.\n"
            "  Install it with: pip install 'hierlm[jax]'"
        )
