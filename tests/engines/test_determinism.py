"""The same seed gives the same draws: in a new process, on any number of cores."""

from __future__ import annotations

import pytest
from helpers import scripts

pytestmark = pytest.mark.statistical

FIT = """
import hashlib
rng = np.random.default_rng(1)
data = pd.DataFrame({"x": rng.normal(size=200), "g": np.repeat(np.arange(20), 10)})
data["h"], data["y"] = np.tile(np.arange(10), 20), rng.poisson(3, 200)
engine, family, cores = sys.argv[1:]
model = hl.Model("y ~ x + (x | g) + (1 | h)", data, family=family)
for seed in (1, 1, 2):
    fit = model.fit(engine=engine, cores=int(cores), draws=40, tune=60, chains=2, seed=seed,
                    progress=False)
    found = hashlib.sha256()
    for name, values in sorted(fit.idata["posterior"].to_dataset().items()):
        found.update(values.to_numpy().tobytes())
    print(found.hexdigest())
"""
ENGINES = [
    ("collapsed", "gaussian"),
    ("whitened", "poisson"),
    ("pymc", "poisson"),
]


@pytest.mark.parametrize(("engine", "family"), ENGINES)
def test_the_same_draws_to_the_bit(engine: str, family: str) -> None:
    one = scripts.run(FIT, engine, family, 1).split()
    two = scripts.run(FIT, engine, family, 2).split()
    assert one == two
    first, again, other = one
    assert first == again
    assert first != other
