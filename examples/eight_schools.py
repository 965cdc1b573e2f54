"""Eight schools (Rubin 1981): known standard errors, and how much to pool.

python examples/eight_schools.py [--out FOLDER]
"""

from __future__ import annotations

import pandas as pd
from pictures import arguments, title

import hierlm as hl

FORMULA = "y | se(sigma) ~ 1 + (1 | school)"
PRIORS = {"Intercept": "normal(0, 5)", "sd_school": "halfcauchy(5)"}


def main() -> None:
    """Run the example."""
    _, pictures = arguments(__doc__)
    data = hl.load_dataset("eight_schools")
    model = hl.Model(FORMULA, data, priors=PRIORS)
    title(FORMULA)
    print(model.equations("bayesian"), "\n")
    fit = model.fit(seed=1, progress=False)
    print(fit, "\n")
    print("Funnel: the collapsed engine integrates the schools out, so that there is none:",
          f"{int(fit.idata['sample_stats']['diverging'].sum())} divergences.")  # fmt: skip

    title("Each school: its own estimate, and partially pooled")
    table = fit.shrinkage().droplevel("coef")
    columns = ["no_pooling", "no_pooling_se", "mean", "sd", "pooling"]
    print(table[columns].astype(float).round(1).to_string())
    print(fit.hypothesis(["r_school[A, Intercept] > r_school[C, Intercept]", "Intercept > 0"])
          [["mean", "post_prob"]].round(2).to_string())  # fmt: skip

    title("Between no pooling and complete pooling: the sd is fixed, then learnt")
    rows = {}
    for tau in (0.1, 5.0, 25.0):
        at = hl.fit(FORMULA, data, priors=PRIORS | {"sd_school": tau}, seed=1, progress=False)
        rows[f"tau = {tau:g}"] = at.coef("school")["mean"].droplevel("coef")
    rows["tau learnt"] = fit.coef("school")["mean"].droplevel("coef")
    print(pd.DataFrame(rows).round(1).to_string(), "\n")

    title("A ninth school")
    ninth = pd.DataFrame({"school": ["new"], "sigma": [10]})
    print(fit.epred(ninth, new_levels="sample", summary=True, seed=1).round(1).to_string())
    print(fit.prior_sensitivity().round(2).to_string())
    pictures.save("schools", fit.plot_shrinkage())
    pictures.save("tau", fit.plot_varcorr())


if __name__ == "__main__":
    main()
