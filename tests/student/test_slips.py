"""Slips: words that nobody knows, and an end in the middle of the source; of several beams the one with fewest."""

from pathlib import Path

import pytest
from toy_student import sentences

from student.choice import Rewrite, best_first
from student.controls import Controls
from student.generate import Rewriter
from student.settings import Decoding
from student.slips import echoes, repeats, slips, stops_short, whole_words

SOURCE = "Officials said on Thursday that Gen. Pinochet spent 78.1 percent of U.S. aid in Zürich."
KNOWN = frozenset({"the", "money"})


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Officials said that Pinochet spent the money.", 0),
        ("officials SAID.", 0),
        ("Officialsday said on Thursday.", 1),
        ("Officialsday said on Wednesday in zürichs.", 3),
        ("He spent 78.", 3),  # "he", a figure that is none of the source's, and the end
        ("Pinochet spent 79.1 percent.", 1),
        ("Officials said that Gen.", 1),
        ("Officials said that U.", 2),  # no word of the source's, and the end
        ("U.S. aid.", 0),
        ("Pinochet's aid isn't officials’ aid.", 2),  # "is" and "not": what stands behind an apostrophe is no word
        ("U.Senate aid in Zürich.", 1),
        ("Pinochet spent 78 percent.", 1),
        ("Pinochet spent aid in Zürich.", 0),
        ("", 0),
        (" . ", 0),
        ("日本.", 1),
        ("Officials said said on Thursday on  on Thursday.", 2),
        ("Officials, officials said that that-on U.S. U.S. aid.", 0),  # in an apposition, and with more than letters
    ],
)
def test_slips_are_counted(text: str, number: int) -> None:
    assert slips(SOURCE, text, KNOWN) == number


@pytest.mark.parametrize(
    ("source", "text", "number"),
    [
        ("He joined Acme Corp. in May.", "He joined Acme Corp..", 1),  # instead of "Corp.", which is a slip as well
        ("He joined Acme Corp. in May.", "He joined Acme Corp.", 1),
        ("He left it, a year ago, in May.", "He left it, a year ago,.", 1),
        ("He left it ... in May.", "He left it..", 0),
        ("He left in May.", "He left in May", 1),
        ("He left in May", "He left", 0),
        ('He said "it is in May."', 'He said "it is in May."', 0),
        ('He said "it is in May."', 'He said "it is in May.', 1),
        ("He said “it” (in May).", "He said “it (in May.", 2),
        ("He said 1) it 2) May.", "He said 1) it.", 0),
        ("He said ( it in May.", "He said ( it.", 0),
        ("He said it in May 😀.", "He said it \ufffd.", 1),
        ("He said it \ufffd in May.", "He said it \ufffd.", 0),
    ],
)
def test_broken_marks(source: str, text: str, number: int) -> None:
    assert slips(source, text, frozenset()) == number


@pytest.mark.parametrize(
    ("source", "text", "number"),
    [
        ("It cost him his pilot's license in May.", "It cost him his pilot.", 1),
        ("It cost him his PILOT’s license in May.", "it cost him his pilot.", 1),
        ("It cost him his pilot and his pilot's license.", "It cost him his pilot.", 0),
        ("It cost him his pilot and it cost him his pilot's bag.", "It cost him his pilot.", 0),
        ("It cost him his pilots's bag.", "It cost him his pilot.", 1),  # "pilot" is no word of it
        ("What is the Roman Empire's capital?", "What is the capital of the Roman Empire?", 1),  # "of", not the end
        ("The pilot's license went.", "The pilot.", 0),
    ],
)
def test_an_end_at_an_owner(source: str, text: str, number: int) -> None:
    assert slips(source, text, frozenset()) == number


def test_what_the_source_says_twice_may_be_said_twice() -> None:
    assert slips("He said that that was it.", "He said that THAT was.", frozenset()) == 0
    assert slips("He said that that was it.", "He said said that that was.", frozenset()) == 1


def test_the_end_of_the_source_is_an_end() -> None:
    assert not stops_short("It was Gen.", "It was Gen.")
    assert not stops_short("", "Gen.")
    assert stops_short("Gen. Smith said so.", "Gen.")


def test_whole_words_are_pieces_with_a_space_before_them(tiny_t5: Path) -> None:
    from transformers import AutoTokenizer

    known = whole_words(AutoTokenizer.from_pretrained(tiny_t5))
    assert known and all(word == word.casefold() and word.isalnum() for word in known)


def test_a_long_word_of_the_prompt_is_an_echo_unless_the_source_has_it() -> None:
    front = "short rewritten paraphrase of the text: "
    assert echoes(front) == {"short", "shorts", "rewritten", "rewrittens", "paraphrase", "paraphrases"}
    assert echoes("") == frozenset()
    source = "It is the end."
    assert repeats(source, "The rewritten end.", echoes(front)) and repeats(source, "Paraphrases end.", echoes(front))
    assert not repeats(source, "The end of the text.", echoes(front))
    assert not repeats("A Paraphrase is short.", "A short paraphrase.", echoes(front))
    assert not repeats(source, "The rewritten end.", frozenset())


def test_a_rewriter_takes_what_does_not_echo_its_prompt(tiny_student: Path) -> None:
    source = "Officials said that the budget was cut on Thursday."
    texts = ("The rewritten budget was cut.", "The budget was cut in May.", "The summary was cut on Thursday.")
    student = Rewriter(tiny_student, threads=1)
    student._write = lambda prompts, how, seed: [[Rewrite(text, -float(i), 4, True) for i, text in enumerate(texts)]]
    student.__dict__["_common"] = frozenset("the rewritten budget was cut in may summary on thursday summarize".split())
    student.decoding = Decoding(samples=3, respell=False)
    assert [row.text for row in student.rewrite("summary", [source])[0]] == list(texts)
    asked = student.rewrite("summary", [source], Controls(novelty="rewritten"))[0]
    assert asked[-1].text == texts[0]


def test_the_beam_with_the_fewest_slips_comes_first() -> None:
    texts = ("Officialsday said.", "Officials said that Gen.", "Officials said on Thursday.", "Said on Thursday.")
    rows = [Rewrite(text, -float(place), 4, True) for place, text in enumerate(texts)]
    best = best_first(SOURCE, rows, Controls(), KNOWN)
    assert [row.text for row in best] == [texts[2], texts[3], texts[0], texts[1]]  # likelier first where they are even


def test_beams_are_chosen_among_and_samples_are_not(tiny_student: Path) -> None:
    texts = sentences(6, 3)
    every = Rewriter(tiny_student, threads=1, decoding=Decoding(samples=4, beams=4))
    one = Rewriter(tiny_student, threads=1, decoding=Decoding(beams=4))
    for source, rows, (only,) in zip(
        texts, every.rewrite("summary", texts), one.rewrite("summary", texts), strict=True
    ):
        different = dict.fromkeys(row.text for row in rows)  # respelled, two may be the same: the second goes last
        counts = [slips(source, text, one._common) for text in different]
        assert counts == sorted(counts) and only == rows[0]
    drawn = Decoding(samples=3, temperature=1.0)
    student = Rewriter(tiny_student, threads=1, decoding=drawn)
    write = Rewriter(tiny_student, threads=1, decoding=drawn)
    assert student.rewrite("summary", texts, seed=1) == write.rewrite("summary", texts, seed=1)
