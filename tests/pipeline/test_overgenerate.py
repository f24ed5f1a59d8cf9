"""Contexts to candidates, with the decoder that has no model."""

import pyarrow as pa
import pytest
from toy_filters import SENTENCES

from filters.wellformed import Wellformed
from pipeline.overgenerate import Overgenerate
from pipeline.progress import unbalanced
from pipeline.recipe_sections import Modes
from pipeline.records import CANDIDATE, CONTEXT, context_id
from pipeline.stage import Batch
from pipeline.teacher.decoder import Sampling
from pipeline.teacher.echo import EchoDecoder
from pipeline.teacher.keywords import coverage


def contexts(*texts: str) -> pa.Table:
    rows = [{"context_id": context_id(text), "text": text, "sentences": 1, "origin": "teacher"} for text in texts]
    return pa.Table.from_pylist(rows, schema=CONTEXT)


def stage(sources: int = 0, n: int = 12, seed: int = 1, window: int = 30) -> Overgenerate:
    modes = Modes.model_validate({"sequential": {"sources": sources, "samples": 3, "keywords": 2}})
    return Overgenerate(EchoDecoder(SENTENCES, window), Sampling(n=n), modes, Wellformed(), seed)


TEXTS = [f"Context number {i} is about a town." for i in range(5)]


def test_rows_in_context_and_sample_order() -> None:
    output = stage().open()(Batch(0, contexts(*TEXTS)))
    assert output.table.schema == CANDIDATE
    assert output.table["context"].to_pylist() == [text for text in TEXTS for _ in range(12)]
    seeds = output.table["seed"].to_pylist()
    assert [seed - seeds[0] for seed in seeds[:12]] == list(range(12))
    assert len(set(seeds)) == len(set(output.table["candidate_id"].to_pylist())) == 60
    assert set(output.table["mode"].to_pylist()) == {"parallel"}
    assert output.table["text"].to_pylist() == [text.strip() for text in output.table["text"].to_pylist()]
    assert output.table["coverage"].null_count == 60


def test_counts() -> None:
    output = stage().open()(Batch(0, contexts(*TEXTS, "too long " * 40)))
    rows = output.table.to_pylist()
    assert unbalanced(output.counts) == {}
    assert (output.counts["in"], output.counts["out"], output.counts["dropped/context_too_long"]) == (6, 5, 1)
    assert output.counts["sampled"] == len(rows) == 60
    assert output.counts["tokens_decoded"] == sum(row["decoded"] for row in rows)
    kept = sum(row["tokens"] for row in rows if row["ended"] == "sentence")
    assert 0 < output.counts["tokens_kept"] == kept < output.counts["tokens_decoded"]
    assert output.aside is not None
    assert output.aside["reason"].to_pylist() == ["context_too_long"]


def test_a_context_depends_on_itself_alone() -> None:
    alone = stage().open()(Batch(0, contexts(TEXTS[3])))
    among = stage().open()(Batch(7, contexts(*TEXTS)))
    assert among.table.slice(36, 12).equals(alone.table)
    assert not alone.table["text"].equals(stage(seed=2).open()(Batch(0, contexts(TEXTS[3]))).table["text"])


@pytest.mark.parametrize("sources", [0, 2])
def test_known_rows_are_not_written_anew_and_change_nothing(sources: int) -> None:
    fresh = stage(sources).open()(Batch(0, contexts(*TEXTS)))
    some = stage(sources).open()(Batch(0, contexts(TEXTS[1], TEXTS[4])))

    asked: list[str] = []

    class Listening(EchoDecoder):
        def open(self):  # type: ignore[no-untyped-def]
            decode = super().open()
            return lambda requests, sampling: asked.extend(r.text for r in requests) or decode(requests, sampling)

    listening = Listening(SENTENCES, 30)
    again = Overgenerate(listening, Sampling(n=12), stage(sources).modes, Wellformed(), 1)
    extended = again.open()(Batch(0, contexts(*TEXTS), known=some.table))
    assert extended.table.equals(fresh.table)
    assert extended.counts == fresh.counts
    assert set(asked) == {TEXTS[0], TEXTS[2], TEXTS[3]}


def test_nothing_fits() -> None:
    output = stage(window=1).open()(Batch(0, contexts(*TEXTS)))
    assert (output.table.num_rows, output.counts["out"], output.counts["tokens_decoded"]) == (0, 0, 0)
    assert output.table.schema == CANDIDATE


def test_sequential_mode() -> None:
    output = stage(sources=2).open()(Batch(0, contexts(*TEXTS)))
    rows = output.table.to_pylist()
    parallel = {row["candidate_id"]: row for row in rows if row["mode"] == "parallel"}
    forced = [row for row in rows if row["mode"] == "sequential"]
    assert len(forced) == 5 * 2 * 3
    for row in forced:
        source = parallel[row["source_id"]]
        assert source["context_id"] == row["context_id"]
        assert (source["ended"], Wellformed().problem(source["text"], source["context"])) == ("sentence", None)
        assert 1 <= len(row["keywords"]) <= 2
        assert all(word in source["text"] for word in row["keywords"])
        assert row["coverage"] == pytest.approx(coverage(row["text"], row["keywords"]))
    assert output.counts["keywords_asked"] == sum(len(row["keywords"]) for row in forced)
    found = sum(round(row["coverage"] * len(row["keywords"])) for row in forced)
    assert output.counts["keywords_found"] == found
    assert len({row["seed"] for row in rows}) == len(rows)


def test_spec() -> None:
    assert stage().spec() == stage().spec()
    assert len({str(s.spec()) for s in (stage(), stage(n=13), stage(seed=2), stage(sources=1))}) == 4
