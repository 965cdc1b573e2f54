"""The whitened engine: NUTS on all effects, in coordinates that a Laplace approximation whitens.

An exact change of variables: the posterior is that of the specification, however good or bad the
approximation; only how fast it is sampled depends on that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hierlm import names
from hierlm.design import Design
from hierlm.engines.base import Engine, Settings
from hierlm.engines.nuts import run_native
from hierlm.engines.resources import Clock, check_size
from hierlm.engines.tree import build_tree
from hierlm.errors import EngineError, HierlmWarning, warn
from hierlm.priors import Fixed
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts
    from hierlm.engines.laplace import Whitened

Array = NDArray[np.float64]

_MANY = 1_000  # effects
_HALVINGS = 20  # of the distance from the mode, for a start


class WhitenedEngine(Engine):
    """Sample effects in whitened coordinates; for generalised models."""

    name = "whitened"
    default_tune = 200
    warm_tune = 200  # it begins anew
    default_target_accept = 0.9
    large_target_accept = 0.8  # of many effects: their number alone makes the steps small

    def refuses(self, spec: ModelSpec) -> str | None:
        """Return why this engine cannot take a model, or None when it can."""
        family, link = spec.family.name, spec.family.link.name
        if family == "student" and spec.encoding.values.se is not None and link != "identity":
            return f"the row pass has no known standard errors of a student with {link} link"
        if not spec.groups and all(isinstance(item.prior, Fixed) for item in spec.priors):
            return "every parameter is fixed"
        return None

    def target_accept(self, spec: ModelSpec) -> float:
        """Return the acceptance to adapt to; less where steps are small anyhow."""
        effects = sum(len(group.levels.labels) * len(group.coefs) for group in spec.groups)
        return self.large_target_accept if effects > _MANY else self.default_target_accept

    def sample(
        self, spec: ModelSpec, design: Design | CrossProducts, settings: Settings
    ) -> xr.DataTree:
        """Find the Laplace approximation, sample in its coordinates (see `Engine.sample`)."""
        if not isinstance(design, Design):
            raise EngineError("the whitened engine reads rows, and those were not kept.")
        check_size(spec, settings)
        clock = Clock()
        # numba and nutpie exist from here on: building and printing a model does not load them
        whiten = importlib.import_module("hierlm.engines.laplace").whiten
        importlib.import_module("nutpie")
        clock.lap("import_time")
        with threadpool_limits(1, "blas"):  # many small factorisations: threads would only wait
            whitened = whiten(spec, design)
        if whitened.failure:
            warn(
                f"no Laplace approximation was found ({whitened.failure.rstrip('.')}): effects are "
                "sampled in non-centered coordinates, which may take longer.",
                HierlmWarning,
            )
        clock.lap("preparation_time")
        model = _nutpie_model(whitened)
        clock.lap("compile_time")
        coordinates, stats = run_native(model, settings)
        clock.lap("sampling_time")
        posterior = canonical(spec, whitened, coordinates)
        clock.lap("effects_time")
        coords = "non-centered" if whitened.failure else "whitened"
        attrs = {"engine": self.name, "sampler": "nutpie", "coordinates": coords, **clock.laps}
        return build_tree(spec, design, posterior, stats, settings, attrs)


def _nutpie_model(whitened: Whitened) -> Any:
    """Return the posterior as nutpie takes it, its machine code loaded or compiled."""
    native = importlib.import_module("hierlm.kernels.native_whitened")
    kernels = importlib.import_module("hierlm.kernels.table")
    calling = importlib.import_module("hierlm.engines.native")
    d, N, density = len(whitened.start), len(whitened.whitening.h), native.whitened_posterior
    table = kernels.tabulate(whitened.rows, whitened.whitening, whitened.layout)
    mode = np.concatenate([whitened.start, np.zeros(N)])

    def start(seed: Any) -> Array:
        rng = np.random.default_rng(seed)
        # nutpie's first scales are one over the gradient, which is the noise itself: of size one
        step = np.concatenate([rng.uniform(-0.3, 0.3, d), rng.choice([-1.0, 1.0], N)])
        for _ in range(_HALVINGS):  # with some links there are points without a density
            if np.isfinite(kernels.evaluate(density, table, mode + step)[0]):
                break
            step /= 2
        return np.asarray(mode + step)

    return calling.NativeModel(
        dims={}, density=density, expand=kernels.copy_point, table=table, start=start, size=d + N,
        owner=whitened,
    )  # fmt: skip


def canonical(spec: ModelSpec, whitened: Whitened, coordinates: Array) -> dict[str, Array]:
    """Return the canonical variables, shaped (chains, draws, ...)."""
    expand = importlib.import_module("hierlm.kernels.whitened").expand
    kernels = importlib.import_module("hierlm.kernels.posterior")
    layout, columns, starts = whitened.layout, whitened.columns, whitened.whitening.starts
    xs = np.ascontiguousarray(coordinates.reshape(-1, coordinates.shape[-1]))
    S, (nf, q), d = len(xs), layout.sd_at.shape, len(whitened.start)
    flat = np.empty((S, nf * q + nf * q * q + 1 + len(layout.beta_at)))
    kernels.parameters(np.ascontiguousarray(xs[:, :d]), layout, flat)
    sds = flat[:, : nf * q].reshape(S, nf, q)
    C = flat[:, nf * q : nf * q + nf * q * q].reshape(S, nf, q, q)
    b = np.empty((S, len(whitened.whitening.h)))
    expand(xs, whitened.whitening, layout, b)
    found: dict[str, Array] = {}
    if spec.coefs:
        model = np.tile(columns.values, (S, 1))
        model[:, columns.free] = b[:, starts[-1] :]
        model[:, columns.kept] = flat[:, flat.shape[1] - len(columns.kept) :]
        found[names.BETA] = model @ columns.to_raw.T
    first = 1 if spec.encoding.values.se is not None else 0  # sigma is known
    for s, shape in enumerate(spec.shapes, first):
        if layout.beta_at[s] >= 0:
            found[shape.name] = flat[:, nf * q + nf * q * q + 1 + s]
    for k, position in enumerate(whitened.order):
        group = spec.groups[position]
        J, width = len(group.levels.labels), len(group.coefs)
        found[names.sd(group.factor)] = sds[:, k, :width]
        if group.covariance.pairs:
            R = C[:, k] @ C[:, k].transpose(0, 2, 1)
            first, second = np.array(group.covariance.pairs).T
            found[names.cor(group.factor)] = R[:, first, second]
        found[names.effects(group.factor)] = b[:, starts[k] : starts[k + 1]].reshape(S, J, width)
    chains, draws = coordinates.shape[:2]
    return {
        name: values.reshape(chains, draws, *values.shape[1:]) for name, values in found.items()
    }
