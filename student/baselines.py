"""What a sceptic would hand in: the source as it is, its first 8 words, its first 75 characters.

75 characters are cut at a word, the last one whole: DUC cuts outputs at 75 bytes, so nobody gains by half a word. The
ROUGE recall of 75 bytes cuts by itself, whatever the system.
"""

from collections.abc import Callable, Mapping, Sequence

WORDS, CHARACTERS = 8, 75


def copy(source: str) -> str:
    return source


def first_words(source: str, most: int = WORDS) -> str:
    """The first words, split at spaces: in tokenised text a comma is one, as it is for the references."""
    return " ".join(source.split()[:most])


def first_characters(source: str, most: int = CHARACTERS) -> str:
    """Whole words that fit; a first word that is longer is cut."""
    text = " ".join(source.split())
    if len(text) <= most:
        return text
    head, space, _ = text[: most + 1].rpartition(" ")
    return head if space else text[:most]


BASELINES: Mapping[str, Callable[[str], str]] = {
    "copy": copy,
    f"first {WORDS} words": first_words,
    f"first {CHARACTERS} characters": first_characters,
}


def baselines(sources: Sequence[str]) -> dict[str, list[str]]:
    """The outputs of each."""
    return {name: [write(source) for source in sources] for name, write in BASELINES.items()}
