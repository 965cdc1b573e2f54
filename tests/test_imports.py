"""What ``import hierlm`` loads."""

from __future__ import annotations

import subprocess
import sys


def test_importing_and_building_a_model_loads_neither_pymc_nor_a_plotting_library() -> None:
    code = (
        "import sys, hierlm as hl;"
        "hl.Model('Yield ~ 1 | Batch', hl.load_dataset('Dyestuff'));"
        "print([m for m in ('pymc', 'pytensor', 'nutpie', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
