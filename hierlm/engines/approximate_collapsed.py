"""Gaussian models for the laplace engine: parameters weighted exactly, effects exact given them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hierlm.design import Design
from hierlm.design.crossproducts import CrossProducts
from hierlm.engines.approximate import Task
from hierlm.engines.base import Settings
from hierlm.engines.collapsed import canonical
from hierlm.engines.effects import draw_parts
from hierlm.engines.packing import pack
from hierlm.engines.proposal import Proposal, around
from hierlm.engines.standardizing import density_of
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

_PART = 100  # points that a thread takes at a time


class Target(Task):
    """The collapsed posterior."""

    per_draw = 2

    def __init__(self, spec: ModelSpec, design: Design | CrossProducts, settings: Settings) -> None:
        self.spec, self.settings = spec, settings
        products = CrossProducts.of(design) if isinstance(design, Design) else design
        self.packed = pack(spec, products, fold=False)
        self._climbed = density_of(self.packed)

    def load_code(self) -> None:
        """Load or compile machine code, by calling it once."""
        start = self.packed.start
        self.density(start)
        list(draw_parts(self.spec, self.packed, start[None], seed=0, cores=1))

    def proposal(self) -> Proposal:
        """Return what to propose parameters from: around the mode."""

        def depth(x: Array) -> tuple[float, Array]:
            value, slope = self._climbed(x)
            if not np.isfinite(value) or not np.isfinite(slope).all():
                return 1e300, np.zeros(len(x))
            return -value, -slope

        found = optimize.minimize(depth, self.packed.start, jac=True, method="BFGS")
        return around(self.density, np.asarray(found.x, np.float64))

    def weigh(self, parameters: Array, stream: int) -> tuple[Array, Array]:
        """Return the parameters and their log densities; nothing else is drawn."""
        parts = [parameters[k : k + _PART] for k in range(0, len(parameters), _PART)]
        with ThreadPoolExecutor(self.settings.cores) as pool:
            found = list(pool.map(lambda part: [self.density(x) for x in part], parts))
        return parameters, np.concatenate(found)

    def draws(self, points: Array) -> tuple[dict[str, Array], dict[str, Array] | None]:
        """Return the canonical variables, effects drawn exactly."""
        return canonical(self.spec, self.packed, points, self.settings)

    def density(self, x: Array) -> float:
        """Return the log density at the coordinates x, of shape (d,)."""
        return self._climbed(x)[0]
