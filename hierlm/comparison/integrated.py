"""Log densities of rows with the effects of new levels integrated out, for every draw.

In closed form where the rows are normal, by quadrature where they are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierlm.comparison.gaussian import Normal
from hierlm.comparison.quadrature import MAX_COEFS, NestedIntegral, Part
from hierlm.comparison.rows import Draws, RowDensity, linear_predictor
from hierlm.comparison.units import Unit
from hierlm.design import Design, GroupBlock
from hierlm.errors import EngineError
from hierlm.families import Family

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_ELEMENTS = 2**20  # rows times draws worked on at a time


@dataclass(frozen=True)
class Integrated:
    """Log densities with the effects of new levels integrated out.

    Parameters
    ----------
    family : Family
    design : Design
    draws : Draws
    """

    family: Family
    design: Design
    draws: Draws

    @property
    def batch_rows(self) -> int:
        """How many rows to ask for at a time."""
        return max(1, _ELEMENTS // self.draws.count)

    def joint(self, units: Sequence[Unit]) -> Array:
        """Return the joint log density of the rows of each unit.

        Parameters
        ----------
        units : sequence of Unit
            With effects that are new in the same factors.

        Returns
        -------
        ndarray of shape (U, S)
        """
        if self._is_normal:
            return np.stack([self._normal_joint(unit) for unit in units])
        found = []
        for draws in self._parts(units):
            integral, weights, _ = self._integral(units, draws)
            found.append(integral.log(weights))
        return np.concatenate(found, axis=1)

    def each_given_rest(self, units: Sequence[Unit]) -> Array:
        r"""Return the log density of one observation of each row given the others of its unit.

        .. math:: p(y_i | y_{-i}) = p(y) / p(y_{-i})

        Parameters
        ----------
        units : sequence of Unit
            Of as many rows each, with effects that are new in the same factors.

        Returns
        -------
        ndarray of shape (r, S)
            The rows of the first unit, then of the second, ...
        """
        if self._is_normal:
            return np.concatenate([self._normal_given_rest(unit) for unit in units])
        size, found = len(units[0].rows), []
        for draws in self._parts(units):
            integral, weights, order = self._integral(units, draws)
            place = np.argsort(order)
            whole = integral.log(weights)
            rows = np.empty((len(units), size, draws.count))
            for i in range(size):  # one row less in every unit
                fewer = weights.copy()
                fewer[place[i::size]] -= 1.0
                rows[:, i] = whole - integral.log(fewer)
            found.append(rows.reshape(-1, draws.count))
        return np.concatenate(found, axis=1)

    @property
    def _is_normal(self) -> bool:
        normal = self.family.name in ("gaussian", "lognormal")
        return normal and self.family.link.name == "identity"

    def _parts(self, units: Sequence[Unit]) -> Iterator[Draws]:
        size = max(1, _ELEMENTS // max(1, sum(len(unit.rows) for unit in units)))
        for start in range(0, self.draws.count, size):
            yield self.draws.part(slice(start, start + size))

    def _normal_joint(self, unit: Unit) -> Array:
        found = [self._normal(unit, draws).log_density() for draws in self._parts([unit])]
        return np.concatenate(found) + self._weights(unit) @ self._log_jacobian(unit)

    def _normal_given_rest(self, unit: Unit) -> Array:
        parts = self._parts([unit])
        found = [self._normal(unit, draws).log_density_given_rest() for draws in parts]
        return np.concatenate(found, axis=1) + self._log_jacobian(unit)[:, None]

    def _weights(self, unit: Unit) -> Array:
        n = len(unit.rows)
        return np.ones(n) if self.design.weights is None else self.design.weights[unit.rows]

    def _log_jacobian(self, unit: Unit) -> Array:
        """Return what the density of log y lacks to be that of a lognormal y: shape (r,)."""
        if self.family.name != "lognormal":
            return np.zeros(len(unit.rows))
        return -np.log(self.design.response[unit.rows])

    def _normal(self, unit: Unit, draws: Draws) -> Normal:
        n = len(unit.rows)
        columns, blocks = [np.zeros((n, 0))], []
        for block in self.design.blocks:
            mask = unit.new.get(block.factor)
            if mask is None:
                continue
            levels, codes = np.unique(block.codes[unit.rows][mask], return_inverse=True)
            Z = np.zeros((n, len(levels), block.n_coefs))
            Z[np.flatnonzero(mask), codes] = block.Z[unit.rows][mask]
            columns.append(Z.reshape(n, -1))
            blocks.append((len(levels), draws.factors[block.factor]))
        eta = linear_predictor(self.design, draws, unit.rows, unit.new)
        y = self.family.working(self.design.response[unit.rows])
        se = self.design.se
        sd = draws.shapes["sigma"] if se is None else se[unit.rows, None]
        return Normal(y[:, None] - eta, sd, self._weights(unit), np.hstack(columns), tuple(blocks))

    def _integral(self, units: Sequence[Unit], draws: Draws) -> tuple[NestedIntegral, Array, Index]:
        """Return the integral, the weights of its rows, and which of the units' rows each is."""
        chosen = [block for block in self.design.blocks if block.factor in units[0].new]
        _check_coefs(chosen)
        new = {b.factor: np.concatenate([u.new[b.factor] for u in units]) for b in chosen}
        whole = Unit(np.concatenate([unit.rows for unit in units]), new)
        of = np.repeat(np.arange(len(units)), [len(unit.rows) for unit in units])
        parts, starts, order = _nest(chosen, whole, of, draws)
        rows = whole.rows[order]
        eta = linear_predictor(self.design, draws, rows, {k: m[order] for k, m in new.items()})
        density = RowDensity.of(self.family, self.design, draws, rows)
        integral = NestedIntegral(density.fast(), eta, parts, starts)
        return integral, density.weights, order


