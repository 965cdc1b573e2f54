"""The log density of every engine at the same parameters, in canonical names on their own scale.

`specification` and the PyMC and whitened engines have the joint density of parameters,
coefficients and effects. The collapsed engine has that of the parameters it samples, with effects
and the coefficients that have Normal or Flat priors integrated out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from helpers.collapsed import packed_of, unpack
from helpers.densities import Values, components, numpy_log_joint, pymc_log_joint
from scipy import optimize

import hierlm as hl
from hierlm import names
from hierlm.engines.laplace import whiten
from hierlm.kernels.posterior import Layout, log_posterior, parameters
from hierlm.kernels.whitened import expand, log_density_at
from hierlm.priors import LKJ, Fixed

Array = np.ndarray


def specification(model: hl.Model, values: Values) -> float:
    return components(numpy_log_joint(model, values))


def whitened(model: hl.Model, values: Values) -> float:
    w = whiten(model.spec, model.design)
    d, N = len(w.start), len(w.whitening.h)

    def natural(x: Array) -> Array:
        T, shapes = _parameters(w.layout, x)
        return _free(model, w.order, T, shapes)

    x = np.append(_coordinates(natural, w.start, _wanted(model, values, w.order)), np.zeros(N))
    model_beta = np.linalg.solve(w.columns.to_raw, values["beta"])
    groups = [model.spec.groups[k] for k in w.order]
    effects = [values[names.effects(group.factor)].ravel() for group in groups]
    b = np.concatenate([*effects, model_beta[w.columns.free]])
    # b = m + M z: of the standardised z, at these parameters
    points = np.repeat(x[None], N + 1, axis=0)
    points[1:, d:] = np.eye(N)
    out = np.empty((N + 1, N))
    expand(points, w.whitening, w.layout, out)
    M = (out[1:] - out[0]).T
    x[d:] = np.linalg.solve(M, b - out[0])
    density = log_density_at(x, np.empty(len(x)), w.rows, w.whitening, w.layout)
    return density - _log_jacobian(natural, x[:d]) - np.linalg.slogdet(M)[1]


def collapsed(model: hl.Model, values: Values) -> float:
    packed = packed_of(model)
    c = packed.coefficients
    free = packed.layout.beta_at >= 0

    def natural(x: Array) -> Array:
        T, sigma, kept = unpack(packed, x)
        return np.append(_free(model, packed.order, T, np.array([sigma])), kept[free])

    kept = np.linalg.solve(c.to_raw, values["beta"])[c.kept][free]
    wanted = np.append(_wanted(model, values, packed.order), kept)
    x = _coordinates(natural, packed.start, wanted)
    density = log_posterior(x, np.empty(len(x)), packed.problem, packed.layout)
    return density - _log_jacobian(natural, x)


ENGINES: dict[str, Callable[[hl.Model, Values], float]] = {
    "specification": specification,
    "pymc": pymc_log_joint,
    "whitened": whitened,
    "collapsed": collapsed,
}


def _parameters(layout: Layout, x: Array) -> tuple[Array, Array]:
    """Return T and the shapes at coordinates x of the whitened engine."""
    nf, q = layout.sd_at.shape
    out = np.empty((1, nf * q + nf * q * q + 1 + len(layout.beta_at)))
    parameters(x[None], layout, out)
    sds, C, rest = np.split(out[0], [nf * q, nf * q + nf * q * q])
    return sds.reshape(nf, q, 1) * C.reshape(nf, q, q), rest[1:]


def _free(model: hl.Model, order: tuple[int, ...], T: Array, shapes: Array) -> Array:
    """Return sds, correlations and shapes that are not fixed."""
    values: Values = {}
    for k, position in enumerate(order):
        group = model.spec.groups[position]
        q = len(group.coefs)
        G = T[k, :q, :q] @ T[k, :q, :q].T
        sd = np.sqrt(np.diag(G))
        values[names.sd(group.factor)] = sd
        if group.covariance.pairs:
            i, j = np.array(group.covariance.pairs).T
            values[names.cor(group.factor)] = (G / np.outer(sd, sd))[i, j]
    values |= {s.name: v for s, v in zip(model.spec.shapes, shapes, strict=False)}
    return _wanted(model, values, order)


def _wanted(model: hl.Model, values: Values, order: tuple[int, ...]) -> Array:
    spec, found = model.spec, []
    for position in order:
        group = spec.groups[position]
        priors = spec.priors.group_sds(group.factor, group.coefs)
        sds = values[names.sd(group.factor)]
        found += [sd for sd, prior in zip(sds, priors, strict=True) if not isinstance(prior, Fixed)]
        if group.covariance.pairs and isinstance(spec.priors[names.cor(group.factor)], LKJ):
            found += list(values[names.cor(group.factor)])
    found += [values[s.name] for s in spec.shapes if not isinstance(spec.priors[s.name], Fixed)]
    return np.array(found, dtype=float)


def _coordinates(natural: Callable[[Array], Array], start: Array, wanted: Array) -> Array:
    """Return the coordinates of parameters."""
    if not len(wanted):
        return start.copy()
    found = optimize.least_squares(
        lambda x: natural(x) / wanted - 1, start, xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    np.testing.assert_allclose(natural(found.x), wanted, rtol=1e-10)
    return np.asarray(found.x)


def _log_jacobian(natural: Callable[[Array], Array], x: Array) -> float:
    h, rows = 2e-3, []
    for step in np.eye(len(x)):
        d1, d2, d3 = (natural(x + h / k * step) - natural(x - h / k * step) for k in (1, 2, 4))
        rows.append((d1 - 40 * d2 + 256 * d3) / (90 * h))  # Richardson: the error is of order h^6
    return float(np.linalg.slogdet(np.array(rows))[1]) if rows else 0.0
