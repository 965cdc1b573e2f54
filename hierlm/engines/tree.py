"""Draws in canonical names: the one shape in which every engine delivers a posterior."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design
from hierlm.engines.base import Settings
from hierlm.engines.moments import EffectSummary
from hierlm.priors import Fixed
from hierlm.spec import ModelSpec

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts

Array = NDArray[np.float64]

_DISTRIBUTIONS = ("hierlm", "pymc", "nutpie", "arviz", "numpy", "xarray")


def dims(spec: ModelSpec) -> dict[str, tuple[str, ...]]:
    """Return the dims of every posterior variable, without chain and draw, in report order."""
    found: dict[str, tuple[str, ...]] = {}
    if spec.coefs:
        found[names.BETA] = (names.COEF,)
    for group in spec.groups:
        found[names.sd(group.factor)] = (names.coef_dim(group.factor),)
        if group.covariance.pairs:
            found[names.cor(group.factor)] = (names.cor_dim(group.factor),)
    for shape in spec.shapes:
        found[shape.name] = ()
    for group in spec.groups:
        levels = (names.levels_dim(group.factor), names.coef_dim(group.factor))
        found[names.effects(group.factor)] = levels
    return found


def coords(spec: ModelSpec) -> dict[str, list[str]]:
    """Return the coordinates of every dim."""
    found = {names.COEF: list(spec.coefs)}
    for group in spec.groups:
        pairs = group.covariance.pairs
        found[names.levels_dim(group.factor)] = list(group.levels.labels)
        found[names.coef_dim(group.factor)] = list(group.coefs)
        found[names.cor_dim(group.factor)] = [
            names.pair(group.coefs[i], group.coefs[j]) for i, j in pairs
        ]
    return found


def build_tree(
    spec: ModelSpec,
    design: Design | CrossProducts,
    posterior: Mapping[str, Array],
    sample_stats: xr.Dataset,
    settings: Settings,
    attrs: Mapping[str, Any],
    effects: Mapping[str, Array] | None = None,
) -> xr.DataTree:
    """Assemble the tree that a `Fit` reads.

    Parameters
    ----------
    spec : ModelSpec
    design : Design or CrossProducts
        With rows, they are in the groups observed_data and constant_data.
    posterior : dict of str to ndarray of shape (chains, draws, ...)
        Every variable of `dims`, but for those that are fixed; further ones are kept as they are
        when their dims are those of the effects.
    sample_stats : xarray.Dataset
        In ArviZ's names.
    settings : Settings
    attrs : dict
        ``engine``, ``sampling_time`` and what else the engine says of itself.
    effects : dict of str to ndarray of shape (J, q), optional
        Summaries of the group-specific effects that the engine took itself, and did not keep the
        draws; computed here when not given and `settings` asks for them.

    Returns
    -------
    xarray.DataTree
    """
    variables = {}
    shape = (settings.chains, settings.draws)
    labels = coords(spec)
    summed: set[str] = set()
    if settings.effects == "summary":
        effects = _summarize(spec, posterior) if effects is None else effects
        summed = {names.effects(group.factor) for group in spec.groups}
    for name, variable_dims in dims(spec).items():
        if name in summed:
            continue
        values = posterior.get(name)
        if values is None:
            values = _fixed(spec, name, shape, [len(labels[dim]) for dim in variable_dims])
        variables[name] = ((*names.SAMPLE_DIMS, *variable_dims), values)
    for group in spec.groups:
        z = names.standardized(group.factor)
        if z in posterior:
            effect_dims = dims(spec)[names.effects(group.factor)]
            variables[z] = ((*names.SAMPLE_DIMS, *effect_dims), posterior[z])
    used = {dim for variable_dims, _ in variables.values() for dim in variable_dims}
    axes = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
    kept = {dim: values for dim, values in labels.items() if dim in used}
    groups = {
        "posterior": xr.Dataset(variables, coords=axes | kept),
        "sample_stats": sample_stats,
    }
    if isinstance(design, Design):
        rows = {names.OBS: np.arange(design.n)}
        observed = {spec.response: (names.OBS, design.response)}
        groups["observed_data"] = xr.Dataset(observed, coords=rows)
        groups["constant_data"] = _constant_data(design)
    if effects is not None:
        groups[names.EFFECTS] = _effects(spec, effects)
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update(_provenance(spec, settings) | dict(attrs))
    return tree


def is_approximate(idata: xr.DataTree) -> bool:
    """Return whether the draws are those of an approximation, without chains that could agree."""
    return "pareto_k" in idata.attrs


def _summarize(spec: ModelSpec, posterior: Mapping[str, Array]) -> dict[str, Array]:
    summary = EffectSummary(spec)
    if not spec.groups:
        return {}
    drawn = {group.factor: posterior[names.effects(group.factor)] for group in spec.groups}
    flat = {factor: draws.reshape(-1, *draws.shape[2:]) for factor, draws in drawn.items()}
    shape = len(next(iter(flat.values()))), len(spec.coefs)
    beta = posterior.get(names.BETA, np.zeros(shape))  # if fixed, it adds nothing to a spread
    summary.add(flat, beta.reshape(shape))
    return summary.variables()


def _effects(spec: ModelSpec, effects: Mapping[str, Array]) -> xr.Dataset:
    labels, found = coords(spec), {}
    kept: dict[str, list[str]] = {}
    for group in spec.groups:
        variable_dims = dims(spec)[names.effects(group.factor)]
        kept |= {dim: labels[dim] for dim in variable_dims}
        for name in names.summaries_of(group.factor):
            found[name] = (variable_dims, effects[name])
    return xr.Dataset(found, coords=kept)


def _fixed(spec: ModelSpec, name: str, shape: tuple[int, int], sizes: list[int]) -> Array:
    """Return a parameter that the priors fix, as draws that are all alike."""
    keys = [name]
    if name not in spec.priors:  # a vector, whose elements have the priors
        elements = coords(spec)[dims(spec)[name][-1]]
        keys = elements if name == names.BETA else [names.element(name, e) for e in elements]
    priors = [spec.priors[key] for key in keys]
    values = [prior.value for prior in priors if isinstance(prior, Fixed)]
    if len(values) != len(priors):
        raise KeyError(f"the engine delivered no draws of {name!r}.")
    return np.broadcast_to(np.asarray(values if sizes else values[0]), (*shape, *sizes)).copy()


def _constant_data(design: Design) -> xr.Dataset:
    rows = (names.OBS,)
    found: dict[str, Any] = {"X": ((names.OBS, names.COEF), design.X)}
    for block in design.blocks:
        found[f"{block.factor}_index"] = (rows, block.codes)
    extras = {"offset": design.offset, "trials": design.trials}
    extras |= {"weights": design.weights, "se": design.se}
    found |= {key: (rows, values) for key, values in extras.items() if values is not None}
    return xr.Dataset(
        found, coords={names.OBS: np.arange(design.n), names.COEF: list(design.coefs)}
    )


def _provenance(spec: ModelSpec, settings: Settings) -> dict[str, Any]:
    return {
        "formula": spec.formula,
        "family": spec.family.name,
        "link": spec.family.link.name,
        "priors": json.dumps({item.name: str(item.prior) for item in spec.priors}),
        "seed": settings.seed,
        "draws": settings.draws,
        "tune": settings.tune,
        "chains": settings.chains,
        "target_accept": settings.target_accept,
        "effects": settings.effects,
        "versions": json.dumps({name: version(name) for name in _DISTRIBUTIONS}),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
