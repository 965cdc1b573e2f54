"""What is allowed but worth a word: the warning, its remedy, and the line that it points at."""

import warnings
from typing import Any

import numpy as np
import pytest
from helpers.tables import N, changed, table

import hierlm as hl

THREE = {"k": np.tile(list("abc"), 20)}
GAPS = changed("y", {0: np.nan}) | changed("x", {0: np.nan, 1: np.nan})
GAPS["g"] = [None if row == 5 else group for row, group in enumerate(table().g)]

# formula; columns; options; class; what the warning says
WARNINGS: list[tuple[str, dict[str, Any], dict[str, Any], type[Warning], tuple[str, ...]]] = [
    ("y ~ x + (1|g)", GAPS, {}, hl.DataWarning,
     ("3 of 60 rows dropped for missing values (y 1, x 2, g 1)",)),
    ("y ~ x + (1|k)", THREE, {}, hl.DesignWarning,
     ("'k' has 3 levels", "its prior matters", "A common effect may serve better")),
    ("y ~ x + (1|row)", {}, {}, hl.DesignWarning,
     ("every level of 'row' has a single row", "residual sd", "Leave the bar out")),
    ("y ~ x + (x|row)", {}, {}, hl.DesignWarning,
     ("'row' has 60 levels with 2 coefficients each, more than the 60 rows", "the prior")),
    ("count ~ x + (x|row)", {}, {"family": "poisson"}, hl.DesignWarning,
     ("'row' has 60 levels with 2 coefficients each",)),
    ("y ~ year + (year|g)", {}, {}, hl.DesignWarning,
     ("'year' is far from its origin (mean 2004, sd 8.66)",
      "Centre it in both places: center(year) + (center(year) | g).")),
    ("y ~ x + (year|g)", {}, {}, hl.DesignWarning,
     ("'year' is far from its origin", "Centre it: (center(year) | g).")),
    ("y ~ year + (year||g)", {}, {}, hl.DesignWarning,
     ("'year' is far from its origin", "(center(year) | g)")),
    ("y ~ year * x + (1|g)", {}, {}, hl.DesignWarning,
     ("'year' is far from its origin", "interacts", "center(year)")),
    ("count ~ x + (1|g)", {"count": np.full(N, 3)}, {"family": "poisson"}, hl.DesignWarning,
     ("the response count is 3 in every row", "Is it the right column?")),
    ("success ~ x + (1|g)", {"success": np.ones(N)}, {"family": "bernoulli"}, hl.DesignWarning,
     ("the response success is 1 in every row", "nothing to explain")),
    ("y ~ x + (1||g)", {}, {}, hl.FormulaWarning,
     ("(1 || g) has one coefficient", "Write (1 | g)", "(1 + x || g)")),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "columns", "options", "kind", "fragments"), WARNINGS)
def test_warning(
    formula: str,
    columns: dict[str, Any],
    options: dict[str, Any],
    kind: type[Warning],
    fragments: tuple[str, ...],
) -> None:
    data = table(**columns)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = hl.Model(formula, data, **options)
    assert [(w.category, w.filename) for w in caught] == [(kind, __file__)]
    message = str(caught[0].message)
    assert [part for part in fragments if part not in message] == [], message
    assert len(message) <= 300
    if kind is hl.DesignWarning:
        assert model.spec.notes == (message,)


def test_fit_warns_at_the_callers_line() -> None:
    with pytest.warns(hl.DesignWarning) as caught, pytest.raises(hl.EngineError):
        hl.fit("y ~ x + (1|row)", table(), draws=0)
    assert [w.filename for w in caught] == [__file__]


QUIET: list[tuple[str, dict[str, Any]]] = [
    ("count ~ x + (1|row)", {"family": "poisson"}),
    ("p(hits, tries) ~ x + (1|row)", {"family": "binomial"}),
    ("y | se(s) ~ x + (1|row)", {}),
    ("y ~ year + (1|g)", {}),
    ("y ~ year + (0 + year|g)", {}),
    ("y ~ center(year) * x + (center(year)|g)", {}),
]


@pytest.mark.parametrize(("formula", "options"), QUIET)
def test_no_warning(formula: str, options: dict[str, Any]) -> None:
    assert hl.Model(formula, table(), **options).spec.notes == ()
