"""Rows in chunks: the model of all rows in one table, and memory of one chunk."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hierlm as hl
from hierlm.building import extend, extend_sums
from hierlm.design.crossproducts import CrossProducts
from hierlm.engines import settings
from hierlm.engines.approximate import LaplaceEngine
from hierlm.engines.base import Engine
from hierlm.engines.packing import Packed, pack
from hierlm.engines.pymc import PymcEngine
from hierlm.engines.whitened import WhitenedEngine
from hierlm.kernels.posterior import log_posterior
from hierlm.rows import ModelRows

N = 240


def _frame() -> pd.DataFrame:
    """Return rows of which single chunks lack levels, of factors and of predictors."""
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {
            "y": 30 + rng.normal(3, 2, N),
            "x": rng.normal(1e4, 1, N),
            "w": rng.normal(size=N),
            "f": np.repeat(list("bcad"), N // 4),
            "flag": rng.choice([True, False], N),
            "size": pd.Categorical(rng.choice(["small", "big"], N), ["small", "big", "huge"]),
            "g": np.sort(rng.integers(5, 30, N)),
            "h": np.repeat(list("zyxw"), N // 4),
            "half": rng.choice([-1.0, 0.5, 10.0], N),
            "weight": rng.integers(0, 4, N),
            "se": rng.uniform(0.5, 1, N),
        }
    )
    frame.loc[[3, 77], "w"] = np.nan
    return frame


def _chunks(frame: pd.DataFrame, size: int = 37) -> Callable[[], Iterator[pd.DataFrame]]:
    return lambda: (frame[start : start + size] for start in range(0, len(frame), size))


def _pack(model: ModelRows) -> Packed:
    rows = model.rows
    return pack(model.spec, rows if isinstance(rows, CrossProducts) else CrossProducts.of(rows))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.DesignWarning)  # few levels, predictors far from zero
        warnings.simplefilter("ignore", hl.DataWarning)  # dropped rows
        yield


FORMULAS = [
    "y ~ x",
    "y ~ x + (x | g)",
    "y ~ w * f + (w || g) + (1 | h)",
    "y ~ flag + size + log(x) + I(w**2) + (1 | g/h)",
    "y ~ C(f, Sum):x + w + (0 + f | g)",
    "y ~ 0 + f + I((w > 0) * 1) + (1 | half)",
    "y ~ w + weights(weight) + (w | g)",
    "y | weights(weight) + se(se) ~ x + offset(w) + (1 | g) + (0 + w | h)",
    "log(y) ~ x + (1 | h:g)",
    "y ~ 0 + (1 | g)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_model_is_that_of_all_rows(formula: str) -> None:
    data = _frame()
    whole = hl.Model(formula, data)
    streamed = hl.Model.from_chunks(formula, _chunks(data))
    assert str(streamed.spec) == str(whole.spec)
    assert [g.levels.labels for g in streamed.spec.groups] == [
        g.levels.labels for g in whole.spec.groups
    ]
    assert streamed.spec.encoding.nested == whole.spec.encoding.nested
    pairs = [(streamed.spec.encoding.common, whole.spec.encoding.common)]
    for ours, theirs in zip(streamed.spec.groups, whole.spec.groups, strict=True):
        pairs += [(a, b) for (a, _), (b, _) in zip(ours.bars, theirs.bars, strict=True)]
    for a, b in pairs:
        np.testing.assert_allclose(a.means, b.means, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(a.scales, b.scales, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(a.rms, b.rms, rtol=1e-10)
    for first, second in zip(streamed.spec.priors, whole.spec.priors, strict=True):
        np.testing.assert_allclose(
            list(getattr(first.prior, "parameters", {}).values()),
            list(getattr(second.prior, "parameters", {}).values()),
            rtol=1e-10,
        )
    first, second = _pack(streamed), _pack(whole)
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = second.start + rng.normal(size=len(second.start))
        ours, theirs = np.empty_like(x), np.empty_like(x)
        density = log_posterior(x, ours, first.problem, first.layout)
        expected = log_posterior(x, theirs, second.problem, second.layout)
        assert density == pytest.approx(expected, rel=1e-10)


def test_every_kind_of_chunks(tmp_path: Path) -> None:
    data = _frame()
    expected = str(hl.Model.from_chunks("y ~ x + f + (1 | g)", _chunks(data)).spec)
    data.to_parquet(tmp_path / "all.parquet", row_group_size=50)
    data[:100].to_parquet(tmp_path / "1.parquet")
    data[100:].to_csv(tmp_path / "2.csv", index=False)
    for chunks in (
        [data[:7], data[7:]],
        tmp_path / "all.parquet",
        [tmp_path / "1.parquet", tmp_path / "2.csv"],
        lambda: pd.read_csv(tmp_path / "2.csv", chunksize=50),
        lambda: iter([data[:0], data.assign(w=np.nan)[:2], data]),  # nothing there, nothing left
    ):
        model = hl.Model.from_chunks("y ~ x + f + (1 | g)", chunks)
        if not callable(chunks):
            assert str(model.spec) == expected


@pytest.mark.parametrize(
    ("formula", "chunks", "error", "message"),
    [
        ("y ~ scale(x)", [], hl.FormulaError, r"scale\(\) learns from all rows at once"),
        ("y ~ x + (poly(w, 2) | g)", [], hl.FormulaError, r"poly\(\) learns from all rows"),
        ("y ~ C(half)", [_frame()], hl.FormulaError, "makes categories of numbers"),
        ("y ~ x", iter([_frame()]), hl.DataError, "an iterator can be read once"),
        ("y ~ x", "rows.csv", hl.DataError, "is no Parquet file that is there"),
        ("y ~ x", [], hl.DataError, "no rows in the chunks"),
        ("y ~ q", [_frame()], hl.MissingColumnError, "'q'"),
        ("y ~ half", [_frame(), _frame().assign(half="a")], hl.DataError, "numbers in some chunks"),
        ("y ~ x + I(2 * x)", [_frame()], hl.DataError, "cannot be told apart"),
        ("y ~ f + (1 | g)", [_frame()[:0]], hl.DataError, "no rows"),
        ("y ~ w", [_frame().assign(w=np.nan)], hl.DataError, "each of the 240 rows has a missing"),
        ("y ~ w", [_frame().assign(y=2.0)], hl.DataError, "constant: 2 in each of the 238 rows"),
        ("y ~ w + (1 | k)", [_frame().assign(k=1)], hl.DataError, "'k' has one level"),
        ("f ~ w", [_frame()], hl.FamilyError, "the response f is categorical"),
    ],
)
def test_mistakes_are_refused(
    formula: str, chunks: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hl.Model.from_chunks(formula, chunks)


def test_other_families_are_refused() -> None:
    with pytest.raises(hl.FamilyError, match="only a gaussian with an identity link allows"):
        hl.Model.from_chunks("y ~ x", [_frame()], family="student")
    fixed = {"sigma": 1.0}
    with pytest.raises(hl.EngineError, match="Read the rows into memory"):
        hl.Model.from_chunks("y ~ x", [_frame()], priors=fixed)
    model = hl.Model.from_chunks("y ~ x", [_frame()])
    with pytest.raises(hl.EngineError, match="Read the rows into memory"):
        model.fit(engine="pymc", progress=False)


@pytest.mark.parametrize("engine", [PymcEngine(), WhitenedEngine(), LaplaceEngine()])
def test_engines_that_read_rows_say_so(engine: Engine) -> None:
    """Whichever way the sums of rows come to them."""
    model = hl.Model("c ~ x", _frame().assign(c=1), family="poisson")
    sums = hl.Model.from_chunks("y ~ x", [_frame()]).rows
    given = settings(seed=1, cores=1, chains=1, progress=False)
    with pytest.raises(hl.EngineError, match=f"the {engine.name} engine reads rows"):
        engine.sample(model.spec, sums, given)


def test_one_row_in_chunks_is_refused() -> None:
    with pytest.raises(hl.DataError, match="there is one row; a model needs at least two"):
        hl.Model.from_chunks("y ~ 1 + (1 | g)", [_frame()[:1]])


def test_a_chunk_whose_rows_all_weigh_nothing() -> None:
    data = _frame().assign(weight=lambda rows: np.where(rows.index < 37, 0, rows["weight"]))
    model = hl.Model.from_chunks("y | weights(weight) ~ x + (1 | h)", _chunks(data))
    whole = hl.Model("y | weights(weight) ~ x + (1 | h)", data)
    assert model.spec.n_rows == whole.spec.n_rows
    first, second = _pack(model), _pack(whole)
    ours, theirs = np.empty_like(first.start), np.empty_like(first.start)
    density = log_posterior(first.start, ours, first.problem, first.layout)
    expected = log_posterior(first.start, theirs, second.problem, second.layout)
    assert density == pytest.approx(expected, rel=1e-10)


def test_rows_that_change_between_passes_are_refused() -> None:
    data, passes = _frame(), iter(range(9))

    def fewer() -> list[pd.DataFrame]:
        return [data[: N - 10 * next(passes)]]

    with pytest.raises(hl.DataError, match="the second pass over the chunks brought other rows"):
        hl.Model.from_chunks("y ~ w", fewer)
    passes = iter(range(9))
    with pytest.raises(hl.DataError, match="the second pass over the chunks brought other rows"):
        hl.Model.from_chunks("y ~ x + (1 | g)", lambda: [data.assign(g=data.g + next(passes))])


@pytest.fixture(scope="module")
def pair() -> tuple[hl.Fit, hl.Fit]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.HierlmWarning)
        data = _frame()
        options = {"draws": 300, "seed": 1, "progress": False}
        formula = "y ~ w + (w | g)"
        return (
            hl.Model(formula, data).fit(**options),
            hl.Model.from_chunks(formula, _chunks(data)).fit(**options),
        )


@pytest.mark.mcmc
def test_a_fit_without_rows(pair: tuple[hl.Fit, hl.Fit]) -> None:
    whole, streamed = pair
    assert "238 observations" in repr(streamed)
    assert set(streamed.idata.children) == {"posterior", "sample_stats"}
    for table in ("fixef", "ranef", "coef", "varcorr", "summary"):
        ours, theirs = getattr(streamed, table)(), getattr(whole, table)()
        scale = theirs["sd"].mean()
        pd.testing.assert_frame_equal(ours[["sd"]], theirs[["sd"]], rtol=0.2)
        if "mean" in ours:
            assert (abs(ours["mean"] - theirs["mean"]) < 0.5 * scale).all()
    reml = streamed.mle()
    assert reml.criterion == pytest.approx(whole.mle().criterion, rel=1e-8)
    new = {"w": [0.0, 1.0], "g": [7, 99]}
    table = streamed.predict(new, new_levels="sample", summary=True, seed=1)
    assert table.shape == (2, 4)
    assert "not kept" in repr(hl.Model.from_chunks("y ~ w", [_frame()]))


@pytest.mark.mcmc
@pytest.mark.parametrize("method", ["residuals", "loo", "epred", "icc", "check", "predictions"])
def test_what_needs_rows_says_so(pair: tuple[hl.Fit, hl.Fit], method: str) -> None:
    with pytest.raises(hl.DataError, match="this needs the rows, which came in chunks"):
        getattr(pair[1], method)()


@pytest.mark.mcmc
def test_a_fit_without_rows_is_not_saved(pair: tuple[hl.Fit, hl.Fit], tmp_path: Path) -> None:
    with pytest.raises(hl.DataError, match="this needs the rows"):
        pair[1].save(tmp_path / "fit.nc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("formula", [f for f in FORMULAS if "h:g" not in f])
def test_rows_added_to_sums(formula: str) -> None:
    """New levels come last, so that the density is compared, which no order changes."""
    data = _frame()
    # the first rows have every level of the predictors; g and h gain some
    data["f"], data["h"] = np.tile(list("bcad"), N // 4), data["h"].where(data["g"] > 9, "v")
    first, second = data[data.g < 24], data[data.g >= 24]
    model = hl.Model.from_chunks(formula, _chunks(first))
    spec, sums = extend_sums(model.spec, model.rows, second)
    whole = hl.Model(formula, first)
    expected = extend(whole.spec, whole.design, whole.frame, second)
    assert spec.n_rows == expected[0].n_rows
    assert spec.encoding.nested == expected[0].encoding.nested
    for ours, theirs in zip(spec.groups, expected[0].groups, strict=True):
        assert set(ours.levels.labels) == set(theirs.levels.labels)
        assert ours.levels.labels[: len(model.spec.group(ours.factor).levels.labels)] == (
            model.spec.group(ours.factor).levels.labels
        )
    ours, theirs = pack(spec, sums), pack(expected[0], CrossProducts.of(expected[1]))
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = theirs.start + rng.normal(size=len(theirs.start))
        density = log_posterior(x, np.empty_like(x), ours.problem, ours.layout)
        wanted = log_posterior(x, np.empty_like(x), theirs.problem, theirs.layout)
        assert density == pytest.approx(wanted, rel=1e-10)


@pytest.mark.mcmc
def test_a_fit_without_rows_is_updated(pair: tuple[hl.Fit, hl.Fit]) -> None:
    rows = _frame()[:50].assign(g=99)
    updated = pair[1].update(rows, draws=1000, seed=2, progress=False)
    expected = pair[0].update(rows, draws=1000, seed=2, progress=False)
    assert updated.spec.n_rows == expected.spec.n_rows == 287
    ours, theirs = updated.ranef().loc["99"], expected.ranef().loc["99"]
    assert (abs(ours["mean"] - theirs["mean"]) < 0.3 * theirs["sd"]).all()


def test_coefficients_of_another_coding_are_refused_without_rows() -> None:
    from hierlm.summaries import _check_coding

    data = _frame()
    for formula, right in [
        ("y ~ f + (f | h)", True),
        ("y ~ 0 + f + (0 + f | h)", True),
        ("y ~ x + (x | g)", True),
        ("y ~ 0 + x + (1 | g)", True),
        ("y ~ f + (0 + f | g)", False),
        ("y ~ x + I(2 * x + w) + (w | g)", False),
    ]:
        for model in (hl.Model(formula, data), hl.Model.from_chunks(formula, [data])):
            if right:
                _check_coding(model.spec, model.spec.groups[0], model.rows)
                continue
            with pytest.raises(hl.DataError, match="is a combination of"):
                _check_coding(model.spec, model.spec.groups[0], model.rows)


def test_memory_is_that_of_a_chunk() -> None:
    def chunks(count: int) -> Callable[[], Iterator[pd.DataFrame]]:
        def make() -> Iterator[pd.DataFrame]:
            for k in range(count):
                rng = np.random.default_rng(k)
                x = rng.normal(size=5_000)
                yield pd.DataFrame(
                    {"y": x + rng.normal(size=5_000), "x": x, "g": rng.integers(0, 50, 5_000)}
                )

        return make

    hl.Model.from_chunks("y ~ x + (x | g)", chunks(2))  # compiled, cached
    peaks = []
    for count in (4, 40):
        tracemalloc.start()
        model = hl.Model.from_chunks("y ~ x + (x | g)", chunks(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert model.spec.n_rows == 5_000 * count
    assert peaks[1] < 1.3 * peaks[0]
    assert peaks[1] < 200_000 * 3 * 8  # the columns of all rows
