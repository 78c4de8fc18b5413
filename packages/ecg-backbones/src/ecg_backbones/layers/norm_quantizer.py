"""Vector quantiser on the unit sphere whose codes follow the mean of what they stand for.

Peng et al., "BEiT v2", 2022, arXiv:2208.06366; van den Oord, Vinyals, Kavukcuoglu, "Neural discrete representation learning",
NeurIPS 2017, for codes as moving averages.

Differs from the published code: codes that no input has chosen for long can be given a new place (:meth:`revive`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["NormQuantizer"]


class NormQuantizer(nn.Module):
    """The code whose direction is nearest. Its codes are moved by :meth:`follow` and :meth:`revive` only.

    Args:
        codes: How many there are.
        width: Channels of each.
        decay: Share of itself that a code keeps when it follows.
    """

    codebook: Tensor
    usage: Tensor
    begun: Tensor

    def __init__(self, codes: int = 8192, width: int = 128, *, decay: float = 0.99) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay is a share from 0 to below 1, got {decay!r}")
        self.decay = decay
        self.register_buffer("codebook", F.normalize(torch.randn(codes, width), dim=-1))
        self.register_buffer("usage", torch.zeros(codes))
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest codes of ``(..., width)``.

        Returns:
            Their numbers ``(...)`` int64, and themselves ``(..., width)`` with the gradient of the input's direction.
        """
        z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=-1)
        book = self.codebook.to(z.dtype)
        number = (z.detach() @ book.T).argmax(dim=-1)
        return number, z + (F.embedding(number, book) - z).detach()

    @torch.no_grad()
    def begin(self, codebook: Tensor) -> None:
        """Start from these codes, ``(codes, width)``."""
        self.codebook.copy_(F.normalize(codebook, dim=-1))
        self.begun.fill_(True)

    @torch.no_grad()
    def follow(self, counts: Tensor, sums: Tensor) -> None:
        """Move every code towards the mean direction of the inputs that chose it.

        Args:
            counts: ``(codes,)``: how many did.
            sums: ``(codes, width)``: the sum of their directions.
        """
        mean = F.normalize(sums, dim=-1)
        moved = F.normalize(self.decay * self.codebook + (1 - self.decay) * mean, dim=-1)
        self.codebook.copy_(torch.where(counts[:, None] > 0, moved, self.codebook))
        self.usage.mul_(self.decay).add_(counts.to(self.usage), alpha=1 - self.decay)

    @torch.no_grad()
    def revive(self, points: Tensor, least: float) -> int:
        """Give codes that fewer than ``least`` inputs per step have chosen of late the places of these points, in order.

        Returns:
            How many: at most one per point.
        """
        dead = (self.usage < least).nonzero().flatten()[: len(points)]
        self.codebook[dead] = F.normalize(points[: len(dead)].to(self.codebook), dim=-1)
        self.usage[dead] = 10 * least  # time to be found before it counts as unused again
        return len(dead)

    @property
    def perplexity(self) -> float:
        """Codes in use of late: from 1 to all of them; 0 before the first step."""
        total = self.usage.sum()
        return float(torch.exp(torch.special.entr(self.usage / total).sum())) if total > 0 else 0.0
