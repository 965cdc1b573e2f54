"""Write lme4_designs.json: what lme4 knows of designs over the bundled data.

    python tests/design/golden/extract.py <folder of reference results>

The folder holds one JSON file per model, made with R 4.2.2 and lme4 1.1-31 by its scripts
02_lme4.R and lib.R. hierlm's formula of each model is written here by hand; R's names of columns
and groups are put into hierlm's spelling, and nothing is computed.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

type Names = Callable[[str], str]

# Factors among the predictors of each data set: R's name and, where it differs, hierlm's.
FACTORS = {
    "Arabidopsis": {
        "nutrient": "C(nutrient)",
        "amd": 'T(amd, "unclipped")',
        "rack": "C(rack)",
        "status": "status",
    },
    "BodyWeight": ["Diet"],
    "cake": {"recipe": "recipe", "tf": "temperature"},
    "cbpp": ["period"],
    "ChickWeight": ["Diet"],
    "Contraception": ["livch", "urban"],
    "epil": ["trt"],
    "epilepsy": ["Trt"],
    "grouseticks": ["YEAR"],
    "Machines": ["Machine"],
    "oats": ["N", "V"],
    "Orthodont": ["Sex"],
    "Penicillin": ["sample"],
    "VerbAgg": ["Gender", "btype", "situ", "mode"],
}

# hierlm's formula of each model.
FRUITS = "C(nutrient) * T(amd, 'unclipped') + C(rack) + status"
MODELS = {
    "arabidopsis_lmm_log": f"log(total.fruits + 1) ~ {FRUITS} + (1 | popu) + (1 | gen)",
    "arabidopsis_poisson_reg": f"total.fruits ~ {FRUITS} + (1 | reg/popu/gen) + (1 | obs)",
    "bodyweight": "weight ~ Time * Diet + (Time | Rat)",
    "cake_recipe_plus_temp": "angle ~ recipe + temp + (1 | recipe:replicate)",
    "cake_treatment_coded": "angle ~ recipe * temperature + (1 | recipe:replicate)",
    "cake_recipe_x_temperature": "angle ~ recipe * temperature + (1 | recipe:replicate)",
    "cake_random_rep": "angle ~ recipe * temperature + (1 | replicate) + (1 | recipe:replicate)",
    "cbpp_binomial": "p(incidence, size) ~ period + (1 | herd)",
    "cbpp_binomial_olre": "p(incidence, size) ~ period + (1 | herd) + (1 | obs)",
    "chickweight_diet_time": "weight ~ Time * Diet + (Time | Chick)",
    "chickweight_intercept": "weight ~ Time * Diet + (1 | Chick)",
    "clark_ri": "y ~ x + (1 | clus)",
    "clark_ris": "y ~ x + (x | clus)",
    "contraception_intercept": "use ~ age + I(age**2) + livch + urban + (1 | district)",
    "contraception_urban_slope": "use ~ age + I(age**2) + livch + urban + (urban | district)",
    "dyestuff": "Yield ~ 1 + (1 | Batch)",
    "dyestuff2": "Yield ~ 1 | Batch",
    "epil_lbase": "y ~ lbase * trt + lage + V4 + (1 | subject)",
    "epilepsy_patient": "count ~ zAge + zBase * Trt + (1 | patient)",
    "epilepsy_patient_obs": "count ~ zAge + zBase * Trt + (1 | patient) + (1 | obs)",
    "grouseticks_brood": "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)",
    "grouseticks_cheight": "TICKS ~ YEAR + cHEIGHT + (1 | BROOD + INDEX + LOCATION)",
    "machines_worker": "score ~ Machine + (1 | Worker)",
    "machines_worker_cov": "score ~ Machine + (0 + Machine | Worker)",
    "machines_treatment_slopes": "score ~ Machine + (Machine | Worker)",
    "machines_nested": "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)",
    "oats_block": "Y ~ N * V + (1 | B)",
    "oats_nested": "Y ~ N * V + (1 | B/V)",
    "oats_nested_additive": "Y ~ N + V + (1 | B/V)",
    "oats_nitro_linear": "Y ~ nitro + (1 | B/V)",
    "orthodont_intercept": "distance ~ age + Sex + (1 | Subject)",
    "orthodont_sex": "distance ~ age * Sex + (age | Subject)",
    "orthodont_slope": "distance ~ age + (age | Subject)",
    "oxboys_quadratic": "height ~ age + I(age**2) + (age + I(age**2) | Subject)",
    "oxboys_slope": "height ~ age + (age | Subject)",
    "pastes_explicit": "strength ~ 1 + (1 | batch) + (1 | sample)",
    "pastes_nested": "strength ~ 1 + (1 | batch/cask)",
    "pastes_wrong_crossed": "strength ~ 1 + (1 | batch) + (1 | cask)",
    "penicillin_crossed": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "penicillin_sample_fixed": "diameter ~ 1 + sample + (1 | plate)",
    "radon_m0": "log_radon ~ 1 + (1 | county)",
    "radon_m1": "log_radon ~ floor + (1 | county)",
    "radon_m2": "log_radon ~ floor + log_uranium + (1 | county)",
    "radon_m3": "log_radon ~ floor + (floor | county)",
    "radon_m4": "log_radon ~ floor * log_uranium + (floor | county)",
    "radon_m5": "log_radon ~ floor + log_uranium + (floor || county)",
    "sleepstudy_intercept": "Reaction ~ Days + (1 | Subject)",
    "sleepstudy_slope_corr": "Reaction ~ Days + (Days | Subject)",
    "sleepstudy_slope_only": "Reaction ~ Days + (0 + Days | Subject)",
    "sleepstudy_slope_uncorr": "Reaction ~ Days + (Days || Subject)",
    "sleepstudy_slope_uncorr_days2up": "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)",
    "verbagg_main": "r2 ~ Anger + Gender + btype + situ + mode + (1 | id) + (1 | item)",
    "verbagg_twoway": "r2 ~ (Anger + Gender + btype + situ)**2 + (1 | id + item)",
}


def column(name: str, factors: dict[str, str]) -> str:
    """Give R's name of a column in hierlm's spelling: ``a[B]:x`` for ``aB:x``."""
    return ":".join(part(piece, factors) for piece in name.split(":"))


def part(piece: str, factors: dict[str, str]) -> str:
    for theirs, ours in factors.items():
        if piece.startswith(theirs) and piece != theirs:
            return f"{ours}[{piece.removeprefix(theirs)}]"
    return {"(Intercept)": "Intercept", "I(age^2)": "I(age ** 2)"}.get(piece, piece)


def order(theirs: str, formula: str) -> list[int]:
    """Give the order in which hierlm writes the columns of R's ``b:a``."""
    if "/" not in formula:
        return list(range(theirs.count(":") + 1))
    return list(range(theirs.count(":"), -1, -1))  # a/b is b:a to lme4, a:b to hierlm


