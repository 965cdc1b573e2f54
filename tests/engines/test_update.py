"""The same model with more rows: the density of all rows, under what was learnt from the first."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import names
from hierlm.building import extend
from hierlm.design.crossproducts import CrossProducts
from hierlm.engines.packing import Packed, pack
from hierlm.engines.warmstart import partial_correlations, starting_points
from hierlm.kernels.posterior import log_posterior, parameters
from hierlm.rows import WithRows


def _frame(n: int = 120) -> pd.DataFrame:
    """Return rows of which the later ones have levels of g and h that the first do not."""
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "y": rng.normal(3, 2, n),
            "x": rng.normal(4, 1, n),
            "w": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "g": np.where(np.arange(n) < 80, rng.integers(8, 14, n), rng.integers(4, 14, n)),
            "h": np.where(
                np.arange(n) < 80, rng.choice(list("lmn"), n), rng.choice(list("klo"), n)
            ),
            "weight": rng.integers(1, 4, n),
            "se": rng.uniform(0.5, 1, n),
        }
    )


def _model(formula: str, frame: pd.DataFrame, **options: Any) -> hl.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.DesignWarning)  # small random designs
        return hl.Model(formula, frame, **options)


def _extended(model: hl.Model, rows: pd.DataFrame) -> hl.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.DesignWarning)
        found = extend(model.spec, model.design, model.frame, rows)
    grown = object.__new__(hl.Model)
    WithRows.__init__(grown, *found)
    return grown


def _pack(model: hl.Model) -> Packed:
    return pack(model.spec, CrossProducts.of(model.design))


# with the intercept at x = 0: where it is centred, the first rows say where, and not all of them
PRIORS = {"Intercept": "normal(1, 3)", "beta": "normal(0, 4)", "sd": "exponential(1)"}
STRUCTURES = [
    ("y ~ x", {}),
    ("y ~ x + (x | g)", {}),
    ("y ~ x * f + (x || g) + (1 | h)", {}),
    ("y ~ x + (1 | g/h)", {}),
    ("y | weights(weight) + se(se) ~ x + offset(w) + (x + w | g)", {}),
    ("y ~ x + f + (x | g)", {"x": "student_t(3, 0, 1)", "f[b]": 0.3}),
]


@pytest.mark.parametrize(("formula", "priors"), STRUCTURES, ids=[s[0] for s in STRUCTURES])
def test_the_density_is_that_of_all_rows(formula: str, priors: dict[str, Any]) -> None:
    data = _frame()
    shape = {} if "se(" in formula else {"sigma": "halfnormal(3)"}
    given = PRIORS | shape | priors
    given = given if "|" in formula.split("~")[1] else {k: given[k] for k in given if k != "sd"}
    updated = _extended(_model(formula, data[:80], priors=given), data[80:])
    whole = _model(formula, data, priors=given)
    np.testing.assert_allclose(updated.design.X, whole.design.X, rtol=1e-12)
    for ours, theirs in zip(updated.design.blocks, whole.design.blocks, strict=True):
        assert ours.levels == theirs.levels
        np.testing.assert_array_equal(ours.codes, theirs.codes)
    first, second = _pack(updated), _pack(whole)
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = first.start + rng.normal(size=len(first.start))
        ours, theirs = np.empty_like(x), np.empty_like(x)
        density = log_posterior(x, ours, first.problem, first.layout)
        expected = log_posterior(x, theirs, second.problem, second.layout)
        assert density == pytest.approx(expected, rel=1e-10)
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)
    assert updated.spec.encoding.nested == whole.spec.encoding.nested


def test_encoding_and_default_priors_are_held() -> None:
    data = _frame()
    model = _model("y ~ poly(x, 2) + scale(w) + C(f, Sum) + (x | g)", data[:80])
    updated = _extended(model, data[80:])
    assert updated.spec.encoding.common == model.spec.encoding.common
    assert [str(item) for item in updated.spec.priors] == [str(item) for item in model.spec.priors]
    np.testing.assert_array_equal(updated.design.X[:80], model.design.X)
    np.testing.assert_allclose(updated.design.X, model.spec.encoding.apply(data).X, rtol=1e-9)
    assert (updated.spec.n_rows, updated.spec.added_rows) == (120, 40)
    assert "120, 40 of them added later" in str(updated.spec)


def test_rows_added_twice_are_rows_added_at_once() -> None:
    data = _frame()
    model = _model("y ~ x + (x | g) + (1 | h)", data[:80])
    once = _extended(model, data[80:])
    twice = _extended(_extended(model, data[80:95]), data[95:])
    assert str(once.spec) == str(twice.spec)
    pd.testing.assert_frame_equal(once.frame, twice.frame)
    for first, second in zip(once.design.blocks, twice.design.blocks, strict=True):
        assert first.levels == second.levels
        np.testing.assert_array_equal(first.codes, second.codes)


@pytest.mark.parametrize(
    ("first", "second", "levels"),
    [
        ([10, 9], [11, 2], ("2", "9", "10", "11")),
        ([10, 9], [11.0, 2.0], ("2", "9", "10", "11")),
        ([10, 9], ["11", "9"], ("9", "10", "11")),
        (["b", "a"], pd.Categorical(["c", "a"]), ("a", "b", "c")),
        (pd.Categorical(["b", "a"], ["b", "a", "z"]), ["c", "a"], ("b", "a", "c")),
        (pd.Categorical(["b", "a"], ["b", "a"]), pd.Categorical(["d", "c"], ["d", "c"]),
         ("b", "a", "d", "c")),
        (pd.Categorical([3, 1]), [2, 1], ("1", "3", "2")),
        ([True, False], [True, False], ("False", "True")),
    ],
)  # fmt: skip
def test_levels_of_either_kind_of_column(first: Any, second: Any, levels: tuple[str, ...]) -> None:
    def table(labels: Any) -> pd.DataFrame:
        column = pd.Series(labels)
        return pd.DataFrame({"y": [1.0, 2, 5, 3, 2, 4], "g": pd.concat([column] * 3).to_numpy()})

    def rows(labels: Any) -> pd.DataFrame:
        frame = table(np.asarray(labels))
        if isinstance(labels, pd.Categorical):
            frame["g"] = pd.Categorical(frame["g"], labels.categories)
        return frame

    model = _model("y ~ 1 + (1 | g)", rows(first))
    updated = _extended(model, rows(second))
    assert updated.design.blocks[0].levels == levels
    codes = updated.design.blocks[0].codes
    shown = [levels[code] for code in codes]
    assert shown[:6] == [model.design.blocks[0].levels[c] for c in model.design.blocks[0].codes]
    assert set(shown[6:]) == {str(int(v)) if isinstance(v, float) else str(v) for v in second}


def test_bools_added_to_zeros_and_ones() -> None:
    data = _frame().assign(x=lambda rows: (rows["x"] > rows["x"].median()).astype(int))
    model = _model("y ~ x + (1 | g)", data[:80])
    updated = _extended(model, data[80:].assign(x=lambda rows: rows["x"] == 1))
    np.testing.assert_array_equal(updated.design.X, _model("y ~ x + (1 | g)", data).design.X)


def test_a_new_level_of_a_predictor_is_refused() -> None:
    data = _frame()
    model = _model("y ~ f + (1 | g)", data[:80])
    with pytest.raises(hl.DataError, match="'f' has the level 'd', which was not in the data"):
        _extended(model, data[80:].assign(f="d"))
    with pytest.raises(hl.MissingColumnError, match="'g'"):
        _extended(model, data[80:].drop(columns="g"))
    with pytest.raises(hl.DataError, match="'y' was a column of numbers"):
        _extended(model, data[80:].assign(y="many"))


def test_incomplete_and_weightless_rows_are_left_out_and_counted() -> None:
    data = _frame()
    model = _model("y ~ x + weights(weight) + (1 | g)", data[:80])
    rows = data[80:].reset_index(drop=True)
    rows.loc[3, "x"] = np.nan
    rows.loc[5, "weight"] = 0
    with pytest.warns(hl.DataWarning, match="1 of 40 rows dropped for missing values"):
        updated = _extended(model, rows)
    assert updated.spec.n_rows == updated.design.n == len(updated.frame) == 118
    dropped = updated.spec.dropped
    assert (dropped.total, dropped.rows, dropped.weightless) == (120, 2, 1)


def test_other_families_are_checked_too() -> None:
    data = hl.load_dataset("cbpp")
    model = _model("p(incidence, size) ~ period + (1 | herd)", data[:40], family="binomial")
    updated = _extended(model, data[40:])
    assert len(updated.design.blocks[0].levels) == 15
    bad = data[40:].assign(incidence=99)
    with pytest.raises(hl.FamilyError, match="99"):
        _extended(model, bad)


def test_an_updated_fit_is_saved_and_loaded(tmp_path: Path) -> None:
    data = _frame()
    data["g"] = data["g"].astype(str).astype("category")
    model = _extended(_model("y ~ poly(x, 2) + f + (x | g) + (1 | h)", data[:80]), data[80:])
    fit = synthetic_fit(model)
    fit.save(tmp_path / "fit.nc")
    loaded = hl.load(tmp_path / "fit.nc")
    assert str(loaded.spec) == str(model.spec)
    assert loaded.spec.encoding.common == model.spec.encoding.common
    np.testing.assert_array_equal(loaded.design.X, model.design.X)
    assert [b.levels for b in loaded.design.blocks] == [b.levels for b in model.design.blocks]
    assert repr(loaded) == repr(fit)
    again = _extended(loaded, data[:10])  # and it can be updated again
    assert again.spec.added_rows == 50
    np.testing.assert_array_equal(again.spec.encoding.apply(data).X, model.design.X)


@pytest.mark.parametrize(
    ("formula", "priors"),
    [
        ("y ~ x + (x + w | g) + (1 | h)", {}),
        ("y ~ x + (x || g)", {"sd_g[x]": 0.4, "sigma": "uniform(0, 9)"}),
        ("y ~ x + (x | g)", {"x": "student_t(3, 0, 1)", "Intercept_centered": "cauchy(0, 5)"}),
    ],
)
def test_starting_points_are_the_draws(formula: str, priors: dict[str, Any]) -> None:
    model = _model(formula, _frame(), priors=priors)
    fit = synthetic_fit(model, chains=2, draws=10)
    packed = _pack(model)
    points = starting_points(model.spec, packed, fit.idata)
    (nf, q), c = packed.layout.sd_at.shape, packed.coefficients
    out = np.empty((len(points), nf * q + nf * q * q + 1 + len(c.kept)))
    parameters(points, packed.layout, out)
    posterior = fit.idata["posterior"].to_dataset().stack(s=("chain", "draw"), create_index=False)
    for k, position in enumerate(packed.order):
        group = model.spec.groups[position]
        width = len(group.coefs)
        free = packed.layout.sd_at[k, :width] >= 0
        expected = posterior[names.sd(group.factor)].transpose("s", ...).to_numpy()[:, free]
        np.testing.assert_allclose(out[:, k * q : k * q + width][:, free], expected, rtol=1e-10)
        if group.covariance.pairs:
            C = out[:, nf * q + k * q * q : nf * q + (k + 1) * q * q].reshape(-1, q, q)
            R = C @ C.transpose(0, 2, 1)
            first, second = np.array(group.covariance.pairs).T
            expected = posterior[names.cor(group.factor)].transpose("s", ...).to_numpy()
            np.testing.assert_allclose(R[:, first, second], expected, atol=1e-9)
    np.testing.assert_allclose(out[:, nf * q + nf * q * q], posterior["sigma"], rtol=1e-10)
    model_scale = out[:, out.shape[1] - len(c.kept) :]
    raw = posterior["beta"].transpose("s", ...).to_numpy()
    np.testing.assert_allclose(
        model_scale, np.linalg.solve(c.to_raw, raw.T).T[:, c.kept], rtol=1e-10
    )


def test_a_correlation_of_one_has_a_coordinate() -> None:
    assert np.isfinite(partial_correlations(np.ones((1, 3, 3)))).all()


@pytest.mark.mcmc
def test_the_posterior_is_that_of_all_rows() -> None:
    data = hl.load_dataset("sleepstudy")
    late = (data["Days"] > 7) | (data["Subject"].astype(str) > "350")
    formula = "Reaction ~ Days + (Days | Subject)"
    first = hl.fit(formula, data[~late], seed=1, progress=False)
    updated = first.update(data[late], draws=2000, seed=2, progress=False)
    given = {item.name: item.prior for item in first.spec.priors}
    whole = hl.fit(formula, data, priors=given, draws=2000, seed=3, progress=False)
    assert updated.convergence.trusted
    assert updated.spec.n_rows == 180
    assert updated.idata.attrs["tune"] < whole.idata.attrs["tune"]
    ours, theirs = updated.summary(), whole.summary()
    # the intercept's prior is at the means of the first rows, so wide that it does not matter
    error = np.hypot(ours["mcse_mean"], theirs["mcse_mean"])
    assert (abs(ours["mean"] - theirs["mean"]) < 5 * error).all()
    error = np.hypot(ours["mcse_sd"], theirs["mcse_sd"])
    assert (abs(ours["sd"] - theirs["sd"]) < 5 * error).all()
    effects, expected = updated.ranef(), whole.ranef()
    assert effects.index.equals(expected.index)
    assert (abs(effects["mean"] - expected["mean"]) < 0.1 * expected["sd"]).all()


@pytest.mark.mcmc
def test_the_pymc_engine_fits_all_rows_again() -> None:
    data = hl.load_dataset("Dyestuff")
    small = {"draws": 300, "tune": 500, "chains": 2, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.ConvergenceWarning)  # short chains
        fit = hl.fit("Yield ~ 1 + (1 | Batch)", data[:25], seed=1, engine="pymc", **small)
        updated = fit.update(data[25:], seed=2, tune=500, progress=False)
    assert updated.engine == "pymc"
    assert updated.spec.n_rows == 30
    assert list(updated.idata["posterior"]["Batch"].values) == list("ABCDEF")
    assert updated.idata.attrs["draws"] == 300
    assert updated.idata.attrs["chains"] == 2
