"""The report in a real browser: offline, silent, searched by keyboard, on a phone, in the dark, with hostile text."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from report_runs import full_run

from pipeline.report.page import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: apt-get install chromium"),
]
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(full_run(tmp_path_factory.mktemp("page")))[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Open]:
    """Opens the page; at the end nothing was fetched, nothing was complained of, no hostile script ran."""
    opened: list[Any] = []
    fetched: list[str] = []
    said: list[str] = []

    def open_page(width: int = 1100, dark: bool = False, script: bool = True) -> Any:
        scheme = "dark" if dark else "light"
        size = {"width": width, "height": 800}
        context = browser.new_context(color_scheme=scheme, viewport=size, java_script_enabled=script)
        made = context.new_page()
        made.on("request", lambda request: fetched.append(request.url))
        made.on("console", lambda message: said.append(message.text))
        made.on("pageerror", lambda error: said.append(str(error)))
        made.goto(file.as_uri())
        opened.append(made)
        return made

    yield open_page
    assert [url for url in fetched if not url.startswith("data:")] == [file.as_uri()] * len(opened)
    assert said == []
    assert [made.title() for made in opened] == ["Run full: report"] * len(opened)
    for made in opened:
        made.context.close()


def shown(page: Any) -> int:
    count: int = page.locator("#examples li:visible").count()
    return count


def test_search_and_choices(page: Open) -> None:
    there = page()
    every = there.locator("#examples li").count()
    first = shown(there)
    assert 0 < first <= 30
    there.get_by_label("Search").fill("BUDGET wellFormed")
    assert 0 < shown(there) < first
    assert there.locator("#found").inner_text().endswith(f"{every} in all")
    there.get_by_label("Search").fill("nothing says this")
    assert shown(there) == 0
    assert there.locator("#found").inner_text().startswith("0 of 0")
    there.get_by_label("Search").fill("")
    there.get_by_label("Verdict all").select_option("rejected")
    reasons = there.locator("#examples li:visible").evaluate_all("rows => rows.map(row => row.dataset.verdict)")
    assert set(reasons) == {"rejected"}
    there.get_by_label("Reason any").select_option("kept")
    assert shown(there) == 0


def test_by_keyboard_alone(page: Open) -> None:
    there = page()
    there.keyboard.press("Tab")
    assert there.evaluate("document.activeElement.textContent") == "Skip to the report"
    there.keyboard.press("Enter")
    assert there.evaluate("document.activeElement.id") == "main"
    for _ in range(500):
        there.keyboard.press("Tab")
        at = there.evaluate("[document.activeElement.tagName, document.activeElement.id]")
        if at[0] == "SUMMARY":
            there.keyboard.press("Enter")
            assert there.evaluate("document.activeElement.parentElement.open")
        if at[1] == "words":
            break
    there.keyboard.type("nothing says this")
    assert shown(there) == 0


def test_more_pairs_are_shown_and_the_focus_goes_with_them(page: Open) -> None:
    there = page()
    before, every = shown(there), there.locator("#examples li").count()
    if before == every:
        assert there.locator("#more").is_hidden()
        return
    there.locator("#more").press("Enter")
    assert shown(there) == min(2 * before, every)
    assert there.evaluate("document.activeElement.tagName") == "LI"


def test_without_scripts_all_pairs_are_there(page: Open) -> None:
    there = page(script=False)
    assert shown(there) == there.locator("#examples li").count() > 0
    assert there.locator("form.search").is_hidden()


@pytest.mark.parametrize("width", [320, 390, 1100])
def test_no_width_makes_the_page_scroll_sideways(page: Open, width: int) -> None:
    there = page(width)
    assert there.evaluate("document.documentElement.scrollWidth") <= width
    for drawing in there.locator("figure svg").all():
        box = drawing.bounding_box()
        assert 0 < box["width"] <= width and box["height"] > 0


def test_dark_and_light(page: Open) -> None:
    colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    light, dark = page().evaluate(colours), page(dark=True).evaluate(colours)
    assert light[0] == "rgb(255, 255, 255)"
    assert dark[0] == "rgb(21, 23, 26)"
    text = page(dark=True).locator("figure svg text").first.evaluate("e => getComputedStyle(e).fill")
    assert text == dark[1]


def test_the_tree_that_a_screen_reader_gets(page: Open) -> None:
    there = page()
    for role, name in (("navigation", "Sections"), ("search", "Pairs"), ("region", "At a glance")):
        assert there.get_by_role(role, name=name).count() == 1
    assert there.get_by_role("main").count() == there.get_by_role("banner").count() == 1
    assert there.get_by_role("img").count() == there.locator("figure").count()
    assert there.get_by_role("heading", level=1).inner_text() == "Run full"
    assert there.get_by_role("searchbox", name="Search").count() == 1
