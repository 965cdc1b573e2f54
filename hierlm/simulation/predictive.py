"""Prior predictive draws: what the model expects before it has seen the response."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from hierlm import names
from hierlm.design import Design
from hierlm.engines.tree import coords, dims
from hierlm.errors import DataError
from hierlm.seeds import generator
from hierlm.simulation.priors import draw_prior
from hierlm.simulation.responses import chunks, draw_responses
from hierlm.spec import ModelSpec


def prior_predictive(
    spec: ModelSpec,
    design: Design,
    *,
    draws: int = 500,
    seed: int | np.random.Generator | None = None,
) -> xr.DataTree:
    """Draw parameters from their priors, and responses of the rows of `design` given them.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        With its response, which is kept for comparison.
    draws : int
        Number of draws, S.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    xarray.DataTree
        Groups ``prior``, ``prior_predictive`` and ``observed_data``, in the names of the posterior
        with one chain of S draws; ``arviz.plot_ppc_dist(tree, group="prior_predictive")`` takes it.

    Raises
    ------
    PriorError
        If a prior is improper.
    FamilyError
        If the priors reach means that the family does not have.

    Warns
    -----
    HierlmWarning
        If the priors reach counts above 1e15.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    >>> tree = prior_predictive(model.spec, model.design, draws=200, seed=1)
    >>> tree["prior_predictive"]["Reaction"].shape
    (1, 200, 180)

    Are the priors within reason? They expect reaction times around 300 ms, with a wide margin:

    >>> print(tree["prior_predictive"]["Reaction"].median().round(-2).item())
    300.0
    """
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise DataError(f"draws is a positive whole number; came {draws!r}.")
    rng = generator(seed)
    values = draw_prior(spec, int(draws), rng)
    dtype = np.int64 if spec.family.discrete else np.float64
    y = np.empty((1, draws, design.n), dtype)
    for rows in chunks(design.n, draws):
        y[0, :, rows] = draw_responses(spec, design.take(rows), values, rng)
    labels = coords(spec)
    variables = {
        name: ((*names.SAMPLE_DIMS, *own), values[name][None]) for name, own in dims(spec).items()
    }
    used = {dim for own, _ in variables.values() for dim in own}
    axes: dict[str, Any] = {"chain": np.arange(1), "draw": np.arange(draws)}
    kept = {dim: text for dim, text in labels.items() if dim in used}
    rows_axis = {names.OBS: np.arange(design.n)}
    observed = xr.Dataset({spec.response: (names.OBS, design.response)}, coords=rows_axis)
    predicted = xr.Dataset(
        {spec.response: ((*names.SAMPLE_DIMS, names.OBS), y)}, coords=axes | rows_axis
    )
    tree = xr.DataTree.from_dict(
        {
            "prior": xr.Dataset(variables, coords=axes | kept),
            "prior_predictive": predicted,
            "observed_data": observed,
        }
    )
    tree.attrs.update(
        {
            "formula": spec.formula,
            "family": spec.family.name,
            "link": spec.family.link.name,
            "draws": int(draws),
        }
    )
    return tree
