r"""Log densities of rows, given draws: rows first, draws last.

.. math:: \ell_{is} = \log p(y_i \mid \eta_{is}, \phi_s), \qquad
          \eta_{is} = o_i + x_i'\beta_s + \sum_k z_{ki}' b_{k, j(i), s}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from hierlm import names
from hierlm.comparison.smallmatrix import cholesky
from hierlm.design import Design
from hierlm.families import Family
from hierlm.spec import ModelSpec
from hierlm.summaries import draws_of

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Draws:
    """Posterior draws as arrays, draws last.

    Parameters
    ----------
    beta : ndarray of shape (p, S)
    effects : dict of str to ndarray of shape (J, q, S)
        By the name of the grouping factor.
    factors : dict of str to ndarray of shape (q, q, S)
        T, with T T' the covariance of the effects of one level.
    shapes : dict of str to ndarray of shape (S,)
        Constant distributional parameters.
    chains : int
        The S draws are this many chains, one after the other.
    """

    beta: Array
    effects: Mapping[str, Array]
    factors: Mapping[str, Array]
    shapes: Mapping[str, Array]
    chains: int

    @classmethod
    def of(cls, spec: ModelSpec, idata: xr.DataTree) -> Draws:
        """Read the draws of a posterior in canonical names."""
        sizes = idata["posterior"].sizes
        count = sizes["chain"] * sizes["draw"]
        effects, factors = {}, {}
        for group in spec.groups:
            effects[group.factor] = draws_of(idata, names.effects(group.factor))
            sd = draws_of(idata, names.sd(group.factor))
            cor = np.empty((count, 0))
            if group.covariance.pairs:
                cor = draws_of(idata, names.cor(group.factor)).T
            correlation = np.moveaxis(group.covariance.correlation(cor), 0, -1)
            # sd = 0 and |correlation| = 1 stay finite: the covariance is never inverted
            factors[group.factor] = sd[:, None] * cholesky(correlation)
        beta = draws_of(idata, names.BETA) if spec.coefs else np.empty((0, count))
        shapes = {shape.name: draws_of(idata, shape.name) for shape in spec.shapes}
        return cls(beta, effects, factors, shapes, sizes["chain"])

    @property
    def count(self) -> int:
        """Number of draws, S."""
        return int(self.beta.shape[1])

    def part(self, which: slice) -> Draws:
        """Return some of the draws, as views."""
        return Draws(
            self.beta[:, which],
            {name: values[..., which] for name, values in self.effects.items()},
            {name: values[..., which] for name, values in self.factors.items()},
            {name: values[which] for name, values in self.shapes.items()},
            1,
        )


def linear_predictor(
    design: Design, draws: Draws, rows: Index, new: Mapping[str, Mask] | None = None
) -> Array:
    """Return the linear predictor of some rows.

    Parameters
    ----------
    design : Design
    draws : Draws
    rows : ndarray of shape (r,), int64
    new : dict of str to ndarray of shape (r,), bool, optional
        For grouping factors, the rows whose effects are left out.

    Returns
    -------
    ndarray of shape (r, S)
    """
    eta = design.X[rows] @ draws.beta
    if design.offset is not None:
        eta += design.offset[rows, None]
    for block in design.blocks:
        Z, codes = block.Z[rows], block.codes[rows]
        if new is not None and block.factor in new:
            Z = np.where(new[block.factor][:, None], 0.0, Z)
        effects = draws.effects[block.factor]
        for k in range(block.n_coefs):
            if Z[:, k].any():
                eta += Z[:, k, None] * effects[codes, k]
    return eta


@dataclass(frozen=True, eq=False)
class RowDensity:
    """The log density of some rows as a function of their linear predictors.

    Parameters
    ----------
    family : Family
    y : ndarray of shape (r, 1)
    trials : ndarray of shape (r, 1) or None
    shapes : dict of str to ndarray of shape (S,) or (r, 1)
        A known sd per row takes the place of sigma.
    weights : ndarray of shape (r,)
        How many observations each row stands for; one where there are no weights.
    """

    family: Family
    y: Array
    trials: Array | None
    shapes: Mapping[str, Array]
    weights: Array

    @classmethod
    def of(cls, family: Family, design: Design, draws: Draws, rows: Index) -> RowDensity:
        """Return the density of some rows of a design, given draws."""
        shapes = dict(draws.shapes)
        if design.se is not None:
            shapes["sigma"] = design.se[rows, None]
        trials = None if design.trials is None else design.trials[rows, None]
        weights = np.ones(len(rows)) if design.weights is None else design.weights[rows]
        return cls(family, design.response[rows, None], trials, shapes, weights)

    def __call__(self, eta: Array) -> Array:
        """Return the log density of one observation of each row: shape (r, S), as `eta`.

        Minus infinity where the link gives a mean that the family does not take.
        """
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            mu = self.family.link.inverse(eta)
            found = self.family.logpdf(self.y, mu, trials=self.trials, **self.shapes)
        return np.where(np.isnan(found), -np.inf, found)

    def fast(self) -> Callable[[Array], Array]:
        """Return the same function, faster and with all digits in the tails.

        For the common families and links, what depends on the linear predictor is a few
        operations that never form a mean that would round to zero or one; the rest is computed
        once, by the family.
        """
        key = self.family.name, self.family.link.name
        if key not in _KERNELS:
            return self
        kernel, reference = _KERNELS[key]
        n = np.ones_like(self.y) if self.trials is None else self.trials
        at = reference(self.y, n)
        # alpha of a negbinomial has one value per draw
        at = np.broadcast_to(
            at, np.broadcast_shapes(at.shape, *map(np.shape, self.shapes.values()))
        )
        constant = self(at) - kernel(at, self.y, n, **self.shapes)

        def density(eta: Array) -> Array:
            with np.errstate(over="ignore"):
                return kernel(eta, self.y, n, **self.shapes) + constant

        return density


def _log_reference(y: Array, n: Array) -> Array:
    return np.log(y + 0.5)


def _logit_reference(y: Array, n: Array) -> Array:
    return np.asarray(special.logit((y + 0.5) / (n + 1.0)))


def _poisson(eta: Array, y: Array, n: Array) -> Array:
    return np.asarray(y * eta - np.exp(eta))


def _binomial(eta: Array, y: Array, n: Array) -> Array:
    return np.asarray(y * eta - n * (np.maximum(eta, 0) + np.log1p(np.exp(-np.abs(eta)))))


def _negbinomial(eta: Array, y: Array, n: Array, *, alpha: Array) -> Array:
    # log(alpha + exp(eta)), which neither overflows nor loses alpha
    return np.asarray(y * eta - (y + alpha) * np.logaddexp(np.log(alpha), eta))


_KERNELS: dict[tuple[str, str], tuple[Callable[..., Array], Callable[[Array, Array], Array]]] = {
    ("poisson", "log"): (_poisson, _log_reference),
    ("binomial", "logit"): (_binomial, _logit_reference),
    ("bernoulli", "logit"): (_binomial, _logit_reference),
    ("negbinomial", "log"): (_negbinomial, _log_reference),
}
"""By family and link: the part of the log density that depends on eta, and where to anchor it."""
