"""The columns of one bar-free part, learnt once on a table and replayed on others.

formulae does the coding (contrasts, splines, polynomials). hierlm hands it a plain sum of products,
so that nothing depends on how formulae reads operators, with two precautions: a parenthesis within
a call is spelled ``I()``, because formulae's names drop parentheses and terms of one name are
merged; and the learnt terms are stripped of the rows they were learnt from.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from formulae import design_matrices
from formulae.categorical import CategoricalBox, Sum, Treatment
from formulae.environment import Environment
from formulae.terms import call, variable
from numpy.typing import NDArray

from hierlm.errors import DataError, FormulaError
from hierlm.formula import Call, Name, Node, model_terms, names, spell_for_formulae, unparse
from hierlm.formula.functions import ELEMENTWISE
from hierlm.names import INTERCEPT, INTERCEPT_CENTERED

Array = NDArray[np.float64]

_HUGE = 1e100  # its square, summed over the rows, is finite


def _silent(*_: object) -> None:
    """Print nothing: the error that formulae is about to raise says more."""


# To redirect standard output instead would redirect it for every thread.
call.print = variable.print = _silent


def environment(functions: Mapping[str, Callable[..., Any]]) -> Environment:
    """Return the names that a formula may call: numpy's elementwise ones and the caller's own."""
    elementwise = {name: getattr(np, name) for name in ELEMENTWISE}
    module = SimpleNamespace(**elementwise)
    own = {"factor": _Factor, "factor_treatment": _treatment, "factor_sum": _sum}
    return Environment([{**functions, **elementwise, **own, "np": module, "numpy": module}])


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
        """Expand a bar-free part of the formula `text`.

        Raises
        ------
        FormulaError
            If a column is called as the intercept is.
        """
        intercept, products = model_terms(node, text)
        for product in products:
            first = product[0]
            reserved = isinstance(first, Name) and first.name in (INTERCEPT, INTERCEPT_CENTERED)
            if reserved and len(product) == 1:
                raise FormulaError(
                    f"a column cannot be called {unparse(first)!r}, as the intercept is.",
                    text,
                    *first.span,
                    "The intercept is written 1, and 0 leaves it out; rename the column.",
                )
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
        The sd of each column; for an interaction the product of its parts' sds (the size of a
        constant part), which does not depend on where the parts have their origin. Zero for a
        constant.
    rms : tuple of float
        The root mean square of each column.

    Notes
    -----
    In all three a row of weight k counts as k rows.
    """

    terms: Terms
    names: tuple[str, ...]
    means: tuple[float, ...] = field(repr=False)
    scales: tuple[float, ...] = field(repr=False)
    rms: tuple[float, ...] = field(repr=False)
    _matrix: Any = field(repr=False, compare=False)

    @property
    def sizes(self) -> tuple[float, ...]:
        """The sd of each column, or the root mean square of a constant; positive."""
        return tuple(sd or rms or 1.0 for sd, rms in zip(self.scales, self.rms, strict=True))

    @classmethod
    def learn(
        cls,
        terms: Terms,
        frame: pd.DataFrame,
        env: Environment,
        text: str,
        weights: Array | None = None,
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
        weights : ndarray of shape (n,), optional
            Frequency weights, positive.

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
            return cls(terms, (), (), (), (), None), np.empty((len(frame), 0))
        _check_distinct(terms, text)
        spelled = _spell(terms)
        with _explained(terms, text):
            matrix = design_matrices(spelled, frame, na_action="pass", env=env).common
        _check_varies(matrix, terms)
        labels = [label for term in matrix.terms.values() for label in term.labels]
        values = np.asarray(matrix.design_matrix, dtype=np.float64)
        if len(set(labels)) != len(labels):
            repeated = sorted({label for label in labels if labels.count(label) > 1})
            message = f"{repeated[0]!r} names two different columns of the design."
            raise FormulaError(message, text, hint="Rename one of the columns of the table.")
        coefs = _relabel(labels, terms)
        _check_finite(values, coefs)  # before means and scales are taken
        scales = _scales(matrix, weights)
        _strip(matrix)
        means = tuple(np.average(values, axis=0, weights=weights).tolist())
        rms = tuple(_rms(values, weights).tolist())
        return cls(terms, coefs, means, scales, rms, matrix), values

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
            If a column cannot be computed on these rows, or is not finite.
        """
        if self._matrix is None:
            return np.empty((len(frame), 0))
        with _explained(self.terms):
            values = np.asarray(self._matrix.evaluate_new_data(frame).design_matrix, np.float64)
        _check_finite(values, self.names)
        return values

    def parts(self, frame: pd.DataFrame) -> list[list[Array]]:
        """Return the columns of each part of each term on new rows, of shape (m, columns) each."""
        return _parts(self._matrix, frame)

    def measured(self, means: Array, rms: Array, parts: list[list[tuple[Array, Array]]]) -> Columns:
        """Return the same columns with moments taken elsewhere.

        Parameters
        ----------
        means, rms : ndarray of shape (p,)
        parts : list of list of (ndarray, ndarray)
            Sd and root mean square of each column of `parts`.
        """
        return replace(
            self, means=tuple(means.tolist()), rms=tuple(rms.tolist()), scales=_products(parts)
        )


def _check_distinct(terms: Terms, text: str) -> None:
    """Refuse two terms of one name, of which formulae keeps one: a column ``x:z``, and x:z."""
    written = [":".join(map(unparse, product)).replace("`", "") for product in terms.products]
    for name in written:
        if written.count(name) > 1:
            message = f"two different terms would be called {name!r}."
            raise FormulaError(message, text, hint="Rename the column that has ':' in its name.")


def _check_varies(matrix: Any, terms: Terms) -> None:
    empty = [term.name for term in matrix.terms.values() if not term.labels]
    if empty:
        raise DataError(
            f"{_relabel(empty, terms)[0]!r} has one level in all rows: there is nothing to compare "
            "it with.\n  Leave it out of the formula, or check whether the rows were filtered."
        )


def _check_finite(values: Array, coefs: tuple[str, ...]) -> None:
    for column in range(values.shape[1]):
        rows = np.flatnonzero(~np.isfinite(values[:, column]))
        if not rows.size:
            continue
        raise DataError(
            f"{coefs[column]!r} is not finite in {rows.size} row(s), first in row "
            f"{rows[0]} of those used.\n  Check its arguments: the log of zero or of a negative"
            " number, or a division by zero."
        )
    huge = np.argwhere(np.abs(values) > _HUGE)
    if len(huge):
        row, column = huge[0]
        raise DataError(
            f"{coefs[column]!r} is {values[row, column]:g} in row {row} of those used; its square "
            f"overflows.\n  Beyond {_HUGE:g} nothing can be computed: is it a code for a missing "
            "value, or can its unit be larger?"
        )


def _spell(terms: Terms) -> str:
    parts = ["1" if terms.intercept else "0"]
    parts += [":".join(map(_spell_atom, product)) for product in terms.products]
    return " + ".join(parts)


_FACTORS = {"C": "factor", "T": "factor_treatment", "S": "factor_sum"}


def _spell_atom(node: Node) -> str:
    """Spell a column or a call for formulae, whose own factors want every level in every table."""
    if isinstance(node, Call) and node.function in _FACTORS:
        node = replace(node, function=_FACTORS[node.function])
    return spell_for_formulae(node)


def _relabel(labels: list[str], terms: Terms) -> tuple[str, ...]:
    """Return the labels with every call spelled as its user wrote it."""
    calls = {node for product in terms.products for node in product if isinstance(node, Call)}
    renamed = {_spell_atom(call).replace("`", ""): unparse(call) for call in calls}
    for theirs, ours in renamed.items():
        labels = [label.replace(theirs, ours) for label in labels]
    return tuple(labels)


class _Factor(CategoricalBox):  # type: ignore[misc]  # formulae has no types
    """A column as categories in their own order, of which new rows may have only some."""

    levels: Any = None  # instead of a property that wants every level among the rows

    def __init__(self, data: Any, contrast: Any = None, levels: Any = None) -> None:
        super().__init__(data, contrast, levels)


def _treatment(data: Any, ref: Any = None, levels: Any = None) -> _Factor:
    return _Factor(data, Treatment(ref), levels)


def _sum(data: Any, omit: Any = None, levels: Any = None) -> _Factor:
    return _Factor(data, Sum(omit), levels)


def _scales(matrix: Any, weights: Array | None) -> tuple[float, ...]:
    return _products(
        [[(_sd(part, weights), _rms(part, weights)) for part in parts] for parts in _parts(matrix)]
    )


def _parts(matrix: Any, frame: pd.DataFrame | None = None) -> list[list[Array]]:
    """Return the parts of each term, a constant without any; on the rows learnt if not others."""
    if matrix is None:
        return []
    found = []
    for term in matrix.terms.values():
        parts = getattr(term, "components", ())
        values = [part.value if frame is None else part.eval_new_data(frame) for part in parts]
        found.append([np.asarray(x, np.float64).reshape(len(x), -1) for x in values])
    return found


def _products(terms: list[list[tuple[Array, Array]]]) -> tuple[float, ...]:
    """Return each column's sd, as the product over the parts of an interaction."""
    scales: list[float] = []
    for parts in terms:
        product = [1.0] if parts else [0.0]
        for sd, rms in parts:
            # a constant part multiplies the others
            sizes = np.where(sd > 0, sd, rms) if len(parts) > 1 else sd
            product = [a * b for a in product for b in sizes]
        scales.extend(map(float, product))
    return tuple(scales)


def _rms(columns: Array, weights: Array | None) -> Array:
    return np.sqrt([np.average(np.square(x), weights=weights) for x in columns.T])


def _sd(columns: Array, weights: Array | None) -> Array:
    """Return the sd of each column, exactly zero for a constant."""
    centered = columns - np.average(columns, axis=0, weights=weights)
    return np.where(np.ptp(columns, axis=0) > 0, _rms(centered, weights), 0.0)


def _strip(matrix: Any) -> None:
    """Forget the rows: formulae keeps the data frame and every intermediate value."""
    matrix.data = matrix.env = matrix.design_matrix = None
    for term in matrix.terms.values():
        term.data = None
        for component in getattr(term, "components", ()):
            component.value = component._intermediate_data = None
            _forget_basis(getattr(component, "call", None))


def _forget_basis(lazy: Any) -> None:
    """Drop the rows that cr(), cc() and tp() keep for a conversion that is not used here."""
    transform: Any = getattr(lazy, "stateful_transform", None)
    if hasattr(transform, "_random_state"):
        transform._random_state = None
    for argument in (*getattr(lazy, "args", ()), *getattr(lazy, "kwargs", {}).values()):
        _forget_basis(argument)


@contextlib.contextmanager
def _explained(terms: Terms, text: str | None = None) -> Any:
    """Turn whatever formulae raises into an error that says which term failed.

    Without `text` the formula has been computed before: the rows are at fault.
    """
    try:
        # What is not finite is found, and said, when the columns are there.
        with np.errstate(all="ignore"):
            yield
    except Exception as error:
        reason = _relabel([str(error)], terms)[0]
        culprit = _culprit(terms, reason)
        start, end = culprit.span if culprit is not None else (None, None)
        what = unparse(culprit) if culprit is not None else str(terms)
        if text is None:
            raise DataError(f"{what!r} cannot be computed on these rows: {reason}") from error
        raise FormulaError(f"{what!r} cannot be computed: {reason}", text, start, end) from error


def _culprit(terms: Terms, message: str) -> Node | None:
    nodes = [node for product in terms.products for node in product]
    words = set(re.findall(r"[\w.]+", message))
    named = [n for n in nodes if isinstance(n, Name | Call) and words & set(names(n))]
    calls = [node for node in nodes if isinstance(node, Call)]
    return (named or (calls if len(calls) == 1 else []) or [None])[0]
