"""The outcome of a calibration: ranks, tests, recovery, and a verdict in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hierlm.calibration.quantities import FITTED
from hierlm.calibration.recovered import recovered
from hierlm.calibration.replicating import FIELDS
from hierlm.calibration.uniformity import chi_squared, ecdf_band, ecdf_pvalue, holm
from hierlm.spec import ModelSpec
from hierlm.tables import fill, numeric_table

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

_FEW = 50  # replications, below which only gross errors show
_NAMED = 8  # replications in a sentence
_RUN = ("divergences", "ess", "draws", "redrawn", "seconds")


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Whether the posteriors of a model are right, by simulation.

    Parameters
    ----------
    formula, family, engine : str
        What was calibrated.
    seed : int
    ranked : int
        Draws that a rank is among, L.
    level : float
        The probability of rejecting a right sampler, over all quantities together.
    replicates : pandas.DataFrame
        A row per replication and quantity: ``truth``, ``rank``, ``pit`` (the rank as a number in
        (0, 1), ties and gaps filled at random), ``mean``, ``sd`` and quantiles of the draws.
    runs : pandas.DataFrame
        A row per replication: ``divergences``, smallest ``ess``, ``draws`` per chain, data sets
        ``redrawn``, ``seconds``, and the ``error`` that ended it, if one did.
    parameters : tuple of str
        The quantities that are parameters or effects of the model.
    notes : tuple of str
        What happened on the way.
    """

    formula: str
    family: str
    engine: str
    seed: int
    ranked: int
    level: float
    replicates: pd.DataFrame = field(repr=False)
    runs: pd.DataFrame = field(repr=False)
    parameters: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        engine: str,
        records: Sequence[dict[str, Any]],
        *,
        seed: int,
        ranked: int,
        level: float,
        own: Sequence[str] = (),
        notes: tuple[str, ...] = (),
    ) -> Calibration:
        """Gather the records of all replications."""
        rows = [
            (record["k"], name, *values)
            for record in records
            for name, values in record.get("quantities", {}).items()
        ]
        columns = ["replication", "quantity", *FIELDS]
        replicates = pd.DataFrame(rows, columns=columns).astype({"rank": np.int64})
        runs = pd.DataFrame(
            [[record.get(key) for key in (*_RUN, "error")] for record in records],
            columns=[*_RUN, "error"],
            index=pd.Index([record["k"] for record in records], name="replication"),
        )
        found = tuple(
            str(name)
            for name in replicates["quantity"].unique()
            if name not in FITTED and name not in own
        )
        family = f"{spec.family.name}, {spec.family.link.name} link"
        given = seed, ranked, level, replicates, runs, found, notes
        return cls(spec.formula, family, engine, *given)

    @property
    def replications(self) -> int:
        """How many replications have ranks."""
        return int(self.runs["error"].isna().sum())

    @property
    def ranks(self) -> pd.DataFrame:
        """Ranks from 0 to L, a row per replication and a column per quantity."""
        return self._wide("rank")

    @property
    def pit(self) -> pd.DataFrame:
        """Ranks as numbers in (0, 1), uniform if the sampler is right."""
        return self._wide("pit")

    def _wide(self, column: str) -> pd.DataFrame:
        order = self.replicates["quantity"].unique()
        wide = self.replicates.pivot(index="replication", columns="quantity", values=column)
        return wide[list(order)].rename_axis(columns=None)

    @property
    def tests(self) -> pd.DataFrame:
        r"""Whether ranks are uniform, a row per quantity.

        ``chi2``, ``df``, ``p_chi2`` are Pearson's; ``p_ecdf`` is the exact p-value of the ECDF,
        ``p_holm`` the same adjusted for the number of quantities, which decides: ``rejected`` if
        below the level. ``mean_pit`` is near 0.5 and ``sd_pit`` near 0.29 when all is well.
        """
        return self._tests.copy()

    @cached_property
    def _tests(self) -> pd.DataFrame:
        pit, ranks = self.pit, self.ranks
        found = pd.DataFrame(
            [chi_squared(ranks[name].dropna(), self.ranked) for name in ranks],
            columns=["chi2", "df", "p_chi2"],
            index=pd.Index(ranks.columns, name="quantity"),
        )
        found["p_ecdf"] = [ecdf_pvalue(pit[name].dropna()) for name in pit]
        found["p_holm"] = holm(found["p_ecdf"])
        found["mean_pit"], found["sd_pit"] = pit.mean(), pit.std(ddof=0)
        found["rejected"] = found["p_holm"] < self.level
        return found

    @property
    def rejected(self) -> tuple[str, ...]:
        """The quantities whose ranks are not uniform, the least likely first."""
        tests = self._tests
        return tuple(tests[tests["rejected"]].sort_values("p_ecdf").index)

    @property
    def ok(self) -> bool:
        """Whether every replication ended, and nothing is rejected."""
        return self.replications == len(self.runs) and not self.rejected

    @property
    def recovery(self) -> pd.DataFrame:
        """A row per parameter: how well posterior means and intervals recover the truth.

        ``bias`` and ``rmse`` are those of posterior means, over parameters drawn from the priors;
        ``coverage_50``, ``coverage_89`` and ``coverage_95`` are shares of central intervals that
        hold the truth, and ``mcse_*`` their Monte Carlo standard errors.
        """
        chosen = self.replicates[self.replicates["quantity"].isin(self.parameters)]
        return recovered(chosen, ["quantity"])

    def plot(self, *, backend: str | None = None, ax: Any = None) -> PlotCollection:
        """Draw how far the ECDF of each quantity's ranks is from uniform, and the band to keep to.

        The bands hold for all quantities together: Bonferroni's, at the level of the calibration.

        Parameters
        ----------
        backend : {"matplotlib", "plotly", "bokeh", "none"}, optional
        ax : sequence of Axes, optional
            Of matplotlib, one per quantity, in place of a new figure.

        Returns
        -------
        PlotCollection
        """
        from hierlm.calibration.plotting import plot_ecdf  # matplotlib takes a second to import

        return plot_ecdf(self.pit, self.level, set(self.rejected), backend=backend, ax=ax)

    def __str__(self) -> str:
        lines = [fill(f"Calibration of {self.formula}"), fill(f"({self.family}) {self._how}")]
        if self.replications:
            lines += ["", fill(self._verdict)]
            lines += [fill(self._direction(name), "- ") for name in self.rejected]
            lines += ["", *self._table]
        remarks = list(self._remarks())
        return "\n".join([*lines, *([""] if remarks else []), *(fill(r, "- ") for r in remarks)])

    __repr__ = __str__

    @property
    def _how(self) -> str:
        return (
            f"with {self.engine}: {self.replications} replications, ranks among {self.ranked} "
            f"draws, seed {self.seed}."
        )

    @property
    def _verdict(self) -> str:
        tests = self._tests
        few = f" With {self.replications} replications, only gross errors show."
        if self.rejected:
            return (
                f"NOT calibrated: the ranks of {len(self.rejected)} of {len(tests)} quantities are "
                f"not uniform (level {self.level:g} for all together)."
            )
        prob = 1 - self.level / len(tests)
        z, lower, upper = ecdf_band(self.replications, prob)
        text = (
            f"No error found in {len(tests)} quantities: the least likely ranks are those of "
            f"{tests['p_ecdf'].idxmin()}, {_p(tests['p_holm'].min())} after Holm's "
            f"adjustment (level {self.level:g})."
        )
        if failed := len(self.runs) - self.replications:
            text = (
                f"NO VERDICT: {failed} of {len(self.runs)} replications failed. Of the rest: {text}"
            )
        if self.replications < _FEW:
            return text + few
        off = np.maximum(upper - z, z - lower).max()
        return text + f" An error that moves probabilities by less than {off:.2f} may go unseen."

    def _direction(self, name: str) -> str:
        """Say in which way the draws are off."""
        row = self._tests.loc[name]
        shift = (row["mean_pit"] - 0.5) * np.sqrt(12 * self.replications)
        if abs(shift) > 3:
            what = f"the draws are too {'low' if shift > 0 else 'high'}"
        elif row["sd_pit"] > np.sqrt(1 / 12):
            what = "the draws are too narrow: the truth lies outside them too often"
        else:
            what = "the draws are too wide: the truth lies amid them too often"
        return f"{name}: {what} ({_p(row['p_holm'])})."

    @property
    def _table(self) -> list[str]:
        tests, recovery = self._tests, self.recovery
        rows = []
        for name in map(str, tests.index):
            row = tests.loc[name]
            cells = [name, _shown(row["p_ecdf"]), _shown(row["p_holm"])]
            cells += [_shown(row["p_chi2"])]
            found = recovery.loc[name] if name in recovery.index else None
            for share in (50, 89, 95):
                cells.append("" if found is None else f"{100 * found[f'coverage_{share}']:.0f}%")
            rows.append([*cells, "rejected" if row["rejected"] else ""])
        header = ["", "p ECDF", "p Holm", "p chi2", "in 50%", "in 89%", "in 95%", ""]
        return numeric_table(header, rows)

    def _remarks(self) -> Iterator[str]:
        runs = self.runs
        failed = runs["error"].notna()
        if failed.any():
            yield (
                f"{_counted(failed)} failed and have no ranks. The first one said: "
                f"{runs['error'][failed].iloc[0]}"
            )
        if (runs["divergences"] > 0).any():
            yield f"{_counted(runs['divergences'] > 0)} had divergent transitions."
        if (runs["ess"] < self.ranked).any():
            yield (
                f"{_counted(runs['ess'] < self.ranked)} had fewer than {self.ranked} effective "
                "draws of some quantity, and ranks that may pile up at both ends. Raise draws."
            )
        if redrawn := int(runs["redrawn"].sum()):
            yield f"{redrawn} simulated responses were out of the family's range and drawn anew."
        yield from self.notes


def _counted(which: pd.Series[bool]) -> str:
    """Return how many replications, and which."""
    numbers = [str(k) for k in which.index[which]]
    more = ", ..." if len(numbers) > _NAMED else ""
    return f"{len(numbers)} of {len(which)} replications ({', '.join(numbers[:_NAMED])}{more})"


def _p(value: Any) -> str:
    shown = _shown(value)
    return f"p {shown[0]} {shown[1:]}" if shown.startswith("<") else f"p = {shown}"


def _shown(value: Any) -> str:
    p = float(value)
    if np.isnan(p):
        return "-"
    return "<0.0001" if p < 0.0001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"
