"""More rows of the same columns: one frame from which the same levels would be learnt again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from hierlm.design.levels import encode, label, learn_labels

_ALIKE: tuple[Callable[[Any], bool], ...] = (
    pd.api.types.is_bool_dtype,
    lambda x: pd.api.types.is_numeric_dtype(x) and not pd.api.types.is_bool_dtype(x),
    pd.api.types.is_string_dtype,
    pd.api.types.is_datetime64_any_dtype,
    pd.api.types.is_timedelta64_dtype,
)


def join(first: pd.DataFrame, second: pd.DataFrame, numeric: Iterable[str]) -> pd.DataFrame:
    """Put the rows of `second` under those of `first`, a column at a time.

    A column keeps its kind, so that the rows of `first` have the levels that they had, in their
    order; a grouping factor that is numbers in one table and text in the other becomes text.

    Parameters
    ----------
    first, second : pandas.DataFrame
        With the same columns.
    numeric : iterable of str
        Columns that are predictors and numbers.

    Returns
    -------
    pandas.DataFrame
    """
    numbers = set(numeric)
    joined = {
        str(name): _join(first[name], second[name], str(name) in numbers) for name in first.columns
    }
    return pd.DataFrame(joined)


def _join(first: pd.Series[Any], second: pd.Series[Any], number: bool) -> pd.Series[Any]:
    if isinstance(first.dtype, pd.CategoricalDtype):
        return _join_categories(first, second)
    if not any(alike(first) and alike(second) for alike in _ALIKE):
        if number:  # numbers in one, the bools that formulas take for numbers in the other
            first, second = (x.astype(int) if _ALIKE[0](x) else x for x in (first, second))
        else:
            first, second = _as_text(first), _as_text(second)
    return pd.concat([first, second], ignore_index=True)


def _join_categories(first: pd.Series[Any], second: pd.Series[Any]) -> pd.Series[Any]:
    """Keep the categories and their order; what is new comes behind."""
    known = tuple(label(value) for value in first.cat.categories)
    codes = encode(second, known)
    new = codes < 0
    if not new.any():
        values = first.cat.categories
    else:
        fresh = learn_labels(second[new], numeric_text=True)
        codes[new] = len(known) + encode(second[new], fresh)
        values = pd.Index([*known, *fresh])
    both = np.concatenate([np.asarray(first.cat.codes, np.int64), codes])
    return pd.Series(pd.Categorical.from_codes(both, values, ordered=bool(first.cat.ordered)))


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the labels of a complete column."""
    codes, values = pd.factorize(column)
    return pd.Series(np.array([label(value) for value in values], dtype=object)[codes], dtype="str")
