"""Filter in the frequency domain without wrap-around: the signal is extended to a circle, as :mod:`ecg_core.contracts.ends` says.

Several linear, time-invariant steps on one circle are one product of their gains; a change of the sampling frequency cuts
the spectrum, or pads it with zeros. So a run of such steps costs one FFT pair, whatever its length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import is_numpy_array

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.ends import Ends, ends

if TYPE_CHECKING:
    from ecg_core.contracts.transform import Transform

__all__ = [
    "blockwise", "circle_length", "constant_gain", "continued", "exact_ratio", "extended", "fast_length", "filtered", "mirrored",
    "multiplied", "through_circle", "with_gain",
]  # fmt: skip

_ROWS = 48  # leads that are worked on at a time: with 5000 float32 samples each they, and their spectra, stay in the L2 cache


def filtered(x: Any, steps: Sequence[Transform], *, fs: float) -> Any:
    """``(windows, leads, samples)`` through linear, time-invariant steps: zero phase, one circle, one FFT pair.

    Args:
        x: The signal, float32 or float64.
        steps: Transforms that state a frequency response and a reach.
        fs: Hz.
    """
    return through_circle(x, tuple(steps), [tuple(steps)], fs=fs)


def through_circle(
    x: Any, steps: tuple[Transform, ...], groups: Sequence[tuple[Transform, ...]], *, fs: float, then: Any = None
) -> Any:
    """``(windows, leads, samples)`` on one circle through groups of steps, one FFT pair for each, a few windows at a time.

    Args:
        x: The signal, float32 or float64.
        steps: All steps.
        groups: The same in groups.
        fs: Hz.
        then: What to do with each few windows that come out.
    """
    n = x.shape[-1]
    length, wanted, constant = circle_length(steps, n, fs), output_length(steps, n, fs), constant_gain(steps, fs)
    beyond = ends(fs, n, length - n, single=x.dtype.itemsize == 4).like(x)

    def act(block: Any) -> Any:
        # Without its first value: a flat line becomes an exact zero, and an offset costs no digits of what stands on it.
        first, rate = block[..., :1], fs
        circle = continued(block - first, beyond)
        for group in groups:
            circle = multiplied(circle, group, fs=rate)
            for step in group:
                rate = step.output_fs(rate)
        out = circle[..., :wanted]
        out = out if constant == 0 else out + first * constant
        return out if then is None else then(out)

    return blockwise(x, act)


def blockwise(x: Any, act: Any) -> Any:
    """``act`` on a few windows at a time, which then stay in the processor's cache; all at once on an accelerator."""
    xp, windows = namespace(x), x.shape[0]
    few = max(1, _ROWS // max(1, x.shape[1])) if is_numpy_array(x) or x.device.type == "cpu" else windows
    if windows <= few:
        return act(x)
    first = act(x[:few])
    if getattr(first, "requires_grad", False):
        return xp.concat([first, *(act(x[i : i + few]) for i in range(few, windows, few))], axis=0)
    out = xp.empty((windows, *first.shape[1:]), dtype=first.dtype, device=x.device)
    out[:few] = first
    for i in range(few, windows, few):
        out[i : i + few] = act(x[i : i + few])
    return out


def multiplied(circle: Any, steps: tuple[Transform, ...], *, fs: float) -> Any:
    """``(..., length)`` on a circle, each frequency multiplied by the product of the gains, at the rate the steps lead to."""
    response, length = _response(steps, fs, circle.shape[-1])
    return with_gain(circle, asarray_like(response, circle), length=length)


def with_gain(circle: Any, gain: Any, *, length: int) -> Any:
    """``(..., length)`` from a circle whose frequencies are multiplied by a real gain.

    Args:
        circle: ``(..., samples)``.
        gain: Broadcast to ``(..., 2 · frequencies)``: of every frequency that is kept twice, for real and imaginary part.
        length: Samples of the circle that comes out.
    """
    fft: Any = _numpy_fft() if is_numpy_array(circle) else namespace(circle).fft
    spectrum = fft.rfft(circle, axis=-1)[..., : gain.shape[-1] // 2]
    # In place: the spectrum is nobody else's, and fresh memory costs more than the product.
    parts = _real_and_imaginary(spectrum)
    parts *= gain
    return fft.irfft(spectrum, n=length, axis=-1)


def extended(x: Any, length: int, *, fs: float) -> Any:
    """``(..., samples)`` continued to a circle of ``length`` samples.

    Args:
        x: The signal, at least one sample.
        length: At least as many samples as ``x`` has.
        fs: Hz.
    """
    n, first = x.shape[-1], x[..., :1]
    if length <= n:
        return x
    beyond = ends(fs, n, length - n, single=x.dtype.itemsize == 4).like(x)
    tail, head = x[..., n - beyond.memory :] - first, x[..., : beyond.memory] - first
    return namespace(x).concat([x, beyond.follow(tail, head) + first], axis=-1)


def continued(x: Any, beyond: Ends) -> Any:
    """``(..., samples)``, minus their first value, continued to a circle.

    Args:
        x: The signal, at least one sample; its first value is zero.
        beyond: How it goes on.
    """
    tail, head = x[..., x.shape[-1] - beyond.memory :], x[..., : beyond.memory]
    return namespace(x).concat([x, beyond.follow(tail, head)], axis=-1)


def mirrored(index: np.ndarray, n: int) -> np.ndarray:
    """Indices folded back into ``0 … n - 1`` as often as needed, the end samples not repeated."""
    if n == 1:
        return np.zeros_like(index)
    folded = np.mod(index, 2 * (n - 1))
    return np.where(folded < n, folded, 2 * (n - 1) - folded)


# ------------------------------------------------------------------------------------------------ lengths and rates


@lru_cache(maxsize=256)
def circle_length(steps: tuple[Transform, ...], n_samples: int, fs: float) -> int:
    """Samples of the circle on which a run of steps works: the signal, its extension, and what makes the FFT fast.

    The extension is a quarter of the reach of the step that looks farthest, between one second and ten: twice as much mends
    the ends of a signal by 2 % and costs a fifth more time.
    """
    rate, multiple, reach = fs, 1, 0.0
    for step in steps:
        reach = max(reach, step.reach(rate) or 0.0)
        rate = step.output_fs(rate)
        multiple = math.lcm(multiple, exact_ratio(rate, fs).denominator)
    return fast_length(n_samples + max(1, round(min(max(reach / 4, 1.0), 10.0) * fs)), multiple=multiple)


@lru_cache(maxsize=256)
def output_length(steps: tuple[Transform, ...], n_samples: int, fs: float) -> int:
    """Samples that come out of several steps."""
    for step in steps:
        n_samples, fs = step.output_length(n_samples, fs), step.output_fs(fs)
    return n_samples


def exact_ratio(fs_out: float, fs_in: float) -> Fraction:
    """Ratio of two sampling frequencies as a fraction.

    Raises:
        ValueError: The two have no common grid that a signal could be put on.
    """
    if fs_out == fs_in:
        return Fraction(1)
    ratio = Fraction(fs_out).limit_denominator(10_000) / Fraction(fs_in).limit_denominator(10_000)
    if ratio.denominator > 100_000 or ratio.numerator > 100_000:
        raise ValueError(f"cannot resample {fs_in} Hz to {fs_out} Hz exactly; round the sampling frequencies to 0.01 Hz")
    return ratio


@lru_cache(maxsize=256)
def fast_length(samples: int, *, multiple: int = 1) -> int:
    """The next length at least as long, divisible by ``multiple``, for which an FFT is fast: a product of 2, 3 and 5."""
    wanted = -(-samples // multiple)
    threes_and_fives = [3**i * 5**j for i in range(21) for j in range(14) if 3**i * 5**j < 2 * wanted]
    return multiple * min(odd << max(0, (-(-wanted // odd) - 1).bit_length()) for odd in threes_and_fives)


@lru_cache(maxsize=64)
def constant_gain(steps: tuple[Transform, ...], fs: float) -> float:
    """Product of what the steps make of a constant."""
    gain = 1.0
    for step in steps:
        response = step.frequency_response(np.zeros(1), fs)
        assert response is not None, f"{step!r} states no frequency response"
        gain, fs = gain * float(response[0]), step.output_fs(fs)
    return gain


@lru_cache(maxsize=64)
def _response(steps: tuple[Transform, ...], fs: float, length: int) -> tuple[np.ndarray, int]:
    """Product of the gains on a circle of ``length`` samples, for real and imaginary parts, and the length that comes out."""
    rate, shortest = fs, length
    for step in steps:
        rate = step.output_fs(rate)
        there = length * exact_ratio(rate, fs)
        assert there.denominator == 1, "the circle has no whole number of samples at one of the rates"
        shortest = min(shortest, int(there))
    frequencies = np.fft.rfftfreq(length, 1 / fs)[: shortest // 2 + 1]
    gain = np.ones_like(frequencies)
    rate = fs
    for step in steps:
        response = step.frequency_response(frequencies, rate)
        assert response is not None, f"{step!r} states no frequency response"
        gain, rate = gain * response, step.output_fs(rate)
    scale = exact_ratio(rate, fs)
    return np.repeat(gain * float(scale), 2), int(length * scale)


def _real_and_imaginary(spectrum: Any) -> Any:
    """The same memory as ``(..., 2 · frequencies)`` real numbers, which a real gain multiplies at half the cost."""
    if is_numpy_array(spectrum):
        return spectrum.view(spectrum.real.dtype)
    return namespace(spectrum).view_as_real(spectrum).flatten(-2)


@lru_cache(maxsize=1)
def _numpy_fft() -> Any:
    """The FFT of scipy for arrays, 2.5 times as fast on blocks of float32 as NumPy's; NumPy's where scipy is not installed.

    ecg-preproc depends on scipy. The core does not, and the two agree to rounding.
    """
    try:
        return import_module("scipy.fft")
    except ImportError:
        return np.fft
