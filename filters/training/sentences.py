"""Plain sentences out of JSON lines of any columns, to make hard pairs from."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from filters.base import FilterError
from filters.training.rows import lines_of

FEWEST_WORDS, MOST_WORDS = 5, 40
_SENTENCE = re.compile(r"[A-Z][^\n]*[.]")


def sentences_of(paths: Iterable[Path], seed: int) -> list[str]:
    """All distinct sentences of 5 to 40 words in any string of the files' rows, shuffled by `seed`."""
    found = dict.fromkeys(sentence for path in paths for text in _texts(path) for sentence in _split(text))
    sentences = list(found)
    return [sentences[place] for place in np.random.default_rng(seed).permutation(len(sentences))]


def _texts(path: Path) -> Iterator[str]:
    for where, line in lines_of(path):
        try:
            found = json.loads(line)
        except ValueError as error:
            raise FilterError(
                f"{where}: no JSON ({error}); wanted a file of JSON lines, plain or .gz, with text in them; mend or "
                "remove the line"
            ) from error
        yield from _strings(found)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))


def _split(text: str) -> Iterator[str]:
    import nupunkt

    text = _joined(text) if " . " in f"{text} " else text
    for sentence in map(str, nupunkt.sent_tokenize(" ".join(text.split()))):
        if _SENTENCE.fullmatch(sentence) and FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS:
            yield sentence


def _joined(text: str) -> str:
    """Text whose tokens stand apart, put together."""
    from sacremoses import MosesDetokenizer

    detokenised: str = MosesDetokenizer("en").detokenize(text.replace("''", '"').replace("``", '"').split())
    return detokenised
