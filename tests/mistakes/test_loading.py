"""Files of others are read and never run: payloads in all places that once ran some elsewhere."""

from __future__ import annotations

import ast
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers.fits import synthetic_fit
from helpers.saved import edited
from pyarrow import parquet

import hierlm as hl
from hierlm.calibration.ledger import Ledger
from hierlm.files import seal


class Payload:
    """What creates a file when it is unpickled."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trap),)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    return tmp_path / "trap"


@pytest.fixture
def fit_file(tmp_path: Path) -> Path:
    path = tmp_path / "fit.nc"
    model = hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"))
    synthetic_fit(model, chains=2, draws=5).save(path)
    return path


def test_the_payload_works(trap: Path) -> None:
    pickle.loads(pickle.dumps(Payload(trap)))
    assert trap.exists()


ATTRIBUTES = ["given_priors", "dropped", "parameterization", "family", "formula", "versions", "new"]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_of_a_fit(fit_file: Path, trap: Path, name: str) -> None:
    code = f"__import__('os').mkdir({str(trap)!r})"
    tagged = json.dumps({"py/reduce": [{"py/function": "os.mkdir"}, {"py/tuple": [str(trap)]}]})
    for value in (np.void(pickle.dumps(Payload(trap))), code, tagged):
        with edited(fit_file) as file:
            file.attrs[name] = value
        try:
            str(hl.load(fit_file))
        except hl.HierlmError as error:
            assert "\n" in f"{error}\n"  # noqa: PT017  some are refused, and some are only notes
        assert not trap.exists()


def test_objects_in_the_arrays_of_a_fit(fit_file: Path, trap: Path) -> None:
    with edited(fit_file) as file:
        rows = len(file["model_frame/column_1"])
        attrs = dict(file["model_frame/column_1"].attrs)
        del file["model_frame/column_1"]
        file["model_frame/column_1"] = [pickle.dumps(Payload(trap)).hex()] * rows
        file["model_frame/column_1"].attrs["name"] = attrs["name"]
    with pytest.raises(hl.HierlmError):
        hl.load(fit_file)
    assert not trap.exists()


def test_a_pickle_called_a_fit(fit_file: Path, trap: Path) -> None:
    fit_file.write_bytes(pickle.dumps(Payload(trap)))
    seal(fit_file)
    with pytest.raises(hl.DataError, match="cannot be read as netCDF"):
        hl.load(fit_file)
    assert not trap.exists()


def test_a_pickle_called_a_calibration(tmp_path: Path, trap: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(pickle.dumps(Payload(trap)))
    with pytest.raises(hl.DataError, match="holds no replications"):
        Ledger(path, {})
    assert not trap.exists()


# pyarrow 18 says that it refuses
@pytest.mark.filterwarnings("ignore:pickle-based deserialization:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:pyarrow.PyExtensionType is deprecated:FutureWarning")
def test_types_of_columns_in_parquet(tmp_path: Path, trap: Path) -> None:
    """Older pyarrow unpickled the description of a column's type (CVE-2023-47248)."""
    kind = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(Payload(trap)),
    }
    field = pa.field("y", pa.float64(), metadata=kind)
    table = pa.table({"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 3.0]})
    schema = pa.schema([field, table.schema.field("x")])
    parquet.write_table(table.cast(schema), tmp_path / "table.parquet")
    hl.Model("y ~ x", tmp_path / "table.parquet")
    assert not trap.exists()


# what runs text, or makes objects of bytes; and where hierlm may do so
RUNS = {"eval", "exec", "compile", "load", "loads", "system", "popen", "read_pickle", "unsafe_load"}
ALLOWED = {
    ("calibration/worker.py", "pickle.load"),  # of the pipe that the parent alone writes to
    ("datasets/catalog.py", "tomllib.loads"),
    ("design/crossproducts.py", "np.load"),  # allow_pickle=False
    ("kernels/lapack.py", "builder.load"),  # an instruction of LLVM
    ("storage.py", "opened.load"),  # xarray: into memory
    ("modeling.py", "storage.load"),
    ("cli.py", "load"),
}


def test_nothing_else_runs_text_or_unpickles() -> None:
    package = Path(hl.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                runs = name.rpartition(".")[2] in RUNS and name not in ("json.loads", "re.compile")
                if runs or any(key.arg == "shell" for key in node.keywords):
                    found.add((str(path.relative_to(package)), name))
    assert found <= ALLOWED, found - ALLOWED
