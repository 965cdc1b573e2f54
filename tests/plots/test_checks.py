"""Residuals, predictive checks, chains: ArviZ's plots are given the right numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from scipy import stats

import hierlm as hl
from hierlm import plots
from hierlm.checking import residuals
from hierlm.errors import DataError, PriorError
from hierlm.plots.chains import scalars
from hierlm.plots.residuals import _EXPECTED_ROOT
from hierlm.results import Fit
from hierlm.summaries import draws_of


def _parts(fit: Fit):
    return fit.spec, fit.design, fit.frame, fit.idata


def _panel(drawn, name):
    return drawn.viz["plot"].sel(panel=name).item()


def _points(axes, k=0):
    return np.asarray(axes.collections[k].get_offsets())


def test_residual_panels(sleep: Fit) -> None:
    drawn = plots.plot_residuals(*_parts(sleep), seed=4)
    assert drawn.viz["plot"].panel.to_numpy().tolist() == [
        "fitted",
        "scale",
        "qq",
        "r_Subject[Intercept]",
        "r_Subject[Days]",
    ]
    r = residuals(*_parts(sleep)[:2], sleep.idata, "normal", seed=4).to_numpy()
    beta, b = draws_of(sleep.idata, "beta"), draws_of(sleep.idata, "r_Subject")
    block = sleep.design.blocks[0]
    fitted = sleep.design.X @ beta.mean(axis=-1)
    fitted = fitted + np.sum(block.Z * b.mean(axis=-1)[block.codes], axis=1)
    axes = _panel(drawn, "fitted")
    np.testing.assert_allclose(_points(axes), np.column_stack([fitted, r]))
    assert axes.get_xlabel() == "fitted Reaction (ms)"
    np.testing.assert_allclose(_points(_panel(drawn, "scale"))[:, 1], np.sqrt(np.abs(r)))
    quantiles = _points(_panel(drawn, "qq"), 1)
    np.testing.assert_allclose(quantiles[:, 1], np.sort(r))
    np.testing.assert_allclose(quantiles[:, 0], stats.norm.ppf((np.arange(180) + 0.5) / 180))


def test_mean_of_the_scale_panel() -> None:
    from scipy.integrate import quad

    mean = quad(lambda z: 2 * np.sqrt(z) * stats.norm.pdf(z), 0, np.inf)[0]
    assert pytest.approx(mean, rel=1e-9) == _EXPECTED_ROOT


def test_effects_are_standardised_draw_by_draw(sleep: Fit) -> None:
    axes = _panel(plots.plot_residuals(*_parts(sleep), "effects"), "r_Subject[Days]")
    z = draws_of(sleep.idata, "r_Subject")[:, 1] / draws_of(sleep.idata, "sd_Subject")[1]
    np.testing.assert_allclose(_points(axes, 1)[:, 1], np.sort(z, axis=0).mean(axis=1))


def test_residuals_against_a_predictor(sleep: Fit) -> None:
    axes = _panel(plots.plot_residuals(*_parts(sleep), "fitted", x="Days"), "fitted")
    days = sleep.frame["Days"].to_numpy()
    jittered = _points(axes)[:, 0]
    assert 0 < np.abs(jittered - days).max() <= 0.12
    assert axes.get_xlabel() == "Days"


def test_wrong_panels(sleep: Fit, ungrouped: Fit) -> None:
    with pytest.raises(DataError, match=r"came 'fited'\. Did you mean 'fitted'"):
        plots.plot_residuals(*_parts(sleep), ["qq", "fited"])
    with pytest.raises(DataError, match="no group-specific effects"):
        plots.plot_residuals(*_parts(ungrouped), "effects")
    drawn = plots.plot_residuals(*_parts(ungrouped))
    assert drawn.viz["plot"].sizes["panel"] == 3


def test_densities_of_replicates(sleep: Fit) -> None:
    drawn = plots.plot_ppc(*_parts(sleep), samples=30)
    axes = drawn.viz["figure"].item().axes[0]
    assert axes.get_title() == "Reaction (ms)"
    assert len(axes.lines) == 31
    said = [text.get_text() for text in drawn.viz["figure"].item().legends[0].get_texts()]
    assert said == ["observed", "replicated"]


@pytest.mark.parametrize("kind", ["ecdf", "interval", "statistic"])
def test_other_kinds(sleep: Fit, kind) -> None:
    drawn = plots.plot_ppc(*_parts(sleep), kind, samples=30)
    assert drawn.viz["figure"].item().axes


def test_before_the_data(sleep: Fit) -> None:
    drawn = plots.plot_ppc(sleep.spec, sleep.design, sleep.frame, samples=20, seed=1)
    lines = drawn.viz["figure"].item().axes[0].lines
    widest = max(np.ptp(line.get_xdata()) for line in lines)
    assert widest > 5 * np.ptp(sleep.design.response)


def test_kinds_suit_the_response(sleep: Fit) -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"k": rng.poisson(3, 90), "b": rng.integers(0, 2, 90)})
    data["g"] = np.repeat(np.arange(9), 10)
    counts = synthetic_fit(hl.Model("k ~ 1 + (1 | g)", data, family="poisson"), draws=30)
    axes = plots.plot_ppc(*_parts(counts), samples=30).viz["figure"].item().axes[0]
    assert axes.get_xlabel() == "counts"
    yes = synthetic_fit(hl.Model("b ~ 1 + (1 | g)", data, family="bernoulli"), draws=30)
    axes = plots.plot_ppc(*_parts(yes), samples=30).viz["figure"].item().axes[0]
    assert axes.get_xlabel() == "predicted value"
    with pytest.raises(DataError, match=r"kind 'calibration' is for responses of the kind binary"):
        plots.plot_ppc(*_parts(sleep), "calibration")
    with pytest.raises(DataError, match=r"kind is 'dists'\. Did you mean 'dist'"):
        plots.plot_ppc(*_parts(sleep), "dists")


def test_trace_has_a_row_per_parameter(sleep: Fit) -> None:
    drawn = plots.plot_trace(sleep.spec, sleep.idata)
    figure = drawn.viz["figure"].item()
    names = [axes.get_xlabel() for axes in figure.axes[::2]]
    assert names == [
        "Intercept",
        "Days",
        "sd_Subject[Intercept]",
        "sd_Subject[Days]",
        "cor_Subject\n[Intercept, Days]",
        "sigma",
    ]
    chains = [line.get_ydata() for line in figure.axes[1].lines if len(line.get_ydata()) == 60]
    own = sleep.idata["posterior"]["beta"].sel(coef="Intercept").to_numpy()
    np.testing.assert_allclose(np.stack(chains), own)


def test_elements_by_name(sleep: Fit) -> None:
    posterior = sleep.idata["posterior"].to_dataset()
    assert list(scalars(posterior, sleep.spec, "sd_Subject[Days]")) == ["sd_Subject[Days]"]
    assert list(scalars(posterior, sleep.spec, ["r_Subject[309, Days]", "sigma"])) == [
        "r_Subject[309, Days]",
        "sigma",
    ]
    with pytest.raises(DataError, match=r"'sd_Subjct'\. Did you mean 'sd_Subject'"):
        scalars(posterior, sleep.spec, "sd_Subjct")
    with pytest.raises(DataError, match=r"Did you mean 'sd_Subject\[Days\]'"):
        scalars(posterior, sleep.spec, "sd_Subject[Day]")


def test_pages_of_parameters(sleep: Fit) -> None:
    drawn = plots.plot_trace(sleep.spec, sleep.idata, "r_Subject", page=2)
    assert len(drawn.viz["figure"].item().axes) == 36
    with pytest.raises(DataError, match="from 1 to 2, of 18"):
        plots.plot_trace(sleep.spec, sleep.idata, "r_Subject", page=3)
    with pytest.raises(DataError, match="'trace' or 'rank'"):
        plots.plot_trace(sleep.spec, sleep.idata, kind="ranks")


def test_fixed_parameters_are_left_out() -> None:
    data = hl.load_dataset("sleepstudy")
    priors = {"sigma": 25.0, "Days": hl.Flat()}
    fit = synthetic_fit(hl.Model("Reaction ~ Days + (1 | Subject)", data, priors=priors), draws=60)
    fit.idata["posterior"]["sigma"] = fit.idata["posterior"]["sigma"] * 0 + 25.0
    names = [
        a.get_xlabel() for a in plots.plot_trace(fit.spec, fit.idata).viz["figure"].item().axes
    ]
    assert "sigma" not in names
    with pytest.raises(DataError, match="fixed"):
        plots.plot_trace(fit.spec, fit.idata, "sigma")
    with pytest.raises(PriorError, match="Days"):
        plots.plot_prior_posterior(fit.spec, fit.idata)


def test_prior_and_posterior(sleep: Fit) -> None:
    drawn = plots.plot_prior_posterior(sleep.spec, sleep.idata, ["sd_Subject", "cor_Subject"])
    titles = [axes.get_title() for axes in drawn.viz["figure"].item().axes[:3]]
    assert titles == [
        "sd_Subject[Intercept]",
        "sd_Subject[Days]",
        "cor_Subject\n[Intercept, Days]",
    ]
    said = [text.get_text() for text in drawn.viz["figure"].item().legends[0].get_texts()]
    assert said == ["prior", "posterior"]
