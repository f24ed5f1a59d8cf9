"""`build` step by step, each step a stand-in: what is made once, what is refused, and what is read first."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from filters.base import FilterError
from filters.training import build
from filters.training.build import Sources

LABELLED = '{"premise": "p", "hypothesis": "h", "label": "neutral", "origin": "cad"}\n'


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "labelled.jsonl").write_text(LABELLED)
    (tmp_path / "text.jsonl").write_text('{"text": "The mayor opened the bridge on Monday."}\n')
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "shard-00000.parquet").write_bytes(b"one")
    (tmp_path / "wordnet").mkdir()
    (tmp_path / "wordnet" / "data.noun").write_text("one")
    return Sources(
        tmp_path / "labelled.jsonl", [tmp_path / "text.jsonl"], tmp_path / "run", "", wordnet=tmp_path / "wordnet"
    )


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the steps that were taken."""
    steps: list[str] = []

    def rows(name: str) -> Callable[..., list[dict[str, object]]]:
        row = {"premise": "p", "hypothesis": "h", "probabilities": [0, 0, 0], "origin": name}
        return lambda *_: [steps.append(name) or row]  # type: ignore[func-returns-value]

    def trained(spec: object, out: Path) -> Path:
        steps.append(out.name)
        (out / "model").mkdir(parents=True, exist_ok=True)
        return out / "model"

    for name in ("parsed", "hard", "crossed", "unlabelled"):
        monkeypatch.setattr(build, f"{name}_rows", rows(name))
    monkeypatch.setattr(build, "check_layers", lambda base: None)
    monkeypatch.setattr(build, "revision_of", lambda reference: "the weights")
    monkeypatch.setattr(build, "train", trained)
    monkeypatch.setattr(build, "write_soft_labels", lambda judge, rows, out: steps.append("soft") or out.touch())
    return steps


TRAINED = ["larger", "sharper", "closer", "soft", "small", "shorter"]


def test_rows_are_made_once_and_every_training_is_asked_to_go_on(
    sources: Sources, done: list[str], tmp_path: Path
) -> None:
    assert build.build(sources, tmp_path / "work") == tmp_path / "work" / "small" / "model"
    assert done == ["parsed", "hard", "crossed", "unlabelled", *TRAINED]
    done.clear()
    build.build(sources, tmp_path / "work")
    assert done == TRAINED


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("labelled.jsonl", "labelled"),
        ("text.jsonl", "text"),
        ("run/shard-00000.parquet", "candidates"),
        ("run/shard-00001.parquet", "candidates"),
        ("wordnet/data.noun", "wordnet"),
    ],
)
def test_other_sources_are_refused_before_any_step(
    sources: Sources, done: list[str], tmp_path: Path, changed: str, said: str
) -> None:
    build.build(sources, tmp_path / "work")
    done.clear()
    (tmp_path / changed).write_text(LABELLED * 2)
    with pytest.raises(FilterError, match=rf"work: made with other settings \({said}\)"):
        build.build(sources, tmp_path / "work")
    assert not done


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RECOMBINED", {"cad": 1}), ("MOST_OF_A_RULE", 1), ("MOST_OF_A_PARSED_RULE", 1), ("PARSED_SENTENCES", 1),
        ("SIBLINGS_A_BAND", 1), ("CAPTIONS", 1), ("OWN_RULES", 1), ("QUESTIONS", 1), ("QUESTION_FRAME", "So: {}"),
        ("BLOCK", 1), ("CROSSINGS", 1), ("CROSSINGS_OF_TEXT", 1), ("BOTH_WAYS", ())
    ],
)  # fmt: skip
def test_other_numbers_are_refused_before_any_step(
    sources: Sources, done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    build.build(sources, tmp_path / "work")
    done.clear()
    monkeypatch.setattr(build, name, value)
    with pytest.raises(FilterError, match=rf"work: made with other settings \({name}\)"):
        build.build(sources, tmp_path / "work")
    assert not done


@pytest.mark.parametrize(("captions", "weights", "said"), [("x", "the weights", "captions"), ("cad", "new", "base")])
def test_another_base_or_origin_is_refused(
    sources: Sources, done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, captions, weights, said
) -> None:
    build.build(sources, tmp_path / "work")
    monkeypatch.setattr(build, "revision_of", lambda reference: weights)
    with pytest.raises(FilterError, match=rf"work: made with other settings \({said}\)"):
        build.build(sources._replace(captions=captions), tmp_path / "work")


def test_answers_of_another_judge_are_not_taken_for_its_own(
    sources: Sources, done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`closer` was removed and made anew with other settings; what the former one said is still there."""
    build.build(sources, tmp_path / "work")
    done.clear()
    shutil.rmtree(tmp_path / "work" / "closer")
    monkeypatch.setattr(build, "revision_of", lambda reference: "new" if "closer" in reference else "the weights")
    with pytest.raises(FilterError, match=r"soft: made with other settings \(judge\)"):
        build.build(sources, tmp_path / "work")
    assert done == ["larger", "sharper", "closer"]


def test_a_bad_labelled_line_is_told_before_any_step(sources: Sources, done: list[str], tmp_path: Path) -> None:
    sources.labelled.write_text(LABELLED + '{"premise": "p"}\n')
    with pytest.raises(FilterError, match=r"labelled\.jsonl:2: not a labelled pair"):
        build.build(sources, tmp_path / "work")
    assert not done and not (tmp_path / "work").exists()


@pytest.mark.parametrize("field", ["candidates", "questions", "wordnet"])
def test_a_folder_without_its_files_is_told_before_any_step(
    sources: Sources, done: list[str], tmp_path: Path, field: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FilterError, match=r"empty: no file .* in it; wanted .*; name another folder"):
        build.build(sources._replace(**{field: tmp_path / "empty"}), tmp_path / "work")
    assert not done
