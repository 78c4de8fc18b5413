"""Reading 12-lead WFDB records: our readers (checksums verified) against the wfdb package, interleaved in one process.

Prints a ratio of CPU times for each storage format, for a part of a long record, and for files of annotations.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import ecg_core
from ecg_core.data.annotation_file import AnnotationFile, write_annotations
from ecg_core.data.leads import STANDARD_12
from ecg_preproc.readers.annotation_file import read_annotations
from ecg_preproc.readers.formats import FORMATS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import wfdb

SAMPLES, FS, GAIN = 5000, 500, 1000
BITS = {212: 12, 80: 8, 310: 10}


def write(folder: Path, name: str, digital: np.ndarray, number: int, *, mat: bool = False) -> None:
    """One record of ``(samples, leads)`` digital values."""
    suffix, offset = ("mat", "+24") if mat else ("dat", "")
    lines = [f"{name} {digital.shape[1]} {FS} {len(digital)}"]
    for lead, column in zip(STANDARD_12, digital.T, strict=False):
        total = int(column.sum(dtype=np.int64)) & 0xFFFF
        lines.append(f"{name}.{suffix} {number}{offset} {GAIN}(0)/mV 16 0 {column[0]} {total} 0 {lead}")
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    prefix = np.array([30, digital.shape[1], len(digital), 0, 4], "<i4").tobytes() + b"val\0" if mat else b""
    (folder / f"{name}.{suffix}").write_bytes(prefix + encode(digital.reshape(-1), number))


def encode(flat: np.ndarray, number: int) -> bytes:
    if number == 212:
        low, high = (flat[0::2] & 0xFFF).astype(np.uint16), (flat[1::2] & 0xFFF).astype(np.uint16)
        packed = np.stack([low & 0xFF, low >> 8 | high >> 8 << 4, high & 0xFF], axis=1)
        return packed.astype(np.uint8).tobytes()
    if number == 24:
        return flat.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    kinds = {16: flat.astype("<i2"), 32: flat.astype("<i4"), 61: flat.astype(">i2"), 80: (flat + 128).astype(np.uint8)}
    return kinds.get(number, (flat + 32768).astype("<u2")).tobytes()


def each(function: Callable[[Any], object], arguments: Iterable[Any]) -> Callable[[], None]:
    """Call it with each argument in turn; nothing is kept."""

    def run() -> None:
        for argument in arguments:
            function(argument)

    return run


def compare(what: str, ours: Callable[[], object], theirs: Callable[[], object], count: int, repeats: int = 7) -> None:
    """Print records per second of both, and the median ratio of neighbouring runs."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, spent in zip((ours, theirs), times, strict=True):
            began = time.process_time()
            run()
            spent.append(time.process_time() - began)
    ratio = statistics.median(t / o for o, t in zip(*times, strict=True))
    fast, slow = (count / statistics.median(spent) for spent in times)
    print(f"{what:24s} ours {fast:8.0f}/s   wfdb {slow:6.0f}/s   ratio {ratio:6.1f}")


def main(records: int = 100) -> None:
    warnings.simplefilter("ignore")  # wfdb uses what newer releases of pandas deprecate
    rng = np.random.default_rng(0)
    reader = ecg_core.READERS.build("wfdb")
    kinds = [(str(number), number, False) for number, form in FORMATS.items() if form.decode is not None]
    for what, number, mat in [*kinds, (".mat (16+24)", 16, True)]:
        limit = min(1500, 2 ** (BITS.get(number, 16) - 1) - 1)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for i in range(records):
                write(root, f"r{i:04d}", rng.integers(-limit, limit, (SAMPLES, 12)), number, mat=mat)
            rows = list(reader.scan(root).rows())
            assert len(rows) == records
            compare(
                what,
                each(reader.read, rows),
                each(wfdb.rdrecord, [str(root / row["path"]) for row in rows]),
                records,
            )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, "holter", rng.integers(-1500, 1500, (24 * 3600 * 128, 3)), 16)
        (row,) = reader.scan(root).rows()
        starts = rng.integers(0, row["n_samples"] - SAMPLES, 100).tolist()
        compare(
            "5000 samples of 24 h",
            each(lambda start: reader.read_part(row, start, start + SAMPLES), starts),
            each(lambda start: wfdb.rdrecord(str(root / "holter"), sampfrom=start, sampto=start + SAMPLES), starts),
            len(starts),
        )
        zeros = np.zeros(2500, dtype=np.int64)
        beats = AnnotationFile(np.cumsum(rng.integers(150, 400, 2500)), ("N",) * 2500, zeros, zeros, zeros, ("",) * 2500, None)
        write_annotations(beats, root / "holter.atr")
        compare(
            "2500 beats",
            each(lambda _: read_annotations(root / "holter.atr", root), range(50)),
            each(lambda _: wfdb.rdann(str(root / "holter"), "atr"), range(50)),
            50,
        )


if __name__ == "__main__":
    main()
