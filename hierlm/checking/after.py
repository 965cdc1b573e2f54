"""The check of a fit: whether to trust the draws, what the data have said, how the model fits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from hierlm.checking.divergences import divergences
from hierlm.checking.draws import Groups, posterior_values
from hierlm.checking.effects import normality, outlying
from hierlm.checking.findings import Finding, Report, Severity, listed, report
from hierlm.checking.learning import learning
from hierlm.checking.replicates import with_new_effects
from hierlm.checking.residual_tests import Tested, given_effects
from hierlm.convergence import Convergence, Verdict
from hierlm.design import Design
from hierlm.errors import DataError
from hierlm.seeds import generator
from hierlm.simulation.responses import Values
from hierlm.spec import ModelSpec
from hierlm.tables import Table

_WORTH_A_WARNING = 0.01
_WORTH_A_NOTE = 0.05
_DRAWS = 1_000


def check_fit(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    convergence: Verdict,
    *,
    seed: int | np.random.Generator = 0,
) -> Report:
    """Say whether the draws can be trusted, what the data have said, and whether the model fits.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The fitted rows.
    idata : xarray.DataTree
    convergence : Verdict
    seed : int or numpy.random.Generator
        Of the residuals' randomisation; fixed, so that a check says the same twice.

    Returns
    -------
    Report
    """
    findings = _findings(spec, design, idata, convergence, generator(seed))
    return report(f"Check of {spec.formula}", findings)


def _findings(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    convergence: Verdict,
    rng: np.random.Generator,
) -> Iterator[Finding]:
    yield from _convergence(convergence)
    if isinstance(convergence, Convergence) and convergence.divergences:
        yield from divergences(spec, idata, posterior_values(spec, idata))
    if convergence.hopeless:
        yield Finding(
            "note",
            "residuals",
            "Nothing is said of priors, residuals and effects: the chains are in different places.",
        )
        return
    values = posterior_values(spec, idata, _DRAWS)
    yield from learning(spec, values)
    yield from _outlying(spec, values)
    tests = [*given_effects(spec, design, idata, seed=rng), *normality(spec, values)]
    found = [finding for test in tests for finding in _judged(spec, test)]
    yield from found
    if not found:
        tested = "Residuals" + (" and group-specific effects" if len(tests) > 4 else "")
        smallest = min(test.p_value for test in tests)
        yield Finding(
            "ok", "residuals", f"{tested} look as the model says (smallest p {smallest:.2g})."
        )


def _convergence(convergence: Verdict) -> Iterator[Finding]:
    serious = convergence.serious()
    complaints = list(convergence.complaints())
    for text in complaints:
        severity: Severity = "problem" if text in serious else "note"
        yield Finding(severity, "convergence", text[0].upper() + text[1:])
    if not complaints:
        yield Finding("ok", "convergence", str(convergence))


def _outlying(spec: ModelSpec, values: Values) -> Iterator[Finding]:
    for group in spec.groups:
        found = outlying(group, values)
        if found:
            one = len(found) == 1
            levels = listed([label for label, _ in found])
            sds = "sd" if len(group.coefs) == 1 else "covariance"
            yield Finding(
                "warning",
                "levels",
                f"Level{'' if one else 's'} {levels} of {group.factor} "
                f"{'is' if one else 'are'} farther from the others than their {sds} allows "
                f"(squared distance {found[0][1]:.0f}, where {len(group.coefs)} is usual). Look at "
                f"{'its' if one else 'their'} rows, and at the fit without "
                f"{'it' if one else 'them'}.",
            )


def _judged(spec: ModelSpec, test: Tested) -> Iterator[Finding]:
    if test.p_value >= _WORTH_A_NOTE:
        return
    severity: Severity = "warning" if test.p_value < _WORTH_A_WARNING else "note"
    topic = "effects" if test.name.startswith("normality") else "residuals"
    yield Finding(severity, topic, f"{_sentence(spec, test)} (p {_shown(test.p_value)})")


def _shown(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def _sentence(spec: ModelSpec, test: Tested) -> str:
    """Return what a test found, in words, and what to do."""
    more = test.observed > test.expected
    if test.name == "uniformity":
        return (
            f"The residuals of {spec.response} are not distributed as the {spec.family.name} says."
            f"{_ROBUST.get(spec.family.name, '')} Look at fit.residuals() against the predictors."
        )
    if test.name == "dispersion":
        remedy = _OVERDISPERSED.get(spec.family.name, "") if more else ""
        return (
            f"{spec.response} varies {'more' if more else 'less'} than the {spec.family.name} says:"
            f" {test.observed:.2f} times its variance.{remedy}"
        )
    if test.name == "zeros":
        return (
            f"{test.observed:.0f} rows of {spec.response} are zero, where the model expects "
            f"{test.expected:.1f}.{_OVERDISPERSED.get(spec.family.name, '') if more else ''}"
        )
    if test.name == "outliers":
        return (
            f"{test.observed:.0f} rows of {spec.response} are more than three sds out, where "
            f"{test.expected:.1f} are expected.{_ROBUST.get(spec.family.name, '')}"
        )
    effect = test.name.removeprefix("normality of ")
    return (
        f"The effects {effect} are not normal: Shapiro and Wilk's W is {test.observed:.3f}, where "
        f"{test.expected:.3f} is usual. Are there levels of two kinds, which a predictor would "
        "tell apart, or an outlying one?"
    )


_ROBUST = {"gaussian": " Family 'student' allows heavier tails."}
_OVERDISPERSED = {
    "poisson": " Use family='negbinomial', or add an effect of each row, as in (1 | row).",
    "binomial": " Add an effect of each row, as in (1 | row).",
}


def residual_tests(
    spec: ModelSpec,
    design: Design,
    idata: xr.DataTree,
    *,
    groups: Groups = "all",
    samples: int | None = None,
    seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Test residuals and group-specific effects.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The fitted rows.
    idata : xarray.DataTree
    groups : {"all", "new"}
        Given the effects of the fitted levels, or with effects drawn anew.
    samples : int, optional
        Posterior draws to use at most: 100 for ``"all"``, 250 for ``"new"`` when not given.
    seed : int or numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        A row per test: observed statistic, what the model expects, p-value.
    """
    if groups == "all":
        found = given_effects(spec, design, idata, samples=samples or 100, seed=seed)
        found += normality(spec, posterior_values(spec, idata, _DRAWS))
    elif groups == "new":
        found = with_new_effects(spec, design, idata, samples=samples or 250, seed=seed)
    else:
        raise DataError(f"groups is {groups!r}; allowed: 'all', 'new'.")
    index = pd.Index([test.name for test in found], name="test")
    rows = [(test.observed, test.expected, test.p_value) for test in found]
    return Table(rows, index=index, columns=["observed", "expected", "p_value"])
