"""R peaks on MIT-BIH recordings (ANSI/AAMI EC57, 150 ms): ours against the XQRS detector of the wfdb package, one thread.

Run: ``python benchmarks/r_peaks.py FOLDER`` with a folder of MIT-BIH records and their ``.atr`` files.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from ecg_core.data.r_peaks import detect_r_peaks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import wfdb
    from wfdb import processing

BEATS = list("NLRBAaJSVrFejnE/fQ?")
WINDOW = 0.15  # seconds


def near(a: np.ndarray, b: np.ndarray, samples: float) -> np.ndarray:
    """Which of ``a`` have a neighbour in ``b`` within so many samples."""
    if not len(b):
        return np.zeros(len(a), dtype=bool)
    at = np.searchsorted(b, a)
    sides = b[np.stack([np.maximum(at - 1, 0), np.minimum(at, len(b) - 1)])]
    return np.abs(sides - a).min(axis=0) <= samples


def outside_flutter(places: np.ndarray, notes: wfdb.Annotation) -> np.ndarray:
    """Places that no ventricular flutter (``[`` to ``]``) covers: EC57 leaves it out."""
    symbols = np.array(notes.symbol)
    began, ended = notes.sample[symbols == "["], notes.sample[symbols == "]"]
    inside = [(places >= a) & (places <= b) for a, b in zip(began, ended, strict=False)]
    return places[~np.any(inside, axis=0)] if inside else places


def main(folder: str) -> None:
    """Print sensitivity, positive predictive value and seconds of both, over all records."""
    warnings.simplefilter("ignore")
    detectors = {
        "ours, all leads": lambda x, fs: detect_r_peaks(x.T, fs=fs),
        "ours, first lead": lambda x, fs: detect_r_peaks(x[:, 0], fs=fs),
        "wfdb XQRS, first lead": lambda x, fs: processing.xqrs_detect(x[:, 0], fs, verbose=False),
    }
    counts = {name: np.zeros(4, dtype=int) for name in detectors}
    seconds = dict.fromkeys(detectors, 0.0)
    headers = sorted(Path(folder).glob("*.hea"))
    for header in headers:
        path = str(header.with_suffix(""))
        record, notes = wfdb.rdrecord(path), wfdb.rdann(path, "atr")
        true = outside_flutter(notes.sample[np.isin(notes.symbol, BEATS)], notes)
        for name, detect in detectors.items():
            began = time.process_time()
            found = detect(record.p_signal, record.fs)
            seconds[name] += time.process_time() - began
            found = outside_flutter(np.asarray(found), notes)
            reach = WINDOW * record.fs
            counts[name] += [near(true, found, reach).sum(), len(true), near(found, true, reach).sum(), len(found)]
    for name, (hits, beats, right, found) in counts.items():
        each = seconds[name] / len(headers)
        print(f"{name:>22}: sensitivity {hits / beats:.4f}, PPV {right / found:.4f}, {each:.2f} s per recording")
    ratio = seconds["wfdb XQRS, first lead"] / seconds["ours, first lead"]
    print(f"{len(headers)} recordings; on the first lead ours takes 1/{ratio:.0f} of the time")


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else str(Path(os.environ.get("ECG_SHARED", "../shared")) / "data" / "mitdb")
    if Path(folder).is_dir():
        main(folder)
    else:
        print("left out: give a folder of MIT-BIH records, e.g. of `ecg data download mitdb`")
