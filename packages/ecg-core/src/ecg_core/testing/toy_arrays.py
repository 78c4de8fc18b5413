"""What the checks of transforms and readers share: toy ECGs as arrays, seeded calls, and comparisons that say by how much."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.transform import Transform
from ecg_core.testing.checks import CheckFailed, require
from ecg_core.testing.common_checks import parameters_of
from ecg_core.testing.example import Example
from ecg_core.testing.toy import toy_signal

__all__ = ["SEED", "constructor_words", "require_close", "require_equal", "signals", "transformed"]

SEED = 11


def signals(example: Example, *leading: int, samples: int | None = None) -> np.ndarray:
    """Toy ECGs of the size the author states, ``(*leading, leads, samples)``."""
    n = int(np.prod(leading, dtype=int))
    signal = toy_signal(n, example.leads, samples or example.samples, fs=example.fs)
    return signal.reshape(*leading, *signal.shape[1:])


def transformed(transform: Transform, x: Any, example: Example, seed: int = SEED) -> Any:
    """``x`` through the transform, drawn from a seed."""
    return transform(x, fs=example.fs, generator=seed)


def constructor_words(example: Example) -> tuple[str, ...]:
    """Names of the constructor's parameters."""
    return tuple(parameters_of(example.cls.__init__))


def require_equal(found: Any, expected: Any, what: str) -> None:
    """Require the same shape and the same numbers (NaN equals NaN)."""
    require(found.shape == expected.shape, f"{what}: shape {found.shape} instead of {expected.shape}")
    if not np.array_equal(found, expected, equal_nan=True):
        raise CheckFailed(f"{what}: they differ by up to {_distance(found, expected):.3g}")


def require_close(found: Any, expected: Any, what: str, tolerance: float) -> None:
    """Require the same shape and numbers within a tolerance, absolute and relative."""
    require(found.shape == expected.shape, f"{what}: shape {found.shape} instead of {expected.shape}")
    if not np.allclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
        raise CheckFailed(f"{what}: they differ by up to {_distance(found, expected):.3g}, allowed is {tolerance:g}")


def _distance(a: Any, b: Any) -> float:
    return float(np.max(np.abs(np.nan_to_num(a, nan=1e30) - np.nan_to_num(b, nan=1e30))))
