r"""The LKJ prior of a correlation matrix.

.. math:: p(R) = \det(R)^{\eta - 1} / Z_q(\eta)

In the partial correlations of a C-vine, :math:`p_{ij} = \rho_{ij;\,1 \ldots i-1}`, the density
factorises: :math:`(1 + p_{ij})/2 \sim Beta(\alpha_i, \alpha_i)`,
:math:`\alpha_i = \eta + (q - 1 - i)/2`, for i = 1, ..., q-1 and j > i. That gives both exact
draws and

.. math:: \log Z_q(\eta) = \sum_{i=1}^{q-1} (q - i)
          \left[(2\alpha_i - 1) \log 2 + \log B(\alpha_i, \alpha_i)\right]

Lewandowski, Kurowicka and Joe (2009), Generating random correlation matrices based on vines and
extended onion method, Journal of Multivariate Analysis 100, 1989-2001,
doi:10.1016/j.jmva.2009.04.008.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from hierlm.errors import PriorError
from hierlm.priors.base import Array, Prior, Size

if TYPE_CHECKING:
    from hierlm.priors.base import Frozen

_TOLERANCE = 1e-8


@final
@dataclass(frozen=True, repr=False)
class LKJ(Prior):
    """LKJ prior of a correlation matrix: uniform for ``eta = 1``, nearer zero the larger.

    Parameters
    ----------
    eta : float
        Positive.

    Examples
    --------
    >>> LKJ(2).logpdf([[1.0, 0.5], [0.5, 1.0]]).round(4)
    np.float64(-0.5754)
    >>> LKJ(2).marginal(2).std().round(4)
    np.float64(0.4472)
    >>> LKJ(2).rvs(np.random.default_rng(1), q=3, size=100).shape
    (100, 3, 3)
    """

    eta: float
    positive: ClassVar[tuple[str, ...]] = ("eta",)

    @property
    def support(self) -> tuple[float, float]:
        """Lower and upper end of one correlation."""
        return -1.0, 1.0

    def logpdf(self, correlation: ArrayLike) -> Array:
        """Return the log density with respect to the correlations above the diagonal.

        Parameters
        ----------
        correlation : array_like of shape (..., q, q)

        Returns
        -------
        ndarray of shape (...)
            Minus infinity where the matrix is not a positive definite correlation matrix.
        """
        R = np.asarray(correlation, dtype=float)
        valid = _is_correlation(R)
        # the identity stands in where there is no density, to keep NaN out
        safe = np.where(valid[..., None, None], R, np.eye(R.shape[-1]))
        log_det = np.linalg.slogdet(safe).logabsdet
        log_density = (self.eta - 1) * log_det - self.log_normalizer(R.shape[-1])
        return np.where(valid, log_density, -np.inf)

    def log_normalizer(self, q: int) -> float:
        r"""Return :math:`\log Z_q(\eta)`, the log integral of :math:`\det(R)^{\eta-1}`.

        Examples
        --------
        >>> round(float(np.exp(LKJ(1).log_normalizer(3))), 6)  # pi^2 / 2
        4.934802
        """
        i = np.arange(1, q)
        a = self._vine_alpha(q)
        terms = (q - i) * ((2 * a - 1) * np.log(2.0) + special.betaln(a, a))
        return float(terms.sum())

    def marginal(self, q: int) -> Frozen:
        """Return the SciPy distribution of one correlation in a matrix of size `q`.

        A beta with both parameters ``a = eta - 1 + q/2``, stretched to (-1, 1); its sd is
        ``sqrt(1 / (2 a + 1))``.

        Raises
        ------
        PriorError
            When `q` is less than two.
        """
        if q < 2:
            raise PriorError(f"LKJ: {q} coefficients have no correlation; q must be at least 2.")
        a = self.eta - 1 + q / 2
        return stats.beta(a, a, loc=-1, scale=2)

    def rvs(self, rng: np.random.Generator, q: int, size: Size = ()) -> Array:
        """Draw correlation matrices exactly, by partial correlations on a C-vine.

        Parameters
        ----------
        rng : numpy.random.Generator
        q : int
            Number of coefficients.
        size : int or tuple of int, optional
            Number of matrices, as a shape.

        Returns
        -------
        ndarray of shape (*size, q, q)
        """
        batch = (size,) if isinstance(size, int) else tuple(size)
        L = np.zeros((*batch, q, q))  # the Cholesky factor of R, row by row
        rest = np.ones((*batch, q))  # what is left of the unit length of each row
        for i, a in enumerate(self._vine_alpha(q)):
            L[..., i, i] = rest[..., i]
            p = 2 * rng.beta(a, a, size=(*batch, q - 1 - i)) - 1
            L[..., i + 1 :, i] = p * rest[..., i + 1 :]
            rest[..., i + 1 :] *= np.sqrt(1 - p**2)
        L[..., -1, -1] = rest[..., -1]
        R = L @ np.swapaxes(L, -1, -2)
        R[..., np.arange(q), np.arange(q)] = 1.0
        return np.asarray(R)

    def _vine_alpha(self, q: int) -> Array:
        """Return the beta parameters of the q-1 trees of the vine."""
        return np.asarray(self.eta + (q - 1 - np.arange(1, q)) / 2)


def _is_correlation(R: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which matrices are symmetric and positive definite with a unit diagonal."""
    if R.ndim < 2 or R.shape[-1] != R.shape[-2]:
        raise PriorError(f"LKJ: a correlation matrix is square; came shape {R.shape}.")
    diagonal = np.diagonal(R, axis1=-2, axis2=-1)
    asymmetry = np.abs(R - np.swapaxes(R, -1, -2)).max(axis=(-2, -1))
    valid = (np.abs(diagonal - 1).max(axis=-1) < _TOLERANCE) & (asymmetry < _TOLERANCE)
    safe = np.where(valid[..., None, None], R, np.eye(R.shape[-1]))
    return np.asarray(valid & (np.linalg.eigvalsh(safe)[..., 0] > 0))
