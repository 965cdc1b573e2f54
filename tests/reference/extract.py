"""Write lme4_glmm.json and lme4_elsewhere.json: what lme4 and glmmTMB estimate.

    python tests/reference/extract.py <folder of reference results>

The folder holds one JSON file per model, made with R 4.2.2, lme4 1.1-31 and glmmTMB 1.1.5.
hierlm's formula of each model is written here by hand; coefficients keep R's order.
"""

import json
import sys
from pathlib import Path

FRUITS = "C(nutrient) * T(amd, 'unclipped') + C(rack) + status"
CONTRACEPTION = "use ~ age + I(age**2) + livch + urban"
EPILEPSY = "count ~ zAge + zBase * Trt"
# Data set, family and formula. Binomial, Poisson and negative binomial models by Laplace.
LAPLACE = {
    "arabidopsis_nb2": (
        "Arabidopsis",
        "negbinomial",
        f"total.fruits ~ {FRUITS} + (1 | popu + gen)",
    ),
    "arabidopsis_poisson": (
        "Arabidopsis",
        "poisson",
        f"total.fruits ~ {FRUITS} + (1 | popu + gen)",
    ),
    "arabidopsis_poisson_olre": (
        "Arabidopsis",
        "poisson",
        f"total.fruits ~ {FRUITS} + (1 | popu + gen + obs)",
    ),
    "arabidopsis_poisson_reg": (
        "Arabidopsis",
        "poisson",
        f"total.fruits ~ {FRUITS} + (1 | reg/popu/gen) + (1 | obs)",
    ),
    "cbpp_binomial": ("cbpp", "binomial", "p(incidence, size) ~ period + (1 | herd)"),
    "cbpp_binomial_olre": ("cbpp", "binomial", "p(incidence, size) ~ period + (1 | herd + obs)"),
    "contraception_intercept": ("Contraception", "bernoulli", f"{CONTRACEPTION} + (1 | district)"),
    "contraception_urban_slope": (
        "Contraception",
        "bernoulli",
        f"{CONTRACEPTION} + (urban | district)",
    ),
    "epil_lbase": ("epil", "poisson", "y ~ lbase * trt + lage + V4 + (1 | subject)"),
    "epilepsy_nb2": ("epilepsy", "negbinomial", f"{EPILEPSY} + (1 | patient)"),
    "epilepsy_patient": ("epilepsy", "poisson", f"{EPILEPSY} + (1 | patient)"),
    "epilepsy_patient_obs": ("epilepsy", "poisson", f"{EPILEPSY} + (1 | patient + obs)"),
    "grouseticks_brood": ("grouseticks", "poisson", "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)"),
    "grouseticks_cheight": (
        "grouseticks",
        "poisson",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD + INDEX + LOCATION)",
    ),
    "grouseticks_height": (
        "grouseticks",
        "poisson",
        "TICKS ~ YEAR + HEIGHT + (1 | BROOD + INDEX + LOCATION)",
    ),
    "lexdec_correct_bernoulli": (
        "lexdec",
        "bernoulli",
        "correct ~ Frequency + NativeLanguage + Length + (1 | Subject + Word)",
    ),
    "verbagg_main": (
        "VerbAgg",
        "bernoulli",
        "r2 ~ Anger + Gender + btype + situ + mode + (1 | id + item)",
    ),
    "verbagg_twoway": (
        "VerbAgg",
        "bernoulli",
        "r2 ~ (Anger + Gender + btype + situ)**2 + (1 | id + item)",
    ),
}
# Gaussian models of data that hierlm does not hold, and of a part of those that it does.
LINEAR = {
    "clark_ris_marginal": ("clark_ris", "y5 ~ x + (x | clus)"),
    "sleepstudy_slope_corr_days2up": (
        "sleepstudy deprived",
        "Reaction ~ Days + (Days | Subject)",
    ),
    "insteval_service_dept_ML": ("InstEval", "y ~ C(service) + (1 | s + d + dept)"),
    "insteval_service_deptservice": ("InstEval", "y ~ C(service) + (1 | s + d + dept:service)"),
    "lexdec_log_full": (
        "lexdec correct",
        "RT ~ Trial + NativeLanguage * Frequency + Length + Class + (1 | Subject + Word)",
    ),
    "lexdec_trial_subj": ("lexdec correct", "exp(RT) ~ Trial + (1 | Subject)"),
    "lexdec_trial_word": ("lexdec correct", "exp(RT) ~ Trial + (1 | Word)"),
    "lexdec_trial_subj_word": ("lexdec correct", "exp(RT) ~ Trial + (1 | Subject + Word)"),
    "lexdec_trialslope_subj_word": (
        "lexdec correct",
        "exp(RT) ~ Trial + (Trial | Subject) + (1 | Word)",
    ),
    "radon_m0_arm": ("radon", "log_radon_arm ~ 1 | county"),
    "radon_m1_arm": ("radon", "log_radon_arm ~ floor + (1 | county)"),
    "radon_m2_arm": ("radon", "log_radon_arm ~ floor + log_uranium + (1 | county)"),
    "radon_m3_arm": ("radon", "log_radon_arm ~ floor + (floor | county)"),
    "radon_m4_arm": ("radon", "log_radon_arm ~ floor * log_uranium + (floor | county)"),
    "radon_m5_arm": ("radon", "log_radon_arm ~ floor + log_uranium + (floor || county)"),
    "rats_slope": ("rats", "weight ~ I(day - 22) + (I(day - 22) | rat)"),
    "rats_uncorr": ("rats", "weight ~ I(day - 22) + (I(day - 22) || rat)"),
}


