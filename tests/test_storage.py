"""Saving and loading: the same fit, one file, nothing executed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit
from helpers.saved import edited

import hierlm as hl


def _round_trip(model: hl.Model, path: Path) -> tuple[hl.Fit, hl.Fit]:
    fit = synthetic_fit(model)
    fit.save(path)
    return fit, hl.load(path)


def test_a_loaded_fit_is_the_fit(tmp_path: Path) -> None:
    data = hl.load_dataset("sleepstudy")
    fit, loaded = _round_trip(
        hl.Model("Reaction ~ poly(Days, 2) + (Days | Subject)", data), tmp_path / "fit.nc"
    )
    assert repr(loaded) == repr(fit)
    assert loaded.idata["posterior"].to_dataset().equals(fit.idata["posterior"].to_dataset())
    assert pytest.approx(fit.design.X) == loaded.design.X
    assert list(tmp_path.iterdir()) == [tmp_path / "fit.nc"]


def test_every_kind_of_column_survives(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n = 40
    data = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "flag": rng.integers(0, 2, n).astype(bool),
            "my col": rng.normal(size=n),
            "size": pd.Categorical(
                rng.choice(["small", "large", "mid"], n), ["small", "mid", "large", "unused"]
            ),
            "site": rng.choice(["north/1", "süd", "<b>"], n),
            "id": np.repeat(np.arange(308, 318), 4),
        }
    )
    with pytest.warns(hl.DesignWarning, match="'site' has 3 levels"):
        model = hl.Model("y ~ flag + `my col` + size + (1 | id) + (1 | site)", data)
    fit, loaded = _round_trip(model, tmp_path / "fit.nc")
    assert loaded.spec.coefs == fit.spec.coefs
    assert pytest.approx(fit.design.X) == loaded.design.X
    assert [g.levels.labels for g in loaded.spec.groups] == [
        g.levels.labels for g in fit.spec.groups
    ]
    assert str(loaded.spec) == str(fit.spec)


def test_dropped_rows_are_remembered(tmp_path: Path) -> None:
    data = hl.load_dataset("sleepstudy")
    data.loc[3, "Days"] = np.nan
    with pytest.warns(hl.DataWarning, match="1 of 180 rows dropped"):
        model = hl.Model("Reaction ~ Days + (1 | Subject)", data)
    _, loaded = _round_trip(model, tmp_path / "fit.nc")
    assert loaded.spec.dropped.rows == 1
    assert "1 of 180 rows dropped for missing values (Days 1)" in repr(loaded)


def test_own_functions_come_from_the_caller(tmp_path: Path) -> None:
    data = hl.load_dataset("sleepstudy")
    functions = {"half": lambda x: x / 2}
    fit = synthetic_fit(
        hl.Model("Reaction ~ half(Days) + (1 | Subject)", data, functions=functions)
    )
    fit.save(tmp_path / "fit.nc")
    with pytest.raises(hl.FormulaError, match="half"):
        hl.load(tmp_path / "fit.nc")
    assert hl.load(tmp_path / "fit.nc", functions=functions).spec.coefs == fit.spec.coefs
    with pytest.raises(hl.DataError, match="computes are not those of the fit"):
        hl.load(tmp_path / "fit.nc", functions={"half": lambda x: x / 3})


@pytest.mark.parametrize(
    "formula", ["half(Reaction) ~ 1 + (1 | Subject)", "Days ~ (half(Reaction) | Subject)"]
)
def test_other_functions_are_noticed_wherever_they_are(tmp_path: Path, formula: str) -> None:
    data = hl.load_dataset("sleepstudy")
    functions = {"half": lambda x: x / 2}
    fit = synthetic_fit(hl.Model(formula, data, functions=functions))
    fit.save(tmp_path / "fit.nc")
    assert hl.load(tmp_path / "fit.nc", functions=functions).fixef().equals(fit.fixef())
    with pytest.raises(hl.DataError, match="computes are not those of the fit"):
        hl.load(tmp_path / "fit.nc", functions={"half": lambda x: x / 3})


def test_a_failed_save_leaves_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.nc"
    fit = synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff")))
    fit.save(path)
    before = path.read_bytes()

    def full(self: object, *args: object, **kwargs: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(type(fit.idata), "to_netcdf", full)
    with pytest.raises(OSError, match=r"fit.nc' could not be written: No space left"):
        fit.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    fit = synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff")))
    fit.save(path)
    (tmp_path / "short.nc").write_bytes(path.read_bytes()[:2000])
    (tmp_path / "text.nc").write_text("hello")
    fit.idata["posterior"].to_dataset().to_netcdf(tmp_path / "plain.nc", engine="h5netcdf")
    for name, message in [
        ("short.nc", "is not a fit that hierlm saved, or it was cut off"),
        ("text.nc", "is not a fit that hierlm saved"),
        ("plain.nc", "is not a fit that hierlm saved"),
        ("none.nc", "there is no file"),
    ]:
        with pytest.raises(hl.DataError, match=message):
            hl.load(tmp_path / name)


def test_another_format_and_edited_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"))).save(path)
    with edited(path) as file:
        file.attrs["hierlm_format"] = 99
    with pytest.raises(hl.DataError, match=r"format 99; this version of hierlm reads format 1"):
        hl.load(path)
    with edited(path) as file:
        file.attrs["hierlm_format"] = 1
        codes = file["model_frame/column_1"]
        codes[codes[:] == 5] = 0  # a level loses all its rows
    with pytest.raises(hl.DataError, match="its draws and rows differ in 'Batch'"):
        hl.load(path)


@pytest.mark.parametrize(
    "dropped",
    [
        '{"total": 32, "rows": 3, "by_column": {}}',  # of 30 rows
        '{"total": 30, "rows": 0, "by_column": []}',
    ],
)
def test_counts_that_do_not_add_up_are_refused(tmp_path: Path, dropped: str) -> None:
    path = tmp_path / "fit.nc"
    synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"))).save(path)
    with edited(path) as file:
        file.attrs["dropped"] = dropped
    with pytest.raises(hl.DataError, match="is damaged: ValueError, dropped is"):
        hl.load(path)


def test_statistics_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fit.nc"
    synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff"))).save(path)
    with edited(path) as file:
        del file["sample_stats/diverging"]
        file["sample_stats/diverging"] = "none"
    with pytest.raises(hl.DataError, match="'diverging' is not a number per draw"):
        hl.load(path)


ODD = {
    "dates": pd.Series(pd.date_range("2020-01-01", periods=10)),
    "zoned": pd.Series(pd.date_range("2020-10-20", periods=10, tz="Europe/Berlin")),
    "durations": pd.Series(pd.to_timedelta(np.arange(5, 15), unit="D")),
    "floats": pd.Series(pd.Categorical(np.arange(10.0)[::-1], np.arange(12.0)[::-1])),
    "halves": pd.Series(pd.Categorical(np.arange(10) / 2)),
    "bools": pd.Series(pd.Categorical([True, False] * 5)),
    "whole numbers": pd.Series([f"{k}" for k in range(3, 13)]),
    "text": pd.Series([*"ba", "", "nan", "None", " x", "x ", "ü", "\U0001f40d", "1.0"]),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore::hierlm.DesignWarning")
def test_levels_of_any_kind_survive(tmp_path: Path, kind: str) -> None:
    group = ODD[kind].sample(frac=1, random_state=1)
    data = pd.DataFrame({"g": pd.concat([group] * 4, ignore_index=True)})
    data["y"] = np.random.default_rng(1).normal(size=len(data))
    fit, loaded = _round_trip(hl.Model("y ~ 1 | g", data), tmp_path / "fit.nc")
    assert loaded.spec.groups[0].levels.labels == fit.spec.groups[0].levels.labels
    assert (loaded.design.blocks[0].codes == fit.design.blocks[0].codes).all()
    # the original table can be coded by the loaded model
    again = loaded.spec.encoding.apply(data)
    assert (again.blocks[0].codes == fit.design.blocks[0].codes).all()


@pytest.mark.parametrize("label", ["a\0", "a\0b"])
def test_levels_that_netcdf_cannot_hold_are_refused_when_saving(tmp_path: Path, label: str) -> None:
    data = {"y": [1.0, 2, 4, 3, 5, 7], "g": [label, "b", "c"] * 2}
    with pytest.warns(hl.DesignWarning):
        fit = synthetic_fit(hl.Model("y ~ 1 | g", pd.DataFrame(data, dtype=object)))
    with pytest.raises(hl.DataError, match=r"do not survive|cannot be written"):
        fit.save(tmp_path / "fit.nc")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    fit = synthetic_fit(hl.Model("Yield ~ 1 | Batch", hl.load_dataset("Dyestuff")), draws=5)
    with pytest.raises(hl.DataError, match=r"fit\.nc' cannot be written: there is no folder"):
        fit.save(tmp_path / "none" / "fit.nc")
    with pytest.raises(hl.DataError, match="is a folder"):
        fit.save(tmp_path)
    name = "x" * 300  # too long for a file system
    with pytest.raises(OSError, match=r"too long: .*xxx") as raised:
        fit.save(tmp_path / name)
    assert ".part" not in str(raised.value)
    fit.save(tmp_path / ("x" * 250))  # its temporary file needs no longer name
