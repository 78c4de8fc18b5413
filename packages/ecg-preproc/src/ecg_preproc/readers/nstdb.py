"""NSTDBReader: the noise of the MIT-BIH Noise Stress Test Database, to be added to clean ECGs.

Data: Moody, Muldrow and Mark 1984, "A noise stress test for arrhythmia detectors", Computers in Cardiology 11:381-384.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.row import read_row
from ecg_preproc.readers.scan import find_records

__all__ = ["NSTDBReader"]

_NOISES = {"bw": "baseline_wander", "em": "electrode_motion", "ma": "muscle_artifact"}
# Two ECGs of MIT-BIH with noise added at a signal-to-noise ratio in dB: 118e06, 119e_6.
_NOISY_RE = re.compile(r"11[89]e[_\d]\d")


class NSTDBReader(Reader):
    """Reads the three recordings of noise, half an hour of two leads at 360 Hz each, as ``noise1`` and ``noise2``.

    The target ``noise`` says which: ``baseline_wander``, ``electrode_motion`` or ``muscle_artifact``. The gain is that of the
    standard for uncalibrated signals, 200 ADC units per mV. The database's ECGs with noise added are refused: they are records
    118 and 119 of MIT-BIH again, and no noise.

    Args:
        checksum: Compare every signal with its header's checksum. ``False`` reads altered data.
    """

    def __init__(self, *, checksum: bool = True) -> None:
        self.checksum = checksum

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.fixtures import nstdb_example

        return nstdb_example()

    def recognises(self, path: Path) -> bool:
        """Whether the three recordings of noise are there, and no headers but those of this database."""
        names = {header.stem for header in Path(path).glob("*.hea")}
        return set(_NOISES) <= names and all(name in _NOISES or _NOISY_RE.fullmatch(name) for name in names)

    def scan(self, path: Path) -> RecordTable:
        """Facts of the recordings of noise, by name; ECGs and damaged recordings are rejects.

        Raises:
            DataError: The folder does not exist or holds no recording of noise.
        """
        root = Path(path)
        headers = sorted(header.name for header in root.glob("*.hea"))
        wanted = [name for name in headers if name.removesuffix(".hea") in _NOISES]
        if not wanted:
            raise DataError(f"{root}: none of the headers bw.hea, em.hea and ma.hea in it; give the folder of NSTDB")
        found, rejects = find_records(root, wanted)
        rows = [
            {
                "record_id": record.path,
                "patient_id": None,
                **record.row(root),
                "noise": (_NOISES[record.path],),
            }
            for record in found
        ]
        others = [
            (name, f"{name.removesuffix('.hea')} is an ECG and not noise; read it with the reader wfdb")
            for name in headers
            if name not in wanted
        ]
        return RecordTable.from_rows(rows, sorted([*rejects, *others]))

    def read(self, row: Mapping[str, Any]) -> Record:
        """The noise of one row: float32 mV."""
        return read_row(row, checksum=self.checksum)

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to ``stop`` of one row's noise; the checksum of the whole is not verified."""
        return read_row(row, checksum=self.checksum, span=(start, stop))
