"""More than forty kinds of arrays for every registered transform: the right result or one clear error, nothing in between."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from ecg_core.config.configurable import Variant
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.discovery.registries import TRANSFORMS
from ecg_preproc.augment.gaussian_noise import GaussianNoise
from ecg_preproc.augment.lead_dropout import LeadDropout
from ecg_preproc.transforms.bandpass import BandPass
from ecg_preproc.transforms.baseline import BaselineRemove
from ecg_preproc.transforms.normalize import Normalize
from ecg_preproc.transforms.resample import Resample

FS, LEADS, SAMPLES = 200, 12, 1000


def built(name):
    """A registered transform, as the contract kit builds it; a random one so that it hits every window."""
    source = TRANSFORMS.get(name)
    cls = source.cls if isinstance(source, Variant) else source
    arguments = cls.conformance_params().get("arguments", {}) if hasattr(cls, "conformance_params") else {}
    sure = {"p": 1.0} if "p" in inspect.signature(cls).parameters else {}
    return TRANSFORMS.build({"name": name, **arguments, **sure})


MORE = {
    "lowpass by bandpass": BandPass(low=None), "up": Resample(fs=250), "down": Resample(fs=50), "same": Resample(fs=FS),
    "median": BaselineRemove(method="median"), "z-score per lead": Normalize(per_lead=True),
    "fused chain": Compose([BandPass(), Resample(fs=50), BaselineRemove(), Normalize()]),
    "chain apart": Compose([BandPass(), Resample(fs=50), BaselineRemove(), Normalize()], fuse=False),
    "shuffled chain": Compose([GaussianNoise(p=1.0), LeadDropout(p=1.0)], random_order=True, p=0.5),
}  # fmt: skip
EVERY = {name: built(name) for name in TRANSFORMS.names()} | MORE
EACH = pytest.mark.parametrize("transform", EVERY.values(), ids=EVERY)

BASE = np.random.default_rng(0).normal(size=(2, LEADS, SAMPLES)).astype(np.float32)


def run(transform, x, fs=FS):
    return transform(x, fs=fs, generator=3)


ERRORS = {
    "1-D": BASE[0, 0],
    "0-D": BASE[0, 0, 0],
    "no samples": BASE[..., :0],
    "no leads": BASE[:, :0],
    "complex": BASE.astype(np.complex64),
    "objects": BASE.astype(object),
    "text": BASE.astype(str),
    "a list": BASE.tolist(),
    "dates": BASE.astype("datetime64[s]"),
    "nothing": None,
    "a number": 1.0,
    "records of fields": np.zeros((2, LEADS, SAMPLES), dtype=[("mV", "f4")]),
}


@EACH
@pytest.mark.parametrize("kind", ERRORS)
def test_what_is_no_signal_is_one_clear_error(transform, kind):
    with pytest.raises((TypeError, ValueError), match="expected|at least one"):
        run(transform, ERRORS[kind])


@EACH
@pytest.mark.parametrize("fs", [0, -250, float("nan"), float("inf"), float("-inf")])
def test_an_fs_that_cannot_be_is_one_clear_error(transform, fs):
    with pytest.raises(ValueError, match="fs must be a positive number of Hz, got"):
        run(transform, BASE, fs)


@EACH
def test_a_missing_fs_is_one_clear_error_where_it_matters(transform):
    try:
        out = transform(BASE, generator=3)
    except ValueError as error:
        assert "needs the sampling frequency: call it with fs=" in str(error)
    else:
        assert np.array_equal(out, run(transform, BASE))


SAME = {
    "Fortran order": np.asfortranarray(BASE),
    "a strided view": np.repeat(BASE, 2, axis=-1)[..., ::2],
    "a reversed copy's view": BASE[..., ::-1].copy()[..., ::-1],
    "transposed memory": BASE.transpose(2, 1, 0).copy().transpose(2, 1, 0),
    "big-endian": BASE.astype(">f4"),
    "float64": BASE.astype(np.float64),
    "a subclass": BASE.view(np.ndarray),
}


@EACH
@pytest.mark.parametrize("kind", SAME)
def test_how_the_numbers_are_stored_does_not_matter(transform, kind):
    out, expected = run(transform, SAME[kind]), run(transform, BASE)
    assert out.dtype == SAME[kind].dtype
    np.testing.assert_allclose(out.astype(np.float64), expected, rtol=1e-4, atol=2e-5)


@EACH
@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int16", "int64", "uint16", "bool"])
def test_other_number_types_give_what_float32_gives(transform, dtype):
    x = np.clip(np.abs(BASE) * 40, 0, 100).astype(dtype)
    out, expected = run(transform, x), run(transform, x.astype(np.float32))
    assert out.dtype == ("float16" if dtype == "float16" else "float32")
    np.testing.assert_allclose(
        out.astype(np.float64), expected, rtol=2e-3 if dtype == "float16" else 1e-6, atol=0.06 if dtype == "float16" else 0
    )


@EACH
def test_a_read_only_array_is_taken_and_left_alone(transform):
    x = BASE.copy()
    x.setflags(write=False)
    run(transform, x)
    assert np.array_equal(x, BASE)


FINITE = {
    "zeros": 0 * BASE,
    "a constant": np.full_like(BASE, 1.1),
    "one flat lead": BASE * (np.arange(LEADS) != 1).astype(np.float32)[:, None],
    "huge": BASE * np.float32(1e30),
    "tiny": BASE * np.float32(1e-30),
    "denormal": BASE * np.float32(1e-41),
    "an impulse": np.eye(1, LEADS * SAMPLES, 5, dtype=np.float32).reshape(1, LEADS, SAMPLES),
    "an alternating line": np.where(np.arange(SAMPLES) % 2, 1, -1).astype(np.float32) + 0 * BASE,
    "a saturated lead": np.clip(BASE, -0.1, 0.1),
    "a step": (np.arange(SAMPLES) > 99).astype(np.float32) + 0 * BASE,
    "a large offset": BASE + np.float32(1e4),
    "negative zeros": -0.0 * BASE,
    "4-D": BASE[None],
    "5-D": BASE[None, None],
    "no windows": BASE[:0],
    "one window": BASE[:1],
    "2-D": BASE[0],
    "one sample": BASE[..., :1],
    "two samples": BASE[..., :2],
    "three samples": BASE[..., :3],
    "a prime length": BASE[..., :491],
}


@EACH
@pytest.mark.parametrize("kind", FINITE)
def test_finite_signals_stay_finite_and_have_the_declared_shape(transform, kind):
    x = FINITE[kind]
    before = x.copy()
    try:
        out = run(transform, x)
    except ValueError as error:
        assert x.shape[-1] < SAMPLES / 2, error  # only a signal that is too short may be refused, and it is said so
        assert any(word in str(error) for word in ("at least", "shorter", "longer"))
        return
    assert np.array_equal(x, before)
    assert np.isfinite(out).all()
    assert out.shape == (*x.shape[:-1], transform.output_length(x.shape[-1], FS))
    assert out.dtype == x.dtype


FILLS = {"interpolate_gaps": "by design", "clip": "infinities become the bound", "remove_spikes": "infinities are spikes"}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_a_bad_sample_stays_in_its_window_and_is_seen_there(name, bad):
    transform, x = EVERY[name], BASE.copy()
    x[0, 1, 250] = bad
    out, clean = run(transform, x), run(transform, BASE)
    if name not in ("cutmix", "mixup"):  # which take from other windows what they are there to take
        assert np.array_equal(out[1], clean[1])
    gone = isinstance(transform, RandomTransform | Compose) and np.isfinite(out).all()  # cut out, or covered, by a draw
    filled = name == "interpolate_gaps" or (name in FILLS and not np.isnan(bad))
    assert np.isfinite(out[0]).all() == (filled or gone)


@EACH
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_window_without_any_number_gives_none(transform):
    if isinstance(transform, RandomTransform | Compose):
        pytest.skip("a draw may cover it")
    x = BASE.copy()
    x[0] = np.nan
    out = run(transform, x)
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[1]).all()
