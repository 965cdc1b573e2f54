"""The models of tests/reference, as hierlm writes them, and their parameters under its names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import hierlm as hl
from hierlm import names

FOLDER = Path(__file__).parent.parent / "reference"


@dataclass(frozen=True)
class Reference:
    """A reference posterior and the model that it belongs to."""

    id: str
    dataset: str
    formula: str
    priors: dict[str, Any]
    family: str = "gaussian"
    options: dict[str, Any] = field(default_factory=dict)

    def model(self) -> hl.Model:
        """Return the model."""
        data = hl.load_dataset(self.dataset)
        return hl.Model(self.formula, data, family=self.family, priors=self.priors)

    def read(self) -> dict[str, Any]:
        """Return the content of the file."""
        return json.loads((FOLDER / f"{self.id}.json").read_text())


_SLEEP = "Reaction ~ Days + (Days | Subject)"
_SLEEP_PRIORS = {"Intercept": "normal(250, 100)", "Days": "normal(0, 20)"}
_HALF_NORMAL = {
    "sd_Subject[Intercept]": "halfnormal(50)",
    "sd_Subject[Days]": "halfnormal(20)",
    "sigma": "halfnormal(50)",
}
_POISSON = {"Intercept": "normal(0, 5)", "beta": "normal(0, 2.5)", "sd": "exponential(1)"}
_PENICILLIN = {"Intercept": "normal(20, 10)", "sd": "halfnormal(5)", "sigma": "halfnormal(5)"}

REFERENCES = [
    Reference(
        "exact_sleepstudy_lkj2_halfnormal",
        "sleepstudy",
        _SLEEP,
        _SLEEP_PRIORS | _HALF_NORMAL | {"cor": "lkj(2)"},
    ),
    Reference(
        "exact_sleepstudy_lkj1_exponential",
        "sleepstudy",
        _SLEEP,
        _SLEEP_PRIORS
        | {
            "sd_Subject[Intercept]": "exponential(0.04)",
            "sd_Subject[Days]": "exponential(0.1)",
            "cor_Subject": "lkj(1)",
            "sigma": "exponential(0.04)",
        },
        options={"target_accept": 0.95},
    ),
    Reference(
        "exact_sleepstudy_uncorr_halfnormal",
        "sleepstudy",
        "Reaction ~ Days + (Days || Subject)",
        _SLEEP_PRIORS | _HALF_NORMAL,
    ),
    Reference(
        "exact_dyestuff",
        "Dyestuff",
        "Yield ~ 1 | Batch",
        {"Intercept": "normal(1500, 200)", "sd": "halfnormal(100)", "sigma": "halfnormal(100)"},
        options={"target_accept": 0.95, "draws": 4000},
    ),
    Reference(
        "exact_dyestuff2",
        "Dyestuff2",
        "Yield ~ 1 + (1 | Batch)",
        {"Intercept": "normal(5, 10)", "sd": "halfnormal(5)", "sigma": "halfnormal(5)"},
        options={"target_accept": 0.99},
    ),
    Reference(
        "exact_eight_schools",
        "eight_schools",
        "y | se(sigma) ~ 1 + (1 | school)",
        {"Intercept": "normal(0, 5)", "sd": "halfcauchy(5)"},
        options={"target_accept": 0.99},
    ),
    Reference(
        "exact_penicillin_crossed",
        "Penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        _PENICILLIN,
        options={"target_accept": 0.99, "draws": 12_000},  # intercept and effects trade off
    ),
    Reference(
        "bayes_penicillin_crossed",
        "Penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        _PENICILLIN,
        options={"target_accept": 0.99, "draws": 12_000},  # intercept and effects trade off
    ),
    Reference(
        "bayes_cbpp_binomial",
        "cbpp",
        "p(incidence, size) ~ period + (1 | herd)",
        _POISSON,
        family="binomial",
    ),
    Reference(
        "bayes_epilepsy_poisson_patient_obs",
        "epilepsy",
        "count ~ zAge + zBase * Trt + (1 | patient) + (1 | obs)",
        _POISSON,
        family="poisson",
        options={"draws": 8000},
    ),
    Reference(
        "bayes_radon_slope_uranium",
        "radon",
        "log_radon ~ floor * log_uranium + (floor | county)",
        {"Intercept": "normal(0, 5)", "beta": "normal(0, 2.5)", "sd": "halfnormal(1)"}
        | {"cor": "lkj(2)", "sigma": "halfnormal(1)"},
        options={"target_accept": 0.95},
    ),
    Reference(
        "bayes_machines_worker_cov",
        "Machines",
        "score ~ Machine + (0 + Machine | Worker)",
        {"Intercept": "normal(60, 20)", "beta": "normal(0, 20)", "sd": "halfnormal(10)"}
        | {"cor": "lkj(2)", "sigma": "halfnormal(5)"},
        options={"target_accept": 0.99},
    ),
]

BY_ID = {reference.id: reference for reference in REFERENCES}


def plain(coef: str) -> str:
    """Return a coefficient as R writes it: ``zBase:Trt1`` for ``zBase:Trt[1]``.

    Examples
    --------
    >>> plain("zBase:Trt[1]")
    'zBase:Trt1'
    """
    return re.sub(r"[\[\]]", "", coef)


def draws(model: hl.Model, idata: xr.DataTree, variable: str) -> np.ndarray:
    """Return draws, of shape (chains, draws), of a parameter under its brms name."""
    spec, posterior = model.spec, idata["posterior"]
    if variable.startswith("b_"):
        by_name = {plain(coef): coef for coef in spec.coefs}
        return posterior[names.BETA].sel({names.COEF: by_name[variable[2:]]}).to_numpy()
    if variable.startswith(("sd_", "cor_")):
        kind, _, rest = variable.partition("_")
        factor, *terms = rest.split("__")
        group = spec.group(factor)
        by_name = {plain(coef): coef for coef in group.coefs}
        coefs = [by_name[term] for term in terms]
        if kind == "sd":
            sds = posterior[names.sd(factor)]
            return sds.sel({names.coef_dim(factor): coefs[0]}).to_numpy()
        pair = names.pair(*coefs)
        return posterior[names.cor(factor)].sel({names.cor_dim(factor): pair}).to_numpy()
    if variable.startswith("r_"):
        factor, level, term = re.fullmatch(r"r_(\w+)\[(.+),(.+)\]", variable).groups()
        by_name = {plain(coef): coef for coef in spec.group(factor).coefs}
        where = {names.levels_dim(factor): level, names.coef_dim(factor): by_name[term]}
        return posterior[names.effects(factor)].sel(where).to_numpy()
    return posterior[variable].to_numpy()
