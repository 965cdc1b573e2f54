"""The structure of a design in sentences: replication, covariance parameters, nesting.

Index arithmetic on codes only, a sort of the rows at most: a million rows take a second.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hierlm.checking.findings import Finding, listed
from hierlm.design import Design, GroupBlock
from hierlm.spec import ModelSpec

Codes = NDArray[np.int64]
Counts = NDArray[np.int64]

_LEVELS_PER_PARAMETER = 5
_SERIAL = 50  # labels 1, 2, ... beyond this number a study through rather than a part of it


def structure(spec: ModelSpec, design: Design) -> Iterator[Finding]:
    """Yield what the grouping factors of a design are like.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    """
    for block in design.blocks:
        counts = np.bincount(block.codes, minlength=block.n_levels)
        yield _replication(block, counts)
        yield from _thin(spec, design, block, counts)
        yield _covariance(block)
    for first, second in itertools.combinations(design.blocks, 2):
        yield _pair(first, second)


def _replication(block: GroupBlock, counts: Counts) -> Finding:
    factor, low, high = block.factor, int(counts.min()), int(counts.max())
    if low == high:
        text = f"{factor} has {block.n_levels:,} levels with {_rows(low)} each: balanced."
    else:
        text = (
            f"{factor} has {block.n_levels:,} levels, with {low:,} to {high:,} rows each (median "
            f"{np.median(counts):,.0f})."
        )
        single = int(np.sum(counts == 1))
        if single:
            text += f" {single:,} level{'s have' if single > 1 else ' has'} a single row."
    return Finding("ok", "replication", text)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _thin(spec: ModelSpec, design: Design, block: GroupBlock, counts: Counts) -> Iterator[Finding]:
    """Say what levels with few rows cannot tell; the spec's notes have the gaussian extremes."""
    factor, family, q = block.factor, spec.family, block.n_coefs
    if counts.max() == 1 and design.weights is None and family.discrete:
        if family.name == "bernoulli":
            yield Finding(
                "warning",
                "replication",
                f"Every level of {factor} has one row, which is yes or no: such a row cannot show "
                f"how it differs from the others, and sd_{factor} comes from its prior alone. "
                "Leave the bar out.",
            )
        elif family.name == "negbinomial":
            yield Finding(
                "warning",
                "replication",
                f"{factor} has a level per row, which adds overdispersion, and the negative "
                "binomial's alpha does the same: the two cannot be told apart. Use "
                "family='poisson', or leave the bar out.",
            )
        else:
            yield Finding(
                "ok",
                "replication",
                f"{factor} has a level per row: it stands for overdispersion of the "
                f"{family.name}, a spread of the rows beyond that of the family.",
            )
    elif q > 1 and np.median(counts) <= q:
        yield Finding(
            "note",
            "replication",
            f"{factor} has {q} coefficients per level, and half of its levels have {q} rows or "
            "fewer: a level by itself could not be fitted, and leans on the others.",
        )


def _covariance(block: GroupBlock) -> Finding:
    factor, levels, covariance = block.factor, block.n_levels, block.covariance
    q, pairs, total = block.n_coefs, len(block.covariance.pairs), block.covariance.n_parameters
    what = f"{q} sd{'' if q == 1 else 's'}"
    if pairs:
        what += f" and {pairs} correlation{'' if pairs == 1 else 's'}"
    text = f"Effects of {factor} have {what}, learnt from {levels:,} levels"
    if q == 1 or levels >= _LEVELS_PER_PARAMETER * total:
        return Finding("ok", "covariance", text + ".")
    enough = _LEVELS_PER_PARAMETER * total
    text += f": {total} parameters, for which {enough} levels would be comfortable."
    if covariance.pairs:
        text += f" With '||' in place of '|' there are {q} sds and no correlation."
    return Finding("warning" if levels <= total else "note", "covariance", text)


def _pair(first: GroupBlock, second: GroupBlock) -> Finding:
    """Say whether two grouping factors are nested or crossed."""
    both = first.codes * np.int64(second.n_levels) + second.codes
    counts = np.unique(both, return_counts=True)[1]
    occurring = counts.size
    a, b = first.factor, second.factor
    if occurring == first.n_levels == second.n_levels:
        return Finding(
            "warning",
            "nesting",
            f"{a} and {b} group the rows alike, level by level: their sds cannot be told apart. "
            "Leave one of the bars out.",
        )
    if occurring == second.n_levels:
        return Finding("ok", "nesting", _nested(second, first))
    if occurring == first.n_levels:
        return Finding("ok", "nesting", _nested(first, second))
    whole = first.n_levels * second.n_levels
    small, large = sorted((first, second), key=lambda block: block.n_levels)
    if occurring == whole:
        text = f"{a} and {b} are crossed: each of their {whole:,} combinations occurs."
    else:
        text = (
            f"{a} and {b} are partly crossed: {occurring:,} of {whole:,} combinations of their "
            "levels occur."
        )
    # with one row per combination the nested factor would have a level per row: not that then
    if serial(small.levels) and counts.max() > 1:
        return Finding("warning", "nesting", f"{text} {reused(small, large.factor)}")
    return Finding("ok", "nesting", text)


def _nested(inner: GroupBlock, outer: GroupBlock) -> str:
    return (
        f"{inner.factor} is nested in {outer.factor}: each of its {inner.n_levels:,} levels is in "
        f"one of the {outer.n_levels:,} of {outer.factor}."
    )


def serial(levels: tuple[str, ...]) -> bool:
    """Return whether levels are labelled 1, 2, ... or a, b, ..., as parts of something are.

    Examples
    --------
    >>> serial(("a", "b", "c")), serial(("1", "2")), serial(("308", "309")), serial(("M", "F"))
    (True, True, False, False)
    """
    n = len(levels)
    found = {level.casefold() for level in levels}
    numbers = [{str(k + start) for k in range(n)} for start in (0, 1)]
    letters = set(string.ascii_lowercase[:n])
    return 1 < n <= _SERIAL and found in (*numbers, letters)


def reused(inner: GroupBlock, outer: str) -> str:
    """Return the question of implicit nesting, put to the user."""
    label = inner.levels[0]
    return (
        f"Are the labels of {inner.factor} ({listed(list(inner.levels), 3)}) used anew in each "
        f"{outer}? If {inner.factor} {label!r} of one {outer} is not {inner.factor} {label!r} of "
        f"the next, say so: (1 | {outer}/{inner.factor})."
    )
