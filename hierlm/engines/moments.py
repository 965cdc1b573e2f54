"""Means and sds of group-specific effects, where their draws are too many to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]


@dataclass(eq=False)
class Moments:
    r"""Mean and sd of arrays that come a few at a time.

    .. math:: M \leftarrow M + M_b + \frac{n\, n_b}{n + n_b} (\bar x_b - \bar x)^2

    with M the sum of squared deviations (Chan, Golub and LeVeque 1983,
    doi:10.1080/00031305.1983.10483115).
    """

    count: int = 0
    mean: Array = field(default_factory=lambda: np.zeros(()))
    squares: Array = field(default_factory=lambda: np.zeros(()))

    def add(self, values: Array) -> None:
        """Add values of shape (s, ...)."""
        s, mean = len(values), values.mean(axis=0)
        centered = values - mean
        step, total = mean - self.mean, self.count + s
        own = np.einsum("s...,s...->...", centered, centered)
        self.squares = self.squares + own + np.square(step) * (self.count * s / total)
        self.mean = self.mean + step * (s / total)
        self.count = total

    @property
    def sd(self) -> Array:
        """Standard deviation, not a number for a single value."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(np.asarray(self.squares) / np.float64(self.count - 1)))


class EffectSummary:
    """Means and sds of effects, alone and with the common effect that they are deviations from.

    Parameters
    ----------
    spec : ModelSpec
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._effects = {group.factor: Moments() for group in spec.groups}
        self._totals = {group.factor: Moments() for group in spec.groups}

    def add(self, drawn: Mapping[str, Array], beta: Array) -> None:
        """Add some draws.

        Parameters
        ----------
        drawn : dict of str to ndarray of shape (s, J, q)
            By the name of the grouping factor.
        beta : ndarray of shape (s, p)
            The common effects beside them.
        """
        for group in self._spec.groups:
            effects = drawn[group.factor]
            self._effects[group.factor].add(effects)
            common = np.zeros((len(effects), len(group.coefs)))
            for k, name in enumerate(group.coefs):
                if name in self._spec.coefs:
                    common[:, k] = beta[:, self._spec.coefs.index(name)]
            self._totals[group.factor].add(effects + common[:, None])

    def variables(self) -> dict[str, Array]:
        """Return what is kept, by the names of the variables: arrays of shape (J, q)."""
        found = {}
        for factor, moments in self._effects.items():
            found[names.effect_mean(factor)] = moments.mean
            found[names.effect_sd(factor)] = moments.sd
            found[names.coef_sd(factor)] = self._totals[factor].sd
        return found
