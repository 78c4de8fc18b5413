"""Heartbeats as tokens: R peaks are found, each beat of each lead is cut out around its R peak, and the beats form a sentence.

Jin et al., "Reading your heart: learning ECG words and sentences via pre-training ECG language model", ICLR 2025,
arXiv:2502.10707; for the peaks Elgendi, "Fast QRS detection with an optimized knowledge-based method", PLoS ONE 2013.

Differs from the published code: peaks are found by tensor operations, for a whole batch at once, where the code runs a detector
of the wfdb package on lead I; a sentence may also be ordered by time, so that a fast heart loses its last beats and not its last
leads; beats always stand with their R peak in the middle (``centred=False`` shifts long ones as the code does).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["BeatSentences", "Order", "RPeaks", "Sentence"]

Order = Literal["lead", "time"]
_BAND = (8.0, 20.0)  # Hz; Elgendi 2013, table 2
_QRS, _BEAT, _EXCESS = 0.097, 0.611, 0.08  # seconds, seconds, share of the mean energy
_REFRACTORY = 0.2  # seconds


class Sentence(NamedTuple):
    """Beats in a row, filled up with silence."""

    beats: Tensor
    """``(batch, tokens, samples)``, 0 outside of a beat and where there is none."""
    lead: Tensor
    """``(batch, tokens)`` int64: the number of the lead, from 1; 0 where there is no beat."""
    time: Tensor
    """``(batch, tokens)`` int64: the second in which the R peak stands, from 1; 0 where there is no beat."""

    @property
    def real(self) -> Tensor:
        """``(batch, tokens)`` booleans, true where there is a beat."""
        return self.lead > 0


class RPeaks(nn.Module):
    """Where the R peaks of a batch stand.

    The energy between 8 and 20 Hz, averaged over a QRS complex, is larger there than over a beat, and the largest within the
    refractory period. Of :func:`ecg_core.data.r_peaks.detect_r_peaks` it is the plain form, without loops or looks at values.

    Args:
        fs: Hz.
        max_beats: Peaks of a window at most; the first ones.
        leads: Look at ``"all"`` leads, each in units of its mean energy, or at the ``"first"``.

    Raises:
        ValueError: ``fs`` cannot hold the band of the QRS complex, or a word is unknown.

    Shape:
        ``(batch, leads, samples)`` to ``(batch, max_beats)`` int64, ``samples`` where there are fewer
    """

    taps: Tensor

    def __init__(self, fs: float, *, max_beats: int = 50, leads: Literal["all", "first"] = "all") -> None:
        super().__init__()
        if not fs > 2.5 * _BAND[1]:
            raise ValueError(f"R peaks are looked for up to {_BAND[1]:g} Hz, which needs fs of at least 50 Hz, got {fs!r}")
        if leads not in ("all", "first"):
            raise ValueError(f"leads must be all or first, got {leads!r}")
        self.max_beats, self.leads = max_beats, leads
        self.short, self.long = (2 * (round(seconds * fs) // 2) + 1 for seconds in (_QRS, _BEAT))
        self.apart = round(_REFRACTORY * fs)
        reach = round(0.25 * fs)
        taps = []
        for n in range(-reach, reach + 1):
            high, low = (2 * edge / fs * _sinc(2 * edge * n / fs) for edge in (_BAND[1], _BAND[0]))
            taps.append((high - low) * (0.5 + 0.5 * math.cos(math.pi * n / (reach + 1))))
        self.register_buffer("taps", torch.tensor(taps), persistent=False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Positions in order."""
        energy = self.energy(x)[:, None]  # (batch, 1, samples)
        short, long = (F.avg_pool1d(energy, n, 1, n // 2, count_include_pad=False) for n in (self.short, self.long))
        _, best = F.max_pool1d(short, 2 * self.apart + 1, 1, self.apart, return_indices=True)
        samples = x.shape[-1]
        place = torch.arange(samples, device=x.device)
        found = (best[:, 0] == place) & (short > long + _EXCESS * energy.mean(dim=-1, keepdim=True))[:, 0]
        none = torch.full((x.shape[0], self.max_beats), 1, device=x.device) * samples
        order = torch.cat([torch.where(found, place, samples), none], dim=1).sort(dim=1).values[:, : self.max_beats]
        # The peak itself: where the energy is largest within the complex.
        around = torch.arange(-(self.short // 2), self.short // 2 + 1, device=x.device)
        near = (order[..., None] + around).clamp(min=0).minimum(torch.ones_like(order[..., None]) * (samples - 1))
        at = energy[:, 0].gather(1, near.flatten(1)).unflatten(1, near.shape[1:]).argmax(dim=-1, keepdim=True)
        return torch.where(order < samples, near.gather(2, at)[..., 0], order)

    def energy(self, x: Tensor) -> Tensor:
        """Energy between 8 and 20 Hz, ``(batch, samples)``, the sum over leads in units of each lead's mean."""
        x = (x if self.leads == "all" else x[:, :1]).nan_to_num(0.0, 0.0, 0.0)
        largest = x.abs().amax(dim=-1, keepdim=True)
        x = x / torch.where(largest > 0, largest, torch.ones_like(largest))  # squares of anything stay finite
        kernel = self.taps.to(x.dtype)[None, None].expand(x.shape[1], -1, -1)
        reach = len(self.taps) // 2
        band = F.conv1d(F.pad(x, (reach, reach), mode="replicate"), kernel, groups=x.shape[1])
        squared = band.square()
        mean = squared.mean(dim=-1, keepdim=True)
        return (squared / torch.where(mean > 0, mean, torch.ones_like(mean))).sum(dim=1)


class BeatSentences(nn.Module):
    """A window as a sentence of its beats.

    A beat reaches from the middle between its R peak and the one before to the middle between it and the one behind, and half a
    token from the first and the last; a longer one is cut to a token around its R peak.

    Args:
        fs: Hz.
        token_len: Samples of a token, even; the R peak is at ``token_len // 2``.
        max_tokens: Tokens of a sentence; what does not fit is left out at its end.
        order: ``"lead"``: all beats of the first lead, then of the second …; ``"time"``: the first beat in all leads …
        peak_leads: R peaks are looked for in ``"all"`` leads or in the ``"first"``.
        centred: Every R peak stands in the middle; otherwise a beat that begins more than half a token ahead of it is shifted.

    Raises:
        ValueError: A word is unknown, or a size is not positive.

    Shape:
        ``(batch, leads, samples)`` to ``(batch, max_tokens, token_len)``
    """

    def __init__(
        self,
        fs: float,
        *,
        token_len: int = 96,
        max_tokens: int = 256,
        order: Order = "lead",
        peak_leads: Literal["all", "first"] = "all",
        centred: bool = True,
    ) -> None:
        super().__init__()
        if order not in get_args(Order):
            raise ValueError(f"order must be {' or '.join(get_args(Order))}, got {order!r}")
        if token_len < 2 or token_len % 2 or max_tokens < 1:
            raise ValueError(f"a sentence is of tokens of an even number of samples, got {max_tokens} of {token_len}")
        self.fs, self.token_len, self.max_tokens, self.order, self.centred = fs, token_len, max_tokens, order, centred
        self.peaks = RPeaks(fs, leads=peak_leads)

    def forward(self, x: Tensor, peaks: Tensor | None = None) -> Sentence:
        """The sentence.

        Args:
            x: ``(batch, leads, samples)``.
            peaks: ``(batch, beats)`` int64 in order, ``samples`` where there are fewer; found in ``x`` by default.
        """
        peaks = self.peaks(x) if peaks is None else peaks
        leads, samples = x.shape[1], x.shape[2]
        count = (peaks < samples).sum(dim=1, keepdim=True)  # (batch, 1)
        first, start, end = self._bounds(peaks, count, samples)
        token = torch.arange(self.max_tokens, device=x.device)
        beats = count.clamp(min=1)
        lead, beat = (token // beats, token % beats) if self.order == "lead" else (token % leads, token // leads)
        real = token < leads * count
        lead, beat = (n.expand(real.shape).clamp(max=most) for n, most in ((lead, leads - 1), (beat, peaks.shape[1] - 1)))
        place = first.gather(1, beat)[..., None] + torch.arange(self.token_len, device=x.device)  # (batch, tokens, samples)
        inside = (place >= start.gather(1, beat)[..., None]) & (place < end.gather(1, beat)[..., None]) & real[..., None]
        index = lead[..., None] * samples + place.clamp(min=0).minimum(torch.ones_like(place) * (samples - 1))
        joined = torch.cat(x.unbind(1), dim=1)
        values = joined.gather(1, index.flatten(1)).unflatten(1, (self.max_tokens, self.token_len))
        second = (peaks.gather(1, beat) / self.fs).floor().long() + 1
        nothing = torch.zeros_like(lead)
        return Sentence(
            torch.where(inside, values, torch.zeros_like(values)),
            torch.where(real, lead + 1, nothing),
            torch.where(real, second, nothing),
        )

    def _bounds(self, peaks: Tensor, count: Tensor, samples: int) -> tuple[Tensor, Tensor, Tensor]:
        """Of each beat the sample at the front of its token, its first one, and the one behind its last: ``(batch, beats)``."""
        half = self.token_len // 2
        number = torch.arange(peaks.shape[1], device=peaks.device)
        before, behind = peaks.roll(1, dims=1), peaks.roll(-1, dims=1)
        end_of_all = torch.ones_like(peaks) * samples
        start = torch.where(number == 0, (peaks - half).clamp(min=0), (peaks + before) // 2)
        end = torch.where(number == count - 1, peaks + half, (peaks + behind) // 2).minimum(end_of_all)
        alone = (number == 0) & (count == 1)
        end = torch.where(alone, (start + self.token_len).minimum(end_of_all), end)
        long = end - start > self.token_len
        start = torch.where(long, (peaks - half).clamp(min=0), start)
        end = torch.where(long, (start + self.token_len).minimum(end_of_all), end)
        first = peaks - half
        return (first if self.centred else torch.where(peaks - start > half, start, first)), start, end


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)
