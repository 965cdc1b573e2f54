"""From a design to the rows that the whitened kernels read: sorted, and equal rows merged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hierlm import names
from hierlm.design import Design
from hierlm.kernels.likelihood import KINDS
from hierlm.kernels.rows import CHUNK, Rows
from hierlm.priors import Fixed, Flat, Prior, ScalarPrior
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# Distributions that are another's: of 0 and 1, and of log y.
_AS = {"bernoulli": "binomial", "lognormal": "gaussian"}
_SUMMABLE = ("binomial", "poisson")  # responses of equal rows add up
_MERGED = (*_SUMMABLE, "negbinomial")


@dataclass(frozen=True, eq=False)
class Columns:
    """The common effects, as the prior has them.

    Parameters
    ----------
    keys : tuple of str
        Name of each coefficient's prior; ``Intercept_centered`` for a centred intercept.
    to_raw : ndarray of shape (p, p)
        Reported coefficients in terms of the model's.
    free : ndarray of int64
        Which coefficients are whitened.
    kept : ndarray of int64
        Which are sampled among the parameters, since their priors are bounded; others are fixed.
    values : ndarray of shape (p,)
        Of those that are fixed; zero elsewhere.
    """

    keys: tuple[str, ...]
    to_raw: Array
    free: Index
    kept: Index
    values: Array

    @classmethod
    def of(cls, spec: ModelSpec) -> Columns:
        """Return the common effects of a model."""
        centered = names.INTERCEPT_CENTERED in spec.priors
        to_raw, keys = np.eye(len(spec.coefs)), list(spec.coefs)
        if centered:
            at = spec.coefs.index(names.INTERCEPT)
            to_raw[at] = -np.asarray(spec.encoding.common.means)
            to_raw[at, at] = 1.0
            keys[at] = names.INTERCEPT_CENTERED
        priors = [spec.priors[key] for key in keys]
        values = [prior.value if isinstance(prior, Fixed) else 0.0 for prior in priors]
        free = [k for k, prior in enumerate(priors) if is_unbounded(prior)]
        fixed = [k for k, prior in enumerate(priors) if isinstance(prior, Fixed)]
        kept = [k for k in range(len(priors)) if k not in free and k not in fixed]
        return cls(
            tuple(keys), to_raw, np.array(free, np.int64), np.array(kept, np.int64),
            np.array(values, np.float64),
        )  # fmt: skip


def is_unbounded(prior: Prior) -> bool:
    """Return whether a prior takes all real numbers."""
    if isinstance(prior, Flat):
        return True
    return isinstance(prior, ScalarPrior) and prior.support == (-np.inf, np.inf)


def pack_rows(spec: ModelSpec, design: Design, columns: Columns, order: tuple[int, ...]) -> Rows:
    """Return the rows of a model, sorted by the levels of its factors.

    Parameters
    ----------
    spec : ModelSpec
    design : Design of n rows
    columns : Columns
    order : tuple of int
        Positions of the grouping factors, the largest first.
    """
    name = _AS.get(spec.family.name, spec.family.name)
    weights = np.ones(design.n) if design.weights is None else design.weights
    used = np.flatnonzero(weights > 0)
    blocks = [design.blocks[k] for k in order]
    model = design.X @ columns.to_raw
    offset = model @ columns.values
    offset = offset if design.offset is None else offset + design.offset
    codes = [block.codes[used] for block in blocks]
    taken = np.concatenate([columns.free, columns.kept])
    covariates = np.column_stack([model[:, taken], *(b.Z for b in blocks), offset])[used]
    se = np.ones(len(used)) if design.se is None else design.se[used]
    if _is_divided(spec):
        covariates /= se[:, None]
    data, table, constant = _response(spec, name, design, weights, used, se)
    rows, starts = _groups(covariates, codes, data, name)
    data = _merge(data[:, rows], starts, name)
    picked = rows[starts]
    covariates = covariates[picked]
    p = len(taken)
    sizes = [b.n_coefs for b in blocks]
    begins = np.cumsum([0, *(b.n_levels * b.n_coefs for b in blocks)])
    at = [begins[k] + sizes[k] * codes[k][picked] for k in range(len(blocks))]
    has_runs, run_end, run_at, first_run = _runs(at, len(picked))
    X = np.ascontiguousarray(covariates[:, :p].T)
    Z = np.ascontiguousarray(covariates[:, p:-1].T)
    return Rows(
        kind=KINDS[name, spec.family.link.name],
        data=data,
        offset=np.ascontiguousarray(covariates[:, -1]),
        has_offset=int(np.any(covariates[:, -1])),
        X=X,
        is_one=np.array([np.all(x == 1.0) for x in X], np.int64),
        Z=Z,
        factor=np.repeat(np.arange(len(blocks)), sizes).astype(np.int64),
        coef=np.concatenate([np.zeros(0), *(np.arange(q) for q in sizes)]).astype(np.int64),
        twin=np.array([_twin(z, X[: len(columns.free)]) for z in Z], np.int64),
        at=np.array(at, np.int64).reshape(len(blocks), len(picked)),
        has_runs=has_runs,
        run_end=run_end,
        run_at=run_at,
        first_run=first_run,
        beta_at=int(begins[-1]),
        table=table,
        constant=constant,
    )


def _twin(z: Array, X: Array) -> int:
    """Return which row of X equals z, or -1."""
    return next((c for c, x in enumerate(X) if np.array_equal(x, z)), -1)


def _runs(at: list[Index], n: int) -> tuple[Index, Index, Index, Index]:
    """Return which factors have long runs of equal values; their ends, values and first in chunks.

    Those without have arrays of zeros.
    """
    ends = [np.append(np.flatnonzero(np.diff(a)) + 1, n) for a in at]
    has_runs = np.array([4 * len(one) < n for one in ends], np.int64)
    width = max([len(one) for one, use in zip(ends, has_runs, strict=True) if use], default=0)
    run_end, run_at = np.zeros((2, len(at), width), np.int64)
    starts = np.arange(0, n, CHUNK)
    first_run = np.zeros((len(at), len(starts)), np.int64)
    for k in np.flatnonzero(has_runs):
        run_end[k, : len(ends[k])] = ends[k]
        run_at[k, : len(ends[k])] = at[k][ends[k] - 1]
        first_run[k] = np.searchsorted(ends[k], starts, side="right")
    return has_runs, run_end, run_at, first_run


def _groups(
    covariates: Array, codes: list[Index], data: Array, name: str
) -> tuple[Index, Index]:  # fmt: skip
    """Return the order of the rows, and where in it each run of equal ones begins."""
    n = len(covariates)
    keys = list(covariates.T)
    distinct = max([len(np.unique(key)) for key in keys], default=1)
    if name not in _MERGED or 2 * distinct > n:  # hardly two rows alike
        rows = np.lexsort(codes[::-1]) if codes else np.arange(n)
        return rows.astype(np.int64), np.arange(n)
    if name not in _SUMMABLE:
        keys.append(data[0])
    rows = np.lexsort([*keys, *codes[::-1]]) if keys or codes else np.arange(n)
    changes = np.zeros(n, bool)
    changes[:1] = True
    for key in (*keys, *codes):
        changes[1:] |= np.diff(key[rows]) != 0
    return rows.astype(np.int64), np.flatnonzero(changes)


def _merge(data: Array, starts: Index, name: str) -> Array:
    """Return what the likelihood needs, one column for each run of equal rows."""
    if len(starts) == data.shape[1]:
        return np.ascontiguousarray(data)
    merged = np.add.reduceat(data, starts, axis=1)
    if name not in _SUMMABLE:
        merged[0] = data[0, starts]
    return np.ascontiguousarray(merged)


def _response(
    spec: ModelSpec, name: str, design: Design, weights: Array, used: Index, se: Array
) -> tuple[Array, Array, float]:
    """Return what the likelihood needs of each row, the table, and the constant terms."""
    y, w = design.response[used], weights[used]
    data, table, constant = np.zeros((3, len(y))), np.zeros((2, 0)), 0.0
    total = float(w.sum())
    if name == "binomial":
        n = np.ones(len(y)) if design.trials is None else design.trials[used]
        data[0], data[1] = w * y, w * (n - y)
        logs = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
        constant = float(w @ logs)
    elif name == "poisson":
        data[0], data[1] = w * y, w
        constant = -float(w @ special.gammaln(y + 1))
    elif name == "beta":
        data[0], data[1], data[2] = special.logit(y), np.log1p(-y), w
        table, constant = np.array([[0.0], [total]]), -float(w @ (np.log(y) + np.log1p(-y)))
    else:
        data[0], data[1] = spec.family.working(y), w
        if _is_divided(spec):
            data[0] /= se
        else:
            data[1] /= np.square(se)
        if name == "negbinomial":
            values, where = np.unique(y, return_inverse=True)
            table = np.array([values, np.bincount(where, w)])
            constant = -float(w @ special.gammaln(y + 1))
        elif name == "gamma":
            table = np.array([[float(w @ np.log(y)) / total], [total]])
            constant = -float(w @ np.log(y))
        else:
            table = np.array([[0.0], [total]])
            constant = -0.5 * total * np.log(2 * np.pi if name == "gaussian" else np.pi)
            constant -= float(w @ np.log(se))
        if spec.family.name == "lognormal":
            constant -= float(w @ np.log(y))
    return data, table, float(constant)


def _is_divided(spec: ModelSpec) -> bool:
    """Return whether known standard errors divide response and predictors, not just weights.

    A student's density does not depend on weights times squares alone.
    """
    return spec.family.name == "student" and spec.encoding.values.se is not None


def information(rows: Rows, eta: Array, shapes: Array) -> Array:
    """Return W of every row, never negative.

    The observed information where the likelihood is log-concave in eta, else the expected one
    (Fisher scoring).

    Parameters
    ----------
    rows : Rows of n rows
    eta : ndarray of shape (n,)
    shapes : ndarray of shape (s,)

    Returns
    -------
    ndarray of shape (n,)
    """
    (first, second, third), kind = rows.data, rows.kind
    if kind >= 100:
        return _information_through(kind, eta, second, shapes)
    if kind == 0:
        return np.asarray((first + second) * special.expit(eta) * special.expit(-eta))
    if kind == 1:
        up = np.exp(-0.5 * (eta**2 + np.log(2 * np.pi)) - special.log_ndtr(eta))
        down = np.exp(-0.5 * (eta**2 + np.log(2 * np.pi)) - special.log_ndtr(-eta))
        return np.asarray(first * up * (eta + up) + second * down * (down - eta))
    if kind == 2:
        h = np.exp(np.minimum(eta, 700.0))
        g = special.exprel(h) ** -1
        return np.asarray(second * h - first * g * (1 - h - g)).clip(0.0)
    if kind == 3:
        return np.asarray(second * np.exp(eta))
    if kind == 4:
        z = eta - np.log(shapes[0])
        return np.asarray(second * (first + shapes[0]) * special.expit(z) * special.expit(-z))
    if kind == 5:
        return np.asarray(second * shapes[0] * first * np.exp(-eta))
    slope = np.exp(eta) if kind in (7, 9) else np.ones(len(eta))
    if kind <= 9:
        tails = 1.0 if kind <= 7 else (shapes[1] + 1) / (shapes[1] + 3)
        return np.asarray(second * tails * np.square(slope / shapes[0]))
    return np.asarray(third * _beta_information(kind - 10, eta, float(shapes[0])))


def _information_through(kind: int, eta: Array, w: Array, shapes: Array) -> Array:
    """Return the expected information where the link goes through another."""
    way, base = divmod(kind, 100)
    if way == 4:
        tails = 1.0 if base == 6 else (shapes[1] + 1) / (shapes[1] + 3)
        return np.asarray(w * tails / np.square(shapes[0] * np.square(eta)))
    mu = {1: eta, 2: np.square(eta), 3: 1.0 / eta}[way]
    slope = (2.0 if way == 2 else 1.0) / eta
    if base == 5:
        mu = shapes[0]
    elif base == 4:
        mu = mu * shapes[0] / (mu + shapes[0])
    return np.asarray(w * mu * np.square(slope))


def _beta_information(link: int, eta: Array, kappa: float) -> Array:
    if link == 0:
        mu, rest = special.expit(eta), special.expit(-eta)
        slope = mu * rest
    elif link == 1:
        mu, rest = special.ndtr(eta), special.ndtr(-eta)
        slope = np.exp(-0.5 * np.square(eta)) / np.sqrt(2 * np.pi)
    else:
        h = np.exp(np.minimum(eta, 700.0))
        mu, rest = -np.expm1(-h), np.exp(-h)
        slope = h * rest
    curvature = special.polygamma(1, np.maximum(mu * kappa, 1e-100))
    curvature += special.polygamma(1, np.maximum(rest * kappa, 1e-100))
    return np.asarray(np.square(kappa * slope) * curvature)
