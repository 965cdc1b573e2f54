"""From a name to a data frame: offline, with the levels in the order of the references."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pandas as pd

from hierlm.datasets.catalog import Column, Dataset, catalog, entry


def load_dataset(name: str) -> pd.DataFrame:
    """Load a bundled data set.

    Parameters
    ----------
    name : str
        One of ``list_datasets()["name"]``.

    Returns
    -------
    pandas.DataFrame
        Factors are categories of text, in the order of levels that R gives them (the first is
        the base of treatment contrasts), ordered where R orders them; other columns are float64
        or int64. ``attrs`` holds the name, the source and the licence.

    Raises
    ------
    DatasetError
        If no bundled data set has this name.

    Examples
    --------
    >>> data = load_dataset("sleepstudy")
    >>> data.shape
    (180, 3)
    >>> list(data["Subject"].cat.categories[:3])
    ['308', '309', '310']
    """
    dataset = entry(name)
    text = _read_text(dataset)
    table = pd.DataFrame({column.name: _values(text, column) for column in dataset.columns})
    table.attrs = {
        "dataset": dataset.name,
        "source": dataset.source,
        "licence": dataset.licence,
    }
    return table


def list_datasets() -> pd.DataFrame:
    """List the bundled data sets.

    Returns
    -------
    pandas.DataFrame
        One row each: name, title, rows, columns (how many), formula, family, question, source,
        reference and licence.

    Examples
    --------
    >>> table = list_datasets().set_index("name")
    >>> table.loc["cbpp", "formula"]
    'p(incidence, size) ~ period + (1 | herd)'
    """
    return pd.DataFrame(
        {
            "name": dataset.name,
            "title": dataset.title,
            "rows": dataset.rows,
            "columns": len(dataset.columns),
            "formula": dataset.formula,
            "family": dataset.family,
            "question": dataset.question,
            "source": dataset.source,
            "reference": dataset.reference,
            "licence": dataset.licence,
        }
        for dataset in catalog().values()
    )


def _read_text(dataset: Dataset) -> pd.DataFrame:
    folder = resources.files("hierlm.datasets").joinpath("csv")
    packed = folder.joinpath(f"{dataset.name}.csv.gz")
    file = packed if packed.is_file() else folder.joinpath(f"{dataset.name}.csv")
    with file.open("rb") as stream:
        return pd.read_csv(
            stream,
            compression="gzip" if file is packed else None,
            # As text: the parser of read_csv may miss the last bit of a number, and would take
            # a level called NA for a missing value.
            dtype="str",
            keep_default_na=False,
        )


def _values(text: pd.DataFrame, column: Column) -> np.ndarray | pd.Categorical:
    labels = text[column.name]
    if column.is_factor:
        ordered = column.type == "ordered"
        return pd.Categorical(labels, categories=_levels(labels, column), ordered=ordered)
    return labels.to_numpy(dtype=object).astype("float64" if column.type == "float" else "int64")


def _levels(labels: pd.Series[str], column: Column) -> list[str]:
    if column.levels == "numeric":
        return sorted(labels.unique(), key=float)
    if column.levels == "appearance":
        return list(labels.unique())
    return list(column.levels)
