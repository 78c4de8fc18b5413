"""Waves: segments without gaps, near those that a synthetic ECG was made of, and silence that is silence."""

import pytest

torch = pytest.importorskip("torch")

from ecg_core.layers.waves import KINDS, WaveSegments  # noqa: E402

torch.set_num_threads(1)
_WAVES = ((0, -0.17, 0.025, 0.15), (1, 0.0, 0.012, 1.0), (2, 0.26, 0.045, 0.3))  # kind, place, width in seconds, height in mV


def ecg(fs, seconds=10, period=0.85, noise=0.005, leads=3):
    """Regular beats, and of every sample the kind of the wave that is within two widths of its middle."""
    time = torch.arange(round(seconds * fs), dtype=torch.float64) / fs
    phase = (time - 0.1).remainder(period)
    x, kind = torch.zeros(leads, len(time), dtype=torch.float64), torch.full((len(time),), 3)
    for number, place, width, height in _WAVES:
        distance = (phase - place + period / 2).remainder(period) - period / 2
        x += height * torch.linspace(1.0, -0.5, leads)[:, None] * torch.exp(-0.5 * (distance / width) ** 2)
        kind[distance.abs() < (4 if number == 1 else 2) * width] = number
    rng = torch.Generator().manual_seed(0)
    return (x + noise * torch.randn(x.shape, generator=rng, dtype=torch.float64)).float()[None], kind


@pytest.mark.parametrize("fs", [100.0, 250.0, 500.0])
def test_waves_are_near_those_the_signal_was_made_of(fs):
    x, truth = ecg(fs)
    found = WaveSegments(fs).kinds(x)[0]
    inner = slice(round(fs), -round(fs))
    for kind, least in ((0, 0.5), (1, 0.5), (2, 0.7)):
        a, b = (k[inner] == kind for k in (found, truth))
        assert float((a & b).sum() / (a | b).sum()) > least, KINDS[kind]


def test_segments_tile_the_window_and_neighbours_are_of_other_kinds():
    x, _ = ecg(100.0)
    x = torch.cat([x, torch.randn_like(x), torch.zeros_like(x)])
    waves = WaveSegments(100.0)(x)
    kinds = WaveSegments(100.0).kinds(x)
    for row in range(3):
        real = waves.real[row]
        start, length, kind = (part[row][real] for part in (waves.start, waves.length, waves.kind))
        assert start[0] == 0
        assert torch.equal(start[1:], (start + length)[:-1])
        assert int(length.sum()) == 1000
        assert (kind[1:] != kind[:-1]).all()
        assert torch.equal(kind[waves.place[row]], kinds[row])
        assert not waves.length[row][~real].any()


def test_every_beat_has_its_waves_once():
    x, truth = ecg(100.0)
    kind = WaveSegments(100.0)(x).kind[0].tolist()
    real = WaveSegments(100.0)(x).real[0].tolist()
    sequence = [KINDS[k] for k, there in zip(kind, real, strict=True) if there and k != 3]
    beats = int(((truth[1:] == 1) & (truth[:-1] != 1)).sum())
    assert sequence.count("qrs") in (beats, beats + 1)
    inner = " ".join(sequence[4:-4])
    assert inner in " ".join(["p qrs t"] * 20)


def test_a_flat_line_is_one_segment_of_background():
    for x in (torch.zeros(1, 12, 1000), torch.full((1, 12, 1000), 7.0), torch.full((1, 2, 500), torch.nan)):
        waves = WaveSegments(100.0)(x)
        assert waves.real.sum() == 1
        assert waves.kind[0, 0] == 3
        assert int(waves.length[0, 0]) == x.shape[-1]


def test_fibrillation_of_the_ventricles_does_no_harm():
    time = torch.arange(1000) / 100
    x = (torch.sin(2 * torch.pi * 4.5 * time) + 0.4 * torch.sin(2 * torch.pi * 3.1 * time + 1))[None, None]
    waves = WaveSegments(100.0)(x)
    assert int(waves.length.sum()) == 1000


def test_what_is_behind_the_last_segment_is_in_none():
    x, _ = ecg(100.0)
    waves = WaveSegments(100.0, max_segments=5)(x)
    assert waves.real.all()
    end = int(waves.start[0, -1] + waves.length[0, -1])
    assert end < 1000
    assert (waves.place[0, end:] == 5).all()
    assert (waves.place[0, :end] < 5).all()
    with pytest.raises(ValueError, match="a window has one segment at least, got max_segments=0"):
        WaveSegments(100.0, max_segments=0)


def test_a_gain_moves_no_limits():
    x, _ = ecg(100.0)
    assert torch.equal(WaveSegments(100.0).kinds(-1000 * x), WaveSegments(100.0).kinds(x))
