"""JEPA for ECGs of Weimann and Conrad: predict what a slow copy says of long hidden pieces of time.

Weimann, Conrad, "Self-supervised pre-training with joint-embedding predictive architecture boosts ECG classification
performance", 2024, arXiv:2410.13867.

Differs from the official code: masks follow from the windows' own draws instead of NumPy's global generator, so that a window
has the same mask in any order of its batch. Any backbone of tokens will do; where a token is of one lead, each lead is predicted
from its own tokens.
"""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.recipe import Recipe
from ecg_ssl.base.latent import BaseLatentPredictor
from ecg_ssl.layers.latent_predictor import LatentPredictor
from ecg_ssl.momentum import MomentumSchedule
from ecg_ssl.teacher import UpdateWhen
from ecg_ssl.time_masks import blocks_mask, share_of, shared_draws

__all__ = ["JEPAWeimann"]


class JEPAWeimann(BaseLatentPredictor):
    """The mean distance of predicted and given tokens, over few long blocks of time. The defaults are those of ViT-S.

    Args:
        backbone: A :class:`~ecg_core.TokenBackbone`; the paper's are ``vit_register_xs``, ``_s`` and ``_b``.
        keep_ratio: Bounds of the share of times that stay visible, drawn once per batch.
        shortest_block: Patches of the shortest hidden block.
        predictor_width: Channels of the predictor; ``None`` for half of the backbone's, as in the paper.
        predictor_depth: Its blocks: 8 for XS and S, 12 for B.
        predictor_heads: Its heads: 4, 6 and 12.
        mlp_ratio: Hidden channels of its perceptrons per channel.
        momentum: Share of itself that the teacher keeps at the first step.
        momentum_end: That of the last.
        momentum_steps: Steps until then; ``None`` for all of the training.
        schedule: How the share goes from one to the other.
        update_when: The teacher follows at the beginning of the next loss, or behind the optimizer, ``"post_step"``.
        teacher_drop_path: Dropout and stochastic depth act in the teacher, too.
        crop_seconds: Train on a random crop of this length; ``None`` takes windows whole.

    Raises:
        TypeError: The backbone has no tokens to hide.
        ValueError: A share is out of range, or a word is unknown.
    """

    recipe = Recipe(lr=1e-3, lr_batch=0, betas=(0.9, 0.99), weight_decay=0.01, last_weight_decay=0.1, warmup=0.1)

    def __init__(
        self,
        backbone: Backbone,
        *,
        keep_ratio: tuple[float, float] = (0.15, 0.25),
        shortest_block: int = 10,
        predictor_width: int | None = None,
        predictor_depth: int = 8,
        predictor_heads: int = 6,
        mlp_ratio: float = 4.0,
        momentum: float = 0.998,
        momentum_end: float = 0.9995,
        momentum_steps: int | None = None,
        schedule: MomentumSchedule = "linear",
        update_when: UpdateWhen = "pre_forward",
        teacher_drop_path: bool = False,
        crop_seconds: float | None = None,
    ) -> None:
        low, high = keep_ratio
        if not 0 < low <= high < 1 or shortest_block < 1:
            raise ValueError(
                f"keep_ratio must satisfy 0 < low <= high < 1 and shortest_block be positive, "
                f"got {tuple(keep_ratio)} and {shortest_block}"
            )
        width = self.with_tokens(backbone).width
        predictor = LatentPredictor(
            width, width=width // 2 if predictor_width is None else predictor_width, depth=predictor_depth, heads=predictor_heads,
            mlp_ratio=mlp_ratio, layout="interleaved", qkv_bias=False, bias=False, norm_eps=1e-6,
        )  # fmt: skip
        super().__init__(
            backbone, predictor=predictor, momentum=momentum, momentum_end=momentum_end, momentum_steps=momentum_steps,
            schedule=schedule, update_when=update_when, teacher_drop_path=teacher_drop_path, crop_seconds=crop_seconds,
        )  # fmt: skip
        self.keep_ratio, self.shortest_block = (low, high), shortest_block

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        shared = super().conformance_params()
        predictor = {
            "predictor_width": 8,
            "predictor_depth": 1,
            "predictor_heads": 2,
            "shortest_block": 2,
            "keep_ratio": (0.2, 0.2),
        }
        return {
            **shared,
            "arguments": {**predictor, "momentum": 0.9, "momentum_end": 0.9, "update_when": "post_step"},
            "mask_ratio": 0.8,
            "refused": [*shared["refused"], {"keep_ratio": (0.5, 0.2)}, {"shortest_block": 0}, {"predictor_width": 7}],
        }

    def draw_mask(self, draws: Draws, times: int) -> Tensor:
        """Few long blocks; the same number stays visible in every window: ``ceil(share * times)``."""
        visible = math.ceil(share_of(shared_draws(draws), self.keep_ratio) * times - 1e-6)  # 0.28 * 25 is more than 7
        return blocks_mask(draws, times, times - min(visible, times - 1), shortest=self.shortest_block)

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The mean absolute error."""
        return F.l1_loss(prediction, target)
