"""The collapsed engine: Gaussian effects integrated out, NUTS on sds, correlations and sigma.

The effects and the coefficients with Normal or Flat priors are drawn afterwards, exactly, given
each draw of the parameters. Rows are needed once, for their cross-products.
"""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design
from hierlm.engines.base import Engine, Settings
from hierlm.engines.nuts import run_nutpie
from hierlm.engines.resources import MAX_TRAILING, Clock, check_size, trailing_size
from hierlm.engines.statistics import arviz_statistics
from hierlm.engines.tree import build_tree
from hierlm.priors import Assigned, Fixed, Flat, Normal
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from hierlm.engines.packing import Packed

Array = NDArray[np.float64]

_CHUNK_BYTES = 64 * 2**20


class CollapsedEngine(Engine):
    """Integrate effects out exactly; for gaussian models with an identity link."""

    name = "collapsed"
    default_tune = 300
    default_target_accept = 0.9

    def refuses(self, spec: ModelSpec) -> str | None:
        """Return why this engine cannot take a model, or None when it can."""
        if spec.family.name != "gaussian" or spec.family.link.name != "identity":
            link = spec.family.link.name
            return (
                f"it needs a gaussian response with an identity link, not {spec.family.name} "
                f"with {link}"
            )
        if not any(_is_sampled(item) for item in spec.priors):
            return "every sd, correlation and sigma is fixed, which leaves NUTS nothing to sample"
        trailing = trailing_size(spec)
        if trailing > MAX_TRAILING:
            return (
                f"with the largest factor eliminated, {trailing:,} columns would be left, and "
                f"each gradient would factor them (at most {MAX_TRAILING:,})"
            )
        return None

    def sample(self, spec: ModelSpec, design: Design, settings: Settings) -> xr.DataTree:
        """Sum the rows up, sample the parameters, draw the effects (see `Engine.sample`)."""
        check_size(spec, settings)
        clock = Clock()
        # numba and nutpie exist from here on: building and printing a model does not load them
        packing = importlib.import_module("hierlm.engines.packing")
        CrossProducts = importlib.import_module("hierlm.design.crossproducts").CrossProducts
        importlib.import_module("nutpie")
        clock.lap("import_time")
        packed = packing.pack(spec, CrossProducts.of(design))
        clock.lap("preparation_time")
        model = _nutpie_model(packed)
        _draw_effects(packed, packed.start[None], seed=0, cores=1)
        clock.lap("compile_time")
        raw = run_nutpie(model, settings, cores=settings.cores)
        clock.lap("sampling_time")
        coordinates = raw["posterior"]["x"].transpose("chain", "draw", ...).to_numpy()
        posterior = _posterior(spec, packed, coordinates, settings)
        clock.lap("effects_time")
        attrs = {"engine": self.name, "sampler": "nutpie", **clock.laps}
        stats = arviz_statistics(raw["sample_stats"].to_dataset())
        return build_tree(spec, design, posterior, stats, settings, attrs)


def _is_sampled(item: Assigned) -> bool:
    """Whether NUTS samples a parameter: it is neither fixed nor a coefficient integrated out."""
    integrated = item.kind == "coefficient" and isinstance(item.prior, Normal | Flat)
    return not integrated and not isinstance(item.prior, Fixed)


def _nutpie_model(packed: Packed) -> Any:
    """Return the posterior as nutpie takes it, its machine code loaded or compiled."""
    native = importlib.import_module("hierlm.kernels.native")
    tabulate = importlib.import_module("hierlm.kernels.table").tabulate
    NativeModel = importlib.import_module("hierlm.engines.native").NativeModel
    d = len(packed.start)

    def start(seed: Any) -> Array:
        return packed.start + np.random.default_rng(seed).uniform(-0.5, 0.5, d)

    table = tabulate(packed.problem, packed.layout)
    return NativeModel(
        dims={}, density=native.collapsed_posterior, table=table, start=start, size=d, owner=packed
    )


def _posterior(
    spec: ModelSpec, packed: Packed, coordinates: Array, settings: Settings
) -> dict[str, Array]:
    """Return the canonical variables, shaped (chains, draws, ...)."""
    kernels = importlib.import_module("hierlm.kernels.posterior")
    layout, c = packed.layout, packed.coefficients
    xs = np.ascontiguousarray(coordinates.reshape(-1, coordinates.shape[-1]))
    S, (nf, q) = len(xs), layout.sd_at.shape
    flat = np.empty((S, nf * q + nf * q * q + 1 + len(c.kept)))
    kernels.parameters(xs, layout, flat)
    sds, C = flat[:, : nf * q].reshape(S, nf, q), flat[:, nf * q : -1 - len(c.kept)]
    C = C.reshape(S, nf, q, q)
    levels, trailing = _draw_effects(packed, xs, seed=settings.seed, cores=settings.cores)
    found: dict[str, Array] = {}
    if spec.coefs:
        model = np.tile(c.reference, (S, 1))
        model[:, c.collapsed] += trailing[:, len(packed.problem.pattern.factor) :]
        free = layout.beta_at >= 0
        model[:, c.kept[free]] = flat[:, flat.shape[1] - len(c.kept) :][:, free]
        found[names.BETA] = model @ c.to_raw.T
    if spec.shapes:
        found["sigma"] = flat[:, nf * q + nf * q * q]
    start = 0
    for k, position in enumerate(packed.order):
        group = spec.groups[position]
        J, width = len(group.levels.labels), len(group.coefs)
        found[names.sd(group.factor)] = sds[:, k, :width]
        if group.covariance.pairs:
            R = C[:, k] @ C[:, k].transpose(0, 2, 1)
            first, second = np.array(group.covariance.pairs).T
            found[names.cor(group.factor)] = R[:, first, second]
        if k == 0:
            found[names.effects(group.factor)] = levels
        else:
            own = trailing[:, start : start + J * width]
            found[names.effects(group.factor)] = own.reshape(S, J, width)
            start += J * width
    shape = coordinates.shape[:2]
    return {name: values.reshape(*shape, *values.shape[1:]) for name, values in found.items()}


def _draw_effects(packed: Packed, xs: Array, *, seed: int, cores: int) -> tuple[Array, Array]:
    """Draw effects and collapsed coefficients for every draw, a bounded chunk at a time."""
    draw = importlib.import_module("hierlm.kernels.posterior").draw_effects
    problem = packed.problem
    (q, J), m = problem.Ze.shape, len(problem.Ke)
    levels, trailing = np.empty((len(xs), J, q)), np.empty((len(xs), m))
    size = max(1, min(250, _CHUNK_BYTES // (8 * (J * q + m + 1))))
    starts = range(0, len(xs), size)
    streams = np.random.default_rng([seed, 1]).spawn(len(starts))

    def run(start: int, rng: np.random.Generator) -> None:
        part = slice(start, start + size)
        noise = rng.standard_normal((len(xs[part]), J * q + m))
        draw(xs[part], noise, problem, packed.layout, levels[part], trailing[part])

    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(run, starts, streams))
    return levels, trailing
