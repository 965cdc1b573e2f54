"""Is a response one that the family can have produced? If not, say which rows, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierlm.errors import FamilyError
from hierlm.families.links import Array
from hierlm.families.support import Mask, Support

ResponseKind = Literal["continuous", "binary", "trials", "count"]

_SHOWN = 3


def check_response(
    family: str,
    kind: ResponseKind,
    support: Support,
    y: ArrayLike,
    trials: ArrayLike | None,
    name: str,
    labels: Sequence[object] | None,
) -> None:
    """Raise unless each response is in the support.

    Parameters
    ----------
    family : str
        Name of the family.
    kind : {"continuous", "binary", "trials", "count"}
    support : Support
    y : array_like of shape (n,)
    trials : array_like of shape (n,) or None
    name : str
        What the message calls the response.
    labels : sequence of length n or None
        Labels of the rows; their positions, from zero, when there are none.

    Raises
    ------
    FamilyError
        With the rows at fault and a remedy.

    Examples
    --------
    >>> from hierlm.families import get_family
    >>> get_family("gamma").check_response([1.0, -2.5, 3.0, -1.0], name="cost", labels="abcd")
    Traceback (most recent call last):
    hierlm.errors.FamilyError: family gamma needs positive numbers in 'cost'.
      2 of 4 rows have others: row b = -2.5, row d = -1.
      For responses of either sign use family='gaussian' or 'student'.
    """
    values = _numbers(family, support, y, name)
    counts = _check_trials(family, kind, values, trials, name, labels)
    inside = support.contains(values, counts)
    if inside.all():
        return
    raise FamilyError(
        f"family {family} needs {support.text} in {name!r}.\n"
        f"  {_offenders(values, counts, ~inside, labels)}\n  "
        + "\n  ".join(support.remedies(values, counts))
    )


def _numbers(family: str, support: Support, y: ArrayLike, name: str) -> Array:
    raw = np.asarray(y)
    if raw.ndim != 1:
        raise FamilyError(
            f"family {family} needs one number per row in {name!r}; came shape {raw.shape}."
        )
    if raw.dtype.kind in "biuf":
        return raw.astype(float)
    first = ", ".join(repr(value) for value in raw[:_SHOWN].tolist())
    first += ", ..." if len(raw) > _SHOWN else ""
    raise FamilyError(
        f"family {family} needs {support.text}, and {name!r} is not numeric: {first}.\n"
        "  Convert the column to numbers. Two outcomes: recode them as 0 and 1 and use "
        "family='bernoulli'. More than two categories are not supported."
    )


def _check_trials(
    family: str,
    kind: ResponseKind,
    values: Array,
    trials: ArrayLike | None,
    name: str,
    labels: Sequence[object] | None,
) -> Array | None:
    """Return the numbers of trials as floats, or None for a family that has none."""
    if kind != "trials":
        if trials is not None:
            raise FamilyError(
                f"family {family} takes no number of trials, and {name!r} has one.\n"
                "  Use family='binomial', or leave the trials out of the formula."
            )
        return None
    if trials is None:
        raise FamilyError(
            f"family {family} needs the number of trials of {name!r}.\n"
            "  Write p(successes, trials) ~ ..., or successes | trials(n) ~ ...; "
            "with one trial per row, use family='bernoulli'."
        )
    counts = np.asarray(trials)
    if counts.dtype.kind not in "biuf":
        raise FamilyError(f"the number of trials of {name!r} must be numbers, and is not numeric.")
    if counts.shape not in ((), values.shape):
        raise FamilyError(
            f"the number of trials of {name!r} must be one number, or one per row: "
            f"{len(values)}; came shape {counts.shape}."
        )
    counts = np.broadcast_to(counts.astype(float), values.shape)
    bad = ~np.isfinite(counts) | (counts < 0) | (counts != np.floor(counts))
    if bad.any():
        raise FamilyError(
            f"the number of trials of {name!r} must be a non-negative whole number.\n"
            f"  {_offenders(counts, None, bad, labels)}\n"
            "  Correct or drop these rows; p(successes, trials) takes the trials second."
        )
    return counts


def _offenders(
    values: Array, counts: Array | None, bad: Mask, labels: Sequence[object] | None
) -> str:
    """Say how many rows are at fault, and show the first of them.

    Rows are counted from zero where there are no labels.
    """
    positions: NDArray[np.intp] = np.flatnonzero(bad)
    shown = [
        f"row {_label(position, labels)} = {values[position]:g}"
        + ("" if counts is None else f" of {counts[position]:g}")
        for position in positions[:_SHOWN]
    ]
    end = ", ..." if len(positions) > _SHOWN else "."
    verb = "has another" if len(positions) == 1 else "have others"
    return f"{len(positions)} of {len(values)} rows {verb}: {', '.join(shown)}{end}"


def _label(position: np.intp, labels: Sequence[object] | None) -> object:
    return int(position) if labels is None else labels[int(position)]
