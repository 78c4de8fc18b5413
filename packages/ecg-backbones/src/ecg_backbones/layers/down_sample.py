"""Fewer steps without weights: by the maximum, a mean, a norm, one of the samples, a line between them, or a blur.

Every mode gives exactly ``ceil(steps / factor)`` steps; the last group may be short, and only what is there counts.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.blur_pool import BlurPool1d
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.max_pool import max_pool

__all__ = ["DownSample", "DownSampleMode"]

DownSampleMode = Literal["max", "avg", "lp", "lse", "nearest", "linear", "blur"]


class DownSample(nn.Module):
    """One step for every ``factor`` steps, in each channel.

    Args:
        factor: Steps per output step.
        mode: ``"max"``; ``"avg"``, the mean; ``"lp"``, the power mean; ``"lse"``, the log of the sum of exponentials, a smooth
            maximum; ``"nearest"``, the first; ``"linear"``, the value in the middle of the group; ``"blur"``, see
            :class:`BlurPool1d`.
        power: Exponent of ``"lp"``.
        taps: Odd length of ``"blur"``.

    Shape:
        ``(batch, channels, steps)`` to ``(batch, channels, ceil(steps / factor))``

    Raises:
        ValueError: ``factor`` is below 1, or there is no such mode.
    """

    def __init__(self, factor: int, mode: DownSampleMode = "max", *, power: float = 2.0, taps: int = 3) -> None:
        super().__init__()
        if factor < 1:
            raise ValueError(f"steps are reduced by a factor of 1 or more, got {factor}")
        if mode not in get_args(DownSampleMode):
            raise ValueError(f"mode must be one of {', '.join(get_args(DownSampleMode))}, got {mode!r}")
        self.factor, self.mode, self.power = factor, mode, power
        self.blur = BlurPool1d(factor, taps=taps) if mode == "blur" else None

    def forward(self, x: Tensor) -> Tensor:
        """The input with fewer steps."""
        factor = self.factor
        if self.blur is not None:
            return self.blur(x)
        if factor == 1:
            return x
        match self.mode:
            case "max":
                return max_pool(F.pad(x, (0, factor - 1), value=float("-inf")), factor)
            case "avg":
                return self._mean(x)
            case "lp":
                return self._mean(x.abs() ** self.power).clamp_min(1e-12) ** (1 / self.power)
            case "lse":
                padded, steps = F.pad(x, (0, factor - 1), value=float("-inf")), x.shape[-1]
                return torch.stack([padded[..., i : steps + i : factor] for i in range(factor)], dim=-1).logsumexp(dim=-1)
            case "nearest":
                return x[..., ::factor]
            case _:
                first, last, steps = (factor - 1) // 2, factor // 2, x.shape[-1]
                padded = F.pad(x, (0, last), mode="replicate")
                return (padded[..., first : steps + first : factor] + padded[..., last::factor]) / 2

    def _mean(self, x: Tensor) -> Tensor:
        # With zeros at the end, which are then not counted: a pooling that counts by itself exports for one length only.
        ends = (0, self.factor - 1)
        counted = F.avg_pool1d(F.pad(torch.ones_like(x[:1, :1]), ends), self.factor)
        return F.avg_pool1d(F.pad(x, ends), self.factor) / counted

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind it."""
        if self.blur is not None:
            return self.blur.after(before)
        if self.mode == "nearest":
            return before.then(1, stride=self.factor)
        if self.mode == "linear":  # its one or two middle steps
            first, last = (self.factor - 1) // 2, self.factor // 2
            return before.then(last - first + 1, stride=self.factor, padding=(-first, last))
        return before.then(self.factor, stride=self.factor, padding=(0, self.factor - 1))
