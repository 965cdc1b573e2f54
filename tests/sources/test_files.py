"""Tables in files: the columns asked for, and what is wrong with a file."""

import gzip
import re

import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from pyarrow import parquet

from hierlm.errors import DataError, MissingColumnError
from hierlm.sources import read_columns

CSV = "y,Subject,g,t,note\n1.5,308,b,True,x\n,309,NA,False,\n2,,a,,z\n"
EXPECTED = pd.DataFrame(
    {
        "y": [1.5, None, 2.0],
        "Subject": pd.array([308, 309, None], dtype="Int64"),
        "g": ["b", None, "a"],
        "t": pd.array([True, False, None], dtype="boolean"),
        "note": ["x", None, "z"],
    }
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "data.tsv").write_text(CSV.replace(",", "\t"), encoding="utf-8")
    (tmp_path / "data.CSV.gz").write_bytes(gzip.compress(CSV.encode()))
    (tmp_path / "bom.csv").write_text(CSV.replace("\n", "\r\n"), encoding="utf-8-sig")
    EXPECTED.to_parquet(tmp_path / "data.parquet")
    return tmp_path


@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.CSV.gz", "bom.csv", "data.parquet"])
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_same_content_same_frame(folder, name, kind):
    path = kind(folder / name)
    assert_frame_equal(read_columns(path), EXPECTED)
    assert_frame_equal(read_columns(path, ["g", "y"]), EXPECTED[["g", "y"]])
    with pytest.raises(MissingColumnError, match="Did you mean 'Subject'"):
        read_columns(path, ["Subjct"])


def write(folder, text, name="file.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'file.csv' is empty."),
        ("\n\n", "'file.csv' is empty."),
        ("x,y\n", "no rows"),
        ("x,y\n1,2\n1,2,3\n", "line 3 of 'file.csv' has 3 fields, but the header names 2 columns"),
        ("x,y\n1,2,3\n", "A column of row names needs a name too."),
        ("x,y\n1\n", "line 2 of 'file.csv' has 1 fields"),
        ("x;y\n1,5;2\n", 'pandas.read_csv(path, sep=";", decimal=",")'),
        ("x,x\n1,2\n", "more than one column is called 'x'"),
        ("x\n\xe9".encode("latin-1"), "is not UTF-8"),
        ("x\n" + "a" * 200_000 + "\n", "could not be read"),
    ],
)
def test_faults_of_a_csv_file(tmp_path, text, said):
    with pytest.raises(DataError, match=re.escape(said)):
        read_columns(write(tmp_path, text))


def test_csv_details(tmp_path):
    quoted = read_columns(
        write(tmp_path, '"a b","total.fruits",\n"x, y",1,2\n\n"say ""hi""",3,4\n')
    )
    assert list(quoted) == ["a b", "total.fruits", "Unnamed: 2"]
    assert quoted["a b"].tolist() == ["x, y", 'say "hi"']
    blank = read_columns(write(tmp_path, "x,y\n,1\n,2\n"))
    assert blank["x"].isna().all()


def test_broken_files(tmp_path):
    for name in ("file.parquet", "file.csv.gz"):
        with pytest.raises(DataError, match=f"'{name}' could not be read"):
            read_columns(write(tmp_path, "not this", name))
    cut = gzip.compress(CSV.encode() * 100)[:-20]
    with pytest.raises(DataError, match="could not be read"):
        read_columns(write(tmp_path, cut, "cut.csv.gz"))


def test_parquet_keeps_categories_and_leaves_the_index_out(tmp_path):
    column = pd.Categorical(["b", "a"], categories=["c", "b", "a"], ordered=True)
    frame = pd.DataFrame({"g": column, "y": [1.0, 2.0]}, index=[5, 9])
    frame.to_parquet(tmp_path / "a.parquet")
    assert_frame_equal(read_columns(tmp_path / "a.parquet"), frame.reset_index(drop=True))
    frame.rename_axis("id").to_parquet(tmp_path / "b.parquet")
    assert read_columns(tmp_path / "b.parquet", ["id"])["id"].tolist() == [5, 9]


def test_parquet_names_with_dots(tmp_path):
    table = pa.table({"total": [1], "total.fruits": [2]})
    parquet.write_table(table, tmp_path / "a.parquet")
    for columns in (["total"], ["total.fruits"], ["total.fruits", "total"]):
        assert list(read_columns(tmp_path / "a.parquet", columns)) == columns
    assert read_columns(tmp_path / "a.parquet", ["total"])["total"].tolist() == [1]


def test_parquet_reads_only_the_columns_asked_for(tmp_path, monkeypatch):
    parquet.write_table(pa.table({"x": [1], "y": [2], "z": [3]}), tmp_path / "a.parquet")
    asked = []
    read = parquet.ParquetFile.read

    def spy(self, columns=None, **kwargs):
        asked.append(columns)
        return read(self, columns=columns, **kwargs)

    monkeypatch.setattr(parquet.ParquetFile, "read", spy)
    read_columns(tmp_path / "a.parquet", ["z", "x"])
    assert asked == [["z", "x"]]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("dta.csv", "Did you mean 'data.csv'?"),
        ("nowhere/data.csv", "does not exist"),
        ("folder.csv", "is a folder"),
        ("data.xlsx", "is not a table that hierlm can read"),
        ("sleepstudy", "hierlm.load_dataset(name)"),
    ],
)
def test_wrong_paths(folder, path, said):
    (folder / "folder.csv").mkdir()
    with pytest.raises(DataError, match=re.escape(said)):
        read_columns(folder / path)


def test_nothing_is_downloaded():
    with pytest.raises(DataError, match="never downloads"):
        read_columns("https://example.org/data.csv")


def test_home_is_understood(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert len(read_columns("~/data.csv")) == 3
