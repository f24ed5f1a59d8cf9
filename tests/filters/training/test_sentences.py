import gzip
import json
from pathlib import Path

import pytest

from filters.base import FilterError
from filters.training.sentences import sentences_of


def test_text_that_is_no_json_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text('{"text": "The mayor opened the bridge on Monday."}\nPlain text.\n')
    with pytest.raises(FilterError, match=r"a\.txt:2: no JSON"):
        sentences_of([tmp_path / "a.txt"], seed=0)


def test_sentences_of_any_column_once_and_whole(tmp_path: Path) -> None:
    rows = [
        {"text": "The mayor opened the bridge on Monday. He left at noon that day.", "id": 3},
        {
            "split": ["The mayor opened the bridge on Monday .", "too short."],
            "more": {"note": "no capital letter at the start."},
        },
        {"text": "A question about the bridge follows here? And so does this one, said he."},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write(json.dumps({"text": "Señor Núñez bought the old mill in May."}))
    found = sentences_of([tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"], seed=0)
    assert set(found) == {
        "The mayor opened the bridge on Monday.",
        "He left at noon that day.",
        "And so does this one, said he.",
        "Señor Núñez bought the old mill in May.",
    }
    assert len(found) == len(set(found)) == 4
    assert found == sentences_of([tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"], seed=0)
