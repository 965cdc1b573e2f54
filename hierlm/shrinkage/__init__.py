"""Shrinkage: what a model makes of each level, beside what the level says by itself."""

from hierlm.shrinkage.tables import pooling, shrinkage

__all__ = ["pooling", "shrinkage"]
