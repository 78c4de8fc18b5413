"""Draws: random numbers that are a pure function of (seed, epoch, record, transform).

A counter-based generator (splitmix64, Steele, Lea and Flood 2014) hashes one 64-bit key per window with the number of
the draw. Batch size, worker count, device and resume point therefore never change an augmentation. The arithmetic is
written on wrapping int64, which NumPy and torch share, and gives the same bits in both.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, is_numpy_array, namespace
from ecg_core.contracts.normal_numbers import PER_INTEGER, normal_numbers

__all__ = ["Draws", "record_key"]


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_ALL = 0xFFFFFFFFFFFFFFFF
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def record_key(name: str) -> int:
    """A 64-bit key of a record's name, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)


def _mix(z: Any) -> Any:
    if is_numpy_array(z):
        return _mix_unsigned(z.view(np.uint64)).view(np.int64)
    # Arithmetic shifts with a mask stand in for the unsigned shifts of the published finaliser.
    # In place from the second step on, because fresh memory costs more than the arithmetic.
    for bits, mask, factor in ((30, 0x3FFFFFFFF, _FIRST), (27, 0x1FFFFFFFFF, _SECOND), (31, 0x1FFFFFFFF, 1)):
        shifted = z >> bits
        shifted &= mask
        shifted ^= z
        if factor != 1:
            shifted *= factor
        z = shifted
    return z


def _mix_unsigned(z: Any) -> Any:
    """The published finaliser, which NumPy has the types for."""
    for bits, factor in ((30, _FIRST & _ALL), (27, _SECOND & _ALL), (31, 1)):
        shifted = z >> bits
        shifted ^= z
        if factor != 1:
            shifted *= factor
        z = shifted
    return z


def _wrap(value: int) -> int:
    return _signed(value & 0xFFFFFFFFFFFFFFFF)


def _mixed_number(value: int) -> int:
    """:func:`_mix` of one number: a whole array for a single salt would cost as much as the draws of a batch."""
    z = (value + _GOLDEN) & _ALL
    z = ((z ^ (z >> 30)) * (_FIRST & _ALL)) & _ALL
    z = ((z ^ (z >> 27)) * (_SECOND & _ALL)) & _ALL
    return _wrap(z ^ (z >> 31))


def _host(keys: Any) -> Any:
    """The memory of a tensor on the processor as a NumPy array, whose calls on a few numbers cost a third; others as they are."""
    plain = not is_numpy_array(keys) and str(keys.device) == "cpu" and type(keys).__module__ == "torch"
    return keys.numpy() if plain else keys


def _home(values: Any, keys: Any) -> Any:
    """What was worked out by way of :func:`_host`, back in the framework of the keys; the memory is the same."""
    return values if type(values) is type(keys) else namespace(keys).from_numpy(values)


def _bits(keys: Any, call: int, size: Sequence[int]) -> Any:
    """``(windows, *size)`` int64: the bits of the draw with this number."""
    stream = _mix(keys + _wrap(call * _GOLDEN))[:, None]
    counter = asarray_like(_counters(math.prod(size)), keys)
    return namespace(keys).reshape(_mix(stream + counter), (int(keys.shape[0]), *size))


@lru_cache(maxsize=16)
def _counters(count: int) -> np.ndarray:
    return np.arange(1, count + 1, dtype=np.int64) * _GOLDEN


_MANY = 1 << 16  # numbers that are made at once


