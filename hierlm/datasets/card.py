"""A data set as a page to read: what it is, its columns, how to cite it."""

from __future__ import annotations

import textwrap

from hierlm.datasets.catalog import Column, Dataset, entry
from hierlm.datasets.loading import load_dataset

_WIDTH = 88
_LEVELS_SHOWN = 6


def describe_dataset(name: str) -> str:
    """Describe a bundled data set: question, columns with units and levels, source, licence.

    Parameters
    ----------
    name : str
        One of ``list_datasets()["name"]``.

    Returns
    -------
    str

    Raises
    ------
    DatasetError
        If no bundled data set has this name.

    Examples
    --------
    >>> print(describe_dataset("Dyestuff"))
    Dyestuff: Yield of dyestuff by batch
    <BLANKLINE>
      question   How much of the variation in dyestuff yield comes from the batch of
                 intermediate product?
      rows       30
      formula    Yield ~ 1 + (1 | Batch)
      family     gaussian
      source     R package lme4 1.1-31
      licence    GPL (>= 2)
      reference  Davies & Goldsmith (1972) Statistical Methods in Research and Production,
                 4th ed., sec. 6.4
    <BLANKLINE>
      Batch  factor  batch of H-acid, the intermediate product
                     6 levels: A, B, C, D, E, F
      Yield  float   yield (g of standard colour)
    """
    dataset = entry(name)
    lines = [f"{dataset.name}: {dataset.title}", ""]
    for label, text in _facts(dataset):
        lines += _hanging(f"  {label:<9}  ", text)
    return "\n".join([*lines, "", *_column_lines(dataset)])


def _column_lines(dataset: Dataset) -> list[str]:
    levels = {
        column: list(values.cat.categories)
        for column, values in load_dataset(dataset.name).select_dtypes("category").items()
    }
    name_width = max(len(column.name) for column in dataset.columns)
    type_width = max(len(column.type) for column in dataset.columns)
    lines = []
    for column in dataset.columns:
        head = f"  {column.name:<{name_width}}  {column.type:<{type_width}}  "
        lines += _hanging(head, _meaning(column))
        if column.is_factor:
            lines += _hanging(" " * len(head), _level_text(column, levels[column.name]))
    return lines


def _facts(dataset: Dataset) -> list[tuple[str, str]]:
    facts = {
        "question": dataset.question,
        "rows": str(dataset.rows),
        "formula": dataset.formula,
        "family": dataset.family,
        "source": dataset.source,
        "licence": dataset.licence,
        "reference": dataset.reference,
        "note": dataset.note,
    }
    return [(label, text) for label, text in facts.items() if text]


def _meaning(column: Column) -> str:
    return f"{column.meaning} ({column.unit})" if column.unit else column.meaning


def _level_text(column: Column, levels: list[str]) -> str:
    between = " < " if column.type == "ordered" else ", "
    shown = levels
    if len(levels) > 2 * _LEVELS_SHOWN:
        shown = [*levels[:_LEVELS_SHOWN], "...", levels[-1]]
    return f"{len(levels)} levels: {between.join(shown)}"


def _hanging(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )
