"""Linear-chain conditional random field: scores whole sequences of labels instead of single steps.

Lafferty, McCallum, Pereira, "Conditional random fields: probabilistic models for segmenting and labeling sequence data",
ICML 2001. The forward recursion gives the partition, the same recursion with maxima (Viterbi 1967) the best sequence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CRF"]


class CRF(nn.Module):
    """Scores of labels at the ends and of neighbouring labels, on top of scores per step.

    Everything is computed in float32 or better. A mask is true where a step counts; the first step of every window must, and
    steps that do not may only follow those that do.

    Args:
        classes: Number of labels.

    Shape:
        - emissions: ``(batch, classes, steps)``, unnormalised log scores
        - labels: ``(batch, steps)``, integers
        - mask: ``(batch, steps)``, booleans

    Raises:
        ValueError: ``classes`` is below 1, or a mask has a hole.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"a CRF needs at least one class, got {classes}")
        self.start = nn.Parameter(torch.empty(classes).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(classes).uniform_(-0.1, 0.1))
        self.transitions = nn.Parameter(torch.empty(classes, classes).uniform_(-0.1, 0.1))  # from row to column

    def forward(self, emissions: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        """Log probability of each window's labels, ``(batch,)``; its negative is the loss."""
        return self.score(emissions, labels, mask) - self.log_partition(emissions, mask)

    def score(self, emissions: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        """Unnormalised log score of each window's labels, ``(batch,)``."""
        emissions, mask = _checked(emissions, mask)
        labels = labels.where(mask, 0)
        at_steps = emissions.gather(1, labels.unsqueeze(1)).squeeze(1)  # (batch, steps)
        between = self.transitions[labels[:, :-1], labels[:, 1:]]
        last = labels.gather(1, mask.sum(dim=1, keepdim=True) - 1).squeeze(1)
        return self.start[labels[:, 0]] + (at_steps * mask).sum(dim=1) + (between * mask[:, 1:]).sum(dim=1) + self.end[last]

    def log_partition(self, emissions: Tensor, mask: Tensor | None = None) -> Tensor:
        """Log of the sum of the exponentiated scores of every sequence of labels, ``(batch,)``."""
        emissions, mask = _checked(emissions, mask)
        alpha = self.start + emissions[..., 0]  # (batch, classes): all sequences that end here with this label
        for step in range(1, emissions.shape[-1]):
            longer = (alpha[:, :, None] + self.transitions).logsumexp(dim=1) + emissions[..., step]
            alpha = longer.where(mask[:, step, None], alpha)
        return (alpha + self.end).logsumexp(dim=1)

    @torch.no_grad()
    def decode(self, emissions: Tensor, mask: Tensor | None = None) -> Tensor:
        """The best labels of each window, ``(batch, steps)``; -1 where the mask is false."""
        emissions, mask = _checked(emissions, mask)
        steps = emissions.shape[-1]
        best, came_from = self.start + emissions[..., 0], []
        for step in range(1, steps):
            value, origin = (best[:, :, None] + self.transitions).max(dim=1)
            best = (value + emissions[..., step]).where(mask[:, step, None], best)
            stays = torch.arange(len(self.start), device=origin.device)
            came_from.append(origin.where(mask[:, step, None], stays))
        labels = [(best + self.end).argmax(dim=1)]
        for origin in reversed(came_from):
            labels.append(origin.gather(1, labels[-1][:, None]).squeeze(1))
        return torch.stack(labels[::-1], dim=1).where(mask, -1)


def _checked(emissions: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    emissions = emissions.to(torch.promote_types(emissions.dtype, torch.float32))
    if mask is None:
        return emissions, torch.ones_like(emissions[:, 0], dtype=torch.bool)
    if not mask[:, 0].all() or (mask[:, 1:] & ~mask[:, :-1]).any():
        raise ValueError("the mask of a CRF is true from the first step on and then false to the end; move the gaps to the end")
    return emissions, mask
