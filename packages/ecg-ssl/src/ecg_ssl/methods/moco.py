"""MoCo v1 and v2 for ECGs: keys come from a slowly moving copy, negatives from a queue of past keys.

He, Fan, Wu, Xie, Girshick, "Momentum contrast for unsupervised visual representation learning", CVPR 2020, arXiv:1911.05722;
Chen, Fan, Girshick, He, "Improved baselines with momentum contrastive learning", 2020, arXiv:2003.04297 (a projector of two
layers and temperature 0.2).

Differs from the papers: past keys of the query's own recording are no negatives, as a queue may outlast an epoch of a small data
set; 4,096 keys instead of 65,536, as data sets of ECGs are smaller than ImageNet; the queue takes batches of
any size; keys of several processes are gathered instead of shuffling batch normalisation, so that every rank's queue is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.follower import BaseMomentumLearner
from ecg_ssl.gather import gather_rows
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.key_queue import KeyQueue
from ecg_ssl.momentum import MomentumEncoder
from ecg_ssl.objectives.info_nce import info_nce, unit_rows
from ecg_ssl.views import DEFAULT_VIEWS, agreement

__all__ = ["MoCo", "moco_v1", "moco_v2"]


class MoCo(BaseMomentumLearner):
    """The query of a window finds its key among the keys of other windows.

    Args:
        backbone: Any backbone; its pooled features are the representation.
        augment: Transforms, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
        width: Channels of the projection.
        layers: Linear layers of the projector: 1 in v1, 2 in v2, without normalisation.
        temperature: Of the softmax over similarities: 0.07 in v1, 0.2 in v2.
        momentum: Share of itself that the key's encoder keeps at each step.
        queue: Keys that are held as negatives.
        spare: Whose keys are not held against a query: those of its own ``"record"``, of its ``"patient"`` (then every batch
            needs patients), or of ``"none"``, as published.
    """

    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=1e-4, warmup=0.1)

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = DEFAULT_VIEWS,
        crop_seconds: float | None = None,
        width: int = 128,
        layers: int = 2,
        temperature: float = 0.2,
        momentum: float = 0.999,
        queue: int = 4096,
        spare: Literal["record", "patient", "none"] = "record",
    ) -> None:
        if spare not in ("record", "patient", "none"):
            raise ValueError(f"spare must be record, patient or none, got {spare!r}")
        channels = backbone.out_channels
        projector = ProjectionHead(channels, hidden=channels, width=width, layers=layers, norm=False)
        # The key's normalisations keep the statistics of its own passes.
        target = MomentumEncoder(backbone, projector, momentum=momentum, buffers="skip")
        super().__init__(backbone, augment=augment, crop_seconds=crop_seconds, projector=projector, target=target)
        self.temperature = temperature
        self.queue = KeyQueue(width, queue)
        self.spare = spare
        self._fresh: list[tuple[Tensor, Tensor]] = []  # keys of this step and their owners, which enter the queue after it

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {
            **super().conformance_params(),
            "arguments": {"width": 16, "queue": 32, "momentum": 0.9},
            "momentum": ("target.backbone", "backbone", 0.9),
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"momentum": 1.5}, {"queue": 0}, {"spare": "lead"}],
        }

    def loss(self, batch: Batch) -> Losses:
        """InfoNCE of the first views against the queue; in training the keys are kept for it."""
        query, key = self.views(batch)
        q = self.embed(query.signal)
        self.target.catch_up(self.backbone, self.projector)
        q, k = gather_rows(q), gather_rows(self.target(key.signal))
        owners = gather_rows(self._owners(batch))
        if self.training:
            self._fresh.append((unit_rows(k), owners))
        spared = None if self.spare == "none" else owners[:, None] == self.queue.owners
        total = info_nce(q, k, negatives=self.queue.keys, excluded=spared, temperature=self.temperature)
        return Losses(total, agreement(q, k))

    def after_step(self) -> None:
        """The copy follows, and the keys of this step become negatives of the next."""
        super().after_step()
        for keys, owners in self._fresh:
            self.queue.add(keys, owners)
        self._fresh.clear()

    def check_requirements(self, batch: Batch) -> None:
        """Patients, where their keys are to be spared.

        Raises:
            ValueError: ``spare="patient"`` and the batch has none.
        """
        super().check_requirements(batch)
        if self.spare == "patient" and not batch.has("patient"):
            raise ValueError("MoCo with spare='patient' needs patient in every batch; prepare the data with it (e.g. --patient)")

    def _owners(self, batch: Batch) -> Tensor:
        numbers = batch.patient if self.spare == "patient" else batch.record_keys
        # A number below zero is nobody's, as in an empty queue; record numbers are hashes and may be any.
        return torch.as_tensor(numbers, device=batch.signal.device) & 0x7FFF_FFFF_FFFF_FFFF


moco_v1 = Variant(MoCo, {"layers": 1, "temperature": 0.07})
moco_v2 = Variant(MoCo, {"layers": 2, "temperature": 0.2})
