"""Laws of every augmentation of this package: what it draws depends on the record alone, and p says how often."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_core.contracts.mixing import MixingTransform
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.discovery.registries import TRANSFORMS
from ecg_core.testing.toy import toy_batch
from ecg_preproc.augment.recorded_noise import RecordedNoise

FS, WINDOWS = 250.0, 12
ARGUMENTS = {
    "random_crop": {"seconds": 1.0},
    "recorded_noise": RecordedNoise.conformance_params()["arguments"],
}
NAMES = [
    name for name in TRANSFORMS.names()
    if isinstance(TRANSFORMS.get(name), type) and issubclass(TRANSFORMS.get(name), RandomTransform)
    and TRANSFORMS.get(name).__module__.startswith("ecg_preproc.augment")
]  # fmt: skip
KINDS = {name: TRANSFORMS.get(name) for name in NAMES}
SINGLE = [name for name, kind in KINDS.items() if not issubclass(kind, MixingTransform)]
WITH_P = [name for name, kind in KINDS.items() if "p" in inspect.signature(kind).parameters]
SIGNAL = [name for name, kind in KINDS.items() if not kind.targets_only]


def build(name, **more):
    return TRANSFORMS.build({"name": name, **ARGUMENTS.get(name, {}), **more})


def batch(seed=0, epoch=0, **more):
    rng = np.random.default_rng(1)
    steps = rng.random((WINDOWS, 3, 500)).astype(np.float32)
    keys = rng.integers(-(2**62), 2**62, WINDOWS)
    marks = {"r": rng.integers(0, 500, (WINDOWS, 3))}
    mask = rng.random((WINDOWS, 500)) < 0.9
    toy = toy_batch(WINDOWS, 12, 500, fs=FS, classes=4, torch=False)
    facts = {"record_keys": keys, "step_targets": steps, "mask": mask, "annotations": marks}
    return replace(toy, seed=seed, epoch=epoch, **{**facts, **more})


def same(a, b, rows=slice(None)):
    """Whether everything is equal; positions may be followed by empty columns."""
    fields = ("signal", "targets", "step_targets", "mask")
    return all(np.array_equal(getattr(a, f), getattr(b, f)[rows]) for f in fields) and all(
        np.array_equal(v, b.annotations[k][rows]) for k, v in a.annotations.items()
    )


def test_all_of_them_are_here():
    assert len(NAMES) == 23


@pytest.mark.parametrize("name", WITH_P)
def test_p_0_is_the_identity_of_everything_and_p_1_hits_every_window(name):
    given = batch()
    assert same(build(name, p=0.0)(given), given)
    if name in SIGNAL:
        assert (build(name, p=1.0)(given).signal != given.signal).any(axis=(1, 2)).all()
    else:
        assert (build(name, p=1.0)(given).targets != given.targets).any(axis=1).all()


@pytest.mark.parametrize("name", SINGLE)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_record_is_augmented_alike_in_any_batch_at_any_place_after_any_resume(name, data):
    order = data.draw(st.permutations(range(WINDOWS)))
    count, seed, epoch = data.draw(st.integers(1, WINDOWS)), data.draw(st.integers(0, 2**50)), data.draw(st.integers(0, 99))
    rows, transform, whole = np.array(order[:count]), build(name), batch(seed, epoch)
    part = replace(
        whole, record_ids=tuple(whole.record_ids[i] for i in rows), annotations={"r": whole.annotations["r"][rows]},
        patient=None, segment=None,
        **{f: getattr(whole, f)[rows] for f in ("signal", "record_keys", "targets", "step_targets", "mask")},
    )  # fmt: skip
    some, every = transform(part), transform(whole)
    np.testing.assert_allclose(some.signal, every.signal[rows], atol=1e-5)
    aside = replace(some, signal=every.signal[rows])  # matrix products differ in the last bit by the size of the batch
    assert same(aside, every, rows)


@pytest.mark.parametrize("name", NAMES)
def test_epochs_and_seeds_differ(name):
    transform = build(name)
    first = transform(batch())
    assert same(first, transform(batch()))
    assert not same(transform(batch(epoch=1)), first)
    assert not same(transform(batch(seed=1)), first)


@pytest.mark.parametrize("name", NAMES)
def test_mixing_and_single_augmentations_do_not_mind_the_order_of_the_batch(name):
    whole = batch()
    rows = np.random.default_rng(3).permutation(WINDOWS)
    shuffled = replace(
        whole, record_ids=(), patient=None, segment=None, annotations={"r": whole.annotations["r"][rows]},
        **{f: getattr(whole, f)[rows] for f in ("signal", "record_keys", "targets", "step_targets", "mask")},
    )  # fmt: skip
    out, expected = build(name)(shuffled), build(name)(whole)
    np.testing.assert_allclose(out.signal, expected.signal[rows], atol=1e-5)
    assert same(replace(out, signal=expected.signal[rows]), expected, rows)


class _Windows:
    """A data set that augments each window where it is loaded."""

    def __init__(self, transforms, epoch):
        self.batch, self.transforms, self.epoch = batch(epoch=epoch), transforms, epoch

    def __len__(self):
        return WINDOWS

    def __getitem__(self, i):
        one = replace(
            self.batch, signal=self.batch.signal[i : i + 1], record_keys=self.batch.record_keys[i : i + 1], record_ids=(),
            targets=None, step_targets=None, patient=None, segment=None, mask=None, annotations={},
        )  # fmt: skip
        return np.concatenate([t(one).signal.ravel()[:50] for t in self.transforms])


def test_zero_one_and_two_workers_give_the_same_and_epochs_differ():
    data = pytest.importorskip("torch.utils.data")
    transforms = [build(name) for name in SINGLE if name in SIGNAL]
    loaded = {}
    for workers, epoch in ((0, 0), (1, 0), (2, 0), (2, 1)):
        rows = data.DataLoader(_Windows(transforms, epoch), batch_size=5, num_workers=workers)
        loaded[workers, epoch] = np.concatenate([b.numpy() for b in rows])
    assert np.array_equal(loaded[0, 0], loaded[1, 0])
    assert np.array_equal(loaded[0, 0], loaded[2, 0])
    assert not np.array_equal(loaded[2, 0], loaded[2, 1])


@pytest.mark.parametrize("name", SIGNAL)
def test_numpy_and_torch_agree_to_1e_6(name):
    pytest.importorskip("torch")
    transform, given = build(name), batch(signal=batch().signal.astype(np.float64))
    here, there = transform(given), transform(given.to("cpu"))
    np.testing.assert_allclose(there.signal.numpy(), here.signal, atol=2e-6)
    for field in ("targets", "step_targets", "mask"):
        np.testing.assert_allclose(getattr(there, field).numpy(), getattr(here, field), atol=1e-6)
    assert np.array_equal(there.annotations["r"].numpy(), here.annotations["r"])
