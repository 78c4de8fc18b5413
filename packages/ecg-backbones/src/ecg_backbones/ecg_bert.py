"""ECGBERT's encoder: waves are words, told by their shape, their place and what a small U-Net sees of them.

Choi et al., "ECGBERT: understanding hidden language of ECGs with self-supervised representation learning", 2023,
arXiv:2306.06340. The authors have published no code; sizes are ours, and so is the delineator.

Differs from the paper: one token stands for a wave unless ``granularity="sample"`` gives every sample one; waves have the
same limits in all leads; each lead is a sentence of its own, and features are the mean over leads.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.post_norm import PostNormBlock
from ecg_backbones.layers.wave_words import CLUSTERS, WaveWords
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.waves import Waves, WaveSegments

__all__ = ["ECGBERTEncoder", "ecg_bert_small"]

_DURATIONS = 16  # steps of a duration that are told apart, each a half longer than the one before


class _Convolutions(nn.Sequential):
    """Two convolutions, normalised over channels and time."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv1d(channels, out, 3, stride=stride, padding=1), nn.GroupNorm(1, out), nn.GELU(),
            nn.Conv1d(out, out, 3, padding=1), nn.GroupNorm(1, out), nn.GELU(),
        )  # fmt: skip


class _SignalNet(nn.Module):
    """A U-Net of one lead: ``(rows, samples)`` to ``(rows, samples, width)``."""

    def __init__(self, width: int, channels: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = channels
        self.down = nn.ModuleList(
            [_Convolutions(1, first), _Convolutions(first, second, stride=2), _Convolutions(second, third, stride=2)]
        )
        self.up = nn.ModuleList([_Convolutions(third + second, second), _Convolutions(second + first, first)])
        self.out = nn.Conv1d(first, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, None]
        seen = []
        for block in self.down:
            x = block(x)
            seen.append(x)
        for block, skip in zip(self.up, (seen[1], seen[0]), strict=True):
            x = block(torch.cat([F.interpolate(x, size=skip.shape[-1]), skip], dim=1))
        return self.out(x).transpose(1, 2)


class ECGBERTEncoder(Backbone):
    """Tokens of waves through blocks that normalise behind; features are 0 where there is no wave.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers their number from the first batch.
        fs: Hz of the input.
        granularity: ``"segment"``: a token per wave, which knows its duration; ``"sample"``: a token per sample, as published.
        max_segments: Waves of a window at most; later samples are left out.
        clusters: Words of P waves, QRS complexes, T waves and of what lies between.
        width: Channels of a token.
        depth: Transformer blocks.
        heads: Attention heads.
        mlp_width: Hidden channels of a perceptron.
        signal_widths: Channels of the U-Net, from its finest to its coarsest map.
        dropout: Dropout in the blocks.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, max_segments)``, or ``(batch, width, samples)`` with a token per sample

    Raises:
        ValueError: ``width`` is no multiple of ``heads`` and 2, or a word is unknown.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2306.06340",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        fs: float = 100.0,
        granularity: Literal["segment", "sample"] = "segment",
        max_segments: int = 256,
        clusters: tuple[int, ...] = CLUSTERS,
        width: int = 128,
        depth: int = 6,
        heads: int = 4,
        mlp_width: int = 512,
        signal_widths: tuple[int, int, int] = (64, 128, 256),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % heads or width % 2:
            raise ValueError(f"width must be even and a multiple of heads, got {width} and {heads}")
        if granularity not in ("segment", "sample"):
            raise ValueError(f"granularity must be segment or sample, got {granularity!r}")
        self.in_leads, self.fs, self.width, self.granularity = in_leads, fs, width, granularity
        self.max_segments = max_segments
        self.cut = WaveSegments(fs, max_segments=max_segments)
        self.words = WaveWords(fs, tuple(clusters))
        self.word_embedding = nn.Embedding(self.words.count, width)
        self.duration_embedding = nn.Embedding(_DURATIONS, width) if granularity == "segment" else None
        self.signal_net = _SignalNet(width, tuple(signal_widths))  # type: ignore[arg-type]
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            PostNormBlock(width, heads=heads, mlp_ratio=mlp_width / width, dropout=dropout) for _ in range(depth)
        )
        self.min_samples = 8
        self.stages = (Stage(width, 1),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"max_segments": 24, "clusters": [2, 3, 2, 3], "width": 8, "depth": 1, "heads": 2, "mlp_width": 16}
        refused = [{"heads": 3}, {"granularity": "beat"}, {"clusters": [1, 2]}, {"fs": 20.0}, {"max_segments": 0}]
        return {
            "arguments": {**tiny, "signal_widths": [4, 4, 4], "dropout": 0.0},
            "leads": 3,
            "samples": 300,
            "refused": refused,
        }

    def steps(self, samples: int, stage: int = -1) -> int:
        """As many tokens as a sentence has."""
        return self.max_segments if self.granularity == "segment" else samples

    def waves(self, x: Tensor) -> Waves:
        """The waves of windows, the same for all leads."""
        if self.in_leads is None and x.ndim == 3:
            self.in_leads = x.shape[1]
        self.check_input(x)
        return self.cut(x)

    def spread(self, per_wave: Tensor, waves: Waves) -> Tensor:
        """What is known of waves, ``(batch, leads, segments)``, for every sample, ``(batch, leads, samples)``; else 0."""
        padded = torch.cat([per_wave, torch.zeros_like(per_wave[..., :1])], dim=-1)
        return padded.gather(2, waves.place[:, None].expand(-1, per_wave.shape[1], -1))

    def per_token(self, per_wave: Tensor, waves: Waves) -> Tensor:
        """What is known of waves, ``(batch, leads, segments)``, for every token."""
        return per_wave if self.granularity == "segment" else self.spread(per_wave, waves)

    def embed(self, x: Tensor, waves: Waves, words: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Words, places, durations and what the U-Net sees, added and normalised.

        Args:
            x: ``(batch, leads, samples)``.
            waves: Of the windows.
            words: ``(batch, leads, segments)`` int64 numbers of words.
            hidden: ``(batch, leads, segments)`` booleans: waves of which the U-Net sees only zeros.

        Returns:
            ``(leads * batch, tokens, width)``, lead by lead.
        """
        if hidden is not None:
            x = torch.where(self.spread(hidden.long(), waves) > 0, torch.zeros_like(x), x)
        rows = torch.cat(x.unbind(1), dim=0)  # lead by lead: an exported program would accept some numbers of windows only
        seen = self.signal_net(rows)  # (leads * batch, samples, width)
        place = waves.place.repeat(x.shape[1], 1)
        if self.granularity == "segment":
            total = torch.zeros(seen.shape[0], self.max_segments + 1, self.width, dtype=seen.dtype, device=seen.device)
            total = total.scatter_add(1, place[..., None].expand(-1, -1, self.width), seen)[:, :-1]
            length = waves.length.clamp(min=1).repeat(x.shape[1], 1)[..., None]
            seen = total / length.to(total.dtype)
        tokens = self.word_embedding(torch.cat(self.per_token(words, waves).unbind(1), dim=0)) + seen
        if self.duration_embedding is not None:
            tokens = tokens + self.duration_embedding(self._durations(waves)).repeat(x.shape[1], 1, 1)
        tokens = tokens + sincos_positions(tokens.shape[1], self.width, like=tokens)
        return self.dropout(self.norm(tokens))

    def contextual(self, tokens: Tensor, waves: Waves) -> Tensor:
        """Tokens through the blocks, ``(leads * batch, tokens, width)``; none looks at what is no wave."""
        real = self.real_tokens(waves)
        rows = real.repeat(self.in_leads or 1, 1)
        for block in self.blocks:
            tokens = block(tokens, rows[:, None, None])
        return tokens

    def real_tokens(self, waves: Waves) -> Tensor:
        """``(batch, tokens)`` booleans, true where a token is of a wave."""
        return waves.real if self.granularity == "segment" else waves.place < self.max_segments

    def forward_lead_features(self, x: Tensor) -> Tensor:
        """Features of each lead before they are averaged, ``(batch, leads, width, tokens)``."""
        waves = self.waves(x)
        found = self.contextual(self.embed(x, waves, self.words(x, waves)), waves)
        each = found.reshape(x.shape[1], x.shape[0], -1, self.width).transpose(0, 1)  # (batch, leads, tokens, width)
        real = self.real_tokens(waves)[:, None, :, None]
        return torch.where(real, each, torch.zeros_like(each)).transpose(2, 3)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The map behind the last block, the mean over leads."""
        return [self.forward_lead_features(x).mean(dim=1)]

    def pool(self, features: Tensor) -> Tensor:
        """The mean over tokens of waves, ``(batch, width)``."""
        real = (features != 0).any(dim=1, keepdim=True)
        return features.sum(dim=2) / real.sum(dim=2).clamp(min=1)

    def _durations(self, waves: Waves) -> Tensor:
        """``(batch, segments)`` int64: the logarithm of the duration in coarse steps, from 20 ms on."""
        seconds = waves.length.clamp(min=1).float() / self.fs
        return ((seconds / 0.02).log() / 0.405).long().clamp(min=0, max=_DURATIONS - 1)  # 0.405: a half longer


ecg_bert_small = Variant(ECGBERTEncoder, {"width": 128, "depth": 6, "heads": 4, "mlp_width": 512})
