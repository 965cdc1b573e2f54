"""Tables of a posterior: data frames in the family tradition of lme4, and ArviZ's summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Literal

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm import names
from hierlm.design import Design, GroupEncoding
from hierlm.engines.tree import is_approximate
from hierlm.errors import DataError, did_you_mean
from hierlm.spec import ModelSpec
from hierlm.tables import Table

if TYPE_CHECKING:
    from hierlm.design.crossproducts import CrossProducts

Array = NDArray[np.float64]
IntervalKind = Literal["eti", "hdi"]


@dataclass(frozen=True)
class Interval:
    """Which credible interval a table gives.

    Parameters
    ----------
    prob : float
        Probability inside, in (0, 1).
    kind : {"eti", "hdi"}
        Equal tails, or highest density.
    """

    prob: float = 0.89
    kind: IntervalKind = "eti"

    def __post_init__(self) -> None:
        if not isinstance(self.prob, Real) or not 0 < self.prob < 1:
            raise DataError(f"ci_prob is a number between 0 and 1; came {self.prob!r}.")
        if self.kind not in ("eti", "hdi"):
            raise DataError(f"ci_kind is 'eti' or 'hdi'; came {self.kind!r}.")

    @property
    def columns(self) -> tuple[str, str]:
        """Column names as ArviZ gives them: ``eti89_lb``, ``eti89_ub``."""
        stem = f"{self.kind}{100 * self.prob:g}"
        return f"{stem}_lb", f"{stem}_ub"

    def of(self, draws: Array) -> Array:
        """Return bounds, an array of shape (..., 2), of draws of shape (..., S)."""
        if self.kind == "eti":
            return np.asarray(array_stats.eti(draws, prob=self.prob))
        flat = draws.reshape(-1, draws.shape[-1])
        bounds = np.stack([array_stats.hdi(row, prob=self.prob) for row in flat])
        return bounds.reshape(*draws.shape[:-1], 2)


def drawn(idata: xr.DataTree, variable: str) -> xr.DataArray:
    """Return a variable of the posterior.

    Raises
    ------
    DataError
        If it is the effects of a factor, of which the fit has only means and sds.
    """
    posterior = idata["posterior"].to_dataset()
    if variable not in posterior and names.EFFECTS in idata:
        raise DataError(
            "this needs draws of the group-specific effects, and the fit has only their means and "
            "sds.\n  Fit with effects='draws', with fewer draws if memory is short."
        )
    return posterior[variable]


def draws_of(idata: xr.DataTree, variable: str) -> Array:
    """Return the draws of a variable, an array of shape (..., chains * draws)."""
    values = drawn(idata, variable).transpose(..., *names.SAMPLE_DIMS).to_numpy()
    return np.asarray(values.reshape(*values.shape[:-2], -1))


def interesting(spec: ModelSpec) -> list[str]:
    """Return the variables that describe a model as a whole: all but the effects."""
    found = [names.BETA] if spec.coefs else []
    for group in spec.groups:
        found.append(names.sd(group.factor))
        if group.covariance.pairs:
            found.append(names.cor(group.factor))
    return found + [shape.name for shape in spec.shapes]


def summary(
    spec: ModelSpec,
    idata: xr.DataTree,
    interval: Interval,
    var_names: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return ArviZ's table of the interesting parameters.

    Parameters that are fixed have no diagnostics and are left out.
    """
    posterior = idata["posterior"].to_dataset()
    wanted = [var_names] if isinstance(var_names, str) else var_names
    unknown = [name for name in wanted or () if name not in posterior]
    if unknown:
        if unknown[0] in {names.effects(group.factor) for group in spec.groups}:
            drawn(idata, unknown[0])
        raise DataError(
            f"the posterior has no variable {unknown[0]!r}."
            f"{did_you_mean(unknown[0], map(str, posterior))}\n"
            f"  It has: {', '.join(map(str, posterior))}."
        )
    single = posterior.sizes["chain"] * posterior.sizes["draw"] == 1
    kept = {}
    for name in wanted or interesting(spec):
        variable = posterior[name]
        varies = (variable != variable.isel(chain=0, draw=0)).any(names.SAMPLE_DIMS)
        varies |= single  # of one draw, what is fixed cannot be told
        dims = [dim for dim in variable.dims if dim not in names.SAMPLE_DIMS]
        if bool(varies.any()):
            kept[name] = variable.isel({dims[0]: varies.to_numpy()}) if len(dims) == 1 else variable
    # one data set each: a dim shared by variables of which parts are fixed would be cut twice
    tables = [
        arviz_stats.summary(
            xr.DataTree.from_dict({"posterior": xr.Dataset({name: variable})}),
            ci_prob=interval.prob,
            ci_kind=interval.kind,
            round_to="none",
        )
        for name, variable in kept.items()
    ]
    if not tables:
        statistics = ("ess_bulk", "ess_tail", "r_hat", "mcse_mean", "mcse_sd")
        return Table(columns=["mean", "sd", *interval.columns, *statistics], dtype=float)
    found = Table(pd.concat([pd.DataFrame(table) for table in tables]))
    if is_approximate(idata):
        found["r_hat"] = np.nan  # there are no chains that could agree
    return found


