r"""Hypotheses about the quantities of a fit, and how the posterior speaks of them.

For a direction or a range, with P the posterior probability,

.. math:: \text{evidence ratio} = \frac{P}{1 - P}

are posterior odds, not a Bayes factor: the prior probability plays no part. For a point,

.. math:: \text{evidence ratio} = \frac{p(\delta = 0 \mid y)}{p(\delta = 0)},
          \qquad P = \frac{\text{ratio}}{1 + \text{ratio}}

with :math:`\delta` the left side minus the right one, is the Bayes factor of the point against
the model that was fitted (Savage-Dickey: Dickey 1971, doi:10.1214/aoms/1177693507; Wagenmakers,
Lodewyckx, Kuriyal and Grasman 2010, doi:10.1016/j.cogpsych.2009.12.001), and P its probability
when both were as probable before. Such a ratio leans on the width of the prior: the wider, the
more it favours the point.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from hierlm.contrasts.expressions import Expression, Operation, value
from hierlm.contrasts.lexing import fault
from hierlm.contrasts.posterior_density import ENOUGH, density_at
from hierlm.contrasts.prior_density import density_at_zero
from hierlm.contrasts.quantities import Quantities
from hierlm.contrasts.reading import Hypothesis, parse
from hierlm.errors import ConvergenceWarning, DataError, PriorError, warn
from hierlm.seeds import generator
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval, tabulate

Array = NDArray[np.float64]
type Hypotheses = str | Sequence[str] | Mapping[str, str]

_POINT = "Savage-Dickey"


def hypothesis(
    spec: ModelSpec,
    idata: xr.DataTree,
    hypotheses: Hypotheses,
    interval: Interval,
    *,
    seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Ask the posterior about hypotheses.

    Parameters
    ----------
    spec : ModelSpec
    idata : xarray.DataTree
    hypotheses : str, sequence of str, or dict of name to str
        ``"Days > 5"``, ``"2 < Days < 5"``, ``"treat[B] = treat[C]"``,
        ``"sd_Subject[Days]**2 > 4"``, ``"r_Subject[308,Days] > r_Subject[309,Days]"``: quantities
        as they are reported, numbers, ``+ - * / **``, parentheses, abs, exp, log and sqrt.
    interval : Interval
    seed : int or numpy.random.Generator
        For the prior of a point hypothesis that has no exact density.

    Returns
    -------
    pandas.DataFrame
        A row per hypothesis: mean, sd and interval of the left side minus the right one (of a
        range, of what is in the middle), the evidence ratio with its Monte Carlo standard error,
        the posterior probability, and how the ratio was found.

    Raises
    ------
    FormulaError
        With the place of what cannot be read.
    PriorError
        If a point hypothesis has no prior density.

    Examples
    --------
    >>> import hierlm as hl
    >>> data = hl.load_dataset("sleepstudy")
    >>> fit = hl.fit("Reaction ~ Days + (Days | Subject)", data, seed=1, progress=False)
    >>> table = hypothesis(fit.spec, fit.idata, ["Days > 5", "cor_Subject = 0"], Interval())
    >>> table["post_prob"].round(1).to_dict()  # doctest: +ELLIPSIS
    {'Days > 5': 1.0, 'cor_Subject = 0': 0...}
    """
    known, listed = Quantities(spec), _listed(hypotheses)
    rng = generator(seed)
    rows, draws = [], []
    with np.errstate(all="ignore"):  # an expression may be as large as its author likes
        for text in listed.values():
            parsed = parse(text, known)
            sides = _values(known, idata, parsed)
            draws.append(sides[1] if len(sides) == 3 else sides[0] - sides[1])
            if parsed.comparison == "=":
                rows.append(_point(known, parsed, draws[-1], rng))
            else:
                rows.append(_direction(parsed, sides))
        index = pd.Index(list(listed), name="hypothesis")
        table = tabulate(np.stack([d.ravel() for d in draws]), index, interval)
    return table.join(pd.DataFrame(rows, index=index))


