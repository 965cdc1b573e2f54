"""The catalogue: what each bundled data set is, read once from ``catalog.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from hierlm.errors import DatasetError, did_you_mean


@dataclass(frozen=True)
class Column:
    """One column of a data set.

    Parameters
    ----------
    name : str
        As in the file.
    type : {"float", "integer", "factor", "ordered"}
        Factors become categories, in the order that `levels` gives.
    meaning : str
        What was measured.
    unit : str, optional
        Empty where there is none.
    levels : tuple of str or str, optional
        The levels in their order, or the rule that reads them off the file: ``"numeric"`` (by
        number) or ``"appearance"``.
    """

    name: str
    type: Literal["float", "integer", "factor", "ordered"]
    meaning: str
    unit: str = ""
    levels: tuple[str, ...] | Literal["numeric", "appearance"] = ()

    @property
    def is_factor(self) -> bool:
        """Whether the column holds labels."""
        return self.type in ("factor", "ordered")


@dataclass(frozen=True)
class Dataset:
    """One entry of the catalogue.

    Parameters
    ----------
    name, title, question : str
        What it is called and what it is used to ask.
    source, reference, licence : str
        Where the file comes from, what to cite, and the terms of the source.
    formula, family : str
        A model to start from; an empty formula marks a table that is not for modelling as it is.
    rows : int
        Number of rows.
    sha256 : str
        Of the unpacked csv file.
    columns : tuple of Column
        In the order of the file.
    note : str, optional
        What to know before use.
    """

    name: str
    title: str
    question: str
    source: str
    reference: str
    licence: str
    formula: str
    family: str
    rows: int
    sha256: str
    columns: tuple[Column, ...]
    note: str = ""


@cache
def _tables() -> Mapping[str, Any]:
    text = resources.files("hierlm.datasets").joinpath("catalog.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def catalog() -> Mapping[str, Dataset]:
    """Return the entries of the catalogue by name, in alphabetical order.

    Returns
    -------
    mapping of str to Dataset

    Examples
    --------
    >>> catalog()["sleepstudy"].columns[0].unit
    'ms'
    """
    return {name: _dataset(name, e) for name, e in _tables().items() if name != "not_bundled"}


def entry(name: str) -> Dataset:
    """Return the catalogue's entry for a data set.

    Parameters
    ----------
    name : str
        Upper and lower case may differ where that leaves one choice.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If no bundled data set has this name; the message says which there are, or why this one
        is not among them.

    Examples
    --------
    >>> entry("SLEEPSTUDY").name
    'sleepstudy'
    """
    known = catalog()
    folded = {key.casefold(): key for key in known}
    key = name if name in known else folded.get(str(name).casefold())
    if key is None:
        raise DatasetError(_refusal(str(name)))
    return known[key]


def _dataset(name: str, fields: Mapping[str, Any]) -> Dataset:
    columns = tuple(_column(key, column) for key, column in fields["columns"].items())
    return Dataset(**{**fields, "name": name, "columns": columns})


def _column(name: str, fields: Mapping[str, Any]) -> Column:
    levels = fields.get("levels", ())
    return Column(
        **{
            **fields,
            "name": name,
            "levels": levels if isinstance(levels, str) else tuple(levels),
        }
    )


def _refusal(name: str) -> str:
    reasons = {key.casefold(): (key, why) for key, why in _tables()["not_bundled"].items()}
    if name.casefold() in reasons:
        key, why = reasons[name.casefold()]
        return (
            f"{key!r} is not bundled with hierlm: {why}.\n"
            f'  Save it as a csv file and give its path as the data, e.g. "{key}.csv".'
        )
    lines = [
        f"no bundled data set is called {name!r}.{did_you_mean(name, catalog())}",
        f"  There are: {', '.join(catalog())}.",
    ]
    if name.casefold().endswith((".csv", ".csv.gz", ".tsv", ".parquet")):
        lines.append("  A file of your own needs no loading: give its path as the data.")
    return "\n".join(lines)
