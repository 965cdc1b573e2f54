"""Bundled data against the schema that the reference fits were run with.

schema.json: types and level orders as written by R 4.2.2 (lme4 1.1-31, nlme 3.1-162, ...).
"""

import gzip
import hashlib
import json
import re
import socket
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hierlm.datasets import catalog, describe_dataset, list_datasets, load_dataset
from hierlm.errors import DatasetError

SCHEMA = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
FOLDER = Path(str(resources.files("hierlm.datasets"))) / "csv"
NAMES = sorted(SCHEMA)
DTYPES = {"float": "float64", "integer": "int64", "factor": "category", "ordered": "category"}


def raw_csv(name):
    packed = FOLDER / f"{name}.csv.gz"
    if packed.is_file():
        return gzip.decompress(packed.read_bytes())
    return (FOLDER / f"{name}.csv").read_bytes()


def test_the_catalogue_the_files_and_the_schema_name_the_same_data_sets():
    files = {path.name.removesuffix(".gz").removesuffix(".csv") for path in FOLDER.iterdir()}
    assert files == set(catalog()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_frame_agrees_with_the_schema(name):
    table = load_dataset(name)
    columns = SCHEMA[name]["columns"]
    assert list(table.columns) == list(columns)
    assert len(table) == SCHEMA[name]["rows"] == catalog()[name].rows
    assert not table.isna().any(axis=None)
    for column, expected in columns.items():
        assert table[column].dtype == DTYPES[expected["type"]]
        if "levels" in expected:
            assert list(table[column].cat.categories) == expected["levels"]
            assert table[column].cat.ordered == (expected["type"] == "ordered")
            assert {type(level) for level in table[column].cat.categories} == {str}


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_is_the_one_in_the_file(name):
    text = raw_csv(name).decode()
    rows = [line.split(",") for line in text.splitlines()[1:]]
    table = load_dataset(name)
    for position, column in enumerate(table.columns):
        cells = [row[position] for row in rows]
        if table[column].dtype == "category":
            assert table[column].tolist() == cells
        else:
            assert table[column].tolist() == [float(cell) for cell in cells]


@pytest.mark.parametrize("name", NAMES)
def test_file_has_the_recorded_checksum(name):
    assert hashlib.sha256(raw_csv(name)).hexdigest() == catalog()[name].sha256


def test_gzip_files_carry_no_time_and_the_folder_stays_small():
    for path in FOLDER.glob("*.gz"):
        assert path.read_bytes()[4:8] == bytes(4)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 320_000


def test_columns_that_may_not_be_bundled_are_left_out():
    assert list(load_dataset("radon")) == ["floor", "county", "log_radon", "log_uranium"]
    assert "y5" not in load_dataset("clark_ris")


@pytest.mark.parametrize("name", NAMES)
def test_formula_names_only_columns_of_its_data_set(name):
    dataset = catalog()[name]
    if not dataset.formula:
        assert dataset.note
        return
    words = set(re.findall(r"[A-Za-z_][\w.]*", dataset.formula)) - {"p", "se", "C", "I"}
    assert words <= {column.name for column in dataset.columns}
    assert "|" in dataset.formula


@pytest.mark.parametrize("name", NAMES)
def test_entries_are_complete(name):
    dataset = catalog()[name]
    for text in (dataset.title, dataset.source, dataset.licence, dataset.reference):
        assert text.strip()
    assert dataset.question.endswith("?")
    assert dataset.family in {"gaussian", "binomial", "bernoulli", "poisson", "negbinomial", ""}
    assert all(column.meaning for column in dataset.columns)


def test_readme_cites_every_file():
    readme = resources.files("hierlm.datasets").joinpath("README.md").read_text(encoding="utf-8")
    for name, dataset in catalog().items():
        assert f"| {name} |" in readme
        assert dataset.reference in readme
        assert dataset.licence.replace("|", "\\|") in readme


def test_list_has_one_row_per_data_set():
    table = list_datasets()
    assert table["name"].tolist() == sorted(NAMES, key=str.casefold)
    assert {"rows", "question", "formula", "family", "source", "licence"} <= set(table)
    assert table["rows"].dtype == np.int64


def test_case_may_differ():
    pd.testing.assert_frame_equal(load_dataset("dyestuff"), load_dataset("Dyestuff"))
    assert load_dataset("DYESTUFF2").attrs["dataset"] == "Dyestuff2"


def test_each_call_returns_a_fresh_frame():
    first = load_dataset("cbpp")
    first["size"] = 0
    assert load_dataset("cbpp")["size"].min() > 0


def test_attrs_survive_and_trip_nothing(tmp_path):
    table = load_dataset("cbpp")
    pd.concat([table, table]).merge(table, on="herd")
    table.groupby("herd", observed=True)["size"].mean()
    pd.concat([table, load_dataset("Pastes")])
    table.to_parquet(tmp_path / "cbpp.parquet")
    assert table.attrs["licence"] == "GPL (>= 2)"


def test_loading_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    assert len(load_dataset("VerbAgg")) == 7584


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("slepstudy", "Did you mean 'sleepstudy'?"),
        ("zebra", "There are: Arabidopsis, BodyWeight, cake,"),
        ("mine.csv", "give its path as the data"),
        (3, "no bundled data set is called '3'."),
        ("not_bundled", "no bundled data set"),
    ],
)
def test_unknown_name(name, said):
    with pytest.raises(DatasetError, match=re.escape(said)):
        load_dataset(name)


@pytest.mark.parametrize("name", ["lexdec", "rats", "InstEval", "kidney", "inhaler", "insteval"])
def test_known_but_not_bundled(name):
    with pytest.raises(DatasetError, match=r"is not bundled with hierlm: .*\n.*give its path"):
        load_dataset(name)
    with pytest.raises(DatasetError, match="not bundled"):
        describe_dataset(name)


@pytest.mark.parametrize("name", NAMES)
def test_card_names_every_column_and_fits_the_page(name):
    card = describe_dataset(name)
    for column in catalog()[name].columns:
        assert re.search(rf"^  {re.escape(column.name)} ", card, flags=re.MULTILINE)
    assert max(len(line) for line in card.splitlines()) <= 88
    assert card.startswith(f"{name}: ")


def test_card_shows_units_and_the_order_of_levels():
    card = describe_dataset("cake")
    assert "breaking angle (degrees)" in card
    assert "6 levels: 175 < 185 < 195 < 205 < 215 < 225" in card
    assert "316 levels: 1, 2, 3, 4, 5, 6, ..., 316" in describe_dataset("VerbAgg")