def _listed(hypotheses: Hypotheses) -> dict[str, str]:
    if isinstance(hypotheses, str):
        return {hypotheses: hypotheses}
    if isinstance(hypotheses, Mapping):
        listed = dict(hypotheses)
    elif isinstance(hypotheses, Sequence):
        listed = {text: text for text in hypotheses}
    else:
        listed = {}
    if not listed or not all(isinstance(text, str) for text in listed.values()):
        raise DataError(
            f"a hypothesis is text, or there are several of them in a list; came {hypotheses!r}.\n"
            "  Write 'Days > 5', or ['Days > 5', 'sigma < 30']."
        )
    return listed


def _values(known: Quantities, idata: xr.DataTree, parsed: Hypothesis) -> list[Array]:
    """Return the draws of each side, arrays of shape (chains, draws)."""
    draws = {name: known.draws(idata, name) for name in parsed.quantities}
    shape = next(iter(draws.values())).shape
    return [_real(parsed.text, side, value(side, draws), shape) for side in parsed.sides]


def _real(text: str, side: Expression, found: Array, shape: tuple[int, ...]) -> Array:
    bad = ~np.isfinite(found)
    if bad.any():
        where = "" if bad.all() else f" in {bad.mean():.1%} of the draws"
        hint = "Was a logarithm, root or power taken of what can be negative, or divided by zero?"
        raise fault(text, side.span, f"This has no real value{where}.", hint)
    return np.broadcast_to(found, shape)


def _direction(parsed: Hypothesis, sides: list[Array]) -> dict[str, object]:
    held = np.ones(sides[0].shape, dtype=bool)
    for left, right in itertools.pairwise(sides):
        held &= left < right if parsed.comparison == "<" else left > right
    probability = float(held.mean())
    error = _error(held.astype(np.float64))
    certain = probability in (0.0, 1.0)
    odds = np.inf if probability == 1.0 else probability / (1 - probability)
    return {
        "evidence_ratio": odds,
        "mcse_ratio": np.nan if certain else error / (1 - probability) ** 2,
        "post_prob": probability,
        "method": "posterior odds",
    }


def _error(draws: Array) -> float:
    """Return the Monte Carlo standard error of a mean; NaN of too few draws."""
    return float(array_stats.mcse(draws, method="mean")) if draws.shape[1] > 3 else np.nan


def _point(
    known: Quantities, parsed: Hypothesis, draws: Array, rng: np.random.Generator
) -> dict[str, object]:
    left, right = parsed.sides
    prior = density_at_zero(known, Operation("-", left, right), rng)
    if np.ptp(draws) == 0:
        raise DataError(f"{parsed.text!r} is about what does not vary over the draws.")
    # back to the parameter itself, whose bounds are known
    parameter = draws / prior.factor + prior.shift
    posterior = density_at(parameter, prior.shift, prior.support)
    scale = prior.value * abs(prior.factor)
    if not posterior.near:
        warn(
            f"{parsed.text!r}: fewer than {ENOUGH} draws lie near this point, in the tail of the "
            "posterior. The ratio takes the tail to be normal: an order of magnitude at best.",
            ConvergenceWarning,
        )
    if scale == 0.0:
        raise PriorError(
            f"the prior of {parsed.text!r} has no density that could be measured there: the point "
            "lies far outside of what the prior expects."
        )
    ratio, mcse = posterior.value / scale, np.nan
    if posterior.near:
        mcse = ratio * np.hypot(posterior.error / posterior.value, prior.error / prior.value)
    how = [_POINT, *([] if prior.exact else ["prior drawn"]), *([] if posterior.near else ["tail"])]
    return {
        "evidence_ratio": ratio,
        "mcse_ratio": mcse,
        "post_prob": ratio / (1 + ratio),
        "method": ", ".join(how),
    }
