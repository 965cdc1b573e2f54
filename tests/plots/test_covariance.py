"""Heat maps and normals: matrices, blocks, bounds."""

from __future__ import annotations

import numpy as np
import pytest

from hierlm import plots
from hierlm.errors import DataError
from hierlm.plots.covariance import marginal_covariance
from hierlm.plots.effects import posterior_covariance
from hierlm.results import Fit
from hierlm.summaries import draws_of


def _image(drawn, name):
    return np.asarray(drawn.viz["plot"].sel(panel=name).item().images[0].get_array())


def _dense(fit: Fit) -> np.ndarray:
    """Return Z Sigma Z' + sigma^2 I with dummies, the long way."""
    V = np.eye(fit.design.n) * np.square(draws_of(fit.idata, "sigma")).mean()
    for group, block in zip(fit.spec.groups, fit.design.blocks, strict=True):
        Sigma = posterior_covariance(fit.idata, group).mean(axis=0)
        q = len(group.coefs)
        Z = np.zeros((fit.design.n, block.n_levels * q))
        for i, code in enumerate(block.codes):
            Z[i, code * q : (code + 1) * q] = block.Z[i]
        V += Z @ np.kron(np.eye(block.n_levels), Sigma) @ Z.T
    return V


def test_marginal_covariance_is_the_dense_one(sleep: Fit, crossed: Fit) -> None:
    for fit in (sleep, crossed):
        Sigmas = {
            g.factor: posterior_covariance(fit.idata, g).mean(axis=0) for g in fit.spec.groups
        }
        rows = np.arange(fit.design.n)[::-7]
        V, residual = marginal_covariance(fit.spec, fit.design, fit.idata, rows, Sigmas)
        assert residual
        np.testing.assert_allclose(V, _dense(fit)[np.ix_(rows, rows)], rtol=1e-12)


def test_blocks_show(sleep: Fit) -> None:
    drawn = plots.plot_covariance(sleep.spec, sleep.design, sleep.idata, rows=30)
    V = _image(drawn, "rows")
    assert V.shape == (30, 30)
    blocks = np.kron(np.eye(3), np.ones((10, 10)))
    assert ((V != 0) == (blocks == 1)).all()
    Sigma = posterior_covariance(sleep.idata, sleep.spec.groups[0]).mean(axis=0)
    np.testing.assert_allclose(_image(drawn, "Subject"), Sigma)
    axes = drawn.viz["plot"].sel(panel="rows").item()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["308", "309", "310"]
    assert axes.get_title() == "covariance of the responses, 30 of 180 rows by Subject"


def test_rows_are_ordered_by_the_factor_of_fewest_levels(crossed: Fit) -> None:
    args = crossed.spec, crossed.design, crossed.idata
    V = _image(plots.plot_covariance(*args, rows=200), "rows")
    plate, sample = (posterior_covariance(crossed.idata, g).mean() for g in crossed.spec.groups)
    same_sample = np.kron(np.eye(6), np.ones((24, 24)))
    same_plate = np.kron(np.ones((6, 6)), np.eye(24))
    off = ~np.eye(144, dtype=bool)
    np.testing.assert_allclose(V[off], (plate * same_plate + sample * same_sample)[off])
    drawn = plots.plot_covariance(*args, "plate", levels=["b", "a"])
    assert _image(drawn, "rows").shape == (12, 12)
    axes = drawn.viz["plot"].sel(panel="rows").item()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]


def test_correlations(machines: Fit) -> None:
    drawn = plots.plot_covariance(machines.spec, machines.design, machines.idata, correlation=True)
    for name in ("Worker", "rows"):
        np.testing.assert_allclose(np.diag(_image(drawn, name)), 1)


def test_bounded(many: Fit) -> None:
    drawn = plots.plot_covariance(many.spec, many.design, many.idata)
    assert _image(drawn, "rows").shape == (60, 60)
    for rows in (0, 2.5, True):
        with pytest.raises(DataError, match="whole number from 1"):
            plots.plot_covariance(many.spec, many.design, many.idata, rows=rows)


def test_normal_in_two_dimensions() -> None:
    drawn = plots.plot_mvn([[1, 1.5], [1.5, 4]], names=["a", "b"])
    contours = drawn.viz["plot"].sel(panel="contours").item()
    assert contours.get_title() == "correlation 0.75"
    axes = np.asarray(contours.lines[2].get_xydata()).reshape(-1, 3, 2)
    directions = axes[:, 1] - axes[:, 0]
    _, vectors = np.linalg.eigh([[1, 1.5], [1.5, 4]])
    cosines = np.abs(np.sum(directions.T * vectors, axis=0)) / np.linalg.norm(directions, axis=1)
    np.testing.assert_allclose(cosines, 1)
    bound = drawn.viz["plot"].sel(panel="bound").item()
    assert bound.get_title() == "positive definite between ±2; here 1.5"
    here = np.asarray(bound.collections[-1].get_offsets())[0]
    np.testing.assert_allclose(here, [1.5, 4 - 1.5**2])


def test_normal_in_three_dimensions() -> None:
    drawn = plots.plot_mvn([[1, 1.5, 1], [1.5, 5, 3], [1, 3, 9]])
    titles = [
        drawn.viz["plot"].sel(panel=name).item().get_title() for name in ("x, y", "x, z", "y, z")
    ]
    assert titles == ["correlation 0.67", "correlation 0.33", "correlation 0.45"]
    edge = np.asarray(drawn.viz["plot"].sel(panel="bound").item().lines[1].get_xydata())
    r = 3 / np.sqrt(45)
    determinant = 1 + 2 * edge[:, 0] * edge[:, 1] * r - (edge**2).sum(axis=1) - r**2
    np.testing.assert_allclose(determinant, 0, atol=1e-12)


@pytest.mark.parametrize(
    ("cov", "message"),
    [
        ([[1, 3], [3, 4]], r"covariance of x and y is between -2 and 2; came 3"),
        ([[1, 0], [0, -1]], "the variance of y is -1"),
        (
            [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]],
            "each pair of correlations is possible, all three together",
        ),
        ([[1, 0.5], [0.4, 1]], "symmetric"),
        ([[1, np.nan], [np.nan, 1]], "finite"),
        (np.eye(4), "2 by 2 or 3 by 3"),
        ([1, 2], "2 by 2 or 3 by 3"),
    ],
)
def test_no_covariance_matrix(cov, message: str) -> None:
    with pytest.raises(DataError, match=message):
        plots.plot_mvn(cov)


def test_names_and_means_fit_the_matrix() -> None:
    for wrong in ({"names": ["a"]}, {"names": ["a", "a"]}, {"mean": [0, 0, 0]}):
        with pytest.raises(DataError, match="2 different names and 2 means"):
            plots.plot_mvn(np.eye(2), **wrong)