def _check_coefs(blocks: Sequence[GroupBlock]) -> None:
    for block in blocks:
        if block.n_coefs > MAX_COEFS:
            raise EngineError(
                f"{block.factor!r} has {block.n_coefs} coefficients per level; effects of at most "
                f"{MAX_COEFS} are integrated out by quadrature, where the family is not gaussian.\n"
                "  Leave out rows, conditional on the effects: fit.loo(integrate=None)."
            )


def _nest(
    blocks: Sequence[GroupBlock], unit: Unit, of: Index, draws: Draws
) -> tuple[tuple[Part, ...], Index, Index]:
    """Return the parts of the integral, outermost first, and how the rows are arranged.

    A row whose level is not new takes a level of its own, on which nothing depends.

    Parameters
    ----------
    blocks : sequence of GroupBlock
    unit : Unit
        The rows of several units.
    of : ndarray of shape (r,), int64
        Which of them each row belongs to.
    draws : Draws

    Returns
    -------
    parts : tuple of Part
    starts : ndarray, int64
        Where each unit begins among the levels of the first part.
    order : ndarray of shape (r,), int64
        Which row comes first, second, ...
    """
    n = len(unit.rows)
    own = {
        block.factor: np.where(unit.new[block.factor], block.codes[unit.rows], -1 - np.arange(n))
        for block in blocks
    }
    # the outer factor of two has fewer levels
    ordered = sorted(blocks, key=lambda block: _distinct(of, own[block.factor]))
    keys = of[None]
    for block in ordered:
        keys = np.vstack([keys, own[block.factor]])
        if _distinct(*keys) != _distinct(of, own[block.factor]):
            raise EngineError(
                f"the effects of {ordered[0].factor!r} and {block.factor!r} are crossed within "
                "what is left out; where the family is not gaussian, factors are integrated out "
                "together when each is nested in the one before.\n"
                "  Leave out rows, conditional on the effects: fit.loo(integrate=None)."
            )
    order = np.lexsort(keys[::-1])
    keys = keys[:, order]
    codes = [_number(keys[: k + 1]) for k in range(len(keys))]
    first = [np.flatnonzero(np.diff(code, prepend=-1)) for code in codes]
    # where the levels of one part begin, counted in levels of the next, at last in rows
    starts = [codes[k + 1][first[k]] for k in range(len(codes) - 1)] + [first[-1]]
    parts = []
    for k, block in enumerate(ordered, start=1):
        Z = np.where(unit.new[block.factor][:, None], block.Z[unit.rows], 0.0)[order]
        parts.append(Part(Z, draws.factors[block.factor], codes[k], starts[k]))
    return tuple(parts), starts[0], order.astype(np.int64)


def _distinct(*keys: Index) -> int:
    return int(np.unique(np.stack(keys), axis=1).shape[1])


def _number(keys: Index) -> Index:
    """Return the number of each sorted column's run of equals, from zero."""
    changes = np.any(keys[:, 1:] != keys[:, :-1], axis=0)
    return np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)
