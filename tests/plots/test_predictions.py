"""Predictions and variance shares along a predictor."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import plots, variance
from hierlm.errors import DataError
from hierlm.results import Fit
from hierlm.summaries import Interval, draws_of


def _parts(fit: Fit):
    return fit.spec, fit.design, fit.frame, fit.idata


def test_population_line(sleep: Fit) -> None:
    axes = plots.plot_predictions(*_parts(sleep)).viz["plot"].item()
    line = np.asarray(axes.lines[-1].get_xydata())
    X = np.column_stack([np.ones(len(line)), line[:, 0]])
    eta = X @ draws_of(sleep.idata, "beta")
    np.testing.assert_allclose(line[:, 1], eta.mean(axis=-1))
    band = axes.collections[-1].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(Interval().of(eta).max())
    np.testing.assert_allclose(
        np.asarray(axes.collections[0].get_offsets()), sleep.frame[["Days", "Reaction"]]
    )
    assert axes.get_ylabel() == "Reaction (ms)"


def test_line_of_each_level(sleep: Fit) -> None:
    drawn = plots.plot_predictions(*_parts(sleep), lines="Subject", levels=["309", "308"])
    line = np.asarray(drawn.viz["plot"].item().lines[0].get_xydata())
    assert np.isnan(line[:, 1]).sum() == 1
    first = line[: np.flatnonzero(np.isnan(line[:, 1]))[0]]
    total = draws_of(sleep.idata, "beta") + draws_of(sleep.idata, "r_Subject")[1]
    own = total.mean(axis=-1)
    np.testing.assert_allclose(first[:, 1], own[0] + own[1] * first[:, 0])
    with pytest.raises(DataError, match="Did you mean 'Subject'"):
        plots.plot_predictions(*_parts(sleep), lines="Subjects")


def test_by_another_predictor() -> None:
    data = hl.load_dataset("Contraception")
    fit = synthetic_fit(
        hl.Model("use ~ age * urban + (1 | district)", data, family="bernoulli"), draws=30
    )
    drawn = plots.plot_predictions(*_parts(fit), by="urban", data=False)
    said = [text.get_text() for text in drawn.viz["figure"].item().legends[0].get_texts()]
    assert said == ["urban N", "urban Y"]
    beta = draws_of(fit.idata, "beta")
    for k, line in enumerate(drawn.viz["plot"].item().lines):
        x = line.get_xdata()
        X = np.column_stack([np.ones(len(x)), x, np.full(len(x), k), k * x])
        np.testing.assert_allclose(line.get_ydata(), (1 / (1 + np.exp(-X @ beta))).mean(axis=-1))
    drawn = plots.plot_predictions(*_parts(fit), "urban", by="age")
    said = [text.get_text() for text in drawn.viz["figure"].item().legends[0].get_texts()]
    assert [text.split(" = ")[0] for text in said] == ["age"] * 3
    with pytest.raises(DataError, match="runs along the axis already"):
        plots.plot_predictions(*_parts(fit), "age", by="age")


def test_numbers_in_c_are_categories() -> None:
    data = hl.load_dataset("Arabidopsis")
    formula = "total.fruits ~ C(nutrient) * amd + (1 | gen)"
    fit = synthetic_fit(hl.Model(formula, data, family="negbinomial"), draws=30)
    axes = plots.plot_predictions(*_parts(fit), "nutrient", by="amd").viz["plot"].item()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "8"]
    plots.plot_predictions(*_parts(fit), "amd", groups="integrate")
    plots.plot_groups(*_parts(fit), levels="13")


def test_proportions_and_integration() -> None:
    data = hl.load_dataset("cbpp")
    model = hl.Model("p(incidence, size) ~ period + (1 | herd)", data, family="binomial")
    fit = synthetic_fit(model, draws=30)
    typical, mean = (
        np.asarray(
            plots.plot_predictions(*_parts(fit), groups=groups, data=False)
            .viz["plot"]
            .item()
            .collections[-1]
            .get_offsets()
        )
        for groups in ("none", "integrate")
    )
    assert (np.abs(mean[:, 1] - 0.5) < np.abs(typical[:, 1] - 0.5)).all()
    axes = plots.plot_predictions(*_parts(fit)).viz["plot"].item()
    assert axes.get_ylabel() == "proportion of incidence"
    assert axes.get_ylim()[1] <= 1.2
    with pytest.raises(DataError, match="'none' or 'integrate'"):
        plots.plot_predictions(*_parts(fit), groups="all")


def test_nothing_along_the_axis(crossed: Fit) -> None:
    with pytest.raises(DataError, match="no predictor"):
        plots.plot_predictions(*_parts(crossed))


def test_shares_of_the_variance(crossed: Fit) -> None:
    axes = plots.plot_icc(*_parts(crossed)).viz["plot"].item()
    table = variance.icc(crossed.spec, crossed.design, crossed.idata, Interval())
    np.testing.assert_allclose(np.asarray(axes.collections[0].get_offsets())[:, 0], table["mean"])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["plate", "sample", "residual"]
    assert [text.get_text() for text in axes.texts] == [f"{m:.2f}" for m in table["mean"]]


def test_shares_along_a_predictor(sleep: Fit, machines: Fit) -> None:
    axes = plots.plot_icc(*_parts(sleep), "Days").viz["plot"].item()
    subject, residual = (np.asarray(line.get_xydata()) for line in axes.lines)
    np.testing.assert_allclose(subject[:, 1] + residual[:, 1], 1)
    at_zero = variance.icc(
        sleep.spec, sleep.design, sleep.idata, Interval(), frame=sleep.frame, at={"Days": [0]}
    )
    assert subject[0, 1] == pytest.approx(at_zero["mean"].iloc[0])
    axes = plots.plot_icc(*_parts(machines), "Machine").viz["plot"].item()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "B", "C"]
    with pytest.raises(DataError, match="Days"):
        plots.plot_icc(*_parts(sleep), "Dayz")
