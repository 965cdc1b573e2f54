"""Fit, in parts: each file adds one kind of question to ask of a posterior, and delegates."""

from hierlm.results.fit import Fit
from hierlm.results.tabling import table

__all__ = ["Fit", "table"]
