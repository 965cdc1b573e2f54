r"""The specification of a model in PyMC, to which every other engine is held.

.. math::

    y_i \sim p(\mu_i, \theta), \quad g(\mu_i) = o_i + x_i'\beta + \sum_k z_{ki}' b_{k, j_k(i)},
    \quad b_{kj} = T_k u_{kj}, \quad u_{kj} \sim N(0, I), \quad T_k = \mathrm{diag}(sd_k) C_k

A covariance is sds times the Cholesky factor of an LKJ correlation matrix, rather than PyMC's
``LKJCholeskyCov``, whose sds share one distribution: here each sd may have a prior of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from hierlm import names
from hierlm.design import Design, GroupBlock
from hierlm.engines.tree import coords
from hierlm.priors import LKJ, Fixed, Prior
from hierlm.spec import ModelSpec

_INVERSE_LINKS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda eta: eta,
    "log": pt.exp,
    "logit": pt.sigmoid,
    "probit": lambda eta: 0.5 * pt.erfc(-eta / np.sqrt(2.0)),
    "cloglog": lambda eta: -pt.expm1(-pt.exp(eta)),
    "inverse": pt.reciprocal,
    "sqrt": pt.sqr,
}

# Family -> distribution of y given the mean, the shapes and the design; one line per family.
_LIKELIHOODS: dict[str, Callable[..., Any]] = {
    "gaussian": lambda mu, d, sigma: pm.Normal.dist(mu, sigma),
    "student": lambda mu, d, sigma, nu: pm.StudentT.dist(nu, mu=mu, sigma=sigma),
    "lognormal": lambda mu, d, sigma: pm.LogNormal.dist(mu, sigma),
    "gamma": lambda mu, d, alpha: pm.Gamma.dist(alpha=alpha, beta=alpha / mu),
    "beta": lambda mu, d, kappa: pm.Beta.dist(alpha=mu * kappa, beta=(1 - mu) * kappa),
    "bernoulli": lambda mu, d: pm.Bernoulli.dist(p=mu),
    "binomial": lambda mu, d: pm.Binomial.dist(n=d.trials, p=mu),
    "poisson": lambda mu, d: pm.Poisson.dist(mu),
    "negbinomial": lambda mu, d, alpha: pm.NegativeBinomial.dist(mu=mu, alpha=alpha),
}

# The logit link has a form that does not overflow.
_LOGIT_LIKELIHOODS: dict[str, Callable[..., Any]] = {
    "bernoulli": lambda eta, d: pm.Bernoulli.dist(logit_p=eta),
    "binomial": lambda eta, d: pm.Binomial.dist(n=d.trials, logit_p=eta),
}


RESPONSE = "__response__"


def build_pymc_model(spec: ModelSpec, design: Design, *, replaceable: bool = False) -> pm.Model:
    """Build the PyMC model of a specification and its rows.

    Parameters
    ----------
    spec : ModelSpec
    design : Design of n rows
    replaceable : bool
        Whether the response is data called `RESPONSE`, which a compiled model can exchange.

    Returns
    -------
    pymc.Model
        With the variables and dims of `hierlm.names`; ``beta`` is on the raw scale.
    """
    labels = {dim: values for dim, values in coords(spec).items() if values}
    with pm.Model(coords={**labels, names.OBS: np.arange(design.n)}) as model:
        eta = _common(spec, design)
        for block in design.blocks:
            eta = eta + _group(spec, block)
        if design.offset is not None:
            eta = eta + design.offset
        _likelihood(spec, design, eta, replaceable)
    return model


def _common(spec: ModelSpec, design: Design) -> Any:
    """Return X beta, with the intercept at the predictors' means where its prior is there."""
    if not spec.coefs:
        return np.zeros(design.n)
    if not spec.has_intercept:
        beta = _vector(names.BETA, [spec.priors[name] for name in spec.coefs], names.COEF)
        return pt.dot(design.X, beta)
    slopes = [name for name in spec.coefs if name != names.INTERCEPT]
    columns = [spec.coefs.index(name) for name in slopes]
    centered = names.INTERCEPT_CENTERED in spec.priors
    key = names.INTERCEPT_CENTERED if centered else names.INTERCEPT
    intercept = _scalar(key, spec.priors[key])
    if not slopes:
        pm.Deterministic(names.BETA, pt.stack([intercept]), dims=names.COEF)
        return intercept * np.ones(design.n)
    pm.modelcontext(None).add_coord("slope", slopes)
    b = _vector("slopes", [spec.priors[name] for name in slopes], "slope")
    means = np.asarray(spec.encoding.common.means)[columns] if centered else np.zeros(len(slopes))
    at_zero = intercept - pt.dot(means, b)
    pm.Deterministic(names.BETA, pt.concatenate([pt.stack([at_zero]), b]), dims=names.COEF)
    return intercept + pt.dot(design.X[:, columns] - means, b)


