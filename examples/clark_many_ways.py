"""Clark, thinking about mixed models: seven notations, one y; simulate to understand.

python examples/clark_many_ways.py [--out FOLDER]
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pictures import Pictures, arguments, title

import hierlm as hl
from hierlm import teaching


def one_line(pictures: Pictures) -> None:
    """Ignore the clusters, or let them vary: the same data, other standard errors."""
    title("sleepstudy: one line for all, a line for each")
    data = hl.load_dataset("sleepstudy")
    print(teaching.lm("Reaction ~ Days", data), "\n")
    fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
    print(fit.mle(), "\n")
    print(teaching.beside_lme4(fit).round(3).to_string(na_rep=""), "\n")
    print("Three subjects, their own coefficients (posterior mean, and lme4's):")
    estimates = fit.mle()
    own = estimates.fixef["estimate"] + estimates.ranef["Subject"]
    means = fit.coef("Subject")["mean"].unstack()[own.columns]
    print(means.join(own.add_suffix(" lme4")).loc[["308", "309", "335"]].round(2).to_string(), "\n")
    pictures.save("population_line", fit.plot_predictions("Days"))
    pictures.save("trajectories", fit.plot_predictions("Days", lines="Subject"))
    pictures.save("three", fit.plot_groups(levels=["308", "309", "335"]))


def notations() -> None:
    """One model, every way to write it."""
    title("The notations of y ~ x + (1 | clus)")
    model = hl.Model("y ~ x + (1 | clus)", hl.load_dataset("clark_ri"))
    for name, what in hl.equations.NOTATIONS.items():
        print(f"\n{name}: {what}\n{model.equations(name)}")


def random_intercepts(pictures: Pictures) -> None:
    """Clark's first simulation, and the intraclass correlation read two ways."""
    title("100 clusters of 10: sigma 1, tau 0.5, beta 3 and 0.75 (R's set.seed(1234))")
    fit = hl.fit("y ~ x + (1 | clus)", hl.load_dataset("clark_ri"), seed=1, progress=False)
    print(fit.mle(), "\n")
    print(teaching.beside_lme4(fit).round(4).to_string(na_rep=""), "\n")
    print("ICC of tau 0.5 and sigma 1, as a share of variance and as a correlation:")
    print(teaching.icc_two_ways(0.5, 1.0, seed=1).round(3).to_string())
    print(f"From the data: {fit.icc().loc['clus', 'mean']:.3f}\n")
    V = teaching.marginal_covariance(fit)
    print("Covariance of two rows of cluster 1 and one of cluster 2 (blocks, zero between):")
    print(V[np.ix_([0, 1, 10], [0, 1, 10])].round(3))
    print("Generalised least squares with this covariance is the mixed model:")
    print(teaching.gls(fit, V), "\n")
    pictures.save("covariance", fit.plot_covariance(rows=40))
    pictures.save("icc", fit.plot_icc())


def ridge(fit: hl.Fit) -> pd.Series:
    """Notation 6, penalised regression: the penalty sigma^2 / tau^2 acts on gamma alone."""
    X, y, block = fit.design.X, fit.design.response, fit.design.blocks[0]
    estimates = fit.mle()
    Z = teaching.block_design(block.Z, block.codes)
    sd = estimates.varcorr["sd"].to_numpy()
    R = estimates.varcorr[[f"cor[{c}]" for c in block.coefs]].to_numpy()
    penalty = np.kron(np.eye(block.n_levels), np.linalg.inv(np.outer(sd, sd) * R))
    W = np.hstack([X, Z])
    ridge = np.zeros((W.shape[1], W.shape[1]))
    ridge[X.shape[1] :, X.shape[1] :] = estimates.sigma**2 * penalty
    b = np.linalg.solve(W.T @ W + ridge, W.T @ y)
    gap = np.abs(b[X.shape[1] :].reshape(block.n_levels, -1) - estimates.ranef["clus"].to_numpy())
    return pd.Series({"beta": b[: X.shape[1]].round(4).tolist(), "largest gap": f"{gap.max():.1e}"})


def random_slopes() -> None:
    """Clark's second simulation, and seven ways to make the same y."""
    title("Intercepts and slopes with psi = [[1, 0.25], [0.25, 1]], exactly")
    fit = hl.fit("y ~ x + (x | clus)", hl.load_dataset("clark_ris"), seed=1, progress=False)
    print(fit.mle(), "\n")
    print(teaching.beside_lme4(fit).round(4).to_string(na_rep=""), "\n")
    print("Penalised regression gives the same beta, and BLUPs to rounding error:")
    print(ridge(fit).to_string(), "\n")
    data = teaching.random_slopes(seed=1234)
    ways = teaching.many_ways(data)
    print("The same draws in seven notations (drawn by NumPy: R's numbers are in clark_ris):")
    print(ways.head(3).T.round(6).to_string(header=False))
    print(
        f"Largest difference of any two of 1000 values: {np.ptp(ways.to_numpy(), axis=1).max():.1e}"
    )


def mundlak() -> None:
    """Cluster means of a level-1 covariate beside it: within and between effects apart."""
    title("Cluster means of x beside x (hybrid, Mundlak)")
    data = hl.load_dataset("clark_ri")
    data["x_mean"] = data.groupby("clus", observed=True)["x"].transform("mean")
    fit = hl.fit("y ~ x + x_mean + (1 | clus)", data, seed=1, progress=False)
    print(teaching.beside_lme4(fit).round(3).to_string(na_rep=""))
    print("x_mean is what the effect between clusters has beyond that within: none was simulated.")


def main() -> None:
    """Run the notes."""
    _, pictures = arguments(__doc__)
    one_line(pictures)
    notations()
    random_intercepts(pictures)
    random_slopes()
    mundlak()


if __name__ == "__main__":
    main()
