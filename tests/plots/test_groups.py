"""Small multiples and shrinkage: lines and arrows against the fits and the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import plots
from hierlm.errors import DataError
from hierlm.results import Fit
from hierlm.shrinkage import shrinkage
from hierlm.summaries import Interval, draws_of


def _parts(fit: Fit):
    return fit.spec, fit.design, fit.frame, fit.idata


def _panel(drawn, name):
    return drawn.viz["plot"].sel(panel=name).item()


def _points(axes, k=0):
    return np.asarray(axes.collections[k].get_offsets())


def test_lines_of_a_level(sleep: Fit) -> None:
    drawn = plots.plot_groups(*_parts(sleep))
    axes = _panel(drawn, "308")
    population, pooled, own = (np.asarray(line.get_xydata()) for line in axes.lines)
    rows = sleep.frame[sleep.frame["Subject"].astype(str) == "308"]
    slope, intercept = np.polyfit(rows["Days"], rows["Reaction"], 1)  # lm of the level alone
    np.testing.assert_allclose(own[:, 1], intercept + slope * own[:, 0])
    assert (own[0, 0], own[-1, 0]) == (0, 9)
    beta, b = draws_of(sleep.idata, "beta"), draws_of(sleep.idata, "r_Subject")[0]
    X = np.column_stack([np.ones(25), pooled[:, 0]])
    np.testing.assert_allclose(pooled[:, 1], (X @ (beta + b)).mean(axis=-1))
    np.testing.assert_allclose(population[:, 1], (X @ beta).mean(axis=-1))
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    bounds = Interval().of(X @ (beta + b))
    assert band.min() == pytest.approx(bounds.min())
    assert band.max() == pytest.approx(bounds.max())
    np.testing.assert_allclose(_points(axes, 1), rows[["Days", "Reaction"]])


def test_labels_of_the_figure(sleep: Fit) -> None:
    figure = plots.plot_groups(*_parts(sleep)).viz["figure"].item()
    assert figure.get_supxlabel() == "Days"
    assert figure.get_supylabel() == "Reaction (ms)"
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == ["data", "no pooling", "partial pooling, 89%", "population"]


def test_pages(many: Fit) -> None:
    drawn = plots.plot_groups(*_parts(many), page=8)
    names = drawn.viz["plot"].panel.to_numpy().tolist()
    assert names == [f"g{i:03d}" for i in range(280, 300)]
    assert drawn.viz["figure"].item().get_supxlabel() == "x [page 8 of 8]"
    for page in (0, 9, 1.5, True):
        with pytest.raises(DataError, match="whole number from 1 to 8, of 40 levels"):
            plots.plot_groups(*_parts(many), page=page)


def test_chosen_levels_in_their_order(sleep: Fit) -> None:
    drawn = plots.plot_groups(*_parts(sleep), levels=["330", "308"])
    assert drawn.viz["plot"].panel.to_numpy().tolist() == ["330", "308"]
    with pytest.raises(DataError, match=r"'3088'\. Did you mean '308'"):
        plots.plot_groups(*_parts(sleep), levels="3088")
    with pytest.raises(DataError, match=r"no predictor called 'Day'\. Did you mean 'Days'"):
        plots.plot_groups(*_parts(sleep), x="Day")


def test_categories_and_no_predictor(machines: Fit, crossed: Fit) -> None:
    axes = _panel(plots.plot_groups(*_parts(machines)), "1")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "B", "C"]
    own = _points(axes)
    rows = machines.frame[machines.frame["Worker"].astype(str) == "1"]
    means = rows.groupby("Machine", observed=True)["score"].mean()
    np.testing.assert_allclose(own[:, 1], means)
    drawn = plots.plot_groups(*_parts(crossed), "sample")
    assert drawn.viz["figure"].item().get_supxlabel() == "row within sample"


def test_own_axes(sleep: Fit) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(ncols=2)
    drawn = plots.plot_groups(*_parts(sleep), levels=["308", "309"], ax=axes)
    assert drawn.viz["figure"].item() is figure
    assert _panel(drawn, "309") is axes[1]
    assert axes[0].get_xlabel() == "Days"
    with pytest.raises(DataError, match=r"2 of them for this plot; came 1 of type Axes"):
        plots.plot_groups(*_parts(sleep), levels=["308", "309"], ax=axes[0])
    with pytest.raises(DataError, match="of type str"):
        plots.plot_groups(*_parts(sleep), levels=["308"], ax="axes")


def test_nested_level_has_the_effects_of_its_parent() -> None:
    data = hl.load_dataset("Pastes")
    fit = synthetic_fit(hl.Model("strength ~ 1 + (1 | batch/cask)", data), draws=60)
    axes = _panel(plots.plot_groups(*_parts(fit), "batch:cask"), "A:b")
    total = draws_of(fit.idata, "beta")[0] + draws_of(fit.idata, "r_batch")[0, 0]
    total = total + draws_of(fit.idata, "r_batch:cask")[1, 0]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), total.mean())
    rows = data[(data["batch"] == "A") & (data["cask"] == "b")]
    np.testing.assert_allclose(axes.lines[2].get_ydata(), rows["strength"].mean())


def test_logistic_no_pooling_is_the_own_estimate() -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(list("abcdefgh"), 60), "x": rng.normal(size=480)})
    data["y"] = (rng.uniform(size=480) < 1 / (1 + np.exp(-data["x"]))).astype(int)
    data.loc[data["g"] == "c", "y"] = 1  # no finite estimate
    fit = synthetic_fit(hl.Model("y ~ x + (x | g)", data, family="bernoulli"), draws=60)
    drawn = plots.plot_groups(*_parts(fit))
    own = np.asarray(_panel(drawn, "a").lines[2].get_xydata())
    table = shrinkage(fit.spec, fit.design, fit.idata, "g", Interval())["no_pooling"].loc["a"]
    eta = table["Intercept"] + table["x"] * own[:, 0]
    np.testing.assert_allclose(own[:, 1], 1 / (1 + np.exp(-eta)), rtol=1e-6)
    assert np.isnan(_panel(drawn, "c").lines[2].get_ydata()).all()


def test_arrows_go_from_no_pooling_to_partial_pooling(sleep: Fit) -> None:
    axes = _panel(plots.plot_shrinkage(*_parts(sleep)), "Intercept, Days")
    table = shrinkage(sleep.spec, sleep.design, sleep.idata, None, Interval())
    wide = table[["no_pooling", "no_pooling_se", "mean"]].unstack()
    quiver = next(c for c in axes.collections if type(c).__name__ == "Quiver")
    np.testing.assert_allclose(quiver.XY, wide["no_pooling"][["Intercept", "Days"]])
    ends = quiver.XY + np.column_stack([quiver.U, quiver.V])
    np.testing.assert_allclose(ends, wide["mean"][["Intercept", "Days"]])
    center = np.asarray(axes.collections[-1].get_offsets())[0]
    np.testing.assert_allclose(center, table["population"].iloc[:2])
    bars = np.asarray(axes.lines[2].get_xydata()).reshape(-1, 3, 2)
    widths = (bars[:, 1, 0] - bars[:, 0, 0]) / 2
    np.testing.assert_allclose(widths, wide["no_pooling_se"]["Intercept"])


def test_one_coefficient_below_each_other(crossed: Fit) -> None:
    drawn = plots.plot_shrinkage(*_parts(crossed), "plate")
    axes = _panel(drawn, "Intercept")
    table = shrinkage(crossed.spec, crossed.design, crossed.idata, "plate", Interval())
    table = table.xs("Intercept", level="coef").sort_values("no_pooling", kind="stable")
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(table.index)
    quiver = next(c for c in axes.collections if type(c).__name__ == "Quiver")
    np.testing.assert_allclose(quiver.XY[:, 0], table["no_pooling"])
    np.testing.assert_allclose(quiver.XY[:, 0] + quiver.U, table["mean"])
    bars = np.asarray(axes.lines[1].get_xydata()).reshape(-1, 3, 2)
    np.testing.assert_allclose(bars[:, 0, 0], table["eti89_lb"])
    assert axes.get_xlabel() == "Intercept (mm)"


def test_level_without_own_estimate_has_no_arrow() -> None:
    data = hl.load_dataset("sleepstudy")
    data = data[(data["Subject"].astype(str) != "308") | (data["Days"] == 0)]
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data), draws=30)
    axes = _panel(plots.plot_shrinkage(*_parts(fit)), "Intercept, Days")
    quiver = next(c for c in axes.collections if type(c).__name__ == "Quiver")
    assert len(quiver.XY) == 17
    partial = axes.collections[-2].get_offsets()
    assert len(partial) == 18


def test_shrinkage_of_300_levels_and_of_three_coefficients(many: Fit, machines: Fit) -> None:
    drawn = plots.plot_shrinkage(*_parts(many))
    assert len(_panel(drawn, "Intercept, x").lines) == 2  # ellipses, no standard errors
    drawn = plots.plot_shrinkage(*_parts(machines))
    assert drawn.viz["plot"].sizes["panel"] == 3
    with pytest.raises(DataError, match=r"Did you mean 'Machine\[B\]'"):
        plots.plot_shrinkage(*_parts(machines), coefs=["Machin[B]"])


def test_a_predictor_of_levels_is_no_axis() -> None:
    """What does not differ within levels would put all rows of a level at one place."""
    data = hl.load_dataset("sleepstudy")
    age = {subject: float(k) for k, subject in enumerate(data["Subject"].unique())}
    data["age"] = data["Subject"].map(age).astype(float)
    fit = synthetic_fit(hl.Model("Reaction ~ age + Days + (1 | Subject)", data), draws=50)
    figure = plots.plot_groups(*_parts(fit), levels=["308", "309"]).viz["figure"].item()
    assert figure.get_supxlabel() == "Days"
    fit = synthetic_fit(hl.Model("Reaction ~ age + (1 | Subject)", data), draws=50)
    figure = plots.plot_groups(*_parts(fit), levels=["308", "309"]).viz["figure"].item()
    assert figure.get_supxlabel() == "row within Subject"
