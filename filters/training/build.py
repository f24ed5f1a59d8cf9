"""The embedded judge, step by step. A step whose file is there is not done again, a killed training goes on; a folder
that was begun with other sources or settings is refused (made_with.py).

1. hard pairs by rule, from plain sentences; clauses put together wrongly, from our generator's sentences
2. a larger encoder learns NLI from labelled rows and hard pairs, then from the wrong clauses, then from right and
   wrong pairs that look alike, made by parsing
3. it answers unlabelled pairs: our generator's siblings, rules over them, recombined sentences of the labelled sets,
   framed questions
4. a small encoder learns from labelled rows, hard pairs, wrong clauses and those answers
5. seven of the larger one's twelve layers learn from labelled rows, hard pairs, look-alikes and its answers

So a small judge made here has learned from the larger one's answers, as the committed nli-minilm has not. Put in its
place, it makes the second opinion of `pipeline second-opinion` no longer independent: name another judge there.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.dataset as ds

from filters.base import FilterError
from filters.models import EMBEDDED_ENCODER, load_encoder, locate, revision_of
from filters.syntax import open_documents
from filters.training.captions import caption_pairs
from filters.training.hard_pairs import RULES, hard_pairs
from filters.training.made_with import claim
from filters.training.parsed_pairs import parsed_pairs
from filters.training.recombination import recombination_pairs
from filters.training.rows import BOTH_WAYS, HELD_OUT_IN, Row, is_held_out, read_rows
from filters.training.sentences import sentences_of
from filters.training.soft_labels import write_soft_labels
from filters.training.synonyms import read_wordnet
from filters.training.train import TrainingSpec, train
from filters.training.unlabelled import UNKNOWN, is_for_training, recombined, sibling_pairs

SPECS = Path(__file__).parent
RECOMBINED = {"cad": 8000, "lingnli": 3000, "taxinli": 3000, "newprotocols": 1000, "paws_dev": 2500, "conjnli": 1000}
MOST_OF_A_RULE = 4000
MOST_OF_A_PARSED_RULE = 1600
PARSED_SENTENCES = 9000
SIBLINGS_A_BAND = 75
CAPTIONS, OWN_RULES, QUESTIONS = 9500, 8000, 5500
QUESTION_FRAME = "We know the answer to the question: {}"
"""As the questions recipe puts questions to a judge (its `judge_frame`)."""
SHARDS = "shard-*.parquet"
BLOCK = 60
CROSSINGS, CROSSINGS_OF_TEXT = 150, 6
WORD = re.compile(r"[a-z]+")


class Sources(NamedTuple):
    """What the judge is made from. `captions`: an origin of `labelled` whose premises describe pictures."""

    labelled: Path
    text: Sequence[Path]
    candidates: Path  # a run's candidates
    base: str  # the larger encoder
    captions: str = "cad"
    wordnet: Path | None = None  # its dict folder; without it no pair has other words of the same meaning
    questions: Path | None = None  # candidates of a run of questions; without it the judge sees none


def build(sources: Sources, work: Path) -> Path:
    """The folder of the trained small judge."""
    check_layers(sources.base)
    read_rows(sources.labelled)  # a line that cannot be read is told now, not after the parsing
    claim(work, settings_of(sources), files_of(sources))
    parsed, hard, crossed, pool = (work / f"{name}.jsonl" for name in ("parsed", "hard", "crossed", "pool"))
    made: dict[Path, Callable[[], Iterable[dict[str, Any]]]] = {
        parsed: lambda: parsed_rows(sources),  # first: it needs what may not be installed
        hard: lambda: hard_rows(sentences_of(sources.text, seed=0)),
        crossed: lambda: crossed_rows(sources),
        pool: lambda: unlabelled_rows(sources),
    }
    for path, rows in made.items():
        if not path.exists():
            write_rows(path, rows())
    larger = train(spec_of("larger", sources.base, sources.labelled, hard), work / "larger")
    sharper = train(spec_of("sharper", str(larger), sources.labelled, crossed), work / "sharper")
    closer = train(spec_of("closer", str(sharper), sources.labelled, parsed), work / "closer")
    soft = answers_of(closer, pool, work / "soft")
    small = train(spec_of("small", "", sources.labelled, hard, crossed, soft), work / "small")
    train(spec_of("shorter", str(closer), sources.labelled, hard, parsed, soft), work / "shorter")
    return small


def answers_of(judge: Path, pool: Path, folder: Path) -> Path:
    """What the judge says of the pool, in a folder that knows whose answers it has: another judge is not lent them."""
    claim(folder, {"judge": revision_of(str(judge))}, {"pool": [pool]})
    write_soft_labels(judge, read_rows(pool), folder / "soft.jsonl")
    return folder / "soft.jsonl"


def settings_of(sources: Sources) -> dict[str, object]:
    """What beside the content of files decides which rows are made, by name."""
    return {
        "base": revision_of(sources.base),
        "captions": sources.captions,
        "RECOMBINED": RECOMBINED,
        "MOST_OF_A_RULE": MOST_OF_A_RULE,
        "MOST_OF_A_PARSED_RULE": MOST_OF_A_PARSED_RULE,
        "PARSED_SENTENCES": PARSED_SENTENCES,
        "SIBLINGS_A_BAND": SIBLINGS_A_BAND,
        "CAPTIONS": CAPTIONS,
        "OWN_RULES": OWN_RULES,
        "QUESTIONS": QUESTIONS,
        "QUESTION_FRAME": QUESTION_FRAME,
        "BLOCK": BLOCK,
        "CROSSINGS": CROSSINGS,
        "CROSSINGS_OF_TEXT": CROSSINGS_OF_TEXT,
        "HELD_OUT_IN": HELD_OUT_IN,
        "BOTH_WAYS": BOTH_WAYS,
    }


def files_of(sources: Sources) -> dict[str, Sequence[Path]]:
    """Every file that the judge is made from. A folder without any is told now, not hours later."""
    return {
        "labelled": [sources.labelled],
        "text": sources.text,
        "candidates": _files(sources.candidates, SHARDS),
        "wordnet": _files(sources.wordnet, "*") if sources.wordnet else [],
        "questions": _files(sources.questions, SHARDS) if sources.questions else [],
    }


def _files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not found:
        wanted = "a run's candidates" if pattern == SHARDS else "WordNet's dict folder"
        raise FilterError(f"{folder}: no file {pattern} in it; wanted {wanted}; name another folder")
    return found


def check_layers(base: str) -> None:
    """Hours before they are taken out: the layers named in shorter.toml end with the base's last one."""
    from transformers import AutoConfig

    wanted = max(spec_of("shorter", base).layers) + 1
    found = AutoConfig.from_pretrained(locate(base).name).num_hidden_layers
    if found != wanted:
        raise FilterError(
            f"{base}: has {found} layers, wanted {wanted}, of which shorter.toml keeps some; choose another base or "
            "mend `layers` there"
        )


