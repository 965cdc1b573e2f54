"""The page: what is in it, in which order, and that nothing of the data is read as markup."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import equations as models
from helpers.fits import synthetic_fit
from report.reading import ATTRIBUTE, COLUMN, EVIL, Page, made

import hierlm as hl
from hierlm.errors import DataError, HierlmWarning
from hierlm.report import page, write
from hierlm.results import Fit
from hierlm.results.report import Reporting

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
MANY_TERMS = "count ~ zAge + zBase * Trt + (1 | patient) + (1 | obs)"


@pytest.fixture(scope="session")
def sleep_text(sleep: Fit) -> str:
    return made(sleep)


@pytest.fixture(scope="session")
def read(sleep_text: str) -> Page:
    return Page(sleep_text)


def test_sections_in_order_and_linked(read: Page) -> None:
    anchors = [a["id"] for a in read.all("section")]
    assert anchors == [anchor for anchor, *_ in page._SECTIONS]
    links = [a["href"] for a in read.all("a")]
    assert [f"#{anchor}" for anchor in anchors] == [x for x in links if x != "#main"][2:]
    ids = {a["id"] for _, a in read.elements if "id" in a}
    assert {str(link)[1:] for link in links} <= ids


def test_one_file_that_runs_nothing(sleep_text: str, read: Page) -> None:
    tags = {tag for tag, _ in read.elements}
    assert not tags & {"script", "iframe", "object", "embed", "form", "base", "svg"}
    for tag, attributes in read.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("href", "src"):
            assert str(attributes.get(name) or "#").startswith(("#", "data:")), tag
    policies = [m["content"] for m in read.all("meta") if m.get("http-equiv")]
    assert len(policies) == 1
    assert str(policies[0]).startswith(POLICY)
    assert not re.search(r"@import|url\(|https?:", sleep_text)


def test_accessible(read: Page) -> None:
    assert read.all("html") == [{"lang": "en"}]
    assert any(m.get("name") == "viewport" for m in read.all("meta"))
    assert len(read.all("h1")) == 1
    assert all(image["alt"] and image["width"] and image["height"] for image in read.all("img"))
    assert len(read.all("caption")) == len(read.all("table"))
    assert all(head.get("scope") in ("col", "row") for head in read.all("th"))


def test_numbers_of_the_fit(sleep: Fit, read: Page) -> None:
    text = read.text("td").split("\n")
    shown = repr(sleep)
    for value in ("252", "10.5", "25.9"):  # Intercept, Days, sigma
        assert value in text
        assert value in shown
    assert "18 levels" in read.text()
    assert "The draws can be trusted." in read.text("strong")
    assert "3 rows of Reaction are more than three sds out" in read.text("li")


def test_the_call_makes_the_same_fit(sleep: Fit, read: Page) -> None:
    call = read.text("code")[read.text("code").index("import hierlm") :]
    call = call[: call.index("print(fit)")].replace("    seed=1,", "    seed=1, progress=False,")
    space = {"data": hl.load_dataset("sleepstudy")}
    exec(call, space)
    again = space["fit"]
    assert again.fixef().equals(sleep.fixef())


def test_the_call_says_what_was_chosen(without_pictures: None) -> None:
    chosen = {"sd": "halfnormal(1)", "cor": "lkj(3)"}
    data = hl.load_dataset("sleepstudy")
    data["slow"] = (data["Reaction"] > 300).astype(int)
    options = {"family": "bernoulli", "link": "probit", "priors": chosen}
    options["parameterization"] = {"Subject": "centered"}
    model = hl.Model("slow ~ Days + (Days | Subject)", data, **options)
    found = Page(made(synthetic_fit(model, draws=100)))
    call = found.text("code")[found.text("code").index("import hierlm") :]
    call = call[: call.index("print(fit)")]
    calls: list[tuple[Any, dict[str, Any]]] = []
    recorder = SimpleNamespace(fit=lambda *given, **named: calls.append((given, named)))
    exec(call.replace("import hierlm as hl", ""), {"hl": recorder, "data": data})
    (((formula, _), named),) = calls
    again = hl.Model(formula, data, **{name: named[name] for name in options})
    assert str(again) == str(model)


def test_equations_are_typeset_with_their_source(read: Page) -> None:
    assert len(read.all("math")) >= 3
    assert r"\begin{aligned}" in read.text("pre")
    assert "aligned" not in read.text("mi") + read.text("mo") + read.text("mtext")


def test_nothing_of_the_data_is_markup(evil: Fit, without_pictures: None) -> None:
    text = made(evil)
    found = Page(text)
    tags = {tag for tag, _ in found.elements}
    assert not tags & {"script", "b"}
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in found.all("img"))
    shown = found.text()
    assert EVIL in shown
    assert ATTRIBUTE in shown
    assert COLUMN in shown
    assert EVIL not in text


def test_title_and_question_are_text(evil: Fit, without_pictures: None) -> None:
    found = Page(made(evil, title=f"A $title {EVIL}", question="Is $body <i>so</i>?\x00\ud800"))
    assert found.text("h1") == f"A $title {EVIL}"
    assert "Is $body <i>so</i>?\ufffd\ufffd" in found.text("p")


@pytest.mark.mcmc  # half a minute of drawing
@pytest.mark.parametrize("name", ["sleep", "crossed", "many"])
def test_size_and_time(name: str, request: pytest.FixtureRequest) -> None:
    fit = request.getfixturevalue(name)
    start = time.process_time()  # of this process: others may be busy
    text = made(fit)
    assert time.process_time() - start < 20
    assert len(text.encode()) < 5e6
    found = Page(text)
    assert len(found.all("img")) >= 10
    assert "missing" not in {a.get("class") for _, a in found.elements}


@pytest.mark.parametrize(
    ("dataset", "formula", "family"),
    [
        ("cbpp", "p(incidence, size) ~ period + (1 | herd)", "binomial"),
        ("epilepsy", MANY_TERMS, "poisson"),
        ("eight_schools", "y | se(sigma) ~ 1 + (1 | school)", "gaussian"),
        ("Machines", "score ~ Machine + (0 + Machine || Worker)", "student"),
        ("sleepstudy", "Reaction ~ Days", "gamma"),
        ("Pastes", "strength ~ 1 + (1 | batch / cask)", "lognormal"),
    ],
)
def test_other_models(dataset: str, formula: str, family: str, without_pictures: None) -> None:
    fit = synthetic_fit(hl.Model(formula, hl.load_dataset(dataset), family=family), draws=60)
    found = Page(made(fit))
    assert found.all("math")
    assert "missing" not in {a.get("class") for _, a in found.elements}
    anchors = [a["id"] for a in found.all("section")]
    assert ("shrinkage" in anchors) == bool(fit.spec.groups)


@pytest.mark.parametrize("name", models.STRUCTURES)
def test_structures(name: str, without_pictures: None) -> None:
    fit = synthetic_fit(models.model(models.STRUCTURES[name]), draws=30)
    Page(made(fit))


def test_draws_that_cannot_be_trusted(without_pictures: None) -> None:
    data = hl.load_dataset("Dyestuff")
    fit = synthetic_fit(hl.Model("Yield ~ 1 + (1 | Batch)", data), chains=1, draws=20)
    found = Page(made(fit))
    assert "Do not trust these draws yet." in found.text("strong")
    assert "cannot be trusted yet" in found.text("a")
    assert "a single chain cannot disagree with itself" in found.text("li")


def test_a_picture_that_fails_is_missed(
    sleep: Fit, without_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(draw: object, dpi: int) -> bytes:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("hierlm.report.pictures._png", fails)
    with pytest.warns(HierlmWarning, match="picture of the report could not be drawn: ZeroDiv"):
        text = made(sleep)
    assert "could not be drawn: ZeroDivisionError: by zero" in Page(text).text("p")


def test_the_same_fit_gives_the_same_page(crossed: Fit, without_pictures: None) -> None:
    assert made(crossed) == made(crossed)


@pytest.mark.mcmc  # half a minute of drawing
def test_pictures_of_other_models() -> None:
    data = hl.load_dataset("epilepsy")
    fit = synthetic_fit(hl.Model(MANY_TERMS, data, family="poisson"), draws=60)
    found = Page(made(fit))
    assert len(found.all("img")) >= 10
    assert "missing" not in {a.get("class") for _, a in found.elements}


def test_the_users_style_stays() -> None:
    import matplotlib.pyplot as plt

    data = hl.load_dataset("Dyestuff")
    fit = synthetic_fit(hl.Model("Yield ~ 1 + (1 | Batch)", data), draws=60)
    with plt.style.context("dark_background"), plt.ioff():
        theirs = plt.figure()
        text = made(fit)
        assert plt.get_fignums() == [theirs.number]
        plt.close(theirs)
    assert text == made(fit)


def test_write_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("older")
    with pytest.raises(UnicodeEncodeError):
        write(path, "\ud800")
    assert path.read_text() == "older"
    assert write(path, "é") == path
    assert path.read_bytes() == "é".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_refused_before_any_work(sleep: Fit, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is a folder.\n  Give the path of a file"):
        Reporting.report(sleep, tmp_path)
    with pytest.raises(DataError, match="there is no folder"):
        Reporting.report(sleep, tmp_path / "no" / "report.html")


def test_facade(sleep: Fit, tmp_path: Path, without_pictures: None) -> None:
    path = Reporting.report(sleep, tmp_path / "r.html", ci_prob=0.5, ci_kind="hdi", title="Sleep")
    found = Page(path.read_text(encoding="utf-8"))
    assert found.text("title") == "Sleep"
    assert "50% from" in found.text("th")
