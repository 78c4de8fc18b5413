"""Laws of every preprocessor, beside those of the contract kit: linearity, zero phase, types, layouts, golden formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.config.configurable import Variant
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import TRANSFORMS

FS = 250.0
ARGUMENTS = {
    "resample": {"fs": 125.0}, "notch": {"frequency": 50.0}, "crop_or_pad": {"seconds": 3.0},
    "select_leads": {"leads": ["V2", "aVF", "I"], "of": list(STANDARD_12)}, "derive_leads": {"of": list(STANDARD_12)},
    "baseline_remove": {}, "interpolate_gaps": {"max_seconds": None},
}  # fmt: skip
LINEAR = ("bandpass", "highpass", "lowpass", "notch", "baseline_remove", "resample")
PREPROCESSORS = (
    *LINEAR, "normalize", "z_score_normalize", "min_max_normalize", "naive_normalize", "clip", "crop_or_pad", "select_leads",
    "derive_leads", "remove_spikes", "interpolate_gaps",
)  # fmt: skip
EACH = pytest.mark.parametrize("name", PREPROCESSORS)


def built(name):
    return TRANSFORMS.build({"name": name, **ARGUMENTS.get(name, {})})


def signal(*leading, samples=1000, seed=0):
    return np.random.default_rng(seed).normal(size=(*leading, 12, samples))


def test_every_deterministic_transform_of_the_registry_is_among_them():
    sources = {name: TRANSFORMS.get(name) for name in set(TRANSFORMS.names()) - set(PREPROCESSORS)}
    classes = {name: source.cls if isinstance(source, Variant) else source for name, source in sources.items()}
    assert [name for name, cls in classes.items() if not issubclass(cls, RandomTransform | Compose)] == []


@pytest.mark.parametrize("name", LINEAR)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), a=st.floats(-3, 3), b=st.floats(-3, 3), samples=st.integers(2, 1500))
def test_linear_filters_are_linear(name, seed, a, b, samples):
    x, y = signal(2, samples=samples, seed=seed)
    filtered = built(name)
    found = filtered(a * x + b * y, fs=FS)
    np.testing.assert_allclose(found, a * filtered(x, fs=FS) + b * filtered(y, fs=FS), atol=1e-11)


@pytest.mark.parametrize("name", [name for name in LINEAR if name != "resample"])
def test_an_impulse_comes_out_symmetric_and_has_the_stated_spectrum(name):
    samples, middle = 20_001, 10_000
    impulse = np.zeros((1, samples))
    impulse[0, middle] = 1.0
    out = built(name)(impulse, fs=FS)[0]
    np.testing.assert_allclose(out, out[::-1], atol=1e-9)
    gain = np.fft.rfft(np.roll(out, -middle))
    stated = built(name).frequency_response(np.fft.rfftfreq(samples, 1 / FS), FS)
    np.testing.assert_allclose(gain, stated, atol=1e-5)


@EACH
def test_numpy_and_torch_agree_to_a_millionth(name):
    torch = pytest.importorskip("torch")
    x = signal(3).astype(np.float32)
    transform = built(name)
    np.testing.assert_allclose(transform(torch.from_numpy(x), fs=FS).numpy(), transform(x, fs=FS), atol=2e-6)
    x = x.astype(np.float64)
    np.testing.assert_allclose(transform(torch.from_numpy(x), fs=FS).numpy(), transform(x, fs=FS), atol=1e-12)


@EACH
def test_half_precision_is_the_float32_result_rounded_and_integers_become_float32(name):
    torch = pytest.importorskip("torch")
    transform, x = built(name), torch.from_numpy(signal(2).astype(np.float32))
    for half in (torch.float16, torch.bfloat16):
        found = transform(x.to(half), fs=FS)
        assert found.dtype == half
        assert torch.equal(found, transform(x.to(half).float(), fs=FS).to(half))
    whole = (x * 100).to(torch.int16)
    found = transform(whole, fs=FS)
    assert found.dtype == torch.float32
    assert torch.equal(found, transform(whole.float(), fs=FS))


@EACH
def test_the_gradient_is_that_of_finite_differences(name):
    torch = pytest.importorskip("torch")
    transform = built(name)
    x = torch.from_numpy(signal(1, samples=60)).requires_grad_()
    direction = torch.from_numpy(signal(1, samples=60, seed=1))
    weight = torch.from_numpy(np.random.default_rng(2).normal(size=tuple(transform(x, fs=FS).shape)))
    (transform(x, fs=FS) * weight).sum().backward()
    step = 1e-6
    there, back = (transform(x.detach() + sign * step * direction, fs=FS) for sign in (1, -1))
    expected = ((there - back) * weight).sum() / (2 * step)
    assert float((x.grad * direction).sum()) == pytest.approx(float(expected), rel=1e-5, abs=1e-5)


@EACH
def test_leading_dimensions_agree(name):
    transform, x = built(name), signal(2, 3)
    whole = transform(x, fs=FS)
    np.testing.assert_allclose(transform(x.reshape(6, 12, -1), fs=FS).reshape(whole.shape), whole, atol=1e-12)
    np.testing.assert_allclose(transform(x[1, 2], fs=FS), whole[1, 2], atol=1e-12)


GOLDEN = {
    "numpy_Normalize": {"name": "z_score_normalize"},
    "numpy_Normalize_per_channel": {"name": "z_score_normalize", "per_lead": True},
    "numpy_MinMaxNormalize": {"name": "min_max_normalize"},
}


@pytest.mark.parametrize("key", GOLDEN)
def test_the_formulas_are_those_of_the_original_library(golden, key):
    stored, x = np.load(golden / "torch_ecg/preprocessors.npz"), np.load(golden / "torch_ecg/inputs.npz")["x"]
    expected = stored[key]
    found = TRANSFORMS.build(GOLDEN[key])(x, fs=500)
    found = found if found.shape == expected.shape else found[:, ::2]  # every other lead was kept
    np.testing.assert_allclose(found, expected, atol=2e-5)  # theirs add 1e-7 to the spread


def test_the_moving_average_baseline_is_that_of_the_original_library(golden):
    stored, x = np.load(golden / "torch_ecg/preprocessors.npz"), np.load(golden / "torch_ecg/inputs.npz")["x"]
    found = TRANSFORMS.build("baseline_remove")(x, fs=500)[:, ::2]
    inside = slice(200, -200)  # 0.4 s from the ends, as far as both windows look together
    np.testing.assert_allclose(found[..., inside], stored["torch_BaselineRemove"][..., inside], atol=1e-5)
