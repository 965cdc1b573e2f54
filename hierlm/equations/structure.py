"""How grouping factors lie to each other, and which predictors belong to their levels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierlm.design import Design, GroupBlock
from hierlm.equations.symbols import Factor, Slot, Symbols

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class LevelPredictor:
    """A common effect that is part of a level's coefficient.

    Parameters
    ----------
    slot : Slot
        The common effect.
    target : Slot
        The coefficient that it predicts: the intercept, or the slope of an interaction.
    factor : Factor
        Whose levels it describes.
    label : str
        What it multiplies there: of ``age:Sex`` and the slope of ``age`` it is ``Sex``.
    """

    slot: Slot
    target: Slot
    factor: Factor
    label: str


def chain(symbols: Symbols) -> tuple[Factor, ...] | None:
    """Return the factors from the finest to the coarsest, or None unless they are nested."""
    ordered = sorted(symbols.factors, key=lambda factor: -factor.n_levels)
    pairs = itertools.pairwise(ordered)
    nested = all(_is_nested(symbols, fine, coarse) for fine, coarse in pairs)
    return tuple(ordered) if nested else None


def _is_nested(symbols: Symbols, fine: Factor, coarse: Factor) -> bool:
    """Return whether each level of one factor occurs with one level of the other."""
    if set(coarse.group.levels.columns) < set(fine.group.levels.columns):
        return True
    if symbols.design is None or fine.n_levels == coarse.n_levels:
        return False
    return _maps(_block(symbols.design, fine).codes, _block(symbols.design, coarse).codes)


def _maps(fine: Codes, coarse: Codes) -> bool:
    pairs = np.unique(np.stack([fine, coarse]), axis=1)
    return bool(pairs.shape[1] == np.unique(fine).size)


def _block(design: Design, factor: Factor) -> GroupBlock:
    return next(block for block in design.blocks if block.factor == factor.label)


def level_predictors(symbols: Symbols) -> tuple[LevelPredictor, ...]:
    """Return the common effects that belong to the levels of a factor, coarsest factor first.

    A column belongs to the coefficient of z at a level when it is z times a number of that level:
    constant within levels for the intercept, an interaction with such a column for a slope.
    Without rows that cannot be told, and all common effects stay with the rows.
    """
    design = symbols.design
    if design is None:
        return ()
    ordered = sorted(symbols.factors, key=lambda factor: factor.n_levels)
    found: dict[Slot, LevelPredictor] = {}
    for factor in ordered:
        if factor.n_levels == design.n:  # a level per row: every predictor is constant there
            continue
        block = _block(design, factor)
        for slot in symbols.slots:
            if slot in symbols.varying or slot in found or slot.constant:
                continue
            x = design.X[:, design.coefs.index(slot.label)]
            for k, target in enumerate(factor.slots):
                label = _label(slot, target)
                if label is not None and _proportional(x, block.Z[:, k], block.codes):
                    found[slot] = LevelPredictor(slot, target, factor, label)
                    break
    return tuple(found.values())


def _label(slot: Slot, target: Slot) -> str | None:
    """Return the name of a column without the part that varies; None where it has none."""
    if target.constant:
        return slot.label
    parts = slot.label.split(":")
    if target.label not in parts or len(parts) < 2:
        return None
    parts.remove(target.label)
    return ":".join(parts)


def _proportional(x: NDArray[np.float64], z: NDArray[np.float64], codes: Codes) -> bool:
    """Return whether x is z times a number of each level."""
    size = int(codes.max()) + 1
    squares = np.bincount(codes, z * z, size)
    weights = np.bincount(codes, x * z, size) / np.where(squares > 0, squares, 1.0)
    scale = float(np.abs(x).max()) or 1.0
    return bool(np.all(np.abs(x - weights[codes] * z) <= 1e-8 * scale))
