"""How samples are stored: what is lost is bounded, what is compressed comes back bit for bit, what is damaged is said."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ecg_core.data.encoding import Encoding
from ecg_core.errors import DataError

SIGNALS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
    elements=st.floats(-100, 100, width=32, allow_nan=False),
)


def through(encoding: Encoding, signal: np.ndarray) -> np.ndarray:
    content, scale = encoding.encode(signal)
    return encoding.decode(content, signal.shape) * np.float32(scale)


@given(SIGNALS)
def test_int16_is_within_half_a_step_of_each_window(signal):
    step = np.abs(signal).max() / 32767
    np.testing.assert_allclose(through(Encoding(), signal), signal, atol=0.51 * step + 1e-30, rtol=1e-6)


@given(SIGNALS)
def test_float32_is_exact_and_float16_is_rounded_once(signal):
    assert (through(Encoding("float32"), signal) == signal).all()
    assert (through(Encoding("float16"), signal) == signal.astype(np.float16)).all()


@settings(max_examples=200)
@given(
    hnp.arrays(np.int16, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=64), elements=st.integers(-32767, 32767))
)
def test_compressing_loses_nothing_whatever_the_numbers(digital):
    digital[0, 0] = 32767  # the scale is then 1 / 32767 per unit, and the units are these
    signal = digital.astype(np.float32) / 32767
    plain, packed = Encoding().encode(signal), Encoding(compression="zlib").encode(signal)
    assert plain[1] == packed[1]
    assert Encoding(compression="zlib").decode(packed[0], digital.shape).tobytes() == plain[0]


def test_a_smooth_signal_shrinks_to_less_than_half():
    t = np.arange(2500) / 250
    signal = np.stack([np.sin(2 * np.pi * f * t) for f in (1, 5, 10)]).astype(np.float32)
    assert len(Encoding(compression="zlib").encode(signal)[0]) < 0.35 * signal.size * 2


def test_a_window_of_zeros_stays_zero():
    assert (through(Encoding(), np.zeros((2, 5), np.float32)) == 0).all()
    assert (through(Encoding(compression="zlib"), np.zeros((2, 5), np.float32)) == 0).all()


@settings(max_examples=200)
@given(st.data())
def test_damaged_bytes_are_said_or_give_a_window_of_the_same_shape(data):
    encoding = Encoding(compression="zlib")
    content = bytearray(encoding.encode(np.sin(np.arange(120, dtype=np.float32)).reshape(3, 40))[0])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert encoding.decode(cut, (3, 40)).shape == (3, 40)
    except DataError as error:
        assert "compressed window" in str(error)


def test_a_bomb_is_refused_before_it_is_inflated():
    bomb = zlib.compress(bytes(50_000_000))
    with pytest.raises(DataError, match=r"a compressed window holds other than 123 bytes; check the store"):
        Encoding(compression="zlib").decode(bomb, (3, 40))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"dtype": "int8"}, "dtype is one of int16, float16, float32, got 'int8'"),
        ({"compression": "zip"}, "compression is one of none, zlib, got 'zip'"),
        ({"dtype": "float32", "compression": "zlib"}, "only int16 is compressed, got dtype='float32'; leave the compression out"),
    ],
)
def test_unknown_forms_are_one_clear_error(words, said):
    with pytest.raises(DataError, match=said):
        Encoding(**words)
