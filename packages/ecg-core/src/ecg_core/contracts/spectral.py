"""Filter in the frequency domain without wrap-around: the signal is extended to a circle whose seam is faded.

Past its end the signal goes on half as its own mirror image and half as its last value, and what follows either end is
cross-faded over the extension. The mirror image alone errs least where there is no drift, and most on a baseline that wanders
at nearly the lower edge of a band-pass, whose slope it turns round; the half errs less than an odd reflection on both.

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

if TYPE_CHECKING:
    from ecg_core.contracts.transform import Transform

__all__ = ["blockwise", "circle_length", "exact_ratio", "extended", "fast_length", "filtered", "joined", "mirrored", "multiplied"]

_MIRRORED = 0.5  # share of the mirror image in what goes on past an end; the rest is the end's own value
_ROWS = 48  # leads that are worked on at a time: with 5000 float32 samples each they, and their spectra, stay in the L2 cache


def filtered(x: Any, steps: Sequence[Transform], *, fs: float) -> Any:
    """``(windows, leads, samples)`` through linear, time-invariant steps: zero phase, one circle, one FFT pair.

    Args:
        x: The signal, float32 or float64.
        steps: Transforms that state a frequency response and a reach.
        fs: Hz.
    """
    run, n = tuple(steps), x.shape[-1]
    length, wanted = circle_length(run, n, fs), output_length(run, n, fs)
    return blockwise(x, lambda block: multiplied(extended(block, length), run, fs=fs)[..., :wanted])


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
    response, length, constant = _response(steps, fs, circle.shape[-1])
    fft: Any = _numpy_fft() if is_numpy_array(circle) else namespace(circle).fft
    # Without its first value: a flat line becomes an exact zero, and an offset costs no digits of what stands on it.
    first = circle[..., :1]
    spectrum = fft.rfft(circle - first, axis=-1)[..., : len(response)]
    spectrum *= asarray_like(
        response, first
    )  # in place: the spectrum is nobody else's, and fresh memory costs more than the product
    out = fft.irfft(spectrum, n=length, axis=-1)
    return out if constant == 0 else out + first * constant


def extended(x: Any, length: int) -> Any:
    """``(..., samples)`` continued to a circle of ``length`` samples.

    Args:
        x: The signal, at least one sample.
        length: At least as many samples as ``x`` has.
    """
    xp = namespace(x)
    n, extra = x.shape[-1], length - x.shape[-1]
    if extra <= 0:
        return x
    if extra < n:
        after, before = (xp.flip(part, axis=-1) for part in (x[..., n - 1 - extra : n - 1], x[..., 1 : extra + 1]))
    else:
        forward, backward = np.arange(extra) + n, np.arange(extra) - extra
        after, before = (xp.take(x, asarray_like(mirrored(i, n), x, dtype=xp.int64), axis=-1) for i in (forward, backward))
    return xp.concat([x, joined(after, before, x[..., -1:], x[..., :1], np.arange(extra) / extra)], axis=-1)


def joined(after: Any, before: Any, last: Any, first: Any, place: np.ndarray) -> Any:
    """What lies between the end and the start of a circle.

    Args:
        after: ``(..., samples)``, the mirror image of the signal's end.
        before: That of its start, at the same places.
        last: Last value of the signal, ``(..., 1)``.
        first: First value of the signal.
        place: Where each sample stands between the end, at 0, and the start, at 1.
    """
    weight = asarray_like(0.5 * (1 + np.cos(np.pi * place)), after)
    from_end, from_start = (end + (mirror - end) * _MIRRORED for mirror, end in ((after, last), (before, first)))
    return from_start + (from_end - from_start) * weight


def mirrored(index: np.ndarray, n: int) -> np.ndarray:
    """Indices folded back into ``0 … n - 1`` as often as needed, the end samples not repeated."""
    if n == 1:
        return np.zeros_like(index)
    folded = np.mod(index, 2 * (n - 1))
    return np.where(folded < n, folded, 2 * (n - 1) - folded)


# ------------------------------------------------------------------------------------------------ lengths and rates


def circle_length(steps: Sequence[Transform], n_samples: int, fs: float) -> int:
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


def output_length(steps: Sequence[Transform], n_samples: int, fs: float) -> int:
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


def fast_length(samples: int, *, multiple: int = 1) -> int:
    """The next length at least as long, divisible by ``multiple``, for which an FFT is fast: a product of 2, 3 and 5."""
    wanted = -(-samples // multiple)
    threes_and_fives = [3**i * 5**j for i in range(21) for j in range(14) if 3**i * 5**j < 2 * wanted]
    return multiple * min(odd << max(0, (-(-wanted // odd) - 1).bit_length()) for odd in threes_and_fives)


@lru_cache(maxsize=64)
def _response(steps: tuple[Transform, ...], fs: float, length: int) -> tuple[np.ndarray, int, float]:
    """Product of the gains on a circle of ``length`` samples, the length that comes out, and the gain of a constant."""
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
    return gain * float(scale), int(length * scale), float(gain[0])


@lru_cache(maxsize=1)
def _numpy_fft() -> Any:
    """The FFT of scipy for arrays, 2.5 times as fast on blocks of float32 as NumPy's; NumPy's where scipy is not installed.

    ecg-preproc depends on scipy. The core does not, and the two agree to rounding.
    """
    try:
        return import_module("scipy.fft")
    except ImportError:
        return np.fft
