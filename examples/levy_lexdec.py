"""Levy, lecture 14: lexical decision, subjects and words crossed.

python examples/levy_lexdec.py [lexdec.csv] [--out FOLDER]

lexdec is a data set of the R package languageR: write.csv(lexdec, "lexdec.csv", row.names = FALSE).
Without the file a simulated twin takes its place: the same design, the lecture's estimates.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pictures import Pictures, arguments, title

import hierlm as hl
from hierlm import teaching
from hierlm.plots import plot_mvn


def twin(seed: int = 14) -> pd.DataFrame:
    """Simulate 21 subjects x 79 words, 1557 of them correct and below 1097 ms."""
    rng = np.random.default_rng(seed)
    plan = pd.DataFrame(
        {"Subject": np.repeat(np.arange(21), 79), "Word": np.tile(np.arange(79), 21)}
    )
    plan["Subject"] = "S" + (plan["Subject"] + 1).astype(str).str.zfill(2)
    plan["Word"] = "word" + (plan["Word"] + 1).astype(str).str.zfill(2)
    order = [np.sort(rng.choice(np.arange(23, 186), 79, replace=False)) for _ in range(21)]
    plan["Trial"] = np.concatenate([rng.permutation(trials) for trials in order])
    sds, rho = [110.6, 0.434], -0.716
    Sigma = np.outer(sds, sds) * np.array([[1, rho], [rho, 1]])
    truth = {"Intercept": 615, "Trial": -0.138, "sd_Subject": sds, "cor_Subject": rho,
             "r_Subject": teaching.mvrnorm(21, [0, 0], Sigma, empirical=True, seed=rng),
             "sd_Word": 43.3, "sigma": 95.2}  # fmt: skip
    formula = "latency ~ Trial + (1 + Trial | Subject) + (1 | Word)"
    data = hl.simulate(formula, plan, truth, seed=rng)
    data["RT"] = np.log(np.clip(data["latency"], 200, 1096))
    data["Correct"] = "correct"
    return data.drop(index=rng.choice(len(data), len(data) - 1557, replace=False))


def read(path: str | None) -> pd.DataFrame:
    """Return the rows of the lecture: subset(lexdec, RT < 7 & Correct == "correct")."""
    if path is None:
        print("No path to lexdec was given: these are SIMULATED data of the same design, so that")
        print("the numbers are near the lecture's, and not equal to them.")
    data = twin() if path is None else pd.read_csv(path)
    return data[(data["RT"] < 7) & (data["Correct"] == "correct")]


def normals(pictures: Pictures) -> None:
    """Figures 1 and 2: normals in two and three dimensions."""
    pictures.save("normal_independent", plot_mvn([[1, 0], [0, 4]]))
    pictures.save("normal_correlated", plot_mvn([[1, 1.5], [1.5, 4]]))
    Sigma = np.array([[1, 1.5, 1], [1.5, 5, 3], [1, 3, 9]])
    sd = np.sqrt(np.diag(Sigma))
    R = Sigma / np.outer(sd, sd)
    print(f"Correlations of the ellipsoid: {R[0, 1]:.2f} {R[0, 2]:.2f} {R[1, 2]:.2f}")
    pictures.save("normal_ellipsoid", plot_mvn(Sigma))


def main() -> None:
    """Run the lecture."""
    options, pictures = arguments(__doc__, path="CSV file with lexdec")
    data = read(options.path)
    normals(pictures)

    title("Crossed intercepts: exp(RT) ~ Trial + (1|Subject) + (1|Word)")
    common = "exp(RT) ~ Trial + "
    crossed = hl.fit(common + "(1|Subject) + (1|Word)", data, seed=1, progress=False)
    estimates = crossed.mle(reml=False)  # the lecture's method="ML"
    print(estimates, "\n")
    print(teaching.beside_lme4(crossed, reml=False).round(4).to_string(na_rep=""), "\n")
    variance = estimates.varcorr["variance"]
    print("Variances of independent effects add up: subjects "
          f"{variance['Subject'].item():.0f} + words {variance['Word'].item():.0f}, residual "
          f"{estimates.sigma**2:.0f}.\n")  # fmt: skip
    print(crossed.icc().round(3).to_string())
    pictures.save("model", crossed.plot_model())

    title("Is a random component needed? Likelihood ratios, as in anova(m0, m1)")
    subject, word, slope = (
        hl.Model(common + bars, data)
        for bars in ("(1|Subject)", "(1|Word)", "(1 + Trial | Subject) + (1 | Word)")
    )
    pairs = [("words", subject, crossed), ("subjects", word, crossed), ("slope", crossed, slope)]
    for name, small, large in pairs:
        table = teaching.anova(small, large)
        print(f"\n{name}\n{table.drop(columns='p').reset_index(drop=True).round(2).to_string()}")
        print(f"chisq({table['df'].iloc[1]:.0f}) = {table['chisq'].iloc[1]:.2f}, "
              f"p = {table['p'].iloc[1]:.3g}")  # fmt: skip

    title("Slopes that vary: exp(RT) ~ Trial + (1 + Trial | Subject) + (1 | Word)")
    fit = slope.fit(seed=1, progress=False)
    print(fit.mle(reml=False), "\n")
    print(teaching.beside_lme4(fit, reml=False).round(4).to_string(na_rep=""), "\n")
    t = [f.mle(reml=False).fixef.loc["Trial", "t"] for f in (crossed, fit)]
    print(f"The t value of Trial falls from {t[0]:.2f} to {t[1]:.2f} when its slope may vary.")
    V = teaching.marginal_covariance(fit, fit.mle(reml=False))
    cor = teaching.gls(fit, V).correlation.loc["Intercept", "Trial"]
    print(f"Correlation of the fixed effects {cor:.3f}.\n")
    print("Slow readers speed up: the posterior of the correlation, in the question's words")
    print(
        fit.hypothesis(["cor_Subject < 0", "Trial < 0"])[["mean", "post_prob"]].round(3).to_string()
    )
    pictures.save("trial_by_subject", fit.plot_groups("Subject", x="Trial"))
    pictures.save("slopes_intercepts", fit.plot_correlation("Subject"))

    title("Two predictions: a subject's next word, or a new subject's first")
    rows = pd.DataFrame({"Trial": [100, 100], "Subject": [data["Subject"].iloc[0], "new"],
                         "Word": [data["Word"].iloc[0]] * 2})  # fmt: skip
    table = fit.predict(rows, new_levels="sample", summary=True, seed=2)
    print(table.set_axis(["known subject", "new subject"]).round(0).to_string())


if __name__ == "__main__":
    main()
