from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm.results import Fit

os.environ["MPLBACKEND"] = "Agg"  # before matplotlib is imported: no display is needed


@pytest.fixture(autouse=True)
def _no_figure_left() -> Iterator[None]:
    import matplotlib.pyplot as plt

    settings = dict(plt.rcParams)
    yield
    changed = {key for key, value in settings.items() if plt.rcParams[key] != value}
    plt.close("all")
    assert not changed, f"settings were changed: {changed}"


@pytest.fixture(scope="session")
def sleep() -> Fit:
    """Two correlated coefficients, units known."""
    data = hl.load_dataset("sleepstudy")
    return synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data), draws=60)


@pytest.fixture(scope="session")
def crossed() -> Fit:
    """Two crossed factors of one coefficient."""
    data = hl.load_dataset("Penicillin")
    return synthetic_fit(hl.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", data), draws=60)


@pytest.fixture(scope="session")
def machines() -> Fit:
    """A categorical predictor, three coefficients."""
    data = hl.load_dataset("Machines")
    return synthetic_fit(hl.Model("score ~ Machine + (Machine | Worker)", data), draws=60)


@pytest.fixture(scope="session")
def many() -> Fit:
    """Three hundred levels."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat([f"g{i:03d}" for i in range(300)], 3)})
    data["x"] = rng.normal(size=len(data))
    data["y"] = data["x"] + rng.normal(size=len(data))
    return synthetic_fit(hl.Model("y ~ x + (x | g)", data), draws=25)


@pytest.fixture(scope="session")
def ungrouped() -> Fit:
    data = hl.load_dataset("sleepstudy")
    return synthetic_fit(hl.Model("Reaction ~ Days", data), draws=60)
