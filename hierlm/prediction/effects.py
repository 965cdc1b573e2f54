"""The group-specific effects of one factor, for levels that the model has seen and others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import GroupBlock
from hierlm.errors import DataError
from hierlm.prediction.newlevels import EffectSampler, NewLevels, covariance_root, refuse
from hierlm.spec import ModelSpec
from hierlm.summaries import draws_of

Array = NDArray[np.float64]
type Samples = slice | NDArray[np.int64]

_HELD_BYTES = 2**28  # effects of new levels beyond this are drawn for each block of rows again


@dataclass(frozen=True, eq=False)
class FactorEffects:
    """Effects of one factor, for the levels of some rows.

    Parameters
    ----------
    held : ndarray of shape (J, q, S)
    positions : ndarray of int
        For each level of the rows' block, where in `held` it is, or -1.
    sampler : EffectSampler or None
        What draws the effects of the levels that are not held; None when they are zero.
    """

    held: Array
    positions: NDArray[np.int64]
    sampler: EffectSampler | None

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        idata: xr.DataTree,
        block: GroupBlock,
        new_levels: NewLevels,
        seed: int,
        samples: Samples,
    ) -> FactorEffects:
        """Read the effects of known levels, and see to the new ones.

        Raises
        ------
        DataError
            If a level is new and may not be.
        """
        if (block.codes < 0).any():
            raise DataError(
                f"rows have levels of {block.factor!r} without a label.\n"
                "  Read new rows with hierlm.prediction.read_rows."
            )
        effects = draws_of(idata, names.effects(block.factor))[..., samples]
        positions = _positions(idata, block)
        used = np.unique(block.codes)
        new = used[positions[used] < 0]
        if new.size and new_levels == "error":
            known = [block.levels[code] for code in np.flatnonzero(positions >= 0)]
            refuse(block.factor, [block.levels[code] for code in new], known)
        if not new.size or new_levels == "population":
            return cls(np.ascontiguousarray(effects), positions, None)
        roots = covariance_roots(spec, idata, block.factor)
        sampler = EffectSampler(block.factor, roots, seed, samples)
        if 8 * new.size * effects[0].size > _HELD_BYTES:
            return cls(np.ascontiguousarray(effects), positions, sampler)
        positions[new] = len(effects) + np.arange(new.size)
        drawn = sampler.draw([block.levels[code] for code in new])
        return cls(np.concatenate([effects, drawn]), positions, None)

    def add(self, block: GroupBlock, eta: Array) -> None:
        """Add Z b of some rows to `eta`, an array of shape (n, S)."""
        where = self.positions[block.codes]
        known = where >= 0
        if known.all():
            for k, z in enumerate(block.Z.T):
                eta += self.held[where, k] * z[:, None]
            return
        for k, z in enumerate(block.Z.T):
            eta[known] += self.held[where[known], k] * z[known, None]
        if self.sampler is not None:
            codes, row_of = np.unique(block.codes[~known], return_inverse=True)
            drawn = self.sampler.draw([block.levels[code] for code in codes])
            eta[~known] += np.einsum("nqs,nq->ns", drawn[row_of], block.Z[~known])


def _positions(idata: xr.DataTree, block: GroupBlock) -> NDArray[np.int64]:
    """Return where the levels of a block are in the posterior, -1 for those that are new."""
    labels: Any = idata["posterior"][names.levels_dim(block.factor)].to_numpy()
    known = pd.Index([str(label) for label in labels])
    return np.array(known.get_indexer(pd.Index(block.levels)), dtype=np.int64)


def covariances(spec: ModelSpec, idata: xr.DataTree, factor: str, samples: Samples) -> Array:
    """Return a factor's covariance matrix for every draw, an array of shape (q, q, S)."""
    sd, cor = _sds_cors(spec, idata, factor)
    sigma = spec.group(factor).covariance.covariance(sd[samples], cor[samples])
    return np.ascontiguousarray(np.moveaxis(sigma, 0, -1))


def covariance_roots(spec: ModelSpec, idata: xr.DataTree, factor: str) -> Array:
    """Return a root of a factor's covariance matrix for every draw, of shape (S, q, q)."""
    return covariance_root(spec.group(factor).covariance, *_sds_cors(spec, idata, factor))


def _sds_cors(spec: ModelSpec, idata: xr.DataTree, factor: str) -> tuple[Array, Array]:
    """Return sds and correlations, arrays of shape (S, q) and (S, n_pairs)."""
    sd = draws_of(idata, names.sd(factor)).T
    if not spec.group(factor).covariance.pairs:
        return sd, np.empty((len(sd), 0))
    return sd, draws_of(idata, names.cor(factor)).T
