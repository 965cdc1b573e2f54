"""Caterpillars, correlations and variances: what is drawn are the numbers of the tables."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hierlm import plots
from hierlm.errors import DataError
from hierlm.plots.effects import posterior_covariance
from hierlm.plots.geometry import ellipse, ellipses, half_axes
from hierlm.results import Fit
from hierlm.summaries import Interval, draws_of, ranef


def _panel(drawn, name):
    return drawn.viz["plot"].sel(panel=name).item()


def _points(axes, k=0):
    return np.asarray(axes.collections[k].get_offsets())


def _segments(line):
    """Return the ends of segments that NaN separates, an array of shape (k, 2, 2)."""
    return np.asarray(line.get_xydata()).reshape(-1, 3, 2)[:, :2]


def test_caterpillar_draws_the_table_sorted(sleep: Fit) -> None:
    drawn = plots.plot_ranef(sleep.spec, sleep.idata, sleep.frame)
    table = ranef(sleep.spec, sleep.idata, "Subject", Interval())
    order = table.xs("Intercept", level="coef")["mean"].sort_values().index
    for coef in ("Intercept", "Days"):
        own = table.xs(coef, level="coef").loc[order]
        axes = _panel(drawn, coef)
        np.testing.assert_allclose(
            _points(axes), np.column_stack([own["mean"], np.arange(18)]), rtol=1e-12
        )
        whole = _segments(axes.lines[0])
        np.testing.assert_allclose(whole[:, 0, 0], own["eti89_lb"], rtol=1e-12)
        np.testing.assert_allclose(whole[:, 1, 0], own["eti89_ub"], rtol=1e-12)
        half = _segments(axes.lines[1])
        assert (half[:, 0, 0] > whole[:, 0, 0]).all()
        assert (half[:, 1, 0] < whole[:, 1, 0]).all()
    names = [label.get_text() for label in _panel(drawn, "Intercept").get_yticklabels()]
    assert names == list(order)


def test_caterpillar_sorted_otherwise(sleep: Fit) -> None:
    args = sleep.spec, sleep.idata, sleep.frame
    days = plots.plot_ranef(*args, sort="Days")
    means = _points(_panel(days, "Days"))[:, 0]
    assert (np.diff(means) >= 0).all()
    assert not (np.diff(_points(_panel(days, "Intercept"))[:, 0]) >= 0).all()
    plain = plots.plot_ranef(*args, sort=None, coefs="Days")
    names = [label.get_text() for label in _panel(plain, "Days").get_yticklabels()]
    assert names[::-1] == list(sleep.spec.groups[0].levels.labels)


def test_axes_are_labelled_with_units(sleep: Fit, many: Fit) -> None:
    drawn = plots.plot_ranef(sleep.spec, sleep.idata, sleep.frame)
    assert _panel(drawn, "Intercept").get_xlabel() == "Intercept (ms)"
    assert _panel(drawn, "Days").get_xlabel() == "Days (ms per day)"
    assert _panel(drawn, "Intercept").get_ylabel() == "Subject"
    own = plots.plot_ranef(many.spec, many.idata, many.frame)
    assert _panel(own, "x").get_xlabel() == "x"
    seconds = sleep.frame.assign(Reaction=sleep.frame["Reaction"] / 1000)
    other = plots.plot_ranef(sleep.spec, sleep.idata, seconds)
    assert _panel(other, "Days").get_xlabel() == "Days"


def test_names_of_300_levels_do_not_touch(many: Fit) -> None:
    drawn = plots.plot_ranef(many.spec, many.idata, many.frame)
    figure = drawn.viz["figure"].item()
    figure.canvas.draw()
    axes = _panel(drawn, "Intercept")
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert 30 <= len(boxes) <= 60
    tops = sorted((box.y0, box.y1) for box in boxes)
    assert all(low[1] <= high[0] + 1 for low, high in itertools.pairwise(tops))
    assert len(_points(axes)) == 300
    assert figure.get_size_inches()[0] * figure.dpi == 640


def test_chosen_levels_and_coefficients(crossed: Fit) -> None:
    args = crossed.spec, crossed.idata, crossed.frame
    drawn = plots.plot_ranef(*args, "plate", levels=["c", "a"])
    assert len(_points(_panel(drawn, "Intercept"))) == 2
    with pytest.raises(DataError, match=r"no level of 'plate' called 'A'\. Did you mean 'a'"):
        plots.plot_ranef(*args, "plate", levels="A")
    with pytest.raises(DataError, match="Did you mean 'plate'"):
        plots.plot_ranef(*args, "plates")
    with pytest.raises(DataError, match="name a grouping factor"):
        plots.plot_ranef(*args)
    with pytest.raises(DataError, match=r"no coefficient that varies by 'plate' called 'Days'"):
        plots.plot_ranef(*args, "plate", coefs="Days")
    with pytest.raises(DataError, match="at least one"):
        plots.plot_ranef(*args, "plate", levels=[])


def test_no_groups_to_draw(ungrouped: Fit) -> None:
    fit = ungrouped
    with pytest.raises(DataError, match="no grouping factor"):
        plots.plot_ranef(fit.spec, fit.idata, fit.frame)
    with pytest.raises(DataError, match="no grouping factor"):
        plots.plot_covariance(fit.spec, fit.design, fit.idata)


def test_ellipse_has_the_axes_of_the_matrix() -> None:
    cov = np.array([[2.0, 1.2], [1.2, 1.5]])
    values, vectors = np.linalg.eigh(cov)
    axes = half_axes(cov, 0.9)
    radius = np.sqrt(2 * np.log(10))  # chi-square of two: -2 log(1 - p)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=0), radius * np.sqrt(values))
    np.testing.assert_allclose(np.abs(np.sum(axes * vectors, axis=0)), radius * np.sqrt(values))
    around = ellipse([3.0, -1.0], cov, 0.9, 400) - [3.0, -1.0]
    distance = np.einsum("ni,ij,nj->n", around, np.linalg.inv(cov), around)
    np.testing.assert_allclose(distance, radius**2)
    lengths = np.linalg.norm(around, axis=1)
    assert lengths.max() == pytest.approx(radius * np.sqrt(values[1]), rel=1e-4)
    assert lengths.min() == pytest.approx(radius * np.sqrt(values[0]), rel=1e-4)


def test_ellipse_holds_its_probability() -> None:
    cov = np.array([[1.0, -0.6], [-0.6, 2.0]])
    x = np.random.default_rng(1).multivariate_normal([0, 0], cov, size=40_000)
    inside = (
        np.einsum("ni,ij,nj->n", x, np.linalg.inv(cov), x)
        <= np.square(np.linalg.solve(np.linalg.cholesky(cov), ellipse([0, 0], cov, 0.5)[0])).sum()
    )
    assert abs(inside.mean() - 0.5) < 5 * 0.5 / np.sqrt(len(x))


def test_many_ellipses_are_one_path() -> None:
    covs = np.stack([np.eye(2), 4 * np.eye(2)])
    path = ellipses(np.zeros((2, 2)), covs, 0.5, n=10)
    assert path.shape == (22, 2)
    assert np.isnan(path[[10, 21]]).all()
    np.testing.assert_allclose(path[11:21], 2 * path[:10])


def test_correlation_plane(sleep: Fit) -> None:
    drawn = plots.plot_correlation(sleep.spec, sleep.idata, sleep.frame, ci_prob=0.5)
    axes = _panel(drawn, "Intercept, Days")
    b = draws_of(sleep.idata, "r_Subject")
    np.testing.assert_allclose(_points(axes), b.mean(axis=-1))
    own = np.asarray(axes.lines[2].get_xydata())[:49]
    np.testing.assert_allclose(own, ellipse(b[0].mean(axis=-1), np.cov(b[0]), 0.5, 49))
    Sigma = posterior_covariance(sleep.idata, sleep.spec.groups[0]).mean(axis=0)
    whole = np.asarray(axes.lines[3].get_xydata())
    np.testing.assert_allclose(whole, ellipse([0, 0], Sigma, 0.5))


def test_correlation_takes_two_coefficients(crossed: Fit, machines: Fit) -> None:
    with pytest.raises(DataError, match=r"1 varies by 'plate': Intercept\.\n  plot_ranef"):
        plots.plot_correlation(crossed.spec, crossed.idata, crossed.frame, "plate")
    drawn = plots.plot_correlation(machines.spec, machines.idata, machines.frame)
    assert drawn.viz["plot"].sizes["panel"] == 3


def test_posterior_over_prior(sleep: Fit) -> None:
    drawn = plots.plot_varcorr(sleep.spec, sleep.idata, sleep.frame)
    panels = drawn.viz["plot"].panel.to_numpy().tolist()
    assert panels == [
        "sd_Subject[Intercept]",
        "sd_Subject[Days]",
        "cor_Subject[Intercept, Days]",
        "sigma",
    ]
    axes = _panel(drawn, "cor_Subject[Intercept, Days]")
    prior = np.asarray(axes.lines[1].get_xydata())  # LKJ(2): 3/4 (1 - r^2)
    np.testing.assert_allclose(prior[:, 1], 0.75 * (1 - prior[:, 0] ** 2), rtol=1e-9)
    axes = _panel(drawn, "sd_Subject[Days]")
    prior = np.asarray(axes.lines[1].get_xydata())
    expected = np.exp(sleep.spec.priors["sd_Subject[Days]"].logpdf(prior[:, 0]))
    np.testing.assert_allclose(prior[:, 1], expected)
    assert axes.get_xlabel() == "sd of Days (ms per day)\nby Subject"
    draws = draws_of(sleep.idata, "sd_Subject")[1]
    np.testing.assert_allclose(axes.lines[2].get_xdata(), Interval().of(draws))
    assert _points(axes, -1)[0, 0] == pytest.approx(draws.mean())


def test_variances_of_one_factor(crossed: Fit, ungrouped: Fit) -> None:
    drawn = plots.plot_varcorr(crossed.spec, crossed.idata, crossed.frame, "plate")
    assert drawn.viz["plot"].panel.to_numpy().tolist() == ["sd_plate[Intercept]"]
    drawn = plots.plot_varcorr(ungrouped.spec, ungrouped.idata, ungrouped.frame)
    assert drawn.viz["plot"].panel.to_numpy().tolist() == ["sigma"]
