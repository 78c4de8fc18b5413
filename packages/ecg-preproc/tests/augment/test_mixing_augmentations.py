"""CutMix, Mixup and LabelSmooth: the label says what the signal is made of, for every kind of target."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.data.batch import Batch
from ecg_preproc.augment.cutmix import CutMix
from ecg_preproc.augment.label_smooth import LabelSmooth
from ecg_preproc.augment.mixup import Mixup


def batch(windows, samples, **more):
    """Window i holds the number i + 1 at every sample of both leads."""
    signal = np.arange(1.0, windows + 1)[:, None, None] * np.ones((windows, 2, samples))
    keys = np.random.default_rng(windows).integers(-(2**62), 2**62, windows)
    return Batch(signal, 100, ("I", "II"), record_keys=keys, **more)


@settings(max_examples=40, deadline=None)
@given(windows=st.integers(2, 12), samples=st.integers(1, 300), alpha=st.floats(0.1, 5), seed=st.integers(0, 2**40))
def test_share_of_own_samples_is_the_weight_of_the_own_label_exactly(windows, samples, alpha, seed):
    out = CutMix(alpha=alpha, n_classes=windows, p=0.8)(batch(windows, samples, targets=np.arange(windows)), generator=seed)
    own = (out.signal[:, 0] == np.arange(1.0, windows + 1)[:, None]).sum(axis=1)
    assert np.array_equal(np.diag(out.targets), own.astype(np.float32) / np.float32(samples))
    for row in out.signal[:, 0]:  # one contiguous stretch, of one partner
        assert (np.diff(row) != 0).sum() <= 2
        assert len(set(row)) <= 2


@settings(max_examples=40, deadline=None)
@given(windows=st.integers(2, 12), seed=st.integers(0, 2**40))
def test_mixup_blends_signals_targets_and_step_targets_with_one_weight_per_window(windows, seed):
    steps = np.repeat(np.arange(windows)[:, None], 20, axis=1)
    given = batch(windows, 20, targets=np.eye(windows), step_targets=steps)
    out = Mixup(n_classes=windows, p=0.8)(given, generator=seed)
    level = np.arange(1.0, windows + 1)
    np.testing.assert_allclose(out.targets @ level, out.signal[:, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(out.step_targets.transpose(0, 2, 1), np.repeat(out.targets[:, None], 20, axis=1), atol=1e-6)
    np.testing.assert_allclose(out.targets.sum(axis=1), 1, rtol=1e-6)


def test_a_batch_has_many_weights_and_they_follow_the_beta_distribution():
    out = Mixup(alpha=0.5, p=1.0)(batch(2000, 2, targets=np.eye(2000, dtype=np.float32)))
    weights = np.diag(out.targets)
    assert len(np.unique(weights)) > 1900
    assert abs(weights.mean() - 0.5) < 0.04
    assert weights.var() == pytest.approx(0.125, rel=0.1)  # of the arcsine distribution
    cut = np.diag(CutMix(alpha=2.0, beta=6.0, p=1.0)(batch(2000, 400, targets=np.eye(2000, dtype=np.float32))).targets)
    assert abs(cut.mean() - 0.25) < 0.02


def test_every_place_of_a_window_is_cut():
    out = CutMix(p=1.0)(batch(3000, 50)).signal[:, 0]
    replaced = (out != np.arange(1.0, 3001)[:, None]).mean(axis=0)
    assert replaced.min() > 0.1


def test_a_segmentation_stays_hard_under_cutmix_and_both_peaks_are_kept_under_mixup():
    steps = np.random.default_rng(0).integers(0, 4, (6, 100))
    peaks = {"r_peaks": np.sort(np.random.default_rng(1).integers(0, 100, (6, 4)))}
    cut = CutMix(p=1.0)(batch(6, 100, step_targets=steps, annotations=peaks))
    source = cut.signal[:, 0].astype(int) - 1
    assert np.array_equal(cut.step_targets, steps[source, np.arange(100)])
    for row in range(6):
        expected = sorted(p for window in set(source[row]) for p in peaks["r_peaks"][window] if source[row, p] == window)
        assert [p for p in cut.annotations["r_peaks"][row] if p >= 0] == expected
    mixed = Mixup(p=1.0)(batch(6, 100, targets=np.eye(6), annotations=peaks))
    for row, weight in enumerate(mixed.targets):
        assert sorted(np.concatenate(peaks["r_peaks"][weight > 0])) == mixed.annotations["r_peaks"][row].tolist()


@pytest.mark.parametrize("mixing", [CutMix(p=1.0), Mixup(p=1.0)], ids=["cutmix", "mixup"])
def test_without_targets_the_signal_is_mixed_and_gradients_reach_both_windows(mixing):
    torch = pytest.importorskip("torch")
    x = torch.randn(4, 2, 50, dtype=torch.float64, requires_grad=True)
    out = mixing(x, generator=3)
    out.sum().backward()
    # every sample of the output comes from weights that sum to one, and every window is somebody's partner once
    assert x.grad.sum().item() == pytest.approx(out.numel())
    assert (x.grad.reshape(4, -1) != 0).any(dim=1).all()


def test_labels_are_smoothed_and_signals_are_left_alone():
    given = batch(400, 5, targets=np.arange(400) % 4, step_targets=np.tile(np.array([0, 1, 2, 3, 0]), (400, 1)))
    out = LabelSmooth(smoothing=0.2, n_classes=4, p=0.5)(given)
    assert out.signal is given.signal
    sure = (out.targets == np.eye(4)[given.targets]).all(axis=1)
    assert 150 < sure.sum() < 250
    np.testing.assert_allclose(out.targets[~sure], 0.8 * np.eye(4)[given.targets[~sure]] + 0.05, rtol=1e-6)
    assert np.allclose(out.step_targets.sum(axis=1), 1)
    assert ((out.step_targets.max(axis=(1, 2)) == 1) == sure).all()
    assert given.targets.tolist() == (np.arange(400) % 4).tolist()  # torch_ecg writes into the caller's labels
    soft = LabelSmooth(smoothing=0.3, p=1.0)(batch(2, 5, targets=np.array([[1, 0, 1], [0, 0, 0]])))  # integers are taken
    np.testing.assert_allclose(soft.targets, [[0.8, 0.1, 0.8], [0.1, 0.1, 0.1]], rtol=1e-6)
    assert LabelSmooth(p=0.0)(given) is given
    assert LabelSmooth(p=1.0)(batch(3, 5)).targets is None


@pytest.mark.parametrize("kind", [CutMix, Mixup, LabelSmooth])
def test_class_numbers_without_their_count_and_wrong_arguments_are_one_clear_error(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__} makes soft targets of class numbers: give it n_classes="):
        kind(p=1.0)(batch(3, 5, targets=np.arange(3)))
    with pytest.raises(ValueError, match="n_classes must be positive and finite, got 0"):
        kind(n_classes=0)
    if kind is LabelSmooth:
        with pytest.raises(ValueError, match=r"smoothing must be between 0 and 1, got 1.5"):
            kind(smoothing=1.5)
    else:
        with pytest.raises(ValueError, match="alpha must be positive and finite, got -1"):
            kind(alpha=-1)
