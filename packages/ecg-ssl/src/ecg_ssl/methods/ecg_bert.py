"""ECGBERT: waves are words, and hidden words are told by the others.

Choi et al., "ECGBERT: understanding hidden language of ECGs with self-supervised representation learning", 2023,
arXiv:2306.06340; Devlin et al., "BERT", NAACL 2019, arXiv:1810.04805. The authors of ECGBERT have published no code.

Differs from the paper: sizes, schedule and the delineator are ours; what the U-Net sees of a hidden wave is silenced, for
otherwise its word could be read off the signal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol, cast

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.batch import Batch
from ecg_core.layers.waves import KINDS, Waves
from ecg_ssl.base.token import BaseTokenPredictor, check_fs
from ecg_ssl.clustering import Clustering, kmeans
from ecg_ssl.gather import gather_rows
from ecg_ssl.layers.code_usage import CodeUsage
from ecg_ssl.masking import MaskedWords, mask_words
from ecg_ssl.objectives.code_prediction import code_prediction

__all__ = ["ECGBERT", "WaveEncoder", "Words"]

_CHOICE, _FATE, _OTHER = 32, 33, 34  # independent draws of a batch
_MASK, _FIRST = 3, 4  # numbers of the mask and of the first wave word


class Words(Protocol):
    """Names of waves by the clusters of their shapes, such as ``WaveWords``."""

    clusters: tuple[int, ...]
    count: int
    made: Tensor

    def __call__(self, x: Tensor, waves: Waves) -> Tensor:
        """``(batch, leads, segments)`` int64 numbers of words."""

    def shapes(self, x: Tensor, waves: Waves) -> Tensor:
        """``(batch, leads, segments, values)``: what is clustered."""

    def make(self, kind: int, centres: Tensor, mean: Tensor, scale: Tensor) -> None:
        """Take clusters of a kind."""


class WaveEncoder(Protocol):
    """A backbone of waves, such as ``ecg_bert_small``."""

    fs: float
    width: int
    words: Words

    def waves(self, x: Tensor) -> Waves:
        """The waves of windows, the same for all leads."""

    def per_token(self, per_wave: Tensor, waves: Waves) -> Tensor:
        """What is known of waves, for every token: ``(batch, leads, tokens)``."""

    def embed(self, x: Tensor, waves: Waves, words: Tensor, hidden: Tensor | None = None) -> Tensor:
        """``(leads * batch, tokens, width)``; hidden waves are silent in the signal."""

    def contextual(self, tokens: Tensor, waves: Waves) -> Tensor:
        """Tokens to tokens of the same shape, each knowing the others."""


class ECGBERT(BaseTokenPredictor):
    """A share of the waves of each lead is hidden; the encoder tells their words.

    Args:
        backbone: A backbone with ``waves``, ``embed`` and ``contextual``: ``ecg_bert_small``.
        mask_ratio: Share of the waves that must be told; of ten, eight are masked, one is another word and one is as it was.
        hide_signal: What the U-Net sees of a wave that must be told is silence; without, its word can be read off the signal.
        seed: Of the clusters; each kind of wave takes the next.

    Raises:
        TypeError: The backbone has no waves.
        ValueError: ``mask_ratio`` is out of range.
    """

    recipe = Recipe(lr=1e-4, lr_batch=0, weight_decay=0.01, warmup=0.1)
    halves: ClassVar[tuple[str, ...]] = ("waves", "embed", "contextual")
    made_for: ClassVar[str] = "ecg_bert_small"

    def __init__(self, backbone: Backbone, *, mask_ratio: float = 0.15, hide_signal: bool = True, seed: int = 0) -> None:
        super().__init__(backbone, mask_ratio=mask_ratio, own_token=False)
        if not 0 < mask_ratio < 1:
            raise ValueError(f"mask_ratio must be between 0 and 1, got {mask_ratio!r}")
        self.hide_signal, self.seed = hide_signal, seed
        words = self.wave_encoder.words
        self.head = nn.Linear(self.wave_encoder.width, words.count)
        self.usage = CodeUsage(words.count)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny: dict[str, Any] = {"max_segments": 24, "clusters": [2, 3, 2, 3], "width": 8, "depth": 1, "heads": 2}
        tiny |= {"name": "ecg_bert_small", "mlp_width": 16, "signal_widths": [4, 4, 4], "dropout": 0.0}
        return {
            "backbones": [tiny, {**tiny, "granularity": "sample", "depth": 2}],
            "arguments": {"mask_ratio": 0.3},
            "leads": 3,
            "samples": 200,
            "refused": [{"mask_ratio": 0.0}, {"mask_ratio": 1.0}],
        }

    @property
    def wave_encoder(self) -> WaveEncoder:
        """The backbone by what it does with waves."""
        return cast("WaveEncoder", self.backbone)

    def fit(self, batches: Iterable[Batch]) -> list[Clustering]:
        """Make the words of all these batches: once, before the training. Training begins anew with other words.

        Args:
            batches: Windows as they will be trained on.

        Returns:
            Of each kind of wave that there is the clusters, with their use (``perplexity``) and inertia.
        """
        found: list[list[Tensor]] = [[] for _ in KINDS]
        for batch in batches:
            check_fs(batch, self.wave_encoder.fs, type(self).__name__)
            waves = self.wave_encoder.waves(batch.signal)
            for kind, shapes in enumerate(self._shapes(batch, waves)):
                found[kind].append(shapes)
        return self._make([torch.cat(shapes) for shapes in found])

    def loss(self, batch: Batch) -> Losses:
        """Cross-entropy of the words that must be told; logs the accuracy and the words of the batch in use.

        Raises:
            ValueError: Windows are of another sampling frequency.
        """
        check_fs(batch, self.wave_encoder.fs, type(self).__name__)
        encoder = self.wave_encoder
        waves = encoder.waves(batch.signal)
        words = self.words(batch, waves)
        masked = self.masked_words(batch, words)
        other = _FIRST + batch.draws(_OTHER).integers(encoder.words.count - _FIRST, size=words.shape[1:])
        logits = self.logits(batch.signal, waves, self.given(words, masked, other), masked.chosen)
        told, target = (
            torch.cat(encoder.per_token(x, waves).unbind(1)) for x in (masked.chosen.long(), words)
        )  # (leads * batch, tokens)
        hidden, target = logits[told > 0], target[told > 0]
        total = code_prediction(hidden, target, torch.ones_like(target, dtype=torch.bool))
        with torch.no_grad():
            right = (hidden.argmax(dim=-1) == target).float().sum() / max(len(target), 1)
            used = self.usage.see(words[words > 0])
        return Losses(total, {"accuracy": right, "code_perplexity": used})

    def words(self, batch: Batch, waves: Waves) -> Tensor:
        """``(batch, leads, segments)`` int64 words of the waves; makes them of this batch if there are none yet."""
        with torch.autocast(batch.signal.device.type, enabled=False):
            if not bool(self.wave_encoder.words.made):
                self._make(self._shapes(batch, waves))
            return self.wave_encoder.words(batch.signal.float(), waves)

    def masked_words(self, batch: Batch, words: Tensor) -> MaskedWords:
        """What becomes of the words, ``(batch, leads, segments)`` each: by BERT's rule, of every lead on its own."""
        noise, fate = (batch.draws(salt).uniform(size=words.shape[1:]) for salt in (_CHOICE, _FATE))
        return mask_words(noise, fate, self.mask_ratio, words > 0)

    def given(self, words: Tensor, masked: MaskedWords, other: Tensor) -> Tensor:
        """The words that the encoder is given; ``other`` are those that are swapped in."""
        swapped = torch.where(masked.swapped, other, words)
        return torch.where(masked.masked, torch.full_like(words, _MASK), swapped)

    def logits(self, x: Tensor, waves: Waves, given: Tensor, chosen: Tensor) -> Tensor:
        """``(leads * batch, tokens, words)``, of windows whose ``chosen`` waves are silent."""
        encoder = self.wave_encoder
        tokens = encoder.embed(x, waves, given, chosen if self.hide_signal else None)
        return self.head(encoder.contextual(tokens, waves))

    def gauges(self) -> Mapping[str, float]:
        """``code_perplexity``: words of recent batches in use."""
        return {"code_perplexity": self.usage.perplexity}

    @torch.no_grad()
    def _shapes(self, batch: Batch, waves: Waves) -> list[Tensor]:
        """``(waves, values)`` of each kind, those of all processes together."""
        shapes = self.wave_encoder.words.shapes(batch.signal.float(), waves)
        kind = torch.where(waves.real, waves.kind, len(KINDS))[:, None].expand(shapes.shape[:3])
        return [gather_rows(shapes[kind == number]) for number in range(len(KINDS))]

    def _make(self, shapes: list[Tensor]) -> list[Clustering]:
        """Clusters of each kind that there is."""
        made = []
        for kind, points in enumerate(shapes):
            if not len(points):
                continue
            given = points.cpu().double()
            mean, scale = given.mean(dim=0), given.std(dim=0, correction=0)
            scale = torch.where(scale > 1e-6, scale, 1.0)
            count = min(self.wave_encoder.words.clusters[kind], len(points))
            found = kmeans((given - mean) / scale, count, seed=self.seed + kind)
            self.wave_encoder.words.make(kind, *(x.to(points) for x in (found.centres, mean, scale)))
            made.append(found)
        return made
