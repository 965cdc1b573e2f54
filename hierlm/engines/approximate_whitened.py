r"""Generalised models for the laplace engine: parameters, and noise in whitened coordinates.

Noise is proposed from N(m, I); that of the largest factor, from candidates, is integrated
level by level (`hierlm.kernels.importance`). The center m of the other noise is where the
approximation is nearest in Kullback and Leibler's sense, at the mode of the parameters:

.. math:: m \leftarrow m + \rho\, E_q[\nabla_\epsilon \log p + (\epsilon - m)]

The mode of skew effects is not their mean, and this moves the one to the other (the variational
correction of van Niekerk, Krainski, Rustand and Rue 2023, doi:10.1016/j.csda.2023.107692).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from hierlm.design import Design
from hierlm.engines.approximate import Task, no_approximation
from hierlm.engines.base import Settings
from hierlm.engines.laplace import whiten
from hierlm.engines.proposal import Proposal, around
from hierlm.engines.whitened import canonical
from hierlm.kernels.importance import log_ratios
from hierlm.kernels.whitened import log_density_at
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

CANDIDATES = 4  # for the effects of a level of the largest factor
_PART = 100  # points that a thread takes at a time
_PART_BYTES = 16 * 2**20
_STEPS, _SIZE, _RATE = 4, 64, 0.8  # of the search for m: steps, draws of each, rho


class Target(Task):
    """The posterior in whitened coordinates."""

    per_draw = 1

    def __init__(self, spec: ModelSpec, design: Design, settings: Settings) -> None:
        self.spec, self.settings = spec, settings
        self.white = whiten(spec, design)
        if self.white.failure:
            raise no_approximation(self.white.failure, "whitened")
        if len(self.white.whitening.stretch):
            raise no_approximation("its crossed factors are whitened one by one", "whitened")
        rows, whitening = self.white.rows, self.white.whitening
        self.levels = np.array([0, rows.data.shape[1]])
        self.factor = 0, 1  # levels and coefficients of the largest factor
        if whitening.chain:
            self.factor = J, q = int(whitening.level_at[1]), int(whitening.sizes[0])
            self.levels = np.searchsorted(rows.at[0], q * np.arange(J + 1))
        self.width = self.factor[0] * self.factor[1]
        self.center = np.zeros(len(whitening.h) - self.width)

    def load_code(self) -> None:
        """Load or compile machine code, by calling it once."""
        points, _ = self._weigh(self.white.start[None], np.random.default_rng(0))
        self._slopes(points)

    def proposal(self) -> Proposal:
        """Return what to propose parameters from, and center the noise."""
        found = around(self.white.marginal.density, self.white.start)
        start = np.repeat(found.mode[None], _SIZE, axis=0)
        rng = np.random.default_rng([self.settings.seed, 4])
        for _ in range(_STEPS):
            points, _ = self._weigh(start, rng)
            slopes = self._slopes(points)
            steps = slopes + points[:, points.shape[1] - len(self.center) :] - self.center
            steps = steps[np.isfinite(slopes).all(axis=1)]
            if len(steps):
                self.center = self.center + _RATE * np.clip(steps.mean(axis=0), -1.0, 1.0)
        return found

    def weigh(self, parameters: Array, stream: int) -> tuple[Array, Array]:
        """Draw noise; return points and log densities over that of the noise."""
        size = max(1, min(_PART, _PART_BYTES // (8 * CANDIDATES * (self.width + 1))))
        parts = [parameters[k : k + size] for k in range(0, len(parameters), size)]
        streams = np.random.default_rng([self.settings.seed, 4 + stream]).spawn(len(parts))
        with ThreadPoolExecutor(self.settings.cores) as pool:
            found = list(pool.map(self._weigh, parts, streams))
        return np.concatenate([x for x, _ in found]), np.concatenate([r for _, r in found])

    def draws(self, points: Array) -> tuple[dict[str, Array], None]:
        """Return the canonical variables."""
        return canonical(self.spec, self.white, points), None

    def _weigh(self, parameters: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        white, S, N = self.white, len(parameters), len(self.white.whitening.h)
        J, q = self.factor
        points = np.concatenate([parameters, rng.standard_normal((S, N))], axis=1)
        noise = points[:, points.shape[1] - len(self.center) :]
        standard = np.square(noise).sum(axis=1)
        noise += self.center
        ratios, picks, spread = np.empty(S), rng.random((S, J)), candidates(S, J, q, rng)
        log_ratios(
            points, spread, picks, self.levels, white.rows, white.whitening, white.layout, ratios
        )
        # the kernel divides by N(0, I) of the noise, which comes from N(m, I)
        return points, ratios + 0.5 * (standard - np.square(noise).sum(axis=1))

    def _slopes(self, points: Array) -> Array:
        """Return the gradient of the log density in the noise that has the center."""
        found, white = np.empty(points.shape), self.white
        for point, slope in zip(points, found, strict=True):
            log_density_at(point, slope, white.rows, white.whitening, white.layout)
        return found[:, points.shape[1] - len(self.center) :]


def candidates(S: int, J: int, q: int, rng: np.random.Generator) -> Array:
    """Return standard normal candidates for each level, of shape (S, CANDIDATES, J q).

    A Kronecker lattice, shifted at random for each level (Cranley and Patterson 1976,
    doi:10.1137/0713071): each candidate is N(0, I), and together they leave no large gap.
    """
    ratio = optimize.brentq(lambda g: g ** (q + 1) - g - 1.0, 1.0, 2.0)
    step = np.array([1.0 / CANDIDATES, *(ratio ** -np.arange(1.0, q))])
    lattice = np.arange(CANDIDATES)[:, None, None] * step
    uniform = np.remainder(lattice + rng.random((S, 1, J, q)), 1.0)
    normal = special.ndtri(np.clip(uniform, 1e-15, 1 - 1e-15))
    return np.ascontiguousarray(normal.reshape(S, CANDIDATES, J * q))
