"""What the collapsed engine eliminates level by level, what it factors, and what that costs.

Costs are counted from levels and columns, in nanoseconds that were measured once
(`benchmarks/levels.py`); another machine scales them all alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hierlm.engines.nesting import heaviest_chain
from hierlm.spec import ModelSpec

_SMALL = 48  # columns up to which they are factored by a loop


@dataclass(frozen=True)
class Plan:
    """The factors that are eliminated level by level, and the columns that are factored together.

    Parameters
    ----------
    chain : tuple of (str, int)
        Factors, innermost first, and their levels.
    together : tuple of str
        What the other columns are.
    columns : int
        How many those are.
    nanoseconds : float
        Of one log density with its gradient.
    """

    chain: tuple[tuple[str, int], ...]
    together: tuple[str, ...]
    columns: int
    nanoseconds: float

    @classmethod
    def of(cls, spec: ModelSpec) -> Plan:
        """Return the plan for a gaussian model with an identity link."""
        J = [len(group.levels.labels) for group in spec.groups]
        q = [len(group.coefs) for group in spec.groups]
        p = len(spec.coefs)
        chain = heaviest_chain(J, q, spec.encoding.nested)
        rest = [k for k in range(len(J)) if k not in chain]
        m = sum(J[k] * q[k] for k in rest) + p
        cost = 1_500.0 + (0.3 * m**3 if m < _SMALL else 0.022 * m**3)
        for inner, outer in pairwise(chain):
            cost += 35 * J[inner] * q[inner] * q[outer] + J[outer] * q[outer] * (60 + 50 * m)
        if chain:
            first = chain[0]
            met = sum(q[k] * min(spec.n_rows / J[first], J[k]) for k in rest)  # columns, a level
            cost += J[first] * (8 + 5 * q[first] ** 2 + 3 * q[first] * p)
            cost += 3 * q[first] * J[first] * met * (met + p)
        named = [spec.groups[k].factor for k in rest] + ["coefficients"] * (p > 0)
        return cls(
            chain=tuple((spec.groups[k].factor, J[k]) for k in chain),
            together=tuple(named),
            columns=m,
            nanoseconds=cost,
        )

    def __str__(self) -> str:
        parts = []
        if self.chain:
            each = [_counted(levels, "level") + f" of {name}" for name, levels in self.chain]
            parts.append(f"{_listed(each)} one by one")
        if self.together == ("coefficients",):
            parts.append(f"{_counted(self.columns, 'coefficient')} together")
        elif self.columns:
            parts.append(f"{_counted(self.columns, 'column')} together ({_listed(self.together)})")
        return f"{'; '.join(parts)}; some {_duration(self.nanoseconds)} for a gradient"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def _listed(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _duration(nanoseconds: float) -> str:
    """Return a time with one digit, which is what a count is good for."""
    rounded = float(f"{nanoseconds:.0e}")
    unit, size = ("µs", 1e3) if rounded < 1e6 else ("ms", 1e6) if rounded < 1e9 else ("s", 1e9)
    return f"{rounded / size:,.0f} {unit}"
