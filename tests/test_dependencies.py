"""What is imported is declared, what is pinned is allowed, and licences are what users can take."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hierlm

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
ALL = [*RUNTIME, *(Requirement(text) for group in EXTRAS.values() for text in group)]
# imported where an extra or a back end of ArviZ is asked for, or with a declared package
WITH_OTHERS = {
    *("arviz_base", "arviz_plots", "arviz_stats"),  # parts of arviz
    *("llvmlite", "matplotlib", "jax", "plotly", "bokeh", "latex2mathml", "IPython"),
}


def _imported(folder: Path) -> set[str]:
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def test_what_is_imported_is_declared() -> None:
    known = {canonicalize_name(r.name) for r in RUNTIME}
    owners = packages_distributions()
    for module in _imported(Path(hierlm.__file__).parent) - {"hierlm"} - WITH_OTHERS:
        names = {canonicalize_name(name) for name in owners.get(module, [module])}
        assert names & known, f"{module} is imported and not declared"


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-lowest.txt"])
def test_pins_are_allowed(file: str) -> None:
    pins = {}
    for line in (ROOT / file).read_text().splitlines():
        if line.startswith("#"):
            continue
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+]+", line), line
        name, _, version = line.partition("==")
        pins[canonicalize_name(name)] = version
    for wanted in ALL:
        name = canonicalize_name(wanted.name)
        if name in pins:
            assert wanted.specifier.contains(pins[name]), f"{name}=={pins[name]}, {wanted}"
    assert {canonicalize_name(r.name) for r in RUNTIME} <= set(pins)


def _closure() -> set[str]:
    """Return what is installed because hierlm is."""
    found: set[str] = set()
    todo = [r.name for r in RUNTIME]
    while todo:
        name = canonicalize_name(todo.pop())
        if name in found:
            continue
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        found.add(name)
        wanted = map(Requirement, needs)
        todo += [r.name for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def test_licences() -> None:
    """All permissive: no dependency asks users to publish what they write."""
    closure = _closure()
    assert len(closure) > 20
    for name in sorted(closure):
        meta = distribution(name).metadata
        said = [meta.get("License-Expression") or "", (meta.get("License") or "")[:60]]
        said += [text for text in meta.get_all("Classifier") or [] if text.startswith("License")]
        assert any(said), f"{name} says nothing of its licence"
        assert not re.search(r"\bA?GPL", " ".join(said).replace("LGPL", "")), (name, said)
