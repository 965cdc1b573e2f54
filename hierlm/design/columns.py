"""The columns of one bar-free part, learnt once on a table and replayed on others.

formulae does the coding (contrasts, splines, polynomials). hierlm hands it a plain sum of products,
so that nothing depends on how formulae reads operators, with two precautions: a parenthesis within
a call is spelled ``I()``, because formulae's names drop parentheses and terms of one name are
merged; and the learnt terms are stripped of the rows they were learnt from.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from formulae import design_matrices
from formulae.categorical import CategoricalBox
from formulae.environment import Environment
from numpy.typing import NDArray

from hierlm.errors import DataError, FormulaError
from hierlm.formula import Call, Name, Node, model_terms, names, spell_for_formulae, unparse

Array = NDArray[np.float64]

_ELEMENTWISE = ("log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "abs")


def environment(functions: Mapping[str, Callable[..., Any]]) -> Environment:
    """Return the names that a formula may call: numpy's elementwise ones and the caller's own."""
    elementwise = {name: getattr(np, name) for name in _ELEMENTWISE}
    module = SimpleNamespace(**elementwise)
    return Environment(
        [{**functions, **elementwise, "factor": _factor, "np": module, "numpy": module}]
    )


@dataclass(frozen=True)
class Terms:
    """A sum of products of columns and calls: main effects first, as R orders them.

    Parameters
    ----------
    intercept : bool
        Whether the constant belongs to the sum.
    products : tuple of tuple of Node
        The other terms.
    """

    intercept: bool
    products: tuple[tuple[Node, ...], ...]

    @classmethod
    def of(cls, node: Node, text: str) -> Terms:
        """Expand a bar-free part of the formula `text`."""
        intercept, products = model_terms(node, text)
        return cls(intercept, tuple(sorted(products, key=len)))

    def __str__(self) -> str:
        parts = ["1" if self.intercept else "0"]
        return " + ".join(parts + [":".join(map(unparse, p)) for p in self.products])


@dataclass(frozen=True)
class Columns:
    """Learnt columns: names, and what is needed to compute them on new rows.

    Parameters
    ----------
    terms : Terms
        The sum of products that the columns stand for.
    names : tuple of str
        ``Intercept``, ``Days``, ``treat[B]``, ``Days:treat[B]``.
    means : tuple of float
        The mean of each column.
    scales : tuple of float
        The sd of each column; for an interaction the product of its parts' sds, which does not
        depend on where the parts have their origin. Zero for a constant.
    """

    terms: Terms
    names: tuple[str, ...]
    means: tuple[float, ...] = field(repr=False)
    scales: tuple[float, ...] = field(repr=False)
    _matrix: Any = field(repr=False, compare=False)

    @classmethod
    def learn(
        cls, terms: Terms, frame: pd.DataFrame, env: Environment, text: str
    ) -> tuple[Columns, Array]:
        """Learn contrasts and transforms from `frame`.

        Parameters
        ----------
        terms : Terms
        frame : pandas.DataFrame of n rows
            Predictors without missing values; factors are ordered categoricals.
        env : Environment
            What the calls may refer to.
        text : str
            The formula, for messages.

        Returns
        -------
        Columns
        ndarray of shape (n, p)
            The columns on `frame`.

        Raises
        ------
        FormulaError
            If a term cannot be computed.
        DataError
            If a computed column is not finite.
        """
        if not terms.intercept and not terms.products:
            return cls(terms, (), (), (), None), np.empty((len(frame), 0))
        spelled = _spell(terms)
        with _explained(terms, text):
            matrix = design_matrices(spelled, frame, na_action="pass", env=env).common
        labels = [label for term in matrix.terms.values() for label in term.labels]
        values = np.array(matrix.design_matrix, dtype=np.float64)
        if len(set(labels)) != len(labels):
            repeated = sorted({label for label in labels if labels.count(label) > 1})
            raise FormulaError(f"{repeated[0]!r} names two different columns.", text)
        means = tuple(values.mean(axis=0).tolist())
        columns = cls(terms, _relabel(labels, terms), means, _scales(matrix), _strip(matrix))
        columns._check_finite(values)
        return columns, values

    def apply(self, frame: pd.DataFrame) -> Array:
        """Compute the columns on new rows.

        Parameters
        ----------
        frame : pandas.DataFrame of m rows
            Predictors coded as they were when learnt.

        Returns
        -------
        ndarray of shape (m, p)

        Raises
        ------
        DataError
            If a computed column is not finite.
        """
        if self._matrix is None:
            return np.empty((len(frame), 0))
        with _explained(self.terms, str(self.terms)):
            values = np.asarray(self._matrix.evaluate_new_data(frame).design_matrix, np.float64)
        self._check_finite(values)
        return values

    def _check_finite(self, values: Array) -> None:
        bad = ~np.isfinite(values)
        if bad.any():
            column = int(np.argmax(bad.any(axis=0)))
            rows = np.flatnonzero(bad[:, column])
            raise DataError(
                f"{self.names[column]!r} is not finite in {rows.size} row(s), first in row "
                f"{rows[0]} of those used.\n  Check its arguments: the log of zero or of a negative"
                " number, or a division by zero."
            )


def _spell(terms: Terms) -> str:
    parts = ["1" if terms.intercept else "0"]
    parts += [":".join(map(_spell_atom, product)) for product in terms.products]
    return " + ".join(parts)


def _spell_atom(node: Node) -> str:
    """Spell a column or a call for formulae, whose own C() would sort the levels anew."""
    if isinstance(node, Call) and node.function == "C":
        node = replace(node, function="factor")
    return spell_for_formulae(node)


def _relabel(labels: list[str], terms: Terms) -> tuple[str, ...]:
    """Return the labels with every call spelled as its user wrote it."""
    calls = {node for product in terms.products for node in product if isinstance(node, Call)}
    renamed = {_spell_atom(call).replace("`", ""): unparse(call) for call in calls}
    for theirs, ours in renamed.items():
        labels = [label.replace(theirs, ours) for label in labels]
    return tuple(labels)


def _factor(data: Any, contrast: Any = None, levels: Any = None) -> CategoricalBox:
    """Treat a column as categorical, its categories in their own order."""
    if levels is None and isinstance(data.dtype, pd.CategoricalDtype):
        levels = list(data.cat.categories)
    return CategoricalBox(data, contrast, levels)


def _scales(matrix: Any) -> tuple[float, ...]:
    """Return each column's sd, as the product over the parts of an interaction."""
    scales: list[float] = []
    for term in matrix.terms.values():
        parts = [component.value for component in getattr(term, "components", ())]
        sds = [np.atleast_1d(np.std(np.asarray(part, np.float64), axis=0)) for part in parts]
        product = [1.0] if sds else [0.0]
        for sd in sds:
            product = [a * b for a in product for b in sd]
        scales.extend(map(float, product))
    return tuple(scales)


def _strip(matrix: Any) -> Any:
    """Forget the rows: formulae keeps the data frame and every intermediate value."""
    matrix.data = matrix.env = matrix.design_matrix = None
    for term in matrix.terms.values():
        term.data = None
        for component in getattr(term, "components", ()):
            component.value = component._intermediate_data = None
    return matrix


@contextlib.contextmanager
def _explained(terms: Terms, text: str) -> Any:
    """Turn whatever formulae raises (and prints) into an error that says which term failed."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except Exception as error:
        culprit = _culprit(terms, str(error))
        start, end = culprit.span if culprit is not None else (None, None)
        what = unparse(culprit) if culprit is not None else str(terms)
        raise FormulaError(f"{what!r} cannot be computed: {error}", text, start, end) from error


def _culprit(terms: Terms, message: str) -> Node | None:
    nodes = [node for product in terms.products for node in product]
    named = [n for n in nodes if isinstance(n, Name | Call) and any(c in message for c in names(n))]
    calls = [node for node in nodes if isinstance(node, Call)]
    return (named or (calls if len(calls) == 1 else []) or [None])[0]
