"""The teacher asked outright: what it is asked, what is taken of its answer, and answers that are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.evaluation.zero_shot import AT_ONCE, prompts, tidy, zero_shot
from pipeline.shard import write_atomically
from pipeline.teacher.decoder import Continuation, Decode, Request, Sampling

PLAIN_TOKENIZER = SimpleNamespace(chat_template=None)


@dataclass
class ChatTokenizer:
    """Renders as chat templates do; `adds_start`: puts <s> in front of every text by itself."""

    adds_start: bool
    chat_template: str = "there is one"
    bos_token: str = "<s>"
    bos_token_id: int = 1

    def apply_chat_template(self, messages: "list[dict[str, str]]", tokenize: bool, add_generation_prompt: bool) -> str:
        assert not tokenize and add_generation_prompt
        return f"<s>[{messages[0]['role']}] {messages[0]['content']} [assistant]"

    def encode(self, text: str) -> list[int]:
        return [1, 7] if self.adds_start else [7]


@dataclass
class Shouter:
    """A decoder that shouts its prompt's last line, and remembers what it was asked."""

    asked: list[str] = field(default_factory=list)
    sampling: list[Sampling] = field(default_factory=list)
    name: str = "shouter"
    breaks_after: int = 10**9

    def fingerprint(self) -> str:
        return self.name

    def open(self) -> Decode:
        return self._decode

    def _decode(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Continuation]]:
        if len(self.asked) + len(requests) > self.breaks_after:
            raise KeyboardInterrupt
        self.asked += [request.text for request in requests]
        self.sampling.append(sampling)
        return [
            [] if "endless" in r.text else [Continuation(f'"{r.text.splitlines()[0].upper()}"', 0, 1, 1, "stop", 0)]
            for r in requests
        ]


def test_the_chat_template_is_used_where_there_is_one() -> None:
    found = prompts("summary", ["It {rained}."], ChatTokenizer(adds_start=False))
    assert found == ['<s>[user] Text: "It {rained}."\n\nShorten the text to one short sentence. [assistant]']


def test_the_start_token_is_not_doubled() -> None:
    assert prompts("summary", ["x"], ChatTokenizer(adds_start=True))[0].startswith("[user]")


def test_without_a_template_the_answer_is_begun() -> None:
    assert prompts("summary", ["It rained."], PLAIN_TOKENIZER) == [
        "Sentence: It rained.\nShort summary of the sentence:"
    ]
    assert prompts("paraphrase", ["Did it rain?"], PLAIN_TOKENIZER) == [
        "Question: Did it rain?\nThe same question in other words:"
    ]


def test_a_question_is_called_one() -> None:
    texts = prompts("paraphrase", ["Did it rain? ", "It did."], ChatTokenizer(adds_start=False))
    assert ["question" in text for text in texts] == [True, False]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("It rained. Then it stopped.\nMore.", "It rained."),
        ("\n  \nIt rained", "It rained"),
        ('"It rained."', "It rained."),
        ('"It rained".', "It rained."),
        ("Summary: It rained.", "It rained."),
        ("**Summary:** It rained.", "It rained."),
        ("Here is a short summary of the text:\n\nIt rained.", "It rained."),
        ("Here's the summary: It rained.", "It rained."),
        ("Sure! Here is a summary:\nShort summary: It rained.", "It rained."),
        ("The U.S. said no.", "The U.S. said no."),
        ("Summary: a \u201cgood\u201d day", "a \u201cgood\u201d day"),
        ('"Summary: It rained."', "It rained."),
        ('"It rained', "It rained"),
        ('"How it rained:\n\nIt rained a lot.', "How it rained"),
        ("The new text is:\n\n'It rained.'", "It rained."),
        ('He said "no" and "yes".', 'He said "no" and "yes".'),
        ("", ""),
        (" \n ", ""),
        ("Here is the summary:", ""),
    ],
)
def test_tidy(answer: str, wanted: str) -> None:
    assert tidy("summary", answer) == wanted


def test_a_paraphrase_may_have_two_sentences() -> None:
    assert tidy("paraphrase", 'Question: "How? And why?"\nNo.') == "How? And why?"


def test_answers_are_asked_for_once(tmp_path: Path) -> None:
    kept, teacher = tmp_path / "teacher.parquet", Shouter()
    sources = ["one", "two", "one", "endless"]
    first = zero_shot("paraphrase", sources, teacher, PLAIN_TOKENIZER, kept)
    assert first == ["ONE", "TWO", "ONE", ""]
    assert len(teacher.asked) == 3 and teacher.sampling[0].temperature == 0 and teacher.sampling[0].n == 1
    assert zero_shot("paraphrase", sources, teacher, PLAIN_TOKENIZER, kept) == first
    assert len(teacher.asked) == 3
    zero_shot("paraphrase", ["two", "three"], teacher, PLAIN_TOKENIZER, kept)
    assert len(teacher.asked) == 4


def test_another_teachers_answers_are_not_taken(tmp_path: Path) -> None:
    kept, other = tmp_path / "teacher.parquet", Shouter(name="other")
    zero_shot("summary", ["one"], Shouter(), PLAIN_TOKENIZER, kept)
    zero_shot("summary", ["one"], other, PLAIN_TOKENIZER, kept)
    assert len(other.asked) == 1


def test_a_stopped_evaluation_keeps_what_was_answered(tmp_path: Path) -> None:
    kept, sources = tmp_path / "teacher.parquet", [f"sentence {i}" for i in range(AT_ONCE + 5)]
    with pytest.raises(KeyboardInterrupt):
        zero_shot("summary", sources, Shouter(breaks_after=AT_ONCE), PLAIN_TOKENIZER, kept)
    again = Shouter()
    zero_shot("summary", sources, again, PLAIN_TOKENIZER, kept)
    assert len(again.asked) == 5


def test_a_damaged_file_of_answers_is_asked_anew(tmp_path: Path) -> None:
    kept, teacher = tmp_path / "teacher.parquet", Shouter()
    write_atomically(kept, b"PAR1 not really")
    zero_shot("summary", ["one"], teacher, PLAIN_TOKENIZER, kept)
    assert len(teacher.asked) == 1
