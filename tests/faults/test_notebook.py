"""Fits in the kernel of a notebook: the draws of a script, a readable cell, and an interrupt."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import scripts

manager = pytest.importorskip("jupyter_client.manager")
kernelspec = pytest.importorskip("jupyter_client.kernelspec")
pytest.importorskip("ipykernel")

pytestmark = pytest.mark.statistical

START = """
import hashlib
import numpy as np, pandas as pd, hierlm as hl
rng = np.random.default_rng(1)
data = pd.DataFrame({"x": rng.normal(size=200), "g": np.repeat(np.arange(20), 10)})
data["y"] = rng.poisson(3, 200)
def fit(engine, family, draws=50, **options):
    model = hl.Model("y ~ x + (1 | g)", data, family=family)
    return model.fit(engine=engine, draws=draws, tune=100, chains=2, cores=2, seed=1, **options)
def digest(fit):
    return hashlib.sha256(fit.idata["posterior"]["beta"].values.tobytes()).hexdigest()
"""
ENGINES = [
    ("collapsed", "gaussian", 400_000),
    ("whitened", "poisson", 100_000),
    ("pymc", "poisson", 40_000),
]


class Notebook:
    """A kernel, and what its cells show."""

    def __init__(self) -> None:
        specs = kernelspec.KernelSpecManager(ensure_native_kernel=True)
        self.manager = manager.KernelManager(kernel_spec_manager=specs)
        self.manager.start_kernel(extra_arguments=["--IPKernelApp.log_level=ERROR"])
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=100)

    def run(self, code: str, *, interrupt_at: str = "never") -> tuple[str, dict[str, Any]]:
        """Return what a cell prints, and its value in all forms, or its error."""
        printed: list[str] = []
        value: dict[str, Any] = {}

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                printed.append(content["text"])
                if interrupt_at in content["text"]:
                    self.manager.interrupt_kernel()
            elif message["msg_type"] == "execute_result":
                value.update(content["data"])

        reply = self.client.execute_interactive(code, timeout=500, output_hook=hear)["content"]
        return "".join(printed), value if reply["status"] == "ok" else reply

    def shows(self, code: str) -> str:
        """Return the text of a cell's value."""
        return str(self.run(code)[1]["text/plain"])

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    opened = Notebook()
    assert opened.shows("import sys; sys.executable") == repr(sys.executable)
    assert opened.run(START) == ("", {})
    yield opened
    opened.close()


@pytest.mark.parametrize(("engine", "family", "draws"), ENGINES)
def test_a_notebook(notebook: Notebook, engine: str, family: str, draws: int) -> None:
    arguments = f"{engine!r}, {family!r}"
    expected = scripts.run(START + f"print(digest(fit({arguments}, progress=False)))").strip()

    printed, _ = notebook.run(f"fitted = fit({arguments})")
    assert "sampling 2 chains" in printed
    same = f"digest(fitted) == {expected!r}"
    assert notebook.shows(same) == "True"
    assert notebook.shows("fitted") == notebook.run("print(fitted)")[0].rstrip("\n")

    _, error = notebook.run(f"never = fit({arguments}, {draws})", interrupt_at="sampling 2 chains")
    assert error["ename"] == "KeyboardInterrupt"
    assert notebook.shows("'never' in globals()") == "False"
    notebook.run(f"fitted = fit({arguments}, progress=False)")
    assert notebook.shows(same) == "True"
