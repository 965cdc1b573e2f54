"""Models that exercise every part of an equation: structures, families, links, names."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import pandas as pd

import hierlm as hl
from hierlm.errors import DesignWarning

HOSTILE = "50% of a_b & #1 {x}^2 ~ \\ <i> $y$ μ 温度"

STRUCTURES = {
    "nested": "y ~ x + (1 | a / b)",
    "crossed": "y ~ x + (x | a) + (1 | c)",
    "two bars": "y ~ x + (1 | a) + (0 + x | a)",
    "two correlated bars": "y ~ x * f + (1 + x | a) + (0 + f | a)",
    "diagonal": "y ~ x + (x || a)",
    "factor on the left": "y ~ f + (f | a)",
    "interaction on the left": "y ~ x * f + (x * f | a)",
    "large diagonal": "y ~ x * f + (x * f || a)",
    "slope only": "y ~ x + (0 + x | a)",
    "no intercept": "y ~ 0 + f + (0 + f | a)",
    "only groups": "y ~ 0 + (1 | a)",
    "no groups": "y ~ x",
    "nothing": "y ~ 0",
    "offset and weights": "y ~ x + offset(z) + weights(w) + (1 | a)",
    "known sds": "y | se(s) ~ x + (1 | a)",
    "transformed": "log(p) ~ scale(x) + I(x**2) + (1 | a)",
    "spline": "y ~ bs(x, df=12) + poly(z, 3) + (1 | a)",
    "hostile names": f"y ~ `{HOSTILE}` + (`{HOSTILE}` | a)",
    "two levels": "y ~ x + (x | f)",
    "per row": "y ~ x + (1 | a) + (1 | row)",
}

FAMILIES = {
    "gaussian": "y",
    "student": "y",
    "lognormal": "p",
    "gamma": "p",
    "beta": "share",
    "bernoulli": "yes",
    "binomial": "p(k, m)",
    "poisson": "k",
    "negbinomial": "k",
}


@functools.cache
def table() -> pd.DataFrame:
    """Return rows with every kind of column."""
    rng = np.random.default_rng(3)
    n = 120
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "y": rng.normal(5.0, 2.0, n),
            "p": rng.gamma(5.0, 2.0, n),
            "share": rng.beta(2.0, 2.0, n),
            "yes": rng.choice(["no", "yes"], n),
            "k": rng.poisson(4.0, n),
            "m": np.full(n, 40),
            "x": x,
            "z": rng.normal(size=n),
            "w": rng.integers(1, 4, n),
            "s": rng.uniform(1, 2, n),
            HOSTILE: rng.normal(size=n),
            "f": np.tile(["u_1", "v&w"], n // 2),
            "a": np.repeat([f"level {k}" for k in range(10)], n // 10),
            "b": np.tile(np.repeat(["one", "two", "three"], 4), n // 12),
            "c": np.tile(np.arange(8), n // 8),
            "row": np.arange(n),
        }
    )


@functools.cache
def model(formula: str, family: str = "gaussian", link: str | None = None) -> hl.Model:
    """Return a model of the table, whatever the check of the design thinks of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        return hl.Model(formula, table(), family=family, link=link)


@functools.cache
def bundled(dataset: str, formula: str, family: str) -> hl.Model:
    """Return the model that a bundled data set is described with."""
    return hl.Model(formula, hl.load_dataset(dataset), family=family)


def bundled_models() -> list[tuple[str, str, str]]:
    """Return name, formula and family of every bundled data set that has a model."""
    found = hl.list_datasets()
    rows: Any = found[found["formula"] != ""][["name", "formula", "family"]]
    return [tuple(row) for row in rows.itertuples(index=False)]


def families_and_links() -> list[tuple[str, str, str]]:
    """Return formula, family and link of every combination."""
    return [
        (f"{response} ~ x + (x | a) + (1 | c)", family, link)
        for family, response in FAMILIES.items()
        for link in hl.families.get_family(family).links
    ]
