"""The user's own text, filed shard by shard."""

from pathlib import Path

import pytest

from pipeline.progress import add_counts, unbalanced
from pipeline.reading import SourceError
from pipeline.recipe_sections import Contexts
from pipeline.stage import Batch
from pipeline.text_contexts import ENTRY, CutContexts, entries
from pipeline.windows import cut_source

TEXT = "\n\n".join(f"Paragraph {i} begins here. It has two sentences. Then a third one comes." for i in range(20))


def settings(source: Path, count: int = 100) -> Contexts:
    return Contexts(source=str(source), count=count, min_sentences=1, max_sentences=2)


def shards(source: Path, size: int = 4, count: int = 100) -> list:
    return list(entries(cut_source(settings(source, count), 7), size))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text(TEXT + "\n\nno end here\n\n\n" + TEXT[:46])
    return file


def test_all_contexts_are_filed_and_the_rest_is_told(source: Path) -> None:
    stage = CutContexts(settings(source), 7)
    tables = shards(source)
    assert all(table.schema == ENTRY for table in tables)
    outputs = [stage.open()(Batch(i, table)) for i, table in enumerate(tables)]
    direct = list(cut_source(settings(source), 7))
    wanted = [row for output in direct for row in output.table.to_pylist()]
    assert [row for output in outputs for row in output.table.to_pylist()] == wanted
    assert [output.table.num_rows for output in outputs[:-1]] == [4] * (len(outputs) - 1)
    counts = add_counts(output.counts for output in outputs)
    assert unbalanced(counts) == {}
    assert counts["out"] == len(wanted)
    assert counts["dropped/no_end"] == 1
    assert counts["dropped/duplicate"] >= 1


def test_more_contexts_leave_the_first_as_they_are(source: Path) -> None:
    """What is set aside may differ, and candidates depend on the contexts alone."""
    work = CutContexts(settings(source), 7).open()
    few, many = ([work(Batch(0, table)).table for table in shards(source, count=count)] for count in (8, 16))
    assert [table.equals(other) for table, other in zip(few[:2], many[:2], strict=True)] == [True, True]
    assert len(many) > len(few)


def test_closings_lead_over_from_ones_own_text(source: Path) -> None:
    closings = ("My question is:", "So I ask you this:")
    asking = settings(source).model_copy(update={"closings": closings})
    plain = [row["text"] for output in cut_source(settings(source), 7) for row in output.table.to_pylist()]
    closed = [row["text"] for output in cut_source(asking, 7) for row in output.table.to_pylist()]
    assert all(text in {f"{start} {end}" for end in closings} for start, text in zip(plain, closed, strict=True))
    assert {text[-10:] for text in closed} == {end[-10:] for end in closings}
    assert CutContexts(asking, 7).spec() != CutContexts(settings(source), 7).spec()


def test_text_without_a_context(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(SourceError, match="it is empty"):
        shards(tmp_path / "empty.txt")


def test_spec_is_the_cut_and_the_seed(source: Path) -> None:
    assert CutContexts(settings(source, 5), 7).spec() == CutContexts(settings(source, 50), 7).spec()
    assert CutContexts(settings(source), 7).spec() != CutContexts(settings(source), 8).spec()
