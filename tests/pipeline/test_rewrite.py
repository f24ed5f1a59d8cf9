"""A student's turn to write: which sentences it is given, and what becomes of them."""

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from toy_student import sentences

from filters.wellformed import Wellformed
from pipeline.progress import unbalanced
from pipeline.records import CANDIDATE, CONTEXT
from pipeline.rounds.rewrite import StudentRewrites
from pipeline.stage import Batch, Output
from pipeline.store import StageFolder
from pipeline.work import check_output
from student.errors import StudentError
from student.settings import Decoding

pytestmark = pytest.mark.usefixtures("own_home")
Row = dict[str, Any]


@pytest.fixture
def stage(tiny_student: Path, tmp_path: Path) -> StudentRewrites:
    shutil.copytree(tiny_student, tmp_path / "student" / "model")
    StageFolder(tmp_path / "student").write_manifest({"key": "k1"})
    decoding = Decoding(samples=3, temperature=0.7)
    return StudentRewrites(
        tmp_path / "student", decoding, Wellformed(), ("summary", "paraphrase"), sources_per_context=2, seed=1, round=1
    )


def candidates(contexts: int = 3, each: int = 5) -> list[Row]:
    texts = sentences(contexts * each, 3)
    return [
        {"candidate_id": f"id-{n}", "context_id": f"c{n % contexts}", "context": "Before.", "text": text}
        | {"mode": "parallel", "keywords": [], "ended": "sentence", "round": 0}
        for n, text in enumerate(texts)
    ]


def written(stage: StudentRewrites, rows: list[Row], index: int = 0, schema: pa.Schema = CANDIDATE) -> Output:
    output = stage.open()(Batch(index, pa.Table.from_pylist(rows, schema=schema)))
    check_output(stage, output)
    assert unbalanced(output.counts) == {}
    return output


def test_some_sentences_of_each_context_for_each_task(stage: StudentRewrites) -> None:
    rows = candidates()
    output = written(stage, rows)
    found = output.table.to_pylist()
    assert output.counts["in"] == 15 and output.counts["out"] == 6 and output.counts["dropped/not_drawn"] == 9
    assert output.counts["sampled"] == len(found) == 3 * 2 * 2 * 3
    assert output.counts["tokens_decoded"] == sum(row["decoded"] for row in found) > 0
    texts = {row["candidate_id"]: (row["context_id"], row["text"]) for row in rows}
    assert all(texts[row["source_id"]] == (row["context_id"], row["context"]) for row in found)
    assert {row["mode"] for row in found} == {"summary", "paraphrase"}
    assert len({row["candidate_id"] for row in found}) == len(found)
    assert {(row["writer"], row["round"]) for row in found} == {("student 1: k1", 1)}
    assert all(row["logprob"] <= 0 and row["ended"] in ("sentence", "length") for row in found)


def test_the_draw_is_of_content_and_round(stage: StudentRewrites) -> None:
    rows = candidates()
    first = written(stage, rows).table.to_pylist()
    assert written(stage, rows).table.to_pylist() == first  # the same words again
    random.Random(0).shuffle(rows)
    assert {row["source_id"] for row in written(stage, rows).table.to_pylist()} == {row["source_id"] for row in first}
    for other in (replace(stage, round=2), replace(stage, seed=2)):
        assert {row["source_id"] for row in written(other, rows).table.to_pylist()} != {r["source_id"] for r in first}
    assert written(stage, candidates(), index=1).table["text"].to_pylist() != [row["text"] for row in first]


def test_repeats_and_what_is_no_sentence_are_not_rewritten(stage: StudentRewrites) -> None:
    good = candidates(1, 1)[0]
    rows = [
        good,
        good | {"candidate_id": "again"},
        good | {"candidate_id": "cut", "text": sentences(9, 8)[0], "ended": "length"},
        good | {"candidate_id": "bad", "text": "no beginning and no end"},
    ]
    output = written(stage, rows)
    assert output.counts["out"] == 1 and set(output.table["source_id"].to_pylist()) == {"id-0"}


def test_sentences_of_ones_own(stage: StudentRewrites) -> None:
    """Contexts of one sentence have no candidate id; all of them are rewritten."""
    rows = [{"context_id": f"c{n}", "text": text, "sentences": 1} for n, text in enumerate(sentences(4, 3))]
    output = written(replace(stage, sources_per_context=None), rows, schema=CONTEXT)
    assert output.counts["out"] == 4
    assert set(output.table["source_id"].to_pylist()) == {None}
    assert set(output.table["context_id"].to_pylist()) == {"c0", "c1", "c2", "c3"}


def test_nothing_to_rewrite(stage: StudentRewrites) -> None:
    assert written(stage, []).table.num_rows == 0


def test_a_task_that_the_student_did_not_learn_is_left_out(stage: StudentRewrites) -> None:
    found = written(replace(stage, tasks=("headline", "summary")), candidates(1, 2)).table
    assert set(found["mode"].to_pylist()) == {"summary"}


def test_the_key_is_that_of_the_training(stage: StudentRewrites) -> None:
    before = stage.spec()
    assert before["student"] == "k1"
    StageFolder(stage.folder).write_manifest({"key": "k2"})
    assert stage.spec() != before
    faster = replace(stage, device="cuda", resources=replace(stage.resources, threads=8))
    assert faster.spec() == stage.spec()
    assert replace(stage, decoding=replace(stage.decoding, beams=9)).spec() == stage.spec()  # samples need no beams


def test_no_student_is_one_line(stage: StudentRewrites, tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=r"no student\.json"):
        replace(stage, folder=tmp_path / "none").open()
