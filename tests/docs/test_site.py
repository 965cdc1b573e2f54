"""The site builds, and warnings are errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("furo")
pytest.importorskip("latex2mathml")
pytest.importorskip("myst_parser")
pytest.importorskip("sphinx_copybutton")

ROOT = Path(__file__).parents[2]


@pytest.mark.mcmc
def test_the_site_builds_without_a_warning_and_asks_nothing_of_the_network(tmp_path):
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*build, "-d", tmp_path / "trees", ROOT / "docs", tmp_path / "html"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "html").rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text()
        assert 'src="http' not in text, page.name
        assert 'rel="stylesheet" type="text/css" href="http' not in text, page.name
