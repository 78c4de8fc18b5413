"""What the checks of everything that a run can train share, SSL methods and models alike: a sound loss, and a short training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ecg_core.contracts.losses import Losses
from ecg_core.testing.checks import require

__all__ = ["losses_of_a_training", "require_sound_losses"]


def require_sound_losses(losses: Any) -> None:
    """Require a finite scalar with a gradient, and logs without one."""
    require(isinstance(losses, Losses), f"loss gives a {type(losses).__name__} instead of Losses(total, logs)")
    require(losses.total.ndim == 0, f"the total is of shape {tuple(losses.total.shape)} instead of a scalar")
    require(torch.isfinite(losses.total), f"the total is {float(losses.total.detach())}")
    require(losses.total.requires_grad, "the total has no gradient")
    kept = [name for name, value in losses.logs.items() if value.requires_grad]
    require(not kept, f"the logs {', '.join(kept)} keep the graph alive; compute them under torch.no_grad()")


def losses_of_a_training(learner: nn.Module, batch: Any, *, steps: int = 25) -> list[float]:
    """The losses of this many steps of AdamW on one batch."""
    learner.train()
    optimizer = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], lr=2e-3)
    seen = []
    for _ in range(steps):
        loss = learner.loss(batch).total  # type: ignore[operator]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        learner.after_step()  # type: ignore[operator]
        seen.append(float(loss.detach()))
    return seen
