"""MixingTransform: partners, and that signal, labels, step targets, masks and positions are mixed alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecg_core.contracts.arrays import asarray_like
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.mixing import MixingTransform, partners
from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_core.errors import DataError

LEADS = ("I", "II")


class Cut(MixingTransform):
    """Own until a drawn sample, then the partner's."""

    def __init__(self, *, n_classes=None, p=1.0):
        self.n_classes, self.p = n_classes, p

    def draw(self, shape, generator):
        return {"kept": generator.integers(shape[2] - 1) + 1}

    def share(self, samples, **drawn):
        return asarray_like(np.arange(samples), drawn["kept"])[None] < drawn["kept"][:, None]


class Blend(Cut):
    """A weighted sum."""

    def draw(self, shape, generator):
        return {"kept": generator.uniform(0.1, 0.9)}

    def share(self, samples, **drawn):
        return drawn["kept"][:, None]


def batch(windows=9, samples=40, **more):
    """Windows whose every sample says which window and which sample it is."""
    signal = (np.arange(windows)[:, None, None] * 1000.0 + np.arange(samples)).repeat(2, axis=1)
    keys = np.random.default_rng(5).integers(-(2**62), 2**62, windows)
    return Batch(signal, 100, LEADS, record_keys=keys, seed=1, **more)


def test_partners_are_a_permutation_without_fixed_points_whatever_the_order():
    keys = np.random.default_rng(0).integers(-(2**62), 2**62, 50)
    found = partners(Draws.seeded(3, records=keys))
    assert sorted(found.tolist()) == list(range(50))
    assert (found != np.arange(50)).all()
    order = np.random.default_rng(1).permutation(50)
    shuffled = partners(Draws.seeded(3, records=keys[order]))
    assert (keys[order][shuffled] == keys[found][order]).all()
    assert (partners(Draws.seeded(4, records=keys)) != found).any()
    assert partners(Draws.seeded(3, windows=1)).tolist() == [0]


def test_step_targets_mask_and_positions_follow_every_sample_of_a_cut():
    given = batch(mask=np.random.default_rng(2).random((9, 40)) < 0.5, annotations={"r": np.array([[3, 20, -1, 36]] * 9)})
    steps = given.signal[:, 0].astype(np.int64)  # class numbers that name window and sample
    given = replace(given, step_targets=steps)
    out = Cut()(given)
    assert np.array_equal(out.step_targets, out.signal[:, 0].astype(np.int64))
    source = out.signal[:, 0].astype(int) // 1000
    assert np.array_equal(out.mask, given.mask[source, np.arange(40)])
    for row, positions in enumerate(out.annotations["r"]):
        assert positions[positions >= 0].tolist() == [3, 20, 36]  # the same places in both, so all are still there once
        assert (source[row] == row).sum() < 40
    assert out.annotations["r"].shape == (9, 8)


def test_the_weight_of_the_own_label_is_the_share_of_own_samples_exactly():
    out = Cut(n_classes=9)(batch(targets=np.arange(9)))
    own = (out.signal[:, 0].astype(int) // 1000 == np.arange(9)[:, None]).sum(axis=1)
    assert (out.targets.sum(axis=1) == 1).all()
    assert np.array_equal(np.diag(out.targets), own.astype(np.float32) / np.float32(40))


def test_a_blend_weighs_signal_labels_and_step_targets_alike_and_shows_both_windows_peaks():
    shares = np.random.default_rng(0).random((9, 3))
    steps = np.arange(9)[:, None].repeat(40, axis=1)
    mask = np.ones((9, 40), bool)
    mask[4, 7] = False
    peaks = {"r": np.arange(9)[:, None] * 2 + 1}
    out = Blend(n_classes=9)(batch(targets=shares, step_targets=steps, mask=mask, annotations=peaks))
    weight = out.step_targets[:, :, 0]
    assert np.count_nonzero(weight, axis=1).tolist() == [2] * 9
    np.testing.assert_allclose(out.targets, weight @ shares, rtol=1e-6)
    np.testing.assert_allclose(out.signal[:, 0, 0], weight @ (1000.0 * np.arange(9)), rtol=1e-5)
    both = [sorted(np.flatnonzero(w) * 2 + 1) for w in weight]
    assert out.annotations["r"].tolist() == both
    assert (~out.mask).sum(axis=1).tolist() == (weight[:, 4] > 0).astype(int).tolist()  # unmeasured in either is unmeasured


def test_arrays_and_their_targets_are_mixed_without_a_batch():
    x, y = batch().signal, np.eye(9)
    out = Cut().mix(x, y, generator=7)
    assert np.array_equal(out.signal, Cut()(x, generator=7))
    own = (out.signal[:, 0].astype(int) // 1000 == np.arange(9)[:, None]).mean(axis=1)
    np.testing.assert_allclose(np.diag(out.targets), own, rtol=1e-6)
    assert out.step_targets is None
    with pytest.raises(DataError, match=r"mix\(\) takes \(batch, leads, samples\), got \(2, 40\)"):
        Cut().mix(x[0])


@pytest.mark.parametrize("mixing", [Cut(n_classes=9), Blend(n_classes=9)], ids=["cut", "blend"])
def test_numpy_and_torch_mix_the_same(mixing):
    pytest.importorskip("torch")
    given = batch(
        targets=np.arange(9), step_targets=np.arange(9)[:, None].repeat(40, axis=1), mask=np.ones((9, 40), bool),
        annotations={"r": np.arange(18).reshape(9, 2)},
    )  # fmt: skip
    here, there = mixing(given), mixing(given.to("cpu"))
    for name in ("signal", "targets", "step_targets", "mask"):
        np.testing.assert_allclose(getattr(there, name).numpy(), getattr(here, name), rtol=1e-6)
    assert np.array_equal(there.annotations["r"].numpy(), here.annotations["r"])


def test_without_a_partner_or_with_p_0_nothing_changes():
    single = batch(1, targets=np.eye(1, 3))
    out = Cut()(single)
    assert np.array_equal(out.signal, single.signal)
    assert np.array_equal(out.targets, single.targets)
    record = Record(np.ones((2, 9), np.float32), 100, LEADS, record_id="r")
    assert np.array_equal(Cut()(record).signal, record.signal)
    given = batch(targets=np.arange(9))
    assert Cut(p=0.0)(given) is given


def test_a_window_that_is_not_hit_keeps_its_samples_though_its_partner_is_damaged():
    given = batch(40)
    given.signal[::2] = np.nan
    out = Blend(p=0.5)(given).signal
    kept = [row for row in range(1, 40, 2) if np.array_equal(out[row], given.signal[row])]
    assert 5 < len(kept) < 20


@pytest.mark.parametrize("field", ["targets", "step_targets"])
def test_class_numbers_without_their_count_are_one_clear_error(field):
    numbers = np.zeros(9, np.int64) if field == "targets" else np.zeros((9, 40), np.int64)
    with pytest.raises(ValueError, match="Blend makes soft targets of class numbers: give it n_classes="):
        Blend()(batch(**{field: numbers}))
