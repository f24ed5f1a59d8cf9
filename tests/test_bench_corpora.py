"""`python -m bench.corpora`: sets of the same size, rows that were held out, and how far ours is ahead of a set."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from bench.corpora import OURS, Corpus, Domain, Scored, _ahead, _drawn, _means, _theirs
from pipeline.errors import UserError
from student.dataset import Pair


def pairs(count: int) -> list[Pair]:
    return [Pair("summary", f"The long sentence number {n}.", f"Sentence {n}.") for n in range(count)]


def scored(rouge_l: list[list[float]]) -> Scored:
    """ROUGE-L by seed and row; the others are 0."""
    found = np.zeros((len(rouge_l), len(rouge_l[0]), 3))
    found[..., -1] = rouge_l
    return Scored(found, 5.0)


def test_a_set_gives_as_many_pairs_as_ours_and_rows_it_never_learns_from() -> None:
    ours = Corpus(pairs(8), pairs(2), pairs(1))
    drawn = _drawn("theirs", pairs(40), ours, rows=5)
    assert (len(drawn.train), len(drawn.validation), len(drawn.test)) == (8, 2, 5)
    assert len({*drawn.train, *drawn.validation, *drawn.test}) == 15
    assert drawn == _drawn("theirs", pairs(40), ours, rows=5)


def test_a_source_that_was_learned_from_is_not_measured_on() -> None:
    ours = Corpus(pairs(8), pairs(2), pairs(1))
    drawn = _drawn("theirs", pairs(10) * 2, ours, rows=10)
    learned = {pair.source for pair in (*drawn.train, *drawn.validation)}
    assert not learned & {pair.source for pair in drawn.test} and len(drawn.train) == 8


def test_a_set_that_is_too_small_is_refused_with_its_size() -> None:
    ours = Corpus(pairs(8), pairs(2), pairs(1))
    assert len(_drawn("theirs", pairs(15), ours, rows=5).test) == 5
    with pytest.raises(UserError, match="--set theirs: 14 pairs, wanted 15"):
        _drawn("theirs", pairs(14), ours, rows=5)


def test_of_a_list_the_first_sentence_is_taken_and_copies_and_blanks_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"text": "The dog barked at the old man.", "short": ["", "The dog barked at him."]},
        {"text": "The same sentence on both sides.", "short": "The same sentence on both sides."},
        {"text": " ", "short": "A summary of nothing at all."},
        {"text": "A text without a summary here.", "short": None},
    ]
    file = tmp_path / "set.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    assert _theirs(f"theirs={file}:text:short") == (
        "theirs",
        [Pair("summary", "The dog barked at the old man.", "The dog barked at him.")],
    )


def test_rows_are_compared_in_the_mean_of_the_seeds() -> None:
    domains = [Domain("news", (), ()), Domain("theirs, held out", (), (), "theirs")]
    news = {(OURS, "news"): scored([[3, 5], [5, 3]]), ("theirs", "news"): scored([[3, 3], [1, 5]])}
    own = {
        (OURS, "theirs, held out"): scored([[1.0, 1.0], [1.0, 1.0]]),
        ("theirs", "theirs, held out"): scored([[2.0, 2.0], [2.0, 2.0]]),
    }
    first, second = _ahead(news | own, domains)
    # By rows the means of the seeds are ahead by 2 and 0; by seeds the means of the rows by 1 and 1.
    assert first == ("theirs", "news", "neither", "+1.0", "0.0 to 2.0", "2 of 2")
    assert second == ("theirs", "theirs, held out", "theirs", "-1.0", "-1.0 to -1.0", "0 of 2")
    assert _means(news | own, domains)[-1][:3] == ("theirs", "theirs, held out (its own)", 2)
