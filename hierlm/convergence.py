"""Can the draws be trusted? Convergence in numbers and in plain sentences.

Split, rank-normalised R-hat and bulk and tail effective sample sizes, with their recommended
limits, after Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), doi:10.1214/20-BA1221.
Draws of an approximation are judged by Pareto's k of their weights.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names
from hierlm.engines.tree import is_approximate

Array = NDArray[np.float64]

R_HAT_LIMIT = 1.01
ESS_PER_CHAIN = 100
HOPELESS = 1.1  # R-hat beyond which the draws are of no use
_LEAST_DRAWS = 4  # two halves of a chain with two draws each
_MAX_ELEMENTS = 1_000  # of one variable; of more, evenly spaced levels are checked


@dataclass(frozen=True)
class Worst:
    """A diagnostic at its worst: the value, and the parameter that has it."""

    value: float
    parameter: str


@dataclass(frozen=True)
class Verdict(ABC):
    """Whether draws can be trusted; printed, it says so.

    Parameters
    ----------
    chains, draws : int
    """

    chains: int
    draws: int

    @abstractmethod
    def complaints(self) -> Iterator[str]:
        """Yield what is wrong and what to do, a sentence or two each."""

    def serious(self) -> list[str]:
        """Return the complaints that say that draws are wrong, not that they are slow."""
        return list(self.complaints())

    @property
    def trusted(self) -> bool:
        """Whether there is nothing to complain about."""
        return not list(self.complaints())

    @property
    def ess_needed(self) -> int:
        """The least effective sample size, a hundred per chain."""
        return ESS_PER_CHAIN * self.chains

    @property
    @abstractmethod
    def effective(self) -> float:
        """How many independent draws the draws are worth at least."""

    @property
    def hopeless(self) -> bool:
        """Whether the draws are of no use at all."""
        return False

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Return what a program would want to know, in JSON's types."""


@dataclass(frozen=True)
class Approximation(Verdict):
    """What says whether an approximation can be trusted: the weights that correct it.

    Parameters
    ----------
    chains, draws : int
        Into which the draws are divided; they are independent, and there are no chains.
    pareto_k, limit : float
        Shape of the tail of the weights, and what it may be at most.
    ess : float
        Independent draws that the weighted proposals are worth.
    proposals : int
    exact : str
        The engine that samples the posterior itself.
    """

    pareto_k: float
    limit: float
    ess: float
    proposals: int
    exact: str

    @property
    def effective(self) -> float:
        """How many independent draws the draws are worth; without weights, all."""
        return min(self.ess, self.chains * self.draws)

    def complaints(self) -> Iterator[str]:
        """Yield what is wrong and what to do, a sentence or two each."""
        if not self.pareto_k <= self.limit:
            yield (
                "the posterior has more weight in places than the approximation allows for, and "
                "reweighting cannot mend it: these draws are the approximation's own. Fit with "
                f"engine={self.exact!r}, which samples the posterior itself."
            )
        elif self.ess < self.ess_needed:
            yield (
                f"too few effective draws: {self.ess:.0f} (it should be at least "
                f"{self.ess_needed}). Raise draws, or fit with engine={self.exact!r}."
            )

    def record(self) -> dict[str, Any]:
        """Return what a program would want to know, in JSON's types."""
        found: dict[str, Any] = {
            "trusted": self.trusted,
            "pareto_k": self.pareto_k,
            "limit": self.limit,
        }
        found |= {"ess": self.ess, "proposals": self.proposals, "exact_engine": self.exact}
        return found | {"complaints": list(self.complaints())}

    def __str__(self) -> str:
        facts = (
            f"Pareto k {self.pareto_k:.2f} (at most {self.limit:.2f}); weighted, "
            f"{self.proposals:,} proposals are worth {self.ess:,.0f} draws."
        )
        complaints = list(self.complaints())
        if not complaints:
            return f"The approximation can be trusted. {facts}"
        said = "Do not believe this approximation"
        if self.pareto_k <= self.limit:
            said = "Do not trust these draws yet"
        return f"{said}. {facts}" + "".join(f"\n- {c}" for c in complaints)


