"""Batches by token budget: rows of like length together, so that little is padding."""

from collections.abc import Sequence

import numpy as np

WINDOW = 2048
"""Rows that are sorted together: enough for even batches, few enough that their mix stays random."""


def plan(costs: Sequence[int], budget: int, seed: int | Sequence[int]) -> list[list[int]]:
    """Row numbers in batches, every row once, in random order of batches.

    `costs` are tokens a row; a batch costs its rows times its dearest row, at most `budget` unless it is one row.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(costs))
    sizes = np.asarray(costs)
    batches: list[list[int]] = []
    for start in range(0, len(order), WINDOW):
        window = order[start : start + WINDOW]
        batches += fill(window[np.argsort(sizes[window], kind="stable")].tolist(), costs, budget)
    return [batches[place] for place in rng.permutation(len(batches))]


def fill(rows: Sequence[int], costs: Sequence[int], budget: int) -> list[list[int]]:
    """Neighbouring rows, cheap ones first, cut where the next would break the budget."""
    batches: list[list[int]] = []
    for row in rows:
        if batches and (len(batches[-1]) + 1) * costs[row] <= budget:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
