"""Every plot, over families, awkward names and back ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import plots
from hierlm.errors import DataError, MissingDependencyError
from hierlm.plots.canvas import Panel, canvas, shorten
from hierlm.plots.labels import units
from hierlm.results import Fit
from hierlm.results.plots import Plots

METHODS = [name for name in dir(Plots) if name.startswith("plot_")]
BY_FAMILY = [
    "plot_groups",
    "plot_shrinkage",
    "plot_ppc",
    "plot_residuals",
    "plot_predictions",
    "plot_icc",
    "plot_varcorr",
    "plot_model",
]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 120
    return pd.DataFrame(
        {
            "y": rng.gamma(2, 1, n),
            "count": rng.poisson(2, n),
            "yes": rng.integers(0, 2, n),
            "m": 6,
            "s": rng.binomial(6, 0.4, n),
            "p": rng.beta(2, 3, n),
            "x$_1": rng.normal(size=n),
            "f": rng.choice(["<b>", "$a_b$", "c&d", "_"], n),
            "g$": rng.choice([f"l${i}_{{" for i in range(6)] + ["_", "<script>"], n),
        }
    )


def _plots(fit: Fit) -> Plots:
    return Plots(fit.spec, fit.design, fit.frame, fit.idata)


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("y ~ f + (1 | `g$`)", "student"),
        ("y ~ `x$_1` + (`x$_1` || `g$`)", "gamma"),
        ("count ~ `x$_1` + (1 | `g$`)", "negbinomial"),
        ("yes ~ `x$_1` + (1 | `g$`)", "bernoulli"),
        ("p(s, m) ~ f + (1 | `g$`)", "binomial"),
        ("p ~ `x$_1` + (1 | `g$`)", "beta"),
        ("y ~ 0 + f + (0 + f | `g$`)", "lognormal"),
    ],
)
@pytest.mark.filterwarnings("ignore::hierlm.errors.HierlmWarning")
def test_families(rows: pd.DataFrame, formula: str, family: str) -> None:
    drawer = _plots(synthetic_fit(hl.Model(formula, rows, family=family), draws=25))
    for name in BY_FAMILY:
        if (name, family) != ("plot_icc", "beta"):
            assert getattr(drawer, name)(**_backend(name)).viz


def _backend(name: str) -> dict[str, str]:
    """Return the back end that draws nothing, and so is quick, for a plot that has it."""
    return {} if name in ("plot_covariance", "plot_design", "plot_model") else {"backend": "none"}


@pytest.mark.filterwarnings("ignore::hierlm.errors.HierlmWarning")
def test_awkward_names_are_drawn(rows: pd.DataFrame) -> None:
    import matplotlib.pyplot as plt

    model = hl.Model("y ~ `x$_1` + f + (`x$_1` | `g$`)", rows)
    drawer = _plots(synthetic_fit(model, draws=25))
    for name in METHODS:
        getattr(drawer, name)().viz["figure"].item().canvas.draw()
        plt.close("all")


def test_names_are_not_mathematics(rows: pd.DataFrame) -> None:
    fit = synthetic_fit(hl.Model("y ~ `x$_1` + (1 | `g$`)", rows), draws=25)
    drawn = _plots(fit).plot_ranef()
    figure = drawn.viz["figure"].item()
    figure.canvas.draw()
    axes = figure.axes[0]
    assert axes.get_ylabel() == r"g\$"
    assert r"l\$3_{" in [label.get_text() for label in axes.get_yticklabels()]


def test_text_of_each_back_end() -> None:
    assert Panel(None, "matplotlib").literal("a $x$ <b>") == r"a \$x\$ <b>"
    assert Panel(None, "plotly").literal("a $x$ <b>") == "a &#36;x&#36; &lt;b&gt;"
    assert Panel(None, "bokeh").literal("a $x$ <b>") == "a $x$ <b>"
    assert shorten("a\nb") == "a b"
    assert len(shorten("x" * 100)) <= 28


@pytest.mark.parametrize("backend", ["none", "plotly", "bokeh"])
def test_back_ends(sleep: Fit, backend: str) -> None:
    if backend != "none":
        pytest.importorskip(backend)
    drawer = _plots(sleep)
    fixed = {"plot_covariance", "plot_design", "plot_model"}
    for name in sorted(set(METHODS) - fixed):
        assert getattr(drawer, name)(backend=backend).backend == backend


def test_none_back_end_has_the_numbers(sleep: Fit) -> None:
    drawn = _plots(sleep).plot_ranef(backend="none")
    said = drawn.viz["plot"].sel(panel="Days").item()
    points = [item for item in said if item["function"] == "scatter"]
    assert len(points[0]["x"]) == 18


def test_unknown_back_end(sleep: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="backend is 'ggplot'; allowed: 'matplotlib'"):
        _plots(sleep).plot_ranef(backend="ggplot")
    monkeypatch.setitem(__import__("sys").modules, "arviz_plots.backend.bokeh", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'arviz\[bokeh\]'"):
        _plots(sleep).plot_ranef(backend="bokeh")


def test_own_axes_of_every_plot(sleep: Fit) -> None:
    import matplotlib.pyplot as plt

    drawer = _plots(sleep)
    for name, panels in {"plot_ranef": 2, "plot_shrinkage": 1, "plot_residuals": 5}.items():
        figure, axes = plt.subplots(ncols=panels)
        drawn = getattr(drawer, name)(ax=axes)
        assert drawn.viz["figure"].item() is figure
        assert plt.get_fignums() == [figure.number]
        plt.close(figure)
    figure = plt.figure()
    axes = [figure.add_subplot(1, 3, 1, projection="3d"), *figure.subplots(1, 2)]
    assert plots.plot_mvn(np.eye(2), ax=axes).viz["figure"].item() is figure


def test_dark_style_keeps_lines_visible(sleep: Fit) -> None:
    import matplotlib.pyplot as plt

    with plt.style.context("dark_background"):
        axes = _plots(sleep).plot_groups(levels="308").viz["plot"].item()
        assert axes.lines[0].get_color() == "#FFFFFF"  # the population


def test_units_are_those_of_the_rows() -> None:
    data = hl.load_dataset("sleepstudy")[["Reaction", "Days"]]
    assert units(data) == {"Reaction": "ms", "Days": "days"}
    assert units(data.iloc[:-1]) == {}
    assert units(data.assign(Reaction=data["Reaction"] / 1000)) == {}
    assert units(data.rename(columns={"Days": "day"})) == {}


def test_canvas_finds_its_panels() -> None:
    made = canvas(["a", "b", "c"], cols=2, backend="none")
    assert list(made.panels) == ["a", "b", "c"]
    assert made["b"].target is made.collection.viz["plot"].sel(panel="b").item()


def test_methods_of_a_fit_delegate(sleep: Fit) -> None:
    drawer = _plots(sleep)
    table = drawer.plot_ranef(ci_prob=0.5, ci_kind="hdi").viz["plot"].sel(panel="Days").item()
    assert len(table.lines) == 3
    with pytest.raises(DataError, match="ci_prob"):
        drawer.plot_groups(ci_prob=1.5)
    assert set(METHODS) == {
        "plot_correlation",
        "plot_covariance",
        "plot_design",
        "plot_groups",
        "plot_icc",
        "plot_model",
        "plot_ppc",
        "plot_predictions",
        "plot_prior_posterior",
        "plot_ranef",
        "plot_residuals",
        "plot_shrinkage",
        "plot_trace",
        "plot_varcorr",
    }
