"""The default views of an ECG, and what methods of two views say of their embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["DEFAULT_VIEWS", "agreement", "spread_of_windows"]

# Mehari and Strodthoff 2022 on ECGs, less the stretched crop, which changes the heart rate; with noise and wander in mV.
DEFAULT_VIEWS: tuple[Mapping[str, Any], ...] = (
    {"name": "random_masking", "p": 1.0},
    {"name": "lead_dropout", "p": 0.5},
    {"name": "baseline_wander", "p": 0.5},
    {"name": "gaussian_noise", "p": 0.5},
)


@torch.no_grad()
def agreement(z_a: Tensor, z_b: Tensor) -> dict[str, Tensor]:
    """What is logged of two views' projections ``(batch, width)``.

    ``positive_similarity``, the mean cosine of partners, and ``embedding_std``, the spread of the unit vectors times the root of
    their width: 1 when they fill the sphere, 0 when they have collapsed.
    """
    a, b = F.normalize(z_a.float(), dim=1), F.normalize(z_b.float(), dim=1)
    spread = torch.cat([a, b]).std(dim=0).mean() * a.shape[1] ** 0.5
    return {"positive_similarity": (a * b).sum(dim=1).mean(), "embedding_std": spread}


@torch.no_grad()
def spread_of_windows(z: Tensor) -> Tensor:
    """``embedding_std`` of tokens ``(batch, …, width)``: that of the windows at each place, in the mean over places.

    The place of a token says nothing of the window, so that tokens which differ by their place only have none. A single window
    has none either.
    """
    unit = F.normalize(z.float(), dim=-1)
    return unit.std(dim=0, correction=min(1, len(z) - 1)).mean() * z.shape[-1] ** 0.5
