"""Syntactic difference: the edit distance between two sentences' parse trees. The one file that imports a parser.

The parser is optional: `pip install -e .[parser]` brings spaCy, its small English model and the edit distance (apted).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from filters.base import Cost, FilterError, Role, Scorer
from filters.models import EMBEDDED_PARSER, locate
from filters.pairwise import at_least, pairwise

Tree = tuple[Any, ...]
"""(label, child, child, ...), each child a Tree, in the order of the words."""

Read = Callable[[str], Tree | None]

NEEDED = ("spacy", "apted")
UNUSED = ("ner", "tagger", "lemmatizer", "attribute_ruler", "senter")
SENTENCES_KEPT = 8192
DISTANCES_KEPT = 65_536
MOST_WORDS = 128
"""The distance grows with the cube of the words, and a sentence has fewer."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Syntax:
    """Edit distance d of the two dependency trees, brought to 0..1: 2 d / (m + n + d) for trees of m and n words.

    d is the fewest words to insert, delete or relabel. A word's label is its relation to its head (subject, object,
    ...), not the word, so a synonym moves nothing; punctuation is left out. Null for a text that is null, blank,
    without a word, or of more than 128 words.

    Source: Impossible Distillation asks of a paraphrase a constituency tree edit distance of at least 12. Ours differs:
    no trained constituency parser was found in a package, so the trees are dependencies; and 12 edits are much of a
    short sentence and little of a long one, so the distance is normalised (Li and Zhang 2011).
    Why: of 1,403 paraphrase pairs that reached the judge in a news run, between 5 and 10% are below 0.2: a verb or a
    preposition was exchanged and nothing moved. In no shipped recipe, for the parser is an extra.
    """

    name: ClassVar[str] = "syntax"
    cost: ClassVar[Cost] = "model"
    role: ClassVar[Role | None] = "parser"

    model: str = EMBEDDED_PARSER
    min_distance: float = Field(default=0.2, ge=0, le=1)

    def open(self, device: str) -> Scorer:
        return pairwise(open_parser(self.model), distance)

    def keep(self, scores: pa.Array) -> pa.BooleanArray:
        return at_least(scores, self.min_distance)


@lru_cache(maxsize=2)
def open_parser(model: str) -> Read:
    """The parser of this process, which remembers the sentences it has read. Loaded at the first of them."""
    _need(NEEDED, "filter syntax", "it compares parse trees", ", or take syntax out of the recipe")
    folder = _folder(model)
    loaded: list[Any] = []

    @lru_cache(maxsize=SENTENCES_KEPT)
    def read(text: str) -> Tree | None:
        if not text.strip():
            return None
        if not loaded:
            loaded.append(_load(folder, UNUSED))
        return tree_of(loaded[0](text))  # alone, so that its parse does not depend on its neighbours

    return read


def open_documents(model: str = EMBEDDED_PARSER) -> Callable[[Iterable[str]], Iterator[Any]]:
    """Texts in, spaCy's documents out, with heads, relations, tags and lemmas: of these a judge's pairs are made."""
    _need(NEEDED[:1], "pairs by parse", "a parser finds what may be left out of a sentence", "")
    pipeline = _load(_folder(model), UNUSED[:1])
    return lambda texts: pipeline.pipe(texts, batch_size=256)


def _need(packages: Sequence[str], where: str, why: str, otherwise: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise FilterError(
            f"{where}: {' and '.join(missing)} not installed; {why}; "
            f"run `.venv/bin/pip install -e '.[parser]'`{otherwise}"
        )


def _folder(model: str) -> Path:
    folder = locate(model).folder
    if folder is None:
        raise FilterError(f"parser {model!r}: wanted {EMBEDDED_PARSER} or the folder of a spaCy pipeline; check it")
    return folder


def _load(folder: Path, unused: Sequence[str]) -> Any:
    import spacy

    try:
        return spacy.load(folder, exclude=unused)
    except (OSError, ValueError, ImportError) as error:
        said = next(iter(str(error).splitlines()), "")
        raise FilterError(
            f"parser {folder}: spaCy cannot load it ({said}); wanted a pipeline with a dependency parser"
        ) from error


def tree_of(doc: Any) -> Tree | None:
    """The words of a parsed text as one tree; what is punctuation or white space hands its children to its head."""
    if not doc.has_annotation("DEP"):
        raise FilterError("the parser's pipeline marks no heads; wanted one with a dependency parser; choose another")
    words = [token for token in doc if not (token.is_punct or token.is_space)]
    if not 0 < len(words) <= MOST_WORDS:
        return None
    roots = _grown(words)
    return roots[0] if len(roots) == 1 else ("", *roots)  # several sentences hang from a root of no relation


def _grown(words: list[Any]) -> list[Tree]:
    """The trees over `words`, from the leaves up: a word comes after all words that lead to it."""
    kept = {token.i for token in words}
    children: dict[int | None, list[tuple[int, Tree]]] = {}
    for token in sorted(words, key=lambda token: -_depth(token)):
        own = (child for _, child in sorted(children.pop(token.i, []), key=lambda found: found[0]))
        above = next((up.i for up in token.ancestors if up.i in kept), None)
        children.setdefault(above, []).append((token.i, (token.dep_, *own)))
    return [tree for _, tree in sorted(children[None], key=lambda found: found[0])]


def _depth(token: Any) -> int:
    return sum(1 for _ in token.ancestors)


def size(tree: Tree) -> int:
    """Its number of words; a root that only joins several sentences counts as one."""
    return 1 + sum(map(size, tree[1:]))


def distance(left: Tree, right: Tree) -> float:
    """2 d / (m + n + d) with unit costs: 0 for equal trees, a metric (Li and Zhang 2011, known from its abstract)."""
    return _distance(*((left, right) if left <= right else (right, left)))


@lru_cache(maxsize=DISTANCES_KEPT)
def _distance(left: Tree, right: Tree) -> float:
    from apted import APTED

    if left == right:
        return 0.0
    edits = int(APTED(left, right, _edits()).compute_edit_distance())
    return 2 * edits / (size(left) + size(right) + edits)


@lru_cache(maxsize=1)
def _edits() -> Any:
    """Unit costs over our tuples, for apted."""
    from apted import Config

    class Edits(Config):  # type: ignore[misc]
        def rename(self, node1: Tree, node2: Tree) -> int:
            return int(node1[0] != node2[0])

        def children(self, node: Tree) -> list[Tree]:
            return list(node[1:])

    return Edits()
