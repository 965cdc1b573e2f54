"""The values that a response can take, and what to do about the others.

A support is a list of rules. A rule is a test of each row and the remedy for the rows that
fail it, so that an error can say what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierlm.families.links import Array

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """One condition on each response.

    Parameters
    ----------
    holds : callable
        ``holds(y, trials)``: boolean array, true where the row is fine.
    remedy : str
        What to do about the rows where it is not.
    """

    holds: Callable[[Array, Array | None], Mask]
    remedy: str


@dataclass(frozen=True)
class Support:
    """The values that a response can take.

    Parameters
    ----------
    text : str
        In words, as it completes "the family needs ...".
    rules : tuple of Rule
        The conditions; a row is in the support when all hold.

    Examples
    --------
    >>> COUNTS.contains(np.array([0.0, 3.0, 2.5, -1.0]))
    array([ True,  True, False, False])
    """

    text: str
    rules: tuple[Rule, ...]

    def contains(self, y: Array, trials: Array | None = None) -> Mask:
        """Return which responses are in the support.

        Parameters
        ----------
        y : ndarray of shape (n,)
        trials : ndarray of shape (n,), optional

        Returns
        -------
        ndarray of bool of shape (n,)
        """
        inside = np.ones(np.shape(y), dtype=bool)
        for rule in self.rules:
            inside &= rule.holds(y, trials)
        return inside

    def remedies(self, y: Array, trials: Array | None = None) -> tuple[str, ...]:
        """Return the remedy of each rule that some row breaks, in order."""
        return tuple(rule.remedy for rule in self.rules if not rule.holds(y, trials).all())


def _finite(y: Array, trials: Array | None) -> Mask:
    return np.isfinite(y)


# The rules below pass what is not finite: that has a rule, and a remedy, of its own.
def _whole(y: Array, trials: Array | None) -> Mask:
    return ~np.isfinite(y) | np.equal(y, np.floor(y))


def _not_negative(y: Array, trials: Array | None) -> Mask:
    return ~np.isfinite(y) | (y >= 0)


def _not_zero(y: Array, trials: Array | None) -> Mask:
    return np.not_equal(y, 0)


def _not_a_proportion(y: Array, trials: Array | None) -> Mask:
    return ~np.isfinite(y) | (y <= 0) | (y >= 1)


def _at_most_one(y: Array, trials: Array | None) -> Mask:
    return ~np.isfinite(y) | (y <= 1)


def _within_unit(y: Array, trials: Array | None) -> Mask:
    return ~np.isfinite(y) | ((y >= 0) & (y <= 1))


def _not_zero_or_one(y: Array, trials: Array | None) -> Mask:
    return np.not_equal(y, 0) & np.not_equal(y, 1)


def _at_most_trials(y: Array, trials: Array | None) -> Mask:
    return ~np.isfinite(y) | (y <= (np.inf if trials is None else trials))


FINITE = Rule(_finite, "Drop or correct the rows that are missing or infinite.")

REALS = Support("finite numbers", (FINITE,))

BINARY = Support(
    "0 or 1",
    (
        FINITE,
        Rule(_not_negative, "Recode the two outcomes as 0 and 1."),
        Rule(
            _not_a_proportion,
            "A proportion: of known trials, write p(successes, trials) with family='binomial'; "
            "otherwise use family='beta'.",
        ),
        Rule(
            _at_most_one,
            "Successes out of several trials: write p(successes, trials) with "
            "family='binomial'. Two outcomes coded otherwise: recode them as 0 and 1.",
        ),
    ),
)

SUCCESSES = Support(
    "whole numbers from 0 to the number of trials",
    (
        FINITE,
        Rule(_whole, "A proportion? Give the counts: p(successes, trials)."),
        Rule(_not_negative, "Successes cannot be negative: correct the rows."),
        Rule(
            _at_most_trials,
            "More successes than trials: are the two columns swapped? Write p(successes, trials).",
        ),
    ),
)

COUNTS = Support(
    "non-negative whole numbers",
    (
        FINITE,
        Rule(
            _whole,
            "Did you mean a rate? Model the count and add offset(log(exposure)). "
            "For positive measurements use family='gamma' or 'lognormal'.",
        ),
        Rule(_not_negative, "Counts cannot be negative; family='gaussian' takes any number."),
    ),
)

_NEGATIVE = Rule(
    _not_negative,
    "For responses of either sign use family='gaussian' or 'student'.",
)

POSITIVE = Support(
    "positive numbers",
    (
        FINITE,
        _NEGATIVE,
        Rule(
            _not_zero,
            "Zeros have no density here: model whether the response is zero apart "
            "(family='bernoulli'), then the positive rows. For counts use family='poisson'.",
        ),
    ),
)

OPEN_UNIT = Support(
    "numbers strictly between 0 and 1",
    (
        FINITE,
        Rule(_within_unit, "Divide by the largest possible value; percentages by 100."),
        Rule(
            _not_zero_or_one,
            "Exact 0 and 1 have no density here: for counts out of known trials write "
            "p(successes, trials) with family='binomial'; otherwise squeeze the response, "
            "(y * (n - 1) + 0.5) / n with n rows (doi:10.1037/1082-989X.11.1.54).",
        ),
    ),
)
