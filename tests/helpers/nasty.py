"""Data that are hard on an engine for generalised models."""

from __future__ import annotations

import numpy as np
import pandas as pd


def nasty(name: str) -> tuple[str, pd.DataFrame, str]:
    """Return formula, table and family of a case."""
    rng = np.random.default_rng(11)
    n = 120
    data = pd.DataFrame({"x": rng.normal(size=n), "g": np.repeat(np.arange(24), 5)})
    match name:
        case "separated":
            return "y ~ x + (1 | g)", data.assign(y=(data["x"] > 0).astype(int)), "bernoulli"
        case "all zero":
            return "y ~ x + (1 | g)", data.assign(y=0), "poisson"
        case "almost all zero":
            return "y ~ x + (x | g)", data.assign(y=(np.arange(n) == 7).astype(int)), "poisson"
        case "one row per level":
            y = rng.poisson(np.exp(rng.normal(0, 1, n)))
            return "y ~ x + (1 | g)", data.assign(g=np.arange(n), y=y), "poisson"
        case "two levels":
            y = rng.integers(0, 2, n)
            return "y ~ x + (x | g)", data.assign(g=np.arange(n) % 2, y=y), "bernoulli"
        case "unbalanced":
            g = np.minimum(rng.geometric(0.3, n), 12)
            return "y ~ x + (x | g)", data.assign(g=g, y=rng.poisson(40, n)), "negbinomial"
        case "no variance":
            return "y ~ x + (1 | g)", data.assign(y=rng.poisson(5, n)), "poisson"
        case _:
            y = (rng.random(n) < 0.02).astype(int)
            return "y ~ x + (x | g)", data.assign(y=y), "bernoulli"


NASTY = [
    "separated",
    "all zero",
    "almost all zero",
    "one row per level",
    "two levels",
    "unbalanced",
    "no variance",
    "rare",
]
