"""Regressions to put beside a mixed model: ordinary and generalised least squares, and anova."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, stats

from hierlm.design import Design, Encoding
from hierlm.errors import DataError, FormulaError
from hierlm.formula import parse
from hierlm.mle import MaximumLikelihood, mle
from hierlm.spec import ModelSpec
from hierlm.tables import Table, numeric_table

Array = NDArray[np.float64]


class Specified(Protocol):
    """A model with its rows: `Model` and `Fit` alike."""

    spec: ModelSpec
    design: Design


@dataclass(frozen=True, repr=False)
class LeastSquares:
    """Estimates of a regression, in the words of `MaximumLikelihood`.

    Parameters
    ----------
    formula : str
    fixef : pandas.DataFrame
        Estimate, standard error and t value of each coefficient.
    covariance : pandas.DataFrame
        Of the estimates.
    sigma : float
        Residual sd; NaN where the covariance of the rows was given.
    dof : int
        Rows less coefficients.
    robust : str
        Within what rows may depend on each other for the standard errors; empty where they are
        independent, or their covariance was given.
    """

    formula: str
    fixef: pd.DataFrame
    covariance: pd.DataFrame
    sigma: float
    dof: int
    robust: str = ""

    @property
    def correlation(self) -> pd.DataFrame:
        """Correlations of the estimates, which lme4 prints below the fixed effects."""
        sd = np.sqrt(np.diag(self.covariance))
        return self.covariance.div(sd, axis=0).div(sd, axis=1)

    def wald(self, *coefs: str) -> float:
        """Return the Wald chi-square of some coefficients, b' Var(b)^-1 b: `car::Anova`'s."""
        b = self.fixef.loc[list(coefs), "estimate"].to_numpy()
        return float(b @ np.linalg.solve(self.covariance.loc[list(coefs), list(coefs)], b))

    def __repr__(self) -> str:
        known = not np.isnan(self.sigma)
        head = f"{'Ordinary' if known else 'Generalised'} least squares\n  {self.formula}"
        cells = [[str(n), *(f"{v:.4g}" for v in row)] for n, row in self.fixef.iterrows()]
        lines = [head, "", *numeric_table(["", "Estimate", "Std. Error", "t"], cells)]
        foot = [f"  Residual sd {self.sigma:.4g} on {self.dof} degrees of freedom"] if known else []
        foot += [f"  Standard errors robust to dependence within {self.robust}"] * bool(self.robust)
        return "\n".join([*lines, *foot])


def lm(formula: str, data: Any, *, cluster: str | None = None) -> LeastSquares:
    r"""Fit a linear model by ordinary least squares, to put its standard errors beside others.

    .. math:: \hat\beta = (X'X)^{-1} X'y, \qquad \mathrm{Var}(\hat\beta) = s^2 (X'X)^{-1}

    With clusters, of which there are G, the variance is the sandwich (Liang and Zeger 1986,
    doi:10.1093/biomet/73.1.13; the estimate is that of a GEE with independence), with the factor
    that Stata and R's `sandwich` put before it:

    .. math:: \frac{G}{G-1}\, \frac{n-1}{n-p}\; (X'X)^{-1} \Big(\sum_g X_g' e_g e_g' X_g\Big)
              (X'X)^{-1}

    Parameters
    ----------
    formula : str
        Without bars.
    data : data frame of any kind, dict of columns, or path
    cluster : str, optional
        A column: standard errors allow any dependence between the rows of each of its values.

    Returns
    -------
    LeastSquares

    Raises
    ------
    FormulaError
        If the formula has a bar, weights, trials or known standard errors.
    DataError
        If the columns of X are linearly dependent, or there is one cluster.

    Examples
    --------
    >>> import hierlm as hl
    >>> lm("Reaction ~ Days", hl.load_dataset("sleepstudy"))
    Ordinary least squares
      Reaction ~ Days
    <BLANKLINE>
                 Estimate  Std. Error      t
      Intercept     251.4        6.61  38.03
      Days          10.47       1.238  8.454
      Residual sd 47.71 on 178 degrees of freedom
    >>> robust = lm("Reaction ~ Days", hl.load_dataset("sleepstudy"), cluster="Subject")
    >>> robust.fixef["se"].round(3).tolist()
    [6.844, 1.55]
    """
    parsed = parse(formula)
    plain = cluster is None or parsed.groups  # a bar of the formula's own is refused below
    told = parsed if plain else parse(f"{formula} + (1 | `{cluster}`)")
    _, design, _, _ = Encoding.learn(told, data)
    rest = (design.weights, design.trials, design.se)
    if parsed.groups or any(values is not None for values in rest):
        raise FormulaError(
            "ordinary least squares has a response and common effects alone.",
            parsed.text,
            hint="Write y ~ x, without bars, weights, trials and se; Model takes all of these.",
        )
    y = design.response - (0.0 if design.offset is None else design.offset)
    found = _least_squares(formula, design, y, None)
    return found if cluster is None else _robust(found, design, y)


def _robust(found: LeastSquares, design: Design, y: Array) -> LeastSquares:
    """Return the same estimates with a variance that the dependence within clusters enters."""
    (clusters,) = design.blocks
    G, (n, p) = clusters.n_levels, design.X.shape
    if G < 2:
        raise DataError(f"{clusters.factor!r} has one level; variances need several clusters.")
    e = y - design.X @ found.fixef["estimate"].to_numpy()
    scores = np.zeros((G, p))  # X_g' e_g
    np.add.at(scores, clusters.codes, design.X * e[:, None])
    bread = found.covariance.to_numpy() / found.sigma**2
    V = G / (G - 1) * (n - 1) / (n - p) * bread @ (scores.T @ scores) @ bread
    se = np.sqrt(np.diag(V))
    return replace(
        found,
        fixef=found.fixef.assign(se=se, t=found.fixef["estimate"] / se),
        covariance=pd.DataFrame(V, found.covariance.index, found.covariance.columns),
        robust=f"{clusters.factor} ({G} clusters)",
    )


def gls(model: Specified, V: Array) -> LeastSquares:
    r"""Fit the common effects by generalised least squares, the covariance of the rows given.

    .. math:: \hat\beta = (X'V^{-1}X)^{-1} X'V^{-1}y, \qquad
              \mathrm{Var}(\hat\beta) = (X'V^{-1}X)^{-1}

    With the `marginal_covariance` of a mixed model these are its fixed effects and standard errors:
    the model is a regression with correlated errors.

    Parameters
    ----------
    model : Model or Fit
    V : ndarray of shape (n, n)

    Returns
    -------
    LeastSquares

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"))
    >>> gls(model, marginal_covariance(model)).fixef.round(2).to_numpy().tolist()
    [[1527.5, 19.38, 78.8]]
    """
    design = model.design
    y = design.response - (0.0 if design.offset is None else design.offset)
    return _least_squares(model.spec.formula, design, y, np.asarray(V, dtype=float))


def _least_squares(formula: str, design: Design, y: Array, V: Array | None) -> LeastSquares:
    X = design.X
    if V is not None:
        L = linalg.cholesky(V, lower=True)
        X, y = (linalg.solve_triangular(L, rows, lower=True) for rows in (X, y))
    if np.linalg.matrix_rank(X) < X.shape[1]:
        raise DataError(
            f"the columns of {formula!r} are linearly dependent: their coefficients cannot be told "
            "apart.\n  Leave one of them out."
        )
    covariance = np.linalg.inv(X.T @ X)
    estimate = covariance @ X.T @ y
    dof = len(y) - X.shape[1]
    sigma = float("nan")
    if V is None:
        sigma = float(np.sqrt(np.sum((y - X @ estimate) ** 2) / dof))
        covariance = sigma**2 * covariance
    se = np.sqrt(np.diag(covariance))
    coefs = list(design.coefs)
    fixef = pd.DataFrame({"estimate": estimate, "se": se, "t": estimate / se}, index=coefs)
    return LeastSquares(formula, fixef, pd.DataFrame(covariance, coefs, coefs), sigma, dof)


def marginal_covariance(model: Specified, estimates: MaximumLikelihood | None = None) -> Array:
    r"""Return the covariance of the rows that a mixed model implies, at REML estimates.

    .. math:: V_{ij} = \sum_k [c_k(i) = c_k(j)]\, z_{ki}' \psi_k z_{kj} + \sigma^2 [i = j]

    Parameters
    ----------
    model : Model or Fit
        Gaussian, with few enough rows for an (n, n) array.
    estimates : MaximumLikelihood, optional
        Those of ``fit.mle()`` when not given.

    Returns
    -------
    ndarray of shape (n, n)

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Yield ~ 1 + (1 | Batch)", hl.load_dataset("Dyestuff"))
    >>> marginal_covariance(model)[0, [0, 1, 5]].round().tolist()
    [4215.0, 1764.0, 0.0]
    """
    found = mle(model.spec, model.design) if estimates is None else estimates
    V = found.sigma**2 * np.eye(model.design.n)
    for block in model.design.blocks:
        table = found.varcorr.loc[block.factor]
        sd = table["sd"].to_numpy()
        cor = table[[f"cor[{name}]" for name in block.coefs]].to_numpy()
        same = block.codes[:, None] == block.codes
        V += same * (block.Z @ (np.outer(sd, sd) * cor) @ block.Z.T)
    return np.asarray(V)


def anova(*models: Specified) -> pd.DataFrame:
    r"""Compare nested models by likelihood ratios: the table of lme4's ``anova(m0, m1)``.

    .. math:: \chi^2 = -2 (\log L_0 - \log L_1)

    Every model is fitted by maximum likelihood, since REML cannot compare common effects. A
    variance is zero at the edge of what it may be, so that the p value of leaving one out is too
    large, up to twice (Stram and Lee 1994, doi:10.2307/2533455). `Fit.loo` and `Fit.hypothesis`
    ask the question of the posterior.

    Parameters
    ----------
    *models : Model or Fit
        Gaussian with an identity link, of the same rows; from few parameters to many.

    Returns
    -------
    pandas.DataFrame
        A row per model: number of parameters, AIC, BIC, log likelihood, deviance, and against the
        row above chi-square, its degrees of freedom, and p value.

    Raises
    ------
    DataError
        If the rows differ.

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("sleepstudy")
    >>> bars = ["(1 | Subject) + (0 + Days | Subject)", "(Days | Subject)"]
    >>> table = anova(*(hl.Model(f"Reaction ~ Days + {bar}", data) for bar in bars))
    >>> table.iloc[1][["AIC", "chisq", "p"]].round(4).to_dict()
    {'AIC': 1763.9393, 'chisq': 0.0639, 'p': 0.8004}
    """
    rows, y = [], models[0].design.response
    for model in models:
        if not np.array_equal(model.design.response, y):
            raise DataError(
                f"a likelihood ratio compares models of the same rows; {model.spec.formula!r} has "
                f"others than {models[0].spec.formula!r}.\n  Drop rows with missing values first."
            )
        weights = model.design.weights
        n = model.design.n if weights is None else float(weights.sum())
        npar = len(model.spec.coefs) + 1
        npar += sum(group.covariance.n_parameters for group in model.spec.groups)
        deviance = mle(model.spec, model.design, reml=False).criterion
        AIC, BIC = deviance + 2 * npar, deviance + np.log(n) * npar
        rows.append((npar, AIC, BIC, -deviance / 2, deviance))
    columns = ["npar", "AIC", "BIC", "logLik", "deviance"]
    table = pd.DataFrame(rows, [model.spec.formula for model in models], columns)
    table["chisq"], table["df"] = -table["deviance"].diff(), table["npar"].diff()
    return Table(table.assign(p=stats.chi2.sf(table["chisq"], table["df"])))
