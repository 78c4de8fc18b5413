"""Heads of age and sex: do they belong to a window, or what are they."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MatchingHead", "RegressionHead"]

_MIDDLE, _SPREAD = 50.0, 20.0  # years, about those of the patients of hospitals


class MatchingHead(nn.Module):
    """Whether age and sex are those of a window.

    Args:
        in_width: Channels of a window.
        width: Channels in which windows and facts are compared.

    Shape:
        ``(batch, in_width)``, ``(batch,)``, ``(batch,)`` to ``(batch,)`` logits, 0 at first
    """

    def __init__(self, in_width: int, *, width: int = 128) -> None:
        super().__init__()
        self.window = nn.Linear(in_width, width)
        self.facts = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width))
        self.match = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, 1))
        nn.init.zeros_(self.match[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.match[2].bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, age: Tensor, sex: Tensor) -> Tensor:
        """Logits; those of unknown facts are of 50 years and of neither sex, and should not count."""
        known = torch.stack([(age - _MIDDLE) / _SPREAD, sex == 0, sex == 1], dim=1).to(h.dtype).nan_to_num(0.0)
        window, facts = self.window(h), self.facts(known)
        found: Tensor = self.match(torch.cat([window, facts, window * facts], dim=1))[:, 0]
        return found


class RegressionHead(nn.Module):
    """Age and sex from a window, by one linear layer.

    Args:
        in_width: Channels of a window.
    """

    def __init__(self, in_width: int) -> None:
        super().__init__()
        self.tell = nn.Linear(in_width, 2)

    def forward(self, h: Tensor, age: Tensor, sex: Tensor) -> Tensor:
        """Huber's loss of the standardised age and the cross-entropy of the sex, each the mean over windows where it is known."""
        with torch.autocast(h.device.type, enabled=False):
            years, male = self.tell(h.float()).unbind(dim=1)
            total = years.sum() * 0.0
            for told, fact, loss in (
                (years, (age - _MIDDLE) / _SPREAD, F.smooth_l1_loss),
                (male, sex, F.binary_cross_entropy_with_logits),
            ):
                known = torch.isfinite(fact)
                total = total + loss(told[known], fact[known].to(told.dtype), reduction="sum") / known.sum().clamp(min=1)
            return total
