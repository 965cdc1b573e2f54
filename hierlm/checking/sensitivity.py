r"""How much do the answers depend on the priors? Power scaling of the top-level ones.

.. math:: p_\alpha(\theta, b \mid y) \propto
          p(\theta)^\alpha\, p(b \mid \theta)\, p(y \mid b, \theta), \quad
          p_\alpha(\theta, b \mid y) \propto
          p(\theta)\, p(b \mid \theta)\, p(y \mid b, \theta)^\alpha

for alpha near one, by Pareto-smoothed importance weights of the draws that there are; the
sensitivity is the rate of change of each parameter's distribution in log2 alpha (Kallioinen,
Paananen, Bürkner and Vehtari 2024, doi:10.1007/s11222-023-10366-5; computed by ArviZ's psense).

:math:`p(\theta)` are the priors of coefficients, sds, correlations and the family's parameters, at
the values reported. The :math:`N(0, \Sigma)` of the effects is not scaled: it is part of the model,
and with it every hierarchical model would seem to have a conflict of prior and data. The likelihood
is that of the rows given the effects: coefficients learn from the rows through the effects, and a
low sensitivity to the likelihood is no sign that the data say little about them.
"""

from __future__ import annotations

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from hierlm import names
from hierlm.checking.draws import posterior_values
from hierlm.checking.parameters import log_prior
from hierlm.convergence import element_names
from hierlm.design import Design
from hierlm.errors import DataError, did_you_mean
from hierlm.simulation.responses import Values, chunks, linear_predictor, rows_of, shapes_of
from hierlm.spec import ModelSpec
from hierlm.summaries import interesting
from hierlm.tables import Table

Array = NDArray[np.float64]

_THRESHOLD = 0.05


def prior_sensitivity(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    priors: list[str] | None = None,
    *,
    threshold: float = _THRESHOLD,
) -> pd.DataFrame:
    """Return the sensitivity of each parameter to the priors and to the data.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The fitted rows.
    idata : xarray.DataTree
    priors : list of str, optional
        The parameters whose priors are scaled, by name; all when not given.
    threshold : float
        Sensitivity worth a word; 0.05 is the paper's.

    Returns
    -------
    pandas.DataFrame
        A row per parameter that is not fixed: ``prior``, ``likelihood`` and ``diagnosis``.

    Raises
    ------
    DataError
        If a name in `priors` has no prior, or no prior varies over the draws.
    """
    values = posterior_values(spec, idata)
    tree = xr.DataTree.from_dict(
        {
            "posterior": _varying(spec, idata),
            "log_prior": _by_draw(_chosen(log_prior(spec, values), priors), idata),
            "log_likelihood": _by_draw(
                {spec.response: log_likelihood(spec, design, values)}, idata
            ),
        }
    )
    found = {part: arviz_stats.psense(tree, group=part) for part in ("prior", "likelihood")}
    frame = Table({part: _flat(sensitivity) for part, sensitivity in found.items()}).rename_axis(
        "parameter"
    )
    frame["diagnosis"] = [
        _diagnosis(prior, likelihood, threshold)
        for prior, likelihood in frame.to_numpy(dtype=np.float64)
    ]
    return frame


def _chosen(densities: dict[str, Array], wanted: list[str] | None) -> dict[str, Array]:
    unknown = [name for name in wanted or () if name not in densities]
    if unknown:
        raise DataError(
            f"no parameter with a prior is called {unknown[0]!r}."
            f"{did_you_mean(unknown[0], densities)}\n  There are: {', '.join(densities)}."
        )
    found = {name: densities[name] for name in wanted or densities}
    if not any(np.ptp(density) > 0 for density in found.values()):
        raise DataError(
            "the priors have the same density at every draw (Flat, Uniform or fixed): there is "
            "nothing to scale."
        )
    return found


def log_likelihood(spec: ModelSpec, design: Design, values: Values) -> Array:
    """Return the log likelihood of all rows given the effects, an array of shape (S,)."""
    total = np.zeros(len(values[names.BETA]))
    for rows in chunks(design.n, len(total)):
        part = rows_of(design, rows)
        mu = spec.family.link.inverse(linear_predictor(part, values))
        terms = spec.family.logpdf(part.response, mu, **shapes_of(spec, part, values))
        total += terms.sum(axis=1) if part.weights is None else terms @ part.weights
    return total


def _by_draw(densities: dict[str, Array], idata: xr.DataTree) -> xr.Dataset:
    posterior = idata["posterior"]
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    coords = {dim: posterior[dim].to_numpy() for dim in names.SAMPLE_DIMS}
    data = {name: (names.SAMPLE_DIMS, x.reshape(shape)) for name, x in densities.items()}
    return xr.Dataset(data, coords=coords)


def _varying(spec: ModelSpec, idata: xr.DataTree) -> xr.Dataset:
    """Return the top-level parameters, one variable per element, without those that are fixed."""
    posterior = idata["posterior"].to_dataset()
    found = {}
    for name in interesting(spec):
        variable = posterior[name].transpose(*names.SAMPLE_DIMS, ...)
        flat = variable.to_numpy().reshape(*variable.shape[:2], -1)
        for k, label in enumerate(element_names(variable)):
            if np.ptp(flat[..., k]) > 0:
                found[names.safe(label)] = (names.SAMPLE_DIMS, flat[..., k])
    coords = {dim: posterior[dim].to_numpy() for dim in names.SAMPLE_DIMS}
    return xr.Dataset(found, coords=coords)


def _flat(sensitivity: xr.Dataset) -> dict[str, float]:
    return {str(name): float(value) for name, value in sensitivity.data_vars.items()}


def _diagnosis(prior: float, likelihood: float, threshold: float) -> str:
    if prior < threshold:
        return "ok"
    if likelihood >= threshold:
        return "prior and data may disagree"
    return "strong prior or weak data"
