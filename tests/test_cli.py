"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import signal
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.fits import synthetic_fit

import hierlm as hl
from hierlm import cli
from hierlm.document import document, to_json
from hierlm.errors import DesignWarning, FormulaError, warn
from hierlm.tables import WIDTH

FORMULA = "Reaction ~ Days + (Days | Subject)"
COMMAND = [sys.executable, "-m", "hierlm"]


def run(capsys, *argv: str) -> tuple[int, str, str]:
    code = cli.main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def fit() -> hl.Fit:
    model = hl.Model(FORMULA, hl.load_dataset("sleepstudy"), priors={"Days": "normal(0, 20)"})
    return synthetic_fit(model)


# ---- help, version ----


HELP = [[], ["--help"], ["demo", "--help"], ["fit", "--help"], ["check", "--help"]]


@pytest.mark.parametrize("argv", HELP)
def test_help_is_printed_in_the_width_of_the_terminal(capsys, monkeypatch, argv):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = run(capsys, *argv)
    assert (code, err) == (0, "")
    assert out.startswith("usage: hierlm")
    assert max(map(len, out.splitlines())) <= 100


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"hierlm {hl.__version__}\n", "")


# ---- datasets ----


def test_datasets_are_listed_in_100_columns(capsys):
    code, out, err = run(capsys, "datasets")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 100
    starts = {line.split(" ")[0] for line in out.splitlines()[1:]}
    assert set(hl.list_datasets()["name"]) <= starts
    assert re.search(r"^VerbAgg +7,584  bernoulli +Which situations", out, re.MULTILINE)


def test_a_dataset_is_described(capsys):
    code, out, _ = run(capsys, "datasets", "cbpp")
    assert code == 0
    assert out.startswith("cbpp: Contagious bovine pleuropneumonia in herds\n")


def test_datasets_as_json(capsys):
    listed = json.loads(run(capsys, "datasets", "--json")[1])
    assert [row["name"] for row in listed] == list(hl.list_datasets()["name"])
    one = json.loads(run(capsys, "datasets", "sleepstudy", "--json")[1])
    assert one["formula"] == FORMULA
    assert one["columns"][0]["unit"] == "ms"


# ---- mistakes ----

SLEEP = ["fit", "sleepstudy", FORMULA]
MISTAKES = {
    "unknown command": (["fti"], "invalid choice: 'fti'"),
    "no formula": (["fit", "sleepstudy"], "arguments are required: FORMULA"),
    "unknown option": ([*SLEEP, "--draw", "5"], "unrecognized arguments: --draw"),
    "not a number": ([*SLEEP, "--draws", "many"], "--draws: invalid int value: 'many'"),
    "no draws": ([*SLEEP, "--draws", "0"], "came 0"),
    "acceptance": ([*SLEEP, "--target-accept", "1"], "target_accept"),
    "negative seed": (["demo", "--seed", "-1"], "came -1"),
    "engine": ([*SLEEP, "--engine", "pymcc"], "Did you mean 'pymc'?"),
    "sampler": ([*SLEEP, "--sampler", "stan"], "invalid choice: 'stan'"),
    "prior without =": ([*SLEEP, "--prior", "nu"], "--prior 'nu': wanted NAME=PRIOR"),
    "prior without text": ([*SLEEP, "--prior", "nu="], "--prior 'nu=': wanted NAME=PRIOR"),
    "prior without name": ([*SLEEP, "--prior", "=4"], "--prior '=4': wanted NAME=PRIOR"),
    "prior twice": ([*SLEEP, "--prior", "sd=3", "--prior", "sd=4"], "sd is given twice: 3 and 4"),
    "prior of nothing": ([*SLEEP, "--prior", "Dys=normal(0, 1)"], "Did you mean 'Days'?"),
    "prior text": ([*SLEEP, "--prior", "Days=norml(0, 1)"], "no prior is called 'norml'"),
    "centered": ([*SLEEP, "--centered", "Subjct"], "Did you mean 'Subject'?"),
    "column": (["fit", "sleepstudy", "Reaction ~ Dayss"], "Did you mean 'Days'?"),
    "family": ([*SLEEP, "--family", "gausian"], "Did you mean 'gaussian'?"),
    "link": ([*SLEEP, "--link", "logit"], "logit"),
    "no file": (["fit", "nope.csv", FORMULA], "there is no file 'nope.csv'"),
    "neither": (["fit", "sleepstdy", FORMULA], "no file 'sleepstdy', and no bundled data set"),
    "not bundled": (["fit", "rats", FORMULA], "'rats' is not bundled with hierlm"),
    "no data set": (["datasets", "sleepstdy"], "Did you mean 'sleepstudy'?"),
    "no replications": (["check", *SLEEP[1:], "--replications", "0"], "replications is a whole"),
    "level": (["check", *SLEEP[1:], "--level", "2"], "level lies between 0 and 1"),
    "improper": (["check", *SLEEP[1:], "--prior", "Days=flat()"], "Give it a proper prior"),
    "check in no folder": (["check", *SLEEP[1:], "--out", "no/where/c"], "'no/where/c' cannot be"),
    "picture": (["check", *SLEEP[1:], "--plot", "ecdf.xyz"], "'xyz', which is no kind of picture"),
    "no warm-up": ([*SLEEP, "--tune", "0"], "tune is a whole number of at least 1; came 0"),
    "check without warm-up": (["check", *SLEEP[1:], "--tune", "0"], "tune is a whole number"),
    "check without cores": (["check", *SLEEP[1:], "--cores", "-1"], "cores is a whole number"),
    "out in no folder": ([*SLEEP, "--out", "no/where/fit.nc"], "'no/where/fit.nc' cannot be writ"),
    "out is a folder": ([*SLEEP, "--out", "."], "--out '.' is a folder"),
}


