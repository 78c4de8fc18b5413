"""What short frames of a signal are like, in a few numbers: cepstra, and statistics of time and frequency.

Davis & Mermelstein, "Comparison of parametric representations for monosyllabic word recognition", IEEE Trans. ASSP 1980; on ECGs
Coppola et al., "HuBERT-ECG", medRxiv 2024, which clusters 39 cepstral coefficients or 16 statistics of every frame.

Differs from the published code: derivatives of the cepstra are taken from frame to frame; there a frame is transformed alone, so
that its derivatives are zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["DESCRIPTORS", "cepstra", "time_frequency"]

_COEFFICIENTS, _FILTERS = 13, 23
_SLOPE = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]) / 10  # least squares through five frames
_FLOOR = 1e-10  # of an energy in front of its logarithm, (mV)²


def cepstra(frames: Tensor, *, fs: float) -> Tensor:
    """Thirteen mel-frequency cepstral coefficients of every frame, and their first and second derivatives.

    Args:
        frames: ``(batch, steps, channels, samples)``, mV.
        fs: Hz.

    Returns:
        ``(batch, steps, 39 * channels)``.
    """
    samples = frames.shape[-1]
    size = max(128, 1 << (samples - 1).bit_length())
    window = torch.hann_window(samples, periodic=False, dtype=frames.dtype, device=frames.device)
    power = torch.fft.rfft((frames - frames.mean(dim=-1, keepdim=True)) * window, n=size).abs().square()
    bank = _mel_bank(size, fs).to(power)
    energies = (power @ bank).clamp(min=_FLOOR).log()
    number, place = torch.arange(_COEFFICIENTS), torch.arange(_FILTERS, dtype=torch.float64) + 0.5
    cosines = math.sqrt(2 / _FILTERS) * torch.cos(math.pi / _FILTERS * place[:, None] * number)
    cosines[:, 0] /= math.sqrt(2)
    coefficients = energies @ cosines.to(energies)  # (batch, steps, channels, 13)
    first = _slope(coefficients)
    return torch.cat([coefficients, first, _slope(first)], dim=-1).flatten(2)


def time_frequency(frames: Tensor, *, fs: float) -> Tensor:
    """Sixteen statistics of every frame: twelve of its samples, four of its spectrum.

    Least, largest, mean, root mean square, variance, standard deviation, power, largest magnitude, range, crest factor,
    skewness, kurtosis; largest, sum, mean and variance of the periodogram. Those of a flat frame are 0.

    Args:
        frames: ``(batch, steps, channels, samples)``, mV.
        fs: Hz; the statistics do not depend on it.

    Returns:
        ``(batch, steps, 16 * channels)``.
    """
    low, high, mean = frames.amin(dim=-1), frames.amax(dim=-1), frames.mean(dim=-1)
    centred = frames - mean[..., None]
    variance, power = centred.square().mean(dim=-1), frames.square().mean(dim=-1)
    rms, peak = power.sqrt(), frames.abs().amax(dim=-1)
    flat = variance <= 1e-12
    safe = torch.where(flat, 1.0, variance)
    skewness = torch.where(flat, 0.0, centred.pow(3).mean(dim=-1) / safe**1.5)
    kurtosis = torch.where(flat, 0.0, centred.pow(4).mean(dim=-1) / safe**2 - 3)
    crest = torch.where(rms > 0, peak / torch.where(rms > 0, rms, 1.0), 0.0)
    spectrum = torch.fft.fft(frames).abs().square() / frames.shape[-1]
    statistics = [low, high, mean, rms, variance, variance.sqrt(), power, peak, high - low, crest, skewness, kurtosis]
    statistics += [spectrum.amax(dim=-1), spectrum.sum(dim=-1), spectrum.mean(dim=-1), spectrum.var(dim=-1, correction=0)]
    return torch.stack(statistics, dim=-1).flatten(2)


def _both(frames: Tensor, *, fs: float) -> Tensor:
    """The statistics, and thirteen cepstra without derivatives."""
    own = cepstra(frames, fs=fs).unflatten(2, (frames.shape[2], -1))[..., :_COEFFICIENTS]
    return torch.cat([time_frequency(frames, fs=fs), own.flatten(2)], dim=-1)


DESCRIPTORS: dict[str, Callable[..., Tensor]] = {"mfcc": cepstra, "timefreq": time_frequency, "mfcc+timefreq": _both}
"""By name: ``(batch, steps, channels, samples)`` frames to ``(batch, steps, values)``."""


def _mel_bank(size: int, fs: float) -> Tensor:
    """``(frequencies, filters)`` triangles that are evenly spaced on the mel scale up to ``fs / 2``."""
    edges = torch.linspace(0, 2595 * math.log10(1 + fs / 2 / 700), _FILTERS + 2, dtype=torch.float64)
    edges = 700 * (10 ** (edges / 2595) - 1)
    frequency = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None] * fs / size
    rise = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    return rise.minimum(fall).clamp(min=0)


def _slope(x: Tensor) -> Tensor:
    """``(batch, steps, channels, values)``: how fast each value changes per step."""
    rows = x.permute(0, 2, 3, 1).flatten(0, 2)[:, None]
    slopes = F.conv1d(F.pad(rows, (2, 2), mode="replicate"), _SLOPE.to(x)[None, None])
    return slopes[:, 0].unflatten(0, (x.shape[0], x.shape[2], x.shape[3])).permute(0, 3, 1, 2)
