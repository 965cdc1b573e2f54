"""Models can be built in threads, and building one says nothing on standard output."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.tables import table

import hierlm as hl

FORMULAS = ["y ~ poly(x, 2) + C(f, Sum)", "y ~ T(f, 'nowhere')", "y ~ x + mine(z)"]


def test_threads_and_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    data, before = table(), sys.stdout

    def build(number: int) -> str:
        print("working")
        try:
            hl.Model(FORMULAS[number % 3], data, functions={"mine": lambda x: list(x)})
        except hl.FormulaError as error:
            return str(error)
        return "built"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(build, range(60)))
    assert sys.stdout is before
    assert capsys.readouterr().out == "working\n" * 60
    assert set(results[::3]) == {"built"}
    assert all("reference not in levels" in text for text in results[1::3])
    assert all("'mine(z)' cannot be computed" in text for text in results[2::3])