class Draws:
    """Random numbers for a batch of windows, one independent stream per window.

    The keys of seeded draws are worked out when the first number is asked for: most steps of a chain ask for none.

    Args:
        keys: ``(windows,)`` int64, NumPy or torch; results live where the keys live.
    """

    def __init__(self, keys: Any) -> None:
        self._keys = keys
        self._make: Callable[[], Any] | None = None
        self._windows = int(keys.shape[0]) if keys is not None else 0
        self._calls = 0

    @classmethod
    def _later(cls, windows: int, make: Callable[[], Any]) -> Draws:
        draws = cls(None)
        draws._windows, draws._make = windows, make
        return draws

    @property
    def keys(self) -> Any:
        """``(windows,)`` int64, from which every number follows."""
        if self._make is not None:
            self._keys, self._make = self._make(), None
        return self._keys

    @classmethod
    def seeded(cls, seed: int, *, epoch: int = 0, records: Any = None, windows: int = 1) -> Draws:
        """Draws for ``windows`` windows, or for the records with these keys (``(windows,)`` int64 NumPy)."""
        numbers = (int(seed), int(epoch))
        names = None if records is None else np.asarray(records, dtype=np.int64)

        def make() -> Any:
            keys = _mix((np.arange(windows, dtype=np.int64) if names is None else names) + _GOLDEN)
            for number in numbers:
                keys = _mix(keys ^ _mixed_number(_wrap(number)))
            return keys

        return cls._later(windows if names is None else len(names), make)

    @classmethod
    def fresh(cls, windows: int) -> Draws:
        """Draws that differ at every call, from the operating system's entropy."""
        return cls.seeded(int.from_bytes(os.urandom(8), "little"), windows=windows)

    def __len__(self) -> int:
        return self._windows

    def like(self, x: Any) -> Draws:
        """The same draws, living in the framework and on the device of ``x``."""
        return self._later(len(self), lambda: asarray_like(self.keys, x, dtype=namespace(x).int64))

    def child(self, salt: int) -> Draws:
        """Draws independent of these and of every other salt's."""
        return self._later(len(self), lambda: _home(_mix(_host(self.keys) ^ _mixed_number(_wrap(salt))), self.keys))

    def after(self, calls: int) -> Draws:
        """These draws as they are after some calls, made or not: what is drawn then can be drawn later, and elsewhere."""
        later = Draws(self.keys)
        later._calls = calls
        return later

    def subset(self, index: Any) -> Draws:
        """Draws of some of the windows."""
        return Draws(self.keys[index])

    def bits(self, size: Sequence[int] = ()) -> Any:
        """``(windows, *size)`` int64 with 64 random bits each."""
        return _home(self._bits(size), self.keys)

    def _bits(self, size: Sequence[int]) -> Any:
        """The same, on the processor as a NumPy array."""
        self._calls += 1
        return _bits(_host(self.keys), self._calls, size)

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Sequence[int] = ()) -> Any:
        """``(windows, *size)`` float32, uniform in [low, high); rounding may reach ``high`` unless the range is [0, 1)."""
        bits = (self._bits(size) >> 40) & 0xFFFFFF
        xp = namespace(bits)
        unit = xp.astype(bits, xp.float32) * 2.0**-24
        return _home(unit * (high - low) + low, self.keys)

    def integers(self, high: int, size: Sequence[int] = ()) -> Any:
        """``(windows, *size)`` int64, uniform in 0 … high - 1."""
        return ((self.bits(size) >> 1) & 0x7FFFFFFFFFFFFFFF) % high

    def normal(self, size: Sequence[int] = ()) -> Any:
        """``(windows, *size)`` float32 standard normal numbers; see :mod:`ecg_core.contracts.normal_numbers`."""
        self._calls += 1
        keys, count = _host(self.keys), math.prod(size)
        integers = -(-count // PER_INTEGER)
        if not is_numpy_array(keys):
            out = normal_numbers(_bits(keys, self._calls, (integers,)), count)
        else:
            out = np.empty((len(self), count), dtype=np.float32)
            rows = max(1, _MANY // max(1, count))  # a few windows at a time, so that their bits stay in the cache
            for start in range(0, len(self), rows):
                part = slice(start, start + rows)
                normal_numbers(_bits(keys[part], self._calls, (integers,)), count, out=out[part])
        return _home(out.reshape((len(self), *size)), self.keys)

    def beta(self, a: float, b: float) -> Any:
        """``(windows,)`` float32 from the beta distribution, as the share of one gamma variable in the sum of two.

        With shapes far below 0.4, the mass that lies closer to 1 than float32 can tell is at 1 itself.
        """
        xp = namespace(self.keys)
        # In logarithms: with a small shape both variables underflow, and their share would be 0 / 0.
        return 1 / (1 + xp.exp(xp.clip(self._log_gamma(b) - self._log_gamma(a), -80.0, 80.0)))

    def _log_gamma(self, shape: float) -> Any:
        """``(windows,)`` logarithms of gamma variables (Marsaglia and Tsang 2000).

        The published method tries again until a candidate is accepted; here the first accepted of twelve is taken, so that
        every window makes the same number of draws. All twelve fail with a probability below 1e-15.
        """
        xp = namespace(self.keys)
        boost = xp.log(1 - self.uniform()) / shape  # from shape + 1 down to shape, which may be below 1
        d = shape + 1 - 1 / 3
        z, u = self.normal((12,)), 1 - self.uniform(size=(12,))
        v = (1 + z / math.sqrt(9 * d)) ** 3
        log_v = xp.log(xp.where(v > 0, v, xp.ones_like(v)))
        accepted = (v > 0) & (xp.log(u) < 0.5 * z**2 + d - d * v + d * log_v)
        first = xp.argmax(xp.astype(accepted, xp.int64), axis=1, keepdims=True)
        return math.log(d) + xp.take_along_axis(log_v, first, axis=1)[:, 0] + boost

    def happens(self, p: float, size: Sequence[int] = ()) -> Any:
        """``(windows, *size)`` booleans, true with probability ``p`` (never at 0, always at 1)."""
        return self.uniform(size=size) < p
