"""A folder of synthetic recordings: WFDB files and the labels that are true of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pandas as pd

from ecg_core.data.record import Record
from ecg_preproc.readers.write import write_record
from ecg_preproc.synthesis.patient import patient_of_each_record
from ecg_preproc.synthesis.tracing import trace

__all__ = ["make_record", "write_dataset"]


def make_record(index: int, *, seed: int = 0, seconds: float = 10.0, fs: float = 500.0, noise: bool = True) -> Record:
    """One recording of the data set, as :func:`write_dataset` writes it but for rounding to 1 µV.

    Args:
        index: Its number.
        seed: Of the data set.
        seconds: Length.
        fs: Hz.
        noise: Whether the recording is as noisy as real ones.

    Returns:
        ``(12, samples)`` in mV with the target ``dx`` and the annotation ``r_peaks`` (samples).
    """
    patient = next(islice(patient_of_each_record(seed), index, None))
    return trace(patient, seed=seed, index=index, seconds=seconds, fs=fs, noise=noise)


def write_dataset(folder: Path, *, records: int, seconds: float = 10.0, fs: float = 500.0, seed: int = 0) -> pd.DataFrame:
    """Write ``r00000.hea``, ``r00000.dat``, … and ``labels.csv``. Record i does not depend on how many there are.

    Args:
        folder: Must exist.
        records: How many.
        seconds: Length of each.
        fs: Hz.
        seed: Same seed, same bytes.

    Returns:
        What ``labels.csv`` holds: record_id, patient_id, age, sex and dx, whose codes are separated by ``;``.
    """
    rows = []
    for index, patient in enumerate(islice(patient_of_each_record(seed), records)):
        record = trace(patient, seed=seed, index=index, seconds=seconds, fs=fs)
        write_record(record, folder)
        facts = (record.record_id, patient.patient_id, patient.age, patient.sex, ";".join(record.labels["dx"]))
        rows.append(facts)
    labels = pd.DataFrame(rows, columns=["record_id", "patient_id", "age", "sex", "dx"])
    (folder / "labels.csv").write_text(labels.to_csv(index=False, lineterminator="\n"), newline="\n")
    return labels
