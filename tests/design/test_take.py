from __future__ import annotations

import numpy as np
import pytest

import hierlm as hl


@pytest.mark.filterwarnings("ignore::hierlm.errors.DesignWarning")
@pytest.mark.parametrize("rows", [slice(1, None, 2), np.array([4, 0, 0])])
def test_some_rows_of_a_design(rows: slice | np.ndarray) -> None:
    data = {"k": [1, 2, 0, 3, 1, 2], "n": [3] * 6, "w": [1, 2, 1, 1, 3, 1], "x": np.arange(6.0)}
    formula = "k | trials(n) + weights(w) ~ x + offset(x) + (x | g)"
    design = hl.Model(formula, data | {"g": list("aabbcc")}, family="binomial").design
    part = design.take(rows)
    for name in ("X", "y", "offset", "weights", "trials"):
        np.testing.assert_array_equal(getattr(part, name), getattr(design, name)[rows])
    assert part.se is None
    assert part.coefs == design.coefs
    assert part.blocks[0].levels == ("a", "b", "c")
    np.testing.assert_array_equal(part.blocks[0].codes, design.blocks[0].codes[rows])
    np.testing.assert_array_equal(part.blocks[0].Z, design.blocks[0].Z[rows])
