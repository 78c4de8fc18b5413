"""Waves of an ECG: every sample of a window belongs to a P wave, a QRS complex, a T wave or to what lies between.

A plain delineation by tensor operations, for a whole batch at once and for all leads together, so that the waves of all leads
have the same limits. R peaks are those of :class:`~ecg_core.layers.beats.RPeaks`; the limits of a QRS complex are where the
energy of the slope has fallen to a fiftieth; a P or a T wave is where that energy, of the smoothed signal, is largest within the
time in which one may stand, and ends where it has fallen to a fifth. It does not replace a clinical delineator: an ``f`` wave
or a U wave is nothing of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_core.layers.beats import RPeaks

__all__ = ["KINDS", "WaveSegments", "Waves"]

KINDS = ("p", "qrs", "t", "bg")
"""Kinds of segments, in the order of their numbers."""
_P, _QRS, _T, _BACKGROUND = range(4)
_QRS_REACH, _QRS_LEVEL = 0.12, 0.02  # seconds from the R peak; share of the slope energy at its limits
_P_REACH, _T_REACH, _T_SHARE = 0.28, 0.55, 0.6  # seconds ahead of and behind the R peak; share of the RR interval
_GAP = 0.05  # seconds between a QRS complex and the next wave, which its own energy still fills
_LEVEL = 0.2  # of the largest slope energy of a wave, at its limits
_LEAST, _ABOVE = 5e-4, 4.0  # slope energy of a wave: share of that of its QRS complex, times that between waves …
_QUIET = 0.2  # … which a fifth of the samples do not exceed


class Waves(NamedTuple):
    """A window as a row of segments without gaps."""

    kind: Tensor
    """``(batch, segments)`` int64, a number of :data:`KINDS`; 3 where there is no segment."""
    start: Tensor
    """``(batch, segments)`` int64: the first sample; ``samples`` where there is no segment."""
    length: Tensor
    """``(batch, segments)`` int64 samples; 0 where there is no segment."""
    place: Tensor
    """``(batch, samples)`` int64: the number of the segment that each sample is in; ``segments`` where it is in none of them."""

    @property
    def real(self) -> Tensor:
        """``(batch, segments)`` booleans, true where there is a segment."""
        return self.length > 0


class WaveSegments(nn.Module):
    """Segments of a window.

    Args:
        fs: Hz.
        max_segments: Segments of a window at most; the first ones.

    Shape:
        ``(batch, leads, samples)`` to ``(batch, max_segments)``
    """

    def __init__(self, fs: float, *, max_segments: int = 256) -> None:
        super().__init__()
        if max_segments < 1:
            raise ValueError(f"a window has one segment at least, got max_segments={max_segments}")
        self.fs, self.max_segments = fs, max_segments
        self.peaks = RPeaks(fs)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Waves:
        """The segments, in order."""
        kind = self.kinds(x)
        samples = x.shape[-1]
        place = torch.arange(samples, device=x.device)
        first = torch.cat([torch.ones_like(kind[:, :1], dtype=torch.bool), kind[:, 1:] != kind[:, :-1]], dim=1)
        none = torch.full((x.shape[0], self.max_segments + 1), 1, device=x.device) * samples
        starts = torch.cat([torch.where(first, place, samples), none], dim=1).sort(dim=1).values[:, : self.max_segments + 1]
        start, length = starts[:, :-1], starts[:, 1:] - starts[:, :-1]
        last = torch.ones_like(start) * (samples - 1)
        found = torch.where(length > 0, kind.gather(1, start.minimum(last)), _BACKGROUND)
        number = (first.long().cumsum(dim=1) - 1).clamp(max=self.max_segments)
        return Waves(found, start, length, number)

    @torch.no_grad()
    def kinds(self, x: Tensor) -> Tensor:
        """``(batch, samples)`` int64: the kind of every sample."""
        samples, peaks = x.shape[-1], self.peaks(x)
        exists = peaks < samples
        quick, slope = self._envelopes(x)
        on, off = self._around(quick, peaks, _QRS_REACH, _QRS_LEVEL)
        before, behind = peaks.roll(1, dims=1), peaks.roll(-1, dims=1)
        number = torch.arange(peaks.shape[1], device=x.device)
        start = torch.where(number == 0, 0, (peaks + before) // 2).maximum(peaks - round(_P_REACH * self.fs))
        at_qrs = slope.gather(1, peaks.minimum(torch.ones_like(peaks) * (samples - 1)))
        least = (_LEAST * at_qrs).maximum(_ABOVE * slope.quantile(_QUIET, dim=1, keepdim=True))
        gap = round(_GAP * self.fs)
        p_on, p_off = self._within(slope, start.clamp(min=0), on - gap, least)
        interval = torch.where(behind > peaks, behind - peaks, samples - peaks)
        interval = torch.where(behind < samples, interval, round(_T_REACH / _T_SHARE * self.fs))
        end = (peaks + (_T_SHARE * interval).long()).minimum(peaks + round(_T_REACH * self.fs))
        t_on, t_off = self._within(slope, off + gap, end, least)
        kind = torch.full_like(x[:, 0], _BACKGROUND, dtype=torch.int64)
        for number_of, a, b in ((_T, t_on, t_off), (_P, p_on, p_off), (_QRS, on, off)):
            kind = torch.where(_covered(a, b, exists, samples), number_of, kind)
        return kind

    def _envelopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Energy of the slope, sharp for QRS complexes and smooth for other waves: ``(batch, samples)`` each."""
        x = x.nan_to_num(0.0, 0.0, 0.0)
        largest = x.abs().amax(dim=-1, keepdim=True)
        x = x / torch.where(largest > 0, largest, torch.ones_like(largest))
        sharp, slow = (self._steepness(x, seconds) for seconds in (0.01, 0.02))
        return _mean(sharp, 2 * round(0.01 * self.fs) + 1), _mean(slow, 2 * round(0.03 * self.fs) + 1)

    def _steepness(self, x: Tensor, seconds: float) -> Tensor:
        """Squared differences over this time of a signal averaged over twice this time, summed over leads."""
        lag = max(1, round(seconds * self.fs))
        smooth = _mean(torch.cat(x.unbind(1)), 2 * lag + 1 if seconds > 0.01 or lag > 1 else 1)
        steep = F.pad(smooth[:, lag:] - smooth[:, :-lag], (lag // 2, lag - lag // 2)).square()
        return steep.reshape(x.shape[1], x.shape[0], -1).sum(dim=0)

    def _around(self, envelope: Tensor, peaks: Tensor, reach: float, level: float) -> tuple[Tensor, Tensor]:
        """How far the envelope stays above a share of its value at each peak: first sample, and one behind the last."""
        most = round(reach * self.fs)
        step = torch.arange(-most, most + 1, device=peaks.device)
        near = _at(envelope, peaks[..., None] + step)
        middle = near[..., most // 2 : most + most // 2 + 1]
        low = near < level * middle.amax(dim=-1, keepdim=True)
        left = torch.where(low & (step < 0), step, -most).amax(dim=-1)
        right = torch.where(low & (step > 0), step, most).amin(dim=-1)
        return (peaks + left).clamp(min=0), (peaks + right).minimum(torch.ones_like(peaks) * envelope.shape[-1])

    def _within(self, envelope: Tensor, begin: Tensor, end: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
        """The wave between two samples of each beat; begin and end are equal where there is none."""
        most = round(_T_REACH * self.fs)
        step = torch.arange(most, device=begin.device)
        there = begin[..., None] + step
        inside = there < end[..., None]
        near = torch.where(inside, _at(envelope, there), torch.zeros_like(envelope[:1, :1, None]))
        top, at = near.max(dim=-1, keepdim=True)
        low = (near < _LEVEL * top) | ~inside
        left = torch.where(low & (step < at), step + 1, 0).amax(dim=-1)
        right = torch.where(low & (step > at), step, most).amin(dim=-1)
        found = (top[..., 0] > least) & (top[..., 0] > 0)
        return begin + torch.where(found, left, 0), begin + torch.where(found, right, 0)


def _mean(rows: Tensor, length: int) -> Tensor:
    return F.avg_pool1d(rows[:, None], length, 1, length // 2, count_include_pad=False)[:, 0]


def _at(rows: Tensor, index: Tensor) -> Tensor:
    """``rows`` ``(batch, samples)`` at ``(batch, beats, n)`` places; those beyond an end are at the end."""
    places = index.clamp(min=0).minimum(torch.ones_like(index) * (rows.shape[-1] - 1))
    return rows.gather(1, places.flatten(1)).unflatten(1, index.shape[1:])


def _covered(begin: Tensor, end: Tensor, exists: Tensor, samples: int) -> Tensor:
    """``(batch, samples)`` booleans, true in any of the intervals of beats that exist."""
    length = torch.ones_like(begin) * samples
    begin, end = (torch.where(exists & (end > begin), x, length).minimum(length) for x in (begin, end))
    edges = torch.zeros(begin.shape[0], samples + 1, dtype=torch.int64, device=begin.device)
    one = torch.ones_like(begin)
    edges = edges.scatter_add(1, begin, one).scatter_add(1, end, -one)
    return edges.cumsum(dim=1)[:, :-1] > 0
