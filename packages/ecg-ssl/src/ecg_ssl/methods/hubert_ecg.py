"""HuBERT-ECG: hidden steps say which cluster their samples fall into, by the cosine with a vector per cluster.

Coppola, Savardi, Massussi, Adamo, Metra, Signoroni, "HuBERT-ECG: a self-supervised foundation model for broad and scalable
cardiac applications", medRxiv 2024, doi:10.1101/2024.11.14.24317328; Hsu et al., "HuBERT", IEEE/ACM TASLP 2021, arXiv:2106.07447.

Differs from the published code: clusters are made of the first batch, or of all batches given to :meth:`HuBERTECG.fit`, by
k-means with a seed of its own, where the code clusters a dump of the data set by mini-batches; every step is described by
exactly the samples that its convolutions see, where the code cuts two samples off both ends of every lead first; every
window hides the same number of steps. The code's rising dropout and weight decay ("dynamic regularisation") are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.batch import Batch
from ecg_ssl.base.token import BaseTokenPredictor, StepEncoder
from ecg_ssl.clustering import Clustering
from ecg_ssl.descriptors import DESCRIPTORS
from ecg_ssl.frozen import Frozen, trained_backbone
from ecg_ssl.heads.codes import CosineCodeHead
from ecg_ssl.layers.cluster_codes import ClusterCodes
from ecg_ssl.layers.code_usage import CodeUsage
from ecg_ssl.objectives.code_prediction import code_prediction

__all__ = ["HuBERTECG"]

_HIDDEN = 30  # the draw of what is hidden


class HuBERTECG(BaseTokenPredictor):
    """Steps are hidden behind the convolutions; from the rest the encoder says which cluster each was in.

    Args:
        backbone: A backbone with ``local``, ``embed``, ``contextual`` and ``frames``: ``hubert_ecg_base`` or ``wav2vec2``.
        codebooks: Clusters of each codebook; several are predicted by a head each, and their losses are added.
        target: What is clustered: ``"mfcc"``, ``"timefreq"`` or ``"mfcc+timefreq"`` of the samples of a step, or
            ``"layer:6"``, the output of that block of the teacher; 0 is what its first block is given.
        teacher: The encoder of an earlier training, or the path of its ``backbone.json``, for ``"layer:…"``.
        mask_ratio: Share of the steps that spans would hide if none overlapped.
        mask_length: Steps of a span.
        width: Channels in which steps and codes are compared; 512 with ``hubert_ecg_large``.
        temperature: Of the softmax over codes.
        alpha: Share of the hidden steps in the loss; the rest is that of the visible ones.
        seed: Of the clusters; each codebook takes the next.

    Raises:
        TypeError: The backbone or the teacher has no such halves.
        ValueError: A target is unknown, or needs a teacher.
    """

    recipe = Recipe(lr=5e-5, lr_batch=0, betas=(0.9, 0.98), weight_decay=0.01)

    def __init__(
        self,
        backbone: Backbone,
        *,
        codebooks: Sequence[int] = (100,),
        target: str = "mfcc",
        teacher: Backbone | str | Mapping[str, Any] | None = None,
        mask_ratio: float = 0.33,
        mask_length: int = 1,
        width: int = 256,
        temperature: float = 0.1,
        alpha: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone, mask_ratio=mask_ratio, mask_length=mask_length)
        if not codebooks or min(codebooks) < 2:
            raise ValueError(f"codebooks are the clusters of each, two at least, got {tuple(codebooks)}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is a share from 0 to 1, got {alpha!r}")
        self.layer = _layer(target, teacher)
        self.teacher = None if teacher is None else Frozen(self.with_halves(trained_backbone(teacher)))
        self.target, self.alpha = target, alpha
        self.codebooks = nn.ModuleList(ClusterCodes(count, seed=seed + number) for number, count in enumerate(codebooks))
        heads = (CosineCodeHead(self.encoder.width, count, width=width, temperature=temperature) for count in codebooks)
        self.heads = nn.ModuleList(heads)
        self.usage = nn.ModuleList(CodeUsage(count) for count in codebooks)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        shared = super().conformance_params()
        tiny: dict[str, Any] = {"conv_width": 4, "kernels": [4, 2], "strides": [4, 2], "width": 8, "depth": 1, "heads": 2}
        tiny |= {"position_kernel": 4, "position_groups": 2, "dropout": 0.0, "layer_drop": 0.0}
        return {
            **shared,
            "backbones": [{"name": "hubert_ecg_base", **tiny}, shared["backbones"][0]],
            "arguments": {"codebooks": [8, 4], "width": 8, "target": "timefreq"},
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"codebooks": []}, {"alpha": 2.0}, {"target": "layer:1"}, {"target": "words"}, {"temperature": 0.0}],
        }

    def fit(self, batches: Iterable[Batch]) -> list[Clustering]:
        """Make the codebooks of all these batches: once, before the training. Training begins anew with other codes.

        Args:
            batches: Windows as they will be trained on.

        Returns:
            Of each codebook the clusters of the standardised descriptors, with their use (``perplexity``) and inertia.

        Raises:
            ValueError: There are fewer steps than codes.
        """
        points = torch.cat([self.descriptors(batch).flatten(0, 1) for batch in batches])
        return [codebook.fit(points) for codebook in self._codebooks()]

    def loss(self, batch: Batch) -> Losses:
        """The sum over codebooks of the cross-entropy; logs accuracy at hidden steps and the codes of the batch in use.

        Raises:
            ValueError: The windows are too short for a span, or codes do not lie on the steps.
        """
        local = self.encoder.local(batch.signal)
        hidden = self.hidden_steps(batch, local.shape[1], salt=_HIDDEN)
        codes = self.codes(batch)
        logits = self.logits(self.encoder.contextual(self.hide(self.encoder.embed(local), hidden)))
        total = self.error(logits, codes, hidden)
        with torch.no_grad():
            right = [(each.argmax(dim=-1) == code)[hidden].float().mean() for each, code in zip(logits, codes, strict=True)]
            used = [cast("CodeUsage", usage).see(code) for usage, code in zip(self.usage, codes, strict=True)]
        logs = {"accuracy": torch.stack(right).mean(), "code_perplexity": torch.stack(used).mean()}
        return Losses(total, logs)

    def error(self, logits: Sequence[Tensor], codes: Sequence[Tensor], hidden: Tensor) -> Tensor:
        """The loss with everything random given: logits ``(batch, steps, codes)`` and codes ``(batch, steps)`` of each codebook.

        Raises:
            ValueError: Codes do not lie on the steps.
        """
        parts = [code_prediction(each, code, hidden, alpha=self.alpha) for each, code in zip(logits, codes, strict=True)]
        return torch.stack(parts).sum()

    def logits(self, context: Tensor) -> list[Tensor]:
        """``(batch, steps, width)`` to the logits of each codebook, ``(batch, steps, codes)``."""
        return [head(context) for head in self.heads]

    def codes(self, batch: Batch) -> list[Tensor]:
        """The clusters of every step, ``(batch, steps)`` int64 of each codebook."""
        points = self.descriptors(batch)
        return [codebook(points.flatten(0, 1)).unflatten(0, points.shape[:2]) for codebook in self.codebooks]

    @torch.no_grad()
    def descriptors(self, batch: Batch) -> Tensor:
        """What is clustered, ``(batch, steps, values)`` in float32."""
        with torch.autocast(batch.signal.device.type, enabled=False):
            x = batch.signal.float()
            if self.layer is None:
                return DESCRIPTORS[self.target](self.encoder.frames(x), fs=batch.fs)
            teacher = cast("StepEncoder", cast("Frozen[Backbone]", self.teacher).network)
            outputs = teacher.block_outputs(teacher.embed(teacher.local(x)))
            if self.layer >= len(outputs):
                raise ValueError(f"target={self.target!r} is a block of a teacher of {len(outputs) - 1}; name an earlier one")
            return outputs[self.layer]

    def gauges(self) -> Mapping[str, float]:
        """``code_perplexity``: codes of recent batches in use, in the mean over codebooks."""
        used = [cast("CodeUsage", usage).perplexity for usage in self.usage]
        return {"code_perplexity": sum(used) / len(used)}

    def _codebooks(self) -> list[ClusterCodes]:
        return [cast("ClusterCodes", codebook) for codebook in self.codebooks]


def _layer(target: str, teacher: Backbone | str | Mapping[str, Any] | None) -> int | None:
    """The block that a target names, or ``None`` for descriptors."""
    kind, _, number = target.partition(":")
    if target not in DESCRIPTORS and not (kind == "layer" and number.isdigit()):
        raise ValueError(f"target must be {', '.join(DESCRIPTORS)} or layer:<number>, got {target!r}")
    if (teacher is None) == (kind == "layer"):
        wanted = "takes the features of an earlier training: pass teacher=" if teacher is None else "has no use for a teacher"
        raise ValueError(f"target={target!r} {wanted}")
    return int(number) if kind == "layer" else None
