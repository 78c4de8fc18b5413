"""Detector: where does each beat or wave begin and end? Intervals are found at once, on several scales.

Redmon and Farhadi, "YOLOv3: an incremental improvement", arXiv:1804.02767: every step of three maps proposes intervals of a few
widths, each with an objectness and class scores.

Differs from the paper: one axis; widths are multiples of a map's stride instead of clusters of a data set; the position and
width are learned through the overlap itself (Zheng et al., "Distance-IoU loss", AAAI 2020, arXiv:1911.08287) instead of
squared errors; a centre may lie up to half a step outside its step, as in later versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones import darknet
from ecg_backbones.models.intervals import label_intervals, overlap, suppress
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.contracts.task import Task
from ecg_core.data.batch import Batch
from ecg_core.errors import ConfigError

__all__ = ["Detection", "Detector", "yolo1d"]


class Detection(NamedTuple):
    """One found interval: samples (the end exclusive), class name, score in [0, 1]."""

    start: float
    end: float
    label: str
    score: float


class _ProposalHead(Head):
    """One convolution per map: objectness, centre, width and class scores of every proposal.

    Args:
        classes: Number of classes.
        scales: Maps that propose, the last ones of the backbone.
        widths: Widths of a step's proposals, in strides of its map.

    Shape:
        maps ``(batch, channels, steps)``, finest first, to ``(batch, 3 + classes, proposals)``

    Raises:
        ValueError: ``classes`` or ``scales`` is below 1, there is no width, or the backbone gives too few maps.
    """

    reads = "intermediates"

    def __init__(self, classes: int, *, scales: int = 3, widths: Sequence[float] = (1.5, 3.0, 6.0)) -> None:
        super().__init__()
        if classes < 1 or scales < 1 or not widths:
            raise ValueError(f"a detector needs classes, scales and widths, got {classes}, {scales}, {tuple(widths)}")
        self.classes, self.scales, self.widths = classes, scales, tuple(widths)
        self.grid = -scales
        self.convs = nn.ModuleList(nn.LazyConv1d(len(widths) * (3 + classes), 1) for _ in range(scales))

    def forward(self, x: Sequence[Tensor]) -> Tensor:
        """What every proposal says, map by map, width by width."""
        if len(x) < self.scales:
            raise ValueError(
                f"a detector of {self.scales} scales needs as many maps, the backbone gives {len(x)}; use scales={len(x)}"
            )
        said = [conv(m) for conv, m in zip(self.convs, x[self.grid :], strict=True)]
        return torch.cat([s.unflatten(1, (len(self.widths), 3 + self.classes)).transpose(1, 2).flatten(2) for s in said], dim=2)


class Detector(Task):
    """A backbone whose last maps propose intervals.

    It learns from the labels of samples: each run of a class is one interval. Predictions are painted back onto the samples,
    so that a detector and a labeller are judged alike; :meth:`detect` gives the intervals themselves.

    Args:
        backbone: Any backbone of ``scales`` maps or more, or what makes one.
        classes: Names, in the order of the scores.
        background: The class, if there is one, that means "nothing here"; it is not looked for.
        scales: Maps that propose.
        widths: Widths of a step's proposals, in strides of its map.
        candidates: Proposals per class that are looked at after the best, in each window.
        limit: Overlap of two intervals of one class above which the lesser is dropped.
        augment: Applied to training batches only; step targets move along.

    Shape:
        ``(batch, leads, samples)`` to ``(batch, 3 + classes, proposals)``: start and end in samples, objectness, class scores;
        predictions ``(batch, classes, samples)``

    Raises:
        ConfigError: ``background`` is none of the classes, or the backbone gives too few maps.
    """

    per_step = True

    def __init__(
        self,
        backbone: Backbone | Callable[..., Backbone],
        *,
        classes: Sequence[str],
        background: str | None = None,
        scales: int = 3,
        widths: Sequence[float] = (1.5, 3.0, 6.0),
        candidates: int = 64,
        limit: float = 0.3,
        augment: Compose | None = None,
    ) -> None:
        super().__init__()
        if background is not None and background not in classes:
            raise ConfigError(f"background is one of the classes {', '.join(classes)}, got {background!r}")
        self.scales, self.widths = scales, tuple(widths)
        self.take_parts(backbone, _ProposalHead(len(classes), scales=scales, widths=widths), classes)
        if len(self.backbone.stages) < scales:
            found = len(self.backbone.stages)
            raise ConfigError(f"{type(self.backbone).__name__} gives {found} maps for {scales} scales; use scales={found}")
        self.background = None if background is None else tuple(classes).index(background)
        self.candidates, self.limit, self.augment = candidates, limit, augment
        self.objective = _Overlaps(self.background)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""
        backbone = {"kind": "backbones", "name": "resnet18", "in_leads": 3, "widths": (8, 12, 16), "depths": (1, 1, 1)}
        arguments = {"backbone": backbone, "classes": ["none", "P", "QRS"], "background": "none"}
        return {"arguments": arguments, "leads": 3, "samples": 200, "refused": [{"background": "T"}, {"scales": 4}]}

    def forward(self, x: Tensor) -> Tensor:
        """Every proposal: start, end, objectness, class scores."""
        maps = self.backbone.forward_intermediates(x)
        said = self.head(maps)
        offset, log_width, rest = said[:, 0], said[:, 1], said[:, 2:]
        centre, stride, width = self._proposals([m.shape[-1] for m in maps[-self.scales :]], like=said)
        middle = centre + stride * (2 * offset.sigmoid() - 1)
        half = width * log_width.clamp(-4, 4).exp() / 2
        return torch.cat([(middle - half)[:, None], (middle + half)[:, None], rest], dim=1)

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """How badly proposals match the intervals of the labels, in fp32: overlap, objectness and class."""
        return self.objective(logits, targets)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Score of each proposal and class, ``(batch, classes, proposals)``: objectness times class probability."""
        logits = logits.float()
        scores = logits[:, 2:3].sigmoid() * logits[:, 3:].sigmoid()
        if self.background is not None:
            scores[:, self.background] = 0
        return scores

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """For each sample and class the score of the best interval that covers it, ``(batch, classes, samples)``."""
        intervals, scores = self._found(batch.signal)
        time = torch.arange(batch.signal.shape[-1], device=scores.device) + 0.5
        covered = (time >= intervals[..., :1]) & (time < intervals[..., 1:])  # (batch, classes, candidates, samples)
        painted = (scores[..., None] * covered).amax(dim=2)
        if self.background is not None:
            painted[:, self.background] = 1 - painted.amax(dim=1)
        return painted

    @torch.no_grad()
    def detect(self, x: Tensor, *, threshold: float = 0.5) -> list[list[Detection]]:
        """The intervals of each window, in order of time.

        Args:
            x: ``(batch, leads, samples)``.
            threshold: Lowest score that counts.
        """
        intervals, scores = self._found(x)
        found: list[list[Detection]] = [[] for _ in range(len(x))]
        for window, label, number in (scores >= threshold).nonzero().tolist():
            start, end = intervals[window, label, number].tolist()
            score = float(scores[window, label, number])
            found[window].append(Detection(max(0.0, start), min(float(x.shape[-1]), end), self.classes[label], score))
        return [sorted(each) for each in found]

    def _found(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The best proposals of each class after suppression: ``(batch, classes, candidates, 2)`` and their scores."""
        logits = self(x)
        scores, order = self.probabilities(logits).topk(min(self.candidates, logits.shape[2]), dim=2)
        intervals = logits[:, :2].float().transpose(1, 2)  # (batch, proposals, 2)
        chosen = intervals[torch.arange(len(x), device=x.device)[:, None, None], order]
        return chosen, suppress(chosen, scores, limit=self.limit)

    def _proposals(self, steps: Sequence[int], *, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Centre, stride and width of every proposal, in samples, in the order of the head."""
        parts = []
        for count, stage in zip(steps, self.backbone.stages[-self.scales :], strict=True):
            for width in self.widths:
                centre = stage.centre + stage.stride * torch.arange(count, device=like.device, dtype=torch.float32)
                parts.append(torch.stack([centre, *(torch.full_like(centre, v) for v in (stage.stride, width * stage.stride))]))
        centre, stride, wide = torch.cat(parts, dim=1)
        return centre, stride, wide


class _Overlaps(nn.Module):
    """The loss of proposals: each interval teaches the proposals that overlap it best.

    Args:
        background: Number of the class that is not looked for.
    """

    def __init__(self, background: int | None) -> None:
        super().__init__()
        self.background = background

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over the intervals of 1 - overlap + distance and of the class loss, plus the objectness of all proposals."""
        logits = logits.float()
        classes = logits.shape[1] - 3
        present = targets > 0.5
        if targets.ndim == 2:
            present = targets[:, None] == torch.arange(classes, device=targets.device)[:, None]
        if self.background is not None:
            present = present.clone()
            present[:, self.background] = False
        window, label, interval = label_intervals(present)
        proposed, objectness = logits[:, :2].transpose(1, 2), logits[:, 2]
        wanted = torch.zeros_like(objectness)
        if not len(window):
            return F.binary_cross_entropy_with_logits(objectness, wanted)
        match, best = self._nearest(proposed.detach()[window], interval)
        wanted[window, best] = 1.0
        ignored = torch.zeros_like(objectness, dtype=torch.bool)
        close = match > 0.5  # as good as the best, so it is neither right nor wrong to propose it
        ignored[window[close.nonzero()[:, 0]], close.nonzero()[:, 1]] = True
        weight = torch.where(wanted > 0, 1.0, (~ignored).float())
        # Proposals are many and intervals few: each kind has its own mean.
        entropy = F.binary_cross_entropy_with_logits(objectness, wanted, reduction="none") * weight
        there, elsewhere = entropy[wanted > 0].mean(), entropy[wanted == 0].sum() / weight[wanted == 0].sum().clamp(min=1)
        chosen = proposed[window, best]
        hull = torch.maximum(chosen[:, 1], interval[:, 1]) - torch.minimum(chosen[:, 0], interval[:, 0])
        apart = (chosen.mean(dim=1) - interval.mean(dim=1)).abs() / hull.clamp(min=1e-6)
        place = (1 - overlap(chosen, interval) + apart.square()).mean()
        hot = F.one_hot(label, classes).float()
        kind = F.binary_cross_entropy_with_logits(logits[window, 3:, best], hot)
        return place + kind + there + elsewhere

    @staticmethod
    def _nearest(proposed: Tensor, interval: Tensor) -> tuple[Tensor, Tensor]:
        """Overlap of every interval with its window's proposals, and the proposal that fits best, also where none overlaps."""
        match = overlap(proposed, interval[:, None])
        away = (proposed.mean(dim=-1) - interval[:, None].mean(dim=-1)).abs()
        return match, (match - 1e-4 * away).argmax(dim=1)


yolo1d = Variant(
    Detector,
    {"backbone": darknet.darknet53},
    {"arguments": {"backbone": Detector.conformance_params()["arguments"]["backbone"], "classes": ["none", "P", "QRS"]}},
)
