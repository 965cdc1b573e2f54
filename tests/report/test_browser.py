"""The page in a real browser: Chromium, driven by Playwright. Skipped, with the reason, without."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report.reading import EVIL, made

from hierlm.results import Fit

FITS = ("sleep", "crossed", "many", "evil")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PHONE, WALL = 375, 1600

pytestmark = pytest.mark.mcmc  # a minute: four reports are drawn, and a browser is started


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"needs a browser: one of {', '.join(BROWSERS)} (Debian: chromium)")
    # Chromium's sandbox does not start as root, as in a container
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=root)
        yield started
        started.close()


@pytest.fixture(scope="session")
def files(
    sleep: Fit, crossed: Fit, many: Fit, evil: Fit, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    paths = {}
    for name, fit in zip(FITS, (sleep, crossed, many, evil), strict=True):
        paths[name] = folder / f"{name}.html"
        paths[name].write_text(made(fit), encoding="utf-8")
    return paths


@pytest.fixture
def opened(browser: Any, files: dict[str, Path]) -> Iterator[Any]:
    """Return a function that opens a report; a message, a dialog or a request fails the test."""
    contexts, complaints = [], []

    def open_(name: str, width: int, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(("file:", "data:")) else complaints.append(request)
            ),
        )
        page.goto(files[name].as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("width", [PHONE, WALL])
def test_fits_the_screen(opened: Any, name: str, width: int) -> None:
    page = opened(name, width)
    sizes = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1]
    # what is wider than the page stands in a box that scrolls
    outside = """[...document.querySelectorAll("main table, main math, main pre, main img")]
        .filter(e => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth)
        .filter(e => !["auto", "scroll"].includes(
            getComputedStyle(e.closest(".scroll, .picture")).overflowX))
        .map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(outside) == []


@pytest.mark.parametrize("name", FITS)
def test_pictures_and_equations_show(opened: Any, name: str) -> None:
    page = opened(name, WALL)
    widths = page.evaluate("[...document.images].map(i => i.complete ? i.naturalWidth : 0)")
    assert len(widths) >= 10
    assert min(widths) > 500
    boxes = page.evaluate(
        """[...document.querySelectorAll("main > section > figure math")]
        .map(e => [e.getBoundingClientRect().height, e.textContent.length])"""
    )
    assert len(boxes) >= 3
    assert all(height > 30 and length > 20 for height, length in boxes)


def test_equations_line_up(opened: Any) -> None:
    page = opened("sleep", WALL)
    rights = page.evaluate(
        """[...document.querySelector("math .aligned").children]
        .map(row => row.children[1].getBoundingClientRect().left)"""
    )
    assert len(rights) == 3
    assert max(rights) - min(rights) < 1


def test_labels_of_the_data_stay_text(opened: Any) -> None:
    page = opened("evil", WALL)
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.querySelectorAll('[onerror], main b').length") == 0
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert EVIL in page.inner_text("#shrinkage")
    assert page.locator("#shrinkage th", has_text=EVIL).count() == 2


def test_nothing_could_run(browser: Any, files: dict[str, Path], tmp_path: Path) -> None:
    """The policy holds even where escaping had failed."""
    broken = tmp_path / "broken.html"
    text = files["evil"].read_text(encoding="utf-8")
    broken.write_text(text.replace("<main", "<script>document.title = 'ran'</script><main"))
    page = browser.new_page()
    page.goto(broken.as_uri())
    assert page.evaluate("document.scripts.length") == 1
    assert page.title() == "A model of Reaction"
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(opened: Any, scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for all text, on the ground and on the cards."""
    page = opened("sleep", WALL, color_scheme=scheme)
    colours = page.evaluate(
        """[...document.querySelectorAll("body, p, dt, dd, a, td, th, figcaption, .badge, .topic,"
         + " .verdict, .question, summary, footer p")].map(e => {
            let behind = e;
            while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)")
                behind = behind.parentElement;
            return [getComputedStyle(e).color, getComputedStyle(behind).backgroundColor];
        })"""
    )
    for pair in {tuple(pair) for pair in colours}:
        light, dark = sorted(map(_luminance, pair), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, pair
    cards = page.evaluate(
        """[...document.querySelectorAll(".picture")]
        .map(e => getComputedStyle(e).backgroundColor)"""
    )
    assert set(cards) == {"rgb(255, 255, 255)"}


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.split("(")[1].rstrip(")").split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_paper(opened: Any) -> None:
    page = opened("sleep", WALL, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert len(page.pdf(format="A4")) > 100_000
