"""A million rows, and the memory they take."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.scale

MEASURE = """
import resource, sys
import numpy as np
sys.path.insert(0, "tests")
from helpers.fits import synthetic_fit
import hierlm as hl

data = hl.load_dataset("sleepstudy")
fit = synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data), draws=1000)
rng = np.random.default_rng(1)
n = 1_000_000
subjects = [*fit.spec.groups[0].levels.labels, *(f"new{k}" for k in range(1000))]
new = {"Days": rng.uniform(0, 9, n), "Subject": rng.choice(subjects, n)}
table = fit.predict(new, new_levels=sys.argv[1], summary=True, seed=1)
assert table.shape == (n, 4) and np.isfinite(table).all(axis=None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.parametrize("new_levels", ["population", "sample"])
def test_a_million_rows_take_less_than_two_gib(new_levels: str) -> None:
    command = [sys.executable, "-c", MEASURE, new_levels]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 2
