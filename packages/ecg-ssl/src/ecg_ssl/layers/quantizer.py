"""Gumbel vector quantiser: each group picks one of its codes, and learns through the soft choice.

Baevski, Zhou, Mohamed, Auli, "wav2vec 2.0", NeurIPS 2020, section 2; Jang, Gu, Poole, "Categorical reparameterization with
Gumbel-softmax", ICLR 2017.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["GumbelQuantizer", "Quantized", "perplexity"]


class Quantized(NamedTuple):
    """What a quantiser made of its inputs."""

    codes: Tensor
    """``(rows, groups * code_width)``."""
    soft_perplexity: Tensor
    """Codes in use by the mean of the soft choices, summed over groups: from ``groups`` to all of them. Has a gradient."""
    hard_perplexity: Tensor
    """The same by the codes that were picked."""


def perplexity(shares: Tensor) -> Tensor:
    """Sum over groups of ``exp(-Σ p log(p + 1e-7))`` for shares ``(groups, codes)``."""
    return torch.exp(-(shares * (shares + 1e-7).log()).sum(dim=-1)).sum()


class GumbelQuantizer(nn.Module):
    """One code per group for every row.

    Args:
        in_width: Channels of a row.
        groups: Codebooks.
        codes: Codes in each.
        width: Channels of all groups' codes together.
        temperature: Of the first step's soft choice …
        last_temperature: … and the least it falls to …
        decay: … by this factor at every step.

    Raises:
        ValueError: ``width`` is no multiple of ``groups``.
    """

    updates: Tensor

    def __init__(
        self,
        in_width: int,
        *,
        groups: int = 2,
        codes: int = 320,
        width: int = 256,
        temperature: float = 2.0,
        last_temperature: float = 0.5,
        decay: float = 0.999995,
    ) -> None:
        super().__init__()
        if width % groups:
            raise ValueError(f"width must be a multiple of groups, got {width} and {groups}")
        self.groups, self.count = groups, codes
        self.first, self.last, self.decay = temperature, last_temperature, decay
        self.choose = nn.Linear(in_width, groups * codes)
        self.codebook = nn.Parameter(torch.rand(groups, codes, width // groups))
        nn.init.normal_(self.choose.weight)
        nn.init.zeros_(self.choose.bias)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @property
    def temperature(self) -> float:
        """Of the next choice."""
        return max(self.first * self.decay ** int(self.updates), self.last)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Quantized:
        """Pick codes.

        Args:
            x: ``(rows, in_width)``.
            noise: ``(rows, groups, codes)`` uniform in (0, 1): the soft choice of training; without, the likeliest codes.
        """
        with torch.autocast(x.device.type, enabled=False):
            logits = self.choose(x.to(self.choose.weight.dtype)).unflatten(-1, (self.groups, self.count))
            picked = F.one_hot(logits.argmax(dim=-1), self.count).to(logits.dtype)
            soft, hard = perplexity(logits.softmax(dim=-1).mean(dim=0)), perplexity(picked.mean(dim=0))
            if noise is not None:
                gumbel = -(-noise.to(logits.dtype).clamp(1e-7, 1 - 1e-7).log()).log()
                share = ((logits + gumbel) / self.temperature).softmax(dim=-1)
                chosen = F.one_hot(share.argmax(dim=-1), self.count).to(share.dtype)
                picked = chosen + share - share.detach()  # the hard choice forwards, the soft one backwards
            codes = torch.einsum("rgc,gcd->rgd", picked, self.codebook).flatten(1)
        return Quantized(codes, soft, hard)
