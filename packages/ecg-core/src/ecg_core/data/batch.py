"""Batch: windows of equal length stacked, with the facts a method or task may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from ecg_core.contracts.draws import Draws
from ecg_core.data.leads import canonical_leads
from ecg_core.errors import DataError

__all__ = ["Batch"]

_MOVED = ("signal", "targets", "step_targets", "patient", "segment", "mask", "age", "sex")


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows stacked.

    Args:
        signal: ``(batch, leads, samples)`` NumPy array or torch tensor, mV.
        fs: Hz.
        leads: Names of the leads, the same for every window.
        record_ids: One name per window.
        record_keys: ``(batch,)`` int64 NumPy; from these every random draw follows.
        targets: About the whole window: ``(batch, classes)`` in [0, 1], or ``(batch,)`` class numbers.
        step_targets: About each time point: ``(batch, samples)`` class numbers, or ``(batch, classes, samples)`` in [0, 1].
        patient: ``(batch,)`` int64 patient numbers.
        segment: ``(batch,)`` int64, position of the window in its recording.
        mask: ``(batch, samples)`` booleans, true where the signal is measured.
        annotations: ``(batch, positions)`` int64 sample positions by name (``"r_peaks"``), -1 where a window has fewer.
        seed: Of the run.
        epoch: Of the run; random draws change with it.
        age: ``(batch,)`` float32 years, NaN where unknown.
        sex: ``(batch,)`` float32, 0 for ``"F"``, 1 for ``"M"``, NaN where unknown.
    """

    signal: Any
    fs: float
    leads: tuple[str, ...]
    record_ids: tuple[str, ...] = ()
    record_keys: Any = None
    targets: Any = None
    step_targets: Any = None
    patient: Any = None
    segment: Any = None
    mask: Any = None
    annotations: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    epoch: int = 0
    age: Any = None
    sex: Any = None

    def __post_init__(self) -> None:
        if self.signal.ndim != 3:
            raise DataError(f"a batch is (batch, leads, samples), got shape {tuple(self.signal.shape)}")
        object.__setattr__(self, "leads", canonical_leads(self.leads))
        if len(self.leads) != self.signal.shape[1]:
            raise DataError(f"{len(self.leads)} lead names for a batch of {self.signal.shape[1]} leads")
        if self.record_keys is None:
            object.__setattr__(self, "record_keys", np.arange(len(self), dtype=np.int64))
        for name in (*_MOVED[1:], *(["record_ids"] if self.record_ids else [])):
            self._check_count(name)
        for name, positions in self.annotations.items():
            if positions.ndim != 2 or len(positions) != len(self):
                raise DataError(f"annotations {name!r} must be ({len(self)}, positions), got shape {tuple(positions.shape)}")

    def __len__(self) -> int:
        return int(self.signal.shape[0])

    def has(self, name: str) -> bool:
        """Whether a field such as ``"patient"`` is filled."""
        return name in {f.name for f in fields(self)} and getattr(self, name) is not None

    def draws(self, salt: int = 0) -> Draws:
        """Random draws of these windows, on their device; another salt gives another, independent set."""
        self._check_count("record_keys")
        return Draws.seeded(self.seed, epoch=self.epoch, records=self.record_keys).child(salt).like(self.signal)

    def with_signal(self, signal: Any, *, fs: float | None = None, mask: Any = None) -> Self:
        """The same windows with another signal (and sampling frequency)."""
        return replace(self, signal=signal, fs=self.fs if fs is None else fs, mask=self.mask if mask is None else mask)

    def to(self, device: Any, *, non_blocking: bool = False) -> Self:
        """The batch with its tensors on ``device``; NumPy arrays become tensors."""
        return self._each_tensor(lambda t: t.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The batch in page-locked memory, for asynchronous copies to a GPU."""
        return self._each_tensor(lambda t: t.pin_memory())

    def _check_count(self, name: str) -> None:
        value = getattr(self, name)
        if value is not None and len(value) != len(self):
            raise DataError(f"{name} has {len(value)} entries for a batch of {len(self)} windows")

    def _each_tensor(self, act: Any) -> Self:
        import torch

        values = {name: getattr(self, name) for name in _MOVED}
        tensors = {k: torch.as_tensor(v) for k, v in values.items() if v is not None}
        positions = {k: act(torch.as_tensor(v)) for k, v in self.annotations.items()}
        return replace(self, annotations=positions, **{k: act(v) for k, v in tensors.items()})
