"""New rows: the encoding of the fit, replayed on tables of any kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from helpers.fits import synthetic_fit
from helpers.tables import table

import hierlm as hl
from hierlm.prediction import expected_response, linear_predictor, read_rows


@pytest.fixture(scope="module")
def sleep() -> hl.Fit:
    data = hl.load_dataset("sleepstudy")
    return synthetic_fit(hl.Model("Reaction ~ Days + (Days | Subject)", data), draws=50)


def _same(fit: hl.Fit, newdata: object, **options: object) -> bool:
    """Return whether `newdata`, the rows of the fit, gives what the fit's own rows give."""
    own = linear_predictor(fit.spec, fit.idata, fit.design)
    rows = read_rows(fit.spec, newdata)
    return np.allclose(linear_predictor(fit.spec, fit.idata, rows), own, rtol=1e-12)


def test_fitted_rows_equal_the_linear_predictor_of_the_design(sleep: hl.Fit) -> None:
    posterior = sleep.idata["posterior"]
    effects = posterior["r_Subject"].to_numpy().reshape(-1, 18, 2)
    beta = posterior["beta"].to_numpy().reshape(-1, 2)
    want = sleep.design.linear_predictor(beta, {"Subject": effects})
    got = linear_predictor(sleep.spec, sleep.idata, sleep.design)
    assert np.allclose(got, want, rtol=1e-13, atol=1e-13)
    tree = sleep.linpred()["predictions"]["linpred"]
    assert tree.dims == ("chain", "draw", "__obs__")
    assert np.allclose(tree.to_numpy().reshape(200, -1), want, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ scale(x) + (scale(x) | g)",
        "y ~ poly(x, 3) + (poly(x, 2) | h)",
        "y ~ bs(x, df=5) + (1 | g)",
        "y ~ f * center(year) + (f || h) + (0 + x | g)",
        "y ~ C(f, Sum) + log(positive) + offset(z) + (1 | g) + (1 | h)",
        "log(positive) ~ answer + (x | g)",
        "y ~ 0 + f + (1 | g)",
        "y ~ (1 | g:h) + (1 | h)",
        "y ~ twice(x) + (1 | g)",
    ],
)
@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.Table.from_pandas])
@pytest.mark.filterwarnings("ignore::hierlm.DesignWarning")
def test_stateful_transforms_are_replayed(formula: str, kind: object) -> None:
    data = table()
    fit = synthetic_fit(hl.Model(formula, data, functions={"twice": lambda x: 2 * x}), draws=5)
    own = linear_predictor(fit.spec, fit.idata, fit.design)
    for some in (slice(None), [5, 59, 3, 3], [7]):
        newdata = kind(data.iloc[some].reset_index(drop=True))
        got = linear_predictor(fit.spec, fit.idata, read_rows(fit.spec, newdata))
        assert np.allclose(got, own[:, some], rtol=1e-12, atol=1e-12)


def test_levels_in_another_order(sleep: hl.Fit) -> None:
    data = sleep.frame.assign(Subject=sleep.frame["Subject"].astype(str))
    order = sorted(set(data["Subject"]), reverse=True)
    shuffled = data.assign(Subject=pd.Categorical(data["Subject"], categories=[*order, "unused"]))
    assert _same(sleep, shuffled)
    assert _same(sleep, pl.DataFrame(data).with_columns(pl.col("Subject").cast(pl.Categorical)))


def test_population_predictions_need_no_grouping_column(sleep: hl.Fit) -> None:
    with_column = sleep.epred({"Days": [0, 9], "Subject": ["308", "309"]}, groups="none")
    without = sleep.epred({"Days": [0, 9]}, groups="none")
    assert without["predictions"].to_dataset().equals(with_column["predictions"].to_dataset())


def test_factors_are_chosen_by_name() -> None:
    data = hl.load_dataset("Penicillin")
    fit = synthetic_fit(hl.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", data), draws=5)
    posterior = fit.idata["posterior"]
    base = posterior["beta"].to_numpy()[..., 0]
    plate = posterior["r_plate"].sel(plate="c").to_numpy()[..., 0]
    sample = posterior["r_sample"].sel(sample_level="F").to_numpy()[..., 0]
    new = {"plate": ["c"], "sample": ["F"]}

    def eta(groups: object, newdata: dict[str, list[str]]) -> np.ndarray:
        return fit.linpred(newdata, groups=groups)["predictions"]["linpred"].to_numpy()[..., 0]

    assert np.allclose(eta("all", new), base + plate + sample)
    assert np.allclose(eta(["sample", "plate"], new), base + plate + sample)
    assert np.allclose(eta("plate", {"plate": ["c"]}), base + plate)
    assert np.allclose(eta(["sample"], {"sample": ["F"]}), base + sample)
    assert np.allclose(eta([], {"plate": ["c"]}), base)


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ("subject", "no grouping factor is called 'subject'. Did you mean 'Subject'"),
        ("nome", "Did you mean 'none'"),
        (["Subject", "School"], "no grouping factor is called 'School'"),
        (None, "groups is a word or names; came None"),
        ([1], r"groups is a word or names; came \[1\]"),
        ("x", "this model has: Subject"),
    ],
)
def test_an_unknown_factor_is_an_error(sleep: hl.Fit, groups: object, says: str) -> None:
    with pytest.raises(hl.DataError, match=says):
        sleep.epred(groups=groups)


