"""Scripts that run in a process of their own: what must not happen to the process of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
_START = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job has none
import numpy as np, pandas as pd, hierlm as hl
"""


def start(script: str, *arguments: Any, **options: Any) -> subprocess.Popen[str]:
    """Start a script; it may import from ``tests``."""
    code = _START + textwrap.dedent(script)
    paths = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": paths} | options.pop("env", {})
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def run(script: str, *arguments: Any, **options: Any) -> str:
    """Return what a script prints; it must end well."""
    process = start(script, *arguments, **options)
    out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    return out
