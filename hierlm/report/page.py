"""The page: sections in order, in one file that needs no network and runs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd
import xarray as xr

from hierlm.convergence import Verdict
from hierlm.design import Design
from hierlm.errors import DataError
from hierlm.files import replacing
from hierlm.report.checks import (
    after_section,
    careful_section,
    convergence_section,
    design_section,
    predictive_section,
    verdicts,
)
from hierlm.report.data import at_a_glance, data_section
from hierlm.report.estimates import estimates_section, shares_section, shrinkage_section
from hierlm.report.gallery import pictures_section
from hierlm.report.markup import Html, element, escape, facts, join
from hierlm.report.model import model_section, priors_section
from hierlm.report.reproduce import reproduce_section
from hierlm.report.source import Source
from hierlm.report.words import asked, response_name
from hierlm.spec import ModelSpec
from hierlm.summaries import Interval

_SECTIONS: tuple[tuple[str, str, Callable[[Source], Html], bool], ...] = (
    ("data", "The data", data_section, False),
    ("model", "The model", model_section, False),
    ("priors", "Priors, and why", priors_section, False),
    ("design", "Check of the design", design_section, False),
    ("convergence", "Can the draws be trusted?", convergence_section, False),
    ("estimates", "Estimates", estimates_section, False),
    ("shares", "Shares of variance", shares_section, True),
    ("shrinkage", "Shrinkage", shrinkage_section, True),
    ("pictures", "Pictures", pictures_section, False),
    ("predictive", "Predictive check: does the model make such data?", predictive_section, False),
    ("fit", "Check of the fit", after_section, False),
    ("careful", "What to be careful about", careful_section, False),
    ("reproduce", "How to reproduce", reproduce_section, False),
)
"""Anchor, title, what writes it, and whether it needs grouping factors."""


def render(
    spec: ModelSpec,
    design: Design,
    frame: pd.DataFrame,
    idata: xr.DataTree,
    convergence: Verdict,
    *,
    interval: Interval | None = None,
    title: str | None = None,
    question: str | None = None,
    seed: int | np.random.Generator = 0,
) -> str:
    """Return the report of a fit as one HTML document.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        The fitted rows.
    frame : pandas.DataFrame
        The same rows as they were.
    idata : xarray.DataTree
    convergence : Verdict
    interval : Interval, optional
    title, question : str, optional
        In place of those that the formula gives.
    seed : int or numpy.random.Generator
        Of predictive draws and of the residuals' randomisation.

    Returns
    -------
    str
        Pictures are within, as PNG; there is no script, and no address of another file.
    """
    drawn = int(seed.integers(2**31)) if isinstance(seed, np.random.Generator) else seed
    source = Source(spec, design, frame, idata, convergence, interval or Interval(), drawn)
    sections = [
        (anchor, heading, write(source))
        for anchor, heading, write, grouped in _SECTIONS
        if spec.groups or not grouped
    ]
    body = join(
        element("section", element("h2", heading), content, id=anchor)
        for anchor, heading, content in sections
    )
    links = (
        element("li", element("a", heading, href=f"#{anchor}")) for anchor, heading, _ in sections
    )
    name = title or f"A model of {response_name(spec)}"
    return _file("page.html").substitute(
        title=escape(name),
        question=escape(question or asked(spec)),
        formula=escape(spec.formula),
        glance=facts([*at_a_glance(source), *verdicts(source)], class_="glance"),
        contents=element("ol", *links),
        body=body,
        version=escape(version("hierlm")),
        style=_file("style.css").template,
    )


def _file(name: str) -> Template:
    return Template(resources.files("hierlm.report").joinpath(name).read_text(encoding="utf-8"))


def check_target(path: str | os.PathLike[str]) -> Path:
    """Return the path of a report; refuse one that cannot be, before anything is drawn.

    Raises
    ------
    DataError
        If it is a folder, or its folder is not there.
    """
    target = Path(path)
    if target.is_dir():
        raise DataError(f"{str(target)!r} is a folder.\n  Give the path of a file: report.html.")
    if not target.parent.is_dir():
        raise DataError(
            f"{str(target)!r} cannot be written: there is no folder {str(target.parent)!r}."
        )
    return target


def write(path: str | os.PathLike[str], page: str) -> Path:
    """Write a page beside its place and move it there: a failure leaves an older file whole.

    Raises
    ------
    DataError
        If the path is a folder, or its folder is not there.
    OSError
        If the file cannot be written.
    """
    target = check_target(path)
    with replacing(target) as part:
        part.write_text(page, encoding="utf-8", newline="\n")
    return target
