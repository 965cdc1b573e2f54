"""The joint log density of a model, twice: in plain NumPy, and by the PyMC model.

Both take parameters in canonical names on their own scale (no Jacobian of a transform), and give
the density with respect to the coefficients as the prior has them, the sds, the correlations, the
group-specific effects and the shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hierlm import Model, names
from hierlm.priors import LKJ, Fixed

Values = dict[str, np.ndarray]


def random_values(model: Model, rng: np.random.Generator) -> Values:
    """Draw a point of moderate size for every parameter that is not fixed."""
    spec, values = model.spec, {}
    values["beta"] = np.array([_fixed(spec, c, rng.normal(0, 0.3)) for c in spec.coefs])
    for group in spec.groups:
        q, J = len(group.coefs), len(group.levels.labels)
        keys = [names.element(names.sd(group.factor), c) for c in group.coefs]
        values[names.sd(group.factor)] = np.array(
            [_fixed(spec, key, rng.uniform(0.2, 0.9)) for key in keys]
        )
        if group.covariance.pairs:
            prior = spec.priors[names.cor(group.factor)]
            R = LKJ(2).rvs(rng, q, ()) if isinstance(prior, LKJ) else np.full((q, q), prior.value)
            values[names.cor(group.factor)] = np.array([R[i, j] for i, j in group.covariance.pairs])
        values[names.effects(group.factor)] = rng.normal(0, 0.3, (J, q))
    for shape in spec.shapes:
        values[shape.name] = np.array(_fixed(spec, shape.name, rng.uniform(2.5, 5)))
    return values


def _fixed(spec: Any, name: str, value: float) -> float:
    if name not in spec.priors:
        return value
    prior = spec.priors[name]
    return prior.value if isinstance(prior, Fixed) else value


def numpy_log_joint(model: Model, values: Values) -> dict[str, float]:
    """Return the log density by component, from families, priors and covariances in NumPy."""
    spec, design = model.spec, model.design
    effects = {g.factor: values[names.effects(g.factor)] for g in spec.groups}
    mu = spec.family.link.inverse(design.linear_predictor(values["beta"], effects))
    shapes = {shape.name: values[shape.name] for shape in spec.shapes}
    if design.se is not None:
        shapes["sigma"] = design.se
    rows = spec.family.logpdf(design.response, mu, trials=design.trials, **shapes)
    weights = np.ones(design.n) if design.weights is None else design.weights
    return {
        "likelihood": float(weights @ rows),
        "effects": sum(_log_effects(g, values) for g in spec.groups),
        "priors": _log_priors(model, values),
    }


def _log_effects(group: Any, values: Values) -> float:
    b = values[names.effects(group.factor)]
    T = np.linalg.cholesky(_covariance(group, values))
    z = np.linalg.solve(T, b.T)
    return float(
        -0.5 * np.sum(z**2) - 0.5 * b.size * np.log(2 * np.pi) - len(b) * np.log(np.diag(T)).sum()
    )


def _covariance(group: Any, values: Values) -> np.ndarray:
    cor = values.get(names.cor(group.factor), np.empty(0))
    return group.covariance.covariance(values[names.sd(group.factor)], cor)


def _log_priors(model: Model, values: Values) -> float:
    spec, total = model.spec, 0.0
    for name, x in _scalars(model, values).items():
        prior = spec.priors[name]
        if not isinstance(prior, Fixed):
            total += float(prior.logpdf(x))
    for group in spec.groups:
        variable = names.cor(group.factor)
        prior = spec.priors[variable] if group.covariance.pairs else None
        if isinstance(prior, LKJ):
            R = group.covariance.correlation(values[variable])
            for part in group.covariance.correlated_parts:
                total += float(prior.logpdf(R[np.ix_(part, part)]))
    return total


def _scalars(model: Model, values: Values) -> dict[str, float]:
    spec = model.spec
    found = dict(zip(spec.coefs, values["beta"], strict=True))
    if names.INTERCEPT_CENTERED in spec.priors:
        found.pop(names.INTERCEPT)
        means = np.asarray(spec.encoding.common.means)
        found[names.INTERCEPT_CENTERED] = float(means @ values["beta"])
    for group in spec.groups:
        variable = names.sd(group.factor)
        for coef, sd in zip(group.coefs, values[variable], strict=True):
            found[names.element(variable, coef)] = sd
    return found | {shape.name: float(values[shape.name]) for shape in spec.shapes}


def pymc_log_joint(model: Model, values: Values) -> float:
    """Return the log density of `model.pymc()`, brought to the same parameters.

    The PyMC model has standardised effects z = T^-1 b, whose density is that of b times |T|^J, and
    for two coefficients (rho + 1) / 2, whose density is twice that of rho. Three or more are
    compared through the Cholesky factor, with the Jacobian of R = L L'.
    """
    pymc_model = model.pymc()
    point, correction = {}, 0.0
    for rv in pymc_model.free_RVs:
        value, log_jacobian = _natural(model, rv.name, values)
        correction += log_jacobian
        transform = pymc_model.rvs_to_transforms[rv]
        variable = pymc_model.rvs_to_values[rv]
        if transform is not None:
            value = transform.forward(np.asarray(value), *rv.owner.inputs).eval()
        point[variable.name] = np.asarray(value, dtype=np.float64)
    logp = pymc_model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    return float(logp(point)) + correction


def _natural(model: Model, name: str, values: Values) -> tuple[np.ndarray, float]:
    """Return the value of a free variable, and the log of (our density / its density)."""
    spec = model.spec
    scalars = _scalars(model, values)
    if name in scalars:
        return np.asarray(scalars[name]), 0.0
    if name == "slopes":
        slopes = [c for c in spec.coefs if c != names.INTERCEPT]
        return np.array([scalars[c] for c in slopes]), 0.0
    if name.startswith("slopes["):
        return np.asarray(scalars[name[7:-1]]), 0.0
    if name.startswith("beta["):
        return np.asarray(scalars[name[5:-1]]), 0.0
    for group in spec.groups:
        if name == names.standardized(group.factor):
            T = np.linalg.cholesky(_covariance(group, values))
            b = values[names.effects(group.factor)]
            return np.linalg.solve(T, b.T).T, -len(b) * np.log(np.diag(T)).sum()
        if name.startswith(names.cor(group.factor) + "_lkj"):
            return _correlation(group, name, values)
    return values[name], 0.0


def _correlation(group: Any, name: str, values: Values) -> tuple[np.ndarray, float]:
    parts = group.covariance.correlated_parts
    suffix = name.rpartition("_lkj")[2]
    part = parts[int(suffix[1:]) - 1 if suffix else 0]
    R = group.covariance.correlation(values[names.cor(group.factor)])[np.ix_(part, part)]
    if len(part) == 2:
        return np.asarray((R[0, 1] + 1) / 2), -np.log(2.0)
    L = np.linalg.cholesky(R)
    q = len(part)
    # dR = prod_{i>=2} L_ii^(q-i) dL over the strictly lower triangle (Lewandowski et al. 2009)
    log_jacobian = sum((q - 1 - i) * np.log(L[i, i]) for i in range(1, q))
    return L, -log_jacobian


def components(values: dict[str, float]) -> float:
    """Return the sum of the components."""
    return sum(values.values())


__all__ = ["components", "numpy_log_joint", "pymc_log_joint", "random_values"]
