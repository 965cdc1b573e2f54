"""A disk that is full before a file is whole: the older file stays, and nothing is beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import scripts

# a file may not grow beyond the limit: writes fail in the middle, as on a full disk
SAVE = """
import pathlib, resource
from helpers.fits import synthetic_fit
path = pathlib.Path(sys.argv[1])
fit = synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff")), draws=400)
fit.save(path)
before = path.read_bytes()
for share in (0, 0.02, 0.3, 0.9, 1):
    limit = min(int(share * len(before)), len(before) - 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        fit.save(path)
    except OSError as error:
        said = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert f"{str(path)!r} could not be written" in said, said
    assert ".part" not in said, said
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name], os.listdir(path.parent)
hl.load(path)
print("kept")
"""


def test_saving_a_fit(tmp_path: Path) -> None:
    assert scripts.run(SAVE, tmp_path / "fit.nc") == "kept\n"


PAGE = """
import pathlib, resource
from hierlm.report.page import write
path = pathlib.Path(sys.argv[1])
path.write_text("an older report")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    write(path, "x" * 100_000)
except OSError as error:
    print("refused" if "report.html' could not be written" in str(error) else error)
print(path.read_text(), os.listdir(path.parent))
"""


def test_a_report(tmp_path: Path) -> None:
    said = scripts.run(PAGE, tmp_path / "report.html")
    assert said == "refused\nan older report ['report.html']\n"


LEDGER = """
import resource
from hierlm.calibration.ledger import Ledger
ledger = Ledger(sys.argv[1], {"seed": 1})
ledger.add({"k": 0, "quantities": {}})
limit = os.path.getsize(sys.argv[1]) + 20
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    ledger.add({"k": 1, "quantities": {"x": [1.0] * 100}})
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(sorted(Ledger(sys.argv[1], {"seed": 1}).records))
"""


def test_a_calibration(tmp_path: Path) -> None:
    """What was done stays; the line that was cut off is done again."""
    said = scripts.run(LEDGER, tmp_path / "run.jsonl").splitlines()
    assert "run.jsonl' could not be written" in said[0]
    assert said[-1] == "[0]"


def test_rights_of_a_file_stay(tmp_path: Path) -> None:
    """A file that only its owner may read does not become everybody's when it is replaced."""
    from hierlm.files import replacing

    path = tmp_path / "private.txt"
    path.write_text("old")
    path.chmod(0o600)
    with replacing(path) as part:
        assert part.stat().st_mode & 0o777 == 0o600
        part.write_text("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_lies_in_wait_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that others can write to, nobody can make us write through their link."""
    from hierlm import files

    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "0000")
    (tmp_path / ".fit.nc.0000.part").symlink_to(victim)
    with (
        pytest.raises(OSError, match="could not be written"),
        files.replacing(tmp_path / "fit.nc") as part,
    ):
        part.write_text("through the link")
    assert victim.read_text() == "precious"
