"""What would not fit into memory is refused, with the number of draws that would."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import hierlm as hl

ENGINES = [("collapsed", "gaussian"), ("whitened", "poisson"), ("pymc", "gaussian")]


def model(family: str, levels: int = 5_000) -> hl.Model:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(levels), 2), "x": rng.normal(size=2 * levels)})
    data["y"] = rng.poisson(3.0, 2 * levels)
    return hl.Model("y ~ x + (1 | g)", data, family=family)


@pytest.mark.parametrize(("engine", "family"), ENGINES)
def test_draws_of_effects(engine: str, family: str) -> None:
    with pytest.raises(hl.EngineError) as raised:
        model(family).fit(engine=engine, draws=40_000, progress=False)
    message = str(raised.value)
    assert "the draws of 5,000 effects would take 6.0 GiB" in message
    assert re.search(r"fewer draws: 26,82\d per chain fit in 4 GiB", message)
    # the others hold the draws of effects, and summarise them afterwards
    assert ("effects='summary'" in message) == (engine == "collapsed")


@pytest.mark.parametrize(("engine", "family"), ENGINES)
def test_a_summary_of_effects(engine: str, family: str) -> None:
    """It takes no memory where draws are never held, and is no way out elsewhere."""
    draws = 10**9 if engine == "collapsed" else 40_000
    what = "the parameters" if engine == "collapsed" else "5,000 effects"
    with pytest.raises(hl.EngineError, match=f"the draws of {what} would take"):
        model(family).fit(engine=engine, draws=draws, effects="summary", progress=False)


@pytest.mark.parametrize(("engine", "family"), ENGINES)
def test_draws_of_a_model_without_groups(engine: str, family: str) -> None:
    small = hl.Model("y ~ x", {"y": [1, 2, 4, 3, 5], "x": [0, 1, 3, 2, 6]}, family=family)
    with pytest.raises(hl.EngineError, match=r"the draws of the parameters would take"):
        small.fit(engine=engine, draws=10**9, progress=False)
