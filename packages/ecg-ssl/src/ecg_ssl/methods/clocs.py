"""CLOCS for ECGs: segments and leads of one patient belong together, those of other patients do not.

Kiyasseh, Zhu, Clifton, "CLOCS: contrastive learning of cardiac signals across space, time, and patients", ICML 2021,
arXiv:2005.13249.

Differs from the paper: all pairs of views train; the published code trains the last pair alone (``parity="official"``). A
backbone of several leads sees a view of one lead as a window in which all other leads are silent, so that the same backbone can
later be given all of them; a backbone of one lead sees the lead alone, as published. The embedding is made of pooled features,
which suits any length (``features="flattened"`` as published). Amplitudes stay in mV (``min_max=True`` as published for two of
four data sets).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.batch import Batch
from ecg_core.data.leads import canonical_leads
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.objectives.clocs import clocs
from ecg_ssl.positives import known_patients
from ecg_ssl.segments import adjacent_segments
from ecg_ssl.views import agreement

__all__ = ["CLOCS", "clocs_cmlc", "clocs_cmsc", "clocs_cmsmlc"]

_Pairing = Literal["cmsc", "cmlc", "cmsmlc"]


class CLOCS(SSLMethod):
    """Views of a window are its segments, its leads, or both; positives are all views of the same patient.

    Args:
        backbone: Any backbone. With ``in_leads=1`` every lead is given to it alone, and for ``"cmsc"`` is an instance of its own.
        pairing: ``"cmsc"``: two adjacent segments of the leads. ``"cmlc"``: each lead of the same segment. ``"cmsmlc"``: each
            lead of each of the two.
        segment_seconds: Length of a segment, which then stands at a random place; ``None`` takes the window, or its halves.
        leads: Names of the leads to use; all by default.
        width: Channels of the embedding.
        temperature: Of the softmax over similarities.
        features: What the embedding is a linear function of: the backbone's ``"pooled"`` features, or all of them
            ``"flattened"``, which then fits segments of one length only.
        min_max: Stretch every lead of every view to [0, 1].
        parity: ``"official"`` trains the last pair of views alone, over the number of pairs, as the published code does.

    Raises:
        ValueError: An argument is none of its choices, or the temperature is not positive.
    """

    requires = frozenset({"patient"})
    recipe = Recipe(lr=1e-4, lr_batch=0, weight_decay=0.0, warmup=0.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        pairing: _Pairing = "cmsc",
        segment_seconds: float | None = None,
        leads: Sequence[str] | None = None,
        width: int = 256,
        temperature: float = 0.1,
        features: Literal["pooled", "flattened"] = "pooled",
        min_max: bool = False,
        parity: Literal["paper", "official"] = "paper",
    ) -> None:
        super().__init__()
        if pairing not in get_args(_Pairing):
            raise ValueError(f"pairing must be cmsc, cmlc or cmsmlc, got {pairing!r}")
        if features not in ("pooled", "flattened"):
            raise ValueError(f"features must be pooled or flattened, got {features!r}")
        if parity not in ("paper", "official"):
            raise ValueError(f"parity must be paper or official, got {parity!r}")
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}")
        self.backbone = backbone
        self.projector = ProjectionHead(None if features == "flattened" else backbone.out_channels, width=width, layers=1)
        self.pairing, self.segment_seconds, self.temperature = pairing, segment_seconds, temperature
        self.leads = None if leads is None else canonical_leads(leads)
        self.flattened, self.min_max, self.last_pair = features == "flattened", min_max, parity == "official"

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        backbones = [
            {"name": "resnet18", "widths": (8, 16), "depths": (1, 1), "kernel_size": 3},
            {"name": "vit_tiny", "width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 25},
        ]

        def views(method: CLOCS, batch: Batch) -> list[Tensor]:
            return method.views(batch)

        return {
            "backbones": backbones,
            "leads": 3,
            "samples": 200,
            "arguments": {"width": 16, "segment_seconds": 0.75},
            "views": views,
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"pairing": "cmcl"}, {"temperature": 0.0}, {"features": "all"}, {"parity": "code"}],
        }

    def loss(self, batch: Batch) -> Losses:
        """The mean over all pairs of views.

        Raises:
            ValueError: The batch has a single window or no patients, too few leads, or windows too short.
        """
        patient = known_patients(batch, who=type(self).__name__)
        if len(batch) < 2:
            raise ValueError(f"CLOCS needs other windows to compare with: at least 2 in a batch, got {len(batch)}")
        views = self.views(batch)
        z = self.embed(torch.cat(views)).unflatten(0, (len(views), -1))
        owners = patient.repeat_interleave(z.shape[1] // len(batch))
        return Losses(clocs(z, owners, temperature=self.temperature, last_pair=self.last_pair), agreement(z[-2], z[-1]))

    def views(self, batch: Batch) -> list[Tensor]:
        """What is compared, ``(rows, leads of the backbone, samples)`` each: lead after lead, and of each its segments."""
        segments = adjacent_segments(batch, 1 if self.pairing == "cmlc" else 2, seconds=self.segment_seconds)
        used = self._used(batch)
        signals = [_stretched(part.signal) if self.min_max else part.signal for part in segments]
        alone = self.backbone.in_leads == 1
        if self.pairing == "cmsc":
            return [x[:, used].flatten(0, 1)[:, None] if alone else _only(x, used) for x in signals]
        return [x[:, [lead]] if alone else _only(x, [lead]) for lead in used for x in signals]

    def embed(self, x: Tensor) -> Tensor:
        """``(rows, leads, samples)`` to embeddings ``(rows, width)``.

        Raises:
            ValueError: The embedding is made of flattened features, and segments were of another length when it was built.
        """
        features = self.backbone.forward_features(x)
        if not self.flattened:
            return self.projector(self.backbone.pool(features))
        known = self.projector.layers[0].in_features  # 0 before the first batch
        if known and known != features[0].numel():
            raise ValueError(
                f"CLOCS with features='flattened' was built for {known} features, got {features[0].numel()} from "
                f"{x.shape[-1]} samples; use segments of one length, or features='pooled'"
            )
        return self.projector(features.flatten(1))

    def _used(self, batch: Batch) -> list[int]:
        """Which leads of the batch take part."""
        names = batch.leads if self.leads is None else self.leads
        missing = [name for name in names if name not in batch.leads]
        if missing:
            raise ValueError(f"CLOCS was told to use {', '.join(missing)}; the leads of the batch are {', '.join(batch.leads)}")
        if len(names) < 2 and self.pairing == "cmlc":
            raise ValueError(f"CLOCS with pairing='cmlc' compares leads: at least 2, got {', '.join(names)}; use pairing='cmsc'")
        return [batch.leads.index(name) for name in names]


def _only(x: Tensor, leads: list[int]) -> Tensor:
    """The signal with all other leads silent."""
    if len(leads) == x.shape[1]:
        return x
    out = torch.zeros_like(x)
    out[:, leads] = x[:, leads]
    return out


def _stretched(x: Tensor) -> Tensor:
    low, high = x.amin(dim=-1, keepdim=True), x.amax(dim=-1, keepdim=True)
    return (x - low) / (high - low + 1e-8)


clocs_cmsc = Variant(CLOCS, {"pairing": "cmsc"})
clocs_cmlc = Variant(CLOCS, {"pairing": "cmlc"})
clocs_cmsmlc = Variant(CLOCS, {"pairing": "cmsmlc"})
