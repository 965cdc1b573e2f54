"""The check of a model before sampling: what its design can and cannot tell."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from hierlm.checking.findings import Finding, Report, report
from hierlm.checking.maximal import slopes
from hierlm.checking.structure import structure
from hierlm.design import Design
from hierlm.spec import ModelSpec


def check_model(spec: ModelSpec, design: Design, frame: pd.DataFrame) -> Report:
    """Say what a design can and cannot tell, before anything is sampled.

    Which slopes could vary by group (the maximal model), how many covariance parameters are learnt
    from how many levels, which factors are nested or crossed, how often levels are replicated, and
    what the model was warned of when it was built.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
    frame : pandas.DataFrame
        The rows as they were, the columns of the formula.

    Returns
    -------
    Report
        Sentences to print; ``report.ok`` is whether none is a warning.

    Examples
    --------
    >>> import hierlm as hl
    >>> model = hl.Model("Reaction ~ Days + (1 | Subject)", hl.load_dataset("sleepstudy"))
    >>> found = check_model(model.spec, model.design, model.frame)
    >>> found.ok
    True
    >>> for finding in found.about("slopes"):
    ...     print(finding.severity, finding.text[:65])
    ok Within Subject, Days varies: slopes by Subject are possible.
    note The slope of Days could vary by Subject, and the formula has it t
    """
    return report(f"Check of {spec.formula}", _findings(spec, design, frame))


def _findings(spec: ModelSpec, design: Design, frame: pd.DataFrame) -> Iterator[Finding]:
    if not design.blocks:
        yield Finding("ok", "groups", "There is no grouping factor, and nothing varies by group.")
    yield from structure(spec, design)
    yield from slopes(spec, design, frame)
    for note in spec.notes:
        yield Finding("warning", "design", note)
