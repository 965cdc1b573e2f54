"""Can the draws be trusted? Convergence in numbers and in plain sentences.

Split, rank-normalised R-hat and bulk and tail effective sample sizes, with their recommended
limits, after Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), doi:10.1214/20-BA1221.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names

R_HAT_LIMIT = 1.01
ESS_PER_CHAIN = 100
_MAX_ELEMENTS = 20_000  # effects beyond this many are not checked one by one


@dataclass(frozen=True)
class Worst:
    """A diagnostic at its worst: the value, and the parameter that has it."""

    value: float
    parameter: str


@dataclass(frozen=True)
class Convergence:
    """What says whether draws can be trusted.

    Parameters
    ----------
    chains, draws : int
    divergences : int
        Transitions after warm-up that diverged.
    saturated : int
        Transitions that were cut off at the greatest tree depth.
    r_hat, ess_bulk, ess_tail : Worst
    """

    chains: int
    draws: int
    divergences: int
    saturated: int
    r_hat: Worst
    ess_bulk: Worst
    ess_tail: Worst

    @property
    def ess_needed(self) -> int:
        """The least effective sample size, a hundred per chain."""
        return ESS_PER_CHAIN * self.chains

    @property
    def trusted(self) -> bool:
        """Whether there is nothing to complain about."""
        return not list(self.complaints())

    def complaints(self) -> Iterator[str]:
        """Yield what is wrong and what to do, a sentence or two each."""
        total = self.chains * self.draws
        if self.divergences:
            yield (
                f"{self.divergences} of {total} transitions diverged: part of the posterior was "
                "not explored. Raise target_accept (0.95, 0.99); if they stay, give the sds of "
                "small groups tighter priors."
            )
        if self.chains > 1 and not self.r_hat.value <= R_HAT_LIMIT:
            yield (
                f"the chains disagree: R-hat is {self.r_hat.value:.3f} for "
                f"{self.r_hat.parameter} (it should be below {R_HAT_LIMIT}). Raise tune and "
                "draws; levels rich in data may mix better with parameterization='centered'."
            )
        worst = min(self.ess_bulk, self.ess_tail, key=lambda item: item.value)
        if not worst.value >= self.ess_needed:
            kind = "bulk" if worst is self.ess_bulk else "tail"
            yield (
                f"too few effective draws: {kind} ESS is {worst.value:.0f} for {worst.parameter} "
                f"(it should be at least {self.ess_needed}). Raise draws."
            )
        if self.saturated > 0.01 * total:
            yield (
                f"{self.saturated} of {total} transitions reached the greatest tree depth: "
                "sampling is slow, not wrong. Rescale the predictors."
            )
        if self.chains == 1:
            yield "a single chain cannot disagree with itself: R-hat needs two chains or more."

    def __str__(self) -> str:
        facts = (
            f"{self.divergences} divergences; largest R-hat {self.r_hat.value:.3f}"
            f" ({self.r_hat.parameter}); smallest ESS {_ess(self.ess_bulk)} bulk"
            f" ({self.ess_bulk.parameter}), {_ess(self.ess_tail)} tail"
            f" ({self.ess_tail.parameter})."
        )
        complaints = list(self.complaints())
        if not complaints:
            return f"The draws can be trusted. {facts}"
        return "Do not trust these draws yet. " + facts + "".join(f"\n- {c}" for c in complaints)


def _ess(worst: Worst) -> str:
    return "unknown" if np.isnan(worst.value) else f"{worst.value:.0f}"


def diagnose(idata: xr.DataTree) -> Convergence:
    """Compute the convergence of all parameters, effects included.

    Parameters
    ----------
    idata : xarray.DataTree
        With the groups posterior and sample_stats.

    Returns
    -------
    Convergence
    """
    posterior = idata["posterior"].to_dataset()
    stats = idata["sample_stats"].to_dataset()
    labels: list[str] = []
    columns: list[NDArray[np.float64]] = []
    for variable in posterior.data_vars.values():
        values = variable.transpose(*names.SAMPLE_DIMS, ...)
        flat = values.to_numpy().reshape(*values.shape[:2], -1)
        if flat.shape[-1] > _MAX_ELEMENTS:
            continue
        varies = np.ptp(flat, axis=(0, 1)) > 0  # a fixed parameter has no diagnostics
        columns.append(flat[..., varies])
        labels += [
            label for label, keep in zip(element_names(variable), varies, strict=True) if keep
        ]
    draws = np.moveaxis(np.concatenate(columns, axis=-1), -1, 0)
    return Convergence(
        chains=posterior.sizes["chain"],
        draws=posterior.sizes["draw"],
        divergences=_count(stats, "diverging"),
        saturated=_count(stats, "reached_max_treedepth"),
        r_hat=_worst(array_stats.rhat(draws), labels, np.argmax),
        ess_bulk=_worst(array_stats.ess(draws, method="bulk"), labels, np.argmin),
        ess_tail=_worst(
            array_stats.ess(draws, method="tail", prob=(0.05, 0.95)), labels, np.argmin
        ),
    )


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


def _worst(values: NDArray[np.float64], labels: list[str], pick: object) -> Worst:
    values = np.asarray(values, dtype=np.float64)
    bad = np.flatnonzero(np.isnan(values))
    where = int(bad[0]) if bad.size else int(pick(values))  # type: ignore[operator]
    return Worst(float(values[where]), labels[where])
