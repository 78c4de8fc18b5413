"""The synthetic ECGs are ECGs: every label is true of the signal, measured on the signal."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_preproc.synthesis.conditions import CONDITIONS, MIXES, combine
from ecg_preproc.synthesis.dataset import make_record
from ecg_preproc.synthesis.dipole import DOWER, Wave, rotation, twelve_leads, vectorcardiogram, wave_table
from ecg_preproc.synthesis.heart import Breath, fibrillating, qt_seconds, sinus, with_ectopics
from ecg_preproc.synthesis.noise import ELECTRODES_TO_LEADS

FS = 500


def detect_r_peaks(record: Record) -> np.ndarray:
    """R peaks in samples, found the simple way: where all leads together, smoothed over 16 ms, move fast for 80 ms."""
    smooth = np.apply_along_axis(np.convolve, 1, record.signal.astype(float), np.ones(8) / 8, mode="valid")
    energy = np.convolve((np.diff(smooth, axis=1) ** 2).sum(axis=0), np.ones(40) / 40, mode="same")
    above = np.flatnonzero(energy > 0.25 * np.quantile(energy, 0.98))
    parts = np.split(above, np.flatnonzero(np.diff(above) > 0.1 * record.fs) + 1)
    return np.array([part[np.argmax(energy[part])] for part in parts])


def having(recordings, *codes, without=()):
    found = [r for r in recordings if set(codes) <= set(r.codes) and not set(without) & set(r.codes)]
    assert len(found) >= 5, codes
    return found


def median_beat(recording, lead: str, before: float, after: float) -> np.ndarray:
    """Median over the conducted beats, from ``before`` to ``after`` seconds around R, against the level before the QRS."""
    signal, peaks = recording.lead(lead), recording.record.annotations["r_peaks"]
    inside = [p for p in peaks if p - before * FS >= 0 and p + after * FS < len(signal)]
    beats = np.stack([signal[p - round(before * FS) : p + round(after * FS)] for p in inside])
    return np.median(beats, axis=0) - level_before_qrs(recording, lead)


def level_before_qrs(recording, lead: str) -> float:
    return float(np.median([recording.lead(lead)[max(start - 5, 0)] for start, _ in recording.qrs()]))


def heart_rate(peaks: np.ndarray) -> float:
    return float(60 * FS * (len(peaks) - 1) / (peaks[-1] - peaks[0]))


@pytest.mark.parametrize("index", [0, 3, 17, 101])
@pytest.mark.parametrize("noise", [True, False])
def test_einthoven_and_goldberger_hold_with_and_without_noise(index: int, noise: bool):
    record = make_record(index, noise=noise)
    one, two, three, avr, avl, avf = record.signal[:6].astype(float)
    # float32 in mV: a ten-thousandth of a microvolt
    np.testing.assert_allclose(three, two - one, atol=1e-6)
    np.testing.assert_allclose(avr, -(one + two) / 2, atol=1e-6)
    np.testing.assert_allclose(avl, one - two / 2, atol=1e-6)
    np.testing.assert_allclose(avf, two - one / 2, atol=1e-6)


def test_sinus_bradycardia_is_slower_than_60_and_tachycardia_faster_than_100():
    for index in range(60):
        record = make_record(index)
        codes = record.labels["dx"]
        if codes in (("SBRAD",), ("STACH",), ("NORM",), ("SBRAD", "CRBBB"), ("STACH", "LVOLT"), ("STACH", "STE")):
            peaks = detect_r_peaks(record)
            assert abs(len(peaks) - len(record.annotations["r_peaks"])) <= 1, codes
            low, high = {"SBRAD": (35, 60), "STACH": (100, 150), "NORM": (60, 100)}[codes[0]]
            assert low < heart_rate(peaks) < high, (index, codes)


def test_afib_is_irregularly_irregular_and_normal_rhythm_is_not(recordings):
    def variation(recording):
        rr = np.diff(recording.record.annotations["r_peaks"])
        return np.std(rr) / np.mean(rr)

    fibrillating_hearts = [variation(r) for r in having(recordings, "AFIB")]
    normal = [variation(r) for r in having(recordings, "NORM")]
    assert max(normal) < 0.09
    assert np.median(fibrillating_hearts) > 0.15
    # "Irregularly" irregular: one interval says nothing of the next.
    pairs = np.concatenate(
        [
            np.stack([(rr - rr.mean())[:-1], (rr - rr.mean())[1:]], axis=1)
            for rr in (np.diff(r.record.annotations["r_peaks"]) for r in having(recordings, "AFIB"))
        ]
    )
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.25


def test_bundle_branch_blocks_last_longer_than_120_ms_and_normal_conduction_less_than_110(recordings):
    def duration(recording):
        return float(np.median([stop - start for start, stop in recording.qrs()])) / FS * 1000

    for code in ("CLBBB", "CRBBB"):
        assert min(duration(r) for r in having(recordings, code)) > 120, code
    normal = [duration(r) for r in having(recordings, "NORM")]
    assert 70 < min(normal) <= max(normal) < 110


def test_left_bundle_branch_block_is_deep_in_v1_notched_and_tall_in_v6_with_t_the_other_way(recordings):
    for recording in having(recordings, "CLBBB", without=["AFIB"]):
        v1, v6, one = (median_beat(recording, lead, 0.08, 0.11) for lead in ("V1", "V6", "I"))
        assert v1.min() < -0.4
        assert v1.max() < 0.15 * -v1.min()  # QS or a tiny r
        assert v6.max() > 0.3
        assert v6.min() > -0.05  # no q, no S
        assert one.max() > 0.2
        maxima = np.flatnonzero((v6[1:-1] > v6[:-2]) & (v6[1:-1] >= v6[2:]) & (v6[1:-1] > 0.4 * v6.max()))
        assert len(maxima) == 2, "one notch"
        assert median_beat(recording, "V6", -0.15, 0.35).min() < -0.05
        assert median_beat(recording, "V1", -0.15, 0.35).max() > 0.05


def test_right_bundle_branch_block_has_rsr_in_v1_and_a_wide_s_in_i_and_v6(recordings):
    for recording in having(recordings, "CRBBB", without=["PVC"]):
        v1 = median_beat(recording, "V1", 0.05, 0.12)
        r, s, r_prime = v1[:18].max(), v1[10:40].min(), v1[40:].max()
        assert r > 0.02
        assert s < r / 2
        assert r_prime > max(r, 0.1)
        for lead in ("I", "V6"):
            late = median_beat(recording, lead, -0.03, 0.11)
            assert late.min() < -0.05, lead
            # The S begins 40 ms or more after R and lasts: it is slurred.
            assert np.count_nonzero(late < 0.3 * late.min()) / FS > 0.025, lead


def test_ectopic_beats_are_early_wide_without_p_and_followed_by_a_pause(recordings):
    for recording in having(recordings, "PVC", without=["CRBBB"]):
        peaks = recording.record.annotations["r_peaks"]
        rr = np.diff(peaks) / FS
        widths = np.array([stop - start for start, stop in recording.qrs()]) / FS * 1000
        early = np.flatnonzero(rr[:-1] + rr[1:] > 0)[(rr[:-1] < 0.88 * np.median(rr)) & (rr[1:] > 1.1 * np.median(rr))]
        assert 1 <= len(early) <= 4
        # From beat before to beat after: two sinus intervals, a full compensatory pause.
        np.testing.assert_allclose(rr[early] + rr[early + 1], 2 * np.median(rr), rtol=0.12)
        assert np.count_nonzero(widths > 120) == len(early)


def test_p_waves_precede_sinus_beats_and_are_absent_in_atrial_fibrillation(recordings):
    for recording in having(recordings, "NORM"):
        before = median_beat(recording, "II", 0.23, -0.05)
        assert 0.05 < before.max() < 0.25
        onset_to_qrs = 0.23 - np.argmax(before) / FS
        assert 0.08 < onset_to_qrs < 0.20
    # What stands at a fixed time before R is an atrium that beats with the ventricle; averaging removes f waves.
    left = []
    for recording in having(recordings, "AFIB", without=["CLBBB"]):
        signal, peaks = recording.lead("II"), recording.record.annotations["r_peaks"]
        beats = [signal[p - 115 : p - 35] for p, rr in zip(peaks[1:], np.diff(peaks), strict=True) if rr > 0.6 * FS]
        if len(beats) > 3:  # a fast ventricle leaves too few long pauses to look into
            left.append(np.ptp(np.mean(beats, axis=0)) / np.mean(np.ptp(beats, axis=1)))
    assert len(left) > 5
    assert np.median(left) < 0.5
    in_sinus = []
    for recording in having(recordings, "NORM"):
        peaks = recording.record.annotations["r_peaks"]
        beats = [recording.lead("II")[p - 115 : p - 35] for p in peaks[1:]]
        in_sinus.append(np.ptp(np.mean(beats, axis=0)) / np.mean(np.ptp(beats, axis=1)))
    assert min(in_sinus) > 0.9


def test_fibrillatory_waves_lie_between_4_and_9_hz_and_are_strongest_in_v1():
    from ecg_preproc.synthesis.tracing import _fibrillation

    for frequency in (5.0, 6.2, 7.5):
        leads = DOWER @ _fibrillation(frequency, np.arange(5000) / FS, np.random.default_rng(3))
        power = np.abs(np.fft.rfft(leads, axis=1)) ** 2
        frequencies = np.fft.rfftfreq(5000, 1 / FS)
        assert 4 < frequencies[np.argmax(power[2])] < 9
        amplitude = leads.std(axis=1)
        assert np.argmax(amplitude) in (2, 3)  # V1 or its neighbour
        assert amplitude[2] > 1.5 * amplitude[[0, 5, 6, 7]].max()
        assert 0.03 < amplitude[2] < 0.15


def test_st_elevation_reaches_the_criteria_60_ms_after_j_and_the_opposite_leads_go_down(recordings):
    opposite = {"anterior": ("III", "aVF"), "inferior": ("I", "aVL")}
    needs = {
        "anterior": {"V1": 0.1, "V2": 0.2, "V3": 0.2, "V4": 0.1},
        "inferior": {"II": 0.1, "III": 0.1, "aVF": 0.1},
    }
    seen = set()
    for recording in having(recordings, "STE"):
        territory = recording.patient.territory
        seen.add(territory)

        def st(lead, recording=recording):
            after_j = [recording.lead(lead)[stop + 30] for _, stop in recording.qrs() if stop + 30 < 5000]
            return float(np.median(after_j)) - level_before_qrs(recording, lead)

        for lead, need in needs[territory].items():
            assert st(lead) >= need, (recording.record.record_id, lead)
        for lead in opposite[territory]:
            assert st(lead) < -0.02, (recording.record.record_id, lead)
    assert seen == {"anterior", "inferior"}


def test_normal_hearts_have_no_st_elevation(recordings):
    for recording in having(recordings, "NORM"):
        for lead in ("I", "II", "aVF", "V5", "V6"):
            after_j = np.median([recording.lead(lead)[stop + 10] for _, stop in recording.qrs() if stop + 10 < 5000])
            assert abs(after_j - level_before_qrs(recording, lead)) < 0.1, lead


def test_low_voltage_is_below_half_a_millivolt_in_every_limb_lead_and_others_are_not(recordings):
    def tallest(recording):
        spans = [np.ptp(recording.record.signal[:6, start:stop], axis=1).max() for start, stop in recording.qrs()]
        return float(np.median(spans))

    assert max(tallest(r) for r in having(recordings, "LVOLT")) < 0.5
    assert min(tallest(r) for r in recordings if "LVOLT" not in r.codes and "PVC" not in r.codes) > 0.7


def test_r_grows_from_v1_to_v4_and_s_shrinks_from_v2_to_v6_in_normal_hearts(recordings):
    for recording in having(recordings, "NORM"):
        r = {lead: median_beat(recording, lead, 0.05, 0.06).max() for lead in ("V1", "V3", "V4", "V5")}
        s = {lead: -median_beat(recording, lead, 0.05, 0.06).min() for lead in ("V1", "V2", "V4", "V5", "V6")}
        assert 0.03 < r["V1"] < r["V3"]
        assert r["V1"] < r["V4"]
        assert 0.4 < r["V5"] < 2.6
        assert s["V1"] > r["V1"]
        assert s["V5"] < r["V5"]
        assert s["V2"] > s["V4"] > s["V5"] - 0.05 > s["V6"] - 0.15


def test_amplitudes_of_normal_hearts_are_those_of_textbooks(recordings):
    normal = having(recordings, "NORM")

    def typical(lead, before, after, what):
        return float(np.median([what(median_beat(r, lead, before, after)) for r in normal]))

    assert typical("II", 0.04, 0.04, np.max) == pytest.approx(1.0, abs=0.35)
    assert typical("V5", 0.04, 0.04, np.max) == pytest.approx(1.3, abs=0.4)
    assert typical("V2", 0.04, 0.05, np.min) == pytest.approx(-1.1, abs=0.4)
    assert typical("V3", -0.15, 0.4, np.max) == pytest.approx(0.35, abs=0.15)
    assert typical("II", 0.25, -0.06, np.max) == pytest.approx(0.12, abs=0.04)


def test_t_is_upright_in_i_ii_and_v4_to_v6_and_everything_is_negative_in_avr(recordings):
    for recording in having(recordings, "NORM"):
        for lead in ("I", "II", "V4", "V5", "V6"):
            t = median_beat(recording, lead, -0.15, 0.4)
            assert t.max() > 0.04, lead
            assert t.max() > 2 * -t.min(), lead
        avr = median_beat(recording, "aVR", 0.25, 0.4)
        assert -avr.min() > 3 * avr.max()
        assert median_beat(recording, "aVR", -0.15, 0.4).mean() < 0


def test_qt_shortens_as_the_heart_speeds_up():
    assert qt_seconds(1.0, 0.4) == pytest.approx(0.4)
    assert qt_seconds(0.5, 0.4) == pytest.approx(0.3175, abs=1e-4)  # Fridericia: 0.4 * cbrt(0.5)


def test_the_mean_sinus_rate_is_the_one_asked_for():
    breath = Breath(0.25, 0.3)
    beats = sinus(72, 600, breath=breath, variability=0.05, rng=np.random.default_rng(0))
    assert 60 / np.diff(beats.times).mean() == pytest.approx(72, rel=0.002)
    assert 60 / np.diff(fibrillating(90, 600, irregularity=0.25, rng=np.random.default_rng(0)).times).mean() == pytest.approx(
        90, rel=0.002
    )


def test_inspiration_shortens_the_interval():
    breath = Breath(0.2, 0.0)
    beats = sinus(70, 300, breath=breath, variability=0.06, rng=np.random.default_rng(1))
    inside = (beats.times > 0) & (beats.times < 300)
    assert np.corrcoef(beats.rr[inside], breath.at(beats.times[inside]))[0, 1] < -0.4


def test_fibrillating_hearts_respect_the_refractory_period():
    beats = fibrillating(130, 600, irregularity=0.28, rng=np.random.default_rng(2))
    assert np.diff(beats.times).min() > 0.3


def test_an_ectopic_beat_leaves_its_neighbours_where_they_were():
    rng = np.random.default_rng(4)
    before = sinus(75, 10, breath=Breath(0.2, 0), variability=0.02, rng=rng)
    after = with_ectopics(before, 3, 10, prematurity=0.6, rng=rng)
    assert after.ectopic.sum() == 3
    np.testing.assert_array_equal(before.times[~after.ectopic], after.times[~after.ectopic])
    assert (after.times[after.ectopic] < before.times[after.ectopic]).all()


def test_a_recording_too_short_for_an_ectopic_beat_is_refused():
    slow = sinus(45, 2, breath=Breath(0.2, 0), variability=0.0, rng=np.random.default_rng(0))
    with pytest.raises(DataError, match="2 s are too short for a premature beat between two others"):
        with_ectopics(slow, 1, 2, prematurity=0.6, rng=np.random.default_rng(0))


def test_a_wave_is_a_gaussian_of_the_dipole():
    signal = vectorcardiogram(wave_table([Wave(100, 10, 20, 1.0, -0.5, 0.25)]), n_samples=300, fs=1000)
    np.testing.assert_allclose(signal[:, 100], [1.0, -0.5, 0.25])
    assert signal[0, 90] == pytest.approx(np.exp(-0.5))
    assert signal[0, 120] == pytest.approx(np.exp(-0.5))


def test_a_rotation_keeps_lengths():
    turned = rotation(10, -20, 30) @ np.array([1.0, 2.0, 3.0])
    assert np.linalg.norm(turned) == pytest.approx(np.sqrt(14))


def test_a_dipole_to_the_left_is_upright_in_i_and_negative_in_avr():
    leads = dict(zip(("I", "II", "III", "aVR", "aVL", "aVF"), twelve_leads(DOWER @ np.eye(3)[:, :1]), strict=False))
    assert leads["I"] > 0
    assert leads["aVR"] < 0
    assert leads["III"] == pytest.approx(leads["II"] - leads["I"])


def test_a_potential_common_to_all_electrodes_is_seen_by_no_lead():
    np.testing.assert_allclose(ELECTRODES_TO_LEADS @ np.ones(9), 0, atol=1e-15)


def test_noise_changes_the_signal_and_not_the_heart():
    clean, noisy = make_record(5, noise=False), make_record(5)
    np.testing.assert_array_equal(clean.annotations["r_peaks"], noisy.annotations["r_peaks"])
    difference = (noisy.signal - clean.signal).astype(float)
    assert 0.005 < difference.std() < 0.3


def test_mains_interference_is_at_50_or_60_hz():
    found = set()
    for index in range(40):
        difference = (make_record(index).signal - make_record(index, noise=False).signal)[6].astype(float)
        power = np.abs(np.fft.rfft(difference * np.hanning(5000)))
        frequencies = np.fft.rfftfreq(5000, 1 / FS)
        lines = {line: power[np.abs(frequencies - line) < 0.5].max() for line in (50, 60)}
        found.add(max(lines, key=lines.get))
    assert found == {50, 60}


def test_contradicting_conditions_and_unknown_ones_are_refused():
    with pytest.raises(DataError, match="SBRAD and STACH cannot be had together: each sets the rate; leave one out"):
        combine(["SBRAD", "STACH"])
    with pytest.raises(DataError, match="NORM cannot be had together with AFIB; leave it out"):
        combine(["NORM", "AFIB"])
    with pytest.raises(DataError, match="no condition 'XYZ'; there are NORM, AFIB"):
        combine(["XYZ"])


def test_every_mix_of_conditions_is_possible_and_every_condition_is_in_one():
    for mix in MIXES:
        combine(mix)
    assert {code for mix in MIXES for code in mix} == set(CONDITIONS)
