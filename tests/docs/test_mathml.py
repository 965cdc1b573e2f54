"""Equations of the site are MathML: the whole of LaTeX that hierlm writes has one."""

from __future__ import annotations

import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import hierlm as hl
from hierlm.equations import NOTATIONS

pytest.importorskip("sphinx")
pytest.importorskip("latex2mathml")

EXTENSION = Path(__file__).parents[2] / "docs" / "_ext" / "mathml.py"
MATHML = "{http://www.w3.org/1998/Math/MathML}"


@pytest.fixture(scope="module")
def render():
    return runpy.run_path(str(EXTENSION))["render"]


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_notation_has_aligned_lines(render, notation):
    model = hl.Model("Reaction ~ Days + (Days | Subject)", hl.load_dataset("sleepstudy"))
    latex = model.equations(notation).latex
    table = ET.fromstring(render(latex, "block")).find(f"{MATHML}mtable")
    lines = latex.count("\\\\\n") + 1  # those inside matrices stand on one line
    assert len(table.findall(f"{MATHML}mtr")) == lines
    assert "&amp;" not in ET.tostring(table, encoding="unicode")


def test_marks_within_matrices_do_not_split_lines(render):
    latex = r"a &= \begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}"
    outer = ET.fromstring(render(latex, "block")).find(f"{MATHML}mtable")
    assert [len(row) for row in outer.findall(f"{MATHML}mtr")] == [2]


def test_bold_greek_and_relations_are_letters_that_browsers_have(render):
    shown = render(r"\boldsymbol{\Sigma} \sim \boldsymbol{\beta}", "inline")
    assert "mathvariant" not in shown
    assert "\U0001d6ba" in shown
    assert "&#x0223C;" in shown
