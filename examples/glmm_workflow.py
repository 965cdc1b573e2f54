"""A generalised mixed model from the question to the answer: contagious disease in herds (cbpp).

python examples/glmm_workflow.py [--out FOLDER]
"""

from __future__ import annotations

import numpy as np
from pictures import arguments, title

import hierlm as hl

FORMULA = "p(incidence, size) ~ period + (1 | herd)"
PRIORS = {"beta": "normal(0, 1.5)", "sd_herd": "halfnormal(1)"}


def main() -> None:
    """Run the workflow."""
    _, pictures = arguments(__doc__)
    data = hl.load_dataset("cbpp")

    title("1. The model, and what the design can tell")
    model = hl.Model(FORMULA, data, family="binomial", priors=PRIORS)
    print(model, "\n")
    print(model.equations("multilevel"), "\n")
    print(model.check())

    title("2. What the priors say about herds, before the data")
    prior = model.prior_predictive(draws=500, seed=1)["prior_predictive"]
    share = prior["incidence"].to_numpy() / model.design.trials
    print("Quantiles of the share of infected animals, prior predictive:",
          np.quantile(share, [0.05, 0.5, 0.95]).round(2))  # fmt: skip

    title("3. The fit, and whether to trust it")
    fit = model.fit(seed=1, progress=False)
    print(fit, "\n")
    print(fit.check())
    print("\nHow much the priors matter, by power scaling:")
    print(fit.prior_sensitivity().round(2).to_string())

    title("4. Does the model make data like these?")
    statistics = ("mean", "sd", "max", "zeros")
    print(fit.predictive_checks(statistics, seed=1).round(2).to_string(), "\n")
    print(fit.residual_tests(seed=1).round(3).to_string())

    title("5. Another model: extra variation between visits (one effect per row)")
    data["visit"] = np.arange(len(data)).astype(str)
    extra = hl.fit(f"{FORMULA} + (1 | visit)", data, family="binomial", priors=PRIORS
                   | {"sd_visit": "halfnormal(1)"}, seed=1, progress=False)  # fmt: skip
    print("How well a new herd is predicted:")
    print(hl.compare({"herds": fit, "herds and visits": extra}, unit="herd"))

    title("6. Answers on the scale of the question")
    print("Probability of infection in each period, averaged over herds:")
    grid = fit.datagrid({"period": list(data["period"].cat.categories)})
    print(fit.predictions(grid, groups="integrate").round(3).to_string(), "\n")
    print("Change of the probability from period to period, averaged over the rows:")
    print(fit.comparisons({"period": "sequential"}).round(3).to_string(), "\n")
    print(fit.hypothesis(["period[4] < period[2]", "exp(period[4]) < 0.5"])
          [["mean", "post_prob"]].round(3).to_string(), "\n")  # fmt: skip
    print(fit.icc().round(2).to_string(), "\n")

    title("7. A new herd, and one that was seen once")
    herd = {"period": ["1", "2"], "size": [20, 20], "herd": ["new", "new"]}
    print(fit.predict(herd, new_levels="sample", summary=True, seed=2).round(1).to_string())
    seen = fit.condition({"period": ["1"], "size": [20], "herd": ["new"], "incidence": [9]}, seed=3)
    herd = {name: values[1:] for name, values in herd.items()}
    print("After 9 of 20 in its first period, the second:")
    print(seen.predict(herd, summary=True, seed=2).round(1).to_string())

    pictures.save("model", fit.plot_model())
    pictures.save("chains", fit.plot_trace())
    pictures.save("predictive", fit.plot_ppc())
    pictures.save("residuals", fit.plot_residuals())
    pictures.save("herds", fit.plot_ranef())
    pictures.save("periods", fit.plot_predictions("period", groups="integrate"))


if __name__ == "__main__":
    main()
