"""ArrayReader: recordings as plain arrays and tables: ``.npy``, ``.npz``, ``.parquet`` and ``.csv``.

What such a file does not say must be said by whoever reads it: nothing is guessed from shapes or amplitudes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ecg_core.data.leads import canonical_leads
from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_preproc.readers.array_files import Contents, holds_words, load, shape_of
from ecg_preproc.readers.recording_files import RecordingFiles, check_span
from ecg_preproc.readers.units import per_mv

__all__ = ["ArrayReader"]


class ArrayReader(RecordingFiles):
    """Reads arrays, one recording per file.

    ``.npy``: the signal. ``.npz``: the signal as ``signal`` (or its only array), and optionally ``fs`` and ``leads``.
    ``.parquet`` and ``.csv``: a column for each lead, named by the first line, and optionally a column ``time`` in seconds, from
    which the sampling frequency follows.

    Args:
        fs: Sampling frequency in Hz, where the files do not state it.
        leads: Names of the leads in order, where the files do not state them.
        unit: ``"mV"``, ``"uV"``, ``"nV"`` or ``"V"`` of the numbers.
        axes: ``"leads,samples"`` or ``"samples,leads"``: how ``.npy`` and ``.npz`` arrays lie; tables have leads in columns.

    Raises:
        DataError: An argument is out of its range.
    """

    generality = 2
    suffixes = (".npy", ".npz", ".parquet", ".csv")
    what = "array (*.npy, *.npz, *.parquet, *.csv)"

    def __init__(
        self,
        *,
        fs: float | None = None,
        leads: Sequence[str] | None = None,
        unit: str = "mV",
        axes: Literal["leads,samples", "samples,leads"] = "leads,samples",
    ) -> None:
        if fs is not None and not 0 < fs < float("inf"):
            raise DataError(f"fs must be a positive number of Hz, got {fs!r}")
        if axes not in ("leads,samples", "samples,leads"):
            raise DataError(f"axes are 'leads,samples' or 'samples,leads', got {axes!r}")
        per_mv(unit)
        self.fs = fs
        self.leads = None if leads is None else canonical_leads(leads)
        self.unit = unit
        self.axes = axes

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.array_fixtures import array_example

        return array_example()

    def is_one(self, file: str) -> bool:
        """Whether it may hold a recording; a CSV file of labels holds words."""
        return not (file.lower().endswith(".csv") and holds_words(file))

    def facts(self, file: str) -> dict[str, Any]:
        contents = shape_of(file)
        leads, n_samples, fs = self._described(contents)
        return {"fs": fs, "n_samples": n_samples, "leads": leads}

    def open(self, file: str, span: tuple[int, int] | None = None) -> Record:
        contents = load(file, mapped=span is not None)
        leads, n_samples, fs = self._described(contents)
        check_span(span, n_samples)
        signal = contents.signal
        assert signal is not None
        if signal.dtype.kind not in "fiu":
            raise DataError(f"the array holds {signal.dtype}, expected real numbers in {self.unit}")
        signal = signal.T if self._samples_first(contents) else signal
        signal = signal if span is None else signal[:, span[0] : span[1]]
        millivolts = np.asarray(signal, dtype=np.float64) / per_mv(self.unit)
        if not np.isfinite(millivolts).any() and n_samples:
            raise DataError("the array holds no finite number; is it the right file?")
        return Record(millivolts.astype(np.float32), fs, leads, Path(file).stem)

    def _samples_first(self, contents: Contents) -> bool:
        return contents.table or self.axes == "samples,leads"

    def _described(self, contents: Contents) -> tuple[tuple[str, ...], int, float]:
        """Names of the leads, samples per lead and Hz; what neither the file nor the reader's arguments state is an error."""
        if len(contents.shape) == 1:
            count, n_samples = 1, contents.shape[0]
        elif len(contents.shape) == 2:
            count, n_samples = contents.shape[::-1] if self._samples_first(contents) else contents.shape
        else:
            raise DataError(f"the array has the shape {contents.shape}, expected (leads, samples); store one recording per file")
        leads = self.leads if self.leads is not None else contents.leads
        if leads is None:
            raise DataError(f"the file does not name its {count} lead(s); give the reader leads=…")
        if len(leads) != count:
            swapped = len(contents.shape) == 2 and len(leads) == n_samples
            hint = "the axes seem to be swapped: give the reader axes=…" if swapped else "name each lead once"
            raise DataError(f"{len(leads)} lead names for an array of {count} lead(s) and {n_samples} samples; {hint}")
        fs = contents.fs if contents.fs is not None else self.fs
        if fs is None:
            raise DataError("the file does not state its sampling frequency; give the reader fs=… (Hz)")
        if self.fs is not None and contents.fs is not None and abs(fs - self.fs) > 1e-6 * fs:
            raise DataError(f"the file states {contents.fs:g} Hz, the reader was told {self.fs:g} Hz; correct one of them")
        return leads, n_samples, fs
