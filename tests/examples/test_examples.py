"""Every example runs as a reader runs it, prints the lecture's numbers, and makes its figures.

The numbers are lme4's (reference/lectures.json), to the digits that the lectures print.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

import hierlm as hl
from hierlm import teaching
from hierlm.results import Fit

EXAMPLES = Path(__file__).parents[2] / "examples"

# What a script prints, and how many figures it makes.
PRINTED = {
    "chapter7": (
        ("REML criterion: 319.7", "42.00", "49.51", "1527.50", "19.38", "78.8"),
        ("REML criterion: 330.9", "22.972", "2.187", "-1.010", "1.938", "-3.004"),
        ("0.8467", "1.932", "0.5499", "Wald chi2(5) = 1485.4, F = 297.09"),
        ("REML criterion: 1743.6", "251.405", "6.825", "10.467", "1.546", "5.922", "25.592"),
    ),
    "clark_many_ways": (
        ("251.4        6.61  38.03", "10.47       1.238  8.454", "Residual sd 47.71"),
        ("REML criterion: 2939.6", "0.4740", "0.9877", "2.9009", "0.0568", "0.7994", "0.0324"),
        ("REML criterion: 3266.3", "1.0183", "0.9779", "0.2491", "0.9793", "2.9693", "0.1069"),
        ("multivariate_normal", "penalized", "Largest difference"),
    ),
    "bolker_arabidopsis": (
        ("REML criterion: 2064.0", "0.6486", "0.1468", "1.222", "2.576", "0.2481", "-0.4847"),
        ("{16: 136, 12: 78, 4: 10}", "batch (10), batch:cask (30)", "singular:  True"),
    ),
    "lisi_sleepstudy": (
        ("REML criterion: 1743.6", "612.1", "24.74", "36.84", "6.771"),
        ("chisq(1) = 0.0639, p = 0.8004", "1762.00", "1763.94", "-876.00", "-875.97"),
        ("sd_(Intercept)|Subject", "237.02", "Savage-Dickey"),
    ),
    "levy_lexdec": (("SIMULATED", "Correlations of the ellipsoid: 0.67 0.33 0.45"),),
    "eight_schools": (("HalfCauchy(5)", "0 divergences", "A ninth school"),),
    "radon": (
        ("REML criterion: 2097.5", "REML criterion: 2059.6", "REML criterion: 2051.7"),
        ("0.03625", "0.08763", "0.445", "-0.4314"),
    ),
    "glmm_workflow": (("binomial family", "A new herd", "Does the model make data like these?"),),
}  # fmt: skip
FIGURES = {
    "chapter7": 7, "clark_many_ways": 5, "bolker_arabidopsis": 9, "lisi_sleepstudy": 5,
    "levy_lexdec": 6, "eight_schools": 2, "radon": 4, "glmm_workflow": 6,
}  # fmt: skip


def _run(name: str, folder: Path, *arguments: str) -> str:
    command = [sys.executable, EXAMPLES / f"{name}.py", *arguments, "--out", folder]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=900,
                          env=os.environ | {"PYTHONIOENCODING": "utf-8"}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def _check_figures(folder: Path, number: int) -> None:
    figures = sorted(folder.glob("*.png"))
    assert len(figures) == number
    for figure in figures:
        pixels = matplotlib.image.imread(figure)
        assert min(pixels.shape[:2]) > 150, figure.name
        assert pixels[..., :3].std() > 0.02, f"{figure.name} is blank"


def test_every_example_is_tested() -> None:
    scripts = {path.stem for path in EXAMPLES.glob("*.py")} - {"pictures"}
    assert scripts == set(PRINTED) == set(FIGURES)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_are_short_and_portable(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") < 120
    assert "shared" not in text
    assert '"/' not in text


LONG = ("bolker_arabidopsis", "glmm_workflow")  # a maximal model; two fits and all their checks
RUNS = [
    pytest.param(name, marks=pytest.mark.statistical if name in LONG else pytest.mark.mcmc)
    for name in sorted(PRINTED)
]


@pytest.mark.parametrize("name", RUNS)
def test_example(name: str, tmp_path: Path) -> None:
    output = _run(name, tmp_path)
    for line in PRINTED[name]:
        for number in line:
            assert number in output, f"{number} is not in the output of {name}"
    _check_figures(tmp_path, FIGURES[name])


@pytest.mark.mcmc
@pytest.mark.skipif("HIERLM_LEXDEC" not in os.environ, reason="lexdec is not bundled: its terms")
def test_lexdec_itself(tmp_path: Path) -> None:
    """Run with HIERLM_LEXDEC=path: the numbers are those of the lecture."""
    output = _run("levy_lexdec", tmp_path, os.environ["HIERLM_LEXDEC"])
    numbers = ("42.8570", "83.7651", "97.3162", "613.1727", "-0.1217", "0.0531", "7017", "-9440.66",
               "43.28", "110.6", "0.4342", "-0.7162", "95.16", "-0.138", "0.1082", "697.97",
               "133.63", "36.91", "falls from -2.29 to -1.28", "-0.702")  # fmt: skip
    for number in numbers:
        assert number in output
    assert "SIMULATED" not in output


LECTURES = EXAMPLES.parent / "docs" / "lectures.md"
OWNERS = {"fit": Fit, "model": hl.Model, "teaching": teaching, "hl": hl}


def test_the_page_of_the_lectures_names_what_is_there() -> None:
    text = LECTURES.read_text()
    named = set(re.findall(r"\b(fit|model|teaching|hl)\.([a-z_]\w*)", text))
    named -= {("model", "matrix")}  # R's
    assert len(named) > 50
    attributes = set(vars(hl.Model("y ~ x", {"y": [1.0, 2, 4], "x": [0, 1, 3]}))) | {"idata"}
    missing = [f"{owner}.{name}" for owner, name in named
               if not hasattr(OWNERS[owner], name) and name not in attributes]  # fmt: skip
    assert not missing
    for notation in re.findall(r'equations\("(\w+)"\)', text):
        assert notation in hl.equations.NOTATIONS
    for page in re.findall(r"\]\((\S+?\.md)", text):
        assert (LECTURES.parent / page).exists(), page
    for script in re.findall(r"`(\w+\.py)", text):
        assert (EXAMPLES / script).exists(), script


def test_every_public_function_that_teaches_is_on_the_page() -> None:
    text = LECTURES.read_text()
    assert [name for name in teaching.__all__ if f"`{name}`" not in text] == ["LeastSquares"]