def group(theirs: str, found: dict, covariances: list[dict], formula: str, name: Names) -> dict:
    """Give the group effects of one factor: labels, modes by label, blocks of the covariance."""
    places = order(theirs, formula)
    crossed = len(places) > 1

    def label(text: str) -> str:
        pieces = text.split(":") if crossed else [text]
        return ":".join(pieces[i] for i in places)

    return {
        "coefs": [name(term) for term in found["terms"]],
        "effects": {label(k): v for k, v in zip(found["levels"], found["mode"], strict=True)},
        "covariance": [c["cov"] for c in covariances if c["group"] == theirs],
    }


def design(model: str, formula: str, reference: dict) -> dict:
    dataset = Path(reference["dataset"]).stem
    factors = FACTORS.get(dataset, {})
    factors = factors if isinstance(factors, dict) else {name: name for name in factors}
    results = reference["results"]

    def name(term: str) -> str:
        return column(term, factors)

    groups = {}
    for theirs, found in results["ranef"].items():
        pieces = theirs.replace("(", "").replace(")", "").split(":")
        ours = ":".join(pieces[i] for i in order(theirs, formula))
        groups[ours] = group(theirs, found, results["random"], formula, name)
    return {
        "dataset": dataset,
        "formula": formula,
        "R": reference["formula"],
        "rows": reference["data_preparation"],
        "link": reference["link"],
        "n": results["n_obs"],
        "coefs": {name(term["name"]): term["estimate"] for term in results["fixed"]},
        "column_sums": {name(term): value for term, value in results["X_colsums"].items()},
        "eta": results["population_eta_first5"],
        "fitted": results["fitted_first5"],
        "sigma": results["sigma"],
        "groups": groups,
    }


def main(folder: Path) -> None:
    lines = []
    for model, formula in MODELS.items():
        reference = json.loads((folder / f"{model}.json").read_text())
        lines.append(f"{json.dumps(model)}: {json.dumps(design(model, formula, reference))}")
    target = Path(__file__).with_name("lme4_designs.json")
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
