r"""REML and ML estimates and BLUPs of a gaussian model, as lme4 gives them.

With relative factors :math:`\Lambda = T/\sigma` and flat coefficients the residual sd profiles out
(Bates, Maechler, Bolker and Walker 2015, doi:10.18637/jss.v067.i01). With M at sigma = 1, its
coefficients' part R_X and the quadratic form Q:

.. math::
    REML = \log|M| + (n - p)\left[1 + \log \frac{2\pi Q}{n - p}\right], \qquad
    -2 \log L = \log|M| - \log|R_X'R_X| + n\left[1 + \log \frac{2\pi Q}{n}\right]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from hierlm import names
from hierlm.design import Design
from hierlm.design.crossproducts import CrossProducts
from hierlm.engines.packing import Packed, pack
from hierlm.errors import EngineError
from hierlm.kernels.elimination import conditional_mode
from hierlm.kernels.problem import apply_scale
from hierlm.priors import Assigned, Flat, Priors
from hierlm.spec import ModelSpec
from hierlm.tables import numeric_table

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class MaximumLikelihood:
    """REML or ML estimates of a gaussian model.

    Parameters
    ----------
    formula : str
    reml : bool
    criterion : float
        The REML criterion, or minus twice the log likelihood.
    sigma : float
        Residual sd.
    fixef : pandas.DataFrame
        Estimate, standard error and t value of each common effect.
    varcorr : pandas.DataFrame
        A row per factor and coefficient: variance, sd, and the correlation matrix.
    ranef : dict of str to pandas.DataFrame
        Conditional modes (BLUPs), levels in rows.
    singular : bool
        Whether a variance is zero, or a correlation plus or minus one.
    """

    formula: str
    reml: bool
    criterion: float
    sigma: float
    fixef: pd.DataFrame
    varcorr: pd.DataFrame
    ranef: dict[str, pd.DataFrame]
    singular: bool

    def __repr__(self) -> str:
        method = "REML" if self.reml else "maximum likelihood"
        name = "REML criterion" if self.reml else "-2 log likelihood"
        lines = [f"Linear mixed model fit by {method}", f"  {self.formula}"]
        lines += [f"  {name}: {self.criterion:.1f}", "", "Random effects"]
        rows = []
        for (group, coef), row in zip(
            self._effects(), self.varcorr.to_dict("records"), strict=True
        ):
            cors = [f"{row[f'cor[{other}]']:.2f}" for other in self._before(group, coef)]
            rows.append([group, coef, f"{row['variance']:.4g}", f"{row['sd']:.4g}", *cors])
        rows.append(["Residual", "", f"{self.sigma**2:.4g}", f"{self.sigma:.4g}"])
        width = max(map(len, rows))
        header = ["Groups", "Name", "Variance", "Std.Dev.", "Corr"]
        header += [""] * (width - len(header))
        padded = [row + [""] * (len(header) - len(row)) for row in rows]
        lines += numeric_table(header, padded)
        cells = [[str(n), *(f"{v:.4g}" for v in row)] for n, row in self.fixef.iterrows()]
        lines += ["", "Fixed effects", *numeric_table(["", "Estimate", "Std. Error", "t"], cells)]
        if self.singular:
            lines += ["", "The fit is singular: a variance is zero or a correlation is one."]
        return "\n".join(lines)

    def _effects(self) -> list[tuple[str, str]]:
        return [(str(group), str(coef)) for group, coef in self.varcorr.index]

    def _before(self, group: str, coef: str) -> list[str]:
        coefs = [other for factor, other in self._effects() if factor == group]
        return coefs[: coefs.index(coef)]


def mle(spec: ModelSpec, design: Design | CrossProducts, *, reml: bool = True) -> MaximumLikelihood:
    """Return REML or ML estimates.

    Parameters
    ----------
    spec : ModelSpec
        A gaussian model with an identity link; its priors play no part.
    design : Design or CrossProducts
    reml : bool

    Returns
    -------
    MaximumLikelihood

    Raises
    ------
    EngineError
        If the model is not gaussian with an identity link, or has known standard deviations.
    """
    if spec.family.name != "gaussian" or spec.family.link.name != "identity" or not spec.shapes:
        raise EngineError(
            "REML and ML estimates are there for gaussian models with an identity link and a "
            "residual sd of their own; this one "
            + (
                "has known standard deviations, se()."
                if spec.encoding.values.se is not None
                else f"is {spec.family.name} with the {spec.family.link.name} link."
            )
        )
    flat = {
        p.name: Assigned(p.name, p.kind, Flat(), "default", "") if p.kind == "coefficient" else p
        for p in spec.priors
    }
    spec = replace(spec, priors=Priors(flat))
    products = CrossProducts.of(design) if isinstance(design, Design) else design
    packed = pack(spec, products)
    factors = _Relative(spec, packed, products)
    best = _minimize(factors, reml)
    return _estimates(spec, packed, factors, best, reml)


class _Relative:
    """The relative factors Lambda as a vector: lower triangles of the parts, diagonals first."""

    def __init__(self, spec: ModelSpec, packed: Packed, products: CrossProducts) -> None:
        self.packed = packed
        self.shape = packed.layout.C_fixed.shape
        self.n, self.p = packed.problem.n, len(spec.coefs)
        entries, scales = [], []
        for k, position in enumerate(packed.order):
            squares = np.einsum("jaa->a", products.factors[position].ZZ)
            sizes = np.sqrt(squares / products.n)
            for part in spec.groups[position].covariance.parts:
                for a in part:
                    for b in [b for b in part if b <= a]:
                        entries.append((k, a, b))
                        scales.append(1.0 / (sizes[a] or 1.0))
        self.entries = entries
        self.scales = np.array(scales)  # so that one unit is one residual sd of the response
        self.bounds = [(0.0, None) if a == b else (None, None) for _, a, b in entries]
        self.start = np.array([1.0 if a == b else 0.0 for _, a, b in entries])

    def matrix(self, theta: Array) -> Array:
        T = np.zeros(self.shape)
        for (k, a, b), value in zip(self.entries, theta * self.scales, strict=True):
            T[k, a, b] = value
        return T

    def criterion(self, theta: Array, reml: bool) -> float:
        log_det, quadratic, _, _, R = conditional_mode(self.packed.problem, self.matrix(theta), 1.0)
        dof = self.n - self.p if reml else self.n
        if not reml:
            log_det -= 2.0 * float(np.log(np.diag(R)).sum())
        return float(log_det + dof * (1.0 + np.log(2 * np.pi * quadratic / dof)))


def _minimize(factors: _Relative, reml: bool) -> Array:
    """Minimise the criterion; from two starts, because a sd of zero can be a local minimum."""
    if not factors.entries:
        return factors.start
    options: Any = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}
    found = [
        minimize(
            factors.criterion, size * factors.start, args=(reml,), method="L-BFGS-B",
            jac="3-point", bounds=factors.bounds, options=options,
        )
        for size in (1.0, 0.2)
    ]  # fmt: skip
    return np.asarray(min(found, key=lambda result: result.fun).x)


def _estimates(
    spec: ModelSpec, packed: Packed, factors: _Relative, theta: Array, reml: bool
) -> MaximumLikelihood:
    problem, c = packed.problem, packed.coefficients
    Lambda = factors.matrix(theta)
    _, quadratic, u, v, R = conditional_mode(problem, Lambda, 1.0)
    sigma = float(np.sqrt(quadratic / (factors.n - (factors.p if reml else 0))))
    trailing = apply_scale(problem.pattern, Lambda, v)[packed.columns]
    m1 = len(problem.pattern.factor)
    inverse = np.linalg.inv(R)
    raw = c.to_raw @ (c.reference + trailing[m1:])
    covariance = sigma**2 * c.to_raw @ inverse.T @ inverse @ c.to_raw.T
    se = np.sqrt(np.diag(covariance))
    fixef = pd.DataFrame({"estimate": raw, "se": se, "t": raw / se}, index=list(spec.coefs))
    tables, modes, start = [], {}, 0
    for k, position in enumerate(packed.order):
        group = spec.groups[position]
        J, q = len(group.levels.labels), len(group.coefs)
        T = sigma * Lambda[k, :q, :q]
        tables.append((position, _covariance_table(group.factor, group.coefs, T @ T.T)))
        if k == 0:
            b = (Lambda[0, :q, :q] @ u[:q]).T
        else:
            b = trailing[start : start + J * q].reshape(J, q)
            start += J * q
        modes[group.factor] = pd.DataFrame(b, list(group.levels.labels), list(group.coefs))
    ordered = [table for _, table in sorted(tables, key=lambda item: item[0])]
    return MaximumLikelihood(
        formula=spec.formula,
        reml=reml,
        criterion=factors.criterion(theta, reml),
        sigma=sigma,
        fixef=fixef,
        varcorr=pd.concat(ordered) if ordered else pd.DataFrame(),
        ranef={group.factor: modes[group.factor] for group in spec.groups},
        singular=any(
            a == b and value < 1e-4 for (_, a, b), value in zip(factors.entries, theta, strict=True)
        ),
    )


def _covariance_table(factor: str, coefs: tuple[str, ...], G: Array) -> pd.DataFrame:
    sd = np.sqrt(np.diag(G))
    scale = np.where(sd > 0, sd, 1.0)
    cor = G / np.outer(scale, scale)
    columns = {"variance": np.square(sd), "sd": sd}
    columns |= {f"cor[{name}]": cor[:, k] for k, name in enumerate(coefs)}
    index = pd.MultiIndex.from_product([[factor], coefs], names=["group", names.COEF])
    return pd.DataFrame(columns, index=index)
