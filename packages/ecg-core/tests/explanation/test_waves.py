"""P waves, QRS complexes and T waves around R peaks, and what hiding one of them means."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecg_core.explanation.occlusion import WAVES, wave_occlusion, wave_parts

FS, LEADS, PEAKS = 100.0, 3, (100, 300, 500, 700)


def _beats() -> Tensor:
    """Four narrow R peaks of 1 mV in all leads, 2 s apart, ``(1, leads, samples)``."""
    time = np.arange(800) / FS
    beats = sum(np.exp(-0.5 * ((time - peak / FS) / 0.012) ** 2) for peak in PEAKS)
    return torch.from_numpy(np.tile(beats.astype(np.float32), (1, LEADS, 1)))


def test_waves_lie_around_the_r_peaks_in_seconds() -> None:
    x = _beats()
    found = wave_parts(x[0].numpy(), fs=FS)
    assert len(found) == 12
    for (wave, start, stop), peak in zip(found, np.repeat(PEAKS, 3), strict=True):
        begin, end = WAVES[wave]
        assert abs(start - (peak + begin * FS)) <= 3
        assert abs(stop - (peak + end * FS)) <= 3


def test_waves_of_a_fast_rhythm_do_not_reach_into_the_next_beat() -> None:
    x = np.zeros((1, 1000), dtype=np.float32)
    x[0, 50::40] = 1.0  # 150 beats a minute
    found = wave_parts(x, fs=FS)
    t = [(start, stop) for wave, start, stop in found if wave == "T"]
    p = [(start, stop) for wave, start, stop in found if wave == "P"]
    assert len(t) > 20
    assert all(stop <= following for (_, stop), (following, _) in zip(t, p[1:], strict=False))


def test_a_hidden_wave_is_a_straight_line_and_a_flat_record_has_none() -> None:
    seen: list[Tensor] = []

    class Watching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.clone())
            return x.sum(dim=(1, 2))[:, None]

    x = _beats() + torch.linspace(0, 1, 800)  # a slope, so that a line is not a level
    wave_occlusion(Watching(), x, 0, fs=FS, per_lead=False)
    _, start, stop = next(part for part in wave_parts(x[0].numpy(), fs=FS) if part[0] == "QRS")
    hidden = seen[1][1]
    torch.testing.assert_close(
        hidden[:, start:stop].diff(dim=-1).diff(dim=-1), torch.zeros(LEADS, stop - start - 2), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(hidden[:, stop:], x[0, :, stop:])
    assert not wave_occlusion(Watching(), torch.zeros(1, LEADS, 800), 0, fs=FS).any()
