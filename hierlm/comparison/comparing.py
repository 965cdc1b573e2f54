r"""Models side by side: differences in expected log predictive density, and stacking weights.

.. math:: \hat\Delta_{ab} = \sum_u (\widehat{elpd}_{ua} - \widehat{elpd}_{ub}), \qquad
          se(\hat\Delta_{ab}) = \sqrt{n\, \mathrm{var}_u(\widehat{elpd}_{ua} -
          \widehat{elpd}_{ub})}

Weights are those of stacking (Yao, Vehtari, Simpson and Gelman 2018, doi:10.1214/17-BA1091): they
maximise :math:`\sum_u \log \sum_m w_m \exp \widehat{elpd}_{um}`. The computation is ArviZ's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import arviz_stats
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hierlm.comparison.comparable import Fitted, check_comparable, shared_unit
from hierlm.comparison.elpd import ROW, Elpd, KFoldElpd, Pointwise, totals
from hierlm.comparison.jacobian import log_jacobian
from hierlm.comparison.leaveoneout import loo
from hierlm.comparison.plan import row_counts
from hierlm.comparison.refitting import refitter
from hierlm.design import GroupBlock
from hierlm.errors import DataError
from hierlm.seeds import generator
from hierlm.tables import fill, numeric_table

Array = NDArray[np.float64]
Result = Elpd | KFoldElpd

_FEW = 4.0  # a difference in elpd below which its standard error says little
_SMALL = 100  # as does one from fewer units
_SHOWN = 5


@dataclass(frozen=True, eq=False, repr=False)
class ModelComparison:
    """Models side by side; printed, a table and what to read from it.

    Parameters
    ----------
    table : pandas.DataFrame
        ArviZ's, best model first, not rounded; ``plot_compare`` of ArviZ takes it.
    results : dict of str to Elpd or KFoldElpd
        Those the table was made of.
    unit : str
        What was left out: ``"row"``, or a grouping factor.
    """

    table: pd.DataFrame
    results: Mapping[str, Result]
    unit: str

    def __repr__(self) -> str:
        first = next(iter(self.results.values()))
        what = "rows" if self.unit == ROW else f"levels of {self.unit!r}"
        how = "left out one at a time"
        if isinstance(first, KFoldElpd):
            how = f"left out in {first.n_folds} folds"
        title = f"Expected log predictive density, {first.n_data_points:,} {what} {how}"
        header = ["", "elpd", "se", "difference", "se", "p", "weight", "high k"]
        rows = [self._row(str(name), row) for name, row in self.table.iterrows()]
        notes = [fill(note, "- ") for note in self.notes()]
        return "\n".join([title, "", *numeric_table(header, rows), "", *notes])

    def _row(self, name: str, row: pd.Series[Any]) -> list[str]:
        k = getattr(self.results[name], "pareto_k", None)
        limit = self.results[name].good_k
        high = "-" if k is None else f"{int(np.sum(k.values > limit))}"
        best = row["elpd_diff"] == 0
        return [
            name,
            f"{row['elpd']:.1f}",
            f"{row['se']:.1f}",
            f"{row['elpd_diff']:.1f}",
            "" if best else f"{row['dse']:.1f}",
            f"{row['p']:.1f}",
            f"{row['weight']:.2f}",
            high,
        ]

    def notes(self) -> Iterator[str]:
        """Yield what to read from the table, a sentence or two each."""
        best = str(self.table.index[0])
        for name, row in self.table.iloc[1:].iterrows():
            difference, se = -float(row["elpd_diff"]), float(row["dse"])
            if difference < 2 * se or difference < _FEW:
                yield (
                    f"{best!r} and {name!r} cannot be told apart: a difference of "
                    f"{difference:.1f} with a standard error of {se:.1f}."
                )
            else:
                yield (
                    f"{best!r} predicts better than {name!r}, by {difference:.1f} with a standard "
                    f"error of {se:.1f}."
                )
        units = next(iter(self.results.values())).n_data_points
        if units < _SMALL:
            yield f"With {units} units, standard errors of differences tend to be too small."
        for name, result in self.results.items():
            yield from (f"{name}: {note}" for note in result.notes)
            yield from self._doubtful(name, result)

    def _doubtful(self, name: str, result: Result) -> Iterator[str]:
        if result.pareto_k is None:
            return
        high = result.pareto_k[result.pareto_k.to_numpy() > result.good_k]
        if high.size:
            coordinate = ROW if self.unit == ROW else str(high.dims[0])
            labels = ", ".join(map(str, high[coordinate].to_numpy()[:_SHOWN]))
            labels += ", ..." if high.size > _SHOWN else ""
            what = "rows" if self.unit == ROW else f"levels of {self.unit!r}"
            yield (
                f"{name}: Pareto k is above {result.good_k:.2f} for {high.size} of "
                f"{result.n_data_points:,} {what} ({labels}), which are not to be trusted. "
                "compare(..., refit=True) refits without each of these."
            )


def compare(
    fits: Mapping[str, Fitted],
    *,
    unit: str | None = None,
    integrate: str | None = "auto",
    jacobian: bool = False,
    method: str = "stacking",
    refit: bool = False,
    seed: int | np.random.Generator | None = None,
    results: Mapping[str, Result] | None = None,
) -> ModelComparison:
    """Compare how well models predict what they have not seen.

    Parameters
    ----------
    fits : dict of str to Fit
        Fits to the same rows of the same response, by the names they shall have.
    unit : str, optional
        A grouping factor whose levels are left out whole: how well *new* levels are predicted.
        Rows when not given: how well new rows of the same levels are. A fit without the factor may
        take part.
    integrate : str or None
        With rows; see `Fit.loo`. Fits may differ in it: it is a way to the same quantity.
    jacobian : bool
        Whether to bring transformed responses to the scale of their column, so that a model of
        ``log(y)`` compares with one of ``y``.
    method : {"stacking", "BB-pseudo-BMA", "pseudo-BMA"}
        What the weights are.
    refit : bool
        Whether to refit without each row or level whose Pareto k is too high; see `Fit.loo`.
    seed : int or numpy.random.Generator, optional
        For the refits.
    results : dict of str to Elpd or KFoldElpd, optional
        What ``fit.loo(...)`` or ``fit.kfold(...)`` of these fits gave, by the same names, so that
        it is not computed again.

    Returns
    -------
    ModelComparison
        Its ``table`` is a data frame, best model first.

    Raises
    ------
    DataError
        If the fits are to different rows or responses, to differently transformed responses
        without `jacobian`, or one is discrete and another not; or if `results` are not of one kind.

    Examples
    --------
    >>> import hierlm as hl
    >>> from hierlm.comparison import compare
    >>> data = hl.load_dataset("sleepstudy")
    >>> few = {"draws": 500, "seed": 1, "progress": False}
    >>> slopes = hl.fit("Reaction ~ Days + (Days | Subject)", data, **few)
    >>> means = hl.fit("Reaction ~ Days + (1 | Subject)", data, **few)
    >>> compare({"slopes": slopes, "means": means}, unit="Subject").table.index.tolist()
    ['slopes', 'means']
    """
    check_comparable(fits, jacobian=jacobian)
    block = None if unit is None else shared_unit(fits, unit)
    rng = generator(seed)
    if results is None:
        found: dict[str, Result] = {
            name: loo(
                fit.spec,
                fit.design,
                fit.idata,
                unit=block,
                integrate=integrate,
                refit=refitter(fit.spec, fit.idata) if refit else None,
                seed=rng,
            )
            for name, fit in fits.items()
        }
    else:
        found = _given(fits, results, unit)
    if jacobian:
        found = {name: _adjusted(result, fits[name], block) for name, result in found.items()}
    return ModelComparison(_table(found, method), found, ROW if unit is None else unit)


def _given(
    fits: Mapping[str, Fitted], results: Mapping[str, Result], unit: str | None
) -> dict[str, Result]:
    """Return the results in the order of the fits, or say why they do not belong together."""
    if set(results) != set(fits):
        raise DataError(
            f"results are of {', '.join(results) or 'nothing'}, and the fits are "
            f"{', '.join(fits)}.\n  Give one result per fit, by the same name."
        )
    wanted = ROW if unit is None else unit
    for name, result in results.items():
        if not isinstance(result, Elpd | KFoldElpd):
            raise DataError(f"the result of {name!r} is none of fit.loo() or fit.kfold().")
        if result.unit != wanted:
            raise DataError(
                f"the result of {name!r} left out {_units(result.unit)}, and this comparison is of "
                f"{_units(wanted)}.\n  Compute it with the same unit."
            )
    kinds = {type(result) for result in results.values()}
    if len(kinds) > 1:
        raise DataError(
            "some results are of leave-one-out and others of k-fold cross-validation: they predict "
            "from different amounts of data.\n  Compute all of them alike."
        )
    folds = [result.folds for result in results.values() if isinstance(result, KFoldElpd)]
    if any(not np.array_equal(folds[0], other) for other in folds[1:]):
        raise DataError(
            "the results of k-fold cross-validation have different folds.\n"
            "  Give fit.kfold() the same k and seed."
        )
    return {name: results[name] for name in fits}


def _units(unit: str) -> str:
    return "rows" if unit == ROW else f"levels of {unit!r}"


def _adjusted(result: Result, fit: Fitted, block: GroupBlock | None) -> Result:
    """Return a result on the scale of the column of the response."""
    change = log_jacobian(fit.spec, fit.frame)
    if not np.any(change):
        return result
    if block is None:
        change = np.repeat(change, row_counts(fit.design))
    else:
        weights = fit.design.weights
        rows = change if weights is None else weights * change
        change = np.bincount(block.codes, weights=rows, minlength=block.n_levels)
    moved = copy.copy(result)
    moved.elpd_i = result.elpd_i + change
    none = np.zeros(len(change))
    moved.elpd, moved.se = (
        totals(Pointwise(moved.elpd_i.to_numpy(), none, none))[key] for key in ("elpd", "se")
    )
    moved.notes = (*result.notes, "Brought to the scale of the column by the Jacobian.")
    return moved


def _table(results: Mapping[str, Result], method: str) -> pd.DataFrame:
    """Return ArviZ's table, with stacking weights that long units do not underflow."""
    known = ("stacking", "bb-pseudo-bma", "pseudo-bma")
    if method.lower() not in known:
        raise DataError(f"method is {method!r}; allowed: stacking, BB-pseudo-BMA, pseudo-BMA.")
    if method.lower() != "stacking":
        return pd.DataFrame(arviz_stats.compare(dict(results), method=method, round_to="none"))
    table = pd.DataFrame(arviz_stats.compare(dict(results), method="pseudo-BMA", round_to="none"))
    # ArviZ takes exp(elpd_i), which is zero for a level of a few hundred rows; what all models
    # have in common changes no weight
    top = np.max([result.elpd_i.to_numpy() for result in results.values()], axis=0)
    shifted = {}
    for name, result in results.items():
        shifted[name] = copy.copy(result)
        shifted[name].elpd_i = result.elpd_i - top
    weights = arviz_stats.compare(shifted, method="stacking", round_to="none")["weight"]
    table["weight"] = weights.reindex(table.index)
    return table
