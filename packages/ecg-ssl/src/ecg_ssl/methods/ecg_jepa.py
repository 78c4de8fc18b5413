"""ECG-JEPA of Kim: hide pieces of time in all leads, and predict each lead's latents from its own visible ones.

Kim, "Learning general representation of 12-lead electrocardiogram with a joint-embedding predictive architecture", 2024,
arXiv:2410.08559. The ECG-JEPA of Weimann and Conrad is another method, ``jepa_weimann``.

Differs from the official code: leads are chosen by name; masks follow from the draws of the batch's windows instead of a global
generator; dropped branches are the student's alone unless ``teacher_drop_path`` is on. Any backbone of tokens will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.batch import Batch
from ecg_core.data.leads import INDEPENDENT_8, canonical_leads
from ecg_ssl.base.latent import BaseLatentPredictor, Latents
from ecg_ssl.layers.latent_predictor import LatentPredictor
from ecg_ssl.momentum import MomentumSchedule
from ecg_ssl.teacher import UpdateWhen
from ecg_ssl.time_masks import hide_blocks, hide_random, share_of, shared_draws

__all__ = ["ECGJEPA"]


class ECGJEPA(BaseLatentPredictor):
    """Smooth L1 of predicted and normalised given tokens, over hidden times of all leads. The defaults are the paper's.

    Args:
        backbone: A :class:`~ecg_core.TokenBackbone`; the paper's is ``vit_cropa_b``.
        leads: Leads to train on, in this order; others of a batch are not looked at. A backbone that was built for as many takes
            them as its own, one that was built for all of the batch as those of its leads. ``None`` takes all.
        masking: ``"random"`` times, or the union of ``"block"``.
        mask_ratio: Bounds of the share of times that is hidden, for ``"random"``; drawn once per batch.
        blocks: Number of blocks, which may overlap.
        block_ratio: Bounds of a block's length as a share of the window.
        mask_scope: One mask for the ``"batch"``, as published, or one for each window, ``"sample"``, all hiding as many times.
        predictor_width: Channels of the predictor; ``None`` for half of the backbone's, as in the paper.
        predictor_depth: Its blocks.
        predictor_heads: Its heads.
        mlp_ratio: Hidden channels of its perceptrons per channel.
        momentum: Share of itself that the teacher keeps at the first step.
        momentum_end: That of the last.
        momentum_steps: Steps until then; ``None`` for all of the training.
        schedule: How the share goes from one to the other.
        update_when: The teacher follows behind the optimizer, or at the beginning of the next loss, ``"pre_forward"``.
        teacher_drop_path: Dropout and stochastic depth act in the teacher, too, as in the official code.
        crop_seconds: Train on a random crop of this length; ``None`` takes windows whole.

    Raises:
        TypeError: The backbone has no tokens to hide.
        ValueError: A share is out of range, or a word is unknown.
    """

    recipe = Recipe(lr=2.5e-5, lr_batch=0, weight_decay=0.05, warmup=0.05)

    def __init__(
        self,
        backbone: Backbone,
        *,
        leads: Sequence[str] | None = INDEPENDENT_8,
        masking: Literal["random", "block"] = "random",
        mask_ratio: tuple[float, float] = (0.6, 0.7),
        blocks: int = 4,
        block_ratio: tuple[float, float] = (0.175, 0.225),
        mask_scope: Literal["batch", "sample"] = "batch",
        predictor_width: int | None = None,
        predictor_depth: int = 6,
        predictor_heads: int = 12,
        mlp_ratio: float = 4.0,
        momentum: float = 0.996,
        momentum_end: float = 1.0,
        momentum_steps: int | None = None,
        schedule: MomentumSchedule = "linear",
        update_when: UpdateWhen = "post_step",
        teacher_drop_path: bool = False,
        crop_seconds: float | None = None,
    ) -> None:
        for word, value, known in (("masking", masking, ("random", "block")), ("mask_scope", mask_scope, ("batch", "sample"))):
            if value not in known:
                raise ValueError(f"{word} must be one of {', '.join(known)}, got {value!r}")
        for word, (low, high) in (("mask_ratio", mask_ratio), ("block_ratio", block_ratio)):
            if not 0 < low <= high < 1:
                raise ValueError(f"{word} must satisfy 0 < low <= high < 1, got {(low, high)}")
        if blocks < 1:
            raise ValueError(f"blocks must be at least 1, got {blocks}")
        width = self.with_tokens(backbone).width
        predictor = LatentPredictor(
            width, width=width // 2 if predictor_width is None else predictor_width, depth=predictor_depth, heads=predictor_heads,
            mlp_ratio=mlp_ratio, positions="every_block", layout="grid", qkv_bias=False, scale="number",
        )  # fmt: skip
        super().__init__(
            backbone, predictor=predictor, momentum=momentum, momentum_end=momentum_end, momentum_steps=momentum_steps,
            schedule=schedule, update_when=update_when, teacher_drop_path=teacher_drop_path, crop_seconds=crop_seconds,
        )  # fmt: skip
        self.leads = None if leads is None else canonical_leads(leads)
        self.masking, self.mask_ratio, self.mask_scope = masking, (mask_ratio[0], mask_ratio[1]), mask_scope
        self.blocks, self.block_ratio = blocks, (block_ratio[0], block_ratio[1])

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        shared = super().conformance_params()
        small = {"width": 16, "depth": 1, "heads": 2, "patch_size": 20}
        arguments = {
            "leads": None, "predictor_width": 8, "predictor_depth": 1, "predictor_heads": 2, "mask_scope": "sample",
            "mask_ratio": (0.6, 0.6), "momentum": 0.9, "momentum_end": 0.9,
        }  # fmt: skip
        refused = [
            {"masking": "lead"},
            {"mask_scope": "lead"},
            {"mask_ratio": (0.7, 0.6)},
            {"block_ratio": (0.0, 0.1)},
            {"blocks": 0},
        ]
        return {
            **shared,
            # Its own comes second: before a long training its features tell positions rather than windows.
            "backbones": [shared["backbones"][0], {"name": "vit_cropa_b", **small}],
            "arguments": arguments,
            "mask_ratio": 0.6,
            "refused": [*shared["refused"], *refused],
        }

    def selected(self, batch: Batch) -> Batch:
        """The windows with the leads that are trained on."""
        batch = super().selected(batch)
        places = self._places(batch)
        return (
            batch
            if places is None
            else replace(batch, signal=batch.signal[:, places], leads=tuple(batch.leads[place] for place in places))
        )

    def lead_index(self, batch: Batch) -> Tensor | None:
        """Which of the backbone's leads are trained on, where it was built for all of the batch.

        Raises:
            ValueError: It was built for another number, or cannot encode some of its leads.
        """
        places, backbone = self._places(batch), self.backbone
        if places is None or backbone.in_leads in (None, len(places)):
            return None
        name, known = type(backbone).__name__, backbone.in_leads
        if known != len(batch.leads):
            raise ValueError(
                f"{name} was built for {known} leads; of the {len(batch.leads)} of this batch ECGJEPA takes {len(places)}, "
                f"{', '.join(self.leads or ())}; build it with in_leads={len(places)} or pass other leads=…"
            )
        if type(backbone).forward_features is TokenBackbone.forward_features:
            raise ValueError(
                f"{name} was built for {known} leads and cannot encode {len(places)} of them; "
                f"build it with in_leads={len(places)}, or pass leads=None to train on all"
            )
        return torch.tensor(places, device=batch.signal.device)

    def represent(self, batch: Batch) -> Tensor:
        """``(batch, width)`` the mean of all tokens of the leads that are trained on, found by their names."""
        chosen = self.selected(batch)
        return self.backbone.pool(self.backbone.forward_features(chosen.signal, self.lead_index(batch)))

    def draw_mask(self, draws: Draws, times: int) -> Tensor:
        """Random times or a union of blocks, for all windows or for each."""
        shared = shared_draws(draws)
        own = draws if self.mask_scope == "sample" else shared
        if self.masking == "random":
            hidden = int(times * share_of(shared, self.mask_ratio) + 1e-6)
            return hide_random(own, times, min(max(hidden, 1), times - 1))
        low, high = self.block_ratio
        lengths = (times * (low + (high - low) * shared.uniform(size=(self.blocks,))[0]) + 1e-6).long().clamp(min=1)
        union = hide_blocks(shared, times, lengths)
        hidden = int(union.sum())
        if self.mask_scope == "batch" and hidden < times:
            return union
        return hide_blocks(own, times, lengths, min(hidden, times - 1))

    def predict(self, batch: Batch, mask: Tensor, index: Tensor | None) -> Latents:
        """As every latent predictor, of targets that are normalised one by one."""
        made = super().predict(batch, mask, index)
        target, whole = (F.layer_norm(x.float(), x.shape[-1:]) for x in (made.target, made.whole))
        return made._replace(target=target, whole=whole)

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Half the square of an error up to 1 and its size less one half from there, in the mean."""
        return F.smooth_l1_loss(prediction, target)

    def _places(self, batch: Batch) -> list[int] | None:
        """Where the leads that are trained on stand in the batch; ``None`` for all, in order."""
        if self.leads is None:
            return None
        missing = [lead for lead in self.leads if lead not in batch.leads]
        if missing:
            raise ValueError(
                f"ECGJEPA trains on {', '.join(self.leads)}; this batch has no {', '.join(missing)}. "
                f"Pass the leads there are: leads=…, or leads=None for all"
            )
        return [batch.leads.index(lead) for lead in self.leads]
