"""Lisi, multilevel modelling in R: the sleepstudy from panels to residuals.

python examples/lisi_sleepstudy.py [--out FOLDER]
"""

from __future__ import annotations

import pandas as pd
from pictures import arguments, title

import hierlm as hl
from hierlm import teaching

CORRELATED = "Reaction ~ Days + (Days | Subject)"
INDEPENDENT = "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"

# The lecture's parametric bootstrap, confint(method = "boot", nsim = 500), under lme4's names.
BOOTSTRAP = pd.DataFrame(
    {
        "sd_Subject[Intercept]": ("sd_(Intercept)|Subject", 12.81, 35.63),
        "cor_Subject[Intercept, Days]": ("cor_Days.(Intercept)|Subject", -0.53, 0.81),
        "sd_Subject[Days]": ("sd_Days|Subject", 3.57, 8.32),
        "sigma": ("sigma", 22.61, 28.44),
        "Intercept": ("(Intercept)", 237.02, 264.76),
        "Days": ("Days", 7.54, 13.20),
    },
    index=["lme4's name", "boot 2.5%", "boot 97.5%"],
).T

CHEAT_SHEET = {
    "(1 | Subject)": "an intercept per subject",
    "(1 + Days | Subject)": "intercept and slope, correlated",
    "(0 + Days | Subject)": "a slope per subject, one intercept",
    "(1 | Subject) + (0 + Days | Subject)": "intercept and slope, uncorrelated",
    "(Days || Subject)": "the same, shorter",
    "(1 | Subject) + (1 | Days)": "two crossed factors: days as levels",
}


def two_steps(fit: hl.Fit) -> None:
    """Compare what subjects say alone, with lme4's conditional modes, and the posterior."""
    title("Each subject alone -> partially pooled -> population")
    modes = (fit.mle().ranef["Subject"] + fit.mle().fixef["estimate"]).stack()
    table = fit.shrinkage().join(modes.rename_axis(["Subject", "coef"]).rename("lme4"))
    columns = ["no_pooling", "no_pooling_se", "lme4", "mean", "population", "pooling"]
    table = table[columns].astype(float).round(2)
    print(table.loc[["308", "309", "335", "337"]].to_string())


def correlation(fit: hl.Fit) -> None:
    """Ask whether baseline and sensitivity are related, four ways."""
    title("Are baseline differences related to sensitivity?")
    independent = hl.Model(INDEPENDENT, fit.frame)
    table = teaching.anova(independent, fit).assign(model=["m.2", "m.1"]).set_index("model")
    print(table[["npar", "AIC", "BIC", "logLik", "deviance"]].round(2).to_string())
    print(f"Likelihood ratio: chisq({table['df'].iloc[1]:.0f}) = {table['chisq'].iloc[1]:.4f}, "
          f"p = {table['p'].iloc[1]:.4f}\n")  # fmt: skip
    asked = ["cor_Subject > 0", "cor_Subject = 0"]
    answers = fit.hypothesis(asked)
    print(answers[["mean", "evidence_ratio", "post_prob", "method"]].round(2).to_string())
    without = independent.fit(seed=1, progress=False)
    print("\nLeave-one-out, effects integrated out so that no row is too influential:")
    fits = {"m.1": fit, "m.2": without}
    print(hl.compare(fits, results={k: f.loo(integrate="Subject") for k, f in fits.items()}))


def main() -> None:
    """Run the lecture."""
    _, pictures = arguments(__doc__)
    data = hl.load_dataset("sleepstudy")
    data.info()
    title("What a bar says")
    for bar, meaning in CHEAT_SHEET.items():
        q = hl.Model(f"Reaction ~ Days + {bar}", data).design.blocks[0].coefs
        print(f"  {bar:38} {meaning}: {', '.join(q)}")

    title(CORRELATED)
    fit = hl.fit(CORRELATED, data, seed=1, progress=False)
    print(fit.equations("multilevel", numbers=False), "\n")
    print(fit.mle(), "\n")
    print(fit, "\n")

    title("Bootstrap intervals, and posterior intervals of 95%")
    beside = teaching.beside_lme4(fit, ci_prob=0.95).loc[BOOTSTRAP.index]
    print(beside.drop(columns="se").astype(float).round(2).join(BOOTSTRAP).to_string())

    two_steps(fit)
    correlation(fit)

    title("Residuals")
    residuals = fit.residuals("normal")
    print(f"Normal scores of the residuals: mean {residuals.mean():.2f}, sd {residuals.std():.2f}, "
          f"smallest {residuals.min():.1f}, largest {residuals.max():.1f}.\n")  # fmt: skip
    print(fit.check())
    pictures.save("panels", fit.plot_groups())
    pictures.save("shrinkage", fit.plot_shrinkage())
    pictures.save("correlation_posterior", fit.plot_varcorr())
    pictures.save("residuals_days", fit.plot_residuals("fitted", x="Days"))
    pictures.save("qq", fit.plot_residuals(["qq", "effects"]))


if __name__ == "__main__":
    main()
