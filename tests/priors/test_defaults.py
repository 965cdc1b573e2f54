"""Default priors: what they are computed from, and the reason given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.densities import numpy_log_joint, random_values
from helpers.tables import table

import hierlm as hl
from hierlm.families import get_family


def _priors(model: hl.Model) -> dict[str, hl.priors.Prior]:
    return {item.name: item.prior for item in model.spec.priors}


def _reasons(formula: str, data: Any = None, **options: Any) -> dict[str, str]:
    spec = hl.Model(formula, table() if data is None else data, **options).spec
    return {item.name: item.reason for item in spec.priors}


MOVED = [("y", "gaussian", None), ("count", "poisson", None), ("positive", "gamma", "log")]


@pytest.mark.parametrize(("response", "family", "link"), MOVED)
def test_a_constant_in_the_offset_moves_the_intercept_only(
    response: str, family: str, link: str | None
) -> None:
    data = table(o=table().z, more=table().z + 5)
    here, there = (
        _priors(hl.Model(f"{response} ~ x + offset({o}) + (x | g)", data, family=family, link=link))
        for o in ("o", "more")
    )
    a, b = here.pop("Intercept_centered"), there.pop("Intercept_centered")
    assert (b.mu, b.sigma) == (pytest.approx(a.mu - 5), a.sigma)
    assert here == there


def test_a_rate_is_counts_over_exposure() -> None:
    exposure = np.repeat([1.0, 10.0, 1000.0], 20)
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.poisson(0.2 * exposure), "n": exposure, "k": np.tile([1, 3], 30)})
    prior = _priors(hl.Model("y ~ 1 + offset(log(n))", data, family="poisson"))
    rate = np.log(data.y.sum() / data.n.sum())
    assert prior["Intercept_centered"].mu == pytest.approx(rate, abs=0.005)
    weighted = _priors(hl.Model("y ~ 1 + offset(log(n)) + weights(k)", data, family="poisson"))
    rate = np.log(np.sum(data.k * data.y) / np.sum(data.k * data.n))
    assert weighted["Intercept_centered"].mu == pytest.approx(rate, abs=0.005)


def test_an_offset_that_explains_the_response_leaves_little_to_the_scales() -> None:
    data = table(y=1000 * table().x + table().y)
    known = _priors(hl.Model("y ~ z + offset(I(1000 * x)) + (1 | g)", data))
    plain = _priors(hl.Model("y ~ z + (1 | g)", data.assign(y=table().y)))
    assert known["sigma"] == plain["sigma"]
    assert known["sd_g[Intercept]"] == plain["sd_g[Intercept]"]
    assert known["z"] == plain["z"]


def test_other_links_take_the_mean_offset_off_the_location() -> None:
    family, o = get_family("bernoulli"), np.array([0.0, 1.0, 2.0, 5.0])
    m, s = family.location_scale([0, 1, 1, 0], offset=o)
    assert (m, s) == (pytest.approx(-2.0), 1.0)


WEIGHTED = [
    "y ~ x * f + weights(k) + (x | g)",
    "y ~ 0 + x + weights(k) + (0 + z | g)",
    "y ~ x:z + f:x + weights(k) + (x * f || g)",
    "y ~ x + offset(z) + weights(I(k)) + (1 | g/h)",
]


@pytest.mark.parametrize("formula", WEIGHTED)
def test_a_row_of_weight_k_is_k_rows(formula: str) -> None:
    data = table(k=np.random.default_rng(3).integers(0, 4, 60), x=np.exp(table().x))
    data.loc[data.f == "C", "k"] = 0  # a level that no row of weight has
    data.loc[data.k == 0, "x"] = 1e6
    repeated = data.loc[data.index.repeat(data.k)].reset_index(drop=True).assign(k=1)
    here, there = hl.Model(formula, data), hl.Model(formula, repeated)
    assert here.spec.coefs == there.spec.coefs
    assert {name: str(p) for name, p in _priors(here).items()} == {
        name: str(p) for name, p in _priors(there).items()
    }
    one, other = here.spec.encoding.common, there.spec.encoding.common
    for field in ("means", "scales", "rms"):
        np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-12)
    values = random_values(here, np.random.default_rng(1))
    assert numpy_log_joint(here, values) == pytest.approx(numpy_log_joint(there, values))


def test_rows_of_weight_zero_are_counted() -> None:
    data = table(w=np.r_[np.zeros(7), np.ones(53)])
    spec = hl.Model("y ~ x + weights(w)", data).spec
    assert (spec.n_rows, spec.dropped.rows, spec.dropped.weightless) == (53, 7, 7)
    assert "53 (7 of 60 rows dropped for weight zero)" in repr(spec)
    data.loc[[5, 6, 30], "x"] = np.nan
    with pytest.warns(hl.DataWarning, match=r"^3 of 60 rows dropped for missing values \(x 3\)\.$"):
        dropped = hl.Model("y ~ x + weights(w)", data).spec.dropped
    assert dropped.rows == 8
    expected = "3 of 60 rows dropped for missing values (x 3), 5 of 60 rows dropped for weight zero"
    assert str(dropped) == expected


def test_an_interaction_with_a_constant() -> None:
    data = table(two=np.full(60, 2.0), year=table().year)
    prior = _priors(hl.Model("y ~ year:two + (1 | g)", data))["year:two"]
    plain = _priors(hl.Model("y ~ year", data))["year"]
    assert prior.sigma == pytest.approx(plain.sigma / 2, rel=0.01)
    varying = _priors(hl.Model("y ~ x + (0 + two | g) + (0 + x:two | h)", data))
    assert varying["sd_g[two]"].sigma == pytest.approx(np.std(data.y, ddof=1) / 2, rel=0.01)
    assert np.isfinite(varying["sd_h[x:two]"].sigma)


def test_reasons_say_what_the_scale_is() -> None:
    assert _reasons("y ~ x")["x"].startswith("2.5 times the sd of the response, over")
    assert "the sd of the response less its offset" in _reasons("y ~ x + offset(z)")["x"]
    assert "one unit of the link" in _reasons("count ~ x", family="poisson")["x"]
    root = _reasons("count ~ x", family="poisson", link="sqrt")["x"]
    assert "the sd of the response times the slope of the sqrt link" in root
    assert "the sd of the log of the response" in _reasons("positive ~ x", family="lognormal")["x"]


LEVEL = [("y ~ 0 + (1 | g)", True), ("y ~ 0 + x + (x | g)", True), ("y ~ 1 + (1 | g)", False)]
LEVEL += [("y ~ 0 + f + (1 | g)", False), ("y ~ 0 + x:f + f + (1 | g)", False)]


@pytest.mark.parametrize(("formula", "carries"), LEVEL)
def test_groups_carry_the_level_where_nothing_common_does(formula: str, carries: bool) -> None:
    data = table(y=300 + table().y)
    prior = _priors(hl.Model(formula, data))["sd_g[Intercept]"]
    s = np.std(data.y, ddof=1)
    size = np.hypot(data.y.mean(), s) if carries else s
    assert prior.sigma == pytest.approx(size, rel=0.01)
    assert ("carries the level" in _reasons(formula, data)["sd_g[Intercept]"]) is carries
    if formula == "y ~ 0 + x + (x | g)":
        slope = _priors(hl.Model(formula, data))["sd_g[x]"]
        assert slope.sigma == pytest.approx(s / data.x.std(ddof=0), rel=0.01)