def tabulate(draws: Array, index: pd.Index, interval: Interval) -> pd.DataFrame:
    """Return mean, sd and interval of each row of draws.

    Parameters
    ----------
    draws : ndarray of shape (k, S)
    index : pandas.Index of length k
    interval : Interval
    """
    bounds = interval.of(draws)
    lower, upper = interval.columns
    return Table(
        {
            "mean": draws.mean(axis=-1),
            "sd": draws.std(axis=-1, ddof=1) if draws.shape[-1] > 1 else np.nan,
            lower: bounds[:, 0],
            upper: bounds[:, 1],
        },
        index=index,
    )


def fixef(spec: ModelSpec, idata: xr.DataTree, interval: Interval) -> pd.DataFrame:
    """Return the common effects, a row per coefficient, on the raw scale of the data."""
    index = pd.Index(spec.coefs, name=names.COEF)
    draws = draws_of(idata, names.BETA) if spec.coefs else np.empty((0, 2))
    return tabulate(draws, index, interval)


def ranef(
    spec: ModelSpec, idata: xr.DataTree, factor: str | None, interval: Interval
) -> pd.DataFrame:
    """Return the effects of a grouping factor: a row per level and coefficient."""
    group = _group(spec, factor)
    if names.EFFECTS in idata:
        kept = idata[names.EFFECTS].to_dataset()
        mean, sd = names.effect_mean(group.factor), names.effect_sd(group.factor)
        index = _index(group, group.coefs)
        return _summarized(kept[mean].to_numpy(), kept[sd].to_numpy(), index)
    draws = draws_of(idata, names.effects(group.factor))
    return tabulate(draws.reshape(-1, draws.shape[-1]), _index(group, group.coefs), interval)


def coef(
    spec: ModelSpec,
    rows: Design | CrossProducts,
    idata: xr.DataTree,
    factor: str | None,
    interval: Interval,
) -> pd.DataFrame:
    """Return the coefficients of each level: common effect plus the level's own deviation.

    A deviation is added to the common effect of the same column, or to zero where the common
    effects say nothing of its column, as lme4 does.

    Raises
    ------
    DataError
        If a column that varies is coded otherwise than in the common part, so that the sum
        would be no coefficient of the level.
    """
    group = _group(spec, factor)
    _check_coding(spec, group, rows)
    both = [*spec.coefs, *(name for name in group.coefs if name not in spec.coefs)]
    if names.EFFECTS in idata:
        return _coef_summarized(spec, idata, group, both)
    effects = draws_of(idata, names.effects(group.factor))
    total = np.zeros((effects.shape[0], len(both), effects.shape[-1]))
    if spec.coefs:
        total[:, : len(spec.coefs)] = draws_of(idata, names.BETA)
    for k, name in enumerate(group.coefs):
        total[:, both.index(name)] += effects[:, k]
    return tabulate(total.reshape(-1, total.shape[-1]), _index(group, both), interval)


def _coef_summarized(
    spec: ModelSpec, idata: xr.DataTree, group: GroupEncoding, both: Sequence[str]
) -> pd.DataFrame:
    kept, common = idata[names.EFFECTS].to_dataset(), fixef(spec, idata, Interval())
    mean, sd = np.zeros((2, len(group.levels.labels), len(both)))
    mean[:, : len(spec.coefs)], sd[:, : len(spec.coefs)] = common["mean"], common["sd"]
    at = [both.index(name) for name in group.coefs]
    mean[:, at] += kept[names.effect_mean(group.factor)].to_numpy()
    sd[:, at] = kept[names.coef_sd(group.factor)].to_numpy()
    return _summarized(mean, sd, _index(group, both))


