"""The report: whole, escaped, offline, the same bytes for the same run, readable by all, and honest about gaps."""

import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from report_runs import HOSTILE, full_run, small_run

from pipeline.commands.report import report
from pipeline.errors import UserError
from pipeline.report.blocks import Examples, Picture, Section, Table, cell, number, short, table
from pipeline.report.figures import DARKEST, bars, heat_map, lines
from pipeline.report.page import MOST_BYTES, TEMPLATES, as_html, as_markdown, markdown_text, sections, write_report
from pipeline.run_tables import corpus_rows, judged_rows, smallest
from pipeline.store import Run

TITLES = (
    *("At a glance", "The funnel", "Yield by context", "Scores and thresholds", "A second opinion"),
    *("Length ratio against novelty", "Diversity", "Rounds side by side", "Evaluation", "Adapter", "Influence"),
    *("Time and tokens", "Pairs to look at"),
)


class Page(HTMLParser):
    """Tags with their attributes, headings, and the text of each table's cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def values(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return full_run(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def parts(full: Run) -> list[Section]:
    return sections(full)


@pytest.fixture(scope="module")
def page(full: Run, parts: list[Section]) -> Page:
    return Page(as_html(full.name, parts))


def test_everything_that_is_there_is_told(full: Run, parts: list[Section]) -> None:
    assert tuple(part.title for part in parts) == TITLES
    pictures = [block.title for part in parts for block in part.blocks if isinstance(block, Picture)]
    for wanted in ("Funnel: summary, round 1", "distinct_1 by round", "Loss of student 1", "adapter: reward"):
        assert wanted in pictures
    assert any("mrpc.jsonl" in title for title in pictures)
    tables = [block for part in parts for block in part.blocks if isinstance(block, Table)]
    assert any(found.caption == "The most harmful pairs" and found.rows[0][0] == "-0.400" for found in tables)
    notes = [block.text for part in parts for block in part.blocks if block.kind == "note"]
    assert "torn: its results.json has no systems." in notes
    assert "Round 0: candidates are not there yet." in notes


def test_the_page_and_its_twin_tell_the_same(full: Run, parts: list[Section]) -> None:
    text = as_markdown(full.name, parts)
    for part in parts:
        assert f"\n## {part.title}\n" in text
        for block in part.blocks:
            inner = block.table if isinstance(block, Picture) else block
            if isinstance(inner, Table):
                assert markdown_text(inner.caption) in text
                assert all(markdown_text(value) in text for row in inner.rows for value in row)
    lines_ = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) > 1 for line in lines_)


def test_the_same_run_gives_the_same_bytes(full: Run, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_report(full, tmp_path / "a.html")]
    moved = Run(tmp_path / "elsewhere" / full.name)
    shutil.copytree(full.folder, moved.folder)
    assert [path.read_bytes() for path in write_report(moved, tmp_path / "b.html")] == first
    assert len(first[0]) < MOST_BYTES


def test_generated_text_is_only_text(full: Run, parts: list[Section], page: Page) -> None:
    text = as_html(full.name, parts)
    assert "document.title=" in text.replace("&#39;", "'")
    assert HOSTILE not in text
    assert len(page.named("script")) == 1
    assert not page.named("img")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    twin = as_markdown(full.name, parts)
    assert "<" not in twin.replace("](<", "")
    assert not re.search(r"(?<!\\)\]\(|http://", twin)


@pytest.mark.parametrize("name", ["<script>", "a|b", "$x^2$", "</style>", "javascript:alert(1)"])
def test_names_are_only_text_in_every_place(name: str) -> None:
    svg = lines("k", {name: [(0, 1), (1, 2)], "b": [(0, 1)]}, name, name)
    picture = Picture(name, name, svg, table(name, (name,), [(name,)]))
    found = [Section("s", "S", (picture, table(name, (name, "b"), [(name, name)])))]
    page = Page(as_html("r", found))
    assert len(page.named("script")) == len(page.named("style")) == 1
    assert name.replace("|", "\\|").replace("$", "\\$").replace("<", "&lt;").replace(">", "&gt;") in as_markdown(
        "r", found
    )


def test_nothing_is_fetched(page: Page) -> None:
    assert set(page.values("src")) == set()
    assert all(link.startswith(("#", "data:,")) for link in page.values("href"))
    assert "url(" not in (TEMPLATES / "report.css").read_text()
    policy = next(str(tag["content"]) for tag in page.named("meta") if "http-equiv" in tag)
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline'; script-src 'sha256-" in policy


def test_a_reader_without_eyes_or_mouse(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.values("href") if link.startswith("#")} <= set(ids)
    assert {str(tag["for"]) for tag in page.named("label")} <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    names = [tag for tag, _ in page.tags]
    assert all(names.count(tag) == 1 for tag in ("main", "nav", "header", "footer", "title"))
    assert page.named("html")[0]["lang"] == "en"
    assert names.count("caption") == names.count("table")
    assert all("scope" in tag for tag in page.named("th"))
    drawn = [tag for _, tag in page.tags if tag.get("role") == "img"]
    assert len(drawn) == names.count("svg") == names.count("figure")
    assert all(len(str(tag["aria-label"])) > 20 for tag in drawn)
    assert all(
        tag.get("tabindex") == "0" and tag.get("aria-label") for _, tag in page.tags if tag.get("role") == "region"
    )


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(over: str, under: str, share: float) -> str:
    both = [(int(over[i : i + 2], 16), int(under[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in both)


def test_colours_can_be_read_in_light_and_in_dark() -> None:
    themes = re.findall(r":root \{(.*?)\}", (TEMPLATES / "report.css").read_text(), re.DOTALL)
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", theme))
        for name in ("ink", "muted", "kept", "dropped", "other", "link"):
            assert contrast(colours[name], colours["paper"]) >= 4.5, name
        assert contrast(colours["muted"], colours["panel"]) >= 4.5
        assert contrast(colours["ink"], mixed(colours["kept"], colours["paper"], DARKEST)) >= 4.5


HALVES = {
    "nothing": ("round-0", "round-1", "evaluation", "adapter"),
    "no corpus": ("round-0/corpus", "round-1", "evaluation"),
    "no scores": ("round-0/scores", "round-0/corpus", "round-1"),
    "no recipe": ("recipe.toml",),
    "no manifests": ("round-0/corpus/manifest.json", "round-0/scores/manifest.json"),
    "no pairs": ("round-0/pairs", "round-0/scores"),
}


@pytest.mark.parametrize("gone", HALVES.values(), ids=HALVES)
def test_half_a_run_says_what_is_missing(full: Run, tmp_path: Path, gone: tuple[str, ...]) -> None:
    run = Run(tmp_path / "half")
    shutil.copytree(full.folder, run.folder)
    for name in gone:
        path = run.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = sections(run)
    assert as_html(run.name, found) and as_markdown(run.name, found)
    missing = [block.text for part in found for block in part.blocks if block.kind == "note" and block.missing]
    assert missing
    assert all("\n" not in text for text in missing)


def test_damaged_files_beside_the_run_are_passed_over(full: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "torn")
    shutil.copytree(full.folder, run.folder)
    for name in ("adapter/curve.parquet", "round-1/student/curve.parquet", "round-1/influence/shard-00000.parquet"):
        (run.folder / name).write_bytes(b"PAR1 and no more")
    (run.folder / "round-1/monitors/monitors.parquet").write_bytes(b"")
    (run.folder / "evaluation/mrpc-paraphrase/results.json").write_text('{"systems": {"a": {"m": {"value": null}}}}')
    titles = [part.title for part in sections(run)]
    assert "Adapter" not in titles and "Influence" not in titles and "Evaluation" in titles


def test_a_run_without_rounds_or_evaluation(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    page, twin = write_report(run)
    assert page == run.folder / "report.html" and twin == run.folder / "report.md"
    text = twin.read_text()
    assert "No student has been evaluated yet." in text
    assert "Only the teacher's round is there" in text
    assert "## Adapter" not in text and "## Influence" not in text


def test_where_it_cannot_be_written(full: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"ends in \.html"):
        write_report(full, tmp_path / "report.md")
    with pytest.raises(UserError, match="cannot be written"):
        write_report(full, tmp_path / "file" / "report.html")
    with pytest.raises(UserError, match=r"wanted a file that ends in \.html"):
        write_report(full, Path())
    (tmp_path / "kept.md").write_text("mine")
    with pytest.raises(UserError, match=r"its twin .*kept\.md would take the place"):
        write_report(full, tmp_path / "kept.html")
    assert (tmp_path / "kept.md").read_text() == "mine" and not (tmp_path / "kept.html").exists()
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path))
    with pytest.raises(UserError, match="not found"):
        report("none")


def test_examples_are_the_same_draw_every_time_and_shared_out(parts: list[Section]) -> None:
    shown = next(block for block in parts[-1].blocks if isinstance(block, Examples))
    assert shown.tasks == ("summary",)
    assert shown.reasons == ("dropped by wellformed", "kept")
    assert {example.round for example in shown.examples} == {0, 1}
    kept = [example.pair_id for example in shown.examples if example.verdict == "kept"]
    assert len(kept) <= 2 * 30


def test_the_smallest_ids() -> None:
    rows = pa.table({"pair_id": ["c", "a", "b", "a", "d"], "n": [1, 2, 3, 4, 5]})
    assert smallest(rows, 2)["pair_id"].to_pylist() == ["a", "b"]
    assert smallest(rows, 10)["pair_id"].to_pylist() == ["a", "b", "c", "d"]
    assert smallest(rows.slice(0, 0), 3).num_rows == 0


def test_only_shards_that_belong_together_are_joined(full: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "mixed")
    shutil.copytree(full.folder, run.folder)
    assert judged_rows(run, 0).num_rows == 36
    run.stage(0, "pairs").shard(0).unlink()
    assert judged_rows(run, 0).num_rows == 0
    assert corpus_rows(run, 0, task="none").num_rows == 0
    assert corpus_rows(run, 5).num_rows == 0


def test_drawings_on_one_page_share_no_id_and_no_colour_of_their_own() -> None:
    one, two = (bars(key, ("a", "b"), {"x": [1, 2], "y": [2, 1]}, "", "") for key in ("one", "two"))
    ids = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    assert not re.findall(r"#[0-9a-f]{6}\b", one)
    assert "var(--kept)" in one and "<metadata" not in one and "<?xml" not in one
    empty = heat_map("h", np.zeros((2, 2), np.int64), ("x", ("a", "b")), ("y", ("a", "b")))
    assert empty.startswith("<svg")


def test_numbers_as_people_read_them() -> None:
    assert [cell(x) for x in (None, "", True, 1234567, "x")] == ["-", "-", "yes", "1,234,567", "x"]
    assert [number(x) for x in (0.0, 1e-6, 0.1234, 12.34, 1234.5)] == ["0.000", "1.0e-06", "0.123", "12.3", "1,234"]
    assert [short(x) for x in (1.0, 0.85, 0.9199999, -0.5, float("nan"))] == ["1", "0.85", "0.92", "-0.5", "nan"]
    found = table("t", ("a", "b", "c"), [(1, 2, "x"), (3, 4.0e-9, "5")])
    assert found.numeric == (False, True, False)
    assert table("t", ("a",), []).numeric == (False,)
