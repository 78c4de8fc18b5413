"""Random steps in a row on a large batch: done in blocks, they are the steps one by one, number for number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecg_core import TRANSFORMS, Compose
from ecg_core.contracts.blocks import blocks
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_run import run_length
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.data.batch import Batch

FS, WINDOWS, SAMPLES = 500.0, 48, 5000
EIGHT = [
    {"name": "random_flip"}, {"name": "lead_dropout"}, {"name": "amplitude_scale"}, {"name": "time_shift"},
    {"name": "random_masking", "around": "r"}, {"name": "stretch_compress"}, {"name": "baseline_wander"},
    {"name": "gaussian_noise", "fast": True},
]  # fmt: skip
REST = [
    "cutout_segments", "magnitude_warp", "powerline_noise", "bandstop", "time_warp", "lead_permute", "random_renormalize",
    "gaussian_noise", "spectral_phase_surrogate", {"name": "random_crop", "seconds": 4.0},
]  # fmt: skip


def batch(dtype="float32"):
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(WINDOWS, 6, SAMPLES)).astype(dtype)
    marks = np.sort(rng.integers(500, 4500, (WINDOWS, 4)), axis=1)
    steps = rng.random((WINDOWS, 2, SAMPLES)).astype(np.float32)
    mask = rng.random((WINDOWS, SAMPLES)) < 0.9
    leads = ("I", "II", "V1", "V2", "V3", "V4")
    return Batch(
        signal, FS, leads, step_targets=steps, mask=mask, annotations={"r": marks}, record_keys=np.arange(WINDOWS), seed=2
    )


def built(configs, p):
    dictionaries = [{"name": c} if isinstance(c, str) else c for c in configs]
    return [TRANSFORMS.build({**c, **({} if c["name"] == "random_crop" else {"p": p})}) for c in dictionaries]


def one_by_one(steps, value, draws):
    for number, step in enumerate(steps):
        value = step(value, generator=draws.child(number))
    return value


def same(a, b):
    fields = ("signal", "step_targets", "mask")
    arrays = [(getattr(a, f), getattr(b, f)) for f in fields] + [(a.annotations["r"], b.annotations["r"])]
    return all(x.shape == y.shape and x.dtype == y.dtype and bool((x == y).all()) for x, y in arrays)


@pytest.mark.parametrize("configs", [EIGHT, REST], ids=["eight", "the rest"])
@pytest.mark.parametrize("p", [0.5, 1.0])
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_run_in_blocks_is_bit_for_bit_its_steps_one_after_the_other_with_all_facts(configs, p, framework):
    given = batch()
    if framework == "torch":
        pytest.importorskip("torch")
        given = given.to("cpu")
    steps = built(configs, p)
    assert run_length(steps, given, given.leads) == len(steps)
    out = Compose(steps)(given)
    assert same(out, one_by_one(steps, given, given.draws()))
    assert same(given, batch() if framework == "numpy" else batch().to("cpu"))  # and the input is as it was


@pytest.mark.parametrize("dtype", ["float16", "float64", "int16"])
def test_number_types_follow_the_same_rule_in_blocks(dtype):
    given, steps = batch(dtype), built(EIGHT, 0.5)
    out = Compose(steps)(given)
    assert out.signal.dtype == (np.float32 if dtype == "int16" else dtype)
    assert same(out, one_by_one(steps, given, given.draws()))


@pytest.mark.parametrize("configs", [EIGHT, REST], ids=["eight", "the rest"])
def test_blocks_give_what_the_road_of_gradients_gives(configs):
    """With a gradient the batch goes through whole and nothing is written in place."""
    torch = pytest.importorskip("torch")
    given, steps = batch("float64").signal[:24], built([c for c in configs if "around" not in c], 0.5)
    x = torch.from_numpy(given)
    assert blocks(torch.zeros(24, 12, 5000))
    assert not blocks(torch.zeros(24, 12, 5000, requires_grad=True))
    whole = Compose(steps)(x.clone().requires_grad_(), fs=FS, generator=3)
    big = torch.cat([x, x])  # large enough for blocks; its first windows draw as those of the small one
    assert run_length(steps, big, None) == len(steps)
    np.testing.assert_allclose(Compose(steps)(big, fs=FS, generator=3)[:24].numpy(), whole.detach().numpy(), atol=1e-6)
    whole.sum().backward()


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_rand_augment_of_a_large_batch_is_that_of_its_windows_one_by_one(framework):
    given, transform = batch().signal, TRANSFORMS.build({"name": "rand_augment", "n": 3, "magnitude": 1.0})
    if framework == "torch":
        given = pytest.importorskip("torch").from_numpy(given)
    draws = Draws.seeded(8, windows=WINDOWS)
    whole = transform(given, fs=FS, generator=draws)
    for row in range(0, WINDOWS, 5):
        one = transform(given[row : row + 1], fs=FS, generator=draws.subset(slice(row, row + 1)))
        np.testing.assert_allclose(np.asarray(whole[row]), np.asarray(one[0]), atol=1e-6)
    assert (np.asarray(given) == batch().signal).all()


@pytest.mark.parametrize(
    ("seconds", "value", "mode"),
    [((0.0, 1.0), 0.0, "fill"), ((6.0, 12.0), -1.5, "fill"), ((0.5, 4.0), 0.0, "circular")],
)
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_large_batch_is_shifted_as_roll_shifts_it_and_filled_where_nothing_comes_in(seconds, value, mode, framework):
    signal = batch().signal
    signal[5, 2, :700] = np.nan
    transform = TRANSFORMS.build({"name": "time_shift", "seconds": seconds, "value": value, "mode": mode, "p": 1.0})
    given = replace(batch(), signal=signal, mask=np.ones((WINDOWS, SAMPLES), bool))
    out = transform(given if framework == "numpy" else given.to("cpu"))
    steps = transform._steps(SAMPLES, FS, transform._drawn(signal.shape, given.draws())["shift"])
    assert (steps > 0).any()
    assert (steps < 0).any()
    for row, by in enumerate(steps.tolist()):
        expected = np.roll(signal[row], by, axis=-1)
        if mode == "fill":
            expected[:, : max(by, 0)] = value
            expected[:, SAMPLES + min(by, 0) :] = value
        np.testing.assert_array_equal(np.asarray(out.signal[row]), expected)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_mixing_a_large_batch_is_the_plain_sum_and_a_damaged_partner_spoils_nobody_who_is_not_hit(name, framework):
    signal = batch().signal
    signal[::3] = np.nan
    given, transform = replace(batch(), signal=signal), TRANSFORMS.build({"name": name, "p": 0.5})
    out = transform(given if framework == "numpy" else given.to("cpu"))
    drawn = transform._drawn(signal.shape, given.draws())
    share, other = transform._share(SAMPLES, drawn)[:, None, :], signal[drawn["partner"]]
    plain = (
        np.where(share, signal, other) if name == "cutmix" else np.where(share >= 1, signal, share * signal + (1 - share) * other)
    )
    np.testing.assert_allclose(
        np.asarray(out.signal), plain, atol=2e-6
    )  # logarithms of the two frameworks differ in the last bit
    assert np.isfinite(np.asarray(out.signal)[1::3]).all(axis=(1, 2)).sum() > 3


def test_a_step_that_hands_its_input_back_does_not_let_the_next_write_into_it():
    class Nothing(RandomTransform):
        """Gives back what it is given."""

        p = 1.0

        def draw(self, shape, generator):
            return {}

        def apply(self, x, *, fs, **drawn):
            return x

    given = batch()
    out = Compose([Nothing(), *built(EIGHT[:2], 1.0)])(given)
    assert np.array_equal(given.signal, batch().signal)
    assert not np.array_equal(out.signal, given.signal)


def test_a_run_ends_before_what_cannot_go_in_blocks():
    x = np.zeros((WINDOWS, 6, SAMPLES), np.float32)
    flip, mixup, smooth, normalize = (TRANSFORMS.build(n) for n in ("random_flip", "mixup", "label_smooth", "normalize"))
    assert run_length([flip, flip, normalize, flip], x, None) == 2
    assert run_length([flip, mixup], x, None) == 1
    assert run_length([flip, flip, smooth], x, None) == 2
    assert run_length([flip, flip], x[:2], None) == 0  # small enough to be done at once
