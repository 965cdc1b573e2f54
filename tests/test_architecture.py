"""Imports point down, files stay within their budget, and the public names are what they say."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hierlm

PACKAGE = Path(hierlm.__file__).parent

# Lowest first. A module may import from rows below its own, and from its own package.
LAYERS = [
    {"errors", "names", "tables", "compiling", "files"},
    {"sources", "formula", "families", "covariance", "seeds"},
    {"datasets", "design"},
    {"priors"},
    {"spec", "kernels"},
    {"engines", "building"},
    {"convergence", "summaries", "rows"},
    {"variance", "display", "storage", "mle", "prediction", "shrinkage", "equations", "simulation"},
    {"contrasts", "comparison", "checking", "sidebyside", "teaching"},
    {"plots"},
    {"report"},
    {"results", "unfitted", "calibration"},
    {"modeling", "document"},
    {"__init__"},
    {"shell"},
    {"cli"},
    {"__main__"},
]
ROW = {name: row for row, names in enumerate(LAYERS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_CLASS_LINES = 250


def _unit(path: Path) -> str:
    """Return the module or package directly below hierlm that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            parts = node.module.split(".")
            if parts[0] == "hierlm":
                yield from [parts[1]] if len(parts) > 1 else [a.name for a in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "hierlm":
                    yield parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    unit = _unit(path)
    for name in _imported(ast.parse(path.read_text())):
        target = name if name in ROW else "__init__"
        assert target == unit or ROW[target] < ROW[unit], f"{unit} imports {target}"


def test_every_module_has_a_row() -> None:
    assert {_unit(path) for path in MODULES} <= set(ROW)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_budgets(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = [n for n in node.body if not _is_docstring(n)]
            length = (node.end_lineno or 0) - (body[0].lineno if body else node.lineno)
            assert length < MAX_FUNCTION_LINES, f"{node.name} has {length} lines"
        if isinstance(node, ast.ClassDef):
            length = (node.end_lineno or 0) - node.lineno
            assert length <= MAX_CLASS_LINES, f"{node.name} has {length} lines"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_public_names_are_complete_and_sorted() -> None:
    public = {name for name in vars(hierlm) if not name.startswith("_")}
    modules = {_unit(path) for path in MODULES}
    assert public - modules - {"version"} == set(hierlm.__all__) - modules - {"__version__"}
    functions = [name for name in hierlm.__all__ if name.islower()]
    assert functions == sorted(functions)
    for name in hierlm.__all__:
        assert getattr(hierlm, name).__doc__, name


def test_pymc_is_imported_by_one_engine_only() -> None:
    allowed = {"engines/pymc.py", "engines/pymc_model.py", "modeling.py"}
    for path in MODULES:
        text = path.read_text()
        if "import pymc" in text or "import pytensor" in text:
            assert str(path.relative_to(PACKAGE)) in allowed


def test_python_calls_only_kernels_with_a_way_in() -> None:
    pattern = re.compile(r"^from (hierlm\.(?:kernels|design)\.\w+) import (.+)$", re.MULTILINE)
    tests = Path(__file__).parent.rglob("*.py")
    called = 0
    for path in (*MODULES, *tests):
        if path.parent.name == "kernels":
            continue
        for module, imported in pattern.findall(path.read_text()):
            for name in imported.split(", "):
                found = getattr(importlib.import_module(module), name.strip("()"), None)
                options = getattr(found, "targetoptions", {})
                called += bool(options)
                assert not options.get("no_cpython_wrapper"), f"{path.name} calls {name}"
    assert called >= 3
