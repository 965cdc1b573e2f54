"""What a design cannot estimate, and what it can hardly: errors and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from hierlm import names
from hierlm.design.design import Design, GroupBlock
from hierlm.errors import DataError

Array = NDArray[np.float64]

_FEW_LEVELS = 5
_LISTED = 8  # names in one message
_CHUNK = 65_536
_ONE_ROW = "there is one row; a model needs at least two.\n  Was the table filtered?"
_FAR = 10.0  # |mean| / sd beyond which a predictor is far from its origin


def check_design(design: Design, response: str, *, continuous: bool) -> tuple[str, ...]:
    """Check a design before the fit.

    Parameters
    ----------
    design : Design
    response : str
        The response as written, for messages.
    continuous : bool
        Whether the response is continuous, with a residual sd of its own.

    Returns
    -------
    tuple of str
        What the user should know, a sentence or two each.

    Raises
    ------
    DataError
        If there is one row, the response is constant, a grouping factor has a single level, or
        the columns of the common effects are linearly dependent.
    """
    _check_rows(design)
    _check_response(design.response, response, design.n, continuous=continuous)
    for block in design.blocks:
        _check_levels(block)
    _check_rank(design.X, design.coefs)
    notes = design_notes(design, continuous=continuous)
    if not continuous and np.ptp(design.response) == 0:
        notes.append(
            f"the response {response} is {design.response[0]:g} in every row: there is nothing to "
            "explain, and the priors decide. Is it the right column?"
        )
    return tuple(notes)


def design_notes(design: Design, *, continuous: bool) -> list[str]:
    """Return what the user should know of levels and columns: of their moments, whatever rows."""
    confounded = continuous and design.se is None
    notes = [note for block in design.blocks for note in _block_notes(block, design, confounded)]
    return [*notes, *_interaction_notes(design)]


def check_alike(alike: Design, triangle: Array, n: int, response: str) -> None:
    """Check rows that are not kept: see `check_design`.

    Parameters
    ----------
    alike : Design
        A few rows with the levels of all of them and the range of the response.
    triangle : ndarray of shape (r, p + 1)
        R of [X, 1] = QR, of all rows.
    n : int
        Number of rows.
    response : str

    Raises
    ------
    DataError
    """
    if n == 1:
        raise DataError(_ONE_ROW)
    _check_response(alike.response, response, n, continuous=True)
    for block in alike.blocks:
        _check_levels(block)
    _check_rank(triangle[:, :-1], alike.coefs)


def _check_rows(design: Design) -> None:
    if design.n == 1:
        raise DataError(_ONE_ROW)


def _check_response(y: Array, response: str, n: int, *, continuous: bool) -> None:
    if continuous and np.ptp(y) == 0:
        raise DataError(
            f"the response {response} is constant: {y[0]:g} in each of the {n} rows.\n"
            "  There is nothing to explain. Is it the right column, or was the table filtered?"
        )


def _check_levels(block: GroupBlock) -> None:
    if block.n_levels < 2:
        raise DataError(
            f"the grouping factor {block.factor!r} has one level ({block.levels[0]}); its sd "
            "needs at least two, and better five or more.\n"
            "  Leave the bar out, or check whether the rows were filtered."
        )


def _check_rank(X: Array, coefs: tuple[str, ...]) -> None:
    if not coefs:
        return
    scales = _sizes(X)
    n, p = X.shape
    if p > n:
        raise DataError(
            f"the common effects are {p} columns ({_listed(coefs)}), and there are only {n} rows.\n"
            "  Leave terms out of the formula, or let levels vary by group, as in (1 | g)."
        )
    triangle, order = qr(_triangle(X) / scales, mode="r", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    rank = int(np.sum(diagonal > 1e-9 * max(1.0, diagonal[0])))
    if rank < p:
        scaled = X / scales
        raise DataError(_dependent(scaled, coefs, _left_over(scaled) or sorted(order[rank:])))


def spans_constant(X: Array) -> bool:
    """Return whether some combination of the columns is the same in every row.

    Examples
    --------
    >>> spans_constant(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))  # 0 + f
    True
    >>> spans_constant(np.array([[1.0], [2.0], [4.0]]))  # 0 + x
    False
    """
    if not X.shape[1]:
        return False
    return spans_last(_triangle(np.hstack([X, np.ones((len(X), 1))])))


def spans_last(triangle: Array) -> bool:
    """Return whether the last column of R is a combination of the others, if there are any."""
    if triangle.shape[1] < 2:
        return False
    R = triangle / _sizes(triangle)
    residual = R[:, -1] - R[:, :-1] @ np.linalg.lstsq(R[:, :-1], R[:, -1], rcond=None)[0]
    return bool(np.linalg.norm(residual) < 1e-8)


def _sizes(X: Array) -> Array:
    """Return the norm of each column, one for a column of zeros."""
    norms = np.sqrt([x @ x for x in X.T])
    return np.where(norms > 0, norms, 1.0)


def _triangle(X: Array) -> Array:
    """Return R of X = QR, a chunk of rows at a time: a copy of all rows would be as large as X."""
    R = np.empty((0, X.shape[1]))
    for start in range(0, len(X), _CHUNK):
        R = np.linalg.qr(np.vstack([R, X[start : start + _CHUNK]]), mode="r")
    return R


def _left_over(X: Array) -> list[int]:
    """Return the columns that are combinations of columns before them."""
    Q = np.empty((X.shape[0], 0))
    left = []
    for j, x in enumerate(X.T):
        residual = x - Q @ (Q.T @ x)
        residual -= Q @ (Q.T @ residual)  # once more, against rounding
        size = np.linalg.norm(residual)
        if size > 1e-8:
            Q = np.column_stack([Q, residual / size])
        else:
            left.append(j)
    return left


def _dependent(X: Array, coefs: tuple[str, ...], left: Sequence[int]) -> str:
    """Say which columns are combinations of which others."""
    kept = [j for j in range(len(coefs)) if j not in set(left)]
    lines = ["the common effects cannot be told apart:"]
    for column in left[:_LISTED]:
        weights = np.linalg.lstsq(X[:, kept], X[:, column], rcond=None)[0]
        among = [coefs[k] for k, w in zip(kept, weights, strict=True) if abs(w) > 1e-6]
        what = f"is a combination of {_listed(among)}"
        if not among:
            what = "is zero in every row"
        elif among == [names.INTERCEPT]:
            what = "is the same in every row, as the intercept is"
        lines.append(f"    {coefs[column]} {what}")
    if len(left) > _LISTED:
        lines.append(f"    and {len(left) - _LISTED} more columns")
    lines.append("  Leave a term out of the formula.")
    return "\n".join(lines)


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _LISTED
    return ", ".join(texts[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _block_notes(block: GroupBlock, design: Design, confounded: bool) -> Iterator[str]:
    factor, levels, q = block.factor, block.n_levels, block.n_coefs
    n = design.n if design.weights is None else float(design.weights.sum())
    if levels < _FEW_LEVELS:
        yield (
            f"{factor!r} has {levels} levels: the data say little about an sd across so few, and "
            "its prior matters. A common effect may serve better."
        )
    if confounded and levels == n and q == 1:
        yield (
            f"every level of {factor!r} has a single row: its sd and the residual sd cannot be "
            "told apart, and only their priors separate them. Leave the bar out."
        )
    elif levels * q > n:
        yield (
            f"{factor!r} has {levels} levels with {q} coefficients each, more than the {n:,.0f} "
            "rows: much of what is said about single levels comes from the others and from the "
            "prior."
        )
    for name, column in zip(block.coefs, block.Z.T, strict=True):
        if name != names.INTERCEPT and names.INTERCEPT in block.coefs and _far(column):
            bar = f"(center({name}) | {factor})"
            both = (
                f" in both places: center({name}) + {bar}" if name in design.coefs else f": {bar}"
            )
            yield (
                f"{name!r} is far from its origin (mean {column.mean():.4g}, sd "
                f"{column.std():.3g}): the sd and the correlations of {factor!r} refer to "
                f"{name} = 0, outside the data. Centre it{both}."
            )


def _interaction_notes(design: Design) -> Iterator[str]:
    for name, column in zip(design.coefs, design.X.T, strict=True):
        inside = [other for other in design.coefs if ":" in other and name in other.split(":")]
        if ":" not in name and inside and _far(column):
            yield (
                f"{name!r} is far from its origin (mean {column.mean():.4g}, sd "
                f"{column.std():.3g}) and interacts: the main effects beside {inside[0]!r}, and "
                f"their priors, refer to {name} = 0. Centre it, as in center({name})."
            )


def _far(column: Array) -> bool:
    sd = float(column.std())
    return sd > 0 and abs(float(column.mean())) > _FAR * sd
