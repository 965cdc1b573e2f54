"""The models of tests/reference, as hierlm writes them, and their parameters under its names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from helpers.elsewhere import read

import hierlm as hl
from hierlm import names

FOLDER = Path(__file__).parent.parent / "reference"


@dataclass(frozen=True)
class Reference:
    """A reference posterior and the model that it belongs to.

    `also` names further posteriors of the same model; `long` ones take minutes. Data called
    "elsewhere" are not in hierlm.
    """

    id: str
    dataset: str
    formula: str
    priors: dict[str, Any]
    family: str = "gaussian"
    options: dict[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    long: bool = False

    def model(self) -> hl.Model:
        """Return the model."""
        elsewhere = self.dataset.startswith("elsewhere ")
        data = read(self.dataset.split()[1]) if elsewhere else hl.load_dataset(self.dataset)
        if self.dataset == "elsewhere lexdec":
            data = data[(data["RT"] < 7) & (data["Correct"] == "correct")]
        return hl.Model(self.formula, data, family=self.family, priors=self.priors)

    def expected(self) -> dict[str, list[dict[str, Any]]]:
        """Return the parameters and effects of each posterior."""
        found = {}
        for name in (self.id, *self.also):
            content = json.loads((FOLDER / f"{name}.json").read_text())
            rows = [*content["parameters"], *content["group_effects"]]
            # rstanarm has variances beside the sds
            found[name] = [row for row in rows if not row["variable"].startswith("Sigma[")]
        return found


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
        also=("bayes_sleepstudy_lkj2_halfnormal",),
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
        also=("bayes_sleepstudy_lkj1_exponential",),
    ),
    Reference(
        "exact_sleepstudy_uncorr_halfnormal",
        "sleepstudy",
        "Reaction ~ Days + (Days || Subject)",
        _SLEEP_PRIORS | _HALF_NORMAL,
        also=("bayes_sleepstudy_uncorr_halfnormal",),
    ),
    Reference(
        "exact_dyestuff",
        "Dyestuff",
        "Yield ~ 1 | Batch",
        {"Intercept": "normal(1500, 200)", "sd": "halfnormal(100)", "sigma": "halfnormal(100)"},
        options={"target_accept": 0.95, "draws": 4000},
        also=("bayes_dyestuff",),
    ),
    Reference(
        "exact_dyestuff2",
        "Dyestuff2",
        "Yield ~ 1 + (1 | Batch)",
        {"Intercept": "normal(5, 10)", "sd": "halfnormal(5)", "sigma": "halfnormal(5)"},
        options={"target_accept": 0.99},
        also=("bayes_dyestuff2",),
    ),
    Reference(
        "exact_eight_schools",
        "eight_schools",
        "y | se(sigma) ~ 1 + (1 | school)",
        {"Intercept": "normal(0, 5)", "sd": "halfcauchy(5)"},
        options={"target_accept": 0.99},
        also=("bayes_eight_schools",),
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
        also=("bayes_rstanarm_cbpp_binomial",),
    ),
    Reference(
        "bayes_epilepsy_poisson_patient_obs",
        "epilepsy",
        "count ~ zAge + zBase * Trt + (1 | patient) + (1 | obs)",
        _POISSON,
        family="poisson",
        options={"draws": 8000},
        also=("bayes_rstanarm_epilepsy_poisson_patient_obs",),
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
    Reference(
        "bayes_clark_ris",
        "clark_ris",
        "y ~ x + (x | clus)",
        {"Intercept": "normal(0, 10)", "x": "normal(0, 10)", "sd": "exponential(1)"}
        | {"cor": "lkj(1)", "sigma": "exponential(1)"},
        long=True,
    ),
    Reference(
        "bayes_arabidopsis_negbinomial",
        "Arabidopsis",
        "total.fruits ~ C(nutrient) * T(amd, 'unclipped') + C(rack) + status + (1 | popu + gen)",
        _POISSON | {"alpha": "exponential(1)"},
        family="negbinomial",
        long=True,
    ),
    Reference(
        "bayes_grouseticks_poisson",
        "grouseticks",
        "TICKS ~ YEAR + I(cHEIGHT / 100) + (1 | BROOD + INDEX + LOCATION)",
        _POISSON | {"I(cHEIGHT / 100)": "normal(0, 5)"},
        family="poisson",
        long=True,
    ),
    Reference(
        "bayes_lexdec_slope_crossed",
        "elsewhere lexdec",
        "RT ~ I((Trial - 100) / 50) + (I((Trial - 100) / 50) | Subject) + (1 | Word)",
        {"Intercept": "normal(6, 1)", "beta": "normal(0, 0.5)", "sd": "exponential(5)"}
        | {"cor": "lkj(2)", "sigma": "exponential(5)"},
        long=True,
    ),
]

BY_ID = {reference.id: reference for reference in REFERENCES}


def plain(coef: str) -> str:
    """Return a coefficient as R and the references call it: ``zBase:Trt1`` for ``zBase:Trt[1]``.

    Examples
    --------
    >>> plain("zBase:Trt[1]")
    'zBase:Trt1'
    """
    coef = re.sub(r"[CT]\((\w+)[^)]*\)", r"\1", coef)
    return _RENAMED.get(coef) or re.sub(r"[\[\]]", "", coef)


_RENAMED = {"I(cHEIGHT / 100)": "cH100", "I((Trial - 100) / 50)": "trial_s"}


def draws(model: hl.Model, idata: xr.DataTree, variable: str) -> np.ndarray:
    """Return draws, of shape (chains, draws), of a parameter under its brms name."""
    spec, posterior = model.spec, idata["posterior"]
    variable = re.sub(r"^b\[\((\w+)\) (\w+):(.+)\]$", r"r_\2[\3,\1]", variable)  # rstanarm's
    variable = {"shape": "alpha"}.get(variable, variable)
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
