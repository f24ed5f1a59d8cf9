"""Sentences, windows and the account of what is left out."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reading import Row, SourceError
from pipeline.recipe_sections import Contexts, TextContexts
from pipeline.records import CONTEXT, context_id
from pipeline.windows import ASIDE, Cut, contexts, cut_source, disqualified, sentences, windows

CUT = Cut(seed=7)
WORDS = (
    "The council met. It rained all day! Did anyone come? no stop here\nOk. “He left,” she said. It grew 2.5 percent."
)


def account(outputs):
    total = Counter()
    for output in outputs:
        total.update(output.counts)
    return total


def assert_balanced(counts):
    for unit in ("rows", "sentences"):
        dropped = sum(n for key, n in counts.items() if key.startswith(f"{unit}/dropped/"))
        assert counts[f"{unit}/in"] == counts[f"{unit}/out"] + dropped


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Growth was 2.5 percent. It fell.", ["Growth was 2.5 percent.", "It fell."]),
        ("Dr. Smith of Acme Inc. left. He ran.", ["Dr. Smith of Acme Inc. left.", "He ran."]),
        ("The U.S. economy grew. Good.", ["The U.S. economy grew.", "Good."]),
        ("J. K. Rowling wrote it. E. coli grew.", ["J. K. Rowling wrote it.", "E. coli grew."]),
        ('He said: "Stop! Do not go." Then he left.', ['He said: "Stop! Do not go."', "Then he left."]),
        ("She said: “Stop! Do not go.” He left.", ["She said: “Stop! Do not go.”", "He left."]),
        ("A title\nA sentence that\nis wrapped.", ["A title", "A sentence that", "is wrapped."]),
        ("Two  spaces.\tAnd a tab.", ["Two spaces.", "And a tab."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text, wanted):
    assert sentences(text) == wanted


def test_a_stray_quotation_mark_does_not_swallow_the_text():
    text = 'The screen is 5" wide. ' + " ".join(f"Sentence number {i} is here." for i in range(20))
    parts = sentences(text)
    assert len(parts) == 21


@given(st.text(alphabet="aB c.?!\"“”'()\n 1\t\u00e9\u200b", max_size=200))
def test_sentences_lose_no_letter(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_sentences_do_not_depend_on_what_was_split_before():
    texts = ["Gov. Lee spoke. He left.", "The Gov. spoke. Acme Corp. grew.", "No. 5 won. No. He lost.", WORDS]
    forward = {text: sentences(text) for text in texts}
    assert {text: sentences(text) for text in reversed(texts)} == forward


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Hm.", None),
        ("No", "too_short"),
        ("A.", "too_short"),
        ("No end", "no_end"),
        ("Colon:", "no_end"),
        ("Ends…", "no_end"),
        ("Is it?", None),
        ('"Yes!"', None),
        ("(It is.)", None),
        ("“Is it?”", None),
        ("Stop.x", "no_end"),
        ("A\nB.", "no_end"),
        ("x" * 29 + ".", None),
        ("x" * 30 + ".", "too_long"),
    ],
)
def test_qualifying_sentences(sentence, reason):
    assert disqualified(sentence, 30) == reason


def brute_windows(parts, cut):
    """The windows again, by positions: runs of good sentences, cut greedily from the left."""
    good = [disqualified(part, cut.max_characters) is None for part in parts]
    found, start = [], 0
    while start < len(parts):
        if not good[start]:
            found.append(([parts[start]], disqualified(parts[start], cut.max_characters)))
            start += 1
            continue
        ends = [
            end
            for end in range(start + 1, len(parts) + 1)
            if all(good[start:end])
            and end - start <= cut.length(parts[start])
            and (end == start + 1 or len(" ".join(parts[start:end])) <= cut.max_characters)
        ]
        window = parts[start : max(ends)]
        found.append((window, None if len(window) >= cut.min_sentences else "too_few"))
        start = max(ends)
    return found


@given(
    st.lists(st.sampled_from(["Yes it is.", "Is it so?", "no end", "X", "A rather longer one it is!"]), max_size=25),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(12, 60),
    st.integers(0, 99),
)
def test_windows_are_those_of_brute_force(parts, low, more, characters, seed):
    cut = Cut(seed, low, low + more, characters)
    found = list(windows(parts, cut))
    assert found == brute_windows(parts, cut)
    assert [part for window, _ in found for part in window] == parts  # each sentence once, in order


def test_all_lengths_are_drawn_and_only_those():
    drawn = Counter(CUT.length(f"Sentence {i}.") for i in range(1000))
    assert set(drawn) == {1, 2, 3, 4, 5}
    assert min(drawn.values()) > 140


def test_context_rows():
    (output,) = contexts([Row(1, WORDS)], "notes.txt", CUT)
    assert output.table.schema == CONTEXT
    for row in output.table.to_pylist():
        assert row["context_id"] == context_id(row["text"])
        assert (row["origin"], row["prefix"], row["seed"]) == ("notes.txt", "", None)
        assert 1 <= row["sentences"] <= 5
    assert output.aside.schema == ASIDE
    assert {"unit": "sentence", "row": 1, "text": "no stop here", "reason": "no_end"} in output.aside.to_pylist()


def test_every_row_and_sentence_is_accounted_for():
    rows = [
        Row(1, WORDS),
        Row(2, WORDS),
        Row(3, ""),
        Row(4, " \n"),
        Row(5, "no end"),
        Row(6, "x" * 2000 + "."),
        Row(7, "caf\\xe9", "not_utf8"),
        Row(8, None, "not_text"),
        Row(9, "{", "not_json"),
        Row(10, "A."),
        Row(11, "\u200b"),
        Row(12, None),
    ]
    outputs = list(contexts(rows, "here", CUT))
    counts = account(outputs)
    assert_balanced(counts)
    assert (counts["rows/in"], counts["rows/out"]) == (12, 1)
    reasons = {row["row"]: row["reason"] for row in outputs[0].aside.to_pylist() if row["unit"] == "row"}
    assert reasons == {
        2: "duplicate",
        3: "blank",
        4: "blank",
        5: "no_end",
        6: "too_long",
        7: "not_utf8",
        8: "not_text",
        9: "not_json",
        10: "too_short",
        11: "too_short",
        12: "blank",
    }
    assert max(len(row["text"] or "") for row in outputs[0].aside.to_pylist()) == 500


def test_too_few_sentences():
    (output,) = contexts([Row(1, "Only one here.")], "x", Cut(0, min_sentences=2))
    assert output.counts == {
        "rows/in": 1, "rows/dropped/too_few": 1, "sentences/in": 1, "sentences/dropped/too_few": 1,
    }  # fmt: skip


def test_the_same_context_again_is_a_duplicate_even_in_another_output(monkeypatch):
    monkeypatch.setattr("pipeline.windows.ROWS_PER_OUTPUT", 1)
    outputs = list(contexts([Row(i, "The same again.") for i in range(1, 4)], "x", CUT))
    assert [output.table.num_rows for output in outputs] == [1, 0, 0]
    assert account(outputs)["rows/dropped/duplicate"] == 2


def test_count_stops_reading_and_still_balances():
    taken = []

    def rows():
        for i in range(1, 100):
            taken.append(i)
            yield Row(i, f"Item {i} was sold. no end\nItem {i} came back. broken\nItem {i} was lost.")

    outputs = list(contexts(rows(), "x", CUT, count=7))
    counts = account(outputs)
    assert sum(output.table.num_rows for output in outputs) == 7
    assert len(taken) == 3 == counts["rows/in"]
    assert counts["sentences/dropped/not_wanted"] == 2
    assert_balanced(counts)


def test_asking_for_more_extends():
    rows = [Row(i, f"Item {i} was sold. Then item {i} came back. Nobody knew of {i}.") for i in range(50)]

    def ids(count):
        return [i for output in contexts(rows, "x", CUT, count) for i in output.table["context_id"].to_pylist()]

    assert ids(20) == ids(None)[:20]


def test_the_seed_moves_the_windows_and_the_rows_around_do_not():
    text = " ".join(f"Sentence number {i} is here." for i in range(60))

    def cut_up(rows, seed):
        return [t for output in contexts(rows, "x", Cut(seed)) for t in output.table["text"].to_pylist()]

    alone = cut_up([Row(1, text)], 1)
    assert cut_up([Row(1, "Another row."), Row(2, text)], 1)[1:] == alone
    assert cut_up([Row(1, text)], 2) != alone
    assert " ".join(alone) == text


def test_contexts_as_a_recipe_asks_for_them(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "One is here. Two is here. Three is here."}\n{"body": "Four is here."}\n{"body": "no"}\n')
    settings = Contexts(source=str(path), count=3, min_sentences=2, max_sentences=2, text=TextContexts(column="body"))
    (output,) = cut_source(settings, seed=1)
    assert output.table["text"].to_pylist() == ["One is here. Two is here."]
    assert output.table["origin"].to_pylist() == [str(path)]
    assert output.counts["rows/in"] == 3


@pytest.mark.parametrize(
    ("content", "why"), [("", "it is empty"), ("no end\n\nA.\n\nnor here", "2 no_end, 1 too_short")]
)
def test_text_without_one_context_is_one_line(tmp_path, content, why):
    path = tmp_path / "a.txt"
    path.write_text(content)
    with pytest.raises(SourceError) as caught:
        list(cut_source(Contexts(source=str(path)), seed=1))
    assert f"no context came of its rows ({why})" in str(caught.value)


def test_no_rows_no_output():
    assert list(contexts([], "x", CUT)) == []


def test_rows_are_not_held():
    """A hundred thousand rows pass through with at most one output's rows alive."""
    alive = 0

    class Text(str):
        def __new__(cls, value):
            nonlocal alive
            alive += 1
            return super().__new__(cls, value)

        def __del__(self):
            nonlocal alive
            alive -= 1

    highest = 0
    for _ in contexts((Row(i, Text(f"Row {i}")) for i in range(5000)), "x", CUT):
        highest = max(highest, alive)
    assert highest <= 1001


def test_random_text_is_accounted_for():
    rng = random.Random(0)
    pieces = [*WORDS.split("\n"), "", "\n", "No.", "a", "He said “no. And left.", "5.", "x" * 1600 + "."]
    rows = [Row(i, " ".join(rng.choices(pieces, k=rng.randrange(5)))) for i in range(300)]
    counts = account(contexts(rows, "x", CUT))
    assert_balanced(counts)
    assert counts["rows/in"] == 300