@pytest.mark.parametrize(
    ("newdata", "says"),
    [
        ({"Subject": ["308"]}, "no column is called 'Days'"),
        ({"Days": [1]}, "'Subject'.*\n.*\n  Without a grouping column: groups='none'"),
        ({"days": [1], "Subject": ["308"]}, "Did you mean 'days'"),
        ({"Days": [1, None], "Subject": ["308"] * 2}, "'Days' has 1 missing value.*row 1"),
        ({"Days": [1, 2], "Subject": ["308", None]}, "'Subject' has 1 missing value.*row 1"),
        ({"Days": ["1"], "Subject": ["308"]}, "'Days' was a column of numbers"),
        ({"Days": [], "Subject": []}, "no rows"),
        ({"Days": [np.inf], "Subject": ["308"]}, "'Days' is infinite"),
    ],
)
def test_rows_that_cannot_be_read(sleep: hl.Fit, newdata: object, says: str) -> None:
    with pytest.raises(hl.DataError, match=says):
        sleep.epred(newdata)


def test_a_level_of_a_predictor_must_be_known() -> None:
    fit = synthetic_fit(hl.Model("y ~ f + (1 | g)", table()), draws=5)
    with pytest.raises(hl.DataError, match=r"'f' has the level 'D'[\s\S]*Its levels: A, B, C"):
        fit.epred({"f": ["D"], "g": ["g00"]})


def test_the_response_and_its_weights_are_not_needed() -> None:
    fit = synthetic_fit(hl.Model("y | weights(w) ~ x + (1 | g)", table()), draws=5)
    for verb in (fit.linpred, fit.epred, fit.predict):
        assert verb({"x": [1.0], "g": ["g00"]})["predictions"].sizes["__obs__"] == 1


def test_trials_and_known_sds_are_read_where_they_matter() -> None:
    binomial = synthetic_fit(
        hl.Model("hits | trials(tries) ~ x + (1 | g)", table(), family="binomial"), draws=5
    )
    row = {"x": [1.0, 1.0], "g": ["g00", "g00"]}
    assert binomial.linpred(row)["predictions"].sizes["__obs__"] == 2
    with pytest.raises(hl.DataError, match="'tries'"):
        binomial.epred(row)
    mean = binomial.epred(row | {"tries": [1, 7]})["predictions"]["epred"]
    assert np.allclose(7 * mean[..., 0], mean[..., 1])

    known = synthetic_fit(hl.Model("y | se(s) ~ x + (1 | g)", table()), draws=2000)
    assert known.epred(row)["predictions"].sizes["__obs__"] == 2
    with pytest.raises(hl.DataError, match="'s'"):
        known.predict(row)
    y = known.predict(row | {"s": [0.1, 4.0]}, seed=1)["predictions"]["y"]
    residual = (y - known.epred(row)["predictions"]["epred"]).to_numpy().reshape(-1, 2)
    error = np.array([0.1, 4.0]) / np.sqrt(2 * len(residual))
    assert (np.abs(residual.std(axis=0) - [0.1, 4.0]) < 5 * error).all()


def test_offsets_enter() -> None:
    fit = synthetic_fit(
        hl.Model("count ~ x + offset(log(tries)) + (1 | g)", table(), family="poisson"), draws=5
    )
    new = {"x": [0.0, 0.0], "g": ["g00", "g00"], "tries": [1.0, 5.0]}
    mean = fit.epred(new)["predictions"]["epred"]
    assert np.allclose(5 * mean[..., 0], mean[..., 1])


def test_samples_are_the_posteriors_draws(sleep: hl.Fit) -> None:
    full = expected_response(sleep.spec, sleep.idata, sleep.design)
    for samples in (slice(3, 9), np.array([5, 199])):
        some = expected_response(sleep.spec, sleep.idata, sleep.design, samples=samples)
        assert np.allclose(some, full[samples], rtol=1e-12)


def test_parts_of_rows_give_the_same(sleep: hl.Fit) -> None:
    rows = read_rows(sleep.spec, {"Days": np.arange(150) % 10, "Subject": np.arange(150) % 40})
    options = {"new_levels": "sample", "seed": 3}
    whole = linear_predictor(sleep.spec, sleep.idata, rows, **options)
    parts = [
        linear_predictor(sleep.spec, sleep.idata, rows.take(cut), **options)
        for cut in (slice(0, 7), slice(7, 100), np.arange(100, 150))
    ]
    assert np.allclose(np.hstack(parts), whole, rtol=1e-12, atol=1e-12)


def test_rows_read_otherwise_are_refused(sleep: hl.Fit) -> None:
    raw = sleep.spec.encoding.apply({"Days": [1], "Subject": ["new"]})
    with pytest.raises(hl.DataError, match="read_rows"):
        linear_predictor(sleep.spec, sleep.idata, raw)
    rows = read_rows(sleep.spec, {"Days": [1]}, "none")
    with pytest.raises(hl.DataError, match="without the factor 'Subject'"):
        linear_predictor(sleep.spec, sleep.idata, rows)


def test_a_model_without_groups() -> None:
    fit = synthetic_fit(hl.Model("y ~ x", table()), draws=5)
    new = {"x": [0.0, 1.0]}
    first = fit.epred(new)["predictions"].to_dataset()
    for groups in ("none", "integrate", []):
        assert fit.epred(new, groups=groups)["predictions"].to_dataset().equals(first)


def test_a_model_without_common_effects() -> None:
    fit = synthetic_fit(hl.Model("y ~ 0 + (1 | g)", table()), draws=5)
    eta = fit.linpred({"g": ["g03"]})["predictions"]["linpred"]
    own = fit.idata["posterior"]["r_g"].sel(g="g03", g_coef="Intercept")
    assert np.allclose(eta[..., 0], own)
    for groups in ("none", "integrate"):
        assert (fit.epred({"anything": [1, 2]}, groups=groups)["predictions"]["epred"] == 0).all()
