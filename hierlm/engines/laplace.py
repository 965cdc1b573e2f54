r"""Laplace's approximation of a generalised model: the modes of parameters and of effects.

.. math:: \hat\theta = \arg\max_\theta\; \ell(\hat v) - \tfrac12 \hat u'\hat u
          + \log p(\hat\beta) - \tfrac12 \log|H(\theta)| + \log p(\theta)

in real coordinates, with the Jacobian. The maximum shapes the whitening only; nothing in the
posterior depends on how good it is (Tierney and Kadane 1986, doi:10.1080/01621459.1986.10478240).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hierlm import names
from hierlm.design import Design
from hierlm.engines.crossed import CrossedModel
from hierlm.engines.freezing import NANOSECONDS
from hierlm.engines.layout import Scalars, correlations, fixed_value
from hierlm.engines.nesting import Nested
from hierlm.engines.rowpacking import Columns, pack_rows
from hierlm.engines.working import EliminatedModel, Mode, WorkingModel
from hierlm.kernels.posterior import Layout, parameters
from hierlm.kernels.priors import WIDTH, prior_row
from hierlm.kernels.rows import Rows
from hierlm.kernels.whitened import log_prior
from hierlm.kernels.whitening import Whitening
from hierlm.priors import Fixed, Prior
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# Where the search for a shape begins; a scale begins at that of the response.
_GUESSES = {"alpha": 2.0, "kappa": 10.0, "nu": 10.0}
_DIFFERENCE = 1e-4
_REACH = 10.0  # of the search around its start, in logs of sds
LEAST_DENSE = 40  # columns of factors are whitened together, whatever that costs
_ELIMINATED = 500  # columns of factors in a matrix, while the mode is sought
_LEAST_BUDGET = 2e5  # nanoseconds


@dataclass(frozen=True, eq=False)
class Whitened:
    """A whitened model, its coordinates, and how to name what comes out.

    Parameters
    ----------
    rows : Rows
    whitening : Whitening
    layout : Layout
    columns : Columns
    order : tuple of int
        Positions of the grouping factors in the specification, the largest first.
    start : ndarray of shape (d,)
        Coordinates of the parameters, at their mode.
    failure : str
        Why the effects are not whitened, but non-centered; empty where they are.
    marginal : Marginal
        The approximate posterior of the parameters.
    """

    rows: Rows
    whitening: Whitening
    layout: Layout
    columns: Columns
    order: tuple[int, ...]
    start: Array
    failure: str
    marginal: Marginal


def whiten(spec: ModelSpec, design: Design) -> Whitened:
    """Prepare the whitened density of a model.

    Parameters
    ----------
    spec : ModelSpec
    design : Design of n rows
    """
    sizes = [len(g.levels.labels) * len(g.coefs) for g in spec.groups]
    order = tuple(sorted(range(len(sizes)), key=lambda k: -sizes[k]))
    columns = Columns.of(spec)
    rows = pack_rows(spec, design, columns, order)
    layout, start = _layout(spec, design, order, columns)
    priors = [prior_row(spec.priors[columns.keys[k]]) for k in columns.free]
    problem = Marginal(spec, design, rows, layout, columns, order, np.array(priors))
    failure = ""
    try:
        start, mode = problem.maximum(start)
    except ArithmeticError as error:
        failure, mode = str(error), None
    whitening = problem.whitening(start, mode)
    return Whitened(rows, whitening, layout, columns, order, start, failure, problem)


class Marginal:
    """The approximate posterior of the parameters."""

    def __init__(
        self, spec: ModelSpec, design: Design, rows: Rows, layout: Layout, columns: Columns,
        order: tuple[int, ...], priors: Array,
    ) -> None:  # fmt: skip
        groups = [spec.groups[k] for k in order]
        self.sizes = np.array([len(g.coefs) for g in groups], np.int64)
        self.levels = np.array([len(g.levels.labels) for g in groups], np.int64)
        self.priors, self.layout, self.rows = priors.reshape(-1, WIDTH), layout, rows
        self.p = len(self.priors)
        self.kept = len(columns.kept)
        self.working = working_model(
            self._without_kept(np.zeros(self.kept)), self.sizes, self.levels, self.priors,
            {(order.index(a), order.index(b)) for a, b in spec.encoding.nested},
        )  # fmt: skip
        self.b = np.zeros(rows.beta_at + len(priors))
        keys = [columns.keys[k] for k in columns.free]
        where = [i for i, key in enumerate(keys) if key.startswith(names.INTERCEPT)]
        if where:
            location, _ = spec.family.location_scale(
                design.response, design.trials, design.weights, design.offset
            )
            self.b[rows.beta_at + where[0]] = location

    def unpacked(self, x: Array) -> tuple[Array, Array]:
        """Return T and the shapes at the coordinates x."""
        (nf, q), s = self.layout.sd_at.shape, len(self.layout.beta_at)
        out = np.empty((1, nf * q + nf * q * q + 1 + s))
        parameters(x[None], self.layout, out)
        C = out[0, nf * q : nf * q + nf * q * q].reshape(nf, q, q)
        T = np.ascontiguousarray(out[0, : nf * q].reshape(nf, q, 1) * C)
        fixed = np.where(self.layout.beta_at < 0, -self.layout.beta_reference, 0.0)
        return T, np.ascontiguousarray(out[0, nf * q + nf * q * q + 1 :]) + fixed

    def _without_kept(self, values: Array) -> Rows:
        """Return the rows with the coefficients that are among the parameters at these values."""
        rows = self.rows
        if self.kept == 0:
            return rows
        offset = rows.offset + values @ rows.X[self.p :]
        return rows._replace(X=rows.X[: self.p], offset=offset, has_offset=1)

    def mode(self, x: Array) -> Mode:
        """Return the mode of the effects; the next search begins where this one ended."""
        T, shapes = self.unpacked(x)
        self.working.rows = self._without_kept(shapes[len(shapes) - self.kept :])
        found = self.working.mode(T, shapes, self.working.standardized(T, self.b))
        self.b = self.working.scaled(T, found.v)
        return found

    def density(self, x: Array) -> float:
        """Return the approximate log posterior; a very low number where there is no mode."""
        try:
            found = self.mode(x)
        except ArithmeticError:
            return -1e10
        return found.value - 0.5 * found.log_det + log_prior(x, self.layout)

    def maximum(self, start: Array) -> tuple[Array, Mode]:
        """Return the mode of the parameters, and of the effects there.

        Raises
        ------
        ArithmeticError
            If there is none.
        """
        self.mode(start)

        def height(x: Array) -> float:
            return -self.density(x)

        if len(start):
            found = optimize.minimize(
                height,
                start,
                method="L-BFGS-B",
                bounds=[(x - _REACH, x + _REACH) for x in start],
                options={"eps": _DIFFERENCE, "maxiter": 60, "ftol": 1e-7},
            )
            start = np.asarray(found.x, np.float64)
        return start, self.mode(start)

    def whitening(self, x: Array, mode: Mode | None) -> Whitening:
        """Return the whitening at the mode; without one, effects are non-centered."""
        if mode is None:
            self.working.weigh_nothing(self.unpacked(x)[0])
        return self.working.whitening()


def working_model(
    rows: Rows, sizes: Index, levels: Index, priors: Array, nested: Nested
) -> WorkingModel:
    """Return the working model that the counted cost of a dense gradient chooses."""
    chain, widths = 1, sizes * levels  # nested factors are eliminated one after the other
    while chain < len(sizes) and all((k, chain) in nested for k in range(chain)):
        chain += 1
    dense = int(widths[chain:].sum()) + len(priors)
    budget = max(_LEAST_BUDGET, _row_cost(rows))
    if len(sizes) < 2 or (NANOSECONDS * dense**3 <= budget and widths[1:].sum() <= _ELIMINATED):
        return EliminatedModel(rows, sizes, levels, priors)
    few = (budget / NANOSECONDS) ** (1 / 3) - len(priors)
    return CrossedModel(rows, sizes, levels, priors, nested, max(few, LEAST_DENSE))


def _row_cost(rows: Rows) -> float:
    """Return about how many nanoseconds the rows take in a gradient."""
    return float((4 + 2 * len(rows.Z) + 0.5 * len(rows.X)) * rows.data.shape[1])


def _layout(
    spec: ModelSpec, design: Design, order: tuple[int, ...], columns: Columns
) -> tuple[Layout, Array]:
    groups, blocks = [spec.groups[k] for k in order], [design.blocks[k] for k in order]
    q = max([len(g.coefs) for g in groups], default=1)
    sd_at = np.full((max(1, len(groups)), q), -1, np.int64)
    sd_fixed = np.zeros(sd_at.shape)
    location, unit = spec.family.location_scale(
        design.response, design.trials, design.weights, design.offset
    )
    scalars = Scalars()
    for k, group in enumerate(groups):
        sizes = np.sqrt(np.square(blocks[k].Z).mean(axis=0))
        for a, prior in enumerate(spec.priors.group_sds(group.factor, group.coefs)):
            sd_at[k, a] = scalars.place(prior, 0.5 * unit / (sizes[a] or 1.0))
            sd_fixed[k, a] = fixed_value(prior)
    spread = spec.family.shape_scale(design.response, design.weights, design.offset)
    known: list[Prior] = [] if design.se is None else [Fixed(1.0)]
    shapes = known + [spec.priors[shape.name] for shape in spec.shapes]
    guesses = [1.0 for _ in known]
    guesses += [_GUESSES.get(shape.name, 0.8 * spread) for shape in spec.shapes]
    shapes += [spec.priors[columns.keys[k]] for k in columns.kept]
    kept = [columns.keys[k] for k in columns.kept]
    guesses += [location if key.startswith(names.INTERCEPT) else 0.0 for key in kept]
    beta_at = [scalars.place(prior, at) for prior, at in zip(shapes, guesses, strict=True)]
    parts, etas, C, size = correlations(spec, order, len(scalars.rows), q)
    layout = Layout(
        priors=np.array(scalars.rows).reshape(-1, WIDTH),
        sd_at=sd_at,
        sd_fixed=sd_fixed,
        C_fixed=C,
        parts=parts,
        etas=etas,
        sigma_at=-1,
        sigma_fixed=1.0,
        beta_at=np.array(beta_at, np.int64),
        beta_reference=-np.array([fixed_value(prior) for prior in shapes]),
    )
    return layout, np.concatenate([scalars.start, np.zeros(size)])