@pytest.mark.parametrize(("argv", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_message_and_exit_code_2(capsys, argv, says):
    code, out, err = run(capsys, *argv, *(["--json"] if argv[0] in ("fit", "check") else []))
    assert (code, out) == (2, "")
    message = err[err.index("hierlm: ") :]
    assert re.fullmatch(r"(data: the [^\n]+\n|compiling [^\n]+\n)*hierlm: .*", err, re.DOTALL)
    assert says in " ".join(message.split())
    assert max(map(len, message.splitlines())) <= 100


def test_a_quoted_formula_is_not_wrapped(capsys):
    formula = "Reaction ~ Days + " + " + ".join(["Days"] * 12) + " + (Days | "
    with pytest.raises(FormulaError) as raised:
        hl.Model(formula, hl.load_dataset("sleepstudy"))
    quoted, caret = str(raised.value).splitlines()[1:3]
    assert len(quoted) > WIDTH
    assert caret.strip("^ ") == ""
    lines = run(capsys, "fit", "sleepstudy", formula, "--quiet")[2].splitlines()
    assert lines[1:3] == [quoted, caret]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([*SLEEP, "--sampler", "blackjax"], "pip install 'hierlm[jax]'"),
        (["demo", "--sampler", "blackjax"], "pip install 'hierlm[jax]'"),
        ([*SLEEP, "--engine", "collapsed", "--sampler", "pymc"], "only the pymc engine has"),
        ([*SLEEP, "--family", "student", "--engine", "collapsed"], "cannot take this model"),
    ],
)
def test_engines_and_samplers_are_refused_before_the_model_is_printed(
    capsys, monkeypatch, argv, says
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "blackjax" else find(name)
    )
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split())


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "is empty"), (b"a,b\n1\n", "fields"), (b"\xff\xfea", "UTF-8")]
)
def test_an_unreadable_file_is_a_mistake(capsys, tmp_path, content, says):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    code, _, err = run(capsys, "fit", str(path), "a ~ b")
    assert code == 2
    assert says in err


