"""Where parameters stand among the coordinates: what every compiled engine shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.kernels.priors import prior_row
from hierlm.kernels.transforms import FOLDED
from hierlm.priors import (
    LKJ,
    Exponential,
    Fixed,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    Prior,
)
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]


class Scalars:
    """The scalar coordinates while they are laid out: a row of the prior and a start for each."""

    def __init__(self) -> None:
        self.rows: list[Array] = []
        self.start: list[float] = []

    def place(self, prior: Prior, guess: float) -> int:
        """Add a parameter; return its position, or -1 when it is fixed."""
        if isinstance(prior, Fixed):
            return -1
        return self._add(prior_row(prior), guess)

    def place_sd(self, prior: Prior, guess: float, unit: float) -> int:
        """Add the sd of a group's effects, as `place` does.

        Parameters
        ----------
        prior : Prior
        guess : float
        unit : float
            Below about this the rows cannot tell the sd from zero. Its coordinate is folded there
            where the prior has a density at zero (see `hierlm.kernels.transforms`).
        """
        if not isinstance(prior, HalfNormal | HalfStudentT | HalfCauchy | Exponential):
            return self.place(prior, guess)
        row = prior_row(prior)
        row[4:7] = FOLDED, 0.0, unit
        return self._add(row, guess)

    def _add(self, row: Array, guess: float) -> int:
        self.rows.append(row)
        self.start.append(coordinate(row, guess))
        return len(self.rows) - 1


def fixed_value(prior: Prior) -> float:
    """Return where a prior fixes its parameter; zero for one that does not."""
    return prior.value if isinstance(prior, Fixed) else 0.0


def correlations(
    spec: ModelSpec, order: tuple[int, ...], first: int, q: int
) -> tuple[NDArray[np.int64], Array, Array, int]:
    """Return parts and etas of the free correlations, the fixed factors, and how many are free."""
    C = np.tile(np.eye(q), (max(1, len(order)), 1, 1))
    parts, etas, at = [], [], first
    for k, position in enumerate(order):
        group = spec.groups[position]
        for part in group.covariance.correlated_parts:
            prior, size = spec.priors[names.cor(group.factor)], len(part)
            if isinstance(prior, LKJ):
                parts.append((k, part[0], size, at))
                etas.append(prior.eta)
                at += size * (size - 1) // 2
            else:
                block = slice(part[0], part[-1] + 1)
                R = np.full((size, size), fixed_value(prior))
                np.fill_diagonal(R, 1.0)
                C[k, block, block] = np.linalg.cholesky(R)
    return (
        np.array(parts, np.int64).reshape(-1, 4),
        np.array(etas, np.float64),
        C,
        at - first,
    )


def coordinate(row: Array, value: float) -> float:
    """Return the coordinate of a value, brought inside the support."""
    kind, lower, upper = int(row[4]), row[5], row[6]
    if kind == 0:
        return float(value)
    if kind == 1:
        return float(np.log(max(value - lower, 1e-8)))
    if kind == FOLDED:
        return float(np.arcsinh(value / upper))
    share = np.clip((value - lower) / (upper - lower), 0.05, 0.95)
    return float(np.log(share / (1 - share)))
