"""Fusing: neighbouring filters in one FFT pair give what each gives on the same circle, in whatever chain they stand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from ecg_chain_toys import Noise
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.contracts import spectral
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.fusing import fusible_length
from ecg_core.contracts.spectral import filtered
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_core.discovery.registries import TRANSFORMS

FS = 250.0


class Smooth(Transform):
    """Gaussian gain, one at 0 Hz."""

    needs_fs = True

    def __init__(self, *, width=20.0):
        self.width = width

    def frequency_response(self, frequencies, fs):
        return np.exp(-0.5 * (frequencies / self.width) ** 2)

    def reach(self, fs):
        return 1.0 / self.width

    def apply(self, x, *, fs, **drawn):
        return filtered(x, [self], fs=fs)


class Detrend(Smooth):
    """One minus a Gaussian gain."""

    def frequency_response(self, frequencies, fs):
        return 1 - super().frequency_response(frequencies, fs)


class Rate(Smooth):
    """Another rate, band-limited by a Gaussian."""

    def __init__(self, *, fs=125.0):
        self.fs = fs
        self.width = fs / 12

    def output_fs(self, fs):
        return self.fs

    def output_length(self, n_samples, fs):
        return -(-n_samples * round(self.fs) // round(fs))

    def move(self, positions, *, fs, samples, **drawn):
        return np.minimum(np.rint(positions * (self.fs / fs)).astype(np.int64), self.output_length(samples, fs) - 1)

    def move_mask(self, mask, *, fs, **drawn):
        index = np.rint(np.arange(self.output_length(mask.shape[-1], fs)) * fs / self.fs).astype(int)
        return mask[:, index.clip(0, mask.shape[-1] - 1)]


class Centre(Transform):
    """Minus the mean of the window."""

    def apply(self, x, *, fs, **drawn):
        return x - x.mean(axis=(-2, -1), keepdims=True)


class Last(Transform):
    """The last samples: a step after a filter that moves everything, and drops some of it."""

    def output_length(self, n_samples, fs):
        return min(100, n_samples)

    def apply(self, x, *, fs, **drawn):
        return x[..., -100:] + 0

    def move(self, positions, *, fs, samples, **drawn):
        return positions - (samples - self.output_length(samples, fs))

    def move_mask(self, mask, *, fs, **drawn):
        return mask[:, -100:]


class FirstLeads(Transform):
    """One lead less, by name."""

    def output_leads(self, leads):
        return leads[:-1]

    def context(self, *, leads, annotations):
        return {"names": leads}

    def apply(self, x, *, fs, names, **drawn):
        assert names is not None
        return x[..., :-1, :] + 0


@pytest.fixture(autouse=True)
def registered():
    with TRANSFORMS.isolated():
        for cls in (Smooth, Detrend, Rate, Centre, Last, FirstLeads, Noise):
            TRANSFORMS.add(cls, f"toy_{cls.__name__.lower()}")
        yield


@pytest.fixture
def pairs(monkeypatch):
    """How many FFT pairs were done."""
    seen = []
    real = spectral.multiplied

    def counted(circle, steps, *, fs):
        seen.append(len(steps))
        return real(circle, steps, fs=fs)

    monkeypatch.setattr(spectral, "multiplied", counted)
    return seen


CHAINS = {
    "two filters": [Smooth(), Detrend(width=0.5)],
    "down": [Detrend(width=0.5), Rate(fs=125.0), Smooth(width=30.0)],
    "up": [Rate(fs=500.0), Smooth(width=15.0)],
    "down, then up": [Rate(fs=100.0), Smooth(), Rate(fs=250.0)],
    "one filter and a mean": [Smooth(), Centre()],
    "everything": [Smooth(), Rate(fs=100.0), Detrend(width=1.0), Centre(), Last()],
    "a draw between": [Smooth(), Detrend(width=0.5), Noise(), Smooth(), Rate(), Centre()],
    "a chain within": [Compose([Smooth(), Rate()]), Detrend(width=0.5), Centre()],
    "names between": [Smooth(), Detrend(), FirstLeads(), Smooth(), Centre()],
}
EACH = pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS)


def signal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def batch(x):
    positions = np.array([[0, 7, x.shape[-1] // 2, x.shape[-1] - 1], [3, x.shape[-1] - 2, -1, -1]])
    mask = np.ones((2, x.shape[-1]), bool)
    mask[1, : x.shape[-1] // 3] = False
    return Batch(x, FS, ("I", "II", "V1"), record_keys=np.array([5, 9]), seed=3, annotations={"r": positions}, mask=mask)


@EACH
@pytest.mark.parametrize("samples", [1, 2, 50, 999, 2500])
def test_one_fft_pair_gives_what_many_give(steps, samples):
    x = signal(2, 3, samples)
    names = ("I", "II", "V1")
    fused, apart = (Compose(steps, fuse=fuse)(x, fs=FS, leads=names, generator=1) for fuse in (True, False))
    assert fused.shape[-1] == Compose(steps).output_length(samples, FS)
    np.testing.assert_allclose(fused, apart, atol=1e-12)
    single, double = (Compose(steps)(x.astype(t), fs=FS, leads=names, generator=1) for t in (np.float32, np.float64))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, atol=3e-6)


@EACH
def test_torch_fuses_to_the_same_numbers(steps):
    torch = pytest.importorskip("torch")
    if any(isinstance(s, Rate | Centre) for s in steps):
        steps = [s for s in steps if not isinstance(s, Centre)]
    x, names = signal(2, 3, 600), ("I", "II", "V1")
    there = Compose(steps)(torch.from_numpy(x), fs=FS, leads=names, generator=1)
    # float32 draws are the same in both to rounding
    tolerance = 1e-6 if any(isinstance(s, Noise) for s in steps) else 1e-12
    np.testing.assert_allclose(there.numpy(), Compose(steps)(x, fs=FS, leads=names, generator=1), atol=tolerance)


@EACH
def test_records_and_batches_move_as_if_each_step_were_applied_by_hand(steps):
    whole = batch(signal(2, 3, 2500))
    chained, by_hand = Compose(steps)(whole), whole
    for number, step in enumerate(steps):
        by_hand = step(by_hand, generator=whole.draws().child(number))
    assert (chained.fs, chained.leads) == (by_hand.fs, by_hand.leads)
    assert np.array_equal(chained.annotations["r"], by_hand.annotations["r"])
    assert np.array_equal(chained.mask, by_hand.mask)
    record = Record(whole.signal[0], FS, whole.leads, "r", annotations={"r": np.array([0, 1250, 2499])})
    alone, one = Compose(steps)(record, generator=4), record
    from ecg_core.contracts.draws import Draws, record_key

    draws = Draws.seeded(4, records=np.array([record_key("r")]))
    for number, step in enumerate(steps):
        one = step(one, generator=draws.child(number))
    assert (alone.fs, alone.leads) == (one.fs, one.leads)
    assert np.array_equal(alone.annotations["r"], one.annotations["r"])
    if "Centre" not in repr(steps):  # a mean over the window sees its ends
        away = int(2.5 * alone.fs)
        np.testing.assert_allclose(alone.signal[:, away:-away], one.signal[:, away:-away], atol=2e-5)


def test_by_hand_agrees_farther_from_the_ends_than_the_steps_look_together():
    steps, x = [Smooth(width=4.0), Detrend(width=2.0), Rate(fs=125.0), Smooth(width=8.0)], signal(1, 2, 5000)
    by_hand, fs = x, FS
    for step in steps:
        by_hand, fs = step(by_hand, fs=fs), step.output_fs(fs)
    chain = Compose(steps)
    away = round(2 * chain.reach(FS) * fs)
    found = chain(x, fs=FS)
    np.testing.assert_allclose(found[..., away:-away], by_hand[..., away:-away], atol=1e-6)
    assert np.abs(found - by_hand).max() > 1e-4  # at the very ends they differ, as documented


def test_a_run_of_filters_is_one_pair_and_a_draw_breaks_it(pairs):
    x = signal(1, 2, 500)
    Compose([Smooth(), Rate(), Detrend(), Centre()])(x, fs=FS)
    assert pairs == [3]
    pairs.clear()
    Compose([Smooth(), Detrend(), Noise(), Smooth()])(x, fs=FS)
    assert pairs == [2, 1]
    pairs.clear()
    Compose([Smooth(), Rate(), Detrend()], fuse=False)(x, fs=FS)
    assert pairs == [1, 1, 1]


def test_what_looks_nowhere_is_no_reason_for_an_fft_pair(pairs):
    class Identity(Smooth):
        def reach(self, fs):
            return 0.0

        def apply(self, x, *, fs, **drawn):
            return x + 0

    assert np.array_equal(Compose([Identity(), Centre()])(np.ones((1, 1, 9)), fs=FS), np.zeros((1, 1, 9)))
    assert pairs == []


def test_a_response_without_a_reach_is_not_fused():
    class Gain(Transform):
        def frequency_response(self, frequencies, fs):
            return np.full_like(frequencies, 2.0)

        def apply(self, x, *, fs, **drawn):
            return x * 2

    assert fusible_length((Gain(), Smooth()), FS) == (0, 0)
    assert fusible_length((Smooth(), Gain(), Smooth()), FS) == (1, 2)
    assert fusible_length((Smooth(), Detrend(), Noise()), FS) == (2, 0)
    assert fusible_length((Smooth(), FirstLeads()), FS) == (1, 0)


def test_draws_after_a_fused_run_are_those_of_their_place_in_the_chain():
    zero = np.zeros((6, 2, 400))
    noisy = Compose([Smooth(), Detrend(), Centre(), Noise()])
    found = noisy(zero, fs=FS, generator=7)
    from ecg_core.contracts.draws import Draws

    alone = Noise()(zero, generator=Draws.seeded(7, windows=6).child(3))
    assert np.array_equal(found, alone)
    assert np.array_equal(Compose([Smooth(), Detrend(), Centre(), Noise()], fuse=False)(zero, fs=FS, generator=7), alone)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([Smooth(), Detrend(width=0.7), Rate(fs=100.0), Rate(fs=360.0), Smooth(width=5.0)]), max_size=5),
    st.integers(1, 700),
    st.sampled_from([100.0, 250.0, 257.0, 500.0]),
)
def test_any_run_of_filters_keeps_its_declared_length_and_numbers(steps, samples, fs):
    x = signal(1, 2, samples, seed=samples)
    fused, apart = (Compose(steps, fuse=fuse)(x, fs=fs) for fuse in (True, False))
    assert fused.shape[-1] == Compose(steps).output_length(samples, fs)
    # At half of a rate in between, the toy's gain is not zero but 1.5e-8, and that one frequency has two readings.
    np.testing.assert_allclose(fused, apart, atol=1e-7)


def test_many_windows_go_in_blocks_and_come_out_the_same():
    chain, x = Compose([Smooth(), Detrend(width=0.5), Centre()]), signal(40, 12, 300)
    whole = chain(x, fs=FS)
    for i in (0, 3, 4, 39):
        np.testing.assert_allclose(whole[i], chain(x[i], fs=FS), atol=1e-12)


def test_gradients_pass_a_fused_run_in_blocks():
    torch = pytest.importorskip("torch")
    x = torch.randn(9, 12, 2000, dtype=torch.float64, requires_grad=True)
    chain = Compose([Smooth(), Detrend(width=1.0)])
    # The chain is linear and symmetric in the middle, so the gradient of one sample is the chain's own kernel.
    chain(x, fs=FS)[7, 3, 1000].backward()
    impulse = torch.zeros(1, 1, 2000, dtype=torch.float64)
    impulse[..., 1000] = 1
    kernel = chain(impulse, fs=FS)[0, 0]
    assert torch.allclose(x.grad[7, 3, 500:1500], kernel[500:1500], atol=1e-9)
    x.grad[7, 3] = 0
    assert (x.grad == 0).all()


def test_a_fused_chain_compiles_and_exports():
    torch = pytest.importorskip("torch")
    chain = Compose([Smooth(), Rate(), Detrend(width=0.5)])
    module, x = chain.as_module(FS), torch.randn(2, 3, 500)
    exported = torch.export.export(module, (x,)).module()
    assert torch.allclose(exported(x), chain(x, fs=FS), atol=1e-6)


def test_a_constant_is_an_exact_zero_or_an_exact_constant():
    x = np.full((2, 3, 701), 1.1, np.float32)
    assert (Compose([Smooth(), Detrend(width=0.5)])(x, fs=FS) == 0).all()
    assert (Compose([Smooth(), Smooth(width=3.0)])(x, fs=FS) == np.float32(1.1)).all()


def test_the_configuration_remembers_that_a_chain_is_not_fused():
    chain = Compose([Smooth(), Centre()], fuse=False)
    assert chain.arguments["fuse"] is False
    assert "fuse=False" in repr(chain)
    assert "fuse" not in repr(Compose([Smooth(), Centre()]))
    again = Compose.from_config(json.loads(json.dumps(chain.to_config())))
    assert again.transforms[0].fuse is False
    assert TRANSFORMS.build(TRANSFORMS.to_config(chain)).fuse is False


def test_a_missing_or_wrong_fs_is_said_by_the_step_that_needs_it():
    for fuse in (True, False):
        with pytest.raises(ValueError, match="Smooth needs the sampling frequency: call it with fs="):
            Compose([Smooth(), Detrend()], fuse=fuse)(signal(1, 50))
        with pytest.raises(ValueError, match="fs must be a positive number of Hz, got -1"):
            Compose([Smooth(), Detrend()], fuse=fuse)(signal(1, 50), fs=-1)


def test_a_chain_that_lets_windows_pass_has_no_single_response():
    f = np.array([1.0, 10.0])
    both = Compose([Smooth(), Smooth()])
    assert both.frequency_response(f, FS) == pytest.approx(Smooth().frequency_response(f, FS) ** 2)
    assert both.reach(FS) == pytest.approx(0.1)
    assert Compose([Smooth()], p=0.5).frequency_response(f, FS) is None
    assert Compose([Smooth(), Centre()]).reach(FS) is None


def test_step_targets_of_a_batch_move_with_the_rate():
    labels = np.repeat(np.arange(10), 50)[None].repeat(2, 0)
    whole = replace(batch(signal(2, 3, 500)), step_targets=labels)
    assert np.array_equal(Compose([Smooth(), Rate()])(whole).step_targets, np.repeat(np.arange(10), 25)[None].repeat(2, 0))
