from __future__ import annotations

import time
import warnings

import numpy as np
import pytest

import hierlm as hl
from hierlm.checking import Report, check_model
from hierlm.checking.structure import serial


def check(formula: str, data: object, **options: object) -> Report:
    if isinstance(data, str):
        data = hl.load_dataset(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hl.DesignWarning)
        model = hl.Model(formula, data, **options)
    return check_model(model.spec, model.design, model.frame)


def texts(report: Report, topic: str) -> str:
    return " ".join(finding.text for finding in report.about(topic))


def worst(report: Report, topic: str) -> str:
    return report.about(topic)[-1].severity


def test_a_good_design_has_nothing_to_worry_about() -> None:
    report = check("Reaction ~ Days + (Days | Subject)", "sleepstudy")
    assert report.ok
    assert bool(report)
    assert {finding.severity for finding in report} == {"ok"}
    assert str(report).splitlines()[-1] == "Nothing to worry about."
    assert "18 levels with 10 rows each: balanced" in str(report)
    assert "2 sds and 1 correlation, learnt from 18 levels" in texts(report, "covariance")


def test_a_slope_that_could_vary_is_named_with_the_maximal_bar() -> None:
    report = check("Reaction ~ Days + (1 | Subject)", "sleepstudy")
    assert report.ok
    assert "(1 + Days | Subject)" in texts(report, "slopes")
    assert worst(report, "slopes") == "note"


def test_interactions_need_all_their_parts_to_vary() -> None:
    data = {
        "y": np.arange(16.0),
        "a": np.tile([0.0, 1.0], 8),
        "b": np.repeat([0.0, 1.0], 8),
        "g": np.repeat(np.arange(101, 109), 2),
    }
    text = texts(check("y ~ a * b + (1 | g)", data), "slopes")
    assert "Within g, a varies" in text
    assert "b is constant within each level of g" in text
    assert "has (1 + a | g)" in text


def test_a_slope_on_what_does_not_vary_is_a_warning() -> None:
    report = check("TICKS ~ cHEIGHT + (cHEIGHT | BROOD)", "grouseticks", family="poisson")
    assert "no level shows a slope" in texts(report, "slopes")
    assert worst(report, "slopes") == "warning"
    assert not report.ok


def test_a_predictor_may_vary_within_some_levels_only() -> None:
    data = {"y": [1.0, 2, 3, 4], "x": [0.0, 1, 2, 2], "g": ["p", "p", "q", "q"]}
    assert "x (in 1 of 2) varies" in texts(check("y ~ x + (1 | g)", data), "slopes")


def test_nested_factors_are_nested() -> None:
    report = check("strength ~ 1 + (1 | batch / cask)", "Pastes")
    assert "batch:cask is nested in batch: each of its 30 levels" in texts(report, "nesting")
    assert worst(report, "nesting") == "ok"
    explicit = check("strength ~ 1 + (1 | sample) + (1 | batch)", "Pastes")
    assert "sample is nested in batch" in texts(explicit, "nesting")


def test_labels_used_anew_in_each_parent_are_asked_about() -> None:
    report = check("strength ~ 1 + (1 | batch) + (1 | cask)", "Pastes")
    assert "Are the labels of cask (a, b and c) used anew in each batch?" in str(
        texts(report, "nesting")
    )
    assert "(1 | batch/cask)" in texts(report, "nesting")
    assert worst(report, "nesting") == "warning"


def test_truly_crossed_factors_are_not_asked_about() -> None:
    report = check("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin")
    assert texts(report, "nesting") == (
        "plate and sample are crossed: each of their 144 combinations occurs."
    )
    assert worst(report, "nesting") == "ok"


def test_partly_crossed() -> None:
    data = {"y": np.arange(6.0), "a": list("uuvvww"), "b": list("ppqqrr")}
    data["b"] = ["p", "q", "q", "r", "r", "p"]
    report = check("y ~ 1 + (1 | a) + (1 | b)", data)
    assert "partly crossed: 6 of 9" in texts(report, "nesting")


def test_labels_may_start_anew_in_a_treatment() -> None:
    report = check("angle ~ recipe + (1 | replicate)", "cake")
    assert "(1 | recipe:replicate)" in texts(report, "nesting")
    assert report.about("nesting")[0].severity == "note"


def test_two_factors_that_are_one() -> None:
    data = {"y": np.arange(6.0), "a": list("uuvvww"), "b": [9, 9, 4, 4, 7, 7]}
    report = check("y ~ 1 + (1 | a) + (1 | b)", data)
    assert "group the rows alike" in texts(report, "nesting")
    assert not report.ok


def test_many_parameters_from_few_levels() -> None:
    report = check("score ~ Machine + (Machine | Worker)", "Machines")
    assert "6 parameters, for which 30 levels would be comfortable" in texts(report, "covariance")
    assert worst(report, "covariance") == "warning"
    fewer = check("score ~ Machine + (Machine || Worker)", "Machines")
    assert worst(fewer, "covariance") == "note"
    assert "'||'" not in texts(fewer, "covariance")


@pytest.mark.parametrize(
    ("family", "severity", "words"),
    [
        ("poisson", "ok", "stands for overdispersion"),
        ("bernoulli", "warning", "comes from its prior alone"),
        ("negbinomial", "warning", "cannot be told apart"),
    ],
)
def test_a_level_per_row(family: str, severity: str, words: str) -> None:
    data = {"y": [0, 1, 1, 0, 1, 0], "row": list(range(6))}
    report = check("y ~ 1 + (1 | row)", data, family=family)
    assert words in texts(report, "replication")
    assert worst(report, "replication") == severity


def test_what_the_model_was_warned_of_is_there_once() -> None:
    data = {"y": [1.0, 2.0, 4.0, 3.0], "g": [1, 2, 3, 4]}
    report = check("y ~ 1 + (1 | g)", data)
    assert str(report).count("cannot be told apart") <= 1
    assert "single row" in texts(report, "design")


def test_without_bars() -> None:
    assert "no grouping factor" in str(check("Reaction ~ Days", "sleepstudy"))


def test_serial_labels_stop_at_what_a_study_is_numbered_with() -> None:
    assert serial(tuple(map(str, range(1, 51))))
    assert not serial(tuple(map(str, range(1, 52))))
    assert not serial(("1",))


def test_a_report_is_a_frame_and_severities_are_counted() -> None:
    report = check("strength ~ 1 + (1 | batch) + (1 | cask)", "Pastes")
    frame = report.to_frame()
    assert list(frame.columns) == ["severity", "topic", "text"]
    assert len(frame) == len(list(report))
    assert str(report).splitlines()[-1] == "Think about the warnings; 2 warnings."


@pytest.mark.scale
def test_a_million_rows_take_a_second() -> None:
    rng = np.random.default_rng(0)
    n = 1_000_000
    data = {
        "y": rng.normal(size=n),
        "x": rng.normal(size=n),
        "t": rng.choice(["a", "b"], n),
        "g": rng.integers(0, 50_000, n),
        "h": rng.integers(0, 3_000, n),
    }
    model = hl.Model("y ~ x * t + (x | g) + (1 | h)", data)
    started = time.perf_counter()
    check_model(model.spec, model.design, model.frame)
    assert time.perf_counter() - started < 3
