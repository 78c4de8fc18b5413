"""Hand-crafted features of ECGs whose measurements are known because they were drawn that way."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.errors import DataError
from ecg_core.evaluation.handcrafted import BEAT_FEATURES, RHYTHM_FEATURES, handcrafted_features

FS = 250.0


def ecg(
    beats: np.ndarray, *, r: float = 1.0, t: float = 0.3, p: float = 0.15, st: float = 0.0, seconds: float = 10.0
) -> np.ndarray:
    """One lead of Gaussian waves: P 160 ms before, T 280 ms after each R peak; ``beats`` in seconds."""
    time = np.arange(round(seconds * FS)) / FS

    def wave(centre: float, height: float, width: float) -> np.ndarray:
        return height * np.exp(-0.5 * ((time - centre) / width) ** 2)

    x = sum(wave(b, r, 0.012) + wave(b - 0.16, p, 0.015) + wave(b + 0.28, t, 0.03) for b in beats)
    return x + sum(st * ((time > b + 0.06) & (time < b + 0.12)) for b in beats)


def measured(*leads: np.ndarray) -> tuple[dict[str, float], list[dict[str, float]]]:
    (row,) = handcrafted_features(np.stack(leads)[None], fs=FS)
    rhythm = dict(zip(RHYTHM_FEATURES, row, strict=False))
    beats = row[len(RHYTHM_FEATURES) :].reshape(len(leads), -1)
    return rhythm, [dict(zip(BEAT_FEATURES, lead, strict=True)) for lead in beats]


def test_a_regular_rhythm_has_its_rate_and_no_irregularity():
    rhythm, _ = measured(ecg(np.arange(0.4, 9.8, 0.8)))
    assert rhythm["heart_rate"] == pytest.approx(75, abs=0.5)
    assert rhythm["beats"] == 12
    assert rhythm["rr_std"] < 0.01
    assert rhythm["rr_jumps"] == 0


def test_an_irregular_rhythm_has_the_spread_it_was_drawn_with():
    beats = 0.4 + np.cumsum([0, *([0.6, 1.0] * 5)])
    rhythm, _ = measured(ecg(beats))
    rr = np.diff(beats)
    assert rhythm["rr_std"] == pytest.approx(rr.std() / rr.mean(), rel=0.03)
    assert rhythm["rr_successive"] == pytest.approx(0.4 / 0.8, rel=0.03)
    assert rhythm["rr_jumps"] == 1
    assert rhythm["rr_range"] == pytest.approx(0.5, rel=0.05)


def test_amplitudes_and_times_of_each_lead_are_those_that_were_drawn():
    beats = np.arange(0.4, 9.8, 0.8)
    _, (first, second) = measured(ecg(beats, r=1.2, t=0.35, p=0.2), ecg(beats, r=-0.8, t=-0.25, p=0.1))
    assert first["r_amplitude"] == pytest.approx(1.2, abs=0.03)
    assert second["s_amplitude"] == pytest.approx(-0.8, abs=0.03)
    assert (first["t_amplitude"], second["t_amplitude"]) == pytest.approx((0.35, -0.25), abs=0.03)
    assert (first["p_amplitude"], second["p_amplitude"]) == pytest.approx((0.2, 0.1), abs=0.02)
    assert first["t_time"] == pytest.approx(0.28, abs=0.006)
    assert first["p_time"] == pytest.approx(-0.16, abs=0.006)
    # A Gaussian falls to a quarter at 1.665 standard deviations.
    assert first["qrs_width"] == pytest.approx(2 * 1.665 * 0.012, abs=0.009)


def test_a_raised_st_segment_is_seen():
    beats = np.arange(0.4, 9.8, 0.8)
    _, ((level), (raised)) = measured(ecg(beats), ecg(beats, st=0.2))
    assert raised["st_level"] - level["st_level"] == pytest.approx(0.2, abs=0.01)


def test_without_beats_only_spread_and_number_are_known():
    rhythm, (lead,) = measured(np.zeros(2500))
    assert rhythm["beats"] == 0
    assert lead["spread"] == 0
    assert np.isnan([lead["r_amplitude"], rhythm["heart_rate"]]).all()


def test_the_input_is_not_modified_and_the_baseline_does_not_matter():
    x = ecg(np.arange(0.4, 9.8, 0.8))[None, None]
    before = x.copy()
    plain, lifted = handcrafted_features(x, fs=FS), handcrafted_features(x + 5, fs=FS)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(plain, lifted, atol=1e-4)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(DataError, match=r"expected windows \(windows, leads, samples\), got shape \(2, 500\)"):
        handcrafted_features(np.zeros((2, 500)), fs=FS)
    with pytest.raises(DataError, match="needs fs of at least 50 Hz, got 40"):
        handcrafted_features(np.zeros((1, 2, 500)), fs=40)
