"""Occlusion (Zeiler and Fergus, ECCV 2014): what a score loses when a part of the ECG is hidden.

Three kinds of parts: windows that slide over one lead or over all of them, whole leads, and the P wave, QRS complex and T wave
of every beat. Relevance is signed and in units of the score: positive where hiding lowers it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ecg_core.data.r_peaks import detect_r_peaks
from ecg_core.explanation.target import MaskedMean, Target, evaluating, target_score

__all__ = ["WAVES", "Part", "hide_parts", "lead_occlusion", "occlusion", "wave_occlusion", "wave_parts"]

WAVES = {"P": (-0.24, -0.07), "QRS": (-0.07, 0.07), "T": (0.10, 0.45)}
"""Where a wave is looked for, in seconds from the R peak, at rates up to 75 beats a minute; see :func:`wave_parts`."""


class Part(NamedTuple):
    """Samples ``start`` to ``stop`` of one lead, or of all (``lead=None``)."""

    lead: int | None
    start: int
    stop: int


def occlusion(
    model: nn.Module,
    x: Tensor,
    target: Target,
    *,
    fs: float,
    seconds: float = 0.2,
    every: float = 0.1,
    per_lead: bool = True,
    fill: float = 0.0,
    batch_size: int = 64,
) -> Tensor:
    """Relevance by a sliding window, ``(batch, leads, samples)``: the mean over the windows that hide a sample.

    Args:
        model: Anything from signals to scores; explained in evaluation mode.
        x: ``(batch, leads, samples)``; not modified.
        target: What is explained.
        fs: Sampling frequency, Hz.
        seconds: Length of the window.
        every: From one window to the next.
        per_lead: Hide one lead at a time, or all together.
        fill: What stands in a hidden window, mV.
        batch_size: Signals scored at once.

    Raises:
        ValueError: A length is not positive.
    """
    if not (seconds > 0 and every > 0 and fs > 0):
        raise ValueError(f"fs, seconds and every must be positive, got fs={fs}, seconds={seconds}, every={every}")
    samples = x.shape[-1]
    width, stride = min(samples, max(1, round(seconds * fs))), max(1, round(every * fs))
    starts = [number * stride for number in range(math.ceil((samples - width) / stride) + 1)]
    leads: Sequence[int | None] = range(x.shape[1]) if per_lead else [None]
    parts = [Part(lead, start, min(start + width, samples)) for lead in leads for start in starts]
    return hide_parts(model, x, target, [parts] * len(x), fill=fill, batch_size=batch_size)


def lead_occlusion(model: nn.Module, x: Tensor, target: Target, *, fill: float = 0.0, batch_size: int = 64) -> Tensor:
    """Relevance of whole leads, ``(batch, leads, samples)``, the same all along a lead.

    Args:
        model: Anything from signals to scores; explained in evaluation mode.
        x: ``(batch, leads, samples)``; not modified.
        target: What is explained.
        fill: What stands in a hidden lead, mV.
        batch_size: Signals scored at once.
    """
    parts = [Part(lead, 0, x.shape[-1]) for lead in range(x.shape[1])]
    return hide_parts(model, x, target, [parts] * len(x), fill=fill, batch_size=batch_size)


def wave_occlusion(
    model: nn.Module, x: Tensor, target: Target, *, fs: float, per_lead: bool = True, batch_size: int = 64
) -> Tensor:
    """Relevance of every P wave, QRS complex and T wave, ``(batch, leads, samples)``; 0 between waves.

    A hidden wave is a straight line from its first to its last sample, as if it had not been there.

    Args:
        model: Anything from signals to scores; explained in evaluation mode.
        x: ``(batch, leads, samples)``; not modified.
        target: What is explained.
        fs: Sampling frequency, Hz.
        per_lead: Hide a wave in one lead at a time, or in all together.
        batch_size: Signals scored at once.
    """
    waves = [wave_parts(signal, fs=fs) for signal in x.detach().cpu().numpy()]
    leads: Sequence[int | None] = range(x.shape[1]) if per_lead else [None]
    parts = [[Part(lead, start, stop) for _, start, stop in found for lead in leads] for found in waves]
    return hide_parts(model, x, target, parts, fill=None, batch_size=batch_size)


def wave_parts(signal: np.ndarray, *, fs: float) -> list[tuple[str, int, int]]:
    """Waves of one record, ``(leads, samples)``: ``("P" | "QRS" | "T", start, stop)`` in samples, from its R peaks.

    Intervals are those of :data:`WAVES`; where beats are closer than 0.8 s, P and T shrink in proportion to the distance.
    """
    peaks = np.asarray(detect_r_peaks(signal, fs=fs))
    if not len(peaks):
        return []
    gaps = np.diff(peaks) / fs
    before, after = np.append(gaps[:1], gaps), np.append(gaps, gaps[-1:])
    if not len(gaps):
        before = after = np.array([0.8])
    found = []
    for peak, earlier, later in zip(peaks, before, after, strict=True):
        for wave, (begin, end) in WAVES.items():
            shrink = {"P": min(1.0, earlier / 0.8), "QRS": 1.0, "T": min(1.0, later / 0.8)}[wave]
            first, last = (round(peak + edge * shrink * fs) for edge in (begin, end))
            first, last = max(0, first), min(signal.shape[-1], last)
            if last - first >= 2:
                found.append((wave, int(first), int(last)))
    return found


def hide_parts(
    model: nn.Module, x: Tensor, target: Target, parts: Sequence[Sequence[Part]], *, fill: float | None, batch_size: int = 64
) -> Tensor:
    """What each record's score loses when each of its parts is hidden, as the mean over the parts that hide a sample.

    Args:
        model: Anything from signals to scores.
        x: ``(batch, leads, samples)``; not modified.
        target: What is explained.
        parts: Of each record.
        fill: What stands in a hidden part, mV; ``None`` for a straight line between its ends.
        batch_size: Signals scored at once.
    """
    pairs = [(record, part) for record, some in enumerate(parts) for part in some]
    total, count = torch.zeros_like(x), torch.zeros_like(x)
    with torch.no_grad(), evaluating(model):
        whole = target_score(model(x), target, batch=len(x))
        for begin in range(0, len(pairs), batch_size):
            some = pairs[begin : begin + batch_size]
            records = torch.tensor([record for record, _ in some], device=x.device)
            hidden = x[records].clone()
            for row, (_, part) in enumerate(some):
                piece = hidden[row, _leads(part), part.start : part.stop]
                piece.copy_(_line(piece) if fill is None else torch.full_like(piece, fill))
            lost = whole[records] - target_score(model(hidden), _of(target, records, len(x)), batch=len(some))
            for (record, part), value in zip(some, lost, strict=True):
                total[record, _leads(part), part.start : part.stop] += value
                count[record, _leads(part), part.start : part.stop] += 1
    return total / count.clamp(min=1)


def _of(target: Target, records: Tensor, batch: int) -> Target:
    """The target of some records."""
    if isinstance(target, Tensor) and target.shape == (batch,):
        return target.to(records.device)[records]
    if isinstance(target, MaskedMean) and target.mask.ndim == 2:
        return MaskedMean(target.number, target.mask.to(records.device)[records])
    return target


def _leads(part: Part) -> slice:
    return slice(None) if part.lead is None else slice(part.lead, part.lead + 1)


def _line(piece: Tensor) -> Tensor:
    along = torch.linspace(0, 1, piece.shape[-1], dtype=piece.dtype, device=piece.device)
    return piece[..., :1] + (piece[..., -1:] - piece[..., :1]) * along
