"""Bolker, mixed models: an introduction: Arabidopsis, covariance pictures, the maximal model.

python examples/bolker_arabidopsis.py [--out FOLDER]
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pictures import Pictures, arguments, title

import hierlm as hl
from hierlm import teaching
from hierlm.plots import plot_design

COMMON = "log(total.fruits + 1) ~ nutrient * amd + rack + status"
SIMPLE = f"{COMMON} + (1 | popu) + (1 | gen)"
MAXIMAL = f"{COMMON} + (nutrient * amd | popu) + (nutrient * amd | gen)"


def arabidopsis() -> pd.DataFrame:
    """Return the table with numbers that are labels as factors, unclipped plants first."""
    data = hl.load_dataset("Arabidopsis")
    for name in ("nutrient", "rack", "gen"):
        data[name] = data[name].astype(str).astype("category")
    data["amd"] = data["amd"].cat.reorder_categories(["unclipped", "clipped"])
    return data


def designs(pictures: Pictures) -> None:
    """Nested, crossed, and labels that say which: what each bar is short for."""
    title("Nested and crossed")
    pastes = hl.load_dataset("Pastes")
    for bar in ("(1 | batch/cask)", "(1 | batch*cask)", "(1 | batch) + (1 | cask)", "(1 | sample)"):
        model = hl.Model(f"strength ~ 1 + {bar}", pastes)
        blocks = ", ".join(f"{b.factor} ({b.n_levels})" for b in model.design.blocks)
        print(f"{bar:26} {blocks}")
    pictures.save("labels_reused", plot_design(pastes, "batch", "cask"))
    pictures.save("labels_unique", plot_design(pastes, "batch", "sample"))


def covariance_pictures(pictures: Pictures) -> None:
    """Draw the covariance of effects, and of observations, for three structures."""
    title("Covariance pictures")
    rng = np.random.default_rng(3)
    ten = pd.DataFrame({"g": np.repeat(np.arange(10), 5), "x": np.tile(np.arange(-2.0, 3.0), 10)})
    ten["z"] = rng.normal(size=50)
    five = ten.assign(g=ten["g"] // 2, h=np.tile(np.arange(5), 10))
    plain, slopes = {"Intercept": 0, "sigma": 0.5}, {"beta": 0, "cor_g": 0.3}
    plans = [
        ("ten_groups", "y ~ 1 + (1 | g)", ten, plain | {"sd_g": 1}),
        ("three_effects", "y ~ x + z + (x + z | g)", ten, plain | slopes | {"sd_g": [1, 0.5, 0.3]}),
        ("two_terms", "y ~ x + (x | g) + (1 | h)", five,
         plain | slopes | {"sd_g": [1, 0.5], "sd_h": 0.7}),
    ]  # fmt: skip
    for name, formula, plan, params in plans:
        data = hl.simulate(formula, plan, params, seed=4)
        fit = hl.fit(formula, data, seed=1, progress=False)
        parameters = sum(block.covariance.n_parameters for block in fit.design.blocks)
        print(f"{formula:32} parameters of the covariance: {parameters}")
        pictures.save(name, fit.plot_covariance(rows=50))


def maximal(pictures: Pictures, data: pd.DataFrame) -> None:
    """Count what could vary, fit it, and see what the data say about it."""
    title("The maximal model: which effects vary within which groups")
    print("n effects have n(n + 1)/2 covariance parameters:",
          {n: teaching.covariance_parameters(n) for n in (16, 12, 4)})  # fmt: skip
    print(teaching.maximal_parameters(hl.Model(SIMPLE, data)).to_string(), "\n")
    model = hl.Model(MAXIMAL, data)
    print(model.check(), "\n")
    print(model.equations("multilevel"), "\n")
    fit = model.fit(draws=800, seed=1, progress=False)
    estimates = fit.mle()
    print("lme4's estimate is singular: ", estimates.singular)
    print(estimates.varcorr.xs("popu").round(2).to_string(), "\n")
    print("The posterior has no edge to fall on; sds and correlations of popu:")
    print(fit.varcorr("popu").xs("popu").round(2).to_string())
    pictures.save("maximal_varcorr", fit.plot_varcorr("popu"))
    few = sorted(data["gen"].value_counts().index[-4:], key=int)
    pictures.save("maximal_covariance", fit.plot_covariance("gen", levels=few, rows=80))


def main() -> None:
    """Run the slides."""
    _, pictures = arguments(__doc__)
    designs(pictures)
    covariance_pictures(pictures)
    data = arabidopsis()

    title(SIMPLE)
    fit = hl.fit(SIMPLE, data, seed=1, progress=False)
    print(fit.mle(), "\n")
    print(teaching.beside_lme4(fit).round(3).to_string(na_rep=""), "\n")
    print("Estimate of clipping by method:")
    methods = {"one line for all (lm)": teaching.lm(COMMON, data),
               "populations common (lm)": teaching.lm(f"{COMMON} + popu", data),
               "lme4": fit.mle()}  # fmt: skip
    for name, found in methods.items():
        print("  {:24} {:.3f} ({:.3f})".format(name, *found.fixef.loc["amd[clipped]"][:2]))
    print("  {:24} {:.3f} ({:.3f})".format("posterior", *fit.fixef().loc["amd[clipped]"][:2]))
    print(f"\n{fit.check()}")
    pictures.save("shrinkage", fit.plot_shrinkage("popu"))
    pictures.save("residuals", fit.plot_residuals())
    maximal(pictures, data)


if __name__ == "__main__":
    main()
