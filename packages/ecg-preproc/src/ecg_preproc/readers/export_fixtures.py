"""Small data sets of HL7 aECG, SCP-ECG and MUSE files for the contract kit, written by hand from the standards."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.record import Record
from ecg_preproc.readers.damages import flipped

__all__ = ["aecg_example", "aecg_of", "muse_example", "muse_of", "scp_example", "scp_of"]

_FACTS = [("p1", 63.0, "F"), ("p2", 40.0, "M"), (None, None, None)]
_TOLERANCE = 6e-3  # mV: steps of up to 5 µV, and leads that are differences of two
_SCP_CODE = {"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8}


def aecg_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.exports.AECGReader` states to the kit."""
    return {
        "fixture": _written(".xml", aecg_of, ("I", "II", "V2")),
        "tolerance": _TOLERANCE,
        "damages": {"an unknown unit": _replaced("r1.xml", b'unit="uV"', b'unit="mmHg"')},
    }


def muse_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.exports.MuseReader` states to the kit."""
    leads = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    return {
        "fixture": _written(".xml", muse_of, leads, ("I", "II", "III", "aVR", "aVL", "aVF", *leads[2:])),
        "tolerance": _TOLERANCE,
        "damages": {"an unknown unit": _replaced("r1.xml", b"MICROVOLTS", b"FURLONGS")},
    }


def scp_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.exports.SCPReader` states to the kit."""
    return {
        "fixture": _written(".scp", scp_of, ("I", "II", "V2")),
        "tolerance": _TOLERANCE,
        "damages": {"a sample that does not fit the checksum": flipped("r1.scp", place=-101)},
    }


def aecg_of(record: Record) -> bytes:
    """The record as HL7 aECG, steps of 1 µV."""
    subject = f'<id extension="{record.patient_id}"/>' if record.patient_id else ""
    born = f'<birthTime value="{2020 - int(record.age)}0101"/>' if record.age is not None else ""
    sex = f'<administrativeGenderCode code="{record.sex}"/>' if record.sex else ""
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"/><value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/>'
        f'<scale value="1" unit="uV"/><digits>{" ".join(str(v) for v in np.rint(row * 1000).astype(int))}</digits></value>'
        "</sequence></component>"
        for lead, row in zip(record.leads, record.signal, strict=True)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><effectiveTime><low value="20200601101500"/></effectiveTime>'
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        f"{subject}<subjectDemographicPerson>{sex}{born}</subjectDemographicPerson></trialSubject></subject>"
        "</subjectAssignment></componentOf></timepointEvent></componentOf>"
        '<component><series><code code="RHYTHM"/><effectiveTime><low value="20200601101500"/></effectiveTime>'
        "<component><sequenceSet>"
        '<component><sequence><code code="TIME_RELATIVE"/><value xsi:type="GLIST_PQ"><head value="0" unit="s"/>'
        f'<increment value="{1 / record.fs:.10g}" unit="s"/></value></sequence></component>{sequences}'
        "</sequenceSet></component></series></component></AnnotatedECG>"
    ).encode()


def muse_of(record: Record) -> bytes:
    """The record as MUSE XML, steps of 4.88 µV; only the independent leads are stored."""
    leads = ""
    for lead, row in zip(record.leads, record.signal, strict=True):
        if lead in ("III", "aVR", "aVL", "aVF"):
            continue
        raw = np.rint(row * 1000 / 4.88).astype("<i2").tobytes()
        leads += (
            f"<LeadData><LeadByteCountTotal>{len(raw)}</LeadByteCountTotal><LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal>"
            "<LeadAmplitudeUnitsPerBit>4.88</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>"
            f"<LeadID>{lead}</LeadID><LeadSampleSize>2</LeadSampleSize>"
            f"<LeadDataCRC32>{binascii.crc32(raw)}</LeadDataCRC32><WaveFormData>{base64.b64encode(raw).decode()}</WaveFormData></LeadData>"
        )
    patient = f"<PatientID>{record.patient_id}</PatientID>" if record.patient_id else ""
    age = "" if record.age is None else f"<PatientAge>{int(record.age)}</PatientAge><AgeUnits>YEARS</AgeUnits>"
    sex = "" if record.sex is None else f"<Gender>{ {'F': 'FEMALE', 'M': 'MALE'}[record.sex] }</Gender>"
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><RestingECG><MuseInfo><MuseVersion>9</MuseVersion></MuseInfo>'
        f"<PatientDemographics>{patient}{age}{sex}</PatientDemographics><Waveform><WaveformType>Rhythm</WaveformType>"
        f"<NumberofLeads>8</NumberofLeads><SampleBase>{int(record.fs)}</SampleBase><SampleExponent>0</SampleExponent>{leads}"
        "</Waveform></RestingECG>"
    ).encode("latin-1")


def scp_of(record: Record) -> bytes:
    """The record as SCP-ECG without compression, steps of 1 µV."""
    digital = np.rint(record.signal * 1000).astype("<i2")
    one = b""
    if record.patient_id:
        one += _tag(2, record.patient_id.encode() + b"\0")
    if record.age is not None:
        one += _tag(4, struct.pack("<HB", int(record.age), 1))
    if record.sex is not None:
        one += _tag(8, bytes([{"M": 1, "F": 2}[record.sex]]))
    one += _tag(14, bytes(8) + bytes([0, 0, 20, 0, 0, 0, 0, 0, 0]) + bytes(40)) + _tag(25, struct.pack("<HBB", 2020, 6, 1))
    one += _tag(255, b"")
    count, samples = digital.shape
    three = bytes([count, 4 | count << 3])
    three += b"".join(struct.pack("<IIB", 1, samples, _SCP_CODE[lead]) for lead in record.leads)
    six = struct.pack("<HHBB", 1000, round(1e6 / record.fs), 0, 0) + struct.pack("<H", 2 * samples) * count + digital.tobytes()
    bodies = {1: one + bytes(len(one) % 2), 3: three + bytes(len(three) % 2), 6: six}
    pointers, place = b"", 6 + 16 + 10 * 12
    for number in range(1, 12):
        length = 16 + len(bodies[number]) if number in bodies else 0
        pointers += struct.pack("<HII", number, length, place + 1 if length else 0)
        place += length
    zero = struct.pack("<HII", 0, 16 + 10 * 12, 7) + pointers
    sections = _section(0, zero, reserved=b"SCPECG") + b"".join(_section(number, body) for number, body in bodies.items())
    whole = struct.pack("<I", len(sections) + 6) + sections
    return struct.pack("<H", _crc(whole)) + whole


def _tag(number: int, value: bytes) -> bytes:
    return struct.pack("<BH", number, len(value)) + value


def _section(number: int, body: bytes, *, reserved: bytes = bytes(6)) -> bytes:
    rest = struct.pack("<HIBB", number, 16 + len(body), 20, 20) + reserved + body
    return struct.pack("<H", _crc(rest)) + rest


def _crc(content: bytes) -> int:
    return binascii.crc_hqx(content, 0xFFFF)  # CRC-CCITT, as EN 1064 asks for


def _written(
    suffix: str, encode: Callable[[Record], bytes], leads: tuple[str, ...], read_as: tuple[str, ...] | None = None
) -> Callable[[Path], list[Record]]:
    def write(folder: Path) -> list[Record]:
        records = []
        for number, (patient, age, sex) in enumerate(_FACTS):
            x = np.random.default_rng(number).normal(0, 0.5, (len(leads), 500)).clip(-4, 4).astype(np.float32)
            record = Record(x, 500.0, leads, f"r{number}", patient, age, sex)  # type: ignore[arg-type]
            (folder / f"r{number}{suffix}").write_bytes(encode(record))
            records.append(record if read_as is None else record.select_leads(read_as))
        return records

    return write


def _replaced(name: str, old: bytes, new: bytes) -> Callable[[Path], str]:
    def damage(folder: Path) -> str:
        content = (folder / name).read_bytes()
        assert old in content
        (folder / name).write_bytes(content.replace(old, new))
        return name.split(".")[0]

    return damage
