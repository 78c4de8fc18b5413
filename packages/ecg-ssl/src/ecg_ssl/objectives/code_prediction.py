"""Cross-entropy of codes at hidden steps, and at visible ones if they are to count: HuBERT's loss.

Hsu et al., "HuBERT", IEEE/ACM TASLP 2021, arXiv:2106.07447, equations 1 and 2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["code_prediction"]


def code_prediction(logits: Tensor, codes: Tensor, hidden: Tensor, *, alpha: float = 1.0) -> Tensor:
    """``alpha`` times the mean over hidden steps plus ``1 - alpha`` times the mean over the others.

    Args:
        logits: ``(..., codes)``.
        codes: ``(...)`` int64.
        hidden: ``(...)`` booleans; where none is true, or none is false, that mean is 0.
        alpha: Share of the hidden steps, from 0 to 1.

    Returns:
        A scalar in float32 or better.

    Raises:
        ValueError: Shapes differ, or ``alpha`` is no share.
    """
    if logits.shape[:-1] != codes.shape or codes.shape != hidden.shape:
        shapes = ", ".join(str(tuple(x.shape)) for x in (logits, codes, hidden))
        raise ValueError(f"expected logits (..., codes), codes (...) and hidden (...), got {shapes}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is a share from 0 to 1, got {alpha!r}")
    with torch.autocast(logits.device.type, enabled=False):
        kept = logits.to(torch.promote_types(logits.dtype, torch.float32))
        parts = [(alpha, hidden), (1 - alpha, ~hidden)]
        total = kept.sum() * 0.0
        for weight, chosen in parts:
            if weight > 0:
                error = F.cross_entropy(kept[chosen], codes[chosen], reduction="sum")
                total = total + weight * error / chosen.sum().clamp(min=1)
        return total
