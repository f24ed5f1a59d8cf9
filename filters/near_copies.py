"""Near copies of sentences among very many: words in common, whatever their order.

Two sentences are as near as the Jaccard index of their words: those in common over all, a word that comes twice
counted twice. It is 1 for a copy and for a shuffled copy; one word in eight changed leaves about 0.78. Words are
letters and figures without case and punctuation, so that a tokenised test set ("do n't", "-LRB-") is read as plain
text is.

Who might be near whom is asked of MinHash signatures in an index of bands (Broder 1997; Indyk and Motwani 1998), both
by the library rensa. Its answers are candidates: every one is counted out word by word, so that what is called near
is near. What may go wrong is that a near copy is not found; `bands_for` keeps the chance of that small.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rensa import RMinHash, RMinHashLSH
from scipy.sparse import csr_array

from filters.base import IntArray

BoolArray = npt.NDArray[np.bool_]

MOST_SLOTS = 256
"""Slots of a signature, at most: more find the same copies with fewer false candidates, and take time and memory."""
FOUND = 0.995
"""Chance that a pair exactly at the threshold is found; above the threshold it is higher."""
CHUNK = 1024
"""Documents asked about at once. Should all of them be copies of one, each is compared with each."""
BITS = 128
"""Bits of a text's summary, by which most candidates are refused."""
SEED = 1

_NOT_A_WORD = r"(?:-[lr][rsc]b-|[^\pL\pM\pN])+"
_NOT_APART = r"\b(can|gon|wan)\s+(not|na)\b|\s+(n['\x{2019}]t)\b"
"""What the Penn Treebank cuts in two: "do n't", "can not", "gon na"."""


class Links(NamedTuple):
    """Documents that are near each other: `near[i]` and `far[i]`, each a document's number."""

    near: IntArray
    far: IntArray

    def where(self, chosen: BoolArray) -> "Links":
        return Links(self.near[chosen], self.far[chosen])


@dataclass(frozen=True)
class Words:
    """The words of many texts. `counts[text, token]` is 1 where the text has the token: a word and its how-manieth."""

    tokens: npt.NDArray[np.object_]  # of all texts one after another; equal tokens are one object
    counts: csr_array
    bits: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, texts: pa.Array | pa.ChunkedArray, mark: str = "") -> "Words":
        """`mark` tells the words of one column from the same words of another. A null has no words."""
        ids, starts, words = _words(texts)
        ids, times = _numbered(ids, starts, len(words))
        kinds, columns = np.unique(ids + times * max(1, len(words)), return_inverse=True)
        names = [f"{mark}{words[kind % len(words)]} {kind // len(words)}" for kind in kinds.tolist()]
        ones = np.ones(len(columns), np.int32)
        counts = csr_array((ones, columns.astype(np.int32), starts), shape=(len(starts) - 1, max(1, len(kinds))))
        return cls(
            np.array(names, dtype=object)[columns] if names else np.empty(0, object), counts, _bits(columns, starts)
        )

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    @cached_property
    def sizes(self) -> IntArray:
        """Tokens of each text. Counted once: every chunk counting all texts would take the square of their number."""
        return np.diff(self.counts.indptr).astype(np.int64)

    def of_rows(self, rows: IntArray) -> list[list[str]]:
        """The tokens of some texts, for the library."""
        starts = self.counts.indptr
        return [self.tokens[a:b].tolist() for a, b in zip(starts[rows], starts[rows + 1], strict=True)]

    def near(self, links: Links, min_jaccard: float) -> BoolArray:
        """Which links hold. A text without words is near nothing."""
        a, b = self.sizes[links.near], self.sizes[links.far]
        most = self._most_common(links, a, b)
        holds: BoolArray = most / np.maximum(1, a + b - most) >= min_jaccard
        p, q = links.where(holds)
        common = (self.counts[p].multiply(self.counts[q])).sum(axis=1)
        holds[holds] = common / (a[holds] + b[holds] - common) >= min_jaccard
        return holds

    def _most_common(self, links: Links, a: IntArray, b: IntArray) -> IntArray:
        """No more tokens in common than this: each bit of one that the other lacks is a token that the other lacks.
        It settles nearly all candidates without a look at their words."""
        p, q = self.bits[links.near], self.bits[links.far]
        lacking = [np.bitwise_count(x & ~y).sum(axis=1, dtype=np.int64) for x, y in ((p, q), (q, p))]
        most: IntArray = np.minimum(a - lacking[0], b - lacking[1])
        return most


def _bits(columns: IntArray, starts: IntArray) -> npt.NDArray[np.uint64]:
    """(texts, BITS / 64) words of a bit for each token, tokens sharing bits."""
    bits = np.zeros((len(starts) - 1, BITS // 64), np.uint64)
    filled = np.flatnonzero(np.diff(starts))
    place = columns % BITS
    for i in range(bits.shape[1] if len(columns) else 0):
        flags = np.where(place // 64 == i, np.uint64(1) << (place % 64).astype(np.uint64), np.uint64(0))
        bits[filled, i] = np.bitwise_or.reduceat(flags, starts[filled])
    return bits


def _words(texts: pa.Array | pa.ChunkedArray) -> tuple[IntArray, IntArray, list[str]]:
    """Every word as its number, where each text's words start, and the words by number."""
    plain = pc.utf8_lower(pc.utf8_normalize(pc.fill_null(texts.cast(pa.large_string()), ""), "NFKC"))
    whole = pc.replace_substring_regex(plain, _NOT_APART, r"\1\2\3")
    spaced = pc.utf8_trim_whitespace(pc.replace_substring_regex(whole, _NOT_A_WORD, " "))
    lists = pc.utf8_split_whitespace(spaced)
    lists = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
    coded = pc.dictionary_encode(lists.flatten())
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    words, ids = coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    blank = words.index("") if "" in words else -1  # a blank text splits into one empty word
    starts = np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy(zero_copy_only=False))])
    filled = np.concatenate([[0], np.cumsum(ids != blank)])
    return ids[ids != blank], filled[starts.astype(np.int64)], words


