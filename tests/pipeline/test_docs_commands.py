"""Every command block and snippet of README.md and docs/ is run, page by page and in order, with tiny models."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Make
from docs_blocks import PAGES, Block, blocks, reason_not_to_run
from docs_world import World
from hub_server import loopback
from safetensors.torch import load_file, save_file

from filters.nli_judge import open_judge

ELSEWHERE = {("filters.md", "python"), ("filters.md", "json")}
"""Its snippets are run by tests/test_docs.py."""
BEFORE = {
    "bench.md": "make generate RUN=news",
    "filters.md": "make generate RUN=news",
    "influence.md": "make generate RUN=news\nmake filter RUN=news",
}
"""What a page takes for done."""
CARD = "---\nlicense: apache-2.0\ndatasets: [acme/tiny]\n---\n# A tiny model\n"


def to_run(page: Path) -> list[Block]:
    """The blocks of a page that do something here."""
    return [
        block
        for block in blocks(page)
        if (block.page, block.language) not in ELSEWHERE
        and (block.language or any(not reason_not_to_run(command) for command in block.commands()))
    ]


QUICK = {"tutorial.md"}
HEAVY = [pytest.mark.slow, pytest.mark.timeout(1200)]
STORIES = [
    pytest.param(page, marks=[] if page.name in QUICK else HEAVY, id=page.name) for page in PAGES if to_run(page)
]


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_teacher: Make,
    tiny_judge: Path,
    tiny_encoder: Path,
    tiny_student: Path,
) -> dict[str, Path]:
    """Tiny models whose cards state a licence and what they were trained on."""
    place = tmp_path_factory.mktemp("models")
    made = {"teacher": tiny_teacher("llama"), "judge": tiny_judge, "encoder": tiny_encoder, "student": tiny_student}
    for role, folder in made.items():
        shutil.copytree(folder, place / role)
        (place / role / "README.md").write_text(CARD)
    return {role: place / role for role in made}


@pytest.fixture(scope="module")
def outsider(models: dict[str, Path]) -> Path:
    """The judge with other weights."""
    folder = shutil.copytree(models["judge"], models["judge"].with_name("outsider"))
    weights = load_file(folder / "model.safetensors")
    save_file({name: 0.9 * each for name, each in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture
def world(
    models: dict[str, Path], outsider: Path, tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPOSSIBLE_RUNS", str(tmp_path / "data" / "runs"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    with loopback(monkeypatch, tmp_path):
        yield World(tmp_path, models, outsider)
    open_judge.cache_clear()


@pytest.mark.parametrize("page", STORIES)
def test_what_a_page_shows_can_be_done(page: Path, world: World) -> None:
    before = Block(page.name, 0, "", BEFORE.get(page.name, ""))
    for block in [before, *to_run(page)]:
        print(block.place, flush=True)
        world.do(block)
