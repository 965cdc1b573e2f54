"""From cross-products and priors to the arrays that the collapsed kernels read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.design.crossproducts import CrossProducts, FactorProducts
from hierlm.engines.layout import Scalars, correlations, fixed_value
from hierlm.kernels.lapack import addresses
from hierlm.kernels.posterior import Layout
from hierlm.kernels.priors import WIDTH
from hierlm.kernels.problem import Pattern, Problem
from hierlm.priors import Fixed, Flat, Normal, Prior
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]


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
    start : ndarray of shape (d,)
        Coordinates to start from.
    """

    problem: Problem
    layout: Layout
    coefficients: Coefficients
    order: tuple[int, ...]
    start: Array


def pack(spec: ModelSpec, products: CrossProducts) -> Packed:
    """Prepare the collapsed density of a model.

    Parameters
    ----------
    spec : ModelSpec
    products : CrossProducts
    """
    sizes = [f.Zy.size for f in products.factors]
    order = tuple(sorted(range(len(sizes)), key=lambda k: -sizes[k]))
    coefficients = _coefficients(spec, products)
    problem = _problem(spec, products, coefficients, order)
    layout, start = _layout(spec, products, coefficients, order, problem)
    return Packed(problem, layout, coefficients, order, start)


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
    spec: ModelSpec, products: CrossProducts, coefficients: Coefficients, order: tuple[int, ...]
) -> Problem:
    c, basis = coefficients, coefficients.basis
    X, N = basis[:, c.collapsed], basis[:, c.kept]
    # the residual e = (y - y0) - U r
    r = basis @ c.reference
    r[0] -= products.y0
    Ue = products.Uy - products.UU @ r
    ee = products.yy - 2 * r @ products.Uy + r @ products.UU @ r
    factors = [products.factors[k] for k in order]
    Zes = [f.Zy - f.ZU @ r for f in factors] or [np.zeros((0, 1))]
    rest = factors[1:]
    first = factors[0] if factors else FactorProducts.zero(0, 1, len(r))  # a plain regression
    J, q = first.Zy.shape
    m1 = sum(f.Zy.size for f in rest)
    pc = len(c.collapsed)
    K, Ke = np.zeros((m1 + pc, m1 + pc)), np.zeros(m1 + pc)
    KN = np.zeros((m1 + pc, len(c.kept)))
    starts = np.cumsum([0, *(f.Zy.size for f in rest)])
    for i, f in enumerate(rest):
        at = slice(starts[i], starts[i + 1])
        K[at, at] = _block_diagonal(f.ZZ)
        K[at, m1:] = (f.ZU @ X).reshape(f.Zy.size, pc)
        K[m1:, at] = K[at, m1:].T
        Ke[at] = Zes[i + 1].ravel()
        KN[at] = (f.ZU @ N).reshape(f.Zy.size, len(c.kept))
        for j in range(i + 1, len(rest)):
            block = _pair_matrix(products, order[1 + i], order[1 + j])
            K[at, starts[j] : starts[j + 1]] = block
            K[starts[j] : starts[j + 1], at] = block.T
    K[m1:, m1:], Ke[m1:], KN[m1:] = X.T @ products.UU @ X, X.T @ Ue, X.T @ products.UU @ N
    ptr, cols, vals = _pattern(products, order, starts, J, q)
    pattern = Pattern(
        ptr=ptr,
        cols=cols,
        vals=vals,
        factor=np.repeat(np.arange(1, len(factors)), [f.Zy.size for f in rest]).astype(np.int64),
        coef=np.concatenate(
            [np.zeros(0), *(np.tile(np.arange(f.Zy.shape[1]), len(f.Zy)) for f in rest)]
        ).astype(np.int64),
        sizes=np.array([f.Zy.shape[1] for f in factors] or [1], np.int64),
    )
    precision, h, constant, log_constant = _normal_prior(spec, c)
    return Problem(
        n=products.n,
        log_constant=-0.5 * products.n * np.log(2 * np.pi) - products.log_known + log_constant,
        ee=float(ee),
        ZZ=_levels_last(first.ZZ),
        Ze=_levels_last(Zes[0]),
        ZX=_levels_last(first.ZU @ X),
        ZN=_levels_last(first.ZU @ N),
        pattern=pattern,
        K=K,
        Ke=Ke,
        KN=KN,
        Ne=N.T @ Ue,
        NN=N.T @ products.UU @ N,
        precision=precision,
        h=h,
        c=constant,
        lapack=addresses(),
    )


def _levels_last(x: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, 0, -1))


def _block_diagonal(blocks: Array) -> Array:
    J, q, _ = blocks.shape
    out = np.zeros((J, q, J, q))
    out[np.arange(J), :, np.arange(J), :] = blocks
    return out.reshape(J * q, J * q)


def _cells(products: CrossProducts, a: int, b: int) -> tuple[NDArray[np.int64], Array]:
    """Return the observed pairs of levels of factors a and b, and their blocks Z_a'Z_b."""
    if a < b:
        pair = products.pairs[a, b]
        return pair.cells, pair.ZZ
    pair = products.pairs[b, a]
    return pair.cells[:, ::-1], pair.ZZ.transpose(0, 2, 1)


def _pair_matrix(products: CrossProducts, a: int, b: int) -> Array:
    cells, blocks = _cells(products, a, b)
    Ja, qa = products.factors[a].Zy.shape
    Jb, qb = products.factors[b].Zy.shape
    out = np.zeros((Ja, qa, Jb, qb))
    out[cells[:, 0], :, cells[:, 1], :] = blocks
    return out.reshape(Ja * qa, Jb * qb)


def _pattern(
    products: CrossProducts, order: tuple[int, ...], starts: Array, J: int, q: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Return ptr, cols and vals: the trailing columns that each level of the first meets."""
    level, column, values = [], [], []
    for i, other in enumerate(order[1:]):
        cells, blocks = _cells(products, order[0], other)
        width = blocks.shape[2]
        level.append(np.repeat(cells[:, 0], width))
        column.append(
            (starts[i] + cells[:, 1, None] * width + np.arange(width)).ravel().astype(np.int64)
        )
        values.append(blocks.transpose(1, 0, 2).reshape(q, -1))
    if not level:
        return np.zeros(J + 1, np.int64), np.zeros(0, np.int64), np.zeros((q, 0))
    levels, columns = np.concatenate(level), np.concatenate(column)
    sort = np.lexsort((columns, levels))
    ptr = np.searchsorted(levels[sort], np.arange(J + 1)).astype(np.int64)
    vals = np.ascontiguousarray(np.concatenate(values, axis=1)[:, sort])
    return ptr, np.ascontiguousarray(columns[sort]), vals


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
            sd_at[k, a] = scalars.place(prior, 0.5 * spread / (sizes[a] or 1.0))
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
