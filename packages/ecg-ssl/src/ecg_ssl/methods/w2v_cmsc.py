"""wav2vec 2.0, contrast of a patient's segments, and random lead masking: the recipe of ECG-FM.

Oh, Chung, Kwon, Hong, Choi, "Lead-agnostic self-supervised learning for local and global representations of electrocardiogram",
CHIL 2022, arXiv:2203.06889; McKeen et al., "ECG-FM: an open electrocardiogram foundation model", JAMIA Open 2025,
arXiv:2408.05178.

Differs from the published code: every part of the loss is a mean, so that its scale does not depend on the number of hidden
steps (the code sums over them and divides later; the total over the hidden steps is the same). Every window hides the same
number of steps by itself, where the code hides spans and then cuts all windows of a batch to the shortest.
``parity="official"`` leaves the gradient of the vectors' lengths out of the patients' part, as the code does.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.batch import Batch
from ecg_ssl.base.token import BaseTokenPredictor, scale_gradient
from ecg_ssl.gather import gather_rows
from ecg_ssl.layers.quantizer import GumbelQuantizer
from ecg_ssl.objectives.cmsc import Normalise, cmsc
from ecg_ssl.objectives.token_info_nce import token_info_nce
from ecg_ssl.positives import known_patients, same
from ecg_ssl.segments import adjacent_segments

__all__ = ["Parts", "W2VCMSC"]

_LEADS, _NEGATIVES, _GUMBEL, _HIDDEN = (10, 11), (12, 13), (14, 15), (20, 21)  # independent draws of a batch, for each half


class Parts(NamedTuple):
    """The loss by its parts, each a mean."""

    info_nce: Tensor
    diversity: Tensor
    penalty: Tensor
    segments: Tensor
    perplexity: Tensor
    """Codes in use, for logging."""


class W2VCMSC(BaseTokenPredictor):
    """Hidden steps find the code of their local features; halves of a window, and windows of a patient, are drawn together.

    Args:
        backbone: A backbone with ``local``, ``embed`` and ``contextual``, such as ``wav2vec2``.
        lead_mask: Probability with which each lead of each half is put to zero.
        mask_ratio: Share of the steps that spans would hide if none overlapped.
        mask_length: Steps of a span.
        negatives: Other hidden steps against each.
        groups: Codebooks.
        codes: Codes in each.
        width: Channels in which steps and codes are compared.
        temperature: Of both softmaxes over similarities.
        diversity: Weight of the codes' diversity.
        penalty: Weight of the mean square of the local features.
        local_gradient: Factor of the gradient into the convolutions.
        parity: ``"official"`` takes the vectors' lengths out of the patients' part without their gradient.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"patient"})
    recipe = Recipe(lr=5e-5, lr_batch=0, betas=(0.9, 0.98), weight_decay=0.01, warmup=0.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        lead_mask: float = 0.5,
        mask_ratio: float = 0.65,
        mask_length: int = 10,
        negatives: int = 100,
        groups: int = 2,
        codes: int = 320,
        width: int = 256,
        temperature: float = 0.1,
        diversity: float = 0.1,
        penalty: float = 10.0,
        local_gradient: float = 0.1,
        parity: Literal["paper", "official"] = "paper",
    ) -> None:
        super().__init__(backbone, mask_ratio=mask_ratio, mask_length=mask_length)
        if not 0 <= lead_mask < 1:
            raise ValueError(f"lead_mask is a probability from 0 to below 1, got {lead_mask!r}")
        self.quantizer = GumbelQuantizer(self.encoder.conv_width, groups=groups, codes=codes, width=width)
        self.project_codes = nn.Linear(width, width)
        self.project_steps = nn.Linear(self.encoder.width, width)
        self.lead_mask, self.negatives, self.temperature = lead_mask, negatives, temperature
        self.diversity, self.penalty, self.local_gradient, self.parity = diversity, penalty, local_gradient, parity

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {
            **super().conformance_params(),
            "arguments": {"negatives": 5, "codes": 8, "width": 8, "mask_length": 3, "mask_ratio": 0.5},
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"lead_mask": 1.0}, {"width": 7}],
        }

    def loss(self, batch: Batch) -> Losses:
        """The four parts, weighted.

        Raises:
            ValueError: The batch has a single window, or windows too short for a span.
        """
        owners = known_patients(batch, who=type(self).__name__)
        if len(batch) < 2:
            raise ValueError(f"W2VCMSC needs other windows to compare with: at least 2 in a batch, got {len(batch)}")
        x = self._halves(batch)
        steps = self.backbone.steps(x.shape[2])
        hidden = torch.cat([self.hidden_steps(batch, steps, salt=salt) for salt in _HIDDEN])
        count = int(hidden[0].sum())
        if count < 2:
            raise ValueError(f"half windows of {x.shape[2]} samples hide {count} step; use longer windows")
        draws = [batch.draws(salt).uniform(size=(count, self.negatives)) for salt in _NEGATIVES]
        negatives = (torch.cat(draws) * (count - 1)).long().clamp(max=count - 2)
        shape = (count, self.quantizer.groups, self.quantizer.count)
        noise = torch.cat([batch.draws(salt).uniform(size=shape) for salt in _GUMBEL]) if self.training else None
        patients = owners.repeat(2)
        segments = torch.arange(2, device=x.device).repeat_interleave(len(batch))
        parts = self.parts(x, hidden, negatives, patients, segments, noise=noise)
        total = parts.info_nce + self.diversity * parts.diversity + self.penalty * parts.penalty + parts.segments
        logs = {"info_nce": parts.info_nce, "segments": parts.segments, "code_perplexity": parts.perplexity}
        return Losses(total, {name: value.detach() for name, value in logs.items()})

    def parts(
        self,
        x: Tensor,
        hidden: Tensor,
        negatives: Tensor,
        patients: Tensor,
        segments: Tensor,
        *,
        noise: Tensor | None = None,
    ) -> Parts:
        """The loss of halves ``(rows, leads, samples)`` with everything random given.

        Args:
            x: Halves of windows.
            hidden: ``(rows, steps)`` booleans, as many in every row.
            negatives: ``(rows, hidden steps, negatives)``, as :func:`~ecg_ssl.token_info_nce` takes them.
            patients: ``(rows,)`` int64.
            segments: ``(rows,)``, 0 or 1.
            noise: ``(rows, hidden steps, groups, codes)`` uniform, for the soft choice of codes; without, the likeliest ones.
        """
        encoder = self.encoder
        local = scale_gradient(encoder.local(x), self.local_gradient)
        context = encoder.contextual(self.hide(encoder.embed(local), hidden))
        rows, count = len(x), int(hidden[0].sum())
        chosen = self.quantizer(encoder.local_norm(local)[hidden], None if noise is None else noise.flatten(0, 1))
        targets = self.project_codes(chosen.codes).unflatten(0, (rows, count))
        predictions = self.project_steps(context[hidden]).unflatten(0, (rows, count))
        codes = self.quantizer.groups * self.quantizer.count
        return Parts(
            token_info_nce(predictions, targets, negatives, temperature=self.temperature),
            (codes - chosen.soft_perplexity) / codes,
            local.float().square().mean(),
            self._of_patients(context.mean(dim=1), patients, segments),
            chosen.hard_perplexity,
        )

    def _of_patients(self, h: Tensor, patients: Tensor, segments: Tensor) -> Tensor:
        """First halves find the second halves of their patient, in all processes, and the other way round."""
        normalise: Normalise = "detached" if self.parity == "official" else "l2"
        early, late = segments == 0, segments == 1
        first, second = gather_rows(h[early]), gather_rows(h[late])
        positives = same(gather_rows(patients[early]), gather_rows(patients[late]))
        return cmsc(first, second, positives, temperature=self.temperature, normalise=normalise)

    def after_step(self) -> None:
        """The soft choice of codes cools down."""
        self.quantizer.updates += 1

    def _halves(self, batch: Batch) -> Tensor:
        parts = [segment.signal for segment in adjacent_segments(batch)]
        if self.lead_mask == 0:
            return torch.cat(parts)
        noise = [batch.draws(salt).uniform(size=(batch.signal.shape[1],)) for salt in _LEADS]
        return torch.cat([part * (drawn >= self.lead_mask)[..., None] for part, drawn in zip(parts, noise, strict=True)])
