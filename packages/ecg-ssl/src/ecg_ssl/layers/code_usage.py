"""How many codes are in use, remembered over batches: what says that a codebook is dying."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CodeUsage"]


class CodeUsage(nn.Module):
    """The share of every code among those of recent batches.

    Args:
        codes: How many there are.
        momentum: Share of the past that a batch keeps.
    """

    share: Tensor

    def __init__(self, codes: int, *, momentum: float = 0.99) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("share", torch.zeros(codes))

    @torch.no_grad()
    def see(self, codes: Tensor) -> Tensor:
        """Take note of a batch's codes, ``(...)`` int64, in training; returns the perplexity of this batch alone."""
        count = torch.bincount(codes.flatten(), minlength=len(self.share)).to(self.share)
        now = count / count.sum().clamp(min=1)
        if self.training and codes.numel():
            first = (self.share.sum() == 0).to(now)
            self.share.mul_(self.momentum).add_(now * (1 - self.momentum + self.momentum * first))
        return torch.exp(torch.special.entr(now).sum())

    @property
    def perplexity(self) -> float:
        """Codes in use: from 1 to all of them, when all are used alike; 0 before the first batch."""
        total = self.share.sum()
        return float(torch.exp(torch.special.entr(self.share / total).sum())) if total > 0 else 0.0
