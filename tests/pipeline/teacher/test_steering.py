"""Bans, forced ends and merged ends, each against a plain reckoning."""

import random

import pytest
import torch
from conftest import byte_level_tokenizer

from pipeline.teacher.decoder import Constraints, DecoderError, Sampling
from pipeline.teacher.keywords import Keywords
from pipeline.teacher.sentence import Tail, begins_sentence
from pipeline.teacher.steering import Row, Vocabulary, steer


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    tokenizer = byte_level_tokenizer()
    return Vocabulary(tokenizer, len(tokenizer) + 8)  # models pad their vocabulary


def random_logits(vocabulary: Vocabulary, rows: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, vocabulary.size, generator=torch.Generator().manual_seed(seed))


def written(vocabulary: Vocabulary, text: str) -> list[int]:
    return list(vocabulary.tokenizer.encode(text, add_special_tokens=False))


def steered(vocabulary: Vocabulary, row: Row, seed: int = 0) -> torch.Tensor:
    """The logits after the tokens of the row, fed one at a time as an engine does."""
    ids, row.ids = list(row.ids), []
    logits = random_logits(vocabulary, seed=seed)
    for token in ids:
        steer(random_logits(vocabulary), [(0, row)], vocabulary)
        row.ids = [*row.ids, token]
    return steer(logits, [(0, row)], vocabulary)[0]


def banned(logits: torch.Tensor) -> set[int]:
    return set((logits == -torch.inf).nonzero().flatten().tolist())


FREE = Sampling(ban_newline=False, stop_at_sentence=False)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_ngram_ban_equals_brute_force(vocabulary: Vocabulary, size: int) -> None:
    draw = random.Random(size)
    sampling = Sampling(no_repeat_ngram=size, ban_newline=False, stop_at_sentence=False)
    for _ in range(30):
        row = Row([], sampling)
        for _ in range(40):
            steer(random_logits(vocabulary), [(0, row)], vocabulary)
            ids = list(row.ids)
            seen = {tuple(ids[i : i + size]) for i in range(len(ids) - size + 1)}
            wanted = {token for token in range(5) if (*ids[len(ids) - size + 1 :], token) in seen}
            assert set(row.repeats) == wanted
            row.ids = [*ids, draw.randrange(5)]  # a repeat now and then is no trouble either


def test_ngram_ban_is_in_the_logits(vocabulary: Vocabulary) -> None:
    row = Row([7, 8, 9, 3, 7, 8], Sampling(ban_newline=False, stop_at_sentence=False))
    assert 9 in banned(steered(vocabulary, row))
    assert 9 not in banned(steered(vocabulary, Row([7, 8, 9, 3, 7, 8], Sampling(no_repeat_ngram=0))))


def test_newline_tokens_are_banned(vocabulary: Vocabulary) -> None:
    newlines = {i for i, piece in enumerate(vocabulary.pieces) if "\n" in piece or "\r" in piece}
    assert newlines
    row = Row(written(vocabulary, "The city"), Sampling())
    assert newlines <= banned(steered(vocabulary, row))
    assert not newlines & banned(steered(vocabulary, Row(written(vocabulary, "The city"), FREE)))


def test_a_vocabulary_without_newlines() -> None:
    class NoNewline(Vocabulary):
        @property
        def pieces(self) -> list[str]:
            return [" word"] * self.size

    tokenizer = byte_level_tokenizer()
    bare = NoNewline(tokenizer, len(tokenizer))
    logits = random_logits(bare)
    assert torch.isfinite(steer(logits, [(0, Row([5, 6], Sampling()))], bare)).all()


def test_an_ended_sentence_is_followed_by_the_end(vocabulary: Vocabulary) -> None:
    logits = steered(vocabulary, Row(written(vocabulary, " The city council approved the new budget."), Sampling()))
    assert logits.softmax(dim=0)[vocabulary.end] == 1.0
    going_on = steered(vocabulary, Row(written(vocabulary, " The city council approved the new budget."), FREE))
    assert going_on.softmax(dim=0)[vocabulary.end] < 0.5


@pytest.mark.parametrize("temperature", [0.3, 0.7, 1.0, 2.0])
@pytest.mark.parametrize(
    ("text", "state"),
    [
        (" It rose to 3.", Tail.AFTER_DIGIT),
        (" He works for Apple Inc.", Tail.AFTER_ABBREVIATION),
        (' He said "yes."', Tail.UNSURE),
    ],
)
def test_merged_end_has_the_mass_of_all_beginnings(
    vocabulary: Vocabulary, text: str, state: Tail, temperature: float
) -> None:
    sampling = Sampling(temperature=temperature, no_repeat_ngram=0, ban_newline=False)
    row = Row(written(vocabulary, text), sampling)
    after = steered(vocabulary, row, seed=3)
    assert row.state is state
    before = (random_logits(vocabulary, seed=3)[0] / temperature).double().softmax(dim=0)
    ends = {i for i, piece in enumerate(vocabulary.pieces) if begins_sentence(piece, state)} | {vocabulary.end}
    assert len(ends) > 1
    steered_mass = (after / temperature).double().softmax(dim=0)
    assert steered_mass[vocabulary.end].item() == pytest.approx(sum(before[i].item() for i in ends), abs=1e-6)
    others = [i for i in range(vocabulary.size) if i not in ends]
    assert torch.allclose(steered_mass[others], before[others], atol=1e-6)
    assert banned(after) == ends - {vocabulary.end}


