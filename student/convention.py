"""How a benchmark's text is written, and the same treatment for every text that is compared on it.

Gigaword is lower case, cut into tokens ("japan 's nec corp. said ."), has # for digits and "unk" for rare words. A
model writes "Japan's NEC Corp. said 5.2 percent." Compared as they stand, case, spaces and digits would decide. So the
habits of a benchmark's sources and references are detected, and all texts (sources, references and every system's
output) are brought to them before anything is measured. What a system reads may be brought the other way: see
`readable`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

UNKNOWN = "unk"
_UPPER = re.compile(r"[A-Z]")
_DIGIT = re.compile(r"[0-9]")
_MASK = re.compile(r"#")
_UNKNOWN = re.compile(r"(?<!\S)unk(?!\S)", re.IGNORECASE)
_SPACED = re.compile(r"(?<=\w) (?:[.,;:?!]|'s|n't|''|-rrb-)(?!\w)", re.IGNORECASE)
_GLUED = re.compile(r"\w(?:[,;:?!](?=\s)|[.?!]$)")
_BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}
_BRACKET = re.compile("|".join(_BRACKETS), re.IGNORECASE)
_QUOTES = re.compile(r"``|''|[“”]")
_ESCAPED = re.compile(r"\\([/*])")
_HASH = "\ue000"
"""Stands for # while a text is put together again: the detokeniser takes it for a currency sign."""

FEW, MOST = 0.05, 0.5


@dataclass(frozen=True)
class Convention:
    """What is done to every text before it is compared."""

    lowercase: bool = False
    tokenise: bool = False
    mask_digits: bool = False

    @property
    def plain(self) -> bool:
        return not (self.lowercase or self.tokenise or self.mask_digits)

    def says(self) -> str:
        """One sentence for a report."""
        done = {
            "lower-cased": self.lowercase,
            "cut into Penn Treebank tokens (nltk)": self.tokenise,
            "given # for each digit": self.mask_digits,
        }
        said = ", ".join(name for name, is_done in done.items() if is_done)
        return f"Sources, references and all outputs are {said} before they are compared." if said else "Text as it is."


def detect(sources: Sequence[str], references: Sequence[str]) -> Convention:
    """The convention of a benchmark. Where sources and references differ, the poorer of the two is common ground."""
    both = [[_UNKNOWN.sub("", text) for text in texts] for texts in (sources, references)]
    return Convention(
        lowercase=any(_share(texts, _UPPER) < FEW for texts in both),
        tokenise=any(_is_tokenised(texts) for texts in both),
        mask_digits=any(_share(texts, _MASK) >= FEW and _share(texts, _DIGIT) < FEW for texts in both),
    )


def _share(texts: Sequence[str], pattern: re.Pattern[str]) -> float:
    return sum(bool(pattern.search(text)) for text in texts) / max(len(texts), 1)


def _is_tokenised(texts: Sequence[str]) -> bool:
    """Punctuation stands alone in most of the texts that have any."""
    spaced = [bool(_SPACED.search(text)) for text in texts]
    glued = [bool(_GLUED.search(text)) for text in texts]
    marked = sum(a or b for a, b in zip(spaced, glued, strict=True))
    return marked > FEW * len(texts) and sum(a and not b for a, b in zip(spaced, glued, strict=True)) > MOST * marked


def normaliser(convention: Convention) -> Callable[[str], str]:
    """Brings a text to the convention. Twice is the same as once."""

    @lru_cache(maxsize=1 << 16)
    def normalise(text: str) -> str:
        text = " ".join(text.split())
        text = text.lower() if convention.lowercase else text
        # While it is cut, a masked digit is a digit: else "#.#" would become three tokens.
        text = _DIGIT.sub("0", text).replace("#", "0") if convention.mask_digits else text
        text = _tokenised(text) if convention.tokenise else text
        return text.replace("0", "#") if convention.mask_digits else text

    return normalise


@lru_cache(maxsize=1)
def _treebank() -> Callable[[str], list[str]]:
    from nltk.tokenize.treebank import TreebankWordTokenizer

    tokenise: Callable[[str], list[str]] = TreebankWordTokenizer().tokenize
    return tokenise


def _tokenised(text: str) -> str:
    bare = _QUOTES.sub('"', _unescaped(text))
    return " ".join('"' if token in ("``", "''") else token for token in _treebank()(bare))


def _unescaped(text: str) -> str:
    """Brackets and slashes as people write them."""
    return _ESCAPED.sub(r"\1", _BRACKET.sub(lambda found: _BRACKETS[found.group().lower()], text))


_INITIALS = re.compile(r"^(?:(?:[^\W\d_]\.){2,}|.)")
"""What is upper case at the beginning: a letter, or all of "u.s."."""


def readable(text: str, convention: Convention) -> str:
    """A source as people write it, for a model to read: spaces closed up, brackets and quotes back, first letter upper.

    Names stay in lower case where the benchmark has them so: no truecaser is trained for this.
    """
    if convention.tokenise:
        text = _detokenised(text)
    return _INITIALS.sub(lambda found: found.group().upper(), text, count=1) if convention.lowercase else text


def _detokenised(text: str) -> str:
    from nltk.tokenize.treebank import TreebankWordDetokenizer

    bare = _unescaped(text).replace("#", _HASH)
    joined = str(TreebankWordDetokenizer().detokenize(bare.split())).replace(_HASH, "#")
    return re.sub(r"(?<=\w) (?=(?:'s|'re|'ve|'ll|'d|'m|n't)\b|'(?:\s|$))", "", joined)
