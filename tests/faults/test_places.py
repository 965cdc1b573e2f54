"""Where a fit runs: threads, forked and spawned processes, an event loop, no home, no cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import scripts

pytestmark = pytest.mark.statistical

TABLE = """
rng = np.random.default_rng(1)
data = pd.DataFrame({"x": rng.normal(size=120), "g": np.repeat(np.arange(12), 10)})
data["y"] = rng.poisson(3, 120)
"""
# the file is imported again by a spawned process
PLACES = (
    TABLE
    + """
import asyncio, multiprocessing, tempfile, threading
source = '''
import hierlm as hl
def fit(data, engine, family):
    model = hl.Model("y ~ x + (1 | g)", data, family=family)
    fitted = model.fit(engine=engine, draws=30, tune=60, chains=2, seed=1, progress=False)
    return fitted.idata["posterior"]["beta"].values.tobytes()
def put(queue, *arguments):
    queue.put(fit(*arguments))
'''
folder = tempfile.mkdtemp()
open(os.path.join(folder, "fitting.py"), "w").write(source)
sys.path.insert(0, folder)
import fitting
arguments = data, *sys.argv[1:]
expected = fitting.fit(*arguments)

found = []
threads = [threading.Thread(target=lambda: found.append(fitting.fit(*arguments))) for _ in "ab"]
[t.start() for t in threads], [t.join() for t in threads]
print("threads", found == [expected] * 2)
for kind in ("fork", "spawn"):
    context = multiprocessing.get_context(kind)
    queue = context.Queue()
    process = context.Process(target=fitting.put, args=(queue, *arguments))
    process.start()
    print(kind, queue.get(timeout=300) == expected)
    process.join()

async def cell():  # as a notebook runs it: the loop is running
    return fitting.fit(*arguments), await asyncio.to_thread(fitting.fit, *arguments)
print("loop", asyncio.run(cell()) == (expected, expected))
"""
)
NOWHERE = {name: "/proc/nowhere" for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
ENGINES = [
    ("collapsed", "gaussian"),
    ("whitened", "poisson"),
    ("pymc", "gaussian"),
]


@pytest.mark.parametrize(("engine", "family"), ENGINES)
def test_the_same_draws_wherever_a_fit_runs(engine: str, family: str) -> None:
    said = scripts.run(PLACES, engine, family).split()
    assert said == ["threads", "True", "fork", "True", "spawn", "True", "loop", "True"]


ONE = (
    TABLE
    + """
model = hl.Model("y ~ x + (1 | g)", data, family=sys.argv[2])
fit = model.fit(engine=sys.argv[1], draws=20, tune=30, chains=1, seed=1, progress=False)
print(bool(np.isfinite(fit.summary()["mean"]).all()))
"""
)
NO_CACHE = """
import numba.core.caching, tempfile, types
def refuse(*_, **__):
    raise OSError(30, "Read-only file system")
numba.core.caching.tempfile = types.SimpleNamespace(TemporaryFile=refuse)
"""


@pytest.mark.parametrize(("engine", "family"), ENGINES)
def test_a_home_that_is_not_there(engine: str, family: str) -> None:
    if engine == "pymc":  # PyTensor compiles nothing without a folder
        with pytest.raises(AssertionError, match="Set PYTENSOR_FLAGS=base_compiledir=FOLDER"):
            scripts.run(ONE, engine, family, env=NOWHERE)
    else:
        assert scripts.run(ONE, engine, family, env=NOWHERE) == "True\n"


def test_another_folder_for_pytensor(tmp_path: Path) -> None:
    flags = {"PYTENSOR_FLAGS": f"base_compiledir={tmp_path}"}
    assert scripts.run(ONE, "pymc", "gaussian", env=NOWHERE | flags) == "True\n"


def test_nowhere_to_keep_machine_code() -> None:
    """Neither package nor home can be written: numba compiles, and keeps nothing."""
    assert scripts.run(NO_CACHE + ONE, "collapsed", "gaussian") == "True\n"


def test_importing_without_a_cache() -> None:
    kernels = "import hierlm.kernels.table, hierlm.kernels.collapsed\nprint('imported')"
    assert scripts.run(NO_CACHE + kernels) == "imported\n"
