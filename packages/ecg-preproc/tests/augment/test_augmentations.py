"""The augmentations: what each does to a signal, and how often, against closed forms and statistics."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_preproc.augment.baseline_wander import BaselineWander, add_drift
from ecg_preproc.augment.gaussian_noise import GaussianNoise
from ecg_preproc.augment.lead_dropout import LeadDropout
from ecg_preproc.augment.random_crop import RandomCrop
from ecg_preproc.augment.random_masking import RandomMasking

MANY = 4000


def ones(windows=MANY, leads=3, samples=50, dtype=np.float32):
    return np.ones((windows, leads, samples), dtype)


# ---------------------------------------------------------------------------------------------- baseline wander


def test_a_drift_is_the_sum_of_its_sinusoids():
    x = np.zeros((2, 3, 1000))
    given = {
        "amplitude": np.array([[0.3, 0.1], [0.2, 0.0]]),
        "frequency": np.array([[0.25, 0.5], [0.1, 1.0]]),
        "phase": np.array([[0.0, 1.0], [2.0, 3.0]]),
    }
    out = add_drift(x, fs=100, **given)
    time = np.arange(1000) / 100
    expected = [
        0.3 * np.sin(2 * np.pi * 0.25 * time) + 0.1 * np.sin(2 * np.pi * 0.5 * time + 1.0),
        0.2 * np.sin(2 * np.pi * 0.1 * time + 2.0),
    ]
    for window, wave in zip(out, expected, strict=True):
        for lead in window:
            np.testing.assert_allclose(lead, wave, atol=1e-12)
    assert (x == 0).all()


def test_drift_is_the_same_in_all_leads_slow_and_within_its_amplitude():
    out = BaselineWander(amplitude=(0.1, 0.3), frequency=(0.05, 0.5), waves=3, p=1.0)(
        np.zeros((200, 12, 2500)), fs=250, generator=0
    )
    assert (out == out[:, :1]).all()
    assert np.abs(out).max() <= 3 * 0.3
    power = np.abs(np.fft.rfft(out[:, 0] * np.hanning(2500), axis=-1)) ** 2
    assert (power[:, np.fft.rfftfreq(2500, 1 / 250) > 1.0].sum(axis=1) < 1e-3 * power.sum(axis=1)).all()


def test_the_same_drift_is_drawn_at_every_sampling_frequency():
    wander = BaselineWander(p=1.0)
    slow, fast = (wander(np.zeros((4, 1, 10 * fs)), fs=fs, generator=3) for fs in (100, 500))
    np.testing.assert_allclose(fast[..., ::5], slow, atol=1e-5)


# ---------------------------------------------------------------------------------------------- masking


def test_one_contiguous_stretch_of_the_drawn_length_is_silent_in_all_leads():
    out = RandomMasking(ratio=(0.1, 0.4), p=1.0)(ones(samples=500), generator=0)
    assert set(np.unique(out)) == {0.0, 1.0}
    assert (out == out[:, :1]).all()
    silent = out[:, 0] == 0
    assert (np.abs(np.diff(silent.astype(int), axis=1)).sum(axis=1) <= 2).all()
    share = silent.mean(axis=1)
    assert share.min() >= 0.1 - 1 / 500
    assert share.max() <= 0.4 + 1 / 500
    assert abs(share.mean() - 0.25) < 4 * 0.3 / np.sqrt(12 * MANY) + 1 / 500


@pytest.mark.parametrize("ratio", [0.0, 0.25, 1.0])
def test_a_fixed_share_is_masked_to_one_sample(ratio):
    out = RandomMasking(ratio=(ratio, ratio), p=1.0)(ones(200, samples=400), generator=1)
    assert np.abs((out[:, 0] == 0).sum(axis=1) - ratio * 400).max() <= 1


def test_every_sample_of_the_middle_is_masked_equally_often():
    out = RandomMasking(ratio=(0.2, 0.2), p=1.0)(ones(20_000, 1, 100), generator=0)
    masked = (out[:, 0] == 0).mean(axis=0)
    # a stretch of 0.2 that starts uniformly in 0 … 0.8 covers a point of the middle with probability 0.2 / 0.8
    assert np.abs(masked[25:75] - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 20_000) + 0.01


def test_what_is_silenced_may_be_nan():
    x = np.full((1, 2, 100), np.nan)
    assert (RandomMasking(ratio=(1.0, 1.0), p=1.0)(x, generator=0) == 0).all()
    out = LeadDropout(rate=1.0, p=1.0)(x, generator=0)
    assert sorted(np.isnan(out[0]).all(axis=1).tolist()) == [False, True]


# ---------------------------------------------------------------------------------------------- lead dropout


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("leads", [1, 2, 12])
def test_leads_are_dropped_at_the_given_rate_and_never_all(rate, leads):
    out = LeadDropout(rate=rate, p=1.0)(ones(leads=leads, samples=2), generator=0)
    dropped = (out == 0).all(axis=2)
    assert ((out == 0).any(axis=2) == dropped).all()  # a lead falls off as a whole
    assert dropped.sum(axis=1).max() < leads
    # all would fall with probability rate^leads, and none with (1 - rate)^leads; then one is kept, or falls
    expected = rate - rate**leads / leads + (rate > 0) * (leads > 1) * (1 - rate) ** leads / leads
    if leads == 1:
        expected = 0.0
    assert abs(dropped.mean() - expected) <= 5 * np.sqrt(0.25 / (MANY * leads))


def test_the_lead_that_stays_is_any_of_them():
    out = LeadDropout(rate=1.0, p=1.0)(ones(6000, 6, 1), generator=0)
    kept = np.bincount(np.argmax(out[:, :, 0], axis=1), minlength=6)
    assert (out.sum(axis=(1, 2)) == 1).all()
    assert ((kept - 1000) ** 2 / 1000).sum() < 20.5  # 99.9 % of chi-squared with 5 degrees of freedom


# ---------------------------------------------------------------------------------------------- noise


def test_noise_has_the_given_standard_deviation_and_no_colour():
    out = GaussianNoise(std=(0.05, 0.05), p=1.0)(np.zeros((50, 12, 500), np.float32), generator=0).astype(np.float64)
    n = out.size
    assert out.std() == pytest.approx(0.05, rel=4 / np.sqrt(2 * n))
    assert abs(out.mean()) < 4 * 0.05 / np.sqrt(n)
    flat = out.reshape(-1, 500)
    assert abs(np.corrcoef(flat[:, :-1].ravel(), flat[:, 1:].ravel())[0, 1]) < 5 / np.sqrt(n)
    assert np.abs(np.corrcoef(out.transpose(1, 0, 2).reshape(12, -1)) - np.eye(12)).max() < 6 / np.sqrt(n / 12)


def test_each_window_has_a_level_of_its_own_in_the_range():
    out = GaussianNoise(std=(0.1, 0.3), p=1.0)(np.zeros((500, 2, 1000)), generator=0)
    level = out.std(axis=(1, 2))
    assert level.min() > 0.1 * 0.9
    assert level.max() < 0.3 * 1.1
    assert abs(level.mean() - 0.2) < 4 * 0.2 / np.sqrt(12 * 500) + 0.002


# ---------------------------------------------------------------------------------------------- crop


def test_a_crop_is_a_contiguous_slice_of_every_lead():
    x = np.arange(50 * 2 * 300).reshape(50, 2, 300).astype(np.float64)
    out = RandomCrop(seconds=0.5)(x, fs=200, generator=0)
    starts = (out[:, 0, 0] - x[:, 0, 0]).astype(int)
    for window, before, start in zip(out, x, starts, strict=True):
        assert np.array_equal(window, before[:, start : start + 100])


def test_every_start_is_equally_likely_the_first_and_last_included():
    out = RandomCrop(seconds=0.9)(np.tile(np.arange(100.0), (22_000, 1, 1)), fs=100, generator=0)
    counts = np.bincount(out[:, 0, 0].astype(int), minlength=11)
    assert len(counts) == 11
    assert ((counts - 2000) ** 2 / 2000).sum() < 29.6  # 99.9 % of chi-squared with 10 degrees of freedom


def test_annotations_and_masks_move_with_the_crop():
    peaks = np.arange(0, 1000, 50)
    signal = np.zeros((1, 1000), np.float32)
    signal[0, peaks] = 1
    for i in range(20):
        out = RandomCrop(seconds=2)(Record(signal, 100, ("I",), f"r{i}", annotations={"r_peaks": peaks}), generator=5)
        assert np.flatnonzero(out.signal[0]).tolist() == out.annotations["r_peaks"].tolist()
        assert len(out.annotations["r_peaks"]) == 4
    batch = Batch(np.tile(signal, (8, 1, 1)), 100, ("I",), mask=np.tile(signal > 0, (8, 1)))
    out = RandomCrop(seconds=2)(batch)
    assert np.array_equal(out.mask, out.signal[:, 0] > 0)


def test_the_whole_window_is_its_own_crop_and_more_is_one_clear_error():
    x = np.random.default_rng(0).normal(size=(2, 1, 100))
    assert np.array_equal(RandomCrop(seconds=1.0)(x, fs=100, generator=0), x)
    with pytest.raises(ValueError, match="cannot crop 2 s out of 1 s; crop less or use longer windows"):
        RandomCrop(seconds=2)(x, fs=100)


# ---------------------------------------------------------------------------------------------- all of them

ALL = [
    BaselineWander(p=0.5),
    RandomMasking(p=0.5),
    LeadDropout(rate=0.5, p=0.5),
    GaussianNoise(p=0.5),
    RandomCrop(seconds=0.5),
]


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: type(a).__name__)
def test_a_window_is_augmented_the_same_whatever_its_batch(augmentation):
    rng = np.random.default_rng(0)
    x, keys = rng.normal(size=(7, 3, 100)).astype(np.float32), rng.integers(-(2**62), 2**62, 7)
    whole = augmentation(Batch(x, 100, ("I", "II", "V1"), record_keys=keys, seed=2, epoch=1)).signal
    order = np.array([5, 0, 3])
    part = augmentation(Batch(x[order], 100, ("I", "II", "V1"), record_keys=keys[order], seed=2, epoch=1)).signal
    assert np.array_equal(whole[order], part)
    other = augmentation(Batch(x, 100, ("I", "II", "V1"), record_keys=keys, seed=2, epoch=2)).signal
    assert not np.array_equal(whole, other)


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int16"])
def test_torch_types_are_kept_and_follow_numpys_draws(augmentation, dtype):
    torch = pytest.importorskip("torch")
    x = (100 * np.random.default_rng(0).normal(size=(9, 3, 100))).astype(np.float32)
    given = torch.from_numpy(x).to(getattr(torch, dtype))
    out = augmentation(given, fs=100, generator=4)
    assert out.dtype == (torch.float32 if dtype == "int16" else given.dtype)
    expected = augmentation(given.to(torch.float64).numpy(), fs=100, generator=4)
    tolerance = {"float16": 0.2, "bfloat16": 2.0, "float64": 1e-4, "int16": 1e-4}[dtype]
    np.testing.assert_allclose(out.to(torch.float64).numpy(), expected, atol=tolerance)


@pytest.mark.parametrize("augmentation", ALL[:-1], ids=lambda a: type(a).__name__)
def test_half_of_the_windows_are_changed_at_p_one_half(augmentation):
    x = np.random.default_rng(0).normal(size=(1, 3, 100)).repeat(2000, axis=0)
    changed = (augmentation(x, fs=100, generator=0) != x).any(axis=(1, 2)).mean()
    assert abs(changed - 0.5) < 0.06


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GaussianNoise(std=0.05), r"std must be \(low, high\) with 0 ≤ low ≤ high, got 0.05"),
        (lambda: GaussianNoise(std=(0.2, 0.1)), r"std must be \(low, high\) with 0 ≤ low ≤ high, got \(0.2, 0.1\)"),
        (lambda: GaussianNoise(std=(0.1, float("nan"))), "std must be"),
        (lambda: GaussianNoise(p=1.5), "p must be a probability between 0 and 1, got 1.5"),
        (lambda: RandomMasking(ratio=(0.0, 1.5)), r"ratio must be \(low, high\) with 0 ≤ low ≤ high ≤ 1, got \(0.0, 1.5\)"),
        (lambda: BaselineWander(amplitude=(-1, 1)), r"amplitude must be \(low, high\) with 0 ≤ low ≤ high, got \(-1, 1\)"),
        (lambda: BaselineWander(frequency=(1,)), r"frequency must be \(low, high\)"),
        (lambda: BaselineWander(waves=0), "waves must be at least 1, got 0"),
        (lambda: LeadDropout(rate=-0.1), "rate must be a probability between 0 and 1, got -0.1"),
        (lambda: RandomCrop(seconds=0), "seconds must be positive, got 0"),
        (lambda: RandomCrop(seconds=float("nan")), "seconds must be positive, got nan"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(make, said):
    with pytest.raises(ValueError, match=said):
        make()
