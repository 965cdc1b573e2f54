"""The collapsed engine: Gaussian effects integrated out, NUTS on sds, correlations and sigma.

The effects and the coefficients with Normal or Flat priors are drawn afterwards, exactly, given
each draw of the parameters. Rows are needed once, for their cross-products.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design
from hierlm.engines.base import Engine, Settings
from hierlm.engines.moments import EffectSummary
from hierlm.engines.nesting import trailing_size
from hierlm.engines.nuts import run_native
from hierlm.engines.plan import Plan
from hierlm.engines.resources import MAX_TRAILING, Clock, check_size
from hierlm.engines.tree import build_tree
from hierlm.priors import Assigned, Fixed, Flat, Normal
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts
    from hierlm.engines.packing import Packed

Array = NDArray[np.float64]

_SPREAD = 1.5  # sds around the mode where chains start


class CollapsedEngine(Engine):
    """Integrate effects out exactly; for gaussian models with an identity link."""

    name = "collapsed"
    default_tune = 150
    warm_tune = 100
    default_target_accept = 0.85

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
                f"with the largest factor eliminated, as much as {trailing:,} dense columns would "
                f"be left, and each gradient would factor them (at most {MAX_TRAILING:,})"
            )
        return None

    def plan(self, spec: ModelSpec) -> str:
        """Return what is eliminated level by level, what together, and the time of a gradient."""
        return str(Plan.of(spec))

    def sample(
        self, spec: ModelSpec, design: Design | CrossProducts, settings: Settings
    ) -> xr.DataTree:
        """Sum the rows up, sample the parameters, draw the effects (see `Engine.sample`)."""
        check_size(spec, settings, holds_effects=False)
        clock = Clock()
        # numba and nutpie exist from here on: building and printing a model does not load them
        packing = importlib.import_module("hierlm.engines.packing")
        crossproducts = importlib.import_module("hierlm.design.crossproducts")
        importlib.import_module("nutpie")
        clock.lap("import_time")
        products = crossproducts.CrossProducts.of(design) if isinstance(design, Design) else design
        packed = packing.pack(spec, products)
        clock.lap("preparation_time")
        model = _nutpie_model(packed, _starts(spec, packed, settings))
        drawing = importlib.import_module("hierlm.engines.effects")
        list(drawing.draw_parts(spec, packed, packed.start[None], seed=0, cores=1))
        clock.lap("compile_time")
        coordinates, stats = run_native(model, settings)
        clock.lap("sampling_time")
        posterior, effects = canonical(spec, packed, coordinates, settings)
        clock.lap("effects_time")
        attrs = {"engine": self.name, "sampler": "nutpie", **clock.laps}
        return build_tree(spec, design, posterior, stats, settings, attrs, effects)


def _is_sampled(item: Assigned) -> bool:
    """Whether NUTS samples a parameter: it is neither fixed nor a coefficient integrated out."""
    integrated = item.kind == "coefficient" and isinstance(item.prior, Normal | Flat)
    return not integrated and not isinstance(item.prior, Fixed)


def _starts(spec: ModelSpec, packed: Packed, settings: Settings) -> Array | None:
    if settings.earlier is None:
        return None
    warm = importlib.import_module("hierlm.engines.warmstart")
    points: Array = warm.starting_points(spec, packed, settings.earlier)
    return points


def _nutpie_model(packed: Packed, starts: Array | None = None) -> Any:
    """Return the posterior as nutpie takes it, in coordinates that standardise it."""
    native = importlib.import_module("hierlm.kernels.native")
    tabulate = importlib.import_module("hierlm.kernels.table").tabulate
    standardize = importlib.import_module("hierlm.engines.standardizing").standardize
    NativeModel = importlib.import_module("hierlm.engines.native").NativeModel
    d = len(packed.start)
    affine = standardize(packed, packed.start if starts is None else starts.mean(axis=0)).affine

    def start(seed: Any) -> Array:
        rng = np.random.default_rng(seed)
        if starts is None:
            return rng.uniform(-_SPREAD, _SPREAD, d)
        x = starts[rng.integers(len(starts))]
        return np.linalg.solve(affine.scale, x - affine.center)

    table = tabulate(packed.problem, packed.layout, affine)
    return NativeModel(
        dims={}, density=native.collapsed_posterior, expand=native.collapsed_point, table=table,
        start=start, size=d, owner=(packed, affine),
    )  # fmt: skip


def canonical(
    spec: ModelSpec, packed: Packed, coordinates: Array, settings: Settings
) -> tuple[dict[str, Array], dict[str, Array] | None]:
    """Return the canonical variables, shaped (chains, draws, ...), and the summary of effects."""
    kernels = importlib.import_module("hierlm.kernels.posterior")
    drawing = importlib.import_module("hierlm.engines.effects")
    layout, c = packed.layout, packed.coefficients
    xs = np.ascontiguousarray(coordinates.reshape(-1, coordinates.shape[-1]))
    S, (nf, q) = len(xs), layout.sd_at.shape
    flat = np.empty((S, nf * q + nf * q * q + 1 + len(c.kept)))
    kernels.parameters(xs, layout, flat)
    sds, C = flat[:, : nf * q].reshape(S, nf, q), flat[:, nf * q : -1 - len(c.kept)]
    C = C.reshape(S, nf, q, q)
    found: dict[str, Array] = {}
    if spec.shapes:
        found["sigma"] = flat[:, nf * q + nf * q * q]
    for k, position in enumerate(packed.order):
        group = spec.groups[position]
        found[names.sd(group.factor)] = sds[:, k, : len(group.coefs)]
        if group.covariance.pairs:
            R = C[:, k] @ C[:, k].transpose(0, 2, 1)
            first, second = np.array(group.covariance.pairs).T
            found[names.cor(group.factor)] = R[:, first, second]
    model = np.tile(c.reference, (S, 1))
    free = layout.beta_at >= 0
    model[:, c.kept[free]] = flat[:, flat.shape[1] - len(c.kept) :][:, free]
    beta = np.empty_like(model)
    summary = EffectSummary(spec) if settings.effects == "summary" else None
    if summary is None:
        for group in spec.groups:
            shape = (S, len(group.levels.labels), len(group.coefs))
            found[names.effects(group.factor)] = np.empty(shape)
    for part in drawing.draw_parts(spec, packed, xs, seed=settings.seed, cores=settings.cores):
        model[part.at, c.collapsed] += part.coefficients
        beta[part.at] = model[part.at] @ c.to_raw.T
        if summary is None:
            for factor, values in part.effects.items():
                found[names.effects(factor)][part.at] = values
        else:
            summary.add(part.effects, beta[part.at])
    if spec.coefs:
        found[names.BETA] = beta
    sizes = coordinates.shape[:2]
    shaped = {name: values.reshape(*sizes, *values.shape[1:]) for name, values in found.items()}
    return shaped, None if summary is None else summary.variables()
