"""Momentum encoder: a copy of the backbone and the projector that follows them slowly and takes no gradient.

He et al., "Momentum contrast", CVPR 2020, equation 2; Grill et al., "Bootstrap your own latent", NeurIPS 2020, for the
schedule that rises to one.

All parameters follow, biases and normalisation weights included; published re-implementations that pick parameters by the
word "weight" in their name leave the biases where they began. Methods that update before the key's forward pass and methods
that update after the optimizer's step are the same: the copy starts equal, so that the first update moves nothing.
"""

from __future__ import annotations

import copy
import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import is_materialized

__all__ = ["MomentumEncoder", "MomentumSchedule", "follow", "momentum_at"]

MomentumSchedule = Literal["constant", "cosine", "linear"]


def momentum_at(base: float, step: int, steps: int | None, schedule: MomentumSchedule = "constant", end: float = 1.0) -> float:
    """The rate of a step: constant; or rising from ``base`` to ``end`` by half a cosine or in proportion.

    Args:
        base: Rate of step 0.
        step: From 0 to ``steps``.
        steps: Length of the training; ``None``, where nobody said, keeps the rate.
        schedule: ``"constant"``, ``"cosine"`` or ``"linear"``.
        end: Rate of the last step.
    """
    if schedule == "constant" or not steps:
        return base
    done = min(1.0, step / steps)
    rise = 0.5 * (1 - math.cos(math.pi * done)) if schedule == "cosine" else done
    return base + (end - base) * rise


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, rate: float, *, buffers: Literal["copy", "skip"] = "copy") -> None:
    """``target ← rate · target + (1 - rate) · online`` for every parameter; buffers are copied or left alone."""
    torch._foreach_lerp_(list(target.parameters()), [p.detach() for p in online.parameters()], 1 - rate)
    if buffers == "copy":
        for mine, theirs in zip(target.buffers(), online.buffers(), strict=True):
            mine.copy_(theirs)


class MomentumEncoder(nn.Module):
    """The copy, its rate and how far the training is.

    Args:
        backbone: What is copied; lazy ones take sizes and values from the online backbone's first pass.
        projector: The head on it, copied too.
        momentum: Share of itself that the copy keeps at each step.
        schedule: How the rate goes on from there; it rises to 1.
        buffers: Running statistics of normalisations: ``"copy"`` takes the online ones, ``"skip"`` lets the copy's own forward
            passes keep them, as MoCo does.

    Raises:
        ValueError: ``momentum`` is outside 0 … 1, or there is no such schedule.
    """

    updates: Tensor

    def __init__(
        self,
        backbone: Backbone,
        projector: nn.Module,
        *,
        momentum: float,
        schedule: MomentumSchedule = "constant",
        buffers: Literal["copy", "skip"] = "copy",
    ) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum is a share from 0 to 1, got {momentum!r}")
        if schedule not in get_args(MomentumSchedule):
            raise ValueError(f"schedule must be one of {', '.join(get_args(MomentumSchedule))}, got {schedule!r}")
        self.backbone, self.projector = copy.deepcopy(backbone), copy.deepcopy(projector)
        self.momentum, self.schedule, self.buffers_from = momentum, schedule, buffers
        self.steps: int | None = None
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self._freeze()

    @property
    def rate(self) -> float:
        """The rate of the next update."""
        return momentum_at(self.momentum, int(self.updates), self.steps, self.schedule)

    def catch_up(self, backbone: nn.Module, projector: nn.Module) -> None:
        """Take sizes and values of the online side, if the copy was made before they were known."""
        for mine, theirs in ((self.backbone, backbone), (self.projector, projector)):
            if not is_materialized(mine):
                mine.load_state_dict(theirs.state_dict())
                self._freeze()

    def _freeze(self) -> None:
        for parameter in self.parameters():
            if not is_lazy(parameter):
                parameter.requires_grad = False

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` to projections ``(batch, width)``."""
        return self.projector(self.backbone.pool(self.backbone.forward_features(x)))

    @torch.no_grad()
    def gauges(self, backbone: nn.Module, projector: nn.Module) -> dict[str, float]:
        """How far the copy is behind.

        ``momentum_drift`` is the distance of its weights from the online ones, over the length of those; ``momentum_rate``
        is that of the next update.
        """
        online = [*backbone.parameters(), *projector.parameters()]
        pairs = zip([*self.backbone.parameters(), *self.projector.parameters()], online, strict=True)
        apart, length = 0.0, 0.0
        for mine, theirs in pairs:
            apart += float((mine - theirs).double().square().sum())
            length += float(theirs.double().square().sum())
        return {"momentum_drift": math.sqrt(apart / max(length, 1e-24)), "momentum_rate": self.rate}

    def follow(self, backbone: nn.Module, projector: nn.Module) -> None:
        """One update; call it after the optimizer's step."""
        rate = self.rate
        follow(self.backbone, backbone, rate, buffers=self.buffers_from)
        follow(self.projector, projector, rate, buffers=self.buffers_from)
        self.updates += 1
