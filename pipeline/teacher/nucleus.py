"""The nucleus (top-p) without sorting the vocabulary.

Sorting 49k logits a row is half the cost of sampling on a CPU. The nucleus of a language model is small: if the
64 largest logits already hold top_p of the mass, it lies within them and is found exactly; rows where they do not are
tried with 1,024, and sorted in full if need be. So the nucleus is exact for every row; nothing is approximated.
"""

import torch

WIDTHS = (64, 1024)


def keep_nucleus(logits: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Set every logit outside the nucleus to -inf, in place.

    logits: [rows, vocabulary], after temperature. top_p: [rows]; a row with 1.0 is left alone. The nucleus is the
    smallest set of most probable tokens whose mass is at least top_p; tokens tied with its last one stay.
    """
    floor = torch.full_like(top_p, -torch.inf, dtype=logits.dtype)
    rows = (top_p < 1.0).nonzero().squeeze(1)
    for width in (*WIDTHS, logits.shape[1]):
        if rows.numel() == 0:
            break
        part = logits if rows.numel() == logits.shape[0] else logits[rows]
        found, covered = _floor(part, top_p[rows], min(width, logits.shape[1]))
        floor[rows[covered]] = found[covered]
        rows = rows[~covered]
    return logits.masked_fill_(logits < floor[:, None], -torch.inf)


def _floor(logits: torch.Tensor, top_p: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest logit of each row's nucleus [rows], and whether `width` logits were enough to know it [rows]."""
    largest = logits.topk(width, dim=1).values
    mass = (largest - logits.logsumexp(dim=1, keepdim=True)).exp().cumsum(dim=1)
    last = (mass < top_p[:, None]).sum(dim=1)
    covered = last < width if width < logits.shape[1] else torch.ones_like(last, dtype=torch.bool)
    return largest.gather(1, last.clamp(max=width - 1)[:, None]).squeeze(1), covered
