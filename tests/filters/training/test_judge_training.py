"""A tiny BERT learns, and a killed training ends like one that was left alone."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import without_parser
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from filters.base import FilterError
from filters.models import revision_of
from filters.training import build
from filters.training import train as training
from filters.training.made_with import MARK
from filters.training.rows import LABELS, read_rows
from filters.training.soft_labels import probabilities, write_soft_labels
from filters.training.train import TrainingSpec, loss_of, train
from filters.training.unlabelled import is_for_training
from pipeline.recipe import load

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h".split()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertForSequenceClassification(
        BertConfig(vocab_size=len(WORDS), id2label=dict(enumerate(LABELS)), **size)
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    names, made = "abcdefgh", []
    for number in range(240):
        first, second = names[number % 8], names[(number * 5 + number // 8) % 8]
        label = "entailment" if second in "abcd" else "not_entailment"
        made.append({"premise": f"{first} {names[number % 3]}", "hypothesis": second, "label": label, "origin": "x"})
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


def spec_of(base: Path, rows: Path) -> TrainingSpec:
    return TrainingSpec(base=str(base), rows=(str(rows),), token_budget=64, peak_rate=1e-2, bfloat16=False, threads=1)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return BertForSequenceClassification.from_pretrained(folder).state_dict()


class KilledError(Exception):
    pass


def test_a_killed_training_ends_the_same(base: Path, rows: Path, tmp_path: Path, monkeypatch) -> None:
    whole = weights(train(spec_of(base, rows), tmp_path / "whole", save_every=3))
    step = training._Run._step

    def dying(run, number: int, places) -> None:
        if number == 7:
            raise KilledError
        step(run, number, places)

    monkeypatch.setattr(training._Run, "_step", dying)
    with pytest.raises(KilledError):
        train(spec_of(base, rows), tmp_path / "killed", save_every=3)
    monkeypatch.undo()
    resumed = weights(train(spec_of(base, rows), tmp_path / "killed", save_every=3))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("change", ["rate", "rows", "layers", "base"])
def test_a_folder_that_was_begun_with_something_else_is_refused(
    base: Path, rows: Path, tmp_path: Path, change: str
) -> None:
    """The weights in it are of another judge."""
    train(spec_of(base, rows), tmp_path / "run")
    train(spec_of(base, rows), tmp_path / "run")  # the same again: nothing to do
    other = tmp_path / ("base" if change == "base" else "rows.jsonl")
    if change == "base":
        shutil.copytree(base, other)
        config = json.loads((other / "config.json").read_text()) | {"initializer_range": 0.5}
        (other / "config.json").write_text(json.dumps(config))
    else:
        other.write_text(rows.read_text() if change != "rows" else rows.read_text().replace("entailment", "neutral", 1))
    spec = spec_of(other if change == "base" else base, rows if change == "base" else other)
    spec = replace(spec, **{"rate": {"peak_rate": 2e-2}, "layers": {"layers": (0,)}}.get(change, {}))
    (tmp_path / "run" / "log.csv").write_text("")
    said = "peak_rate" if change == "rate" else change
    with pytest.raises(
        FilterError, match=rf"run: made with other settings \({said}\); remove it or give another --work"
    ):
        train(spec, tmp_path / "run")
    assert not (tmp_path / "run" / "log.csv").read_text()  # no step was taken


def test_rows_and_base_may_lie_elsewhere(base: Path, rows: Path, tmp_path: Path) -> None:
    trained = weights(train(spec_of(base, rows), tmp_path / "run"))
    steps = (tmp_path / "run" / "log.csv").read_text()
    shutil.copytree(base, tmp_path / "base")
    shutil.copy(rows, tmp_path / "moved.jsonl")
    again = weights(train(spec_of(tmp_path / "base", tmp_path / "moved.jsonl"), tmp_path / "run"))
    assert (tmp_path / "run" / "log.csv").read_text() == steps  # no step was taken again
    assert all(torch.equal(trained[name], again[name]) for name in trained)


def test_a_folder_of_before_is_refused(base: Path, rows: Path, tmp_path: Path) -> None:
    train(spec_of(base, rows), tmp_path / "run")
    (tmp_path / "run" / MARK).unlink()
    with pytest.raises(FilterError, match="made with settings that it does not tell"):
        train(spec_of(base, rows), tmp_path / "run")


def test_the_same_weights_again_are_the_same_base_for_what_follows(base: Path, rows: Path, tmp_path: Path) -> None:
    """A finished training is asked again by every call; what goes on from it must know it again."""
    first = revision_of(str(train(spec_of(base, rows), tmp_path / "run")))
    assert revision_of(str(train(spec_of(base, rows), tmp_path / "run"))) == first


def test_another_part_held_out_is_another_training(base: Path, rows: Path, tmp_path: Path, monkeypatch) -> None:
    train(spec_of(base, rows), tmp_path / "run")
    monkeypatch.setattr(training, "BOTH_WAYS", ("x",))
    with pytest.raises(FilterError, match=r"\(BOTH_WAYS\)"):
        train(spec_of(base, rows), tmp_path / "run")


def test_a_training_without_a_row_is_told(base: Path, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(FilterError, match=r"rows\.jsonl: no row to train on"):
        train(replace(spec_of(base, rows), passes={"*": 0}), tmp_path / "run")


def test_word_embeddings_stay_and_the_rest_learns(base: Path, rows: Path, tmp_path: Path) -> None:
    before, after = weights(base), weights(train(spec_of(base, rows), tmp_path / "run"))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in same if "word_embeddings" in name}
    assert not {name for name in same if "classifier.weight" in name or "attention.self.query" in name}
    losses = [float(line.split(",")[2]) for line in (tmp_path / "run" / "log.csv").read_text().splitlines()]
    assert sum(losses[-5:]) < sum(losses[:5])


def test_a_rate_that_breaks_it_is_told(base: Path, rows: Path, tmp_path: Path) -> None:
    spec = TrainingSpec(base=str(base), rows=(str(rows),), token_budget=64, peak_rate=1e30, bfloat16=False, threads=1)
    with pytest.raises(FilterError, match="lower `peak_rate`"):
        train(spec, tmp_path / "run")


def test_the_loss_merges_two_classes() -> None:
    logits = torch.tensor([[2.0, 1.0, -1.0]])
    share = logits.softmax(-1)[0]
    hard = torch.tensor([[0.0, 1.0, 0.0]])
    assert loss_of(logits, hard, torch.tensor([False])).item() == pytest.approx(-share[1].log().item())
    assert loss_of(logits, hard, torch.tensor([True])).item() == pytest.approx(-(share[1] + share[2]).log().item())


def test_soft_labels_go_on_where_they_stopped(base: Path, rows: Path, tmp_path: Path) -> None:
    asked = read_rows(rows)[:30]
    write_soft_labels(base, asked[:12], tmp_path / "soft.jsonl", part=5)
    write_soft_labels(base, asked, tmp_path / "soft.jsonl", part=5)
    written = read_rows(tmp_path / "soft.jsonl")
    assert [row.premise for row in written] == [row.premise for row in asked]
    whole = probabilities(base, asked)
    assert torch.allclose(torch.tensor([row.target for row in written]), whole, atol=2e-2)
    assert torch.allclose(whole.sum(-1), torch.ones(30), atol=1e-5)


def test_a_line_of_soft_labels_that_a_kill_cut_is_written_anew(base: Path, rows: Path, tmp_path: Path) -> None:
    asked, soft = read_rows(rows)[:12], tmp_path / "soft.jsonl"
    write_soft_labels(base, asked, soft, part=5)
    whole = soft.read_bytes()
    soft.write_bytes(whole[: whole.rfind(b"{") + 9])
    write_soft_labels(base, asked, soft, part=5)
    assert [(row.premise, row.hypothesis) for row in read_rows(soft)] == [(r.premise, r.hypothesis) for r in asked]


@pytest.mark.parametrize("name", ["larger", "sharper", "closer", "shorter", "small"])
def test_every_settings_file_is_a_spec(name: str) -> None:
    found = build.spec_of(name, "some/base", Path("rows.jsonl"))
    assert (found.base, found.rows) == ("some/base", ("rows.jsonl",))
    assert found.passes and all(times >= 0 for times in found.passes.values())


def test_a_base_of_other_layers_is_refused_before_the_work(base: Path) -> None:
    with pytest.raises(FilterError, match="has 2 layers, wanted 12"):
        build.check_layers(str(base))


@pytest.mark.skipif(bool(without_parser()), reason=without_parser())
def test_pairs_by_parsing_are_of_both_sources_and_so_many_a_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [f"{number:032x}" for number in range(40)]
    trained = next(name for name in ours if is_for_training(name))
    held = next(name for name in ours if not is_for_training(name))
    bridge = "The bridge, which was built a century ago, was closed on Monday."
    mayor = "The mayor, who was very ill, met the banker in the town hall."
    texts = {
        "context_id": [trained, trained, held],
        "text": [bridge, mayor, "The wolf, which was grey, ate on Monday."],
    }
    pq.write_table(pa.table(texts), tmp_path / "shard-00000.parquet")
    text = tmp_path / "text.jsonl"
    plain = [f"The keeper number {n}, who was old, fed the {n} seals on Friday." for n in range(8)]
    text.write_text("".join(json.dumps({"text": sentence}) + "\n" for sentence in plain))
    monkeypatch.setattr(build, "BLOCK", 4)
    sources = build.Sources(text, [text], tmp_path, "")
    rows = list(build.parsed_rows(sources))
    premises = {row["premise"] for row in rows}
    assert {bridge, mayor} <= premises and premises & set(plain)
    assert not any("wolf" in premise for premise in premises)  # a context that readings may come from
    monkeypatch.setattr(build, "MOST_OF_A_PARSED_RULE", 1)
    assert max(Counter(row["origin"] for row in build.parsed_rows(sources)).values()) == 1


def test_the_pool_holds_framed_questions_of_contexts_that_may_be_trained_on(tmp_path: Path) -> None:
    ours = [f"{number:032x}" for number in range(40)]
    trained = next(name for name in ours if is_for_training(name))
    held = next(name for name in ours if not is_for_training(name))
    asked = ["How do I learn French?", "How can I learn French?", "What do whales eat?"]
    texts = {"context_id": [trained] * 3 + [held] * 2, "text": [*asked, "Who won the match?", "Who has won the match?"]}
    pq.write_table(pa.table(texts), tmp_path / "shard-00000.parquet")
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text("")
    plain = build.Sources(labelled, [], tmp_path, "")
    pool = build.unlabelled_rows(plain._replace(questions=tmp_path))
    framed = {(row["premise"], row["hypothesis"]) for row in pool if row["origin"] == "questions"}
    first, second = (build.QUESTION_FRAME.format(question) for question in asked[:2])
    assert {(first, second), (second, first)} <= framed
    assert not any("match" in text for pair in framed for text in pair)
    assert not any(row["origin"] == "questions" for row in build.unlabelled_rows(plain))


def test_questions_are_framed_as_the_recipe_frames_them() -> None:
    assert load("questions").tasks["paraphrase"].judge_frame == build.QUESTION_FRAME
