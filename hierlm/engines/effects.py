"""Effects and collapsed coefficients given each draw of the parameters, a few draws at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched

import numpy as np
from numpy.typing import NDArray

from hierlm.engines.packing import Packed
from hierlm.kernels.posterior import draw_effects
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

_CHUNK_BYTES = 64 * 2**20
_CHUNK_DRAWS = 250


@dataclass(frozen=True, eq=False)
class Part:
    """Some draws, shaped (s, ...).

    Parameters
    ----------
    at : slice
        Which ones.
    coefficients : ndarray of shape (s, pc)
        The common effects that were integrated out, as differences from the reference.
    effects : dict of str to ndarray of shape (s, J, q)
        By the name of the grouping factor.
    """

    at: slice
    coefficients: Array
    effects: dict[str, Array]


def draw_parts(
    spec: ModelSpec, packed: Packed, xs: Array, *, seed: int, cores: int
) -> Iterator[Part]:
    """Yield exact draws for the coordinates `xs`, in order; few parts are in memory at a time.

    Parameters
    ----------
    spec : ModelSpec
    packed : Packed
    xs : ndarray of shape (S, d)
    seed : int
    cores : int
        Parts that are drawn at the same time.
    """
    problem = packed.problem
    (q, J), m = problem.Ze.shape, len(problem.Ke)
    size = max(1, min(_CHUNK_DRAWS, _CHUNK_BYTES // (8 * (J * q + m + 1))))
    starts = range(0, len(xs), size)
    streams = np.random.default_rng([seed, 1]).spawn(len(starts))

    def run(start: int, rng: np.random.Generator) -> Part:
        at = slice(start, min(start + size, len(xs)))
        s = at.stop - at.start
        levels, trailing = np.empty((s, J, q)), np.empty((s, m))
        noise = rng.standard_normal((s, J * q + m))
        draw_effects(xs[at], noise, problem, packed.layout, packed.columns, levels, trailing)
        return _named(spec, packed, at, levels, trailing)

    with ThreadPoolExecutor(cores) as pool:
        for group in batched(zip(starts, streams, strict=True), cores):
            yield from pool.map(run, *zip(*group, strict=True))


def _named(spec: ModelSpec, packed: Packed, at: slice, levels: Array, trailing: Array) -> Part:
    found, start = {}, 0
    for k, position in enumerate(packed.order):
        group = spec.groups[position]
        J, width = len(group.levels.labels), len(group.coefs)
        if k == 0:
            found[group.factor] = levels
            continue
        own = trailing[:, start : start + J * width]
        found[group.factor] = own.reshape(len(own), J, width)
        start += J * width
    return Part(at, trailing[:, start:], found)
