"""Whose age and sex are these: pairs of a window and facts that belong together, and pairs that cannot.

Of our own composition; what it shares with image-text matching is in Li et al., "Align before fuse", NeurIPS 2021,
arXiv:2107.07651, section 3.2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["matching_loss", "other_facts"]


def other_facts(age: Tensor, sex: Tensor, draw: Tensor, *, years: float = 10.0) -> Tensor:
    """For every window another one whose facts cannot be its own: of the other sex, or at least so many years apart.

    Args:
        age: ``(batch,)`` years, NaN where unknown.
        sex: ``(batch,)``, 0 or 1, NaN where unknown.
        draw: ``(batch,)`` uniform in [0, 1), by which one of those that will do is taken.
        years: Difference from which ages cannot be confused.

    Returns:
        ``(batch,)`` int64; -1 where a fact is unknown or nobody differs enough.
    """
    known = torch.isfinite(age) & torch.isfinite(sex)
    apart = (age[:, None] - age[None]).abs() >= years
    will_do = (apart | (sex[:, None] != sex[None])) & known[:, None] & known[None]
    count = will_do.sum(dim=1)
    wanted = (draw * count).long().minimum((count - 1).clamp(min=0)) + 1
    place = (will_do.long().cumsum(dim=1) >= wanted[:, None]).long().argmax(dim=1)
    return torch.where(count > 0, place, torch.full_like(place, -1))


def matching_loss(matching: Tensor, other: Tensor, counted: Tensor) -> Tensor:
    """Binary cross-entropy of as many true pairs as false ones; 0 where there is none.

    Args:
        matching: ``(batch,)`` logits of windows with their own facts.
        other: ``(batch,)`` logits of windows with another's.
        counted: ``(batch,)`` booleans.

    Returns:
        A scalar in float32 or better: log 2 where all logits are 0.
    """
    with torch.autocast(matching.device.type, enabled=False):
        a, b = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (matching, other))
        each = F.softplus(-a) + F.softplus(b)
        return torch.where(counted, each, torch.zeros_like(each)).sum() / (2 * counted.sum()).clamp(min=1)
