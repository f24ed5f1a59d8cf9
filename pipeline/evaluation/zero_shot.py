"""The teacher asked for the task outright: the baseline that the method has to beat.

The wordings were the best of 9 (summary, by ROUGE-L) and 16 (paraphrase, by BERT-iBLEU) for the embedded teacher, tried
on rows outside the first 300 of the benchmarks (docs/lab-book.md). The tokenizer's chat template is used where it has
one; a model without one is given the beginning of an answer. Decoding is greedy, without repeated 3-grams, and what a
chat model wraps around its answer is taken off.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.records import content_id
from pipeline.shard import Header, canonical, read_header, read_rows, write_shard
from pipeline.teacher.decoder import Decode, Decoder, Request, Sampling
from pipeline.teacher.loading import files
from pipeline.teacher.sentence import first_sentence

NAME = "teacher, zero-shot"
CHAT = {
    "summary": 'Text: "{source}"\n\nShorten the text to one short sentence.',
    "paraphrase": 'Paraphrase this {kind} in different words:\n\n"{source}"',
}
PLAIN = {
    "summary": "Sentence: {source}\nShort summary of the sentence:",
    "paraphrase": "{Kind}: {source}\nThe same {kind} in other words:",
}
"""For a teacher without a chat template."""

GREEDY = Sampling(
    n=1, temperature=0.0, top_p=1.0, max_tokens=64, no_repeat_ngram=3, ban_newline=False, stop_at_sentence=False
)
AT_ONCE = 256
"""Answers after which the file is written: what a stopped evaluation keeps."""
STORED = pa.schema([("key", pa.string()), ("answer", pa.string())])

_LABEL = re.compile(
    r"^\W*(?:the )?(?:short |brief |new |rewritten |paraphrased |rephrased |shortened |one-sentence )*"
    r"(?:summary|headline|paraphrase|sentence|question|answer|version|title)(?: of [^:]{1,40}| is)?[\s*_]*:[\s*_]*",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(r"^(?:sure|certainly|of course|here(?:'s| is| are)|the following)\b[^:]*:\s*", re.IGNORECASE)
_WRAPPED = re.compile(r"^[\"“'`*]+(.*?)[\"”'`*]+([.?!]?)$")


def prompts(task: str, sources: Sequence[str], tokenizer: Any) -> list[str]:
    """What the teacher is given for each source."""
    if not getattr(tokenizer, "chat_template", None):
        return [_filled(PLAIN[task], source) for source in sources]
    return [_chat(_filled(CHAT[task], source), tokenizer) for source in sources]


def _filled(wording: str, source: str) -> str:
    kind = "question" if source.rstrip().endswith("?") else "sentence"
    return wording.format(source=source, kind=kind, Kind=kind.capitalize())


def _chat(text: str, tokenizer: Any) -> str:
    message = [{"role": "user", "content": text}]
    rendered = str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))
    start = tokenizer.bos_token
    # A tokenizer that puts its start token in front of every text would do so twice.
    doubled = bool(start) and tokenizer.encode("a")[:1] == [tokenizer.bos_token_id]
    return rendered.removeprefix(start) if doubled else rendered


def tidy(task: str, answer: str) -> str:
    """The answer itself: its first line, without labels and quotation marks; of a summary, the first sentence."""
    for line in filter(None, map(str.strip, answer.splitlines())):
        bare = _unwrapped(line)
        text = _unwrapped(_LABEL.sub("", _PREAMBLE.sub("", bare)).strip())
        # "The new question is:" announces the next line; a quotation that goes on after a colon is the answer.
        if text and (bare != line or not text.endswith(":")):
            text = text.rstrip(": ")
            return (first_sentence(text) or text) if task == "summary" else text
    return ""


def _unwrapped(text: str) -> str:
    """Without quotation marks around it; one that was opened and not closed goes too."""
    if found := _WRAPPED.match(text):
        return f"{found.group(1)}{found.group(2)}"
    return text.strip('"') if text.count('"') == 1 else text


def zero_shot(task: str, sources: Sequence[str], teacher: Decoder, tokenizer: Any, kept: Path) -> list[str]:
    """The teacher's answers, one a source; blank where a source is too long for it.

    Answers in the file `kept` are reused, new ones are added to it.
    """
    asked = prompts(task, sources, tokenizer)
    writer = teacher.fingerprint()
    known = _known(kept, writer)
    missing = [prompt for prompt in dict.fromkeys(asked) if _key(prompt) not in known]
    decode = teacher.open() if missing else None
    for start in range(0, len(missing), AT_ONCE):
        part = missing[start : start + AT_ONCE]
        known |= dict(zip(map(_key, part), _answers(part, decode), strict=True))
        _keep(kept, writer, known)
    return [tidy(task, known[_key(prompt)]) for prompt in asked]


def _answers(part: Sequence[str], decode: Decode | None) -> list[str]:
    if decode is None:
        return []
    written = decode([Request(prompt, seed=0) for prompt in part], GREEDY)
    return [found[0].text if found else "" for found in written]


def _key(prompt: str) -> str:
    return content_id(prompt)


def _facts(writer: str) -> str:
    """Who answers, and how it decodes."""
    return content_id(writer, canonical(asdict(GREEDY)))


def _known(kept: Path, writer: str) -> dict[str, str]:
    """Answers of the same teacher, asked the same way; none of another's."""
    header = read_header(kept)
    if header is None or header.facts != _facts(writer):
        return {}
    rows = read_rows(kept)
    return dict(zip(rows["key"].to_pylist(), rows["answer"].to_pylist(), strict=True))


def _keep(kept: Path, writer: str, known: dict[str, str]) -> None:
    table = pa.Table.from_pylist([{"key": key, "answer": known[key]} for key in sorted(known)], schema=STORED)
    facts = _facts(writer)
    write_shard(kept, table, Header("zero_shot", facts, {"writer": writer}, facts))


def tokenizer_of(model: str, revision: str) -> Any:
    """The teacher's own tokenizer, with its chat template."""
    from transformers import AutoTokenizer

    found = files(model, revision)
    return AutoTokenizer.from_pretrained(found.path, revision=found.revision if found.is_hub else None)
