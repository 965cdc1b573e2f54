"""Fits side by side: what stands where, in every format, with nothing unescaped."""

from __future__ import annotations

import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm.sidebyside import column, render
from hierlm.summaries import Interval


@pytest.fixture(scope="module")
def columns():
    data = hl.load_dataset("sleepstudy")
    data["<b>_50%"] = data["Days"]
    found = []
    for name, formula in {
        "both": "Reaction ~ Days + (Days | Subject)",
        "intercept": "Reaction ~ `<b>_50%` + (1 | Subject)",
    }.items():
        fit = synthetic_fit(hl.Model(formula, data))
        found.append(column(name, fit.spec, fit.design, fit.idata, Interval(), (-871.25, 14.06)))
    return found


def test_rows_stand_once_and_blank_where_a_fit_has_none(columns) -> None:
    lines = render(columns, "text", Interval()).splitlines()
    assert lines[0].split() == ["both", "intercept"]
    days = next(line for line in lines if line.startswith("  Days"))
    assert days.count("[") == 1
    assert sum(line.strip().startswith("Intercept ") for line in lines) == 1
    assert any(line.split()[:3] == ["Levels", "of", "Subject"] for line in lines)
    assert [line for line in lines if not line.startswith(" ")][1:] == [
        "Varying by Subject", "Residual", "Summary", "Posterior mean [89% ETI]",
    ]  # fmt: skip
    assert "-871.2 ± 14.1" in "\n".join(lines)


def test_means_are_those_of_the_fit(columns) -> None:
    fit = synthetic_fit(
        hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    )
    mean = float(fit.idata["posterior"]["beta"].mean(("chain", "draw"))[1])
    cell = columns[0].cells["Common effects", "Days"]
    assert float(cell.split()[0]) == pytest.approx(mean, abs=0.02)


def test_markdown_has_as_many_cells_in_every_row(columns) -> None:
    lines = render(columns, "markdown", Interval()).splitlines()[:-2]
    assert {line.count("|") for line in lines} == {4}


def test_html_escapes_names(columns) -> None:
    text = render(columns, "html", Interval())
    assert "<b>" not in text
    assert "&lt;b&gt;_50%" in text
    assert text._repr_html_() == text


def test_latex_escapes_names_and_balances_braces(columns) -> None:
    text = render(columns, "latex", Interval())
    assert r"\_" in text
    assert r"\%" in text
    assert text.count("{") == text.count("}")
    assert text.count("$") % 2 == 0


def test_an_unknown_format_is_refused(columns) -> None:
    with pytest.raises(hl.DataError, match="Did you mean 'latex'"):
        render(columns, "latx", Interval())


def test_leave_one_out_is_that_of_the_fit() -> None:
    model = hl.Model("Reaction ~ Days + (1 | Subject)", hl.load_dataset("sleepstudy"))
    fit = synthetic_fit(model, draws=400)
    found = fit.loo()
    line = f"ELPD (LOO)          {found.elpd:.1f} ± {found.se:.1f}"
    assert line in hl.table(fit, labels=["a"], loo=True)
    assert line in fit.table(loo=True)
    assert "ELPD" not in fit.table()
