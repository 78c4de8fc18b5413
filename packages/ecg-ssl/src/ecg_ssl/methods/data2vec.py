"""data2vec for ECGs: from a window with hidden times, predict what the upper blocks of a slow copy make of all of it.

Baevski, Hsu, Xu, Babu, Gu, Auli, "data2vec: a general framework for self-supervised learning in speech, vision and language",
ICML 2022, arXiv:2202.03555.

Ours, because the paper has no ECGs: any backbone of tokens in place of wav2vec 2.0's; a learned patch in front of the embedding
in place of a learned vector behind it; runs of ``span`` patches until an exact share is hidden, in all leads, where the paper
draws the starts of spans independently; targets are what whole blocks put out, the paper's are of their last perceptron, in
front of the residual sum; every parameter of the copy follows, where the paper shares the embedding of copy and student.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.batch import Batch
from ecg_ssl.base.latent import BaseLatentPredictor, Latents
from ecg_ssl.layers.mask_patch import LazyMaskPatch
from ecg_ssl.masking import mask_as_given
from ecg_ssl.momentum import MomentumSchedule
from ecg_ssl.teacher import UpdateWhen
from ecg_ssl.time_masks import hide_blocks

__all__ = ["Data2Vec"]


class Data2Vec(BaseLatentPredictor):
    """Smooth L1 of a linear prediction and the mean of the teacher's normalised upper blocks, at hidden times.

    Args:
        backbone: A :class:`~ecg_core.TokenBackbone`; with ``top_blocks``, one that keeps its transformer blocks in ``blocks``.
        top_blocks: Blocks whose outputs are averaged, from the last: 8 for speech in the paper, 6 for images, 10 for text.
            ``None`` takes what the encoder puts out, which every backbone of tokens has.
        normalise: Each block's output before the mean: per channel over the times of a lead, ``"instance"``, the paper's for
            speech; or per token, ``"layer"``, its for images and text.
        mask_ratio: Share of the times that is hidden, the same number in every window.
        span: Patches of a hidden run; runs may overlap.
        beta: Error up to which the loss is quadratic.
        momentum: Share of itself that the teacher keeps at the first step.
        momentum_end: That of the last.
        momentum_steps: Steps until then; ``None`` for all of the training. In the paper, 30,000 of 400,000 for speech.
        schedule: How the share goes from one to the other.
        update_when: The teacher follows behind the optimizer, or at the beginning of the next loss, ``"pre_forward"``.
        teacher_drop_path: Dropout and stochastic depth act in the teacher, too.
        crop_seconds: Train on a random crop of this length; ``None`` takes windows whole.

    Raises:
        TypeError: The backbone has no tokens to hide, or fewer blocks.
        ValueError: An argument is out of range, or a word is unknown.
    """

    recipe = Recipe(lr=5e-4, lr_batch=0, betas=(0.9, 0.98), weight_decay=0.01, warmup=0.03)

    def __init__(
        self,
        backbone: Backbone,
        *,
        top_blocks: int | None = 8,
        normalise: Literal["instance", "layer"] = "instance",
        mask_ratio: float = 0.5,
        span: int = 10,
        beta: float = 1.0,
        momentum: float = 0.999,
        momentum_end: float = 0.9999,
        momentum_steps: int | None = None,
        schedule: MomentumSchedule = "linear",
        update_when: UpdateWhen = "post_step",
        teacher_drop_path: bool = False,
        crop_seconds: float | None = None,
    ) -> None:
        if normalise not in ("instance", "layer"):
            raise ValueError(f"normalise must be 'instance' or 'layer', got {normalise!r}")
        if not 0 < mask_ratio < 1 or span < 1 or not beta > 0:
            raise ValueError(
                f"mask_ratio must be between 0 and 1, span at least 1 and beta positive, got {mask_ratio}, {span} and {beta}"
            )
        width = self.with_tokens(backbone).width
        super().__init__(
            backbone, predictor=nn.Linear(width, width), momentum=momentum, momentum_end=momentum_end,
            momentum_steps=momentum_steps, schedule=schedule, update_when=update_when, teacher_drop_path=teacher_drop_path,
            crop_seconds=crop_seconds,
        )  # fmt: skip
        self.mask_patch = LazyMaskPatch()
        self.top_blocks, self.normalise = top_blocks, normalise
        self.mask_ratio, self.span, self.beta = mask_ratio, span, beta
        if top_blocks is not None:
            self.target.last_blocks(top_blocks)  # an error now rather than in training

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        shared = super().conformance_params()
        refused = [{"normalise": "batch"}, {"mask_ratio": 1.0}, {"span": 0}, {"beta": 0.0}, {"top_blocks": 2}]
        return {
            **shared,
            "arguments": {"top_blocks": 1, "span": 2, "momentum": 0.9, "momentum_end": 0.9},
            "mask_ratio": 0.5,
            "refused": [*shared["refused"], *refused],
        }

    def draw_mask(self, draws: Draws, times: int) -> Tensor:
        """Runs of ``span`` patches, of every window its own, until the share is hidden."""
        hidden = min(max(round(times * self.mask_ratio), 1), times - 1)
        return hide_blocks(draws, times, torch.tensor([self.span], device=draws.keys.device), hidden)

    def predict(self, batch: Batch, mask: Tensor, index: Tensor | None) -> Latents:
        """The student encodes the window with a learned patch at hidden times, the teacher the window as it is."""
        x, backbone = batch.signal, self.backbone
        patches = backbone.patchify(x)
        leads, times = backbone.layout(*x.shape[1:])
        hidden_patches = mask.repeat(1, leads)[:, None].expand(patches.shape[:3])
        made = backbone.encode(backbone.embed(self.mask_patch(patches, hidden_patches)), None, index)
        seen = made[:, :, backbone.prefix : backbone.prefix + patches.shape[2]].unflatten(2, (leads, times)).flatten(0, 2)
        self.target.catch_up(backbone)
        hidden = (
            mask_as_given(mask).hidden.repeat_interleave(len(seen) // len(x), dim=0)[..., None].expand(-1, -1, seen.shape[-1])
        )
        whole = self.normalised_mean(self.targets(x).unflatten(2, (leads, times)).flatten(0, 2))
        return Latents(self.predictor(seen.gather(1, hidden)), whole.gather(1, hidden), whole, mask)

    def targets(self, x: Tensor) -> Tensor:
        """What the teacher's blocks put out for whole windows: ``(batch, rows, columns, width, blocks)``."""
        outputs = [self.target(x)] if self.top_blocks is None else self.target.block_outputs(x, self.top_blocks)
        return torch.stack(outputs, dim=-1)

    def normalised_mean(self, outputs: Tensor) -> Tensor:
        """``(sequences, times, width, blocks)``, each block normalised, to their mean ``(sequences, times, width)``."""
        each = outputs.float().unbind(-1)
        if self.normalise == "layer":
            normal = [F.layer_norm(x, x.shape[-1:]) for x in each]
        else:
            normal = [F.layer_norm(x.transpose(1, 2), x.shape[1:2]).transpose(1, 2) for x in each]
        return torch.stack(normal).mean(dim=0)

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Quadratic up to ``beta`` and linear from there, in the mean."""
        return F.smooth_l1_loss(prediction, target, beta=self.beta)
