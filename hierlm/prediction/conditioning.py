r"""The posterior of new groups' effects from rows of theirs, without fitting again.

With y the rows of the fit and y* new rows of new levels, whose effects are b*,

.. math::

    p(\theta, b^* \mid y, y^*) \propto
    \underbrace{p(\theta \mid y)}_{\text{draws}}\;
    \underbrace{p(y^* \mid \theta)}_{\text{weights}}\; p(b^* \mid y^*, \theta)

The draws of :math:`\theta` (coefficients, covariances, shapes, effects of known levels) get weights
:math:`p(y^* \mid \theta)`, in which b* is integrated out; Pareto smoothing says whether they can be
trusted (Vehtari et al. 2024, doi:10.48550/arXiv.1507.02646). They are resampled, and b* is drawn
given each; `hierlm.prediction.laplace` has both steps. New levels that share a row, as nested or
crossed ones do, are drawn together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hierlm import names
from hierlm.design import Design, GroupBlock
from hierlm.engines.importance import largest_k, resample, smooth
from hierlm.errors import ConvergenceWarning, DataError, warn
from hierlm.prediction.effects import covariance_roots
from hierlm.prediction.laplace import Rows, sample_effects
from hierlm.prediction.newlevels import keyed, root_seed
from hierlm.prediction.predictor import Predictor, Seed, read_rows
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_LEAST = 100  # draws, for a tail that can be smoothed
_CELLS = 2**23  # numbers in the largest array that is made


def condition(
    spec: ModelSpec, idata: xr.DataTree, newdata: Any, seed: Seed
) -> tuple[xr.DataTree, dict[str, tuple[str, ...]], float, float]:
    """Return the posterior given further rows, all of them of new levels.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
        With S draws.
    newdata : data frame of any kind, dict of columns, or path
        With the response.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    idata : xarray.DataTree
        The posterior given old and new rows, one chain of S draws; the effects of new levels
        come after those of the known ones.
    levels : dict of str to tuple of str
        The new levels, of the grouping factors that have some.
    pareto_k : float
        The shape of the weights' tail; 0 where all weights are alike.
    ess : float
        The effective number of draws that the weights leave.

    Raises
    ------
    DataError
        If a row has no new level, or the draws are too few to be reweighted.
    FamilyError
        If a response is outside the family's support.

    Warns
    -----
    ConvergenceWarning
        If the new rows move the posterior too far for weights.
    """
    size = idata["posterior"].sizes["chain"] * idata["posterior"].sizes["draw"]
    if size < _LEAST:
        raise DataError(f"condition() reweights draws, {_LEAST} at least; the fit has {size}.")
    if not spec.groups:
        raise DataError(
            "condition() learns the effects of new levels, and this model has no grouping factor."
        )
    design = read_rows(spec, newdata, values=("response", "trials", "weights", "se"))
    spec.family.check_response(design.response, design.trials, spec.response)
    root = root_seed(seed)
    predictor = Predictor.of(spec, idata, design, "all", "population", root)
    latent = _Latent.of(predictor, idata, design)
    log_weights = np.zeros(size)
    for number, part in enumerate(_linked(design, predictor)):
        rng = keyed(root, "condition", str(number))
        log_weights += latent.draw(design.take(part), rng)
    pareto_k, ess, kept = _resample(log_weights, keyed(root, "resample"))
    levels = {
        block.factor: tuple(block.levels[code] for code in latent.new[block.factor])
        for block in design.blocks
        if latent.new[block.factor].size
    }
    return _updated(idata, levels, latent.effects, kept), levels, pareto_k, ess


def _new(block: GroupBlock, predictor: Predictor) -> Codes:
    """Return the codes of the new levels that rows have, increasing."""
    used = np.unique(block.codes)
    return used[predictor.effects[block.factor].positions[used] < 0]


def _linked(design: Design, predictor: Predictor) -> list[Codes]:
    """Return the rows that are linked by new levels, part by part."""
    n, rows, nodes, total = design.n, [], [], design.n
    for block in design.blocks:
        new = np.flatnonzero(predictor.effects[block.factor].positions[block.codes] < 0)
        rows.append(new)
        nodes.append(total + block.codes[new])
        total += block.n_levels
    linked = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
    known = np.setdiff1d(np.arange(n), linked)
    if known.size:
        raise DataError(
            f"row {known[0]} has no new level ({known.size} such row(s)), and condition() learns "
            "the effects of new levels.\n  Leave such rows out, or fit again with them."
        )
    edges = (np.ones(len(linked)), (linked, np.concatenate(nodes)))
    label = connected_components(coo_array(edges, shape=(total, total)), directed=False)[1][:n]
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


@dataclass(frozen=True, eq=False)
class _Latent:
    """The effects of the new levels, filled part by part.

    Parameters
    ----------
    predictor : Predictor
    new : dict of str to ndarray of int
        By factor, the codes of its new levels.
    roots : dict of str to ndarray of shape (S, q, q)
        By factor, a root of its covariance matrix.
    effects : dict of str to ndarray of shape (L, q, S)
        By factor, for the levels in `new`.
    """

    predictor: Predictor
    new: dict[str, Codes]
    roots: dict[str, Array]
    effects: dict[str, Array]

    @classmethod
    def of(cls, predictor: Predictor, idata: xr.DataTree, design: Design) -> _Latent:
        """Make room for the new levels of some rows."""
        new = {block.factor: _new(block, predictor) for block in design.blocks}
        roots = {factor: covariance_roots(predictor.spec, idata, factor) for factor in new}
        effects = {
            block.factor: np.empty((len(new[block.factor]), block.n_coefs, predictor.size))
            for block in design.blocks
        }
        return cls(predictor, new, roots, effects)

    def draw(self, rows: Design, rng: np.random.Generator) -> Array:
        """Draw the effects that linked rows share; return log p(y* | theta), of shape (S,)."""
        base, size = self.predictor.linear(rows).T, self.predictor.size
        places = self._places(rows)
        width = places[-1][-1].stop
        log_evidence = np.empty(size)
        chunk = max(1, _CELLS // (rows.n * (32 + width) + width * width))
        for cut in (slice(k, min(k + chunk, size)) for k in range(0, size, chunk)):
            M = np.empty((cut.stop - cut.start, rows.n, width))
            for block, code, columns in places:
                Z = np.where((block.codes == code)[:, None], block.Z, 0.0)
                M[..., columns] = Z @ self.roots[block.factor][cut]
            u, log_evidence[cut] = sample_effects(self._rows(rows, base[cut], M, cut), rng)
            for block, code, columns in places:
                T, level = self.roots[block.factor][cut], self.new[block.factor].searchsorted(code)
                effects = np.einsum("sij,sj->is", T, u[:, columns])
                self.effects[block.factor][level, :, cut] = effects
        return log_evidence

    def _places(self, rows: Design) -> list[tuple[GroupBlock, int, slice]]:
        """Return, for each new level of these rows, where its effects are among theirs."""
        places, start = [], 0
        for block in rows.blocks:
            for code in _new(block, self.predictor):
                places.append((block, int(code), slice(start, start + block.n_coefs)))
                start += block.n_coefs
        return places

    def _rows(self, rows: Design, base: Array, M: Array, cut: slice) -> Rows:
        shapes = {name: draws[cut, None] for name, draws in self.predictor.shapes.items()}
        if rows.se is not None:
            shapes["sigma"] = rows.se[None]
        family = self.predictor.spec.family
        return Rows(family, rows.response, rows.weights, rows.trials, base, M, shapes)


def _resample(log_weights: Array, rng: np.random.Generator) -> tuple[float, float, Codes]:
    """Return Pareto k, effective number of draws, and the draws chosen, increasing."""
    size = len(log_weights)
    if not np.isfinite(log_weights).any():
        raise DataError("no draw of the posterior gives the new rows a positive probability.")
    found, limit = smooth(log_weights), largest_k(size)
    if not found.pareto_k <= limit:
        warn(
            f"the new rows move the posterior too far for weights (Pareto k {found.pareto_k:.2f}, "
            f"above {limit:.2f}): fit again with them.",
            ConvergenceWarning,
        )
    return found.pareto_k, found.ess, resample(found.values, size, rng)


def _updated(
    idata: xr.DataTree,
    levels: dict[str, tuple[str, ...]],
    effects: dict[str, Array],
    kept: Codes,
) -> xr.DataTree:
    """Return the draws that were chosen, as one chain, with the effects of the new levels."""
    old = idata["posterior"].to_dataset()
    stacked = {}
    for name, variable in old.data_vars.items():
        values = variable.transpose(*names.SAMPLE_DIMS, ...)
        flat = values.to_numpy().reshape(-1, *values.shape[2:])[kept]
        stacked[str(name)] = (values.dims, flat[None])
    coords: dict[str, Any] = {
        str(dim): old[dim].to_numpy() for dim in old.dims if dim not in names.SAMPLE_DIMS
    }
    for factor, labels in levels.items():
        stacked.pop(names.standardized(factor), None)  # it has no new levels
        dims, known = stacked[names.effects(factor)]
        new = effects[factor][..., kept].transpose(2, 0, 1)[None]
        stacked[names.effects(factor)] = (dims, np.concatenate([known, new], axis=2))
        dim = names.levels_dim(factor)
        coords[dim] = [*map(str, coords[dim]), *labels]
    coords |= {"chain": [0], "draw": np.arange(len(kept))}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(stacked, coords=coords)})
    tree.attrs |= idata.attrs
    return tree
