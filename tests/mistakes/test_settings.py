"""Settings of the sampler are refused before PyMC is imported."""

import sys
from typing import Any

import numpy as np
import pytest
from helpers.tables import check_message, table

import hierlm as hl

WHOLE = "is a whole number of at least"

SETTINGS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"draws": 0}, (f"draws {WHOLE} 1; came 0",)),
    ({"draws": 10.5}, (f"draws {WHOLE} 1; came 10.5",)),
    ({"draws": "10"}, (f"draws {WHOLE} 1; came '10'",)),
    ({"draws": True}, (f"draws {WHOLE} 1; came True",)),
    ({"tune": -1}, (f"tune {WHOLE} 1; came -1",)),
    ({"tune": 0}, (f"tune {WHOLE} 1; came 0", "the size of its steps")),
    ({"chains": 0}, (f"chains {WHOLE} 1; came 0",)),
    ({"cores": 0}, (f"cores {WHOLE} 1; came 0",)),
    ({"target_accept": 1.5}, ("target_accept lies between 0 and 1; came 1.5",)),
    ({"target_accept": 0}, ("target_accept lies between 0 and 1; came 0",)),
    ({"target_accept": "0.9"}, ("target_accept lies between 0 and 1; came '0.9'",)),
    ({"target_accept": float("nan")}, ("target_accept lies between 0 and 1; came nan",)),
    ({"seed": -1}, ("seed is a whole number from 0", "numpy.random.Generator; came -1")),
    ({"seed": 1.5}, ("seed is a whole number from 0", "came 1.5")),
    ({"seed": "1"}, ("seed is a whole number from 0", "came '1'")),
    ({"seed": True}, ("seed is a whole number from 0", "came True")),
    ({"seed": 2**70}, ("seed is a whole number from 0 (below 2**63)",)),
    ({"engine": "pymcc"}, ("no engine is called 'pymcc'", "mean 'pymc'?", "laplace, pymc")),
    ({"engine": "stan"}, ("no engine is called 'stan'.", "whitened, laplace, pymc")),
    ({"engine": None}, ("no engine is called None.", "whitened, laplace, pymc")),
    ({"sampler": "nutpi"}, ("no sampler is called 'nutpi'", "mean 'nutpie'?", "numpyro, blackjax")),
    ({"sampler": None}, ("no sampler is called None.", "There are: nutpie, pymc")),
]  # fmt: skip


@pytest.mark.parametrize(("options", "fragments"), SETTINGS)
def test_settings(
    options: dict[str, Any], fragments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pymc", "nutpie", "hierlm.engines.pymc_model"):
        monkeypatch.setitem(sys.modules, module, None)  # importing it would raise ImportError
    model = hl.Model("y ~ x + (1 | g)", table())
    with pytest.raises(hl.EngineError) as caught:
        model.fit(progress=False, **options)
    check_message(caught.value, hl.EngineError, fragments)


def test_whole_numbers_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hierlm.engines.pymc_model", None)
    model = hl.Model("y ~ x", table())
    options = {"draws": np.int64(10), "chains": np.int32(1), "seed": np.uint8(3)}
    with pytest.raises(ImportError):  # the settings were fine
        model.fit(engine="pymc", progress=False, **options)


def test_misspelt_setting() -> None:
    with pytest.raises(TypeError, match="draw"):
        hl.Model("y ~ x", table()).fit(draw=10)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
def test_seeds(seed: Any) -> None:
    with pytest.raises(hl.DataError, match="seed is a whole number from 0 or a numpy"):
        hl.simulate("y ~ 1", {"x": [1, 2]}, {"Intercept": 0, "sigma": 1}, seed=seed)
    with pytest.raises(hl.DataError, match="seed is a whole number from 0 or a numpy"):
        hl.Model("y ~ x + (1 | g)", table()).prior_predictive(draws=5, seed=seed)