def read(folder: Path, name: str) -> tuple[dict, dict]:
    content = json.loads((folder / f"{name}.json").read_text())
    found = content["results"]
    estimates = {
        "engine": content["engine"],
        "coefs": [row["estimate"] for row in found["fixed"]],
        "se": [row["se"] for row in found["fixed"]],
    }
    return estimates, found


def glmm(folder: Path, name: str) -> dict:
    dataset, family, formula = LAPLACE[name]
    estimates, found = read(folder, name)
    ranef = found["ranef"]
    groups = {}
    for term in found["random"]:
        modes = ranef[term["group"]]
        # lme4's gen:(popu:reg) with levels like "11:1.SP:SP" is reg:popu:gen with "SP:1.SP:11"
        parts = term["group"].replace("(", "").replace(")", "").split(":")
        groups[":".join(reversed(parts))] = {
            "sd": list(term["sd"].values()),
            "cor": [term["cor"][i][j] for j in range(len(term["sd"])) for i in range(j)],
            "modes": {
                ":".join(reversed(level.split(":"))): mode
                for level, mode in zip(modes["levels"], modes["mode"], strict=True)
            },
        }
    return {
        "dataset": dataset,
        "family": family,
        "formula": formula,
        **estimates,
        "groups": groups,
        "alpha": found["sigma"] if family == "negbinomial" else None,
        "loglik": found["fit"]["logLik"],
    }


def linear(folder: Path, name: str) -> dict:
    dataset, formula = LINEAR[name]
    estimates, found = read(folder, name)
    fit = found["fit"]
    reml = fit["method"] == "REML"
    return {
        "dataset": dataset,
        "formula": formula,
        **estimates,
        "reml": reml,
        "criterion": fit["REML_criterion"] if reml else fit["minus2logLik"],
        "sigma": found["sigma"],
    }


def main() -> None:
    source, here = Path(sys.argv[1]), Path(__file__).parent
    for name, content in (
        ("lme4_glmm", {name: glmm(source, name) for name in LAPLACE}),
        ("lme4_elsewhere", {name: linear(source, name) for name in LINEAR}),
    ):
        (here / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
