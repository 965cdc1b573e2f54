"""Data that hierlm does not hold: too large, or without a licence to pass them on.

The environment variable HIERLM_REFERENCE_DATA names a folder with lexdec.csv (languageR), rats.csv
(BUGS examples), InstEval.csv (lme4), radon.csv (with log_radon_arm, as Gelman and Hill have it) and
clark_ris.csv (with y5). Tests that need one are skipped without it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest


def read(name: str) -> pd.DataFrame:
    folder = os.environ.get("HIERLM_REFERENCE_DATA")
    if folder is None:
        pytest.skip(f"HIERLM_REFERENCE_DATA names no folder with {name}.csv")
    return pd.read_csv(Path(folder) / f"{name}.csv")
