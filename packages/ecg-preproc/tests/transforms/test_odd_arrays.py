"""Forty kinds of arrays for every transform of this package: the right result or one clear error, never anything in between."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.contracts.compose import Compose
from ecg_preproc.augment.baseline_wander import BaselineWander
from ecg_preproc.augment.gaussian_noise import GaussianNoise
from ecg_preproc.augment.lead_dropout import LeadDropout
from ecg_preproc.augment.random_crop import RandomCrop
from ecg_preproc.augment.random_masking import RandomMasking
from ecg_preproc.transforms.bandpass import BandPass
from ecg_preproc.transforms.baseline import BaselineRemove
from ecg_preproc.transforms.normalize import Normalize
from ecg_preproc.transforms.resample import Resample

FS, LEADS, SAMPLES = 100, 3, 200
TRANSFORMS = [
    BandPass(), BandPass(low=None), Resample(fs=250), Resample(fs=50), BaselineRemove(),
    Normalize(), Normalize(method="min-max"), Normalize(per_lead=True),
    BaselineWander(p=1.0), RandomMasking(p=1.0), LeadDropout(p=1.0), GaussianNoise(p=1.0), RandomCrop(seconds=0.01),
    Compose([BandPass(), Resample(fs=50), Normalize()]),
    Compose([GaussianNoise(p=1.0), LeadDropout(p=1.0)], random_order=True, p=0.5),
]  # fmt: skip
EACH = pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: repr(t)[:60])

BASE = np.random.default_rng(0).normal(size=(2, LEADS, SAMPLES)).astype(np.float32)


def run(transform, x):
    return transform(x, fs=FS, generator=3)


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
}


@EACH
@pytest.mark.parametrize("kind", ERRORS)
def test_what_is_no_signal_is_one_clear_error(transform, kind):
    with pytest.raises((TypeError, ValueError), match="expected|at least one"):
        run(transform, ERRORS[kind])


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
    "one flat lead": BASE * np.float32([[1], [0], [1]]),
    "huge": BASE * np.float32(1e30),
    "tiny": BASE * np.float32(1e-30),
    "denormal": BASE * np.float32(1e-41),
    "an impulse": np.eye(1, LEADS * SAMPLES, 5, dtype=np.float32).reshape(1, LEADS, SAMPLES),
    "a large offset": BASE + np.float32(1e4),
    "negative zeros": -0.0 * BASE,
    "4-D": BASE[None],
    "5-D": BASE[None, None],
    "no windows": BASE[:0],
    "one window": BASE[:1],
    "2-D": BASE[0],
    "one lead": BASE[:, :1],
    "one sample": BASE[..., :1],
    "two samples": BASE[..., :2],
    "three samples": BASE[..., :3],
    "a prime length": BASE[..., :197],
}


@EACH
@pytest.mark.parametrize("kind", FINITE)
def test_finite_signals_stay_finite_and_have_the_declared_shape(transform, kind):
    x = FINITE[kind]
    out = run(transform, x)
    assert np.isfinite(out).all()
    assert out.shape == (*x.shape[:-1], transform.output_length(x.shape[-1], FS))
    assert out.dtype == x.dtype


@EACH
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_a_bad_sample_stays_in_its_window(transform, bad):
    x = BASE.copy()
    x[0, 1, 50] = bad
    assert np.array_equal(run(transform, x)[1], run(transform, BASE)[1])
