"""A fit that was saved predicts the same, to the bit, where the data never were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from helpers.tables import table

import hierlm as hl

PREDICT = """
import sys
import numpy as np, pandas as pd
import hierlm as hl

path, out = sys.argv[1:]
fit = hl.load(path)
new = pd.read_json(path + ".json", dtype={"g": str, "h": str})
options = {"new_levels": "sample", "seed": 7}
np.savez(
    out,
    linpred=fit.linpred(new, **options)["predictions"]["linpred"],
    epred=fit.epred(new, **options)["predictions"]["epred"],
    predict=fit.predict(new, **options)["predictions"][fit.spec.response],
    table=fit.predict(new, **options, summary=True),
    own=fit.predict(seed=7, summary=True),
    integrated=fit.epred(new, groups="integrate", summary=True),
)
"""


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("log(positive) ~ scale(x) * f + poly(z, 2) + (scale(x) | g) + (1 | h)", "gaussian"),
        ("success ~ bs(x, df=4) + (1 | g)", "bernoulli"),
    ],
)
def test_save_load_predict_is_identical(tmp_path: Path, formula: str, family: str) -> None:
    fit = synthetic_fit(hl.Model(formula, table(), family=family), draws=30)
    path, out = tmp_path / "fit.nc", tmp_path / "out.npz"
    fit.save(path)
    frame = table()
    new = pd.concat([frame, frame.assign(g="new", h=frame["g"])], ignore_index=True)
    new.to_json(f"{path}.json", double_precision=15)
    script = tmp_path / "predict.py"
    script.write_text(PREDICT)
    subprocess.run([sys.executable, "-W", "error", str(script), str(path), str(out)], check=True)
    read = pd.read_json(f"{path}.json", dtype={"g": str, "h": str})
    options = {"new_levels": "sample", "seed": 7}
    want = {
        "linpred": fit.linpred(read, **options)["predictions"]["linpred"],
        "epred": fit.epred(read, **options)["predictions"]["epred"],
        "predict": fit.predict(read, **options)["predictions"][fit.spec.response],
        "table": fit.predict(read, **options, summary=True),
        "own": fit.predict(seed=7, summary=True),
        "integrated": fit.epred(read, groups="integrate", summary=True),
    }
    with np.load(out) as kept:
        assert set(kept) == set(want)
        for name, value in want.items():
            assert np.array_equal(kept[name], np.asarray(value)), name
