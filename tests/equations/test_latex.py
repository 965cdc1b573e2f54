"""Every equation is LaTeX that renders: read by a strict reader, and by KaTeX where it is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from helpers import equations as models
from helpers.latex import check

import hierlm as hl
from hierlm.equations import Equation, available, equations
from hierlm.equations.boxes import text_width
from hierlm.equations.escaping import escape

RENDER = """
const katex = require("katex");
const equations = JSON.parse(require("fs").readFileSync(0));
console.warn = () => {};
for (const [name, latex] of equations)
  try { katex.renderToString(latex, {displayMode: true, throwOnError: true}); }
  catch (error) { console.log(name + ": " + error.message); }
"""


def written(model: hl.Model) -> Iterator[Equation]:
    for notation in available(model.spec):
        yield equations(model.spec, notation)
        yield equations(model.spec, notation, design=model.design)


@pytest.mark.parametrize("case", models.bundled_models(), ids=lambda case: case[0])
def test_bundled_models(case: tuple[str, str, str]) -> None:
    for equation in written(models.bundled(*case)):
        check(equation.latex)
        assert max(map(text_width, equation.text.split("\n"))) <= 80, equation.notation


@pytest.mark.parametrize("name", models.STRUCTURES)
def test_structures(name: str) -> None:
    for equation in written(models.model(models.STRUCTURES[name])):
        check(equation.latex)
        assert "\t" not in equation.text
        if name != "hostile names":
            assert max(map(text_width, equation.text.split("\n"))) <= 80, equation.notation


@pytest.mark.parametrize(("formula", "family", "link"), models.families_and_links())
def test_families_and_links(formula: str, family: str, link: str) -> None:
    for equation in written(models.model(formula, family, link)):
        check(equation.latex)
        assert max(map(text_width, equation.text.split("\n"))) <= 80, equation.notation


def test_katex_renders_every_equation() -> None:
    node = shutil.which("node")
    probe = [node or "node", "-e", "require('katex')"]
    if node is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs node and katex: npm install katex, and NODE_PATH=.../node_modules")
    everything = [models.bundled(*case) for case in models.bundled_models()]
    everything += [models.model(formula) for formula in models.STRUCTURES.values()]
    everything += [models.model(*case) for case in models.families_and_links()]
    batch = [
        (f"{model.spec.formula}, {equation.notation}", equation.latex)
        for model in everything
        for equation in written(model)
    ]
    assert len(batch) > 1000
    done = subprocess.run(
        [node, "-e", RENDER],
        input=json.dumps(batch),
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout == ""


@pytest.mark.parametrize(
    "latex",
    [
        r"\begin{aligned} a &= b",
        r"\left( a",
        r"\frac{a}{b",
        r"a & b",
        r"\unknown",
        r"\text{a_b}",
        r"\begin{bmatrix} a \end{cases}",
        "50%",
        "β",
    ],
)
def test_the_reader_refuses(latex: str) -> None:
    with pytest.raises(AssertionError):
        check(latex)


@pytest.mark.parametrize("text", [models.HOSTILE, "", "a--b", "\\", "{", "a\u202eb", "x\ny"])
def test_labels_are_escaped(text: str) -> None:
    check(escape(text))


def test_a_notebook_gets_display_math() -> None:
    equation = equations(models.model("y ~ x + (1 | a)").spec)
    shown = equation._repr_latex_()
    assert shown.startswith("$$\n\\begin{aligned}")
    assert shown.endswith("\\end{aligned}\n$$")
    assert str(equation) == repr(equation) == equation.text
