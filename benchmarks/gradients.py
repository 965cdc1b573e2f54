"""What a gradient of the whitened engine costs as rows, levels, coefficients and factors grow.

    python benchmarks/gradients.py

Bernoulli rows, no two alike. Processor time of one thread, the least of several.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd

import hierlm as hl
from hierlm.engines.laplace import Whitened, whiten
from hierlm.kernels.whitened import log_density_at


def table(n: int, levels: int, predictors: int = 1, crossed: int = 2) -> pd.DataFrame:
    """Return rows with one factor g, a second h, and predictors x0, x1, ..."""
    rng = np.random.default_rng(1)
    data = {f"x{i}": rng.normal(size=n) for i in range(predictors)}
    g, h = rng.integers(0, levels, n), rng.integers(0, crossed, n)
    eta = 0.3 * data["x0"] + rng.normal(0, 0.5, levels)[g] + rng.normal(0, 0.5, crossed)[h]
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return pd.DataFrame(data | {"g": g, "h": h, "y": y})


def microseconds(w: Whitened) -> float:
    """Return the processor time of a gradient."""
    x = np.concatenate([w.start, np.random.default_rng(1).normal(0, 0.5, len(w.whitening.h))])
    gradient, found = np.empty(len(x)), []
    for _ in range(7):
        began = time.thread_time()
        for _ in range(10):
            log_density_at(x, gradient, w.rows, w.whitening, w.layout)
        found.append((time.thread_time() - began) / 10)
    return 1e6 * min(found)


def line(label: str, formula: str, designs: dict[str, pd.DataFrame]) -> None:
    """Print a row of the table."""
    found = []
    for name, data in designs.items():
        model = hl.Model(formula, data, family="bernoulli")
        found.append(f"{name} {microseconds(whiten(model.spec, model.design)):,.0f}")
    print(f"{label:34s} microseconds: {'; '.join(found)}", flush=True)


def main() -> None:
    """Print the table."""
    sizes = (10_000, 30_000, 100_000, 300_000)
    line("rows, 300 levels", "y ~ x0 + (1 | g)", {f"{n:,}": table(n, 300) for n in sizes})
    line(
        "levels, 5 rows each", "y ~ x0 + (1 | g)",
        {f"{J:,}": table(5 * J, J) for J in (300, 3_000, 30_000)},
    )  # fmt: skip
    line(
        "the same with slopes", "y ~ x0 + (x0 | g)",
        {f"{J:,}": table(5 * J, J) for J in (300, 3_000, 30_000)},
    )  # fmt: skip
    for p in (1, 4, 16, 64):
        predictors = " + ".join(f"x{i}" for i in range(p))
        line(
            f"{p} coefficients, 20,000 rows", f"y ~ {predictors} + (1 | g)",
            {"": table(20_000, 300, p)},
        )  # fmt: skip
    line(
        "crossed, 10 rows for each level", "y ~ x0 + (1 | g) + (1 | h)",
        {f"{J:,} x {J // 2:,}": table(10 * J, J, 1, J // 2) for J in (300, 3_000, 30_000)},
    )  # fmt: skip


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