def _group(spec: ModelSpec, factor: str | None) -> GroupEncoding:
    if not spec.groups:
        raise DataError(
            "this model has no grouping factor.\n  A bar makes one: y ~ x + (1 | group)."
        )
    return spec.group(factor)


def _check_coding(spec: ModelSpec, group: GroupEncoding, rows: Design | CrossProducts) -> None:
    """Refuse a varying column that the common effects have otherwise coded."""
    k = spec.groups.index(group)
    if isinstance(rows, Design):
        X, Z, tolerance = rows.X, rows.blocks[k].Z, 1e-8
    else:
        ones, slopes, Z = rows.alike(k)
        at = [name for name in spec.coefs if name != names.INTERCEPT]
        columns = {name: slopes[:, [i]] for i, name in enumerate(at)} | {names.INTERCEPT: ones}
        X = np.hstack([ones[:, :0], *(columns[name] for name in spec.coefs)])
        tolerance = 1e-6
    for name, z in zip(group.coefs, Z.T, strict=True):
        same = name in spec.coefs
        if same:
            gap = np.linalg.norm(X[:, spec.coefs.index(name)] - z)
            if gap <= 0.1 * tolerance * np.linalg.norm(z):
                continue
        among = _combination(X, spec.coefs, z, tolerance)
        if not same and not among:
            continue
        what = "is another column there" if same else f"is a combination of {', '.join(among)}"
        raise DataError(
            f"{name!r} varies by {group.factor!r}, and {what} in the common part: a common effect "
            "plus a deviation is not the level's own coefficient.\n"
            "  Write the same terms in both, as in y ~ x + (x | g) or y ~ 0 + f + (0 + f | g). "
            "The deviations are in ranef()."
        )


def _combination(X: Array, coefs: tuple[str, ...], z: Array, tolerance: float) -> list[str]:
    """Return the common effects of whose columns `z` is a linear combination, if it is one."""
    sizes = np.linalg.norm(X, axis=0)
    X, z = X / np.where(sizes > 0, sizes, 1.0), z / (np.linalg.norm(z) or 1.0)
    weights = np.linalg.lstsq(X, z, rcond=None)[0]
    if np.linalg.norm(z - X @ weights) > tolerance:
        return []
    return [name for name, w in zip(coefs, weights, strict=True) if abs(w) > 1e-6]


def _index(group: GroupEncoding, coefs: Sequence[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_product(
        [group.levels.labels, list(coefs)], names=[group.factor, names.COEF]
    )


def _summarized(mean: Array, sd: Array, index: pd.Index) -> pd.DataFrame:
    """Return the table of effects of which means and sds were kept: without intervals."""
    return Table({"mean": mean.ravel(), "sd": sd.ravel()}, index=index)


def varcorr(
    spec: ModelSpec, idata: xr.DataTree, factor: str | None, interval: Interval
) -> pd.DataFrame:
    """Return sds, variances and correlation matrices of the grouping factors.

    A row per factor and coefficient: posterior means of the sd (with its interval) and of the
    variance, and the row of the correlation matrix, one column per coefficient.
    """
    chosen = spec.groups if factor is None else (_group(spec, factor),)
    lower, upper = interval.columns
    tables = []
    for group in chosen:
        sd = draws_of(idata, names.sd(group.factor))
        bounds = interval.of(sd)
        cor = np.zeros((1, 0))
        if group.covariance.pairs:
            cor = draws_of(idata, names.cor(group.factor)).mean(axis=-1)[None]
        matrix = group.covariance.correlation(cor)[0]
        columns: dict[str, Array] = {
            "sd": sd.mean(axis=-1),
            f"sd_{lower}": bounds[:, 0],
            f"sd_{upper}": bounds[:, 1],
            "variance": np.square(sd).mean(axis=-1),
        }
        columns |= {f"cor[{name}]": matrix[:, k] for k, name in enumerate(group.coefs)}
        index = pd.MultiIndex.from_product([[group.factor], group.coefs], names=["group", "coef"])
        tables.append(Table(columns, index=index))
    return pd.concat(tables) if tables else Table()


def shapes(spec: ModelSpec, idata: xr.DataTree, interval: Interval) -> pd.DataFrame:
    """Return the constant distributional parameters: sigma, nu, alpha, kappa."""
    found = [shape.name for shape in spec.shapes]
    draws = np.stack([draws_of(idata, name) for name in found]) if found else np.empty((0, 2))
    return tabulate(draws, pd.Index(found, name="parameter"), interval)
