"""Magnitude spectra of windows, and a changed version of them: the second input of TF-C."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ecg_core.contracts.draws import Draws

__all__ = ["changed_spectrum", "magnitude_spectrum"]


def magnitude_spectrum(x: Tensor, sides: Literal["two", "one"] = "two") -> Tensor:
    """``|FFT|`` along time, unscaled, in float32 or better.

    Args:
        x: ``(..., samples)``.
        sides: ``"two"`` has as many bins as samples, mirrored; ``"one"`` has ``samples // 2 + 1``.
    """
    with torch.autocast(x.device.type, enabled=False):
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        return (torch.fft.fft(exact) if sides == "two" else torch.fft.rfft(exact)).abs()


def changed_spectrum(
    spectrum: Tensor, draws: Draws, *, removed: float = 0.1, added: float = 0.1, size: float = 0.1, doubled: bool = False
) -> Tensor:
    """Some bins emptied, and something added to others.

    Args:
        spectrum: ``(batch, leads, bins)``.
        draws: Of these windows.
        removed: Probability that a bin is emptied.
        added: Probability that a bin gets more.
        size: The most a bin gets, as a share of the lead's largest.
        doubled: Add the two changed spectra as published, which doubles what neither touches.
    """
    shape = spectrum.shape[1:]
    kept = ~draws.happens(removed, size=shape)
    more = draws.happens(added, size=shape) * draws.uniform(size=shape) * size * spectrum.amax(dim=-1, keepdim=True)
    return spectrum * kept + more + (spectrum if doubled else 0)