@dataclass(frozen=True)
class Convergence(Verdict):
    """What says whether draws can be trusted.

    Parameters
    ----------
    chains, draws : int
    divergences : int
        Transitions after warm-up that diverged.
    saturated : int
        Transitions that were cut off at the greatest tree depth.
    r_hat, ess_bulk, ess_tail : Worst
        Not a number, of parameter ``"none"``, where no parameter varies.
    checked, parameters : int
        How many parameters were looked at, of how many; those that are fixed do not count.
    """

    divergences: int
    saturated: int
    r_hat: Worst
    ess_bulk: Worst
    ess_tail: Worst
    checked: int
    parameters: int

    @property
    def effective(self) -> float:
        """How many independent draws the draws are worth at least: the smallest bulk ESS."""
        return self.ess_bulk.value

    @property
    def hopeless(self) -> bool:
        """Whether the chains are in different places."""
        return not self.r_hat.value < HOPELESS and self.checked > 0 and self.chains > 1

    def serious(self) -> list[str]:
        """Return the complaints that say that draws are wrong, not that they are slow."""
        return list(dataclasses.replace(self, saturated=0).complaints())

    def record(self) -> dict[str, Any]:
        """Return what a program would want to know, in JSON's types."""
        worst = {"ess_bulk": self.ess_bulk, "ess_tail": self.ess_tail, "r_hat": self.r_hat}
        return {
            "trusted": self.trusted,
            "divergences": self.divergences,
            "checked": self.checked,
            "parameters": self.parameters,
            **{name: dataclasses.asdict(item) for name, item in worst.items()},
            "complaints": list(self.complaints()),
        }

    def complaints(self) -> Iterator[str]:
        """Yield what is wrong and what to do, a sentence or two each."""
        total = self.chains * self.draws
        if self.divergences:
            yield (
                f"{self.divergences} of {total} transitions diverged: part of the posterior was "
                "not explored. Raise target_accept to 0.99; if they stay, give the sds of "
                "small groups tighter priors."
            )
        if self.draws < _LEAST_DRAWS:
            yield (
                f"too few draws to tell: {self.draws} per chain, and R-hat and ESS need at least "
                f"{_LEAST_DRAWS}. Raise draws."
            )
        elif self.checked:
            yield from self._poor_mixing()
        if self.saturated > 0.01 * total:
            yield (
                f"{self.saturated} of {total} transitions reached the greatest tree depth: "
                "sampling is slow, not wrong. Rescale the predictors."
            )
        if self.chains == 1:
            yield "a single chain cannot disagree with itself: R-hat needs two chains or more."

    def _poor_mixing(self) -> Iterator[str]:
        measures = (*([self.r_hat] if self.chains > 1 else []), self.ess_bulk, self.ess_tail)
        unknown = [worst.parameter for worst in measures if np.isnan(worst.value)]
        if unknown:
            yield (
                f"R-hat or ESS cannot be computed for {unknown[0]}: a chain does not move, or a "
                "draw is not finite. Raise tune, or give narrower priors."
            )
            return
        if self.chains > 1 and self.r_hat.value > R_HAT_LIMIT:
            yield (
                f"the chains disagree: R-hat is {self.r_hat.value:.3f} for "
                f"{self.r_hat.parameter} (it should be below {R_HAT_LIMIT}). Raise tune and "
                "draws; levels rich in data may mix better with parameterization='centered'."
            )
        worst = min(self.ess_bulk, self.ess_tail, key=lambda item: item.value)
        if worst.value < self.ess_needed:
            kind = "bulk" if worst is self.ess_bulk else "tail"
            yield (
                f"too few effective draws: {kind} ESS is {worst.value:.0f} for {worst.parameter} "
                f"(it should be at least {self.ess_needed}). Raise draws."
            )

    def __str__(self) -> str:
        facts = (
            f"{self.divergences} divergences; largest R-hat {_shown(self.r_hat, 3)}; smallest ESS "
            f"{_shown(self.ess_bulk)} bulk, {_shown(self.ess_tail)} tail."
        )
        if self.checked < self.parameters:
            facts += (
                f" R-hat and ESS are those of {self.checked:,} of {self.parameters:,} parameters: "
                "of large factors, evenly spaced levels were checked."
            )
        if not self.parameters and self.draws >= _LEAST_DRAWS:
            return "Every parameter is fixed: there are no draws to judge."
        complaints = list(self.complaints())
        if not complaints:
            return f"The draws can be trusted. {facts}"
        return "Do not trust these draws yet. " + facts + "".join(f"\n- {c}" for c in complaints)


