"""Losses: what a learner reports of one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

__all__ = ["Losses"]


@dataclass(frozen=True)
class Losses:
    """The loss to minimise and what is worth logging beside it.

    Args:
        total: A scalar with gradient.
        logs: Detached scalars by name.
    """

    total: Tensor
    logs: Mapping[str, Tensor] = field(default_factory=dict)
