r"""The normal distribution in two and three dimensions, and which covariances there can be.

.. math:: p(x) = (2\pi)^{-k/2} |\Sigma|^{-1/2}
          \exp\left(-\tfrac12 (x - \mu)' \Sigma^{-1} (x - \mu)\right)

:math:`\Sigma` must be positive definite, for every combination :math:`a'x` has the variance
:math:`a'\Sigma a > 0`. With two variables that is :math:`|\sigma_{xy}| < \sigma_x \sigma_y`; with
three, each correlation bounds the others:

.. math:: 1 + 2 \rho_{12} \rho_{13} \rho_{23} - \rho_{12}^2 - \rho_{13}^2 - \rho_{23}^2 > 0
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from arviz_plots import PlotCollection
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hierlm.errors import DataError
from hierlm.plots.canvas import POOLED, POPULATION, SMALL, UNPOOLED, WIDTH, Panel, adopt
from hierlm.plots.geometry import ellipse, half_axes

Array = NDArray[np.float64]

_PROBS = (0.5, 0.9)


def plot_mvn(
    cov: ArrayLike,
    mean: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    ax: Any = None,
) -> PlotCollection:
    """Draw a bivariate or trivariate normal, and how far its covariances could go.

    Two dimensions: the density as a surface, and its contours, the ellipses that hold 50% and
    90% with their axes (the eigenvectors). Three: the 90% ellipsoid, and its three views. The
    last panel shows the bound that positive definiteness sets: the determinant against the
    covariance of two; of three, the pairs of correlations that are possible given the third.

    Parameters
    ----------
    cov : array_like of shape (2, 2) or (3, 3)
    mean : array_like of shape (k,), optional
        Zero when not given.
    names : sequence of str, optional
        Of the variables; x, y, z when not given.
    ax : sequence of Axes, optional
        Three axes of matplotlib for two dimensions (the first of projection "3d"), five for
        three.

    Returns
    -------
    PlotCollection
        On matplotlib: the other back ends of ArviZ draw no surfaces.

    Raises
    ------
    DataError
        If `cov` is not symmetric, or not positive definite; the message says which covariance is
        too large, and for what.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from hierlm.plots.mvn import plot_mvn
    >>> drawn = plot_mvn([[1, 1.5], [1.5, 4]])
    >>> drawn.viz["plot"].panel.to_numpy().tolist()
    ['surface', 'contours', 'bound']
    >>> plt.close("all")
    """
    Sigma, mu, labels = _check(cov, mean, names)
    if len(Sigma) == 2:
        panels = ["surface", "contours", "bound"]
    else:
        pairs = itertools.combinations(labels, 2)
        panels = ["ellipsoid", *(f"{a}, {b}" for a, b in pairs), "bound"]
    made = adopt(panels, _axes(len(panels)) if ax is None else ax)
    if len(Sigma) == 2:
        _surface(made["surface"], mu, Sigma, labels)
        _view(made["contours"], mu, Sigma, labels)
        _bound_of_two(made["bound"], Sigma, labels)
    else:
        _ellipsoid(made["ellipsoid"], mu, Sigma, labels)
        for (i, j), name in zip(itertools.combinations(range(3), 2), panels[1:], strict=False):
            at = [i, j]
            _view(made[name], mu[at], Sigma[np.ix_(at, at)], [labels[i], labels[j]])
        _bound_of_three(made["bound"], Sigma, labels)
    return made.collection


def _check(
    cov: ArrayLike, mean: ArrayLike | None, names: Sequence[str] | None
) -> tuple[Array, Array, list[str]]:
    Sigma = np.asarray(cov, dtype=float)
    k = len(Sigma) if Sigma.ndim else 0
    if Sigma.shape not in ((2, 2), (3, 3)):
        raise DataError(f"cov is a 2 by 2 or 3 by 3 matrix; came an array of shape {Sigma.shape}.")
    if not np.isfinite(Sigma).all() or not np.allclose(Sigma, Sigma.T, rtol=1e-10):
        raise DataError("cov is symmetric, and has finite numbers only: cov[i, j] is cov[j, i].")
    labels = list("xyz"[:k]) if names is None else [str(name) for name in names]
    mu = np.zeros(k) if mean is None else np.asarray(mean, dtype=float)
    if len(set(labels)) != k or mu.shape != (k,):
        raise DataError(f"a normal in {k} dimensions takes {k} different names and {k} means.")
    if np.linalg.eigvalsh(Sigma)[0] <= 0:
        raise DataError(_why_not(Sigma, labels))
    return Sigma, mu, labels


def _why_not(Sigma: Array, labels: list[str]) -> str:
    """Return which number makes a matrix no covariance matrix."""
    variances = np.diag(Sigma)
    for name, variance in zip(labels, variances, strict=True):
        if variance <= 0:
            return f"cov is not positive definite: the variance of {name} is {variance:g}."
    for i, j in itertools.combinations(range(len(Sigma)), 2):
        bound = float(np.sqrt(variances[i] * variances[j]))
        if abs(Sigma[i, j]) >= bound:
            return (
                f"cov is not positive definite: with variances {variances[i]:g} and "
                f"{variances[j]:g}, the covariance of {labels[i]} and {labels[j]} is between "
                f"{-bound:g} and {bound:g}; came {Sigma[i, j]:g}.\n  Its correlation would not be "
                "between -1 and 1."
            )
    values, vectors = np.linalg.eigh(Sigma)
    weights = " + ".join(f"{w:.2g} {n}" for w, n in zip(vectors[:, 0], labels, strict=True))
    return (
        f"cov is not positive definite: each pair of correlations is possible, all three together "
        f"are not.\n  The combination {weights} would have the variance {values[0]:.3g}."
    )


def _axes(n: int) -> list[Any]:
    """Return new axes, the first of which is of three dimensions."""
    import matplotlib.pyplot as plt

    rows, cols = (2, 2) if n == 3 else (2, 3)
    figure = plt.figure(figsize=(WIDTH, 2.9 * rows), layout="constrained")
    spec = figure.add_gridspec(rows, cols)
    if n == 3:
        cells = [spec[0, 0], spec[0, 1], spec[1, :]]
    else:
        cells = [spec[0, :2], spec[1, 0], spec[1, 1], spec[1, 2], spec[0, 2]]
    return [
        figure.add_subplot(cell, projection="3d" if k == 0 else None)
        for k, cell in enumerate(cells)
    ]


def _surface(panel: Panel, mu: Array, Sigma: Array, labels: list[str]) -> None:
    x, y = _mesh(mu, Sigma, 81)
    density = stats.multivariate_normal(mu, Sigma).pdf(np.stack([x, y], axis=-1))
    axes = panel.target
    smooth = {"linewidth": 0, "antialiased": False, "rcount": len(x), "ccount": len(x)}
    axes.plot_surface(x, y, density, cmap="cividis", **smooth)
    _name_3d(panel, labels)
    axes.set_zticks([])
    panel.labels(title="density", size=SMALL + 1)


def _mesh(mu: Array, Sigma: Array, n: int) -> tuple[Array, Array]:
    reach = 3 * np.sqrt(np.diag(Sigma))
    sides = [np.linspace(m - r, m + r, n) for m, r in zip(mu, reach, strict=True)]
    x, y = np.meshgrid(*sides)
    return x, y


def _view(panel: Panel, mu: Array, Sigma: Array, labels: list[str]) -> None:
    """Draw the ellipses of two variables, their axes, and the correlation."""
    for prob in _PROBS:
        around = ellipse(mu, Sigma, prob)
        panel.line(around[:, 0], around[:, 1], color=POOLED, width=1.6, alpha=1.3 - prob)
    ends = half_axes(Sigma, _PROBS[-1]).T
    panel.segments(mu - ends, mu + ends, color=UNPOOLED, width=1.1, linestyle="C1")
    panel.points([mu[0]], [mu[1]], color=POPULATION, size=14, zorder=3)
    sd = np.sqrt(np.diag(Sigma))
    if sd.max() < 5 * sd.min():  # the axes are at right angles, and are to look so
        panel.equal()
    rho = Sigma[0, 1] / np.sqrt(Sigma[0, 0] * Sigma[1, 1])
    panel.labels(x=labels[0], y=labels[1], title=f"correlation {rho:.2f}", size=SMALL + 1)
    panel.small_ticks()


def _ellipsoid(panel: Panel, mu: Array, Sigma: Array, labels: list[str]) -> None:
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 49), np.linspace(0, np.pi, 25))
    sphere = np.stack([np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)])
    axes = half_axes(Sigma, _PROBS[-1])
    x, y, z = np.tensordot(axes, sphere, axes=1) + mu[:, None, None]
    panel.target.plot_surface(x, y, z, color=POOLED, alpha=0.25, linewidth=0)
    panel.target.plot_wireframe(x, y, z, color=POOLED, linewidth=0.4, rcount=9, ccount=13)
    for axis in axes.T:
        ends = np.stack([mu - axis, mu + axis])
        panel.target.plot(*ends.T, color=UNPOOLED, linewidth=1.4)
    _name_3d(panel, labels)
    panel.labels(title=f"{100 * _PROBS[-1]:g}% ellipsoid and its axes", size=SMALL + 1)


def _name_3d(panel: Panel, labels: Sequence[str]) -> None:
    axes = panel.target
    for write, name in zip(
        (axes.set_xlabel, axes.set_ylabel, axes.set_zlabel), labels, strict=False
    ):
        write(panel.literal(name), fontsize=SMALL + 1, labelpad=-4)
    axes.tick_params(labelsize=SMALL - 1, pad=-2)


def _bound_of_two(panel: Panel, Sigma: Array, labels: list[str]) -> None:
    bound = float(np.sqrt(Sigma[0, 0] * Sigma[1, 1]))
    x = np.linspace(-1.3 * bound, 1.3 * bound, 209)
    determinant = bound**2 - x**2
    panel.hline(0.0, color="B3", width=0.8)
    panel.line(x, determinant, color="B3", width=1.4)
    inside = np.abs(x) < bound
    panel.band(x[inside], 0 * x[inside], determinant[inside], color=POOLED)
    panel.line(x[inside], determinant[inside], color=POOLED, width=1.8)
    here = Sigma[0, 1]
    panel.points([here], [bound**2 - here**2], color=UNPOOLED, size=36, zorder=3)
    for side in (-1.17, 1.17):
        panel.text(side * bound, 0.25 * bound**2, "no\ncovariance\nmatrix", size=SMALL)
    panel.ticks("x", [-bound, 0, bound], [f"{-bound:.3g}", "0", f"{bound:.3g}"])
    panel.limits(y=(-0.75 * bound**2, 1.3 * bound**2))
    panel.labels(
        x=f"covariance of {labels[0]} and {labels[1]}",
        y="determinant of the matrix",
        title=f"positive definite between ±{bound:.3g}; here {here:.3g}",
        size=SMALL + 1,
    )


def _bound_of_three(panel: Panel, Sigma: Array, labels: list[str]) -> None:
    """Draw which correlations of the first with the others are possible, given the third.

    The region is that within an ellipse: with r the third correlation,
    u'[[1, r], [r, 1]]^-1 u < 1 for u the two.
    """
    sd = np.sqrt(np.diag(Sigma))
    R = Sigma / np.outer(sd, sd)
    a, b, c = labels
    turn = np.linspace(0, 2 * np.pi, 181)
    edge = np.linalg.cholesky(R[1:, 1:]) @ np.stack([np.cos(turn), np.sin(turn)])
    panel.line([-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1], color="B3", width=0.8)
    panel.target.fill(*edge, color=POOLED, alpha=0.25, linewidth=0)
    panel.line(*edge, color=POOLED, width=1.6)
    panel.points([R[0, 1]], [R[0, 2]], color=UNPOOLED, size=36, zorder=3)
    panel.ticks("x", [-1, 0, 1], ["-1", "0", "1"])
    panel.ticks("y", [-1, 0, 1], ["-1", "0", "1"])
    panel.labels(
        x=f"correlation of {a} and {b}",
        y=f"correlation of {a} and {c}",
        title=f"possible, when that of\n{b} and {c} is {R[1, 2]:.2f}",
        size=SMALL,
    )
    panel.limits(x=(-1.15, 1.15), y=(-1.15, 1.15))
    panel.target.set_aspect("equal", adjustable="box")
