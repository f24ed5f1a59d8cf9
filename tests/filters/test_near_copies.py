"""Near copies: the words of a sentence, the Jaccard index against counting, the search against brute force."""

import math
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from filters import near_copies
from filters.near_copies import Documents, Index, Links, Words, bands_for, strongest

VOCABULARY = [f"w{i}" for i in range(400)]


def jaccard(a: str, b: str) -> float:
    """Of words counted as often as they come; plain sentences of these tests only."""
    p, q = Counter(a.split()), Counter(b.split())
    return (p & q).total() / max(1, (p | q).total())


def sentences(count: int, seed: int) -> list[str]:
    """Sentences by chance, and by chance near copies of earlier ones; words repeat."""
    rng = random.Random(seed)
    made = [" ".join(rng.choices(VOCABULARY[:60], k=rng.randint(5, 14)))]
    while len(made) < count:
        words = rng.choice(made).split() if rng.random() < 0.5 else rng.choices(VOCABULARY, k=rng.randint(5, 14))
        for _ in range(rng.randint(0, 3)):
            words[rng.randrange(len(words))] = rng.choice(VOCABULARY)
        rng.shuffle(words)
        made.append(" ".join(words))
    return made


def documents(*columns: list[str | None], min_jaccard: float = 0.7) -> Documents:
    return Documents([Words.of(pa.array(c, pa.string()), str(i)) for i, c in enumerate(columns)], min_jaccard)


def is_near(a: str | None, b: str | None, min_jaccard: float = 0.7) -> bool:
    found = documents([a, b], min_jaccard=min_jaccard).texts[0].near(Links(np.array([0]), np.array([1])), min_jaccard)
    return bool(found[0])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("The mayor closed the old bridge.", "The mayor closed the old bridge."),
        ("The mayor closed the old bridge.", "the MAYOR closed -- the old bridge!"),
        ("The mayor closed the old bridge.", "bridge old the closed mayor The"),
        ("She can't go to the U.S. today.", "she can 't go to the u . s . today ."),
        ("They don't like it.", "They do n't like it ."),
        ("She can’t, and won't.", "she ca n’t , and wo n't ."),
        ("It's what they're told.", "it 's what they 're told ."),
        ("DON'T [sic] {go}.", "DO N'T -LSB- sic -RSB- -LCB- go -RCB- ."),
        ("We cannot say what they're gonna do.", "We can not say what they 're gon na do ."),
        ('He said "no" (twice).', "he said `` no '' -lrb- twice -RRB- ."),
        ("Zürich’s trams were late.", "zürich's TRAMS were late"),
        ("Caf\u00e9 owners met.", "Cafe\u0301 owners met."),
        ("\uff11\uff12 ships collided.", "12 ships collided."),
        ("Она закрыла мост.", "мост закрыла она"),
    ],
)
def test_copies_have_the_same_words(a: str, b: str) -> None:
    assert is_near(a, b, 1.0)


@pytest.mark.parametrize(
    ("a", "b"), [(None, None), ("", ""), ("...", "?!"), (" \u00a0", ""), ("", "one"), (None, "one")]
)
def test_without_words_nothing_is_near(a: str | None, b: str | None) -> None:
    assert not is_near(a, b, 0.5)


def test_the_boundary() -> None:
    a = "a b c d e f g h i j"
    assert is_near(a, "a b c d e f g", 0.7) and not is_near(a, "a b c d e f g", 0.71)  # 7 of 10
    assert is_near("a a a b", "a a b", 0.75) and not is_near(
        "a a a b", "a b", 0.75
    )  # a word counts as often as it comes
    assert not is_near("a b c", "a b d", 0.51)


@pytest.mark.parametrize("seed", range(3))
def test_what_holds_is_counted_out(seed: int) -> None:
    made = sentences(40, seed)
    near, far = (part.ravel() for part in np.meshgrid(np.arange(40), np.arange(40)))
    found = documents(made).texts[0].near(Links(near, far), 0.6)
    assert found.tolist() == [jaccard(made[p], made[q]) >= 0.6 for p, q in zip(near, far, strict=True)]


@pytest.mark.parametrize("seed", range(3))
def test_what_stays_is_what_brute_force_keeps(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when copies are in different chunks, and when a copy's own copy was left out."""
    monkeypatch.setattr(near_copies, "CHUNK", 50)
    monkeypatch.setattr(near_copies, "FOUND", 1 - 1e-9)
    monkeypatch.setattr(near_copies, "MOST_SLOTS", 400)
    made, kept = sentences(400, seed), []
    for i, sentence in enumerate(made):
        if not any(jaccard(sentence, made[k]) >= 0.7 for k in kept):
            kept.append(i)
    assert 50 < len(kept) < 380
    assert np.flatnonzero(strongest(documents(made))).tolist() == kept


def test_documents_of_two_texts_need_both(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ["a b c d e f", "a b c d e f", "a b c d e f", "u v w x y z"]
    second = ["k l m n o p", "p o n m l k", "q r s t q q", "k l m n o p"]
    assert strongest(documents(first, second)).tolist() == [True, False, True, True]


def test_rows_of_two_documents_need_one() -> None:
    rows = [
        ("a b c d e", "f g h i j"),
        ("k l m n o", "e d c b a"),
        ("p q r s t", "p q r s t"),
        ("u v w x y", "z 1 2 3 4"),
    ]
    made = documents([text for row in rows for text in row])
    assert strongest(made, width=2).tolist() == [True, False, True, True]


def test_one_sentence_many_times() -> None:
    """More than a chunk of them; the index holds one."""
    made = documents(["the same sentence comes again and again"] * 2500 + ["another one that has other words in it"])
    stays = strongest(made)
    assert np.flatnonzero(stays).tolist() == [0, 2500]


def test_an_index_tells_who_is_near() -> None:
    made = documents(["a b c d e", "v w x y z", "e d c b a", "a b x y q", ""])
    index = Index(made)
    held, asked = np.array([0, 1]), np.array([2, 3, 4])
    assert index.near(asked, made.signatures(asked)).near.tolist() == []
    index.add(held, made.signatures(held))
    links = index.near(asked, made.signatures(asked))
    assert (links.near.tolist(), links.far.tolist()) == ([2], [0])


@pytest.mark.parametrize("texts", [[], [None], ["", " "]])
def test_nothing_at_all(texts: list[str | None]) -> None:
    assert strongest(documents(texts)).tolist() == [True] * len(texts)


@pytest.mark.parametrize("min_jaccard", [0.5, 0.6, 0.7, 0.8, 0.95, 1.0])
def test_bands_find_what_is_at_the_threshold(min_jaccard: float) -> None:
    bands, slots = bands_for(min_jaccard)
    assert bands * slots <= near_copies.MOST_SLOTS
    assert 1 - (1 - min_jaccard**slots) ** bands >= near_copies.FOUND
    longer = min_jaccard ** (slots + 1)
    if min_jaccard < 1:
        needed = math.ceil(math.log(1 - near_copies.FOUND) / math.log1p(-longer))
        assert needed * (slots + 1) > near_copies.MOST_SLOTS


def test_a_verdict_hangs_on_content_not_on_numbers_of_words() -> None:
    """Other sentences in the table change no word's signature."""
    alone, among = documents(["a b c d e f g"]), documents(["z y x", "a b c d e f g"])
    assert alone.signatures(np.array([0]))[0].digest() == among.signatures(np.array([1]))[0].digest()
