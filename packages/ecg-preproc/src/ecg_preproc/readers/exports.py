"""Readers of what ECG carts and archives export, through ecgdatakit: HL7 aECG, SCP-ECG and GE MUSE XML.

ecgdatakit (Apache-2.0) decodes the formats; what is here refuses what it would only warn of: a checksum that differs, leads
without a unit, leads of different lengths.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ecg_core.data.leads import INDEPENDENT_8, STANDARD_12, canonical_lead
from ecg_core.data.record import Record
from ecg_core.errors import DataError, MissingExtraError
from ecg_preproc.readers.files import read_bytes
from ecg_preproc.readers.recording_files import RecordingFiles, check_span
from ecg_preproc.readers.units import per_mv

__all__ = ["AECGReader", "MuseReader", "SCPReader"]

_MOST_BYTES = 1 << 28  # a twelve-lead ECG of ten seconds has less than a megabyte, a day's aECG two hundred
_SNIFFED = 4096

_PROLOGUE_RE = re.compile(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(\[.*?\])?>", re.DOTALL)
_ELEMENT_RE = re.compile(r"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)[\s>/]")


class _Exports(RecordingFiles):
    """What the three have in common."""

    parser: ClassVar[str]
    """Module and class of ecgdatakit."""

    def open(self, file: str, span: tuple[int, int] | None = None) -> Record:
        parsed = _parsed(self.parser, file)
        leads = [lead.to_physical() for lead in parsed.leads if not _unscaled(lead)]
        lost = [lead.label for lead in parsed.leads if _unscaled(lead)]
        if lost:
            raise DataError(f"lead {', '.join(lost)} states no unit of voltage, so its numbers mean nothing; export it again")
        if not leads:
            raise DataError("it holds no lead; export it again")
        rates, lengths = {float(lead.sampling_rate) for lead in leads}, {len(lead.samples) for lead in leads}
        if len(rates) > 1 or len(lengths) > 1:
            listed = ", ".join(f"{lead.label}: {len(lead.samples)} at {lead.sampling_rate:g} Hz" for lead in leads)
            raise DataError(f"its leads differ in length or sampling frequency ({listed}); export them alike")
        check_span(span, lengths.pop())
        start, stop = span or (0, None)
        signal = np.stack([np.asarray(lead.samples, dtype=np.float64)[start:stop] / per_mv(lead.units) for lead in leads])
        person = parsed.patient
        return Record(
            signal.astype(np.float32),
            rates.pop(),
            tuple(canonical_lead(lead.label) for lead in leads),
            Path(file).stem,
            patient_id=person.patient_id or None,
            age=None if person.age is None else float(person.age),
            sex=person.sex if person.sex in ("F", "M") else None,
        )


class AECGReader(_Exports):
    """Reads HL7 annotated ECG files (aECG, ANSI/HL7 V3), one recording each. Needs the extra ``ecg-preproc[formats]``."""

    suffixes = (".xml",)
    what = "HL7 aECG file (*.xml)"
    parser = "hl7_aecg:HL7aECGParser"

    def __init__(self) -> None:
        pass

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.export_fixtures import aecg_example

        return aecg_example()

    def is_one(self, file: str) -> bool:
        """Whether its root element is that of an annotated ECG; an emptied or cut file is taken for one, and then refused."""
        root = _root(file)
        return root is None or root == "annotatedecg"


class MuseReader(_Exports):
    """Reads the XML of GE MUSE, one recording each. Needs the extra ``ecg-preproc[formats]``.

    MUSE stores the eight independent leads; III, aVR, aVL and aVF are given as they follow from I and II.
    """

    suffixes = (".xml",)
    what = "GE MUSE file (*.xml)"
    parser = "ge_muse_xml:GEMuseXMLParser"

    def __init__(self) -> None:
        pass

    def open(self, file: str, span: tuple[int, int] | None = None) -> Record:
        record = super().open(file, span)
        return record.select_leads(STANDARD_12) if set(record.leads) == set(INDEPENDENT_8) else record

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.export_fixtures import muse_example

        return muse_example()

    def is_one(self, file: str) -> bool:
        """Whether its root element is that of a resting ECG; an emptied or cut file is taken for one, and then refused."""
        root = _root(file)
        return root is None or root == "restingecg"


class SCPReader(_Exports):
    """Reads SCP-ECG files (EN 1064), one recording each; checksums are verified. Needs the extra ``ecg-preproc[formats]``."""

    suffixes = (".scp",)
    what = "SCP-ECG file (*.scp)"
    parser = "scp_ecg:SCPECGParser"

    def __init__(self) -> None:
        pass

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.export_fixtures import scp_example

        return scp_example()


def _parsed(parser: str, file: str) -> Any:
    module, name = parser.split(":")
    try:
        from importlib import import_module

        from ecgdatakit.exceptions import ChecksumWarning

        parse = getattr(import_module(f"ecgdatakit.parsing.parsers.{module}"), name)().parse
    except ImportError:
        raise MissingExtraError("reading this format needs ecgdatakit: pip install 'ecg-preproc[formats]'") from None
    read_bytes(file, Path(file).parent, limit=_MOST_BYTES)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            parsed = parse(Path(file))
        except Exception as error:
            raise DataError(f"it cannot be read ({_first_line(error)}); export it again") from None
    altered = [str(one.message) for one in said if issubclass(one.category, ChecksumWarning)]
    if altered:
        raise DataError(f"it was altered ({altered[0]}); export it again")
    return parsed


def _unscaled(lead: Any) -> bool:
    return bool(lead.is_raw and not lead.resolution_unit)


def _root(file: str) -> str | None:
    """Name of the root element, in lower case; ``None`` where the beginning of the file shows none."""
    try:
        with open(file, "rb") as opened:
            head = opened.read(_SNIFFED)
    except OSError:
        return None
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", errors="ignore")
    found = _ELEMENT_RE.search(_PROLOGUE_RE.sub("", text))
    return found[1].lower() if found else None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
