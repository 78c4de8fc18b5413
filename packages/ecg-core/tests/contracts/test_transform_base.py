"""Transform and RandomTransform: what stands around the mathematics, with toy transforms of a known answer."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ecg_core.contracts.draws import Draws, record_key
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_core.errors import DataError


class Double(Transform):
    """Twice the signal."""

    def apply(self, x, *, fs, **drawn):
        assert x.ndim == 3
        assert x.dtype.itemsize >= 4
        return x * 2


class EverySecond(Transform):
    """Every second sample."""

    needs_fs = True

    def output_fs(self, fs):
        return fs / 2

    def output_length(self, n_samples, fs):
        return -(-n_samples // 2)

    def move(self, positions, *, fs, samples, **drawn):
        return positions // 2

    def move_mask(self, mask, *, fs, **drawn):
        return mask[:, ::2]

    def apply(self, x, *, fs, **drawn):
        return x[..., ::2] + 0


class Shift(RandomTransform):
    """Adds one number per window."""

    def __init__(self, *, p=1.0):
        self.p = probability(p)

    def draw(self, shape, generator):
        return {"offset": generator.uniform(1.0, 2.0)}

    def apply(self, x, *, fs, offset):
        return x + offset[:, None, None]


def ramp(*shape, dtype=np.float32):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 1, 3), (0,), (0, 2)])
def test_any_leading_dimensions_come_back(leading):
    x = ramp(*leading, 2, 5)
    assert np.array_equal(Double()(x), x * 2)
    assert Shift()(x, generator=0).shape == x.shape


@pytest.mark.parametrize("given", [np.float16, np.float32, np.float64, np.int16, np.uint8, np.int64, np.bool_, ">f4", ">i2"])
def test_number_types_are_kept_and_integers_become_float32(given):
    x = ramp(2, 3).astype(given)
    out = Double()(x)
    assert out.dtype == (x.dtype if x.dtype.kind == "f" else np.float32)
    assert np.array_equal(out.astype(np.float64), x.astype(np.float64) * 2)


def test_bfloat16_and_half_are_computed_in_float32_and_given_back_as_they_came():
    torch = pytest.importorskip("torch")
    for given in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        out = Double()(torch.arange(6, dtype=given).reshape(2, 3))
        assert out.dtype == given
        assert out.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert Double()(torch.arange(6).reshape(2, 3)).dtype == torch.float32


@pytest.mark.parametrize(
    ("x", "error", "said"),
    [
        (np.zeros(5), DataError, r"expected \(..., leads, samples\), got shape \(5,\)"),
        (np.zeros((2, 0)), DataError, r"at least one lead and one sample, got shape \(2, 0\)"),
        (np.zeros((3, 0, 5)), DataError, r"at least one lead and one sample, got shape \(3, 0, 5\)"),
        (np.zeros((2, 5), complex), TypeError, "expected a signal of real numbers, got complex128"),
        (np.zeros((2, 5), object), TypeError, "expected a signal of real numbers, got object"),
        (np.full((2, 5), "1"), TypeError, "expected a signal of real numbers, got <U1"),
        ([[1.0, 2.0]], TypeError, "expected an array, a tensor, a Record or a Batch, got list"),
        (None, TypeError, "expected an array, a tensor, a Record or a Batch, got NoneType"),
    ],
)
def test_what_is_no_signal_is_one_clear_error(x, error, said):
    with pytest.raises(error, match=said):
        Double()(x)


@pytest.mark.parametrize("fs", [0, -250, float("nan"), float("inf")])
def test_a_sampling_frequency_is_positive_and_finite(fs):
    with pytest.raises(ValueError, match="fs must be a positive number of Hz, got"):
        Double()(ramp(2, 5), fs=fs)


def test_a_missing_sampling_frequency_is_asked_for_by_name():
    with pytest.raises(ValueError, match=r"EverySecond needs the sampling frequency: call it with fs=… \(Hz\)"):
        EverySecond()(ramp(2, 5))


@pytest.mark.parametrize("kind", [Record, Batch])
def test_a_record_or_batch_knows_its_own_sampling_frequency(kind):
    x = Record(ramp(1, 4), 100, ("I",)) if kind is Record else Batch(ramp(2, 1, 4), 100, ("I",))
    assert np.array_equal(EverySecond()(x, fs=100).signal, x.signal[..., ::2])
    with pytest.raises(ValueError, match=rf"a {kind.__name__} knows its fs \(100 Hz\); leave out fs=250"):
        EverySecond()(x, fs=250)


def test_the_input_is_never_touched_even_when_it_cannot_be_written():
    x = ramp(2, 3, 4)
    x.setflags(write=False)
    for transform in (Double(), EverySecond(), Shift(), Shift(p=0.5)):
        transform(x, fs=100, generator=1)
    assert np.array_equal(x, ramp(2, 3, 4))


@pytest.mark.parametrize("view", [np.asfortranarray, lambda x: x[::-1], lambda x: x[..., ::2], lambda x: x.swapaxes(0, 1)])
def test_the_layout_in_memory_does_not_matter(view):
    x = view(ramp(4, 2, 6))
    assert np.array_equal(Double()(x), np.ascontiguousarray(x) * 2)


def test_annotations_and_masks_move_with_the_signal_and_leave_with_it():
    record = Record(ramp(1, 9), 100, ("I",), "r", annotations={"r_peaks": np.array([0, 4, 8]), "none": np.array([], int)})
    out = EverySecond()(record)
    assert (out.fs, out.n_samples) == (50, 5)
    assert out.annotations["r_peaks"].tolist() == [0, 2, 4]
    assert out.annotations["none"].tolist() == []
    assert record.annotations["r_peaks"].tolist() == [0, 4, 8]
    batch = EverySecond()(Batch(ramp(1, 1, 4), 100, ("I",), mask=np.array([[True, False, False, True]])))
    assert batch.mask.tolist() == [[True, False]]
    assert batch.fs == 50


def test_annotations_past_the_new_end_are_dropped_the_last_sample_is_not():
    class FirstHalf(Transform):
        """The first half of the signal."""

        def output_length(self, n_samples, fs):
            return n_samples // 2

        def apply(self, x, *, fs, **drawn):
            return x[..., : x.shape[-1] // 2] + 0

    out = FirstHalf()(Record(ramp(1, 10), 100, ("I",), annotations={"r_peaks": np.array([0, 4, 5, 9])}))
    assert out.annotations["r_peaks"].tolist() == [0, 4]


def test_facts_that_do_not_move_stay():
    facts = {"record_id": "r", "patient_id": "p", "age": 50.0, "sex": "F", "labels": {"dx": ("AF",)}, "source": "here"}
    out = Double()(Record(ramp(1, 4), 100, ("I",), **facts))
    assert {name: getattr(out, name) for name in facts} == facts


def test_draws_of_a_batch_follow_seed_epoch_and_record_and_nothing_else():
    keys = np.array([record_key(f"r{i}") for i in range(6)])
    whole = Batch(np.zeros((6, 1, 2), np.float32), 100, ("I",), record_keys=keys, seed=3, epoch=2)
    part = Batch(np.zeros((2, 1, 2), np.float32), 100, ("I",), record_keys=keys[[4, 1]], seed=3, epoch=2)
    assert np.array_equal(Shift()(whole).signal[[4, 1]], Shift()(part).signal)
    later = Batch(whole.signal, 100, ("I",), record_keys=keys, seed=3, epoch=3)
    assert not np.isclose(Shift()(whole).signal, Shift()(later).signal).any()


def test_a_record_is_drawn_by_its_name():
    def offset(name):
        return Shift()(Record(np.zeros((1, 2), np.float32), 100, ("I",), name), generator=7).signal[0, 0]

    assert offset("a") == offset("a") != offset("b")


def test_the_probability_decides_per_window():
    x = np.zeros((4000, 1, 1), np.float32)
    out = Shift(p=0.25)(x, generator=0)[:, 0, 0]
    assert set(out[out < 1]) == {0.0}
    assert abs((out >= 1).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    assert np.array_equal(out[out >= 1], Shift(p=1.0)(x, generator=0)[:, 0, 0][out >= 1])


def test_windows_that_are_not_hit_keep_their_bits():
    x = np.array([[[0.1, -0.0, np.float32(1e-40), 3e38]]], np.float32).repeat(50, axis=0)
    out = Shift(p=0.0)(x, generator=0)
    assert out.tobytes() == x.tobytes()


def test_without_a_generator_every_call_differs():
    x = np.zeros((1, 1, 1), np.float32)
    assert Shift()(x) != Shift()(x)


def test_a_wrong_generator_is_one_clear_error():
    with pytest.raises(ValueError, match="the generator has draws for 3 windows, the signal has 2"):
        Shift()(ramp(2, 1, 4), generator=Draws.seeded(0, windows=3))
    with pytest.raises(TypeError, match="generator must be Draws, an integer seed or None, got str"):
        Shift()(ramp(2, 1, 4), generator="0")


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_probability_is_between_zero_and_one(p):
    with pytest.raises(ValueError, match="p must be a probability between 0 and 1, got"):
        Shift(p=p)


def test_gradients_pass_hit_and_spared_windows():
    torch = pytest.importorskip("torch")
    x = torch.zeros(20, 1, 2, requires_grad=True)
    Shift(p=0.5)(x, generator=0).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_as_a_module_it_does_the_same():
    torch = pytest.importorskip("torch")
    x = torch.arange(8.0).reshape(1, 2, 4)
    module = EverySecond().as_module(fs=100)
    assert torch.equal(module(x), x[..., ::2])
    assert list(module.parameters()) == []


def test_it_prints_the_call_that_makes_it_and_survives_pickling():
    assert repr(Shift(p=0.5)) == "Shift(p=0.5)"
    assert repr(pickle.loads(pickle.dumps(Shift(p=0.5)))) == "Shift(p=0.5)"
