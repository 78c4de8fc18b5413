"""Teacher of a latent predictor: a copy of the backbone that follows it slowly, takes no gradient and sees the whole window.

Assran et al., "Self-supervised learning from images with a joint-embedding predictive architecture", CVPR 2023; Baevski et al.,
"data2vec", ICML 2022, for blocks as targets.
"""

from __future__ import annotations

import copy
from typing import Literal, Self, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ecg_core.contracts.lazy import is_materialized
from ecg_core.contracts.tokens import TokenBackbone
from ecg_ssl.momentum import MomentumSchedule, follow, momentum_at

__all__ = ["Teacher", "UpdateWhen"]

UpdateWhen = Literal["pre_forward", "post_step"]


class Teacher(nn.Module):
    """The copy, its rate and how far the training is.

    It follows once per step of the optimizer: right behind it, or at the beginning of the next training loss, which is when
    Weimann's code does. A copy that starts equal is the same in both, except that its rate is one step further.

    Args:
        backbone: What is copied; lazy ones take sizes and values from the online backbone's first pass.
        momentum: Share of itself that the copy keeps at the first step.
        end: That of the last step.
        schedule: How the share goes from there to the end.
        update_when: ``"pre_forward"`` or ``"post_step"``.
        drop_path: Dropout and stochastic depth act in the copy, too, while the method trains.
        warmup: The end is reached after this many steps; ``None`` for the whole training.

    Raises:
        ValueError: A momentum is outside 0 … 1, or a word is unknown.
    """

    updates: Tensor
    due: Tensor

    def __init__(
        self,
        backbone: TokenBackbone,
        *,
        momentum: float,
        end: float,
        schedule: MomentumSchedule,
        update_when: UpdateWhen,
        drop_path: bool = False,
        warmup: int | None = None,
    ) -> None:
        super().__init__()
        if not (0 <= momentum <= 1 and 0 <= end <= 1):
            raise ValueError(f"momentum is a share from 0 to 1, got {momentum!r} to {end!r}")
        for word, value, known in (("schedule", schedule, MomentumSchedule), ("update_when", update_when, UpdateWhen)):
            if value not in get_args(known):
                raise ValueError(f"{word} must be one of {', '.join(get_args(known))}, got {value!r}")
        self.backbone = copy.deepcopy(backbone)
        self.momentum, self.end, self.schedule = momentum, end, schedule
        self.update_when, self.drop_path, self.warmup = update_when, drop_path, warmup
        self.steps: int | None = None
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.register_buffer("due", torch.ones((), dtype=torch.bool))
        self._freeze()
        self.train(self.training)

    @property
    def rate(self) -> float:
        """The rate of the next update."""
        steps = self.steps if self.warmup is None else self.warmup
        return momentum_at(self.momentum, int(self.updates), steps, self.schedule, self.end)

    def train(self, mode: bool = True) -> Self:
        """Training mode, in which the copy stays in evaluation mode unless its stochastic depth is asked for."""
        super().train(mode)
        self.backbone.train(mode and self.drop_path)
        return self

    def catch_up(self, backbone: nn.Module) -> None:
        """Take sizes and values of the online backbone, if the copy was made before they were known."""
        if not is_materialized(self.backbone):
            self.backbone.load_state_dict(backbone.state_dict())
            self._freeze()

    def before_forward(self, backbone: nn.Module) -> None:
        """Follow, if it is time: in training, once after every step."""
        if self.update_when == "pre_forward" and self.training and bool(self.due) and is_materialized(self.backbone):
            self._follow(backbone)
            self.due.fill_(False)

    def after_step(self, backbone: nn.Module) -> None:
        """Follow, or note that it is due."""
        if self.update_when == "post_step":
            self._follow(backbone)
        else:
            self.due.fill_(True)

    @torch.no_grad()
    def forward(self, x: Tensor, lead_index: Tensor | None = None) -> Tensor:
        """``(batch, leads, samples)`` to all its patch tokens, ``(batch, rows, columns, width)``."""
        mine = self.backbone
        tokens = mine.embed(mine.patchify(x))
        return mine.encode(tokens, None, lead_index)[:, :, mine.prefix : mine.prefix + tokens.shape[2]]

    def last_blocks(self, count: int) -> list[nn.Module]:
        """The last ``count`` transformer blocks of the copy.

        Raises:
            TypeError: The backbone keeps no list of transformer blocks, or fewer.
        """
        blocks = getattr(self.backbone, "blocks", None)
        held = len(blocks) if isinstance(blocks, nn.ModuleList) else 0
        if not 1 <= count <= held:
            raise TypeError(
                f"top_blocks={count} takes as many of backbone.blocks, and {type(self.backbone).__name__} has {held}; "
                f"pass another number, or None for what the encoder puts out"
            )
        return list(blocks)[-count:]  # type: ignore[arg-type]

    @torch.no_grad()
    def block_outputs(self, x: Tensor, count: int) -> list[Tensor]:
        """What each of the last ``count`` blocks puts out, ``(batch, rows, columns, width)`` each, un-normalised.

        Raises:
            TypeError: The backbone keeps no list of transformer blocks, or fewer.
        """
        mine, seen = self.backbone, cast(list[Tensor], [])
        tokens = mine.embed(mine.patchify(x))
        hooks = [block.register_forward_hook(lambda _m, _i, out: seen.append(out)) for block in self.last_blocks(count)]
        try:
            shape = mine.encode(tokens).shape
        finally:
            for hook in hooks:
                hook.remove()
        return [out.reshape(shape)[:, :, mine.prefix : mine.prefix + tokens.shape[2]] for out in seen]

    def _follow(self, backbone: nn.Module) -> None:
        follow(self.backbone, backbone, self.rate)
        self.updates += 1

    def _freeze(self) -> None:
        for parameter in self.backbone.parameters():
            if not is_lazy(parameter):
                parameter.requires_grad = False
