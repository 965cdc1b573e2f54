r"""Expected log predictive densities: Pareto-smoothed importance sampling, and what to make of it.

.. math:: \widehat{elpd}_u = \log \frac{\sum_s r_{us}\, p(y_u | \theta_s)}{\sum_s r_{us}},
          \qquad r_{us} \propto \frac{1}{p(y_u | \theta_s)} \text{ (largest ones smoothed)}

Vehtari, Gelman and Gabry (2017), doi:10.1007/s11222-016-9696-4; Vehtari, Simpson, Gelman, Yao and
Gabry (2024), jmlr.org/papers/v25/19-556.html. The computation is ArviZ's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from arviz_stats import ELPDDataLOO, ELPDDataLOOKFold
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names
from hierlm.tables import fill

Array = NDArray[np.float64]

ROW = "row"
_MAX_ELEMENTS = 1_000  # of one variable


@dataclass(kw_only=True, repr=False)
class Elpd(ELPDDataLOO):  # type: ignore[misc]
    """Leave-one-out result of ArviZ that knows what was left out.

    Every ArviZ function that takes an ``ELPDData`` takes it; ``elpd_i`` and ``pareto_k`` are
    labelled by row or by level.

    Parameters
    ----------
    unit : str
        ``"row"``, or the grouping factor whose levels were left out.
    integrated : tuple of str
        Grouping factors whose effects were integrated out.
    notes : tuple of str
        What to know of how it was computed, in sentences.
    advice : str
        What to do about a Pareto k that is too high; empty when none is.
    """

    unit: str = ROW
    integrated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    advice: str = ""

    def __str__(self) -> str:
        how = "Rows were left out one at a time"
        if self.unit != ROW:
            how = f"Levels of {self.unit!r} were left out whole, one at a time"
        if self.integrated:
            how += f"; effects of {' and '.join(map(repr, self.integrated))} integrated out"
        advice = (self.advice,) if self.advice else ()
        return _with_notes(super().__str__(), (f"{how}.", *self.notes, *advice))

    __repr__ = __str__


@dataclass(kw_only=True, repr=False)
class KFoldElpd(ELPDDataLOOKFold):  # type: ignore[misc]
    """K-fold result of ArviZ that knows what was left out; see `Elpd`.

    Parameters
    ----------
    unit : str
    notes : tuple of str
    folds : ndarray
        The fold of every row or level, from zero.
    """

    unit: str = ROW
    notes: tuple[str, ...] = ()
    folds: NDArray[np.int64]

    def __str__(self) -> str:
        return _with_notes(super().__str__(), self.notes)

    __repr__ = __str__


def _with_notes(text: str, notes: tuple[str, ...]) -> str:
    return "\n".join([text.rstrip(), "", *(fill(note, "- ") for note in notes)])


@dataclass(frozen=True, eq=False)
class Pointwise:
    """One number per unit: elpd, Pareto k and effective number of parameters, of shape (U,)."""

    elpd: Array
    k: Array
    p: Array

    def take(self, index: NDArray[np.int64]) -> Pointwise:
        """Return the numbers of some units, repeated ones too."""
        return Pointwise(self.elpd[index], self.k[index], self.p[index])


def psis(chunks: Iterable[Array], chains: int, efficiency: float) -> Pointwise:
    """Smooth and sum, chunk by chunk: memory is that of one chunk.

    Parameters
    ----------
    chunks : iterable of ndarray of shape (u, S)
        Log densities of units, draws of a chain together.
    chains : int
    efficiency : float
        Effective draws per draw.

    Returns
    -------
    Pointwise
    """
    parts = []
    for chunk in chunks:
        cube = np.asarray(chunk).reshape(len(chunk), chains, -1)
        # the tails of a hopeless fit overflow; their Pareto k says that they are not to be trusted
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            found = array_stats.loo(cube, r_eff=efficiency)
        parts.append(np.stack([np.asarray(values, dtype=float) for values in found]))
    return Pointwise(*np.concatenate(parts, axis=1))


def log_mean(log_density: Array) -> Array:
    """Return the log of the mean density over draws, which come last."""
    top = np.max(log_density, axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.mean(np.exp(log_density - top), axis=-1)) + top[..., 0])


def relative_efficiency(idata: xr.DataTree) -> float:
    """Return effective draws per draw: the mean over all parameters, as ArviZ has it.

    Of a factor with very many levels, evenly spaced ones stand for all.
    """
    posterior = idata["posterior"]
    sizes = posterior.sizes
    if sizes["chain"] == 1 or sizes["draw"] < 4:
        return 1.0
    found: list[float] = []
    for variable in posterior.data_vars.values():
        draws = variable.transpose(..., *names.SAMPLE_DIMS).to_numpy()
        draws = draws.reshape(-1, sizes["chain"], sizes["draw"])
        chosen = draws[:: -(-len(draws) // _MAX_ELEMENTS)] if len(draws) else draws
        moving = chosen[np.ptp(chosen, axis=(1, 2)) > 0]
        if len(moving):
            found += np.ravel(array_stats.ess(moving, method="mean")).tolist()
    finite = [ess for ess in found if np.isfinite(ess)]
    return float(np.mean(finite)) / (sizes["chain"] * sizes["draw"]) if finite else 1.0


def good_k(samples: int) -> float:
    """Return the Pareto k up to which so many draws give a reliable mean (Vehtari et al. 2024)."""
    return float(min(1 - 1 / np.log10(samples), 0.7)) if samples > 1 else 0.7


def totals(pointwise: Pointwise) -> dict[str, float]:
    """Return elpd, its standard error and p, as ArviZ names them."""
    elpd, se, p, _ = array_stats.loo_summary(pointwise.elpd, pointwise.p)
    return {"elpd": float(elpd), "se": float(se), "p": float(p)}
