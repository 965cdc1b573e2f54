"""The grid of models that every engine is calibrated on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import hierlm as hl


@dataclass(frozen=True)
class Cell:
    """A model on a small design; the response only fixes the scale of the default priors."""

    formula: str
    priors: dict[str, Any] = field(default_factory=dict)
    family: str = "gaussian"
    replications: int = 200

    def model(self) -> hl.Model:
        return hl.Model(self.formula, design(self.family), family=self.family, priors=self.priors)


def design(family: str) -> dict[str, Any]:
    """Ten levels of g; h crossed with it; sub nested in it; x varies within, w too."""
    rng = np.random.default_rng(3)
    n, rows = 60, 6
    g = np.repeat(np.arange(n // rows), rows)
    response = {
        "gaussian": rng.normal(2.0, 1.5, n),
        "student": rng.standard_t(4, n),
        "lognormal": np.exp(rng.normal(size=n)),
        "gamma": rng.gamma(2.0, size=n),
        "beta": rng.beta(2.0, 3.0, n),
        "bernoulli": rng.integers(2, size=n),
        "binomial": rng.binomial(8, 0.4, n),
        "poisson": rng.poisson(2.0, n),
        "negbinomial": rng.poisson(2.0, n),
    }
    return {
        "y": response[family],
        "size": np.full(n, 8),
        "g": [f"g{k}" for k in g],
        "sub": [f"s{k}" for k in np.tile(np.repeat([0, 1], rows // 2), n // rows)],
        "h": [f"h{k}" for k in rng.integers(5, size=n)],
        "x": np.tile(np.linspace(-1, 1, rows), n // rows) + 0.3,
        "w": rng.normal(size=n),
    }


STRUCTURES = {
    "one factor": Cell("y ~ x + (1 | g)"),
    "slope": Cell(
        "y ~ x + (x | g)", {"x": "student_t(4, 0, 1)", "sd": "exponential(1)", "cor": "lkj(1)"}
    ),
    "diagonal": Cell("y ~ x + (x || g)", {"sd": "halfnormal(1)", "Intercept": "normal(0, 2)"}),
    "nested": Cell("y ~ x + (1 | g/sub)"),
    "crossed": Cell("y ~ x + (1 | g) + (1 | h)", {"sigma": "gamma(4, 4)"}),
    "three coefficients": Cell("y ~ x + w + (x + w | g)", {"sd": "halfnormal(1)"}),
}

SMALL = {"Intercept": "normal(0, 1)", "x": "normal(0, 1)", "sd": "halfnormal(0.7)"}

FAMILIES = {
    "student": "y",
    "lognormal": "y",
    "gamma": "y",
    "beta": "y",
    "bernoulli": "y",
    "binomial": "p(y, size)",
    "poisson": "y",
    "negbinomial": "y",
}

PREDICTORS = {
    "one factor": ("x + (1 | g)", {}),
    "slope": ("x + (x | g)", {"cor": "lkj(1.5)"}),
    "crossed": ("x + (1 | g) + (1 | h)", {}),
}


def of_families(replications: int, structures: Iterable[str] = PREDICTORS) -> dict[str, Cell]:
    """Every family with every one of the structures."""
    return {
        f"{family}, {structure}": Cell(
            f"{response} ~ {PREDICTORS[structure][0]}",
            SMALL | PREDICTORS[structure][1],
            family,
            replications,
        )
        for structure in structures
        for family, response in FAMILIES.items()
    }
