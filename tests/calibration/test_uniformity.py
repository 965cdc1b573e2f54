from __future__ import annotations

import itertools
from math import factorial

import numpy as np
import pytest
from arviz_stats.ecdf_utils import simulate_confidence_bands
from scipy import stats

from hierlm.calibration.uniformity import (
    chi_squared,
    ecdf_band,
    ecdf_pvalue,
    ecdf_statistic,
    holm,
)


def outcomes(n: int) -> list[tuple[np.ndarray, float]]:
    """Return every way in which n values fall into n equal cells, with its probability."""
    found = []
    for counts in itertools.product(range(n + 1), repeat=n):
        if sum(counts) == n:
            ways = factorial(n) / np.prod([factorial(c) for c in counts])
            pit = np.repeat((np.arange(n) + 0.5) / n, counts)
            found.append((pit, ways / n**n))
    return found


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_pvalue_is_that_of_counting_all_outcomes(n: int) -> None:
    every = outcomes(n)
    assert sum(p for _, p in every) == pytest.approx(1)
    seen = [(ecdf_statistic(pit), p) for pit, p in every]
    for pit, _ in every:
        statistic = ecdf_statistic(pit)
        exact = sum(p for other, p in seen if other <= statistic * (1 + 1e-12))
        assert ecdf_pvalue(pit) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("n", [3, 5])
def test_the_band_holds_with_its_probability(n: int) -> None:
    z, lower, upper = ecdf_band(n, 0.8)
    inside = 0.0
    for pit, p in outcomes(n):
        ecdf = np.searchsorted(pit, z, side="right") / n
        inside += p * bool(np.all((lower <= ecdf) & (ecdf <= upper)))
    assert inside >= 0.8 - 1e-12


def test_the_band_is_arviz_without_its_monte_carlo_error() -> None:
    n, prob = 100, 0.9
    z, lower, upper = ecdf_band(n, prob)
    points = np.arange(1, n) / n
    pointwise = simulate_confidence_bands(n, 1, points, prob, 4000, np.random.default_rng(2))
    tail = (1 - pointwise) / 2
    np.testing.assert_allclose(z, points)
    np.testing.assert_allclose(n * lower, stats.binom.ppf(tail, n, points), atol=1)
    np.testing.assert_allclose(n * upper, stats.binom.isf(tail, n, points), atol=1)


@pytest.mark.parametrize(
    "distort",
    [lambda u: u**1.5, lambda u: 0.5 + 0.6 * (u - 0.5), lambda u: np.clip(1.4 * u - 0.2, 0, 1)],
    ids=["shift", "too wide", "too narrow"],
)
def test_it_finds_what_goes_wrong_with_ranks(distort: object) -> None:
    pit = distort(np.random.default_rng(3).random(200))  # type: ignore[operator]
    assert ecdf_pvalue(pit) < 1e-3
    assert chi_squared(np.floor(100 * pit).clip(0, 99), 99)[2] < 1e-2


def test_chi_squared_has_bins_of_equally_many_ranks() -> None:
    ranks = np.repeat(np.arange(100), 2)
    assert chi_squared(ranks, 99) == (0.0, 19, 1.0)
    value, df, p = chi_squared(np.zeros(200), 99)
    assert (value, df, p) == (200 * 19, 19, pytest.approx(0.0, abs=1e-12))
    assert chi_squared(np.arange(30), 99)[1] == 4  # 30 values fill 5 bins of those that fit
    assert np.isnan(chi_squared(np.arange(5), 99)[2])


def test_holm_is_monotone_and_at_most_one() -> None:
    np.testing.assert_allclose(holm([0.01, 0.02, 0.03, 0.9]), [0.04, 0.06, 0.06, 0.9])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1.0, 1.0])
