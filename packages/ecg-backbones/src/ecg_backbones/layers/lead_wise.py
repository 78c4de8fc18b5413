"""Maps of networks that keep the leads apart: channels in as many equal groups as there are leads, in their order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["joined_by_lead", "lead_rows", "lead_wise_leads"]


def lead_wise_leads(in_leads: int | None, lead_wise: bool) -> int | None:
    """Leads of a network that keeps them apart, twelve unless told otherwise; ``None`` for one that mixes them."""
    return (12 if in_leads is None else in_leads) if lead_wise else None


def joined_by_lead(maps: Sequence[Tensor], leads: int) -> Tensor:
    """Maps with the same steps as one, ``(batch, channels, steps)``, where each lead's channels stand together.

    Args:
        maps: Each ``(batch, leads * channels of one lead, steps)``.
        leads: Groups of channels; 1 is plain concatenation.
    """
    if leads == 1:
        return torch.cat(list(maps), dim=1)
    batch, channels, steps = maps[0].shape[0], sum(m.shape[1] for m in maps), maps[0].shape[2]
    # A lead's channels and steps in one row, so that an exported program need not compare strides of single channels.
    rows = [m.reshape(batch, leads, m.shape[1] // leads * steps) for m in maps]
    return torch.cat(rows, dim=2).reshape(batch, channels, steps)


def lead_rows(features: Tensor, leads: int | None) -> Tensor:
    """``(batch, leads, channels, steps)``, each lead's own channels in its row; one row where ``leads`` is ``None``.

    The rest of a row is zero, and the rows are scaled so that their mean is the features.
    """
    if leads is None:
        return features.unsqueeze(1)
    own = torch.eye(leads, dtype=features.dtype, device=features.device) * leads
    return torch.einsum("blcs,rl->brlcs", features.unflatten(1, (leads, -1)), own).flatten(2, 3)
