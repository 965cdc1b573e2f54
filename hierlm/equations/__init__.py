"""A model as an equation: LaTeX, and Unicode for a terminal, in the notations of the field."""

from hierlm.equations.catalog import NOTATIONS, available, equations
from hierlm.equations.equation import Equation, Line
from hierlm.equations.numbers import posterior_means

__all__ = ["NOTATIONS", "Equation", "Line", "available", "equations", "posterior_means"]