def test_merged_end_of_a_greedy_decoder(vocabulary: Vocabulary) -> None:
    sampling = Sampling(temperature=0.0, no_repeat_ngram=0, ban_newline=False)
    after = steered(vocabulary, Row(written(vocabulary, " It rose to 3."), sampling), seed=3)
    assert torch.isfinite(after[vocabulary.end])


def test_the_last_token_of_a_banned_word_is_banned(vocabulary: Vocabulary) -> None:
    sampling = Sampling(no_repeat_ngram=0, constraints=Constraints(bad_words=("ministry", "budget")))
    for form in ("ministry", " ministry", "budget", " budget"):
        ids = written(vocabulary, form)
        assert ids[-1] in banned(steered(vocabulary, Row(ids[:-1], sampling)))
        assert (ids[-1] in banned(steered(vocabulary, Row([*ids[:-1], 300], sampling)))) is (len(ids) == 1)


def test_min_tokens_hold_the_end(vocabulary: Vocabulary) -> None:
    ids = written(vocabulary, " The new mayor")
    stops = {i for i, piece in enumerate(vocabulary.pieces) if any(c in piece for c in ".?!")} | {vocabulary.end}
    short = steered(vocabulary, Row(ids, Sampling(min_tokens=len(ids) + 1)))
    assert stops <= banned(short)
    assert not stops & banned(steered(vocabulary, Row(ids, Sampling(min_tokens=len(ids)))))


def test_the_first_token_is_never_an_end(vocabulary: Vocabulary) -> None:
    assert set(vocabulary.stop_ids.tolist()) <= banned(steered(vocabulary, Row([], Sampling())))


def test_a_missing_keyword_holds_the_end(vocabulary: Vocabulary) -> None:
    keyword = vocabulary.spellings(["budget"])
    missing = steered(vocabulary, Row(written(vocabulary, " The city"), Sampling(), Keywords(keyword)))
    assert set(vocabulary.stop_ids.tolist()) <= banned(missing)
    found = steered(vocabulary, Row(written(vocabulary, " The budget"), Sampling(), Keywords(keyword)))
    assert vocabulary.end not in banned(found)
    late = Sampling(max_tokens=len(written(vocabulary, " The city")))
    assert vocabulary.end not in banned(
        steered(vocabulary, Row(written(vocabulary, " The city"), late, Keywords(keyword)))
    )


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_the_end_comes_after_the_sentences_that_are_wanted(vocabulary: Vocabulary, wanted: int) -> None:
    row = Row([], Sampling(no_repeat_ngram=0), sentences=wanted)
    for token in written(vocabulary, " The city grew. It rose to 3. They left. It was over."):
        logits = steer(torch.zeros(1, vocabulary.size), [(0, row)], vocabulary)[0]
        if logits[token] == -torch.inf:  # nothing but the end, or the going on, is left
            assert torch.isfinite(logits[vocabulary.end])
            break
        row.ids = [*row.ids, token]
    sentences = ["The city grew.", "It rose to 3.", "They left."]
    assert vocabulary.decode(row.ids).strip() == " ".join(sentences[:wanted])


def test_rows_do_not_touch_each_other(vocabulary: Vocabulary) -> None:
    """Steered together or alone: the same logits; rows without a state stay as they are."""
    texts = [" The city grew.", " The", " It rose to 3.", " The city council"]
    rows = [Row(written(vocabulary, text), Sampling()) for text in texts]
    logits = random_logits(vocabulary, rows=6, seed=9)
    together = steer(logits.clone(), [(i, row) for i, row in enumerate(rows)], vocabulary)
    for i, text in enumerate(texts):
        alone = steer(logits[i : i + 1].clone(), [(0, Row(written(vocabulary, text), Sampling()))], vocabulary)
        assert torch.equal(together[i : i + 1], alone)
    assert torch.equal(together[4:], logits[4:])


def test_pieces_keep_their_leading_space(vocabulary: Vocabulary) -> None:
    for text in (" council", ".", " The"):
        for token in written(vocabulary, text):
            assert vocabulary.pieces[token] == vocabulary.tokenizer.decode([token])
    assert len(vocabulary.pieces) == vocabulary.size


@pytest.mark.parametrize("text", [" has grown", "'s mayor", ", too", "", " "])
def test_a_continuation_keeps_the_space_that_it_begins_with(vocabulary: Vocabulary, text: str) -> None:
    assert vocabulary.continuation(written(vocabulary, text)) == text.rstrip()


def test_a_context_without_tokens_begins_like_a_text(vocabulary: Vocabulary) -> None:
    assert vocabulary.prompt("") == [vocabulary.end]
    assert vocabulary.prompt("The city") == written(vocabulary, "The city")


def test_a_biased_word_is_one_token(vocabulary: Vocabulary) -> None:
    assert vocabulary.single(".") == written(vocabulary, ".")[0]
    with pytest.raises(DecoderError, match="give one token"):
        vocabulary.single("an unheard-of word")


def test_a_tokenizer_without_an_end() -> None:
    with pytest.raises(DecoderError, match="no end-of-text token"):
        Vocabulary(byte_level_tokenizer(end=None), 400)
