"""What `loo` leaves out at a time, what it integrates out, and what it says about it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.comparison.elpd import ROW
from hierlm.comparison.integrated import Integrated
from hierlm.comparison.rows import Draws, RowDensity, linear_predictor
from hierlm.comparison.units import batches, sorted_rows, units_of_levels
from hierlm.design import Design, GroupBlock
from hierlm.errors import DataError
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Index = NDArray[np.int64]

AUTO = "auto"
_ELEMENTS = 2**22  # rows times draws held at a time
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Plan:
    """What is left out, and which factor's levels are integrated out with it.

    Parameters
    ----------
    design : Design
    block : GroupBlock or None
        Of the factor; None for rows conditional on all effects.
    by_level : bool
        Whether its levels are left out, not the rows.
    automatic : bool
        Whether the factor was not asked for.
    """

    design: Design
    block: GroupBlock | None
    by_level: bool
    automatic: bool

    @property
    def unit(self) -> str:
        """What is left out: ``"row"``, or the name of a factor."""
        return self.block.factor if self.by_level and self.block is not None else ROW

    @property
    def dim(self) -> str:
        """The dimension of the result."""
        if self.by_level and self.block is not None:
            return names.levels_dim(self.block.factor)
        return names.OBS

    @property
    def labels(self) -> list[str]:
        """What messages call each unit."""
        if self.by_level and self.block is not None:
            return list(self.block.levels)
        return [str(row) for row in range(self.design.n)]

    @functools.cached_property
    def integrated(self) -> tuple[str, ...]:
        """The grouping factors with effects that are integrated out."""
        if self.block is None:
            return ()
        found = {name for u in units_of_levels(self.design, self.block) for name in u.new}
        return tuple(block.factor for block in self.design.blocks if block.factor in found)

    def counts(self) -> Index:
        """Return how many entries of the result each unit is."""
        if self.by_level or self.design.weights is None:
            return np.ones(len(self.labels), dtype=np.int64)
        return row_counts(self.design)

    def chunks(self, spec: ModelSpec, draws: Draws) -> Iterator[Array]:
        """Yield log densities of units, arrays of shape (u, S)."""
        if self.block is None:
            yield from conditional(spec, self.design, draws)
            return
        integrated = Integrated(spec.family, self.design, draws)
        units = units_of_levels(self.design, self.block)
        density = integrated.joint if self.by_level else integrated.each_given_rest
        yield from map(density, batches(units, integrated.batch_rows))

    def order(self) -> Index:
        """Return the place of each unit among those of `chunks`."""
        if self.block is None or self.by_level:
            return np.arange(len(self.labels))
        return np.argsort(np.concatenate(sorted_rows(self.block.codes, self.block.n_levels)))

    def notes(self) -> Iterator[str]:
        """Yield what to know of how the result was computed, in sentences."""
        if self.block is not None and self.automatic:
            yield (
                f"Effects of {self.block.factor!r} were integrated out because most of its levels "
                "have one row; integrate=None keeps them as they were drawn."
            )

    def advice(self, k: Array, high: Index, limit: float) -> str:
        """Return what to do about units whose Pareto k is too high.

        Parameters
        ----------
        k : ndarray of shape (U,)
        high : ndarray, int64
            The units at fault.
        limit : float
        """
        what = f"levels of {self.block.factor!r}" if self.by_level and self.block else "rows"
        worst = high[np.argsort(-k[high])][:_SHOWN]
        shown = ", ".join(f"{self.labels[u]} ({k[u]:.2f})" for u in worst)
        shown += ", ..." if len(high) > _SHOWN else ""
        text = (
            f"Pareto k is above {limit:.2f} for {len(high)} of {len(k)} {what}: {shown}. There the "
            "posterior without them is too far from the one with them to be had by reweighting."
        )
        if self.by_level and self.block:
            return (
                f"{text} fit.loo(unit={self.block.factor!r}, refit=True) refits without each of "
                f"these; fit.kfold(unit={self.block.factor!r}) without some at a time."
            )
        remedy = "fit.loo(refit=True) refits without each of these; fit.kfold() leaves out more."
        if self.block is None and self.design.blocks:
            factor = min(self.design.blocks, key=lambda block: -block.n_levels).factor
            remedy = f"fit.loo(integrate={factor!r}) needs less reweighting; {remedy}"
        return f"{text} {remedy}"


def make_plan(
    spec: ModelSpec, design: Design, unit: str | GroupBlock | None, integrate: str | None
) -> Plan:
    """Resolve what is asked for; see `hierlm.comparison.leaveoneout.loo`."""
    if unit is not None:
        if integrate not in (AUTO, None):
            raise DataError(
                "unit and integrate were both given.\n  unit='g' leaves out levels of g, with "
                "their effects integrated out; integrate='g' leaves out rows."
            )
        return Plan(design, block_of(spec, design, unit), True, False)
    if integrate is None:
        return Plan(design, None, False, False)
    if integrate == AUTO:
        return Plan(design, _one_row_per_level(design), False, True)
    return Plan(design, block_of(spec, design, integrate), False, False)


def block_of(spec: ModelSpec, design: Design, factor: str | GroupBlock) -> GroupBlock:
    """Return the block of a grouping factor by its name; a block as it is.

    Raises
    ------
    DataError
        If there is no such factor.
    """
    if isinstance(factor, GroupBlock):
        return factor
    group = spec.group(factor)
    return design.blocks[spec.groups.index(group)]


def _one_row_per_level(design: Design) -> GroupBlock | None:
    """Return the factor with the most levels, if most of its levels have one row."""
    if not design.blocks:
        return None
    finest = max(design.blocks, key=lambda block: block.n_levels)
    counts = np.bincount(finest.codes, minlength=finest.n_levels)
    return finest if np.mean(counts == 1) > 0.5 else None


def row_counts(design: Design) -> Index:
    """Return how many observations each row stands for.

    Raises
    ------
    DataError
        If a frequency weight is no whole number.
    """
    if design.weights is None:
        return np.ones(design.n, dtype=np.int64)
    bad = np.flatnonzero(design.weights != np.round(design.weights))
    if bad.size:
        raise DataError(
            f"leaving one observation out needs frequency weights that are whole numbers; row "
            f"{bad[0]} of those used has {design.weights[bad[0]]:g}.\n"
            "  Leave out whole levels: fit.loo(unit=...)."
        )
    return design.weights.astype(np.int64)


def conditional(spec: ModelSpec, design: Design, draws: Draws) -> Iterator[Array]:
    """Yield log densities of one observation of each row given all effects, shape (r, S)."""
    size = max(1, _ELEMENTS // draws.count)
    for start in range(0, design.n, size):
        rows = np.arange(start, min(start + size, design.n))
        eta = linear_predictor(design, draws, rows)
        yield RowDensity.of(spec.family, design, draws, rows).fast()(eta)
