"""The rows that travel: contexts, candidates, pairs, scores. Ids come from content, never from order or clock."""

import hashlib
from collections.abc import Sequence

import pyarrow as pa

CONTEXT = pa.schema(
    [
        ("context_id", pa.string()),
        ("text", pa.string()),  # what candidates are conditioned on, prefix removed
        ("sentences", pa.int32()),
        ("origin", pa.string()),  # "teacher" or the user's file, as the recipe names it
        ("prefix", pa.string()),  # the domain prefix the teacher was given; "" for the user's text
        ("seed", pa.int64()),  # of the request that wrote it; null for the user's text
    ]
)

CANDIDATE = pa.schema(
    [
        ("candidate_id", pa.string()),
        ("context_id", pa.string()),
        ("context", pa.string()),  # the text it was conditioned on; the file's dictionary keeps one copy a shard
        ("text", pa.string()),
        ("mode", pa.string()),  # "parallel" or "sequential"
        ("keywords", pa.list_(pa.string())),  # that were to be in it; empty in parallel mode
        ("coverage", pa.float32()),  # share of the keywords found in it; null in parallel mode
        ("source_id", pa.string()),  # sequential: the candidate whose keywords these are; else null
        ("logprob", pa.float32()),  # sum over the kept tokens, of the unmodified model, in nats
        ("tokens", pa.int32()),  # kept: those the text is made of
        ("decoded", pa.int32()),  # decoded: kept + look-ahead + end token
        ("ended", pa.string()),  # "sentence", "length", "stop", or "window"
        ("seed", pa.int64()),
        ("writer", pa.string()),  # fingerprint of the decoder
        ("round", pa.int32()),
    ]
)

PAIR = pa.schema(
    [
        ("pair_id", pa.string()),
        ("task", pa.string()),
        ("source", pa.string()),
        ("target", pa.string()),
        ("context_id", pa.string()),
        ("source_id", pa.string()),  # candidate ids; null for pairs the user brought
        ("target_id", pa.string()),
        ("round", pa.int32()),
        ("writer", pa.string()),
        ("seed", pa.int64()),  # of the target's request
        ("logprob", pa.float32()),  # of the target
    ]
)


def content_id(*parts: str) -> str:
    """blake2b-128 of the parts, length-prefixed, so that ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8")
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()


def pair_id(task: str, source: str, target: str) -> str:
    """Same task and text, same id, in any run on any machine."""
    return content_id(task, source, target)


def context_id(text: str) -> str:
    return content_id("context", text)


def spaced_seed(run_seed: int, stage: str, *key: str | int) -> int:
    """A request seed from content: 2**20 apart, so that children at seed + i of two requests never meet.

    Returns a non-negative integer below 2**62 whose low 20 bits are zero.
    """
    raw = content_id(str(run_seed), stage, *(str(part) for part in key))
    return (int(raw[:16], 16) >> 22) << 20


def score_schema(names: Sequence[str]) -> pa.Schema:
    """SCORE rows: a sidecar keyed by pair_id, one float32 column a filter, and the filter that dropped the row."""
    return pa.schema([("pair_id", pa.string()), *((name, pa.float32()) for name in names), ("dropped_by", pa.string())])
