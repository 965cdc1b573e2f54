"""Equations as MathML: every one of every bundled model is read, and stays well-formed."""

# ruff: noqa: RUF001 - signs and letters of mathematics

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from helpers import equations as models

import hierlm as hl
from hierlm.equations import available, equations
from hierlm.report.mathml import UnknownLatexError, mathml

SHAPES = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "munderover": 3, "mover": 2}


def check(model: hl.Model) -> None:
    for notation in available(model.spec):
        latex = equations(model.spec, notation, design=model.design).latex
        tree = ET.fromstring(mathml(latex))
        for node in tree.iter():
            assert len(node) == SHAPES.get(node.tag, len(node)), node.tag
        words = re.findall(r"\\text\{([^{}]*)\}", latex)
        shown = "".join(tree.itertext()).replace("\N{NO-BREAK SPACE}", " ")
        assert all(word in shown for word in words), notation
        assert "\\begin" not in shown


@pytest.mark.parametrize("case", models.bundled_models(), ids=lambda case: case[0])
def test_bundled_models(case: tuple[str, str, str]) -> None:
    check(models.bundled(*case))


@pytest.mark.parametrize("name", models.STRUCTURES)
def test_structures(name: str) -> None:
    check(models.model(models.STRUCTURES[name]))


@pytest.mark.parametrize(("formula", "family", "link"), models.families_and_links())
def test_families_and_links(formula: str, family: str, link: str) -> None:
    check(models.model(formula, family, link))


@pytest.mark.parametrize(
    ("latex", "inside"),
    [
        (r"\beta_{0}", "<msub><mi>β</mi><mn>0</mn></msub>"),
        (r"u^{-1}", '<msup><mi>u</mi><mrow><mo form="prefix">−</mo><mn>1</mn></mrow></msup>'),
        (r"\mathbf{X}\boldsymbol{\beta}", "<mi>𝐗</mi><mi>𝜷</mi>"),
        (r"\text{a b}", "<mtext>a\N{NO-BREAK SPACE}b</mtext>"),
        (r"\text{a-{}-b}", "<mtext>a--b</mtext>"),
        (r"{<}", "<mtext>&lt;</mtext>"),
        (r"a - 1", "<mi>a</mi><mo>−</mo><mn>1</mn>"),
        (r"\frac{1}{2}", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
    ],
)
def test_pieces(latex: str, inside: str) -> None:
    assert mathml(latex) == f'<math display="block">{inside}</math>'


@pytest.mark.parametrize(
    "latex", [r"\href{x}", "a}", r"\text{a", r"\begin{table}", r"\mathbf{ab}", "{a", "a;~"]
)
def test_what_it_does_not_know_it_refuses(latex: str) -> None:
    with pytest.raises(UnknownLatexError):
        mathml(latex)
