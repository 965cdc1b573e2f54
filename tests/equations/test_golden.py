"""Complete equations, as they are printed: read them as a statistician before changing them."""

# ruff: noqa: E501 - LaTeX as it is

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import equations as models

import hierlm as hl
from hierlm.equations import NOTATIONS, available, equations

GOLDEN = Path(__file__).parent / "golden"

CASES = {
    "sleepstudy": ("Reaction ~ Days + (Days | Subject)", "gaussian"),
    "cbpp": ("p(incidence, size) ~ period + (1 | herd)", "binomial"),
    "Pastes": ("strength ~ 1 + (1 | batch / cask)", "gaussian"),
    "Penicillin": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "gaussian"),
}


def printed(name: str) -> str:
    model = models.bundled(name, *CASES[name])
    parts = [f"{model.spec.formula}\n"]
    for notation in available(model.spec):
        parts.append(f"[{notation}]\n{equations(model.spec, notation, design=model.design)}\n")
    return "\n".join(parts)


@pytest.mark.parametrize("name", CASES)
def test_printed(name: str) -> None:
    assert printed(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_sleepstudy_has_every_notation() -> None:
    model = hl.Model(CASES["sleepstudy"][0], hl.load_dataset("sleepstudy"))
    assert available(model.spec) == tuple(NOTATIONS)


def test_latex() -> None:
    model = models.bundled("sleepstudy", *CASES["sleepstudy"])
    assert (
        equations(model.spec, "varying_coefficients").latex
        == r"""\begin{aligned}
\text{Reaction}_{i} &= \beta_{0j[i]} + \beta_{1j[i]}\, \text{Days}_{i} + \varepsilon_{i} \\
\varepsilon_{i} &\sim \mathcal{N}(0, \sigma^{2}) \\
\begin{bmatrix} \beta_{0j} \\ \beta_{1j} \end{bmatrix} &\sim \mathcal{N}\!\left(\begin{bmatrix} \beta_{0} \\ \beta_{1} \end{bmatrix}, \begin{bmatrix} \sigma_{u0}^{2} & \rho_{u}\, \sigma_{u0}\, \sigma_{u1} \\ \rho_{u}\, \sigma_{u0}\, \sigma_{u1} & \sigma_{u1}^{2} \end{bmatrix}\right) && \text{Subject }j = 1, \dots, 18
\end{aligned}"""
    )


if (
    __name__ == "__main__"
):  # PYTHONPATH=tests python tests/equations/test_golden.py writes them anew
    for case in CASES:
        (GOLDEN / f"{case}.txt").write_text(printed(case), encoding="utf-8")
