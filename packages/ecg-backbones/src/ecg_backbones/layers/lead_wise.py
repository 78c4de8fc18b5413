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
    together = torch.cat(list(maps), dim=1)
    if leads == 1:
        return together
    # Selected rather than reshaped: an exported program would have to compare the strides of single channels and steps.
    numbers = torch.arange(together.shape[1], device=together.device).split([m.shape[1] for m in maps])
    order = torch.cat([n.unflatten(0, (leads, -1)) for n in numbers], dim=1)
    return together.index_select(1, order.flatten())


def lead_rows(features: Tensor, leads: int | None) -> Tensor:
    """``(batch, leads, channels, steps)``, each lead's own channels in its row; one row where ``leads`` is ``None``.

    The rest of a row is zero, and the rows are scaled so that their mean is the features.
    """
    if leads is None:
        return features.unsqueeze(1)
    own = torch.eye(leads, dtype=features.dtype, device=features.device) * leads
    return torch.einsum("blcs,rl->brlcs", features.unflatten(1, (leads, -1)), own).flatten(2, 3)
