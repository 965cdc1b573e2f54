r"""Log predictive density of rows that a fit has not seen.

.. math:: \log \frac{1}{S} \sum_s p(y | \theta_s)

The effects of levels that are new to the fit are integrated out.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm.comparison.elpd import log_mean
from hierlm.comparison.integrated import Integrated
from hierlm.comparison.rows import Draws, RowDensity, linear_predictor
from hierlm.comparison.units import Unit, batches
from hierlm.design import Design
from hierlm.families import Family
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

_ELEMENTS = 2**22  # rows times draws held at a time


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of held-out rows, given the draws of a fit without them.

    Parameters
    ----------
    family : Family
    design : Design
        All rows, those of the fit and those held out.
    draws : Draws
    """

    family: Family
    design: Design
    draws: Draws

    @classmethod
    def of(cls, spec: ModelSpec, design: Design, idata: xr.DataTree) -> HeldOut:
        """Read the draws of a fit."""
        return cls(spec.family, design, Draws.of(spec, idata))

    def joint(self, unit: Unit) -> float:
        """Return the log predictive density of all rows of a unit together."""
        integrated = Integrated(self.family, self.design, self.draws)
        return float(log_mean(integrated.joint([unit])[0]))

    def each(self, unit: Unit) -> Array:
        """Return the log predictive density of one observation of each row: shape (r,)."""
        known = np.ones(len(unit.rows), dtype=bool)
        for mask in unit.new.values():
            known &= ~mask
        found = np.empty(len(unit.rows))
        size = max(1, _ELEMENTS // self.draws.count)
        positions = np.flatnonzero(known)
        for start in range(0, len(positions), size):
            part = positions[start : start + size]
            rows = unit.rows[part]
            eta = linear_predictor(self.design, self.draws, rows)
            density = RowDensity.of(self.family, self.design, self.draws, rows)
            found[part] = log_mean(density.fast()(eta))
        # one observation, whatever the weight of its row
        single = Integrated(self.family, dataclasses.replace(self.design, weights=None), self.draws)
        rest = np.flatnonzero(~known)
        units = (_single(unit, position) for position in rest.tolist())
        scores = [log_mean(single.joint(part)) for part in batches(units, single.batch_rows)]
        found[rest] = np.concatenate([np.empty(0), *scores])
        return found


def _single(unit: Unit, position: int) -> Unit:
    """Return one row of a unit."""
    new = {name: mask[[position]] for name, mask in unit.new.items() if mask[position]}
    return Unit(unit.rows[[position]], new)
