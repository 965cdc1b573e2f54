"""The pages say what hierlm does: every example is run, page by page."""

from __future__ import annotations

import doctest
import io
import runpy
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

DOCS = Path(__file__).parents[2] / "docs"
TOOLS = runpy.run_path(str(DOCS / "examples.py"))
PAGES = sorted(page for page in DOCS.glob("*.md") if ">>> " in page.read_text())
SLOW = {"comparing.md", "families.md", "plots.md"}  # refits, a model that is compiled, pictures


def _case(page: Path) -> object:
    marks = [pytest.mark.mcmc] if page.name in SLOW else []
    return pytest.param(page, id=page.stem, marks=marks)


@pytest.mark.parametrize("page", [_case(page) for page in PAGES])
def test_examples_print_what_the_page_says(page, tmp_path, monkeypatch):
    mpl.use("agg")
    monkeypatch.chdir(tmp_path)  # pages save files
    text = page.read_text()
    test = doctest.DocTest(list(TOOLS["examples"](text)), {}, page.name, str(page), 0, text)
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    report = io.StringIO()
    runner = doctest.DocTestRunner(TOOLS["Checker"](), optionflags=flags)
    runner.run(test, out=report.write)
    plt.close("all")  # pages draw, and nobody looks
    assert test.examples
    assert not runner.summarize(verbose=False).failed, report.getvalue()
