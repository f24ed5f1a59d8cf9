"""Words for words, out of a WordNet of a few lines."""

import random
from pathlib import Path

import pytest
from conftest import without_parser

from filters.base import FilterError
from filters.syntax import open_documents
from filters.training.synonyms import WordNet, inflected, read_wordnet, with_other_words

# wndb(5): offset, file, type, count of words (hex), word and number ..., count of pointers, pointer ...
DATA = {
    "noun": [
        "  a notice, to be passed over",
        "001 06 n 02 cargo 0 shipment 0 001 @ 002 n 0000 | what is carried",
        "002 06 n 01 merchandise 0 000 | what is sold",
        "003 06 n 02 cargo 0 lading 0 000 | the same, by a rare word",
        "004 06 n 02 shipment 1 sending 0 000 | the act",
        "005 06 n 01 thing 0 000 | vague",
        "006 06 n 01 lamp 0 001 @ 005 n 0000 | a vague kind",
    ],
    "verb": ["010 30 v 02 begin 0 start 0 000 | do first", "011 30 v 02 help 0 aid 0 000 | assist"],
    "adj": ["020 00 a 02 large 0 big(a) 0 000 | of size"],
    "adv": ["030 02 r 01 quickly 0 000 | fast"],
}
INDEX = {
    "noun": [
        "cargo n 2 0 2 0 001 003", "shipment n 2 0 2 0 004 001", "merchandise n 1 0 1 0 002", "lading n 1 0 1 0 003",
        "sending n 1 0 1 0 004", "lamp n 1 1 @ 1 0 006", "thing n 1 0 1 0 005",
    ],
    "verb": ["begin v 1 0 1 0 010", "start v 1 0 1 0 010", "help v 1 0 1 0 011", "aid v 1 0 1 0 011"],
    "adj": ["large a 1 0 1 0 020", "big a 1 0 1 0 020"],
    "adv": ["quickly r 1 0 1 0 030"],
}  # fmt: skip
IRREGULAR = {"noun": ["men man"], "verb": ["began begin", "begun begin"], "adj": [], "adv": []}
SEEN = dict.fromkeys("cargo shipment merchandise begin start help aid large big lamp thing".split(), 100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, lines in DATA.items():
        (tmp_path / f"data.{name}").write_text("\n".join(lines) + "\n", encoding="latin-1")
        (tmp_path / f"index.{name}").write_text("\n".join(INDEX[name]) + "\n", encoding="latin-1")
        (tmp_path / f"{name}.exc").write_text("".join(f"{line}\n" for line in IRREGULAR[name]), encoding="latin-1")
    return tmp_path


@pytest.fixture
def wordnet(folder: Path) -> WordNet:
    return read_wordnet(folder, SEEN)


@pytest.mark.parametrize(
    ("lemma", "part", "wanted"),
    [
        ("cargo", "n", ["shipment"]),  # lading is too rare
        ("shipment", "n", ["cargo"]),
        ("large", "a", ["big"]),
        ("begin", "v", ["start"]),
        ("begin", "n", []),
        ("quickly", "r", []),
        ("unknown", "n", []),
        ("", "n", []),
    ],
)
def test_synonyms_share_a_common_sense_and_are_common(
    wordnet: WordNet, lemma: str, part: str, wanted: list[str]
) -> None:
    assert wordnet.synonyms(lemma, part) == wanted


def test_a_word_much_rarer_than_the_one_that_goes_stays_out(folder: Path) -> None:
    assert read_wordnet(folder, SEEN | {"cargo": 100 * 25}).synonyms("cargo", "n") == ["shipment"]
    assert read_wordnet(folder, SEEN | {"cargo": 100 * 25 + 1}).synonyms("cargo", "n") == []


def test_kinds_go_one_step_up_and_are_not_vague(wordnet: WordNet) -> None:
    assert wordnet.kinds_of("cargo") == ["merchandise"]
    assert wordnet.kinds_of("lamp") == [] and wordnet.kinds_of("unknown") == []


def test_a_folder_that_is_none_is_an_error_that_says_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(FilterError, match=r"data\.noun: cannot be read .*wordnet-base"):
        read_wordnet(tmp_path, {})


@pytest.mark.parametrize(
    ("word", "tag", "wanted"),
    [
        ("begin", "VB", "begin"), ("begin", "VBD", None), ("start", "VBD", "started"), ("use", "VBN", "used"),
        ("carry", "VBD", "carried"), ("stop", "VBD", "stopped"), ("stop", "VBG", "stopping"), ("use", "VBG", "using"),
        ("agree", "VBG", "agreeing"), ("box", "NNS", "boxes"), ("city", "NNS", "cities"), ("day", "NNS", "days"),
        ("man", "NNS", "men"), ("pass", "VBZ", "passes"), ("offer", "VBD", "offered"), ("big", "JJ", "big"),
        ("big", "JJR", None), ("", "NN", ""),
    ],
)  # fmt: skip
def test_forms(wordnet: WordNet, word: str, tag: str, wanted: str | None) -> None:
    """begin has two irregular forms, and the tag does not say which: none is better than a wrong one."""
    assert inflected(word, tag, "v" if tag.startswith("V") else "n", wordnet.irregular) == wanted


@pytest.mark.skipif(bool(without_parser()), reason=without_parser())
def test_articles_capitals_and_inflections_follow(wordnet: WordNet) -> None:
    (doc,) = open_documents()(["Shipments helped a large town."])
    found = {with_other_words(doc, wordnet, 3, random.Random(seed), 0) for seed in range(20)}
    assert found == {"Cargos aided a big town."}


@pytest.mark.skipif(bool(without_parser()), reason=without_parser())
def test_a_text_without_a_word_to_replace_stays_away(wordnet: WordNet) -> None:
    for doc in open_documents()(["It is said.", ""]):
        assert with_other_words(doc, wordnet, 3, random.Random(0)) is None
