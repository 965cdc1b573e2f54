from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from report.reading import ATTRIBUTE, COLUMN, EVIL

import hierlm as hl
from hierlm.results import Fit

os.environ["MPLBACKEND"] = "Agg"  # before matplotlib is imported: no display is needed


@pytest.fixture(autouse=True)
def _no_figure_left() -> Iterator[None]:
    import matplotlib.pyplot as plt

    settings, interactive = dict(plt.rcParams), plt.isinteractive()
    yield
    changed = {key for key, value in settings.items() if plt.rcParams[key] != value}
    assert not changed, f"settings were changed: {changed}"
    assert not plt.get_fignums()
    assert plt.isinteractive() == interactive


@pytest.fixture(scope="session")
def sleep() -> Fit:
    data = hl.load_dataset("sleepstudy")
    return hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)


@pytest.fixture(scope="session")
def evil() -> Fit:
    """Names and labels of which each would be markup, were it not escaped."""
    data = hl.load_dataset("sleepstudy").rename(columns={"Days": COLUMN})
    data["Subject"] = data["Subject"].astype(str).replace("308", EVIL)
    data["kind"] = np.where(np.arange(len(data)) % 2, ATTRIBUTE, "plain")
    formula = f"Reaction ~ `{COLUMN}` + kind + (`{COLUMN}` | Subject)"
    return synthetic_fit(hl.Model(formula, data), draws=100)


@pytest.fixture(scope="session")
def crossed() -> Fit:
    """A crossed binomial model: 316 persons by 24 items."""
    formula = "r2 ~ Anger + Gender + btype + situ + mode + (1 | id) + (1 | item)"
    return synthetic_fit(hl.Model(formula, hl.load_dataset("VerbAgg"), family="bernoulli"))


@pytest.fixture(scope="session")
def many() -> Fit:
    """Three hundred levels."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat([f"g{i:03d}" for i in range(300)], 4)})
    data["x"] = rng.normal(size=len(data))
    data["y"] = data["x"] + rng.normal(size=len(data))
    return synthetic_fit(hl.Model("y ~ x + (x | g)", data))


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing out: the tests of the plots are elsewhere."""
    png = b"\x89PNG\r\n\x1a\n" + bytes(8) + (6).to_bytes(4, "big") + (4).to_bytes(4, "big")

    def blank(draw: Callable[[], object], dpi: int) -> bytes:
        return png

    monkeypatch.setattr("hierlm.report.pictures._png", blank)
