"""iBOT for ECGs: DINO's agreement of crops, and hidden patches that say what a slow teacher says of them in sight.

Zhou, Wei, Wang, Shen, Xie, Yuille, Kong, "iBOT: image BERT pre-training with online tokenizer", ICLR 2022, arXiv:2111.07832.

Differs from the paper: crops are of time and keep their rate; one run of patches is hidden in a long crop, in all leads; a
learned patch in front of the embedding stands there, not a learned vector behind it; a window is the mean of its patch tokens,
as not every backbone has a class token; 4,096 prototypes and narrower heads, as data sets of ECGs are smaller; warm-ups are
shares of the training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.distillation import BaseSelfDistillation
from ecg_ssl.layers.mask_patch import LazyMaskPatch
from ecg_ssl.momentum import MomentumSchedule
from ecg_ssl.objectives.self_distillation import dino_loss, ibot_loss, teacher_probabilities
from ecg_ssl.time_masks import hide_run
from ecg_ssl.views import DEFAULT_VIEWS

__all__ = ["IBOT"]

_SHARE, _PLACE = 0x1B07, 0x1B17  # draws of how much of a long crop is hidden, and where; each crop adds its number


class IBOT(BaseSelfDistillation):
    """Windows agree over crops and hidden patches with the teacher's, over the prototypes of one shared head.

    Logits are made of every patch: of many leads with a row of tokens each (``vit_small``) take fewer prototypes, or a backbone
    whose patches span all leads (``vit_time_small``).

    Args:
        backbone: A :class:`~ecg_core.TokenBackbone`.
        augment: What is done to each crop, as transforms, names or configurations.
        long: Long crops of each window, which the teacher sees too, whole.
        short: Short ones.
        long_share: Length of a long crop, as a share of the window.
        short_share: Length of a short one.
        hide: Probability that patches of a long crop are hidden from the student.
        mask_ratio: Share of the patches that are then hidden, from and to.
        patches: Weight of the loss of hidden patches.
        prototypes: How many.
        hidden: Channels of the head's hidden layers.
        width: Channels of the unit vector that is compared with prototypes.
        temperature: Of the student.
        teacher_temperature: Of the teacher at first …
        last_teacher_temperature: … and after its warm-up.
        warmup: Share of the training in which the teacher's temperature rises.
        still: Share of the training, from its start, in which prototypes stand still.
        centre_momentum: Share of themselves that the teacher's centres, of windows and of patches, keep at each step.
        momentum: Share of itself that the teacher keeps at the first step.
        schedule: How it goes on from there: ``"cosine"`` rises to 1 over the training.

    Raises:
        TypeError: The backbone has no tokens to hide.
        ValueError: An argument is out of range.
    """

    backbone: TokenBackbone
    patch_centre: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = DEFAULT_VIEWS,
        long: int = 2,
        short: int = 6,
        long_share: float = 0.75,
        short_share: float = 0.25,
        hide: float = 0.5,
        mask_ratio: tuple[float, float] = (0.1, 0.5),
        patches: float = 1.0,
        prototypes: int = 4096,
        hidden: int = 1024,
        width: int = 256,
        temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        last_teacher_temperature: float = 0.07,
        warmup: float = 0.3,
        still: float = 0.02,
        centre_momentum: float = 0.9,
        momentum: float = 0.996,
        schedule: MomentumSchedule = "cosine",
    ) -> None:
        if not isinstance(backbone, TokenBackbone):
            raise TypeError(
                f"IBOT hides tokens, and {type(backbone).__name__} has none; take a backbone of tokens: vit_time_small"
            )
        if not 0 <= hide <= 1 or not 0 < mask_ratio[0] <= mask_ratio[1] < 1 or not patches >= 0:
            raise ValueError(
                "hide is a probability, mask_ratio two shares between 0 and 1 in order and patches a weight from 0 on, got "
                f"{hide!r}, {mask_ratio!r} and {patches!r}"
            )
        super().__init__(
            backbone, channels=backbone.width, augment=augment, long=long, short=short, long_share=long_share,
            short_share=short_share, prototypes=prototypes, hidden=hidden, width=width, temperature=temperature,
            teacher_temperature=teacher_temperature, last_teacher_temperature=last_teacher_temperature, warmup=warmup,
            still=still, centre_momentum=centre_momentum, momentum=momentum, schedule=schedule,
        )  # fmt: skip
        self.mask_patch = LazyMaskPatch()
        self.hide, self.mask_ratio, self.patches = hide, tuple(mask_ratio), patches
        self.register_buffer("patch_centre", torch.zeros(1, 1, prototypes))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        small = {"width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 20}
        arguments = {"prototypes": 32, "hidden": 16, "width": 8, "short": 1, "momentum": 0.9, "schedule": "constant"}
        return {
            "backbones": [{"name": "vit_time_tiny", **small}, {"name": "vit_tiny", **small}],
            "leads": 3,
            "samples": 200,
            "arguments": {**arguments, "hide": 1.0},
            "momentum": ("target.backbone", "backbone", 0.9),
            "extremes": [{"temperature": 1e-3}, {"teacher_temperature": 1e-3}],
            "refused": [{"momentum": 1.1}, {"temperature": 0.0}, {"long": 0}, {"mask_ratio": (0.5, 0.1)}, {"hide": 2.0}],
        }

    def loss(self, batch: Batch) -> Losses:
        """DINO's cross-entropy of different crops, and that of hidden patches with the same patches of the same crop.

        Both are logged, and ``teacher_entropy``, the mean entropy of the teacher's distributions of windows over its largest
        value: 1 is a collapse to the uniform one, 0 to one prototype.
        """
        crops, count = self.crops(batch), len(batch)
        whole = torch.cat([crop.signal for crop in crops.long])
        masks = torch.cat([self.draw_mask(batch, whole.shape[-1], number) for number in range(len(crops.long))])
        self.hold_prototypes()
        tokens = self._tokens(self.backbone, whole, masks)
        students, of_patches = list(self.projector(tokens.mean(dim=1)).split(count)), self.projector(tokens)
        if crops.short:
            short = self._tokens(self.backbone, torch.cat([crop.signal for crop in crops.short]))
            students += self.projector(short.mean(dim=1)).split(count)
        self.target.catch_up(self.backbone, self.projector)
        with torch.no_grad():
            seen = self._tokens(self.target.backbone, whole)
            logits, patch_logits = self.target.projector(seen.mean(dim=1)), self.target.projector(seen)
        self.remember(self.centre, logits)
        self.remember(self.patch_centre, patch_logits.flatten(0, 1))
        with torch.autocast(whole.device.type, enabled=False):
            teachers = teacher_probabilities(logits, self.centre, self.teacher_temperature)
            told = teacher_probabilities(patch_logits, self.patch_centre, self.teacher_temperature)
            windows = dino_loss(students, teachers.split(count), temperature=self.temperature)
            hidden = masks.repeat(1, of_patches.shape[1] // masks.shape[1])  # (crops, patches), lead by lead
            patches = ibot_loss(of_patches, told, hidden, temperature=self.temperature)
            entropy = -(teachers * (teachers + 1e-12).log()).sum(dim=1).mean() / math.log(teachers.shape[1])
        logs = {"windows": windows.detach(), "patches": patches.detach(), "teacher_entropy": entropy}
        return Losses(windows + self.patches * patches, logs)

    def draw_mask(self, batch: Batch, samples: int, number: int) -> Tensor:
        """``(batch, times)`` booleans, true in the run that is hidden of the long crop of this number; in some none is."""
        times = samples // self.backbone.patch_size
        which, share = batch.draws(_SHARE + number).uniform(size=(2,)).unbind(1)
        low, high = self.mask_ratio
        lengths = ((low + (high - low) * share) * times).long().clamp(min=1, max=max(times - 1, 0))
        return hide_run(batch.draws(_PLACE + number), times, torch.where(which < self.hide, lengths, 0))

    def _tokens(self, backbone: Any, x: Tensor, masks: Tensor | None = None) -> Tensor:
        """``(windows, leads, samples)`` to normalised patch tokens ``(windows, patches, width)``, lead by lead."""
        backbone.check_input(x)
        patches = backbone.patchify(x)
        if masks is not None:
            leads, _ = backbone.layout(*x.shape[1:])
            patches = self.mask_patch(patches, masks.repeat(1, leads)[:, None].expand(patches.shape[:3]))
        made = backbone.encode(backbone.embed(patches))
        return made[:, :, backbone.prefix : backbone.prefix + patches.shape[2]].flatten(1, 2)
