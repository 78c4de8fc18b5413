"""InfoNCE over the hidden steps of a window: each step finds its own target among those of other hidden steps.

Baevski, Zhou, Mohamed, Auli, "wav2vec 2.0", NeurIPS 2020, equation 3.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["token_info_nce"]


def token_info_nce(predictions: Tensor, targets: Tensor, draws: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Mean over hidden steps of ``-log softmax`` at the own target, by cosine similarity.

    Args:
        predictions: ``(windows, hidden, width)``.
        targets: ``(windows, hidden, width)``.
        draws: ``(windows, hidden, negatives)`` int64 from 0 to ``hidden - 2``: which of the window's other hidden steps stand
            against each; the own one is skipped. A negative that equals the target does not count.
        temperature: Positive.

    Returns:
        A scalar in float32 or better.

    Raises:
        ValueError: Shapes differ, or the temperature is not positive.
    """
    if predictions.shape != targets.shape or draws.shape[:2] != targets.shape[:2]:
        raise ValueError(
            f"expected predictions and targets (windows, hidden, width) and draws for each, got {tuple(predictions.shape)}, "
            f"{tuple(targets.shape)} and {tuple(draws.shape)}"
        )
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    with torch.autocast(predictions.device.type, enabled=False):
        p, t = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (predictions, targets))
        own = torch.arange(t.shape[1], device=t.device)[:, None]
        chosen = draws + (draws >= own)  # (windows, hidden, negatives)
        rows = torch.arange(len(t), device=t.device)[:, None, None]
        p, t = F.normalize(p, dim=-1), F.normalize(t, dim=-1)
        similarity = p @ t.transpose(1, 2)  # (windows, hidden, hidden)
        # Equal targets by number: comparing all values of all pairs would take far more memory.
        number = torch.unique(targets.detach().flatten(0, 1), dim=0, return_inverse=True)[1].unflatten(0, targets.shape[:2])
        same = number[:, :, None] == number[:, None]
        others = similarity.gather(2, chosen).masked_fill(same[rows, own, chosen], -math.inf)
        logits = torch.cat([similarity.diagonal(dim1=1, dim2=2)[..., None], others], dim=2) / temperature
        return F.cross_entropy(logits.flatten(0, 1), torch.zeros(logits[..., 0].numel(), dtype=torch.int64, device=t.device))
