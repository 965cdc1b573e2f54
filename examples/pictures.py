"""Where the examples put their figures: the folder of --out, else a temporary one."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # before pyplot: the figures are files, and need no screen

from matplotlib import pyplot as plt


class Pictures:
    """Save the figures of one script, and say where they are."""

    def __init__(self, folder: str | None = None) -> None:
        self.folder = Path(folder or tempfile.mkdtemp(prefix="hierlm-"))
        self.folder.mkdir(parents=True, exist_ok=True)

    def save(self, name: str, drawn: Any) -> None:
        """Save what a plot method returned (or a figure of matplotlib) as a PNG."""
        path = self.folder / f"{name}.png"
        drawn.savefig(path, dpi=150)
        plt.close("all")
        print(f"[figure: {path}]\n")


def arguments(description: str | None, **positional: str) -> tuple[argparse.Namespace, Pictures]:
    """Read the command line: --out, and positional arguments that may be left out."""
    first_line = (description or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=first_line)
    for name, text in positional.items():
        parser.add_argument(name, nargs="?", help=text)
    parser.add_argument("--out", help="folder of the figures; a temporary one when not given")
    found = parser.parse_args()
    return found, Pictures(found.out)


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'=' * len(text)}")
