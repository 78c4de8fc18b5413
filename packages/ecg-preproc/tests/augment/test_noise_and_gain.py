"""Noise, gain, gaps and spectra: closed forms, statistics and physics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as scipy_signal
from scipy import stats

import ecg_core
from ecg_core.contracts.draws import Draws
from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.data.record import Record
from ecg_core.errors import ConfigError, DataError
from ecg_preproc.augment.amplitude_scale import AmplitudeScale
from ecg_preproc.augment.bandstop import Bandstop
from ecg_preproc.augment.baseline_wander import BaselineWander
from ecg_preproc.augment.cutmix import CutMix
from ecg_preproc.augment.cutout_segments import CutoutSegments
from ecg_preproc.augment.gaussian_noise import GaussianNoise
from ecg_preproc.augment.lead_permute import LeadPermute
from ecg_preproc.augment.magnitude_warp import MagnitudeWarp
from ecg_preproc.augment.noise_bank import STARTS, noise_bank
from ecg_preproc.augment.powerline_noise import PowerlineNoise
from ecg_preproc.augment.rand_augment import RandAugment, scaled
from ecg_preproc.augment.random_flip import RandomFlip
from ecg_preproc.augment.random_masking import RandomMasking
from ecg_preproc.augment.random_renormalize import RandomRenormalize
from ecg_preproc.augment.recorded_noise import RecordedNoise
from ecg_preproc.augment.spectral_phase_surrogate import SpectralPhaseSurrogate
from ecg_preproc.augment.vcg_rotation import VCGRotation, projection

NOISE = np.random.default_rng(0).normal(size=(40, 12, 1000))


# ---------------------------------------------------------------------------------------------- noise bank


def test_fast_noise_is_normal_white_and_independent_between_leads_and_windows():
    out = GaussianNoise(std=(0.5, 0.5), fast=True, p=1.0)(np.zeros((60, 12, 2000), np.float32), generator=0).astype(np.float64)
    n = out.size
    assert abs(out.mean()) < 4 * 0.5 / np.sqrt(n)
    assert out.var() == pytest.approx(0.25, rel=5 * np.sqrt(2 / n))
    assert stats.kstest(out.ravel()[::37], "norm", (0, 0.5)).pvalue > 1e-3
    rows = out.reshape(-1, 2000) / 0.5
    for lag in (1, 2, 5, 50):  # all rows are stretches of one bank, and so know of no more numbers than it has
        assert abs((rows[:, lag:] * rows[:, :-lag]).mean()) < 5 / np.sqrt(STARTS)
    correlation = np.corrcoef(rows)[~np.eye(len(rows), dtype=bool)]
    assert correlation.std() == pytest.approx(1 / np.sqrt(2000), rel=0.1)  # as of independent numbers
    assert rows.std(axis=1).std() == pytest.approx(1 / np.sqrt(2 * 2000), rel=0.2)


def test_the_bank_has_mean_zero_and_variance_one_and_is_the_same_for_ever():
    bank = noise_bank(500)
    assert abs(bank.mean(dtype=np.float64)) < 1e-7
    assert bank.var(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(bank[:1000], noise_bank(500)[:1000])


# ---------------------------------------------------------------------------------------------- hum


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_hum_is_the_mains_frequency_with_harmonics_that_fall_off(mains):
    hum = PowerlineNoise(frequencies=(mains,), deviation=0.0, amplitude=(0.1, 0.1), harmonics=3, p=1.0)
    out = hum(np.zeros((6, 12, 5000)), fs=500, generator=0)
    height = np.abs(np.fft.rfft(out, axis=-1)) / 2500
    lines = [round(mains * k * 10) for k in (1, 2, 3)]
    expected = [height[..., lines[0]] / k for k in (2, 3)]
    np.testing.assert_allclose([height[..., i] for i in lines[1:]], expected, atol=1e-6)
    assert (height[..., lines[0]] >= 0.02 - 1e-6).all()
    assert (height[..., lines[0]] <= 0.1 + 1e-6).all()
    height[..., lines] = 0
    assert height.max() < 1e-5
    assert np.ptp(out.std(axis=-1), axis=1).min() > 0.005  # leads hum differently


def test_harmonics_beyond_nyquist_are_left_out_and_mains_beyond_it_is_one_clear_error():
    hum = PowerlineNoise(frequencies=(50.0,), deviation=0.0, amplitude=(0.1, 0.1), harmonics=5, p=1.0)
    height = np.abs(np.fft.rfft(hum(np.zeros((1, 1, 2500)), fs=250, generator=0)[0, 0]))
    assert sorted(np.flatnonzero(height > 1e-2 * height.max())) == [500, 1000]
    with pytest.raises(ValueError, match=r"cannot add hum of up to 60.2 Hz at fs = 100 Hz; it needs fs above 120.4 Hz"):
        PowerlineNoise(p=1.0)(np.zeros((1, 1, 100)), fs=100)


# ---------------------------------------------------------------------------------------------- recorded noise


def test_recorded_noise_is_added_at_the_drawn_signal_to_noise_ratio(tmp_path):
    noise = np.cumsum(np.random.default_rng(1).normal(size=(2, 20_000)), axis=1) % 7
    np.save(tmp_path / "em.npy", noise)
    transform = RecordedNoise(path=str(tmp_path / "em.npy"), fs=100, snr=(6.0, 6.0), p=1.0)
    x = NOISE * np.arange(1, 41)[:, None, None] + 3
    added = transform(x, fs=100, generator=0) - x
    power = (x - x.mean(axis=-1, keepdims=True)).var(axis=(1, 2)) / added.var(axis=(1, 2))
    np.testing.assert_allclose(10 * np.log10(power), 6, atol=0.05)
    # each lead is a stretch of one channel, without its mean
    one = added[0, 0] / added[0, 0].std()
    best = max(np.abs(scipy_signal.correlate(c - c.mean(), one, "valid")).max() for c in noise) / 1000
    assert best > 0.9 * noise.std() * 0.5
    assert (transform(np.full((2, 3, 50), 1.5), fs=100, generator=0) == 1.5).all()


def test_recorded_noise_is_resampled_to_the_signal(tmp_path):
    tone = np.sin(2 * np.pi * 5 * np.arange(36_000) / 360)
    np.save(tmp_path / "tone.npy", tone)
    out = RecordedNoise(path=str(tmp_path / "tone.npy"), fs=360, snr=(0.0, 0.0), p=1.0)(NOISE[:3] * 1e-6, fs=100, generator=0)
    added = out - NOISE[:3] * 1e-6
    assert (np.abs(np.fft.rfft(added, axis=-1)).argmax(axis=-1) == 50).all()


def test_recorded_noise_is_read_by_any_reader(tmp_path):
    root = ecg_core.demo(tmp_path / "wfdb", records=2)
    transform = RecordedNoise(path=str(root), reader="wfdb", snr=(10.0, 10.0), p=1.0)
    added = transform(NOISE[:4, :, :500], fs=250, generator=0) - NOISE[:4, :, :500]
    assert (added.std(axis=-1) > 0).all()


def test_noise_that_does_not_fit_is_one_clear_error(tmp_path):
    np.save(tmp_path / "short.npy", np.ones(100))
    np.save(tmp_path / "bad.npy", np.full(100, np.nan))
    with pytest.raises(ValueError, match=r"short.npy holds 1 s of noise, a window is 10 s; use longer noise or shorter windows"):
        RecordedNoise(path=str(tmp_path / "short.npy"), fs=100)(NOISE, fs=100)
    with pytest.raises(ValueError, match=r"bad.npy must hold finite numbers \(channels, samples\), got shape \(100,\)"):
        RecordedNoise(path=str(tmp_path / "bad.npy"), fs=100)(NOISE, fs=100)
    with pytest.raises(ValueError, match=r"an .npy file does not know its sampling frequency: give fs=… \(Hz\), got None"):
        RecordedNoise(path="noise.npy")


# ---------------------------------------------------------------------------------------------- gain, leads


def test_gains_are_in_their_range_one_per_window_or_per_lead():
    x = np.ones((500, 3, 4))
    out = AmplitudeScale(scale=(0.5, 2.0), p=1.0)(x, generator=0)
    assert (out == out[:, :1, :1]).all()
    assert 0.5 <= out.min() < 0.52
    assert 1.98 < out.max() <= 2.0
    each = AmplitudeScale(scale=(0.5, 2.0), per_lead=True, p=1.0)(x, generator=0)
    assert (each == each[:, :, :1]).all()
    assert (np.ptp(each[:, :, 0], axis=1) > 0).all()


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_leads_are_flipped_at_the_rate_and_at_least_one(rate):
    out = RandomFlip(rate=rate, p=1.0)(np.ones((4000, 4, 2)), generator=0)[:, :, 0]
    assert set(np.unique(out)) <= {-1.0, 1.0}
    assert (out < 0).any(axis=1).all()
    assert abs((out < 0).mean() - (rate + (1 - rate) ** 4 / 4)) < 0.02
    assert (RandomFlip(per_lead=False, p=1.0)(np.ones((9, 4, 2)), generator=0) == -1).all()


def test_no_lead_keeps_its_place_and_none_is_lost():
    x = np.arange(12.0)[None, :, None].repeat(300, axis=0)
    out = LeadPermute(p=1.0)(x, generator=0)[:, :, 0]
    assert (np.sort(out, axis=1) == np.arange(12)).all()
    assert (out != np.arange(12)).all()
    assert len({tuple(row) for row in out}) > 290
    batch = Batch(x, 100, STANDARD_12)
    assert LeadPermute(p=1.0)(batch).leads == STANDARD_12


@pytest.mark.parametrize("per_lead", [False, True])
def test_mean_and_spread_come_out_in_their_ranges(per_lead):
    axis = -1 if per_lead else (1, 2)
    out = RandomRenormalize(mean=(-0.2, 0.1), std=(0.1, 0.3), per_lead=per_lead, p=1.0)(NOISE * 5 + 2, generator=0)
    assert -0.2 <= out.mean(axis=axis).min() < -0.15
    assert 0.05 < out.mean(axis=axis).max() <= 0.1
    assert 0.1 - 1e-6 <= out.std(axis=axis).min() < 0.13
    assert 0.27 < out.std(axis=axis).max() <= 0.3 + 1e-6


def test_a_magnitude_warp_is_smooth_bounded_and_the_same_in_all_leads():
    out = MagnitudeWarp(strength=(0.4, 0.4), waves=3, p=1.0)(np.ones((200, 3, 1000)), generator=0)
    assert (out == out[:, :1]).all()
    assert np.abs(out - 1).max() <= 0.4
    assert np.abs(np.diff(out)).max() <= 0.4 * 3 * np.pi / 999 + 1e-6
    assert np.abs(out - 1).max(axis=(1, 2)).min() > 0.05


# ---------------------------------------------------------------------------------------------- gaps


def test_gaps_have_their_lengths_and_each_lead_its_own():
    out = CutoutSegments(seconds=(0.05, 0.1), gaps=3, value=7.0, p=1.0)(np.zeros((100, 4, 1000)), fs=500, generator=0)
    gap = out == 7
    assert set(np.unique(out)) == {0.0, 7.0}  # a value is written, not multiplied
    edges = np.diff(np.pad(gap, ((0, 0), (0, 0), (1, 1))).astype(int), axis=-1)
    assert (edges == 1).sum(axis=-1).max() == 3
    assert gap.sum(axis=-1).min() >= 25
    assert gap.sum(axis=-1).max() <= 150
    assert (gap[:, 0] != gap[:, 1]).any(axis=-1).all()
    shared = CutoutSegments(per_lead=False, p=1.0)(np.ones((9, 4, 1000)), fs=500, generator=0)
    assert (shared == shared[:, :1]).all()


@pytest.mark.parametrize("stretches", [1, 4])
def test_masks_are_placed_around_critical_points(stretches):
    peaks = np.tile(np.array([[50, 300, -1, 700]]), (200, 1))
    peaks[0] = -1
    masking = RandomMasking(seconds=(0.2, 0.3), stretches=stretches, value=0.5, around="r_peaks", p=1.0)
    out = masking(Batch(np.full((200, 2, 1000), 4.0), 100, ("I", "II"), annotations={"r_peaks": peaks})).signal
    assert set(np.unique(out)) == {0.5, 4.0}
    masked = out[:, 0] == 0.5
    assert not masked[0].any()  # no critical point, no mask
    covered = masked[:, [50, 300, 700]]
    assert covered[1:].any(axis=1).all()
    assert (covered.mean(axis=0) > 0.25).all()
    far = np.abs(np.arange(1000)[:, None] - [50, 300, 700]).min(axis=1) > 31
    assert not masked[:, far].any()
    record = Record(np.full((1, 1000), 4.0, np.float32), 100, ("I",), "r", annotations={"r_peaks": np.array([500])})
    assert masking(record, generator=0).signal[0, 500] == 0.5


def test_masking_around_positions_that_nobody_gave_is_one_clear_error():
    masking = RandomMasking(around="r_peaks")
    with pytest.raises(ValueError, match=r"needs a Record or a Batch annotated with 'r_peaks'; its annotations: none"):
        masking(NOISE, fs=100)
    with pytest.raises(ValueError, match="its annotations: t_peaks"):
        masking(Record(np.ones((1, 9), np.float32), 100, ("I",), "r", annotations={"t_peaks": np.array([1])}))


def test_masks_in_seconds_fit_any_window():
    out = RandomMasking(seconds=(0.5, 0.5), p=1.0)(np.ones((5, 1, 20)), fs=100, generator=0)  # torch_ecg raises
    assert (out == 0).all()
    with pytest.raises(ValueError, match="needs the sampling frequency"):
        RandomMasking(seconds=(0.5, 0.5))(np.ones((5, 1, 20)))


# ---------------------------------------------------------------------------------------------- spectra


def test_a_band_is_gone_and_the_rest_is_there():
    time = np.arange(5000) / 500
    x = np.stack([np.sin(2 * np.pi * f * time) for f in (5, 20, 35)])[None]
    out = Bandstop(frequency=(20.0, 20.0), width=(4.0, 4.0), p=1.0)(x, fs=500, generator=0)[0, :, 500:-500]
    assert np.abs(out[1]).max() < 0.02
    assert np.abs(out[[0, 2]] - x[0, [0, 2], 500:-500]).max() < 0.02


@pytest.mark.parametrize("n", [500, 501])
@pytest.mark.parametrize("shared", [True, False])
def test_a_surrogate_has_the_same_spectrum_and_other_phases(n, shared):
    x = NOISE[:5, :3, :n] + 1
    out = SpectralPhaseSurrogate(strength=(1.0, 1.0), shared=shared, p=1.0)(x, generator=0)
    before, after = (np.fft.rfft(v, axis=-1) for v in (x, out))
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-5)
    turn = np.angle(after / before)[:, :, 1:-1]
    assert np.abs(turn).max() > 3
    assert (np.abs(np.angle(np.exp(1j * (turn[:, 0] - turn[:, 1])))).max() < 1e-4) == shared


# ---------------------------------------------------------------------------------------------- vectorcardiogram


def test_a_rotation_turns_the_dipole_and_keeps_einthoven_and_what_no_dipole_explains():
    eight = np.random.default_rng(2).normal(size=(6, 8, 300))
    one, two = eight[:, 0], eight[:, 1]
    limb = np.stack([two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1)
    x = np.concatenate([eight[:, :2], limb, eight[:, 2:]], axis=1)
    out = VCGRotation(degrees=(10.0, 30.0), p=1.0)(Batch(x, 100, STANDARD_12)).signal
    np.testing.assert_allclose(out[:, 2], out[:, 1] - out[:, 0], atol=1e-6)
    np.testing.assert_allclose(out[:, 3] + out[:, 4] + out[:, 5], 0, atol=1e-6)
    forward, backward = projection(STANDARD_12)
    dipole = (backward @ x, backward @ out)
    np.testing.assert_allclose(*(np.linalg.norm(d, axis=1) for d in dipole), rtol=1e-5)  # a rotation keeps lengths
    assert np.abs(dipole[0] - dipole[1]).max() > 0.1
    np.testing.assert_allclose(out - forward @ dipole[1], x - forward @ dipole[0], atol=1e-6)


def test_no_rotation_is_no_change_and_lead_order_does_not_matter():
    none = VCGRotation(degrees=(0.0, 0.0), leads=STANDARD_12, p=1.0)
    assert np.array_equal(none(NOISE, generator=0), NOISE)
    some, order = VCGRotation(p=1.0), np.random.default_rng(0).permutation(12)
    names = tuple(STANDARD_12[i] for i in order)
    x = NOISE[:3]
    shuffled = some(np.ascontiguousarray(x[:, order]), leads=names, generator=4)
    np.testing.assert_allclose(shuffled, some(x, leads=STANDARD_12, generator=4)[:, order], atol=1e-6)


def test_a_rotation_without_the_leads_it_needs_is_one_clear_error():
    with pytest.raises(ValueError, match="VCGRotation needs the names of the leads"):
        VCGRotation()(NOISE)
    with pytest.raises(DataError, match="takes the 12 leads, or the 8 independent among them; the signal is without II, V2,"):
        VCGRotation()(NOISE[:, :2], leads=("I", "V1"))
    with pytest.raises(DataError, match="the signal has V7, which no matrix projects"):
        VCGRotation()(NOISE[:, :9], leads=("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "V7"))
    with pytest.raises(DataError, match="12 lead names for a signal of 3 leads"):
        VCGRotation(leads=STANDARD_12)(NOISE[:, :3])


# ---------------------------------------------------------------------------------------------- rand_augment


def test_each_window_gets_n_transforms_of_the_list_with_equal_chances():
    parts = [AmplitudeScale(scale=(s, s)) for s in (2.0, 3.0, 5.0)]
    out = RandAugment(transforms=parts, n=2, magnitude=1.0)(np.ones((9000, 1, 1)), generator=0).ravel()
    products, counts = np.unique(out, return_counts=True)
    assert products.tolist() == [4, 6, 9, 10, 15, 25]
    expected = np.array([1, 2, 1, 2, 2, 1]) * 1000
    assert ((counts - expected) ** 2 / expected).sum() < 20.5  # 99.9 % of chi-squared with 5 degrees of freedom


def test_magnitude_goes_from_no_effect_to_the_given_strength():
    given = AmplitudeScale(scale=(0.5, 3.0), p=0.1)
    assert scaled(given, 0.0).scale == (1.0, 1.0)
    assert scaled(given, 0.5).scale == (0.75, 2.0)
    assert scaled(given, 1.0).scale == given.scale
    assert scaled(given, 0.5).p == 1.0
    assert scaled(BaselineWander(amplitude=(0.0, 0.4)), 0.25).amplitude == (0.0, 0.1)
    still = RandAugment(transforms=["amplitude_scale", "magnitude_warp"], magnitude=0.0)(NOISE, generator=0)
    assert np.array_equal(still, NOISE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"transforms": ["normalize"]}, "RandAugment takes random transforms of single windows, Normalize is none"),
        ({"transforms": [CutMix()]}, "CutMix is none"),
        ({"transforms": "random_flip"}, "RandAugment takes a list of transforms, got 'random_flip'"),
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"magnitude": 2}, "magnitude must be between 0 and 1, got 2"),
    ],
)
def test_what_rand_augment_cannot_take_is_one_clear_error(arguments, said):
    with pytest.raises((ConfigError, ValueError), match=said):
        RandAugment(**arguments)


def test_rand_augment_needs_transforms_that_keep_the_length():
    with pytest.raises(ConfigError, match="RandAugment needs transforms that keep the length; RandomCrop does not"):
        RandAugment(transforms=[{"name": "random_crop", "seconds": 1.0}])(NOISE, fs=100)


def test_rand_augment_gives_a_window_the_same_alone_and_in_a_batch():
    augment, draws = RandAugment(n=2), Draws.seeded(1, windows=8)
    whole = augment(NOISE[:8], fs=100, generator=draws)
    each = [augment(NOISE[i : i + 1], fs=100, generator=draws.subset(slice(i, i + 1))) for i in range(8)]
    np.testing.assert_allclose(whole, np.concatenate(each), atol=1e-12)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RandomMasking(stretches=0), "stretches must be at least 1, got 0"),
        (lambda: RandomMasking(seconds=(1, 0)), "seconds must be"),
        (lambda: CutoutSegments(gaps=0), "gaps must be at least 1, got 0"),
        (lambda: RandomFlip(rate=2), "rate must be a probability between 0 and 1, got 2"),
        (lambda: MagnitudeWarp(waves=0), "waves must be at least 1, got 0"),
        (lambda: PowerlineNoise(frequencies=()), r"frequencies must be one or more numbers of Hz above 0, got \(\)"),
        (lambda: PowerlineNoise(deviation=55), "deviation must be at least 0 and below the mains frequency, got 55"),
        (lambda: PowerlineNoise(harmonics=0), "harmonics must be at least 1, got 0"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(make, said):
    with pytest.raises(ValueError, match=said):
        make()
