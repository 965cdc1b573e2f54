"""May these fits be compared? Their predictive densities must be of the same observations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pandas as pd
import xarray as xr

from hierlm.design import Design, GroupBlock
from hierlm.errors import DataError
from hierlm.formula import names, unparse
from hierlm.spec import ModelSpec

_SHOWN = 3


class Fitted(Protocol):
    """What a comparison reads of a fit."""

    @property
    def spec(self) -> ModelSpec:
        """The model."""

    @property
    def design(self) -> Design:
        """Its rows as numbers."""

    @property
    def frame(self) -> pd.DataFrame:
        """Its rows as they were."""

    @property
    def idata(self) -> xr.DataTree:
        """Its posterior."""


def check_comparable(fits: Mapping[str, Fitted], *, jacobian: bool) -> None:
    """Raise unless all fits are to the same observations, on one scale.

    Parameters
    ----------
    fits : dict of str to Fit
    jacobian : bool
        Whether densities of transformed responses are brought to the scale of the column.

    Raises
    ------
    DataError
        With what differs, and where.
    """
    if not isinstance(fits, Mapping) or len(fits) < 2:
        raise DataError(
            "a comparison takes two fits or more, by name.\n"
            "  Write compare({'a': fit1, 'b': fit2})."
        )
    (first_name, first), *others = fits.items()
    for name, fit in others:
        _check_columns(first_name, first, name, fit)
        _check_rows(first_name, first, name, fit)
        if not jacobian:
            _check_scale(first_name, first, name, fit)
        _check_kind(first_name, first, name, fit)


def _expression(fit: Fitted) -> str:
    return unparse(fit.spec.encoding.formula.response.expression)


def _check_columns(first_name: str, first: Fitted, name: str, fit: Fitted) -> None:
    columns = [set(names(f.spec.encoding.formula.response.expression)) for f in (first, fit)]
    if columns[0] != columns[1]:
        raise DataError(
            f"{first_name!r} and {name!r} have different responses: {_expression(first)} and "
            f"{_expression(fit)}.\n  How well each predicts its own says nothing about the other."
        )


def _check_rows(first_name: str, first: Fitted, name: str, fit: Fitted) -> None:
    both = f"{first_name!r} and {name!r}"
    if first.design.n != fit.design.n:
        used = ", ".join(
            f"{key!r} has {f.design.n:,} ({f.spec.dropped})"
            for key, f in ((first_name, first), (name, fit))
        )
        raise DataError(
            f"{both} are fits to different rows: {used}.\n"
            "  Fit both to the rows that are complete for both: "
            "data.dropna(subset=[all columns of both formulas])."
        )
    for column in names(first.spec.encoding.formula.response.expression):
        a, b = first.frame[column].to_numpy(), fit.frame[column].to_numpy()
        differ = np.flatnonzero(a != b)
        if differ.size:
            shown = ", ".join(f"row {i}: {a[i]} and {b[i]}" for i in differ[:_SHOWN])
            order = ""
            if sorted(map(str, a)) == sorted(map(str, b)):
                order = "  They have the same values in another order: sort both tables alike.\n"
            raise DataError(
                f"{both} are fits to different rows: {column!r} differs in {differ.size:,} of "
                f"{first.design.n:,} ({shown}).\n{order}"
                "  Fit both to the same table."
            )
    for what in ("trials", "weights"):
        a, b = getattr(first.design, what), getattr(fit.design, what)
        if (a is None) != (b is None) or (a is not None and not np.array_equal(a, b)):
            raise DataError(
                f"{both} have different {what}, so that a row is not the same observations.\n"
                f"  Give both the same {what}."
            )


def _check_scale(first_name: str, first: Fitted, name: str, fit: Fitted) -> None:
    if _expression(first) != _expression(fit):
        raise DataError(
            f"{first_name!r} and {name!r} have the response on different scales: "
            f"{_expression(first)} and {_expression(fit)}. Their densities are per unit of "
            "different things.\n  compare(..., jacobian=True) brings both to the scale of the "
            "column."
        )


def _check_kind(first_name: str, first: Fitted, name: str, fit: Fitted) -> None:
    a, b = first.spec.family, fit.spec.family
    if a.discrete != b.discrete:
        raise DataError(
            f"{first_name!r} ({a.name}) and {name!r} ({b.name}) cannot be compared: one gives "
            "probabilities of whole numbers, the other a density.\n"
            "  Compare families of one kind."
        )


def shared_unit(fits: Mapping[str, Fitted], unit: str) -> GroupBlock:
    """Return the levels that are left out: those of a fit that has the factor.

    A model without the factor may be compared too: what is left out are rows.

    Raises
    ------
    DataError
        If no fit has the factor, or two fits have different levels in the same row.
    """
    blocks = {
        name: block for name, fit in fits.items() for block in fit.design.blocks
        if block.factor == unit
    }  # fmt: skip
    if not blocks:
        known = sorted({block.factor for fit in fits.values() for block in fit.design.blocks})
        raise DataError(
            f"no fit has a grouping factor called {unit!r}.\n"
            f"  They have: {', '.join(known) or 'none'}."
        )
    (first_name, first), *others = blocks.items()
    for name, block in others:
        if block.levels != first.levels or not np.array_equal(block.codes, first.codes):
            raise DataError(
                f"{first_name!r} and {name!r} have different levels of {unit!r} in the same rows.\n"
                "  Fit both to the same table."
            )
    return first
