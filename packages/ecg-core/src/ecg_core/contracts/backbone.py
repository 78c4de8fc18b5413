"""Backbone: a signal into feature maps. It knows no classes, losses, files, registries or configurations."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ecg_core.config.configurable import Configurable

__all__ = ["Backbone", "Stage"]


@dataclass(frozen=True)
class Stage:
    """What a backbone states of one of its feature maps.

    Args:
        channels: Channels of the map.
        stride: Samples of the input per step of the map.
        centre: Sample of the input that step 0 looks at: 0 for stacks of symmetric convolutions, the middle of the
            first patch for patch embeddings. Explanations place a step's relevance by it.
        receptive_field: Samples of the input that one step can see, itself in their middle; ``None`` where it is the whole
            window, as behind attention, squeeze-and-excitation or a recurrent layer.
    """

    channels: int
    stride: int
    centre: float = 0.0
    receptive_field: int | None = None


class Backbone(Configurable, nn.Module):
    """Base of every backbone.

    A subclass sets ``in_leads``, ``stages`` (finest first) and, where it is more than 1, ``min_samples`` in its
    constructor, and implements :meth:`forward_intermediates`. The default shape arithmetic is that of same-length
    padding, ``steps = ceil(samples / stride)``; a backbone that counts otherwise overrides :meth:`steps`.

    Attributes:
        papers: Where the architecture was published, as arXiv numbers or DOIs.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, stages[-1].channels, steps(samples))``
    """

    papers: ClassVar[tuple[str, ...]] = ()
    in_leads: int | None
    stages: tuple[Stage, ...]
    min_samples: int = 1

    @abstractmethod
    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps of ``(batch, leads, samples)``, one per stage, finest first."""

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map, ``(batch, channels, steps)``."""
        return self.forward_intermediates(x)[-1]

    def forward(self, x: Tensor) -> Tensor:
        """The same as :meth:`forward_features`."""
        return self.forward_features(x)

    def forward_lead_features(self, x: Tensor) -> Tensor:
        """Features before the leads are merged, ``(batch, rows, channels, steps)``, whose mean over rows is the features.

        A backbone that keeps leads apart has one row per lead, so that explanations can tell leads apart; one that mixes
        them in its first layer has a single row.
        """
        return self.forward_features(x).unsqueeze(1)

    def pool(self, features: Tensor) -> Tensor:
        """One vector per window from its features: ``(batch, channels, steps)`` to ``(batch, channels)``; the mean."""
        return features.mean(dim=-1)

    @property
    def out_channels(self) -> int:
        """Channels of the features."""
        return self.stages[-1].channels

    @property
    def receptive_field(self) -> int | None:
        """Samples that one step of the features can see; ``None`` means the whole window."""
        return self.stages[-1].receptive_field

    def receptive_field_ms(self, fs: float) -> float | None:
        """:attr:`receptive_field` in milliseconds at ``fs`` Hz."""
        return None if self.receptive_field is None else 1000 * self.receptive_field / fs

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of a stage's map for an input of this many samples."""
        return -(-samples // self.stages[stage].stride)

    def compute_features_output_shape(
        self, seq_len: int | None = None, batch_size: int | None = None
    ) -> tuple[int | None, int, int | None]:
        """``(batch, channels, steps)`` of the features, by arithmetic; ``None`` stays ``None``.

        Args:
            seq_len: Samples of the input.
            batch_size: Windows in the input.
        """
        return batch_size, self.out_channels, None if seq_len is None else self.steps(seq_len)

    def check_input(self, x: Tensor) -> None:
        """One clear error for an input this backbone cannot take.

        Raises:
            ValueError: The input is not ``(batch, in_leads, samples ≥ min_samples)``.
        """
        name = type(self).__name__
        if x.ndim != 3:
            raise ValueError(f"{name} expects (batch, leads, samples), got shape {tuple(x.shape)}")
        if self.in_leads is not None and x.shape[1] != self.in_leads:
            raise ValueError(f"{name} was built for {self.in_leads} leads, got {x.shape[1]}; select leads or build it anew")
        if x.shape[2] < self.min_samples:
            raise ValueError(f"{name} needs at least {self.min_samples} samples, got {x.shape[2]}; use longer windows")
