"""The served pages in a real browser: clicks, keys, sliders, an audit, a run that goes on, hostile text."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from report_runs import HOSTILE, full_run
from served_run import served

from pipeline.serve.audit_marks import marks
from pipeline.shard import read_header, read_rows, write_shard
from pipeline.store import Run

playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: apt-get install chromium"),
]
Open = Callable[..., Any]
PATHS = ("/", "/pairs", "/thresholds", "/audit")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = full_run(tmp_path_factory.mktemp("pages"))
    hostile(made, 1)
    return made


def hostile(run: Run, number: int) -> None:
    """A script behind every source of a round, as a model might write it."""
    pairs, scores = (run.stage(number, stage).shard(0) for stage in ("pairs", "scores"))
    rows, header = read_rows(pairs), read_header(pairs)
    column = pa.array([f"{text} {HOSTILE}" for text in rows["source"].to_pylist()])
    rows = rows.set_column(rows.column_names.index("source"), "source", column)
    content = write_shard(pairs, rows, header).content
    write_shard(scores, read_rows(scores), dataclasses.replace(read_header(scores), inputs=(content,)))


@pytest.fixture(scope="module")
def address(run: Run) -> Iterator[str]:
    with served(run) as there:
        yield there


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Open]:
    """Opens a page; at the end nothing was fetched from elsewhere, nothing complained of, no hostile script ran."""
    opened: list[Any] = []
    fetched: list[str] = []
    said: list[str] = []

    def open_page(path: str, width: int = 1100, dark: bool = False) -> Any:
        scheme, size = "dark" if dark else "light", {"width": width, "height": 800}
        made = browser.new_context(color_scheme=scheme, viewport=size).new_page()
        made.set_default_timeout(60_000)
        made.on("request", lambda request: fetched.append(request.url))
        made.on("console", lambda message: said.append(message.text))
        made.on("pageerror", lambda error: said.append(str(error)))
        made.goto(address + path)
        opened.append(made)
        return made

    yield open_page
    assert [url for url in fetched if not url.startswith((address, "data:"))] == []
    assert said == []
    for made in opened:
        assert made.title().endswith("run full")
        assert made.locator("img, main script").count() == 0
        made.context.close()


def test_search_by_click_and_by_key(page: Open) -> None:
    there = page("/pairs")
    there.get_by_label("Search").fill("budget <img")
    there.get_by_label("Search").press("Enter")
    there.wait_for_url("**words=budget*")
    assert there.locator("#examples li").count() == 25
    assert HOSTILE.split()[0] in there.locator("#examples").inner_text()  # as text
    there.get_by_label("Verdict").select_option("dropped")
    there.get_by_role("button", name="Show").click()
    there.wait_for_url("**verdict=dropped*")
    assert "No judged pair is like that." in there.locator("#examples").inner_text()
    there.goto(there.url.partition("?")[0])
    there.get_by_role("link", name="Next").click()
    there.wait_for_url("**page=2*")
    there.locator("#examples a").first.click()
    there.get_by_role("heading", name="Filters").wait_for()


def test_a_slider_by_keyboard(page: Open) -> None:
    there = page("/thresholds")
    slider = there.get_by_label("length below_ratio")
    kept = there.locator("tr.total .then")
    before = int(kept.inner_text())
    slider.focus()
    for _ in range(3):
        slider.press("PageDown")
    there.locator("#command").wait_for()
    assert slider.input_value() < "0.9"
    assert int(kept.inner_text()) < before
    there.reload()
    assert slider.input_value() < "0.9" and there.locator("#command").is_visible()  # the address keeps it
    there.get_by_role("button", name="Back to the recipe").click()
    there.locator("#command").wait_for(state="detached")
    assert int(kept.inner_text()) == before


def test_an_audit_by_click_and_key_survives_a_reload(page: Open, run: Run) -> None:
    there = page("/audit?round=0&seed=7")

    def shown() -> str:
        key: str = there.locator("#pair").get_attribute("data-id")
        return key

    asked = []
    for act in (
        lambda: there.get_by_role("button", name="Right").click(),
        lambda: there.keyboard.press("w"),
        lambda: there.keyboard.press("R"),
    ):
        asked.append(shown())
        act()
        there.wait_for_selector(f"#last input[value='{asked[-1]}']", state="attached")
    assert {key: mark.said for key, mark in marks(run, 0).items()} == dict(
        zip(asked, ("right", "wrong", "right"), strict=True)
    )
    following = shown()
    there.reload()
    assert shown() == following
    there.keyboard.press("u")
    there.wait_for_selector(f"#pair[data-id='{asked[2]}']")
    assert list(marks(run, 0)) == asked[:2]
    there.keyboard.press("s")
    there.wait_for_url("**skip=1*")
    assert shown() == following
    assert there.locator("#precision tbody tr").count() >= 1


def test_keys_in_a_field_mark_nothing(page: Open, run: Run) -> None:
    there = page("/audit?round=1")
    there.get_by_label("Seed").press("r")
    there.keyboard.press("Control+r")
    there.wait_for_load_state()
    assert marks(run, 1) == {}


def test_a_run_that_goes_on(browser: Any, tmp_path: Path) -> None:
    whole = full_run(tmp_path / "whole")
    run = Run(tmp_path / "growing")
    shutil.copytree(whole.folder, run.folder, ignore=lambda *_: ["round-1", "corpus", "manifest.json"])
    scores = run.stage(0, "scores")
    finished = {path: path.read_bytes() for path in scores.shards().values()}
    for path in finished:
        path.unlink()
    with served(run) as address:
        page = browser.new_page()
        page.goto(address)
        row = page.locator("#stages tr", has_text="scores")
        assert row.locator("td").nth(2).inner_text() == "0"
        for path, content in finished.items():
            path.write_bytes(content)
        row.locator("td", has_text="36").wait_for(timeout=60_000)
        page.get_by_role("region", name="Newest kept").locator("dl").first.wait_for(timeout=60_000)
        path = scores.shard(0)
        rows, header = read_rows(path), read_header(path)
        write_shard(scores.shard(1), rows.slice(0, 5), header)
        row.locator("td", has_text="41").wait_for(timeout=60_000)
        page.reload()
        assert row.locator("td").nth(2).inner_text() == "41"
        page.close()


def test_another_origin_gets_nothing(browser: Any, address: str, run: Run) -> None:
    """A page of another origin may neither read an answer nor leave a mark."""
    before = dict(marks(run, 0))
    page = browser.new_page()
    page.goto("data:text/html,<title>elsewhere</title>")
    read = "address => fetch(address).then(a => a.text(), () => 'refused')"
    assert page.evaluate(read, address) == "refused"
    blind = "address => fetch(address, {mode: 'no-cors'}).then(a => a.type, () => 'refused')"
    assert page.evaluate(blind, address + "/serve.js") == "refused"
    body = f"pair_id={'0' * 32}&said=right"
    write = "([address, body]) => fetch(address, {method: 'POST', mode: 'no-cors', body}).then(a => a.type, () => 'no')"
    page.evaluate(write, [address + "/audit", body])
    assert marks(run, 0) == before
    page.close()


def test_hostile_text_stays_text(page: Open, run: Run) -> None:
    key = read_rows(run.stage(1, "pairs").shard(0))["pair_id"][0].as_py()
    for path in ("/", "/pairs?round=1", f"/pair/{key}", "/audit?round=1", "/pairs?words=%3Cscript%3Ealert(1)"):
        there = page(path)
        assert there.evaluate("document.querySelectorAll('img, main script').length") == 0
        if path.startswith(("/pair", "/?")) and "words" not in path:
            assert HOSTILE in there.locator("main").inner_text()
    assert there.get_by_label("Search").input_value() == "<script>alert(1)"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("width", [320, 1100])
def test_no_width_makes_a_page_scroll_sideways(page: Open, path: str, width: int) -> None:
    there = page(path, width)
    assert there.evaluate("document.documentElement.scrollWidth") <= width
    assert there.get_by_role("heading", level=1).count() == there.get_by_role("main").count() == 1
    here = there.locator("nav a[aria-current=page]")
    assert here.count() == 1


def test_dark_and_light(page: Open) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page("/audit").evaluate(colour) == "rgb(255, 255, 255)"
    assert page("/audit", dark=True).evaluate(colour) == "rgb(21, 23, 26)"