def _group(spec: ModelSpec, block: GroupBlock) -> Any:
    """Return Z b of one grouping factor."""
    factor = block.factor
    coef_dim = names.coef_dim(factor)
    effect_dims = (names.levels_dim(factor), coef_dim)
    sd = _vector(names.sd(factor), spec.priors.group_sds(factor, block.coefs), coef_dim)
    C = _cholesky(spec, block)
    T = pt.diag(sd) if C is None else sd[:, None] * C
    if spec.parameterization[factor] == "centered":
        if C is None:
            r = pm.Normal(names.effects(factor), 0.0, sd, dims=effect_dims)
        else:
            r = pm.MvNormal(
                names.effects(factor), np.zeros(block.n_coefs), chol=T, dims=effect_dims
            )
    else:
        z = pm.Normal(names.standardized(factor), dims=effect_dims)
        scaled = z * sd if C is None else pt.dot(z, T.T)
        r = pm.Deterministic(names.effects(factor), scaled, dims=effect_dims)
    return (r[block.codes] * block.Z).sum(axis=-1)


def _cholesky(spec: ModelSpec, block: GroupBlock) -> Any:
    """Return the Cholesky factor of the correlation matrix, or None where none is free.

    Also records the correlations of the block, part by part, as ``cor_g``.
    """
    parts = block.covariance.correlated_parts
    if not parts:
        return None
    variable = names.cor(block.factor)
    prior = spec.priors[variable]
    C = pt.eye(block.n_coefs)
    pairs = []
    for k, part in enumerate(parts):
        suffix = "" if len(parts) == 1 else f"_{k + 1}"
        own = _lkj_cholesky(f"{variable}_lkj{suffix}", len(part), prior)
        C = pt.set_subtensor(C[np.ix_(part, part)], own)
        i, j = np.array([(a, b) for a in range(len(part)) for b in range(a + 1, len(part))]).T
        pairs.append(pt.dot(own, own.T)[i, j])
    if isinstance(prior, LKJ):
        pm.Deterministic(variable, pt.concatenate(pairs), dims=names.cor_dim(block.factor))
    return C


def _lkj_cholesky(name: str, q: int, prior: Prior) -> Any:
    """Return the q x q Cholesky factor of one correlated part.

    For two coefficients LKJ(eta) is (rho + 1) / 2 ~ Beta(eta, eta), which compiles in a fifth of
    the time of PyMC's general ``LKJCorr`` (whose value is the factor itself).
    """
    if isinstance(prior, Fixed):
        fixed = np.full((q, q), prior.value) + (1 - prior.value) * np.eye(q)
        return pt.as_tensor(np.linalg.cholesky(fixed))
    if not isinstance(prior, LKJ):
        raise TypeError(f"{prior} is no prior on correlations.")
    if q == 2:
        eta = np.asarray(prior.eta)
        rho = 2 * pm.Beta(name, eta, eta) - 1
        return pt.stack([pt.stack([1.0, 0.0]), pt.stack([rho, pt.sqrt(1 - rho**2)])])
    return pm.LKJCorr(name, n=q, eta=prior.eta)


def response_values(spec: ModelSpec, design: Design) -> np.ndarray:
    """Return the response as the PyMC model has it."""
    return design.response.astype(np.int64) if spec.family.discrete else design.response


def _likelihood(spec: ModelSpec, design: Design, eta: Any, replaceable: bool) -> None:
    family = spec.family
    shapes = {shape.name: _scalar(shape.name, spec.priors[shape.name]) for shape in spec.shapes}
    if design.se is not None:
        shapes["sigma"] = design.se
    if family.link.name == "logit" and family.name in _LOGIT_LIKELIHOODS:
        distribution = _LOGIT_LIKELIHOODS[family.name](eta, design, **shapes)
    else:
        mu = _INVERSE_LINKS[family.link.name](eta)
        distribution = _LIKELIHOODS[family.name](mu, design, **shapes)
    y = response_values(spec, design)
    if replaceable:
        y = pm.Data(RESPONSE, y)
    if design.weights is not None:  # a row of weight k counts as k rows
        pm.Potential("weighted_likelihood", pt.dot(design.weights, pm.logp(distribution, y)))
    else:
        pm.modelcontext(None).register_rv(
            distribution, spec.response, observed=y, dims=(names.OBS,)
        )


def _scalar(name: str, prior: Prior) -> Any:
    # parameters as arrays: PyTensor takes a Python float for a float32, good to eight digits
    if isinstance(prior, Fixed):
        return pt.as_tensor(np.asarray(prior.value))
    parameters = {key: np.asarray(value) for key, value in prior.parameters.items()}
    return getattr(pm, type(prior).__name__)(name, **parameters)


def _vector(name: str, priors: Sequence[Prior], dim: str) -> Any:
    """Return a vector whose elements have these priors.

    One variable where all priors are of one class, else an element each, stacked.
    """
    classes = {type(prior) for prior in priors}
    if classes == {Fixed}:
        return pt.as_tensor(np.array([prior.value for prior in priors if isinstance(prior, Fixed)]))
    if len(classes) == 1:
        distribution = getattr(pm, classes.pop().__name__)
        stacked = [prior.parameters for prior in priors]
        parameters = {key: np.array([p[key] for p in stacked]) for key in stacked[0]}
        return distribution(name, **parameters, dims=dim)
    labels = pm.modelcontext(None).coords[dim]
    elements = [
        _scalar(names.element(name, label), prior)
        for label, prior in zip(labels, priors, strict=True)
    ]
    return pm.Deterministic(name, pt.stack(elements), dims=dim)
