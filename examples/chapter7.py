"""Chapter 7, linear mixed models: four groups, Dyestuff, Penicillin, sleepstudy, oats.

python examples/chapter7.py [--out FOLDER]
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pictures import Pictures, arguments, title

import hierlm as hl
from hierlm import teaching


def four_groups() -> None:
    """Underestimated uncertainty: least squares believes in eight independent rows."""
    title("Four groups, measured twice: y ~ 1 | groups")
    data = teaching.four_groups(seed=7)
    fit = hl.fit("y ~ 1 | groups", data, seed=1, progress=False)
    table = teaching.beside_lme4(fit)
    print(table.round(3).to_string(na_rep=""))
    naive = teaching.lm("y ~ z", data).fixef.loc["Intercept", "se"]
    print(f"Standard error of the mean: least squares, the effects z known, {naive:.3f};")
    print(f"  the mixed model {table.loc['Intercept', 'se']:.3f}; posterior sd "
          f"{table.loc['Intercept', 'sd']:.3f}.")  # fmt: skip
    print("Rows of independent data worth 100 that correlate in pairs by rho:")
    for rho in (-0.9, -0.5, 0.0, 0.5, 0.9):
        print(f"  rho {rho:4.1f}   {teaching.effective_rows(2, rho, clusters=50):6.1f}")


def dyestuff(pictures: Pictures) -> None:
    """One factor: the batch-to-batch variance, which is the question."""
    title("Dyestuff: Yield ~ 1 | Batch")
    fit = hl.fit("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"), seed=1, progress=False)
    print(fit.mle(), "\n")
    print(teaching.beside_lme4(fit).round(2).to_string(na_rep=""))
    print("The sd of six batches has a long right tail: its posterior mean is above lme4's 42.\n")
    print(fit.icc().round(2).to_string())
    pictures.save("dyestuff_shrinkage", fit.plot_shrinkage())
    pictures.save("dyestuff_varcorr", fit.plot_varcorr())


def penicillin(pictures: Pictures) -> None:
    """Two crossed factors; then one of them common."""
    title("Penicillin: diameter ~ 1 + (1|plate) + (1|sample)")
    data = hl.load_dataset("Penicillin")
    balance = pd.crosstab(data["plate"], data["sample"]).to_numpy()
    print(
        f"{balance.shape[0]} plates x {balance.shape[1]} samples, each cell {np.unique(balance)}.\n"
    )
    fit = hl.fit("diameter ~ 1 + (1|plate) + (1|sample)", data, seed=1, progress=False)
    print(fit.mle(), "\n")
    print(teaching.beside_lme4(fit).round(3).to_string(na_rep=""), "\n")
    modes = fit.mle().ranef["sample"]["Intercept"].rename("lme4")
    print(fit.ranef("sample").droplevel(1).join(modes).round(3).to_string(), "\n")
    fixed = hl.Model("diameter ~ 1 + sample + (1|plate)", data)
    wald = teaching.gls(fixed, teaching.marginal_covariance(fixed)).wald(*fixed.spec.coefs[1:])
    print(f"Samples as common effects: Wald chi2(5) = {wald:.1f}, F = {wald / 5:.2f}.")
    pictures.save("penicillin_design", fit.plot_design())
    pictures.save("penicillin_plates", fit.plot_ranef("plate"))
    pictures.save("penicillin_samples", fit.plot_ranef("sample"))


def sleepstudy(pictures: Pictures) -> None:
    """Let the slope vary: each subject's line, with the model and alone."""
    title("sleepstudy: Reaction ~ Days + ( Days | Subject )")
    fit = hl.fit("Reaction ~ Days + ( Days | Subject )", hl.load_dataset("sleepstudy"),
                 seed=1, progress=False)  # fmt: skip
    print(fit.mle(), "\n")
    print(teaching.beside_lme4(fit).round(3).to_string(na_rep=""), "\n")
    slopes = fit.shrinkage().xs("Days", level="coef")
    alone, pooled = (slopes[column].astype(float) for column in ("no_pooling", "mean"))
    print(
        f"Sd of the slopes: subjects alone {alone.std():.2f}, partially pooled {pooled.std():.2f}."
    )
    pictures.save("sleepstudy_subjects", fit.plot_groups())
    pictures.save("sleepstudy_slopes", fit.plot_shrinkage(coefs="Days"))


def oats() -> None:
    """Compare a block that is common, or varies, in a split plot."""
    title("oats: blocks common, or varying")
    data = hl.load_dataset("oats")
    fit = hl.fit("Y ~ N + V + (1 | B/V)", data, seed=1, progress=False)
    print(teaching.beside_lme4(fit).round(2).to_string(na_rep=""), "\n")
    block = teaching.lm("Y ~ N + V + B", data).fixef["se"]
    none = teaching.lm("Y ~ N + V", data).fixef["se"]
    print(pd.DataFrame({"lm, no block": none, "lm, block fixed": block.reindex(none.index),
                        "lme4": fit.mle().fixef["se"], "posterior sd": fit.fixef()["sd"]})
          .round(2).to_string())  # fmt: skip
    print("Varieties are compared between plots: least squares takes subplots for replicates.")


def main() -> None:
    """Run the chapter."""
    _, pictures = arguments(__doc__)
    four_groups()
    dyestuff(pictures)
    penicillin(pictures)
    sleepstudy(pictures)
    oats()


if __name__ == "__main__":
    main()
