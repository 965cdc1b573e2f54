"""Where rows come from: data frames of any kind, dicts of columns, and files."""

from __future__ import annotations

from hierlm.sources.chunks import Chunks, open_chunks
from hierlm.sources.dtypes import normalise
from hierlm.sources.frames import Rows, read_columns

__all__ = ["Chunks", "Rows", "normalise", "open_chunks", "read_columns"]
