r"""What the data have said: where the posterior is the prior's, and where Sigma has lost a rank.

With F the distribution function of a parameter's prior, :math:`F(\theta_s)` of the posterior draws
is uniform where the data say nothing; Kolmogorov's distance from uniform, and the widths of prior
and posterior, say how much they do. A
covariance is close to rank-deficient where the smallest eigenvalue of its correlation matrix is
below 0.05 in a good part of the draws; an sd may be zero where zero is within reach of its
posterior, and the posterior has more mass next to zero than the prior, which is the Savage-Dickey
ratio for zero (Dickey and Lientz 1970, doi:10.1214/aoms/1177697203). Next to zero is near on the
scale of the posterior: of a wide prior the lowest twentieth may hold all of a posterior that is
far from zero. Both are what lme4 calls a singular fit, without its cliff.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hierlm import names
from hierlm.checking.findings import Finding, listed
from hierlm.checking.parameters import Learnt, learnt
from hierlm.simulation.responses import Values
from hierlm.spec import ModelSpec

Array = NDArray[np.float64]

_SAME = 0.1  # Kolmogorov's distance at which two distributions look alike,
_AS_WIDE = 0.8  # if the posterior is also nearly as wide as the prior
_WEAK = 0.6  # width of the posterior over that of the prior
_FLAT_EIGENVALUE = 0.05
_OFTEN = 0.25
_NEXT_TO_ZERO = 0.25  # of the posterior's median
_WITHIN_REACH = (
    0.05  # of the posterior next to zero: 0.13 of a half-normal, 0.03 at 2.5 sds from it
)
_FAVOURED = 1.5


def learning(spec: ModelSpec, values: Values) -> Iterator[Finding]:
    """Yield which parameters the data say little about, and which covariances lose a rank.

    Parameters
    ----------
    spec : ModelSpec
    values : dict of str to ndarray of shape (S, ...)
        Posterior draws.
    """
    found = list(learnt(spec, values))
    unlearnt = [item for item in found if distance(item) < _SAME and width(item) > _AS_WIDE]
    weak = [
        item
        for item in found
        if item.kind != "correlation" and item not in unlearnt and width(item) > _WEAK
    ]
    for kind, what in _KINDS.items():
        texts = [_beside(item) for item in unlearnt if item.kind == kind]
        if texts:
            yield Finding(
                "note" if kind == "correlation" else "warning", "learning", _nothing(what, texts)
            )
        texts = [_beside(item) for item in weak if item.kind == kind]
        if texts:
            yield Finding("note", "learning", _little(what, texts))
    if found and not unlearnt and not weak:
        yield Finding("ok", "learning", "The data say more than the priors on every parameter.")
    yield from _zero_sds([item for item in found if item not in unlearnt])
    yield from _deficient(spec, values)


_KINDS = {
    "coefficient": ("common effect", "common effects"),
    "sd": ("sd between groups", "sds between groups"),
    "correlation": ("correlation", "correlations"),
    "shape": ("parameter of the family", "parameters of the family"),
}


def distance(item: Learnt) -> float:
    """Return Kolmogorov's distance of a posterior from its prior, between 0 and 1."""
    u = np.sort(item.prior.cdf(item.draws))
    S = len(u)
    return float(max(np.max(np.arange(1, S + 1) / S - u), np.max(u - np.arange(S) / S)))


def width(item: Learnt) -> float:
    """Return the interquartile range of a posterior over that of its prior."""
    quartiles = np.array([0.25, 0.75])
    return float(np.ptp(np.quantile(item.draws, quartiles)) / np.ptp(item.prior.ppf(quartiles)))


def _beside(item: Learnt) -> str:
    prior = item.prior.ppf(np.array([0.05, 0.95]))
    posterior = np.quantile(item.draws, [0.05, 0.95])
    return (
        f"{item.name} (90% from {posterior[0]:.2g} to {posterior[1]:.2g}; prior from "
        f"{prior[0]:.2g} to {prior[1]:.2g})"
    )


def _nothing(what: tuple[str, str], texts: list[str]) -> str:
    several = len(texts) > 1
    remedy = " '||' in place of '|' would leave it out." if what[0] == "correlation" else ""
    return (
        f"The data say nothing about the {what[several]} {listed(texts, 3)}: the posterior is the "
        f"prior's. What is reported of {'them' if several else 'it'} is what you assumed.{remedy}"
    )


def _little(what: tuple[str, str], texts: list[str]) -> str:
    return (
        f"The data say little about the {what[len(texts) > 1]} {listed(texts, 3)}: "
        "the prior matters. Choose it with care, and see fit.prior_sensitivity()."
    )


def _zero_sds(found: list[Learnt]) -> Iterator[Finding]:
    for item in found:
        if item.kind != "sd":
            continue
        near = _NEXT_TO_ZERO * float(np.median(item.draws))
        share, before = float(np.mean(item.draws < near)), float(item.prior.cdf(near))
        if share > max(_WITHIN_REACH, _FAVOURED * before):
            yield Finding(
                "note",
                "rank",
                f"{item.name} may be zero: {share:.0%} of its posterior is below {near:.2g}, where "
                f"its prior has {100 * before:.2g}%, so the data favour no variation by a "
                f"factor of about {share / before:.2g}. lme4 would call such a fit singular. "
                "Here it is no error: keep the term if the design has it.",
            )


def _deficient(spec: ModelSpec, values: Values) -> Iterator[Finding]:
    for group in spec.groups:
        if not group.covariance.pairs:
            continue
        R = group.covariance.correlation(values[names.cor(group.factor)])
        for part in group.covariance.correlated_parts:
            if np.ptp(values[names.cor(group.factor)]) == 0:  # fixed
                continue
            own = R[:, part][:, :, part]
            smallest = np.linalg.eigvalsh(own)[:, 0]
            often = float(np.mean(smallest < _FLAT_EIGENVALUE))
            if often > _OFTEN:
                coefs = [group.coefs[i] for i in part]
                yield Finding("warning", "rank", _degenerate(group.factor, coefs, own, often))


def _degenerate(factor: str, coefs: list[str], R: Array, often: float) -> str:
    if len(coefs) == 2:
        rho = float(np.median(R[:, 0, 1]))
        what = f"their correlation is nearly {'+' if rho > 0 else '-'}1 (median {rho:.2f})"
    else:
        what = "one of them is nearly a combination of the others"
    return (
        f"The effects {listed(coefs)} of {factor} hardly vary in {len(coefs)} directions: {what}, "
        f"and the smallest eigenvalue of the correlation matrix is below {_FLAT_EIGENVALUE} in "
        f"{often:.0%} of the draws (a singular fit, in lme4's words). There may be too few levels "
        "for so many correlations, or a predictor far from its origin: centre it, or write '||'."
    )