def spec_of(name: str, base: str, *rows: Path) -> TrainingSpec:
    """`larger.toml` or another beside this file, with the places of this machine put in."""
    settings = tomllib.loads((SPECS / f"{name}.toml").read_text(encoding="utf-8"))
    return TrainingSpec(**settings | ({"base": base} if base else {}), rows=tuple(map(str, rows)))


def hard_rows(sentences: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Pairs by every rule, so many a rule at most."""
    made: Counter[str] = Counter()
    for pair in hard_pairs(sentences):
        made[pair.origin] += 1
        if made[pair.origin] <= MOST_OF_A_RULE:
            yield asdict(pair)


def crossed_rows(sources: Sources, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Clauses put together wrongly: of siblings, and of plain sentences that have nothing to do with each other."""
    sentences = sentences_of(sources.text, seed)
    blocks = {f"text {n}": sentences[n : n + BLOCK] for n in range(0, len(sentences) - BLOCK, BLOCK)}
    contexts = candidates_of(sources.candidates)
    pairs = [
        *recombination_pairs(contexts, CROSSINGS, seed),
        *recombination_pairs(blocks, CROSSINGS_OF_TEXT, seed),
        *hard_pairs((text for texts in contexts.values() for text in texts), ["own_unhedged"]),
    ]
    return (asdict(pair) for pair in pairs)


def parsed_rows(sources: Sources, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Right and wrong pairs that look alike: of siblings, and of plain sentences as if they were; so many a rule."""
    read, made = open_documents(), Counter[str]()
    every = sentences_of(sources.text, seed)
    frequency = Counter(word for text in every for word in WORD.findall(text.lower()))
    wordnet = read_wordnet(sources.wordnet, frequency) if sources.wordnet else None
    sentences = every[:PARSED_SENTENCES]
    blocks = {f"text {n}": sentences[n : n + BLOCK] for n in range(0, len(sentences) - BLOCK, BLOCK)}
    for contexts in (candidates_of(sources.candidates), blocks):
        for pair in parsed_pairs(contexts, read, wordnet, seed):
            made[pair.origin] += 1
            if made[pair.origin] <= MOST_OF_A_PARSED_RULE:
                yield asdict(pair)


def unlabelled_rows(sources: Sources, seed: int = 0) -> list[dict[str, Any]]:
    """The pool that the larger judge answers, shuffled."""
    labelled = [row for row in read_rows(sources.labelled) if not is_held_out(row)]
    contexts = candidates_of(sources.candidates)
    mixed = recombined(labelled, RECOMBINED, seed)
    captions = list(caption_pairs(row.premise for row in labelled if row.origin == sources.captions))
    own = [
        Row(pair.premise, pair.hypothesis, UNKNOWN, False, f"siblings_{pair.origin}")
        for pair in hard_pairs((text for texts in contexts.values() for text in texts), RULES)
    ]
    rng = np.random.default_rng(seed)
    rows = [*siblings(contexts, seed), *mixed, *_some(captions, CAPTIONS, rng), *_some(own, OWN_RULES, rng)]
    if sources.questions:
        rows += _some(list(framed_questions(candidates_of(sources.questions), seed)), QUESTIONS, rng)
    return [_unlabelled(rows[place]) for place in rng.permutation(len(rows))]


def candidates_of(folder: Path) -> dict[str, list[str]]:
    """The sentences of those contexts of a run that may be trained on."""
    table = ds.dataset(sorted(map(str, folder.glob(SHARDS)))).to_table(columns=["context_id", "text"])
    contexts: dict[str, dict[str, None]] = {}
    for context, text in zip(table["context_id"].to_pylist(), table["text"].to_pylist(), strict=True):
        if text and is_for_training(context):
            contexts.setdefault(context, {})[text] = None
    return {context: list(texts) for context, texts in contexts.items()}


def siblings(contexts: dict[str, list[str]], seed: int) -> Iterator[Row]:
    """Pairs of sentences that continue the same context."""
    encoder = load_encoder(EMBEDDED_ENCODER)
    vectors = {
        name: encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        for name, texts in contexts.items()
    }
    return sibling_pairs(contexts, vectors, SIBLINGS_A_BAND, seed)


def framed_questions(contexts: dict[str, list[str]], seed: int) -> Iterator[Row]:
    """Pairs of questions of one context, each said to be answered: an NLI model knows statements."""
    for row in siblings(contexts, seed):
        yield row._replace(
            premise=QUESTION_FRAME.format(row.premise),
            hypothesis=QUESTION_FRAME.format(row.hypothesis),
            origin="questions",
        )


def _some(rows: Sequence[Row], most: int, rng: np.random.Generator) -> list[Row]:
    return [rows[place] for place in rng.permutation(len(rows))[:most]]


def _unlabelled(row: Row) -> dict[str, Any]:
    given = {"premise": row.premise, "hypothesis": row.hypothesis, "origin": row.origin}
    return given | {"probabilities": row.target}


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON lines, written aside and renamed."""
    aside = path.with_suffix(".aside")
    with aside.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    aside.replace(path)
