"""Where rows come from: data frames of any kind, dicts of columns, and files."""

from __future__ import annotations

from hierlm.sources.dtypes import normalise
from hierlm.sources.frames import Rows, read_columns

__all__ = ["Rows", "normalise", "read_columns"]
