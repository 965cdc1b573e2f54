"""The contract of a table: it knows its column names, and hands out the columns asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import pandas as pd


class Table(ABC):
    """Columns that have not been read yet."""

    @property
    @abstractmethod
    def labels(self) -> Sequence[Any]:
        """Names of the columns as the table spells them, in order."""

    @abstractmethod
    def take(self, positions: Sequence[int]) -> list[pd.Series]:
        """Return the columns at `positions`, in that order, and touch no other."""

    def hint(self, name: str) -> str:
        """Say where a name that is no column is to be found, or nothing."""
        return ""