def test_a_mistake_in_the_shell_leaves_no_traceback():
    done = subprocess.run(
        [*COMMAND, "fit", "sleepstudy", "Reaction ~"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


# ---- arguments ----


@pytest.mark.parametrize(
    ("text", "name", "prior"),
    [
        ("Intercept=normal(250, 100)", "Intercept", "normal(250, 100)"),
        ("sd_Subject[Days]=halfnormal(20)", "sd_Subject[Days]", "halfnormal(20)"),
        ("nu=4", "nu", "4"),
        (" Days = normal(mu=0, sigma=20) ", "Days", "normal(mu=0, sigma=20)"),
        ("bs(x, df=4)[0]=normal(mu=0, sigma=1)", "bs(x, df=4)[0]", "normal(mu=0, sigma=1)"),
        ("I(x == 2)=flat()", "I(x == 2)", "flat()"),
        ("treat[a)]=flat()", "treat[a)]", "flat()"),
        ("treat[(a]=4", "treat[(a]", "4"),
    ],
)
def test_prior_is_split_outside_brackets(text, name, prior):
    assert cli.split_prior(text) == (name, prior)


def test_a_file_wins_over_a_bundled_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, found = cli.find_data("SleepStudy")
    assert isinstance(data, pd.DataFrame)
    assert found == "the bundled data set 'sleepstudy'"
    (tmp_path / "sleepstudy").mkdir()
    assert cli.find_data("sleepstudy")[1] == "the bundled data set 'sleepstudy'"
    (tmp_path / "radon").write_text("y\n1\n")
    assert cli.find_data("radon") == ("radon", "the file 'radon', not the bundled data set")
    (tmp_path / "mine.csv").write_text("y\n1\n")
    assert cli.find_data("mine.csv") == ("mine.csv", "the file 'mine.csv'")


def test_out_is_checked_without_touching_what_is_there(tmp_path):
    kept = tmp_path / "fit.nc"
    kept.write_text("old")
    cli.check_writable(str(kept))
    cli.check_writable(str(tmp_path / "new.nc"))
    assert [path.name for path in tmp_path.iterdir()] == ["fit.nc"]
    assert kept.read_text() == "old"


# ---- JSON ----


def test_document_describes_the_fit(fit):
    found = json.loads(to_json(document(fit)))
    assert found["formula"] == FORMULA
    assert (found["family"], found["link"], found["n_rows"]) == ("gaussian", "identity", 180)
    assert found["groups"] == [{"name": "Subject", "levels": 18, "coefs": ["Intercept", "Days"]}]
    assert (found["engine"], found["seed"], found["notes"]) == ("pymc", 0, [])
    assert found["timings"] == {"import": None, "compile": None, "sampling": 0.1}
    table = fit.summary()
    assert [row["name"] for row in found["parameters"]] == list(table.index)
    keys = ["name", "mean", "sd", "lower", "upper", "ess_bulk", "ess_tail", "r_hat"]
    for row, (_, expected) in zip(found["parameters"], table.iterrows(), strict=True):
        assert list(row) == keys
        assert row["mean"] == expected["mean"]
        assert row["lower"] == expected["eti89_lb"]
        assert row["upper"] == expected["eti89_ub"]
        assert row["r_hat"] == expected["r_hat"]
    assert found["interval"] == {"prob": 0.89, "kind": "eti"}
    priors = {row["name"]: row for row in found["priors"]}
    assert priors["Days"] == {
        "name": "Days",
        "prior": "Normal(0, 20)",
        "origin": "Days",
        "reason": "",
    }
    assert priors["sigma"]["origin"] == "default"
    convergence = found["convergence"]
    assert convergence["trusted"] is True
    assert (convergence["divergences"], convergence["complaints"]) == (0, [])
    assert convergence["r_hat"]["value"] == fit.convergence.r_hat.value


def test_a_chain_too_short_for_diagnostics_is_valid_json():
    model = hl.Model(FORMULA, hl.load_dataset("sleepstudy"))
    text = to_json(document(synthetic_fit(model, chains=1, draws=3)))
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["convergence"]["trusted"] is False
    assert None in {row["r_hat"] for row in found["parameters"]}


def test_json_has_plain_values_only():
    value = {"a": (np.int64(1), np.float64("nan")), 2: [math.inf, True, None, np.bool_(False)]}
    assert json.loads(to_json(value)) == {"a": [1, None], "2": [None, True, None, False]}


# ---- notes, signals, pipes ----


def test_warnings_of_hierlm_are_notes_and_others_are_not(capsys):
    with warnings.catch_warnings():
        cli._show_notes()
        for _ in range(2):
            warn("a factor with two levels", DesignWarning)
    assert capsys.readouterr().err == 2 * "note: a factor with two levels\n"
    with warnings.catch_warnings():
        cli._show_notes()
        with pytest.raises(UserWarning, match="other"):
            warnings.warn("other", UserWarning, stacklevel=1)


def test_notes_of_a_model_come_before_its_mistake(capsys, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("y,x\n1,2\n2,\n3,4\n4,5\n")
    argv = ["fit", str(path), "y ~ x", "--prior", "zebra=4"]
    code, _, err = run(capsys, *argv)
    assert code == 2
    assert re.search(r"^note: 1 of 4 rows", err, re.MULTILINE)
    assert ".py:" not in err
    assert "note:" not in run(capsys, *argv, "--quiet")[2]


def test_handlers_are_as_before_afterwards(capsys):
    handler, show, filters = signal.getsignal(signal.SIGINT), warnings.showwarning, warnings.filters
    run(capsys, "--version")
    run(capsys, "fti")
    assert signal.getsignal(signal.SIGINT) is handler
    assert (warnings.showwarning, warnings.filters) == (show, filters)


def test_ctrl_c_ends_with_130(capsys, monkeypatch, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job has none
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def busy(_):
        os.kill(os.getpid(), signal.SIGINT)
        signal.sigtimedwait([], 5)
        pytest.fail("the signal did not arrive")

    monkeypatch.setattr(cli, "_datasets", busy)
    assert run(capsys, "datasets") == (130, "", "hierlm: interrupted\n")


def test_a_reader_that_leaves_is_not_bothered():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, "datasets"], stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


# ---- check ----

CHECK = ["check", "Dyestuff", "Yield ~ 1 + (1 | Batch)", "--seed", "1", "--cores", "1"]
CHECK += ["--draws", "30", "--replications"]


def test_a_check_goes_on_where_it_stopped(capsys, tmp_path):
    out, picture = tmp_path / "check.jsonl", tmp_path / "check.svg"
    code, said, err = run(capsys, *CHECK, "2", "--out", str(out))
    assert code == 0
    assert said.startswith("Calibration of Yield ~ 1 + (1 | Batch)\n")
    assert "2 of 2 replications" in err
    assert len(out.read_text().splitlines()) == 3  # what was asked, and two records
    again = ["--out", str(out), "--plot", str(picture), "--json"]
    code, said, err = run(capsys, *CHECK, "3", *again)
    assert code == 0
    assert "2 of 3 replications were done before" in err
    found = json.loads(said)
    assert (found["ok"], found["replications"], found["seed"]) == (True, 3, 1)
    assert {row["quantity"] for row in found["tests"]} >= {"sigma", "log likelihood"}
    assert b"<svg" in picture.read_bytes()
    code, _, err = run(capsys, *CHECK, "3", "--chains", "3", "--out", str(out))
    assert code == 2
    assert "holds other replications: settings" in " ".join(err.split())


def test_a_check_that_fails_is_exit_code_1(capsys, monkeypatch):
    class Failed:
        ok = False

        def __str__(self) -> str:
            return "NOT calibrated"

    monkeypatch.setattr(cli, "calibrate", lambda *_, **__: Failed())
    assert run(capsys, *CHECK, "2", "--quiet") == (1, "NOT calibrated\n", "")


# ---- real fits ----


@pytest.mark.mcmc
def test_demo():
    done = subprocess.run([*COMMAND, "demo", "--quiet"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 100
    order = ["Reaction times under sleep deprivation", "hierlm model", "Priors", "hierlm fit"]
    order += ["Common effects", "The draws can be trusted.", "Time: import", "Try next"]
    places = [done.stdout.index(text) for text in order]
    assert places == sorted(places)


@pytest.mark.mcmc
def test_fit_prints_one_json_document_and_saves(tmp_path):
    out = tmp_path / "fit.nc"
    options = "--draws 20 --tune 30 --chains 2 --seed 3 --json --prior sigma=halfnormal(50)"
    done = subprocess.run(
        [*COMMAND, *SLEEP, *options.split(), "--centered", "Subject", "--out", str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))
    assert found["data"] == "the bundled data set 'sleepstudy'"
    assert found["convergence"]["trusted"] is False
    assert all(seconds > 0 for seconds in found["timings"].values())
    assert done.stderr.startswith("data: the bundled data set 'sleepstudy'\n")
    assert re.search(r"^note: ", done.stderr, re.MULTILINE)
    assert ".py:" not in done.stderr
    loaded = hl.load(out)
    assert loaded.spec.parameterization == {"Subject": "centered"}
    means = {row["name"]: row["mean"] for row in found["parameters"]}
    assert means == pytest.approx(loaded.summary()["mean"].to_dict())
