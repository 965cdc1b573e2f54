"""Formulas: text to ``Formula``, with the place of every error.

``tokens`` cuts the text, ``parser`` builds the tree of ``syntax``, ``functions`` and ``terms`` say
what may stand in it, ``grouping`` expands the right side of a bar, ``formula`` puts it together.
"""

from hierlm.formula.formula import Formula, GroupTerm, parse
from hierlm.formula.response import Response
from hierlm.formula.syntax import (
    BarNode,
    Binary,
    Call,
    Constant,
    Name,
    Node,
    Number,
    String,
    Unary,
    names,
    walk,
)
from hierlm.formula.terms import model_terms, to_formulae
from hierlm.formula.writing import spell_for_formulae, unparse

__all__ = [
    "BarNode",
    "Binary",
    "Call",
    "Constant",
    "Formula",
    "GroupTerm",
    "Name",
    "Node",
    "Number",
    "Response",
    "String",
    "Unary",
    "model_terms",
    "names",
    "parse",
    "spell_for_formulae",
    "to_formulae",
    "unparse",
    "walk",
]
