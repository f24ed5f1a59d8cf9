"""Any text can be read and written back; figures are read digit by digit."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_student import SHAPE, sentences

from student.errors import StudentError
from student.vocabulary import END, LETTERS, PAD, SENTINELS, UNKNOWN, train_vocabulary

PLAIN = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="▁"), max_size=60)
"""Text without control characters. U+2581 is SentencePiece's own sign for a space."""


@pytest.fixture(scope="module")
def tokenizer(tiny_t5: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_t5)


def back(text: str, tokenizer: Any) -> str:
    found: str = tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True)
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(PLAIN)
def test_any_text_comes_back_byte_for_byte(tokenizer: Any, text: str) -> None:
    assert back(text, tokenizer) == text.removeprefix(" ")


@pytest.mark.parametrize(
    "text",
    [
        "The mayor of Łódź paid 1,234.50 € on 7 May.",
        "日本語の文。 עברית, العربية",
        "👩‍👩‍👧 and e\u0301 are not é",
        "a  b   c ",
        "x" * 300,
        "\u00a0\u200b\ufeff",
        "",
        LETTERS,
    ],
)
def test_texts_that_tend_to_break(tokenizer: Any, text: str) -> None:
    assert back(text, tokenizer) == text


def test_lines_and_tabs_are_read_as_spaces(tokenizer: Any) -> None:
    assert back("one\ttwo\nthree", tokenizer) == "one two three"


def test_digits_are_single_pieces(tokenizer: Any) -> None:
    pieces = tokenizer.tokenize("In 2024 prices rose by 13.75% to 1000000.")
    figures = [piece.strip("▁") for piece in pieces if any(letter.isdigit() for letter in piece)]
    assert figures == list("202413751000000")
    assert not [p for p in tokenizer.get_vocab() if len(p) > 1 and any(c.isdigit() for c in p) and p[0] not in "<▁"]


def test_letters_have_pieces_of_their_own(tokenizer: Any) -> None:
    known = tokenizer.get_vocab()
    assert not [letter for letter in LETTERS if letter not in known]
    assert all(f"<0x{byte:02X}>" in known for byte in range(256))


def test_the_special_places(tokenizer: Any) -> None:
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (PAD, END, UNKNOWN)
    assert len(tokenizer) == SHAPE.vocabulary
    assert tokenizer.convert_tokens_to_ids("<extra_id_0>") == SHAPE.vocabulary - 1
    assert tokenizer.convert_tokens_to_ids(f"<extra_id_{SENTINELS - 1}>") == SHAPE.vocabulary - SENTINELS
    assert tokenizer("A word.").input_ids[-1] == END and tokenizer("").input_ids == [END]


def test_saved_and_loaded_is_equal(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    made = train_vocabulary(sentences(), SHAPE.vocabulary, tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert made.get_vocab() == again.get_vocab()
    texts = [*sentences(20, 5), "日本 ½"]
    assert made(texts).input_ids == again(texts).input_ids


def test_the_same_text_gives_the_same_vocabulary(tmp_path: Path) -> None:
    for name in "ab":
        train_vocabulary(sentences(), SHAPE.vocabulary, tmp_path / name)
    for file in ("spiece.model", "tokenizer.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("size", [100, 50_000])
def test_a_size_that_does_not_fit_is_one_line(tmp_path: Path, size: int) -> None:
    with pytest.raises(StudentError, match=f"vocabulary of {size}") as error:
        train_vocabulary(sentences(), size, tmp_path)
    assert "\n" not in str(error.value)
