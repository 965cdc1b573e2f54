"""Ctrl-C while the chains run: at once, nothing half-written, and the next fit works."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from helpers import scripts

import hierlm as hl

pytestmark = pytest.mark.statistical

TABLE = """
rng = np.random.default_rng(1)
data = pd.DataFrame({"x": rng.normal(size=200), "g": np.repeat(np.arange(20), 10)})
data["y"] = rng.poisson(3, 200)
"""
SHELL = (
    TABLE
    + """
from hierlm.cli import main
folder, engine, family, sampler, draws = sys.argv[1:]
data.to_csv(f"{folder}/table.csv")
options = ["--engine", engine, "--family", family, "--sampler", sampler, "--seed", "1"]
options += ["--chains", "2", "--cores", "2", "--out", f"{folder}/fit.nc", "--draws", draws]
sys.exit(main(["fit", f"{folder}/table.csv", "y ~ x + (x | g)", *options]))
"""
)
ENGINES = [
    ("collapsed", "gaussian", "nutpie", 40_000),
    ("whitened", "poisson", "nutpie", 20_000),
    ("pymc", "poisson", "nutpie", 10_000),
    ("pymc", "gaussian", "pymc", 4_000),
]


@pytest.mark.parametrize(("engine", "family", "sampler", "draws"), ENGINES)
def test_ctrl_c_in_the_shell(
    tmp_path: Path, engine: str, family: str, sampler: str, draws: int
) -> None:
    out = tmp_path / "fit.nc"
    out.write_text("an older file")
    process = scripts.start(SHELL, tmp_path, engine, family, sampler, draws)
    assert process.stderr is not None
    said = []
    for line in process.stderr:  # until the chains run
        said.append(line)
        if line.startswith("sampling 2 chains") or "Sampling 2 chains" in line:
            break
    process.send_signal(signal.SIGINT)
    watch = threading.Timer(60, process.kill)  # a run that cannot be stopped is a failure
    watch.start()
    _, rest = process.communicate()
    watch.cancel()
    assert process.returncode == 130, "".join(said) + rest
    assert rest.endswith("hierlm: interrupted\n")
    assert out.read_text() == "an older file"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit.nc", "table.csv"]


def test_ctrl_c_in_a_session() -> None:
    """The same process goes on, and fits again: what it gives is what it gave before."""
    script = (
        TABLE
        + """
import threading, time
model = hl.Model("y ~ x + (x | g)", data)
def fit(draws):
    return model.fit(draws=draws, chains=2, cores=2, seed=1, progress=False)
before = fit(50).idata["posterior"]["sigma"].values
timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
timer.start()
try:
    fit(400_000)
except KeyboardInterrupt:
    print("interrupted")
after = fit(50).idata["posterior"]["sigma"].values
print(np.array_equal(before, after))
"""
    )
    assert scripts.run(script).split() == ["interrupted", "True"]


def test_draws_that_pymc_cut_short_are_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyMC's own sampler returns what it has on Ctrl-C: fewer draws than the fit would say."""
    pymc = pytest.importorskip("pymc")
    import xarray as xr

    cut = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": (("chain", "draw"), [[1.0, 2.0]])})})
    monkeypatch.setattr(pymc, "sample", lambda **_: cut)
    model = hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"))
    with pytest.raises(KeyboardInterrupt):
        model.fit(engine="pymc", sampler="pymc", progress=False, seed=1)
