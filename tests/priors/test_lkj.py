from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate

from hierlm.errors import PriorError
from hierlm.priors import LKJ

ETAS = pytest.mark.parametrize("eta", [0.7, 1.0, 2.0, 5.0])


def matrices(*pairs: np.ndarray) -> np.ndarray:
    """Correlation matrices from the correlations above the diagonal, row by row."""
    q = {1: 2, 3: 3}[len(pairs)]
    R = np.broadcast_to(np.eye(q), (*np.shape(pairs[0]), q, q)).copy()
    for value, i, j in zip(pairs, *np.triu_indices(q, 1), strict=True):
        R[..., i, j] = R[..., j, i] = value
    return R


@ETAS
def test_density_integrates_to_one_for_two_coefficients(eta: float) -> None:
    prior = LKJ(eta)
    area, _ = integrate.quad(lambda r: np.exp(prior.logpdf(matrices(np.array(r)))), -1, 1)
    assert area == pytest.approx(1.0, rel=1e-6)
    x = np.array([-0.8, 0.1, 0.6])
    np.testing.assert_allclose(prior.logpdf(matrices(x)), prior.marginal(2).logpdf(x), rtol=1e-12)


@ETAS
def test_density_integrates_to_one_for_three_coefficients(eta: float) -> None:
    # uniform points in the cube (-1, 1)^3, of which the correlation matrices are a part
    n, prior = 200_000, LKJ(eta)
    points = np.random.default_rng(5).uniform(-1, 1, size=(3, n))
    density = 8 * np.exp(prior.logpdf(matrices(*points)))
    error = density.std() / np.sqrt(n)
    assert error < 0.02
    assert abs(density.mean() - 1) < 4 * error


def test_uniform_density_is_one_over_the_volume() -> None:
    # volume of the 3 x 3 correlation matrices: pi^2 / 2
    assert LKJ(1).logpdf(np.eye(3)) == pytest.approx(-np.log(np.pi**2 / 2), rel=1e-12)
    assert LKJ(3).logpdf(np.eye(1)) == 0.0


@ETAS
@pytest.mark.parametrize("q", [2, 3, 5])
def test_draws_have_the_marginal_sd(eta: float, q: int) -> None:
    n, prior = 20_000, LKJ(eta)
    R = prior.rvs(np.random.default_rng(9), q, n)
    a = eta - 1 + q / 2
    i, j = np.triu_indices(q, 1)
    squares = R[:, i, j] ** 2  # the mean of each correlation is zero
    error = squares.std(axis=0) / np.sqrt(n)
    np.testing.assert_array_less(np.abs(squares.mean(axis=0) - 1 / (2 * a + 1)) / error, 4.5)
    assert prior.marginal(q).std() == pytest.approx(np.sqrt(1 / (2 * a + 1)))
    assert np.isfinite(prior.logpdf(R)).all()


def test_draws_and_density_agree_on_the_determinant() -> None:
    # E det(R) = Z(eta + 1) / Z(eta), from the density alone
    n, q, prior = 20_000, 4, LKJ(1.5)
    det = np.linalg.det(prior.rvs(np.random.default_rng(2), q, n))
    wanted = np.exp(LKJ(2.5).log_normalizer(q) - prior.log_normalizer(q))
    assert abs(det.mean() - wanted) < 4 * det.std() / np.sqrt(n)


def test_shapes_and_the_generator() -> None:
    prior = LKJ(2)
    assert prior.rvs(np.random.default_rng(1), 3).shape == (3, 3)
    assert prior.rvs(np.random.default_rng(1), 3, (2, 4)).shape == (2, 4, 3, 3)
    np.testing.assert_array_equal(prior.rvs(np.random.default_rng(1), 1, 2), np.ones((2, 1, 1)))
    first, second = (prior.rvs(np.random.default_rng(1), 3, 5) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, np.swapaxes(first, 1, 2))
    assert prior.logpdf(first).shape == (5,)
    assert prior.support == (-1.0, 1.0)


@pytest.mark.parametrize(
    "matrix",
    [
        [[1.0, 1.0], [1.0, 1.0]],
        [[1.0, 1.2], [1.2, 1.0]],
        [[2.0, 0.5], [0.5, 1.0]],
        [[1.0, 0.5], [0.4, 1.0]],
        [[1.0, np.nan], [np.nan, 1.0]],
        matrices(np.array(0.9), np.array(0.9), np.array(-0.9)),
    ],
)
def test_what_is_no_correlation_matrix_has_no_density(matrix: object) -> None:
    for eta in (0.5, 1.0, 2.0):
        assert LKJ(eta).logpdf(matrix) == -np.inf  # type: ignore[arg-type]


def test_messages() -> None:
    with pytest.raises(PriorError, match=r"^LKJ: eta must be positive; came -1\.$"):
        LKJ(-1)
    with pytest.raises(PriorError, match=r"a correlation matrix is square; came shape \(2, 3\)"):
        LKJ(2).logpdf(np.ones((2, 3)))
    with pytest.raises(PriorError, match=r"1 coefficients have no correlation"):
        LKJ(2).marginal(1)
