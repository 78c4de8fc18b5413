"""RandomCrop: a shorter window from a random place."""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform
from ecg_preproc.augment.stretches import stretches

__all__ = ["RandomCrop"]


class RandomCrop(RandomTransform):
    """Cut a stretch of fixed length from a random place of each window; positions in time move along.

    Args:
        seconds: Length of the stretch.

    Shape:
        ``(..., leads, samples)`` to ``(..., leads, round(seconds · fs))``.
    """

    needs_fs = True
    p = 1.0

    def __init__(self, *, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"seconds must be positive, got {seconds!r}")
        self.seconds = seconds

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it."""
        return {"arguments": {"seconds": 2.0}, "refused": [{"seconds": 0.0}]}

    def output_length(self, n_samples: int, fs: float) -> int:
        length = max(1, round(self.seconds * fs))
        if length > n_samples:
            raise ValueError(f"cannot crop {self.seconds:g} s out of {n_samples / fs:g} s; crop less or use longer windows")
        return length

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        return {"place": generator.uniform()}

    def move(self, positions: Any, *, fs: float, samples: int, **drawn: Any) -> Any:
        return positions - _start(drawn["place"], samples, self.output_length(samples, fs))[:, None]

    def move_mask(self, mask: Any, *, fs: float, **drawn: Any) -> Any:
        return self.apply(mask[:, None, :], fs=fs, **drawn)[:, 0, :]

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        length = self.output_length(x.shape[-1], fs)
        return stretches(x, _start(drawn["place"], x.shape[-1], length), length)


def _start(place: Any, samples: int, length: int) -> Any:
    """First sample of each window's stretch; every start from 0 to ``samples - length`` is equally likely."""
    xp = namespace(place)
    return xp.astype(xp.floor(place * (samples - length + 1)), xp.int64)
