"""CinCReader: the PhysioNet/CinC Challenges of 2017 (one lead, four rhythms) and of 2020 and 2021 (twelve leads, SNOMED CT).

Data: Clifford et al. 2017, "AF classification from a short single lead ECG recording", Computing in Cardiology 44; those of 2020
and 2021 are named in :mod:`ecg_preproc.readers.snomed`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.challenge_layout import database_of, is_challenge, read_references
from ecg_preproc.readers.comments import facts_of
from ecg_preproc.readers.row import read_row
from ecg_preproc.readers.scan import find_records, headers_below
from ecg_preproc.readers.snomed import Scoring, Spelling, classes_of

__all__ = ["CinCReader"]


class CinCReader(Reader):
    """Reads the recordings of the PhysioNet/CinC Challenges 2017, 2020 and 2021, in the folders as they come or any others.

    Targets:

    - ``dx``. 2020 and 2021: what the header's SNOMED CT codes stand for, in its order. A code that is not in the table of the
      challenges stays as it is. 2017: ``N`` (sinus rhythm), ``A`` (atrial fibrillation), ``O`` (another rhythm) or ``~`` (noise)
      from ``REFERENCE*.csv``. Where neither is there for any recording, there is no such target.
    - ``database``, where a recording comes from: ``cinc2017``, ``cpsc``, ``cpsc_extra``, ``incart``, ``ptb``, ``ptb_xl``,
      ``georgia``, ``chapman_shaoxing`` or ``ningbo``. Many diagnoses were given in one of them only: a model that detects
      the data set seems to detect the diagnosis.

    Patients are not known. ``validation`` of 2017 holds copies of 300 recordings of ``training``. The 700 premature ventricular
    beats of ``cpsc`` have the unscored code of ventricular ectopics, ``VEB``. A record's name is its file's when no two files
    share one, else its path below the folder.

    Args:
        codes: ``dx`` by ``"abbreviation"`` (``"CRBBB"``) or by ``"snomed"`` code (``"713427006"``).
        scoring: The challenge, ``"2021"`` or ``"2020"``, whose equal classes become one: RBBB becomes CRBBB, SVPB becomes PAC,
            VPB becomes PVC, and in 2021 LBBB becomes CLBBB. ``None`` keeps every code apart.
        scored_only: Keep only the classes that this challenge scored. Labels of 2017 are kept.
        checksum: Compare every signal with its header's checksum. ``False`` reads altered data.

    Raises:
        DataError: An argument is none of these, or ``scored_only`` is asked for without ``scoring``.
    """

    def __init__(
        self,
        *,
        codes: Spelling = "abbreviation",
        scoring: Scoring | None = "2021",
        scored_only: bool = False,
        checksum: bool = True,
    ) -> None:
        if codes not in get_args(Spelling):
            raise DataError(f"codes are 'abbreviation' or 'snomed', got {codes!r}")
        if scoring is not None and scoring not in get_args(Scoring):
            raise DataError(f"scoring is '2021', '2020' or None, got {scoring!r}")
        if scored_only and scoring is None:
            raise DataError("scored_only needs the challenge that scored; give scoring='2021' or '2020'")
        self.codes = codes
        self.scoring = scoring
        self.scored_only = scored_only
        self.checksum = checksum

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.challenge_fixtures import cinc_example

        return cinc_example()

    def recognises(self, path: Path) -> bool:
        """Whether most of a few headers are those of a challenge: single leads called ``A00001``, or ``# Dx:`` with codes."""
        return is_challenge(Path(path))

    def scan(self, path: Path) -> RecordTable:
        """Facts and targets of every recording below ``path``, sorted by path. Labelled ones that are absent are rejects.

        Raises:
            DataError: The folder does not exist or holds no header, or a table of labels cannot be understood.
        """
        root = Path(path)
        names = sorted(headers_below(root))
        if not names:
            what = "no such folder" if not root.is_dir() else "no WFDB header (*.hea) in it or below it"
            raise DataError(f"{root}: {what}; give a folder of a PhysioNet/CinC Challenge")
        stems = {posixpath.basename(name).removesuffix(".hea") for name in names}
        labels = read_references(root, names)
        found, rejects = find_records(root, names)
        rejects += [(f"{record}.hea", "REFERENCE*.csv labels it, and it is not there") for record in sorted({*labels} - stems)]
        rows, labelled = [], bool(labels)
        for record in found:
            name = posixpath.basename(record.path)
            facts = facts_of(record.header.comments)
            database = database_of(record.path)
            labelled |= facts.dx is not None
            rows.append(
                {
                    "record_id": name if len(stems) == len(names) else record.path,
                    "patient_id": facts.patient_id,
                    **record.row(root),
                    "age": facts.age,
                    "sex": facts.sex,
                    "dx": (labels[name],) if name in labels else self._classes(facts.dx or ()),
                    "database": () if database is None else (database,),
                }
            )
        if not labelled:
            for row in rows:
                del row["dx"]
        return RecordTable.from_rows(rows, rejects)

    def read(self, row: Mapping[str, Any]) -> Record:
        """The record of one row: float32 mV, with the row's facts and targets."""
        return read_row(row, checksum=self.checksum)

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to ``stop`` of one row's record; the checksum of the whole is not verified."""
        return read_row(row, checksum=self.checksum, span=(start, stop))

    def _classes(self, codes: tuple[str, ...]) -> tuple[str, ...]:
        return classes_of(codes, spelling=self.codes, scoring=self.scoring, scored_only=self.scored_only)