def _shown(worst: Worst, decimals: int = 0) -> str:
    if np.isnan(worst.value):
        return "unknown"
    return f"{worst.value:.{decimals}f} ({worst.parameter})"


def diagnose(idata: xr.DataTree) -> Verdict:
    """Compute the convergence of all parameters, effects included; or judge an approximation.

    Of a variable with more than 5,000 elements, levels are checked that are evenly spaced: half
    a minute of ranks for every effect of a large factor would say little more.

    Parameters
    ----------
    idata : xarray.DataTree
        With the groups posterior and sample_stats.

    Returns
    -------
    Convergence or Approximation
    """
    posterior = idata["posterior"].to_dataset()
    if is_approximate(idata):
        attrs = idata.attrs
        return Approximation(
            chains=posterior.sizes["chain"],
            draws=posterior.sizes["draw"],
            pareto_k=float(attrs["pareto_k"]),
            limit=float(attrs["pareto_k_limit"]),
            ess=float(attrs["importance_ess"]),
            proposals=int(attrs["proposals"]),
            exact=str(attrs["exact_engine"]),
        )
    stats = idata["sample_stats"].to_dataset()
    labels: list[str] = []
    columns: list[Array] = []
    parameters = 0
    for variable in posterior.data_vars.values():
        values = variable.transpose(*names.SAMPLE_DIMS, ...)
        # a fixed parameter has no diagnostics; what is not a number is not fixed
        varies = (values != values.isel(chain=0, draw=0)).any(names.SAMPLE_DIMS)
        parameters += int(varies.sum())
        kept = _spaced(values)
        flat = kept.to_numpy().reshape(*kept.shape[:2], -1)
        moves = _spaced(varies).to_numpy().ravel()
        columns.append(flat[..., moves])
        labels += [name for name, keep in zip(element_names(kept), moves, strict=True) if keep]
    draws = np.moveaxis(np.concatenate(columns, axis=-1), -1, 0)
    tails = (0.05, 0.95)
    return Convergence(
        chains=posterior.sizes["chain"],
        draws=posterior.sizes["draw"],
        divergences=_count(stats, "diverging"),
        saturated=_count(stats, "reached_max_treedepth"),
        r_hat=_worst(array_stats.rhat(draws), labels, np.argmax),
        ess_bulk=_worst(array_stats.ess(draws, method="bulk"), labels, np.argmin),
        ess_tail=_worst(array_stats.ess(draws, method="tail", prob=tails), labels, np.argmin),
        checked=len(labels),
        parameters=parameters,
    )


def _spaced(values: xr.DataArray) -> xr.DataArray:
    """Return a variable with as many evenly spaced levels as may be checked."""
    dims = [dim for dim in values.dims if dim not in names.SAMPLE_DIMS]
    size = int(np.prod([values.sizes[dim] for dim in dims]))
    if size <= _MAX_ELEMENTS:
        return values
    levels = values.sizes[dims[0]]
    count = max(1, _MAX_ELEMENTS // (size // levels))
    return values.isel({dims[0]: np.linspace(0, levels - 1, count).astype(np.int64)})


def element_names(variable: xr.DataArray) -> list[str]:
    """Return the elements of a posterior variable as users write them.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> beta = xr.DataArray(np.zeros((1, 1, 2)), dims=["chain", "draw", "coef"],
    ...                     coords={"coef": ["Intercept", "Days"]}, name="beta")
    >>> element_names(beta)
    ['beta[Intercept]', 'beta[Days]']
    """
    dims = [dim for dim in variable.dims if dim not in names.SAMPLE_DIMS]
    name = str(variable.name)
    if not dims:
        return [name]
    grid = np.meshgrid(*(variable[dim].to_numpy() for dim in dims), indexing="ij")
    cells = zip(*(axis.ravel() for axis in grid), strict=True)
    return [names.element(name, ", ".join(map(str, cell))) for cell in cells]


def _count(stats: xr.Dataset, name: str) -> int:
    return int(stats[name].sum()) if name in stats else 0


def _worst(values: Array, labels: list[str], pick: Callable[[Array], np.intp]) -> Worst:
    if not labels:
        return Worst(np.nan, "none")
    values = np.asarray(values, dtype=np.float64)
    bad = np.flatnonzero(np.isnan(values))
    where = int(bad[0]) if bad.size else int(pick(values))
    return Worst(float(values[where]), labels[where])
