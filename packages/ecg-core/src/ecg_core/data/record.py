"""Record: one ECG with its facts, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Literal

import numpy as np

from ecg_core.data.leads import canonical_leads, limb_lead_weights
from ecg_core.errors import DataError

__all__ = ["Record"]


@dataclass(frozen=True, eq=False)
class Record:
    """One ECG with its facts.

    Args:
        signal: ``(leads, samples)`` float32 in mV. Other float types are converted; integers are refused,
            because digital units are not mV.
        fs: Sampling frequency in Hz.
        leads: One name per row of ``signal``; spelling is made canonical (``AVR`` becomes ``aVR``).
        record_id: Name of the recording, unique within its table.
        patient_id: Whose heart it is; ``None`` when unknown.
        age: Years.
        sex: ``"F"``, ``"M"`` or ``None``.
        labels: Targets by name, each a tuple of classes: ``{"superclass": ("MI", "CD")}``.
        annotations: Positions on the time axis by name, in samples: ``{"r_peaks": array([80, 290])}``.
        source: Where it was read from.

    Raises:
        DataError: The facts contradict each other.
    """

    signal: np.ndarray
    fs: float
    leads: tuple[str, ...]
    record_id: str = ""
    patient_id: str | None = None
    age: float | None = None
    sex: Literal["F", "M"] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        name = f"record {self.record_id!r}" if self.record_id else "record"
        signal = np.asarray(self.signal)
        if signal.ndim != 2:
            raise DataError(f"{name}: signal must be (leads, samples), got shape {signal.shape}")
        if signal.dtype.kind != "f":
            raise DataError(f"{name}: signal must be floating point in mV, got {signal.dtype}; divide by the gain first")
        leads = canonical_leads(self.leads)
        if len(leads) != signal.shape[0]:
            raise DataError(f"{name}: {len(leads)} lead names for a signal of {signal.shape[0]} leads")
        if not (isinstance(self.fs, Real) and 0 < self.fs < float("inf")):
            raise DataError(f"{name}: fs must be a positive number of Hz, got {self.fs!r}")
        if self.sex not in ("F", "M", None):
            raise DataError(f"{name}: sex must be 'F', 'M' or None, got {self.sex!r}")
        loose = [target for target, classes in self.labels.items() if isinstance(classes, str)]
        if loose:
            raise DataError(f"{name}: labels are tuples of classes, got {loose[0]}={self.labels[loose[0]]!r}")
        object.__setattr__(self, "signal", signal.astype(np.float32, copy=False))
        object.__setattr__(self, "fs", float(self.fs))
        object.__setattr__(self, "leads", leads)

    @property
    def n_samples(self) -> int:
        """Time points per lead."""
        return int(self.signal.shape[1])

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.n_samples / self.fs

    def with_signal(self, signal: np.ndarray, *, fs: float | None = None, **facts: object) -> Record:
        """The same record with another signal (and, where given, another ``fs`` and other facts)."""
        return replace(self, signal=signal, fs=self.fs if fs is None else fs, **facts)  # type: ignore[arg-type]

    def select_leads(self, leads: Iterable[str], *, derive: bool = True) -> Record:
        """The record with these leads in this order.

        Args:
            leads: Wanted leads.
            derive: Compute absent III, aVR, aVL and aVF from I and II (Einthoven, Goldberger).

        Raises:
            DataError: A lead is absent and cannot be derived.
        """
        wanted = canonical_leads(leads)
        if wanted == self.leads:
            return self
        rows, missing = [], []
        for lead in wanted:
            weights = limb_lead_weights(lead)
            if lead in self.leads:
                rows.append(self.signal[self.leads.index(lead)])
            elif derive and weights is not None and {"I", "II"} <= set(self.leads):
                one, two = (self.signal[self.leads.index(limb)] for limb in ("I", "II"))
                rows.append(np.float32(weights[0]) * one + np.float32(weights[1]) * two)
            else:
                missing.append(lead)
        if missing:
            raise DataError(
                f"record {self.record_id!r} has no lead {', '.join(missing)} (it has {', '.join(self.leads)}); "
                "ask for leads it has, e.g. --leads " + ",".join(self.leads)
            )
        return replace(self, signal=np.stack(rows), leads=wanted)

    def crop(self, start: int, stop: int) -> Record:
        """Samples ``start`` up to, not including, ``stop``; annotations move along and those outside are dropped."""
        if not 0 <= start < stop <= self.n_samples:
            raise DataError(f"record {self.record_id!r}: cannot crop [{start}, {stop}) out of {self.n_samples} samples")
        moved = {
            name: positions[(positions >= start) & (positions < stop)] - start
            for name, positions in ((n, np.asarray(p)) for n, p in self.annotations.items())
        }
        return replace(self, signal=self.signal[:, start:stop], annotations=moved)

    def windows(self, seconds: float) -> list[Record]:
        """Consecutive, non-overlapping windows of this length; a shorter rest at the end is left out."""
        length = round(seconds * self.fs)
        if length < 1:
            raise DataError(f"record {self.record_id!r}: a window needs at least one sample, got {seconds!r} s at {self.fs:g} Hz")
        return [self.crop(i, i + length) for i in range(0, self.n_samples - length + 1, length)]

    def flaws(self) -> list[str]:
        """What makes the signal unfit for training, in words: NaN or infinite samples, flat leads."""
        found: list[str] = []
        if not self.n_samples:
            return found
        low, high = self.signal.min(axis=1), self.signal.max(axis=1)
        bad = ~(np.isfinite(low) & np.isfinite(high))  # a NaN is the smallest and the largest wherever there is one
        flat = ~bad & (low == high)
        if bad.any():
            found.append(f"NaN or infinite samples in {', '.join(np.array(self.leads)[bad])}")
        if flat.any():
            found.append(f"flat {', '.join(np.array(self.leads)[flat])}")
        return found

    def __repr__(self) -> str:
        who = f", patient {self.patient_id}" if self.patient_id is not None else ""
        leads = ",".join(self.leads) if len(self.leads) <= 3 else f"{len(self.leads)} leads"
        return f"Record({self.record_id!r}, {leads}, {self.seconds:g} s at {self.fs:g} Hz{who})"

    def _repr_html_(self) -> str:
        from ecg_core.data.notebook import record_html

        return record_html(self)
