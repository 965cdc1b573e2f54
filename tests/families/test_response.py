from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hierlm.errors import FamilyError
from hierlm.families import get_family

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("family", "y", "trials"),
    [
        ("gaussian", [-1.5, 0, 3], None),
        ("student", [1e300, -1], None),
        ("lognormal", [0.1, 2], None),
        ("gamma", [1e-9, 2], None),
        ("beta", [0.001, 0.999], None),
        ("bernoulli", [True, False], None),
        ("bernoulli", [0, 1.0], None),
        ("binomial", [0, 3], [0, 3]),
        ("binomial", [0, 3], 3),
        ("poisson", [0, 12], None),
        ("negbinomial", [0.0, 12.0], None),
    ],
)
def test_responses_in_the_support_pass(
    family: str, y: Sequence[float], trials: Sequence[float] | None
) -> None:
    get_family(family).check_response(y, trials)


@pytest.mark.parametrize(
    ("family", "y", "trials", "message"),
    [
        ("gaussian", [1, NAN, INF], None, r"2 of 3 rows have others: row 1 = nan, row 2 = inf\."),
        ("gaussian", [1, NAN], None, r"Drop or correct the rows"),
        ("poisson", [1, 2.5], None, r"1 of 2 rows has another: row 1 = 2.5\.\n.*a rate\?"),
        ("poisson", [1, 2.5], None, r"offset\(log\(exposure\)\)"),
        ("negbinomial", [-1, 2], None, r"row 0 = -1\.\n.*Counts cannot be negative"),
        ("poisson", [-1, 2.5], None, r"a rate\?.*\n.*Counts cannot be negative"),
        ("bernoulli", [0, 1, 2], None, r"needs 0 or 1 .*\n.*row 2 = 2\.\n.*p\(successes, trials\)"),
        ("bernoulli", [0, 0.5], None, r"A proportion: .*family='binomial'.*family='beta'"),
        ("bernoulli", [-1, 1], None, r"Recode the two outcomes as 0 and 1"),
        (
            "gamma",
            [0, 1],
            None,
            r"needs positive numbers .*\n.*row 0 = 0\.\n.*Zeros have no density",
        ),
        ("gamma", [-1, 1], None, r"either sign"),
        ("lognormal", [0, 1], None, r"family lognormal .*\n.*\n.*Zeros have no density"),
        ("beta", [0, 0.5, 1], None, r"strictly between 0 and 1 .*\n.*2 of 3.*\n.*squeeze"),
        ("beta", [0.5, 50], None, r"percentages by 100"),
        ("binomial", [1, 5], [4, 4], r"row 1 = 5 of 4\.\n.*More successes than trials"),
        ("binomial", [0.5, 1], [4, 4], r"row 0 = 0.5 of 4\.\n.*A proportion\?"),
        ("binomial", [-1, 1], [4, 4], r"cannot be negative"),
        (
            "binomial",
            [1, 1],
            None,
            r"needs the number of trials of 'y'\.\n.*p\(successes, trials\)",
        ),
        ("binomial", [1, 1], [-4, 4], r"non-negative whole number\.\n.*row 0 = -4\."),
        ("binomial", [1, 1], [4, 4.5], r"non-negative whole number\.\n.*row 1 = 4.5\."),
        ("binomial", [1, 1], [4, NAN], r"non-negative whole number\.\n.*row 1 = nan\."),
        ("binomial", [1, 1], ["a", "b"], r"trials of 'y' must be numbers"),
        ("binomial", [1, 1], [4, 4, 4], r"one per row: 2; came shape \(3,\)"),
        ("gaussian", [[1, 2], [3, 4]], None, r"one number per row in 'y'; came shape \(2, 2\)"),
        ("poisson", [1, 1], [4, 4], r"poisson takes no number of trials"),
        ("gaussian", ["a", "b"], None, r"'y' is not numeric: 'a', 'b'\.\n.*bernoulli"),
    ],
)
def test_responses_outside_the_support(
    family: str, y: Sequence[float], trials: Sequence[float] | None, message: str
) -> None:
    with pytest.raises(FamilyError, match=message):
        get_family(family).check_response(y, trials)


def test_rows_are_named_and_at_most_three_shown() -> None:
    y = np.array([0.5, 1.0, 1.5, 2.5, 3.5])
    with pytest.raises(FamilyError) as caught:
        get_family("poisson").check_response(y, name="count", labels=["a", "b", "c", "d", "e"])
    assert str(caught.value).splitlines()[:2] == [
        "family poisson needs non-negative whole numbers in 'count'.",
        "  4 of 5 rows have others: row a = 0.5, row c = 1.5, row d = 2.5, ...",
    ]


def test_contains_is_elementwise() -> None:
    support = get_family("binomial").support
    y, trials = np.array([0.0, 3.0, 1.5, NAN]), np.array([1.0, 2.0, 2.0, 2.0])
    np.testing.assert_array_equal(support.contains(y, trials), [True, False, False, False])
