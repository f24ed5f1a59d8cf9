"""Training batches: rows of like length, by a budget of tokens, in an order that follows from the seed alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from filters.base import IntArray
from filters.training.rows import Row

POOL = 4096
"""Rows sorted by length at a time: enough for like lengths, few enough to stay well mixed."""


class Coded(NamedTuple):
    """Rows as token ids (special tokens included) with their targets."""

    ids: list[list[int]]
    types: list[list[int]]  # empty for a model without token types
    targets: torch.Tensor  # (rows, 3)
    merged: torch.Tensor  # (rows,) bool


def code(rows: Sequence[Row], tokenizer: Any, window: int) -> Coded:
    """Tokenise, the longer sentence cut first."""
    texts, pairs = [row.premise for row in rows], [row.hypothesis for row in rows]
    coded = tokenizer(texts, pairs, truncation="longest_first", max_length=window, padding=False)
    targets = torch.tensor([row.target for row in rows], dtype=torch.float32)
    merged = torch.tensor([row.merged for row in rows], dtype=torch.bool)
    return Coded(coded["input_ids"], coded.get("token_type_ids", []), targets, merged)


def plan(lengths: Sequence[int], token_budget: int, seed: int, pool: int = POOL) -> list[IntArray]:
    """The batches of one pass over rows already shuffled: places of rows, longest-first within a pool."""
    rng = np.random.default_rng(seed)
    size = np.asarray(lengths)
    batches: list[IntArray] = []
    for start in range(0, len(size), pool):
        places = start + np.argsort(-size[start : start + pool], kind="stable")
        batches += _cut(places, size, token_budget)
    return [batches[place] for place in rng.permutation(len(batches))]


def _cut(places: IntArray, size: IntArray, token_budget: int) -> list[IntArray]:
    cuts, start = [], 0
    while start < len(places):
        rows = max(1, token_budget // int(size[places[start]]))
        cuts.append(places[start : start + rows])
        start += rows
    return cuts


def collate(coded: Coded, places: IntArray, pad_id: int) -> dict[str, torch.Tensor]:
    """Model inputs of one batch, padded to its longest row."""
    length = max(len(coded.ids[place]) for place in places)
    ids = np.full((len(places), length), pad_id, dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for line, place in enumerate(places):
        row = coded.ids[place]
        ids[line, : len(row)], mask[line, : len(row)] = row, 1
        if coded.types:
            types[line, : len(row)] = coded.types[place]
    inputs = {"input_ids": ids, "attention_mask": mask} | ({"token_type_ids": types} if coded.types else {})
    return {name: torch.from_numpy(value) for name, value in inputs.items()}
