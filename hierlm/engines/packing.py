"""From cross-products and priors to the arrays that the collapsed kernels read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.design.crossproducts import CrossProducts, FactorProducts
from hierlm.engines.layout import Scalars, correlations, fixed_value
from hierlm.engines.trailing import Trailing
from hierlm.kernels.envelope import Envelope
from hierlm.kernels.posterior import Layout
from hierlm.kernels.priors import WIDTH
from hierlm.kernels.problem import Pattern, Problem
from hierlm.priors import Fixed, Flat, Normal, Prior
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """What becomes of the common effects.

    Parameters
    ----------
    keys : tuple of str
        Name of each coefficient's prior; ``Intercept_centered`` for a centred intercept.
    basis : ndarray of shape (1 + p, p)
        Columns of the model in terms of U = [1, X - x0].
    to_raw : ndarray of shape (p, p)
        Reported coefficients in terms of the model's.
    collapsed, kept : ndarray of int64
        Those integrated out (Normal or Flat prior), and those sampled or fixed.
    reference : ndarray of shape (p,)
        Where the residual is taken: least squares, the fixed values held.
    """

    keys: tuple[str, ...]
    basis: Array
    to_raw: Array
    collapsed: NDArray[np.int64]
    kept: NDArray[np.int64]
    reference: Array


@dataclass(frozen=True, eq=False)
class Packed:
    """A collapsed problem, its coordinates, and how to name what comes out.

    Parameters
    ----------
    problem : Problem
    layout : Layout
    coefficients : Coefficients
    order : tuple of int
        Positions of the grouping factors in the specification, the eliminated one first.
    columns : ndarray of shape (m,), int64
        The trailing columns of the other factors, in that order, and of the coefficients.
    start : ndarray of shape (d,)
        Coordinates to start from.
    """

    problem: Problem
    layout: Layout
    coefficients: Coefficients
    order: tuple[int, ...]
    columns: Index
    start: Array


def pack(spec: ModelSpec, products: CrossProducts, *, fold: bool = True) -> Packed:
    """Prepare the collapsed density of a model.

    Parameters
    ----------
    spec : ModelSpec
    products : CrossProducts
    fold : bool
        Whether sds of effects may be folded at zero, where there are then two of every mode.
    """
    coefficients = _coefficients(spec, products)
    trailing = Trailing.of(products, len(coefficients.collapsed))
    problem = _problem(spec, products, coefficients, trailing)
    layout, start = _layout(spec, products, coefficients, trailing.order, problem, fold)
    return Packed(problem, layout, coefficients, trailing.order, trailing.columns, start)


def _coefficients(spec: ModelSpec, products: CrossProducts) -> Coefficients:
    slopes = [name for name in spec.coefs if name != names.INTERCEPT]
    p, x0 = len(spec.coefs), products.x0
    centered = names.INTERCEPT_CENTERED in spec.priors
    means = np.asarray(spec.encoding.common.means)
    basis, to_raw = np.zeros((1 + len(slopes), p)), np.eye(p)
    keys = []
    for column, name in enumerate(spec.coefs):
        if name == names.INTERCEPT:
            basis[0, column] = 1.0
            keys.append(names.INTERCEPT_CENTERED if centered else names.INTERCEPT)
            continue
        k = slopes.index(name)
        mean = means[column] if centered else 0.0
        basis[1 + k, column] = 1.0
        basis[0, column] = x0[k] - mean
        if centered:
            to_raw[spec.coefs.index(names.INTERCEPT), column] = -mean
        keys.append(name)
    priors = [spec.priors[key] for key in keys]
    collapsed = [k for k, prior in enumerate(priors) if isinstance(prior, Normal | Flat)]
    kept = [k for k in range(p) if k not in collapsed]
    reference = _least_squares(products, basis, priors)
    return Coefficients(
        tuple(keys), basis, to_raw, np.array(collapsed, np.int64), np.array(kept, np.int64),
        reference,
    )  # fmt: skip


def _least_squares(products: CrossProducts, basis: Array, priors: list[Prior]) -> Array:
    """Return where to take the residual: fixed coefficients at their values, the rest by OLS.

    The response is y, not y - y0: the shift is added back through the constant column of U.
    """
    p = basis.shape[1]
    reference = np.zeros(p)
    free = [k for k in range(p) if not isinstance(priors[k], Fixed)]
    for k, prior in enumerate(priors):
        if isinstance(prior, Fixed):
            reference[k] = prior.value
    A = basis.T @ products.UU @ basis
    rhs = basis.T @ (products.Uy + products.y0 * products.UU[:, 0]) - A @ reference
    if free:
        scale = 1.0 / np.sqrt(np.maximum(np.diag(A)[free], np.finfo(float).tiny))
        scaled = A[np.ix_(free, free)] * scale * scale[:, None]
        reference[free] = scale * np.linalg.lstsq(scaled, rhs[free] * scale, rcond=None)[0]
    return reference


def _problem(
    spec: ModelSpec, products: CrossProducts, coefficients: Coefficients, trailing: Trailing
) -> Problem:
    c, basis, envelope = coefficients, coefficients.basis, trailing.envelope(products)
    X, N = basis[:, c.collapsed], basis[:, c.kept]
    # the residual e = (y - y0) - U r
    r = basis @ c.reference
    r[0] -= products.y0
    Ue = products.Uy - products.UU @ r
    ee = products.yy - 2 * r @ products.Uy + r @ products.UU @ r
    factors = [products.factors[k] for k in trailing.order]
    # without factors, a plain regression
    first = factors[0] if factors else FactorProducts.zero(0, 1, len(r))
    m1 = len(trailing.factor)
    Ke, KN = np.zeros(len(envelope.at)), np.zeros((len(envelope.at), len(c.kept)))
    for f, start in zip(factors[1:], trailing.starts, strict=True):
        at = start[:, None] + np.arange(f.Zy.shape[1])
        Ke[at], KN[at] = f.Zy - f.ZU @ r, f.ZU @ N
    Ke[m1:], KN[m1:] = X.T @ Ue, X.T @ products.UU @ N
    precision, h, constant, log_constant = _normal_prior(spec, c)
    return Problem(
        n=products.n,
        log_constant=-0.5 * products.n * np.log(2 * np.pi) - products.log_known + log_constant,
        ee=float(ee),
        ZZ=_levels_last(first.ZZ),
        Ze=_levels_last(first.Zy - first.ZU @ r),
        ZX=_levels_last(first.ZU @ X),
        ZN=_levels_last(first.ZU @ N),
        pattern=_pattern(products, trailing),
        envelope=envelope,
        K=_trailing_products(products, trailing, envelope, X),
        Ke=Ke,
        KN=KN,
        Ne=N.T @ Ue,
        NN=N.T @ products.UU @ N,
        precision=precision,
        h=h,
        c=constant,
    )


def _levels_last(x: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, 0, -1))


def _trailing_products(
    products: CrossProducts, trailing: Trailing, envelope: Envelope, X: Array
) -> Array:
    """Return the cross-products of the trailing columns, within their envelope."""
    m1, pc = len(trailing.factor), X.shape[1]
    K = np.zeros(int(envelope.at[-1] + envelope.end[-1]) if m1 + pc else 0)

    def put(rows: Index, columns: Index, blocks: Array) -> None:
        """Place blocks of shape (b, r, c) at the first rows and columns given."""
        i = rows[:, None, None] + np.arange(blocks.shape[1])[:, None]
        K[envelope.at[i] + columns[:, None, None] + np.arange(blocks.shape[2])] = blocks

    for i, (a, start) in enumerate(zip(trailing.order[1:], trailing.starts, strict=True)):
        f = products.factors[a]
        put(start, start, f.ZZ)
        put(np.full(len(start), m1), start, (f.ZU @ X).transpose(0, 2, 1))
        for b, other in zip(trailing.order[2 + i :], trailing.starts[i + 1 :], strict=True):
            cells, blocks = products.cells(a, b)
            rows, columns = other[cells[:, 1]], start[cells[:, 0]]
            put(rows, columns, blocks.transpose(0, 2, 1))
    put(np.full(1, m1), np.full(1, m1), (X.T @ products.UU @ X).reshape(1, pc, pc))
    return K


def _pattern(products: CrossProducts, trailing: Trailing) -> Pattern:
    """Return which trailing columns each level of the first factor meets."""
    order = trailing.order
    J, q = products.factors[order[0]].Zy.shape if order else (0, 1)
    level, column, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros((q, 0))]
    for other, start in zip(order[1:], trailing.starts, strict=True):
        cells, blocks = products.cells(order[0], other)
        width = blocks.shape[2]
        level.append(np.repeat(cells[:, 0], width))
        column.append((start[cells[:, 1], None] + np.arange(width)).ravel())
        values.append(blocks.transpose(1, 0, 2).reshape(q, -1))
    levels, columns = np.concatenate(level), np.concatenate(column)
    sort = np.lexsort((columns, levels))
    return Pattern(
        ptr=np.searchsorted(levels[sort], np.arange(J + 1)).astype(np.int64),
        cols=np.ascontiguousarray(columns[sort]),
        vals=np.ascontiguousarray(np.concatenate(values, axis=1)[:, sort]),
        factor=trailing.factor,
        coef=trailing.coef,
        sizes=np.array([products.factors[k].Zy.shape[1] for k in order] or [1], np.int64),
    )


def _normal_prior(spec: ModelSpec, c: Coefficients) -> tuple[Array, Array, float, float]:
    """Return precision, precision times mean, their quadratic form, and the log constant."""
    precision, mean, log_constant = np.zeros(len(c.collapsed)), np.zeros(len(c.collapsed)), 0.0
    for i, k in enumerate(c.collapsed):
        prior = spec.priors[c.keys[k]]
        if isinstance(prior, Normal):
            precision[i], mean[i] = prior.sigma**-2, prior.mu - c.reference[k]
            log_constant -= np.log(prior.sigma)
        else:
            log_constant += 0.5 * np.log(2 * np.pi)
    constant = float(precision @ np.square(mean))
    return np.diag(precision), precision * mean, constant, log_constant


def _layout(
    spec: ModelSpec,
    products: CrossProducts,
    c: Coefficients,
    order: tuple[int, ...],
    problem: Problem,
    fold: bool,
) -> tuple[Layout, Array]:
    groups = [spec.groups[k] for k in order]
    q = max([len(g.coefs) for g in groups], default=1)
    sd_at = np.full((max(1, len(groups)), q), -1, np.int64)
    sd_fixed = np.zeros(sd_at.shape)
    spread = float(np.sqrt(problem.ee / max(problem.n, 1.0))) or 1.0
    scalars = Scalars()
    for k, group in enumerate(groups):
        sizes = np.sqrt(np.einsum("jaa->a", products.factors[order[k]].ZZ) / problem.n)
        for a, prior in enumerate(spec.priors.group_sds(group.factor, group.coefs)):
            unit = spread / (sizes[a] or 1.0)
            rows = problem.n / len(products.factors[order[k]].ZZ)
            if fold:
                sd_at[k, a] = scalars.place_sd(prior, 0.5 * unit, unit / np.sqrt(rows))
            else:
                sd_at[k, a] = scalars.place(prior, 0.5 * unit)
            sd_fixed[k, a] = fixed_value(prior)
    sigma = spec.priors["sigma"] if spec.shapes else Fixed(1.0)
    sigma_at = scalars.place(sigma, 0.8 * spread)
    kept = [(spec.priors[c.keys[k]], float(c.reference[k])) for k in c.kept]
    beta_at = np.array([scalars.place(prior, at) for prior, at in kept], np.int64)
    parts, etas, C, size = correlations(spec, order, len(scalars.rows), q)
    layout = Layout(
        priors=np.array(scalars.rows).reshape(-1, WIDTH),
        sd_at=sd_at,
        sd_fixed=sd_fixed,
        C_fixed=C,
        parts=parts,
        etas=etas,
        sigma_at=sigma_at,
        sigma_fixed=fixed_value(sigma),
        beta_at=beta_at,
        beta_reference=np.where(beta_at >= 0, [at for _, at in kept], 0.0),
    )
    return layout, np.concatenate([scalars.start, np.zeros(size)])
