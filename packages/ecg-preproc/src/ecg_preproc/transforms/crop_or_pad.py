"""CropOrPad: bring every signal to one length."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_preproc.transforms.padding import Padding, padded

__all__ = ["CropOrPad"]

Where = Literal["start", "centre", "end"]


class CropOrPad(Transform):
    """Cut a longer signal, pad a shorter one.

    What is padded was not measured: a mask is false there, and a batch without a mask gets one as soon as it is padded.
    Labels per time point become 0 there.

    Args:
        seconds: Length of the output.
        where: Part of a longer signal that is kept; in a shorter one's padding, the place where the signal stands.
        mode: ``"constant"`` pads with ``value``, ``"edge"`` with the first and the last sample, ``"mirror"`` with the
            mirror image.
        value: What ``"constant"`` pads with, mV.

    Shape:
        ``(..., leads, samples)`` to ``(..., leads, round(seconds · fs))``.
    """

    needs_fs = True

    def __init__(self, *, seconds: float = 10.0, where: Where = "start", mode: Padding = "constant", value: float = 0.0) -> None:
        if not 0 < seconds < float("inf"):
            raise ValueError(f"seconds must be a positive length, got {seconds!r}")
        if where not in get_args(Where):
            raise ValueError(f"where must be start, centre or end, got {where!r}")
        if mode not in get_args(Padding):
            raise ValueError(f"mode must be constant, edge or mirror, got {mode!r}")
        self.seconds = float(seconds)
        self.where = where
        self.mode: Padding = mode
        self.value = float(value)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        refused = [{"seconds": 0.0}, {"where": "middle"}, {"mode": "wrap"}]
        return {"arguments": {"seconds": 4.0, "where": "centre"}, "idempotent": True, "refused": refused}

    def output_length(self, n_samples: int, fs: float) -> int:
        length = round(self.seconds * fs)
        if length < 1:
            raise ValueError(f"a window needs at least one sample, got {self.seconds:g} s at {fs:g} Hz; ask for more seconds")
        return length

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        n, length = x.shape[-1], self.output_length(x.shape[-1], fs)
        start = self._start(n, length)
        if n >= length:
            return namespace(x).astype(x[..., start : start + length], x.dtype, copy=True)
        return padded(x, -start, length - n + start, self.mode, self.value)

    def move(self, positions: Any, *, fs: float, samples: int, **drawn: Any) -> Any:
        return positions - self._start(samples, self.output_length(samples, fs))

    def move_mask(self, mask: Any, *, fs: float, **drawn: Any) -> Any:
        n, length = mask.shape[-1], self.output_length(mask.shape[-1], fs)
        start = self._start(n, length)
        if n >= length:
            return mask[..., start : start + length]
        return padded(mask, -start, length - n + start, "constant", 0)

    def _on_batch(self, batch: Batch, generator: Draws | int | None) -> Batch:
        n = batch.signal.shape[-1]
        if batch.mask is None and self.output_length(n, batch.fs) > n:
            measured = asarray_like(np.ones((len(batch), n), dtype=bool), batch.signal, dtype=namespace(batch.signal).bool)
            batch = batch.with_signal(batch.signal, mask=measured)
        return super()._on_batch(batch, generator)

    def _start(self, n: int, length: int) -> int:
        """Sample of the signal at which the output begins; negative where padding comes first."""
        if self.where == "start":
            return 0
        return n - length if self.where == "end" else (n - length) // 2
