"""The collapsed density by other means: dense covariances, finite differences, full matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import hierlm as hl
from hierlm.design.crossproducts import CrossProducts
from hierlm.engines.packing import Packed, pack
from hierlm.kernels.collapsed import log_likelihood
from hierlm.kernels.envelope import Envelope
from hierlm.kernels.lapack import addresses
from hierlm.kernels.posterior import log_posterior, parameters
from hierlm.kernels.problem import Problem
from hierlm.priors import Flat, Normal


def packed_of(model: hl.Model) -> Packed:
    """Return what the kernels read of a model."""
    return pack(model.spec, CrossProducts.of(model.design))


def unpack(packed: Packed, x: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Return T, sigma and the sampled coefficients at coordinates x."""
    (nf, q), pn = packed.layout.sd_at.shape, len(packed.coefficients.kept)
    out = np.empty((1, nf * q + nf * q * q + 1 + pn))
    parameters(x[None], packed.layout, out)
    sd, C = out[0, : nf * q].reshape(nf, q), out[0, nf * q : nf * q + nf * q * q]
    T = np.ascontiguousarray(sd[:, :, None] * C.reshape(nf, q, q))
    return T, float(out[0, nf * q + nf * q * q]), out[0, nf * q + nf * q * q + 1 :]


class Dense:
    """The n x n covariance V of y, its residual r, and the columns X with flat priors."""

    def __init__(self, model: hl.Model, packed: Packed, x: np.ndarray) -> None:
        design, c = model.design, packed.coefficients
        T, sigma, kept = unpack(packed, x)
        weights = np.ones(design.n) if design.weights is None else design.weights
        used = np.repeat(np.arange(design.n), weights.astype(int))  # weight k: k rows
        se = np.ones(design.n) if design.se is None else design.se
        self.sigma, self.squared_se = sigma, np.square(se)[used]
        # independent rows, of which equal ones are nevertheless several
        V = np.diag(sigma**2 * self.squared_se)
        self.blocks = []
        for k, position in enumerate(packed.order):
            block = design.blocks[position]
            q = block.n_coefs
            Z, same = block.Z[used], block.codes[used][:, None] == block.codes[used]
            A = Z @ T[k, :q, :q]
            V += (A @ A.T) * same
            self.blocks.append((Z, A, same))
        columns = design.X @ c.to_raw  # raw coefficients are to_raw times the model's
        coefficients = c.reference.copy()
        free = packed.layout.beta_at >= 0
        coefficients[c.kept[free]] = kept[free]
        mean = columns[:, c.kept] @ coefficients[c.kept]
        flat = []
        for k in c.collapsed:
            prior = model.spec.priors[c.keys[k]]
            column = columns[used, k]
            if isinstance(prior, Normal):
                mean = mean + columns[:, k] * prior.mu
                V += prior.sigma**2 * np.outer(column, column)
            else:
                assert isinstance(prior, Flat)
                flat.append(column)
        y = design.response if design.offset is None else design.response - design.offset
        self.V, self.r = V, (y - mean)[used]
        self.X = np.array(flat).reshape(len(flat), len(used)).T
        self.kept = columns[used][:, c.kept]

    def log_density(self) -> float:
        V, r, X = self.V, self.r, self.X
        if not X.shape[1]:
            return float(multivariate_normal(np.zeros(len(r)), V, allow_singular=False).logpdf(r))
        P = np.linalg.solve(V, np.column_stack([X, r]))
        XVX, XVr = X.T @ P[:, :-1], X.T @ P[:, -1]
        quadratic = r @ P[:, -1] - XVr @ np.linalg.solve(XVX, XVr)
        log_det = np.linalg.slogdet(V)[1] + np.linalg.slogdet(XVX)[1]
        return float(-0.5 * ((len(r) - X.shape[1]) * np.log(2 * np.pi) + log_det + quadratic))

    def gradients(self) -> tuple[list[np.ndarray], float, np.ndarray]:
        """Return those in T, sigma and the sampled coefficients.

        d log p = -1/2 [tr(P dV) - r'P dV P r] and N'P r, with P = V^{-1}, less the part of the
        columns with flat priors.
        """
        P = np.linalg.inv(self.V)
        if self.X.shape[1]:
            PX = P @ self.X
            P = P - PX @ np.linalg.solve(self.X.T @ PX, PX.T)
        Pr = P @ self.r
        S = np.outer(Pr, Pr) - P
        dT = [np.tril(Z.T @ (S * same) @ A) for Z, A, same in self.blocks]
        return dT, self.sigma * float(np.diag(S) @ self.squared_se), self.kept.T @ Pr


def dense_log_likelihood(model: hl.Model, packed: Packed, x: np.ndarray) -> float:
    """Return log p(y | parameters) from the n x n covariance of y."""
    return Dense(model, packed, x).log_density()


def collapsed_log_likelihood(packed: Packed, x: np.ndarray) -> float:
    """Return log p(y | parameters) as the kernels have it."""
    T, sigma, kept = unpack(packed, x)
    dbeta = np.empty(len(kept))
    beta = kept - packed.layout.beta_reference
    return log_likelihood(packed.problem, T, sigma, beta, np.empty(T.shape), dbeta)[0]


def check_dense_gradient(model: hl.Model, packed: Packed, x: np.ndarray) -> None:
    """Hold the gradient of the log likelihood to the dense one."""
    T, sigma, kept = unpack(packed, x)
    dT, dbeta = np.empty(T.shape), np.empty(len(kept))
    beta = kept - packed.layout.beta_reference
    dsigma = log_likelihood(packed.problem, T, sigma, beta, dT, dbeta)[1]
    expected_T, expected_sigma, expected_beta = Dense(model, packed, x).gradients()
    for k, expected in enumerate(expected_T):
        q = len(expected)
        assert dT[k, :q, :q] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert dsigma == pytest.approx(expected_sigma, rel=1e-9)
    assert dbeta == pytest.approx(expected_beta, rel=1e-9, abs=1e-9)


def check_gradient(packed: Packed, x: np.ndarray) -> None:
    """Hold the gradient of the log posterior to finite differences."""
    gradient, scratch = np.empty(len(x)), np.empty(len(x))
    assert np.isfinite(log_posterior(x, gradient, packed.problem, packed.layout))

    def density(point: np.ndarray) -> float:
        return log_posterior(point, scratch, packed.problem, packed.layout)

    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = 2e-4
        # Richardson: the error is of order step^4
        coarse = (density(x + step) - density(x - step)) / 4e-4
        fine = (density(x + step / 2) - density(x - step / 2)) / 2e-4
        assert gradient[i] == pytest.approx((4 * fine - coarse) / 3, rel=1e-6, abs=1e-6)


def in_full(problem: Problem, *, lapack: bool = False) -> Problem:
    """Return the same problem with the trailing columns in a full matrix."""
    envelope, m = problem.envelope, len(problem.Ke)
    K = np.zeros((m, m))
    for i in range(m):
        row = np.arange(envelope.first[i], envelope.end[i])
        K[i, row] = K[row, i] = problem.K[envelope.at[i] + row]
    full = Envelope(
        np.zeros(m, np.int64), envelope.end, m * np.arange(m),
        addresses() if lapack else np.zeros(0, np.int64),
    )  # fmt: skip
    return problem._replace(K=K.ravel(), envelope=full)