def _numbered(ids: IntArray, starts: IntArray, words: int) -> tuple[IntArray, IntArray]:
    """The words of each text sorted, and for each how often it came before in its text."""
    owners = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    keys = np.sort(owners * max(1, words) + ids)
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    times = np.arange(len(keys)) - np.repeat(first, np.diff(first, append=len(keys)))
    return keys % max(1, words), times


def bands_for(min_jaccard: float) -> tuple[int, int]:
    """Bands of an index and slots of each: the longest bands with which FOUND can be had.

    Two texts of index s share a given band of r slots with chance s^r, one of b bands with 1 - (1 - s^r)^b.
    """
    found = (1, MOST_SLOTS)
    for slots in range(1, MOST_SLOTS + 1):
        share = min_jaccard**slots
        bands = 1 if share >= FOUND else math.ceil(math.log(1 - FOUND) / math.log1p(-share))
        if bands * slots > MOST_SLOTS:
            break
        found = bands, slots
    return found


class Documents:
    """What is compared: documents of one text or more. Two are near if each text of one is near the other's."""

    def __init__(self, texts: Sequence[Words], min_jaccard: float) -> None:
        self.texts, self.min_jaccard = texts, min_jaccard
        self.bands, self.slots = bands_for(min_jaccard)
        self._filled = np.all([words.sizes > 0 for words in texts], axis=0)

    def __len__(self) -> int:
        return len(self.texts[0])

    def filled(self, documents: IntArray) -> IntArray:
        """Those that can be near any: every text has words. All others would look alike to the index."""
        filled: IntArray = documents[self._filled[documents]]
        return filled

    def signatures(self, documents: IntArray) -> list[RMinHash]:
        """Of all its words in one: where every text is near, so are all words together."""
        rows = [
            list(chain.from_iterable(parts)) for parts in zip(*(t.of_rows(documents) for t in self.texts), strict=True)
        ]
        signed: list[RMinHash] = RMinHash.from_token_sets(rows, num_perm=self.bands * self.slots, seed=SEED)
        return signed

    def index(self) -> RMinHashLSH:
        slots = self.bands * self.slots
        return RMinHashLSH(threshold=self.min_jaccard, num_perm=slots, num_bands=self.bands)

    def verified(self, links: Links) -> Links:
        for words in self.texts:
            links = links.where(words.near(links, self.min_jaccard))
        return links


class Index:
    """Documents that can be asked for those near another."""

    def __init__(self, documents: Documents) -> None:
        self._documents, self._lsh = documents, documents.index()
        self._stored = np.empty(len(documents), np.int64)
        self._count = 0

    def add(self, documents: IntArray, signatures: Sequence[RMinHash]) -> None:
        if len(documents):
            self._lsh.insert_many(list(signatures), self._count)
            self._stored[self._count : self._count + len(documents)] = documents
            self._count += len(documents)

    def candidates(self, documents: IntArray, signatures: Sequence[RMinHash]) -> Links:
        """A link from each document to each stored one that may be near it; to itself too, if it is stored."""
        if not self._count or not len(documents):
            return Links(np.empty(0, np.int64), np.empty(0, np.int64))
        answers = self._lsh.query_all(list(signatures))
        sizes = np.fromiter(map(len, answers), np.int64, len(answers))
        found = np.fromiter(chain.from_iterable(answers), np.int64, int(sizes.sum()))
        return Links(np.repeat(documents, sizes), self._stored[found])

    def near(self, documents: IntArray, signatures: Sequence[RMinHash]) -> Links:
        """A link from each document to each stored one that is near it."""
        return self._documents.verified(self.candidates(documents, signatures))


def chunks(rows: int, size: int) -> Iterator[IntArray]:
    for start in range(0, rows, max(1, size)):
        yield np.arange(start, min(start + max(1, size), rows))


def strongest(documents: Documents, width: int = 1) -> BoolArray:
    """Which rows stay: each that is not near an earlier one that stays. Rows come strongest first.

    A row has `width` documents, one after another, and is near another row if any of its documents is near any of
    the other's. Only rows that stay are stored, so that a thousand copies of one sentence cost a thousand questions.
    """
    stays = np.ones(len(documents) // width, dtype=bool)
    index = Index(documents)
    for rows in chunks(len(stays), CHUNK // width):
        asked = documents.filled((rows[:, None] * width + np.arange(width)).ravel())
        signatures = documents.signatures(asked)
        stays[index.near(asked, signatures).near // width] = False
        left = np.flatnonzero(stays[asked // width])
        asked, signatures = asked[left], [signatures[i] for i in left]
        _among(documents, width, asked, signatures, stays)
        kept = np.flatnonzero(stays[asked // width])
        index.add(asked[kept], [signatures[i] for i in kept])
    return stays


def _among(documents: Documents, width: int, asked: IntArray, signatures: list[RMinHash], stays: BoolArray) -> None:
    """The same within one chunk, whose rows are not stored yet."""
    index = Index(documents)
    index.add(asked, signatures)
    links = index.candidates(asked, signatures)
    links = documents.verified(links.where(links.near // width < links.far // width))
    pairs = np.unique(np.stack([links.near // width, links.far // width], axis=1), axis=0)
    for earlier, later in pairs.tolist():  # by the earlier row: whether that one stays is known by then
        if stays[earlier]:
            stays[later] = False
