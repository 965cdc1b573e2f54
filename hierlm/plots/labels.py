"""Names and units for axes, and the choice of levels to show."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm import names
from hierlm.datasets import load_dataset
from hierlm.datasets.catalog import Dataset, catalog
from hierlm.design import GroupEncoding
from hierlm.errors import DataError, did_you_mean
from hierlm.spec import ModelSpec

_SINGULAR = {"days": "day", "weeks": "week", "years": "year"}


def units(frame: pd.DataFrame) -> dict[str, str]:
    """Return the units of the columns, if the rows are those of a bundled data set.

    Parameters
    ----------
    frame : pandas.DataFrame
        The columns of a formula.

    Returns
    -------
    dict of str to str
        By column; empty where the numbers are nobody's known to hierlm.

    Examples
    --------
    >>> units(load_dataset("sleepstudy")[["Reaction", "Days"]])
    {'Reaction': 'ms', 'Days': 'days'}
    """
    for entry in catalog().values():
        known = {column.name: column.unit for column in entry.columns}
        if set(frame.columns) <= set(known) and entry.rows == len(frame) and _same(frame, entry):
            return {name: known[name] for name in frame.columns if known[name]}
    return {}


def _same(frame: pd.DataFrame, entry: Dataset) -> bool:
    """Return whether the numbers are those of the data set, and not converted ones."""
    bundled = _loaded(entry.name)
    numeric = frame.select_dtypes("number")
    return bool(len(numeric.columns)) and all(
        np.array_equal(values.to_numpy(), bundled[name].to_numpy())
        for name, values in numeric.items()
    )


@functools.cache
def _loaded(name: str) -> pd.DataFrame:
    return load_dataset(name)


def with_unit(name: str, known: Mapping[str, str]) -> str:
    """Return a name with its unit, where it has one and does not say it.

    Examples
    --------
    >>> with_unit("Reaction", {"Reaction": "ms"}), with_unit("Days", {"Days": "days"})
    ('Reaction (ms)', 'Days')
    """
    unit = known.get(name, "")
    return f"{name} ({unit})" if unit and unit.casefold() != name.casefold() else name


def coefficient_label(spec: ModelSpec, coef: str, known: Mapping[str, str]) -> str:
    """Return a coefficient with its unit: that of the response, per unit of the predictor.

    Only of an identity link, and of coefficients whose predictor is a column as it is.
    """
    unit = known.get(spec.response, "")
    if not unit or spec.family.link.name != "identity" or spec.family.name == "lognormal":
        return coef
    if coef == names.INTERCEPT or "[" in coef:
        return f"{coef} ({unit})"
    if coef not in known:
        return coef
    return f"{coef} ({unit} per {_SINGULAR.get(known[coef], known[coef])})"


def choose(wanted: str | Sequence[str] | None, known: Sequence[str], what: str) -> list[str]:
    """Return the chosen names, in the order in which they were asked for; all by default.

    Parameters
    ----------
    wanted : str or sequence of str, optional
    known : sequence of str
    what : str
        What they are: ``"level of 'Subject'"``.

    Raises
    ------
    DataError
        If one is not there, or none is left.
    """
    if wanted is None:
        return list(known)
    found = list(dict.fromkeys(map(str, [wanted] if isinstance(wanted, str | int) else wanted)))
    unknown = [name for name in found if name not in known]
    if unknown:
        shown = ", ".join(known[:12]) + (f", ... ({len(known)} in all)" if len(known) > 12 else "")
        raise DataError(
            f"there is no {what} called {unknown[0]!r}.{did_you_mean(unknown[0], known)}\n"
            f"  There are: {shown}."
        )
    if not found:
        raise DataError(f"name at least one {what}, or leave the choice out for all of them.")
    return found


def choose_levels(group: GroupEncoding, levels: str | Sequence[str] | None) -> list[str]:
    """Return the chosen levels of a grouping factor; see `choose`."""
    return choose(levels, group.levels.labels, f"level of {group.factor!r}")


def page_of(levels: Sequence[str], page: int, size: int) -> tuple[list[str], str]:
    """Return the levels of one page, and which page that is in words (nothing if there is one).

    Examples
    --------
    >>> page_of(["a", "b", "c"], 2, 2)
    (['c'], 'page 2 of 2')

    Raises
    ------
    DataError
        If there is no such page.
    """
    pages = -(-len(levels) // size)
    if isinstance(page, bool) or not isinstance(page, int) or not 1 <= page <= pages:
        raise DataError(
            f"page is a whole number from 1 to {pages}, of {size} levels each; came {page!r}."
        )
    start = (page - 1) * size
    return list(levels[start : start + size]), f"page {page} of {pages}" if pages > 1 else ""


def some_rows(n: int, most: int = 20_000) -> NDArray[np.int64]:
    """Return which rows to draw where there are more than an eye can tell apart: at random.

    Examples
    --------
    >>> some_rows(3), len(some_rows(1_000_000))
    (array([0, 1, 2]), 20000)
    """
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def varying(spec: ModelSpec, factor: str | None) -> GroupEncoding:
    """Return a grouping factor, or say that the model has none."""
    if not spec.groups:
        raise DataError(
            "this model has no grouping factor, and so no levels to show.\n"
            "  A bar makes one: y ~ x + (1 | group)."
        )
    return spec.group(factor)
