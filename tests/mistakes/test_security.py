"""A formula may come from a file: nothing in it is run, and none of it takes long."""

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.tables import table

import hierlm as hl

# TRAP stands for a file that the code would create
CODE = """
y ~ __import__('os').system('touch TRAP')
y ~ __import__('pathlib').Path('TRAP').touch()
y ~ eval("open('TRAP', 'w')")
y ~ x.__class__.__mro__
y ~ x.__class__
y ~ I(x.__class__)
y ~ I(x).__class__
y ~ (x).__class__
y ~ x.to_csv("TRAP")
y ~ x.mean()
y ~ I(x.to_csv("TRAP"))
y ~ log.__globals__
y ~ np.exp.__class__(x)
y ~ np.load("TRAP")
y ~ np.save("TRAP", x)
y ~ pd.read_pickle("TRAP")
y ~ open("TRAP", "w")
y ~ print(x)
y ~ getattr(x, "to_csv")
y ~ I(__import__("os"))
y ~ I(open("TRAP", "w"))
y ~ log(os.system("touch TRAP"))
y ~ {exec("open('TRAP', 'w')")}
y ~ {open("TRAP", "w")}
{exec("1")} ~ x
open("TRAP", "w") ~ x
eval("y") ~ x
p(open("TRAP", "w"), tries) ~ x
hits | trials(open("TRAP", "w")) ~ x
y ~ offset(open("TRAP", "w"))
y ~ weights(open("TRAP", "w"))
y ~ (open("TRAP", "w") | g)
y ~ (1 | open("TRAP", "w"))
y ~ (1 | __import__('os'))
y ~ C(f, open("TRAP", "w"))
y ~ C(f, levels=open("TRAP", "w"))
y ~ poly(x, open("TRAP", "w"))
y ~ bs(x, df=open("TRAP", "w"))
y ~ poly(x, degree=z.__class__)
y ~ lambda x: x
y ~ I(lambda: open("TRAP", "w"))
y ~ f"{open('TRAP', 'w')}"
y ~ f'{x}'
y ~ I(f"{x}")
y ~ x[0]
y ~ I([open("TRAP", "w") for i in x])
y ~ I(x := 2)
y ~ x; open("TRAP", "w")
y ~ I(x if x else z)
y ~ mine(x) + open("TRAP", "w")
mine(y) ~ open("TRAP", "w")
""".strip().splitlines()


class Tripwire(dict[str, Any]):
    """Columns that leave a trace when they are read."""

    def __init__(self, trap: Path) -> None:
        super().__init__(table().to_dict("list"))
        self.trap = trap

    def __getitem__(self, name: str) -> Any:
        self.trap.touch()
        return super().__getitem__(name)


@pytest.mark.parametrize("formula", CODE)
def test_code_is_not_run(formula: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"

    def mine(x: Any) -> Any:
        trap.touch()
        return x

    with pytest.raises(hl.FormulaError) as caught:
        hl.Model(formula.replace("TRAP", str(trap)), Tripwire(trap), functions={"mine": mine})
    assert not trap.exists()
    assert "^" in str(caught.value)


def test_the_tripwire_works(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    hl.Model("y ~ x", Tripwire(trap))
    assert trap.exists()


@pytest.mark.parametrize("formula", ["y ~ `{}`", "y ~ I(`{}` * 2)", "y ~ x + (`{}` | g)"])
def test_a_column_named_like_code(formula: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    name = f"open('{trap}', 'w')"
    hl.Model(formula.format(name), table().rename(columns={"z": name}))
    assert not trap.exists()


def test_levels_like_code(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    labels = {level: f"open('{trap}', 'w') + {level}" for level in "ABC"}
    hl.Model("y ~ f + (1 | h)", table(f=table().f.map(labels), h=table().h))
    assert not trap.exists()


HUGE = {
    "parentheses": "y ~ " + "(" * 5000 + "x" + ")" * 5000,
    "calls": "y ~ " + "I(" * 4000 + "x" + ")" * 4000,
    "braces": "y ~ " + "{" * 5000,
    "signs": "y ~ " + "-" * 5000 + "x",
    "powers": "y ~ I(x" + "**2" * 5000 + ")",
    "terms": "y ~ x" + " + z" * 250_000,
    "sum": "y ~ I(x" + "+x" * 500_000 + ")",
    "bars": "y ~ x" + " + (1|g)" * 125_000,
    "name": "y ~ " + "x" * 1_000_000,
    "number": "y ~ " + "1" * 1_000_000,
    "spaces": "y ~" + " " * 1_000_000 + "?",
    "backticks": "`" * 1_000_000,
    "tildes": "~" * 1_000_000,
    "interactions": "y ~ " + "*".join(f"a{i}" for i in range(60)),
    "constants": "y ~ I(10**10**10 * x)",
    "product": "y ~ I(x + 9**9**9)",
    "argument": "y ~ poly(x, 10**10**10)",
}


@pytest.mark.parametrize("formula", HUGE.values(), ids=HUGE)
def test_huge_formulas(formula: str) -> None:
    started = time.perf_counter()
    with pytest.raises(hl.FormulaError) as caught:
        hl.Model(formula, table())
    assert time.perf_counter() - started < 5
    assert len(str(caught.value)) < 600


def test_the_place_in_a_long_formula() -> None:
    formula = "y ~ " + " + ".join(["x"] * 100) + " + z^2 + " + " + ".join(["x"] * 100)
    with pytest.raises(hl.FormulaError) as caught:
        hl.Model(formula, table())
    _, shown, carets, _ = str(caught.value).splitlines()
    assert shown[carets.index("^") - 1 :].startswith("z^2")
    assert shown.strip().startswith("...")
    assert shown.endswith("...")


def test_a_file_of_data_is_only_read(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    file = tmp_path / "table.csv"
    pd.DataFrame({"y": [1.0, 2.5, 3.0], "g": [f"=open('{trap}')", "b", "b"]}).to_csv(file)
    with pytest.warns(hl.DesignWarning):
        hl.Model("y ~ 1 + (1 | g)", str(file))
    assert not trap.exists()
