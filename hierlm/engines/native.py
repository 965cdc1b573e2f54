"""A density in machine code, as nutpie's NUTS takes it: no Python between two gradients.

nutpie calls a C function ``int density(dim, x, gradient, value, user_data)``; this is how it runs
PyMC models too. Chains then share nothing, not even the GIL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from nutpie import _lib
from nutpie.sample import CompiledModel

from hierlm.engines.nuts import COORDINATES


@dataclass(frozen=True)
class NativeModel(CompiledModel):  # type: ignore[misc]  # nutpie has no types
    """A log density of d real coordinates.

    Parameters
    ----------
    density, expand : numba cfunc
        With the signatures `DENSITY` and `EXPAND` of `hierlm.kernels.table`: the log density, and
        what is recorded of a point.
    table : ndarray of int64
        What both get as user data.
    start : callable
        Returns coordinates to start from, an ndarray of shape (d,), for a seed.
    size : int
        d.
    owner : object
        Kept alive: the arrays that `table` points to.
    """

    density: Any
    expand: Any
    table: NDArray[np.int64]
    start: Callable[[Any], NDArray[np.float64]]
    size: int
    owner: Any

    @property
    def n_dim(self) -> int:
        """Number of coordinates."""
        return self.size

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is recorded."""
        return {COORDINATES: (self.size,)}

    @property
    def coords(self) -> dict[str, Any]:
        """No coordinates have labels."""
        return {}

    def _make_sampler(
        self, settings: Any, init_mean: Any, cores: int, progress: Any, callback: Any, rate: Any,
        store: Any,
    ) -> Any:  # fmt: skip
        return _lib.PySampler.from_pymc(
            settings, cores, self._make_model(init_mean), progress, callback, rate, store
        )

    def _make_model(self, init_mean: Any) -> Any:
        data = self.table.ctypes.data
        expand = _lib.ExpandFunc(self.size, self.size, self.expand.address, data, self)
        density = _lib.LogpFunc(self.density.address, data, self)
        sizes: dict[str, int] = {}  # nutpie writes the sizes of dims here
        variables = _lib.PyVariable.new_variables(
            [COORDINATES], ["float64"], [[self.size]], sizes, {}
        )
        return _lib.PyMcModel(
            density, expand, variables, self.size, sizes, {}, self.start, _no_adapter
        )


def _no_adapter(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("a density in machine code takes no transform adapter.")
